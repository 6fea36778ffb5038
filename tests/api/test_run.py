"""Sweeps from Python: what is understood, what is trained, what is said."""

import os
import re
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

import modbench as mb
from modbench.api.requests import sweep_of
from modbench.core import names
from modbench.core.grid import parse_sweep
from modbench.sweep.executors import Here
from sweep import fake_training
from tiny_runs import EVALUATION

GRID = {"task": {"architecture": "mlp", "num_rules": [2, 4]}, "model": {"name": ["modular", "gt-modular"]}}


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    """A folder of its own, and the environment that a worker would set."""
    monkeypatch.chdir(tmp_path)
    with mock.patch.dict(os.environ, NPROC="1"):
        yield


def quick() -> Here:
    return Here(fake_training.quick)


# --- what is understood


def test_every_way_to_name_a_sweep_means_the_same():
    table = {"name": "mine", "grid": [{**GRID, "seed": [0, 1, 2]}]}
    expected = parse_sweep(table)
    Path("mine.toml").write_text(
        'name = "mine"\n[[grid]]\ntask.architecture = "mlp"\ntask.num_rules = [2, 4]\n'
        'model.name = ["modular", "gt-modular"]\nseed = [0, 1, 2]\n'
    )
    halves = [{**GRID, "seed": 0}, {**GRID, "seed": (1, 2)}]
    for given in (table, expected, "mine.toml", Path("mine.toml"), {**GRID, "seed": range(3)}, halves,
                  {**GRID, "seed": np.arange(3)}, {**GRID, "seed": [np.int64(0), 1, 2]}):  # fmt: skip
        assert set(sweep_of(given).runs) == set(expected.runs), given
    assert sweep_of({"name": "mine", **GRID}).name == "mine"


def test_overrides_are_tables_or_texts():
    expected = {spec.train.steps for spec in sweep_of("smoke", ["train.steps=7"]).runs.values()}
    assert expected == {7}
    for overrides in ({"train.steps": 7}, {"train": {"steps": 7}}, "train.steps=7", ("train.steps=7",)):
        assert set(sweep_of("smoke", overrides).runs) == set(sweep_of("smoke", ["train.steps=7"]).runs)
    sweep = sweep_of(sweep_of("smoke"), {"seed": range(3), "train.steps": 7})
    assert {spec.seed for spec in sweep.runs.values()} == {0, 1, 2}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sweep": 5}, r"sweep must be a preset's name, a sweep file, a table such as .*, got 5"),
        ({"sweep": []}, r"sweep must be a preset's name"),
        ({"sweep": "quikc"}, r"unknown preset 'quikc'. Did you mean 'quick'"),
        ({"sweep": Path("no.toml")}, r"no sweep file 'no.toml'"),
        ({"sweep": {"task": {"architecture": "mpl"}}}, r"unknown architecture 'mpl'. Did you mean 'mlp'"),
        ({"sweep": {**GRID, "sed": 1}}, r"sed"),
        (
            {"sweep": {**GRID, "seed": None}},
            r"a sweep's values must be texts, numbers, lists or tables, got None",
        ),
        ({"sweep": {"task": {1: 2}}}, r"a field's name must be a text, got 1"),
        ({"sweep": {"grid": 5}}, r"a sweep must have at least one \[\[grid\]\] table"),
        ({"sweep": GRID, "overrides": 5}, r"overrides must be a table such as"),
        ({"sweep": GRID, "overrides": {"train.step": 5}}, r"step"),
        ({"sweep": GRID, "executor": "there"}, r"unknown executor 'there'"),
        ({"sweep": GRID, "executor": 5}, r"executor must be 'here', 'processes' or an executor, got 5"),
        ({"sweep": GRID, "workers": 0}, r"workers: must be from 1 to 1024, got 0"),
        ({"sweep": GRID, "checkpoint": "lst"}, r"unknown checkpoint 'lst'"),
    ],
)
def test_a_wrong_request_gets_one_line_and_writes_nothing(tmp_path, arguments, message):
    with pytest.raises(mb.RequestError, match=message) as raised:
        mb.run(**arguments)
    assert "\n" not in str(raised.value)
    assert {path.name for path in tmp_path.iterdir()} == set()


# --- what is trained


def test_a_sweep_is_trained_once_and_loaded(capsys):
    results = mb.run({**GRID, "seed": range(3)}, "results/my first", executor=quick())
    assert len(results.runs) == 12
    assert results.outcome is not None
    assert (results.outcome.done, results.outcome.missing) == (12, 0)
    assert "12/12 runs" in capsys.readouterr().out
    assert Path("results/my first/sweep.toml").read_text().startswith('name = "my-first"')
    again = mb.run({**GRID, "seed": range(3)}, "results/my first", executor=Here(fake_training.full_disk))
    assert capsys.readouterr().out == ""
    assert set(again.runs["run_id"]) == set(results.runs["run_id"])


def test_without_a_folder_results_go_where_the_command_puts_them():
    results = mb.run({"name": "mine", **GRID}, executor=quick(), quiet=True, checkpoint="best")
    assert results.folder == Path("results/mine")
    assert results.checkpoint == "best"


def test_what_failed_is_said_and_the_rest_is_there():
    sweep = {
        **GRID,
        "task": {"architecture": "mlp", "num_rules": 2},
        "train": {"learning_rate": [0.001, 1.0]},
    }
    with pytest.warns(UserWarning, match=r"2 runs failed; results\.failed tells why"):
        results = mb.run(sweep, "store", executor=quick(), quiet=True)
    assert len(results.failed) == 2
    sweep = {**GRID, "seed": [0, 1], "train": {"batch_size": [8, 16]}}
    with pytest.raises(
        RuntimeError, match=r"(?s)nothing could be trained: ValueError: no such luck.*Traceback"
    ):
        mb.run({**sweep, "seed": 1}, "broken", executor=Here(fake_training.breaks_at_seed_1), quiet=True)
    mb.run({**sweep, "seed": 0}, "broken", executor=quick(), quiet=True)
    with pytest.warns(UserWarning, match=r"(?s)not trained: MLP regression.*no such luck"):
        results = mb.run(sweep, "broken", executor=Here(fake_training.breaks_at_seed_1), quiet=True)
    assert len(results.runs) == len(results.missing) == 8


# --- routers of one's own


@pytest.fixture
def router():
    """A gate function of one's own, forgotten afterwards."""
    import jax.numpy as jnp

    from modbench.models import routing

    @mb.register_gates("tempered", "softmax of half the scores")
    class Tempered(mb.Gates):
        def __call__(self, scores, key):
            halved = jnp.exp(scores / 2 - scores.max(axis=-1, keepdims=True) / 2)
            return halved / halved.sum(axis=-1, keepdims=True)

    yield Tempered
    for registry in (names.GATES, routing.GATE_CLASSES):
        del registry["tempered"]


def test_a_router_without_legal_gates_is_refused_in_one_line(router, monkeypatch):
    monkeypatch.setattr(router, "__call__", lambda self, scores, key: scores > 0)
    grid = {
        "task": {"architecture": "mlp", "num_rules": 2},
        "model": {"scores": "joint", "gates": "tempered", "encoder_width": 4},
    }
    expected = (
        "nothing could be trained: gates 'tempered' (class Tempered): "
        "gates must be real numbers such as float32, got dtype bool"
    )
    with pytest.raises(RuntimeError) as refused:
        mb.run(grid, "own", quiet=True)
    assert str(refused.value) == expected
    assert not list(Path("own").glob("cohorts/*"))


def test_a_router_of_ones_own_is_trained_in_this_process(router):
    grid = {
        "task": {"architecture": "mlp", "num_rules": 2},
        "model": {"scores": "joint", "gates": "tempered", "encoder_width": 4},
        "train": {"steps": 4, "batch_size": 8},
        "evaluation": {**EVALUATION, "curve_every": 2},
    }
    results = mb.run(grid, "own", quiet=True)
    assert set(results.runs["model"]) == {"joint+tempered"}
    assert results.runs["alignment"].between(0, 1).all()
    for wrong in ({"executor": "processes"}, {"workers": 2}):
        with pytest.raises(
            mb.RequestError, match=r"must be 'here', with one worker: 'tempered' is registered"
        ):
            mb.run(grid, "own", **wrong)


def test_a_store_where_a_sweep_belongs_is_told_the_call_that_continues_it(tmp_path):
    (tmp_path / "store.json").touch()
    call = f"mb.run('{tmp_path}/sweep.toml', '{tmp_path}')"
    with pytest.raises(mb.RequestError, match=re.escape(f"got the store {tmp_path}; its own sweep: {call}")):
        mb.run(tmp_path)
