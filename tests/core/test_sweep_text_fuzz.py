"""Sweep files that were edited by accident, and names that would lead elsewhere: a sweep, or one clear line."""

import re
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from modbench.core.errors import RequestError
from modbench.core.grid import Sweep, load_sweep, parse_sweep
from modbench.sweep.run import default_folder

quickly = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))

TEXT = """# two models
name = "mine"
description = "does it specialise?"

[[grid]]
task.architecture = "mha"
task.num_rules = [2, 4]
model.name = ["modular", "gt-modular"]
train = {steps = 20, halve_learning_rate_at = [5, 10]}
seed = [0, 1]

[[grid]]
task.architecture = "rnn"
task.num_rules = 2
model.scores = "joint"
model.gates = "top-k"
model.gate_options = {k = 2}
"""
GRID = [{"task": {"architecture": "mlp", "num_rules": 2}}]
pieces = st.sampled_from(
    [
        *"[]{}=.\"'\n #,-",
        "[[grid]]",
        "seed = [",
        "9" * 400,
        "1e999",
        "nan",
        "true",
        "1979-05-27",
        '"""',
        "\\u0000",
    ]
) | st.text(max_size=3)


@st.composite
def edited(draw) -> str:
    """The text of a sweep file after a few slips: a piece put in, taken out, or said twice."""
    text = TEXT
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        middle = draw(pieces | st.just("") | st.just(text[start:end] * 2))
        text = text[:start] + middle + text[end:]
    return text


def sweep_or_line(make) -> Sweep | None:
    """The sweep, or None where it was refused in one line."""
    try:
        sweep = make()
    except RequestError as refused:
        message = str(refused)
    else:
        assert sweep.runs
        return sweep
    assert message.strip()
    assert len(message.splitlines()) == 1
    return None


@quickly
@given(edited())
def test_an_edited_sweep_file(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "edited.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    sweep_or_line(lambda: load_sweep(str(path)))


@quickly
@given(st.binary(max_size=4), st.integers(0, len(TEXT.encode())))
def test_a_sweep_file_with_other_bytes(tmp_path_factory, inserted, place):
    content = TEXT.encode()
    path = tmp_path_factory.getbasetemp() / "bytes.toml"
    path.write_bytes(content[:place] + inserted + content[place + len(inserted) :])
    sweep_or_line(lambda: load_sweep(str(path)))


@quickly
@given(st.text(max_size=12) | st.from_regex(r"[./\\~a-z]{1,8}", fullmatch=True))
@example("..")
@example("../x")
@example("/etc/passwd")
@example("~")
@example("a/../../b")
@example("con\x00")
def test_the_default_folder_of_any_name_lies_in_results(name):
    sweep = sweep_or_line(lambda: parse_sweep({"name": name, "grid": GRID}))
    if sweep is not None:
        folder = default_folder(sweep)
        assert folder.resolve().parent == Path("results").resolve()
        assert re.fullmatch(r"[\w.-]+", sweep.name)


@quickly
@given(st.text(max_size=8), st.text(max_size=20))
def test_any_text_on_either_side_of_an_override(field, value):
    sweep_or_line(lambda: parse_sweep({"grid": GRID}, [f"{field}={value}"]))
    sweep_or_line(lambda: parse_sweep({"grid": GRID}, [f"train.steps={value}"]))
    sweep_or_line(lambda: parse_sweep({"grid": GRID}, [f"model.gate_options={value}"]))


@quickly
@given(st.lists(st.sampled_from(["[", "{a=", "'", '"', "."]), min_size=1, max_size=400).map("".join))
@example("[" * 5000)
@example("{a=" * 2000)
def test_deeply_nested_overrides(value):
    sweep_or_line(lambda: parse_sweep({"grid": GRID}, [f"seed={value}"]))
    sweep_or_line(lambda: parse_sweep({"grid": GRID}, [f"{'model.' * 200}x={value}"]))
