"""Whatever a sweep is made of, it is a sweep or a one-line refusal: never another exception."""

import contextlib

import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modbench.core.errors import RequestError
from modbench.core.grid import Sweep, load_sweep, parse_sweep
from modbench.core.identity import run_id
from modbench.core.names import ARCHITECTURES, GATES, KINDS, MODELS, SCORES, VARIANTS
from modbench.core.spec import EvaluationSpec, ModelSpec, RunSpec, TrainSpec
from modbench.core.task_spec import MhaTask, MlpTask, RnnTask

quickly = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
json = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
words = st.sampled_from(
    [*ARCHITECTURES, *KINDS, *MODELS, *SCORES, *GATES, *VARIANTS, "name", "grid", "seed", "inf", "nan"]
)
TASKS = (MlpTask, MhaTask, RnnTask)
FIELDS = {
    "task": sorted(set.intersection(*(set(task.model_fields) for task in TASKS))),
    "model": sorted({*ModelSpec.model_fields, "name"}),
    "train": sorted(TrainSpec.model_fields),
    "evaluation": sorted(EvaluationSpec.model_fields),
}
likely = st.integers(1, 12) | st.floats(0, 1) | words
odd = likely | st.lists(likely, max_size=3) | st.lists(json, max_size=3) | json
options = st.dictionaries(st.text(max_size=4), scalars | json, max_size=2)


@st.composite
def grids(draw):
    """A valid grid in which up to three fields are replaced by something odd."""
    task = {
        "architecture": draw(st.sampled_from(sorted(ARCHITECTURES))),
        "num_rules": draw(st.integers(2, 6)),
    }
    grid = {"task": task}
    for _ in range(draw(st.integers(0, 3))):
        part = draw(st.sampled_from(sorted(FIELDS)))
        name = draw(st.sampled_from(FIELDS[part]))
        grid.setdefault(part, {})[name] = draw(options if name.endswith("options") else odd)
    if draw(st.booleans()):
        grid["seed"] = draw(odd)
    if draw(st.integers(0, 9)) == 0:
        grid[draw(st.text(max_size=4) | st.sampled_from(sorted(FIELDS)))] = draw(json)
    return grid


sweeps = st.fixed_dictionaries(
    {"grid": st.lists(grids(), min_size=1, max_size=2)},
    optional={"name": st.text(max_size=4) | st.just("name")},
)
field_names = st.sampled_from([f"{part}.{name}" for part, names in FIELDS.items() for name in names])
overrides = st.builds("{}={}".format, field_names | st.text(max_size=6), odd) | st.text(max_size=12)


def sweep_or_refusal(make):
    """The sweep, or None where it was refused in one line."""
    try:
        sweep = make()
    except RequestError as refused:
        message = str(refused)
    else:
        assert isinstance(sweep, Sweep)
        assert sweep.runs
        return sweep
    assert len(message.splitlines()) == 1
    return None


@quickly
@given(json | st.dictionaries(st.sampled_from([*FIELDS, "seed"]), json, max_size=2))
def test_any_json_as_a_run(value):
    with contextlib.suppress(RequestError):
        RunSpec.parse(value)


@quickly
@given(st.dictionaries(st.text(max_size=4) | words, json, max_size=3))
def test_any_json_as_a_sweep(table):
    sweep_or_refusal(lambda: parse_sweep(table))


@quickly
@given(sweeps)
def test_anything_like_a_sweep(table):
    sweep = sweep_or_refusal(lambda: parse_sweep(table))
    if sweep is not None:
        for identity, spec in sweep.runs.items():
            again = RunSpec.parse(spec.model_dump())
            assert (again, run_id(again)) == (spec, identity)
        assert parse_sweep(sweep.source).runs == sweep.runs


@quickly
@given(st.lists(overrides, max_size=2))
def test_any_text_as_an_override(texts):
    table = {"grid": [{"task": {"architecture": "mha", "num_rules": 2}, "model": {"name": "modular"}}]}
    sweep_or_refusal(lambda: parse_sweep(table, texts))


@quickly
@given(st.text(max_size=40) | st.text(alphabet="[]{}=.\"'\n #-+0123456789exinfant", max_size=40))
def test_any_text_as_a_sweep_file(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(text, encoding="utf-8")
    sweep_or_refusal(lambda: load_sweep(str(path)))


@quickly
@given(sweeps)
def test_a_sweep_file_like_any_other(tmp_path_factory, table):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    try:
        path.write_text(tomli_w.dumps(table), encoding="utf-8")
    except (TypeError, ValueError):  # TOML has no null and no surrogates
        return
    sweep = sweep_or_refusal(lambda: load_sweep(str(path)))
    if sweep is not None:
        path.write_text(tomli_w.dumps(sweep.source), encoding="utf-8")
        assert load_sweep(str(path)).runs == sweep.runs


@quickly
@given(st.binary(max_size=40))
def test_any_bytes_as_a_sweep_file(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(content)
    sweep_or_refusal(lambda: load_sweep(str(path)))


@quickly
@given(st.text(max_size=12) | words)
def test_any_text_as_the_name_of_a_sweep(name):
    sweep_or_refusal(lambda: load_sweep(name))
