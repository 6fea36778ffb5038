"""What `status`, `merge` and `compare` say of runs: names, settings and fields, at 80 columns too."""

import io
import re

import pytest
from rich.console import Console

import synthetic_results
from modbench.cli.status import render
from modbench.core import names
from modbench.core.spec import RunSpec
from modbench.store.table import load

GRID = {"rules": (2, 8), "models": ("modular", "gt-modular"), "task_seeds": [0], "seeds": [0, 1]}


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def fill(folder, missing=lambda spec: False, **evaluation):
    """A store whose runs have these fields of evaluation."""
    specs = [spec.model_dump() for spec in synthetic_results.specs(**GRID)]
    runs = [RunSpec.parse({**spec, "evaluation": {**spec["evaluation"], **evaluation}}) for spec in specs]
    synthetic_results.fill(folder, runs, missing=missing, points=3)


@pytest.fixture
def two(folder):
    """Stores `a` and `b`, whose runs differ in evaluation alone; of two runs of `b` there are plans alone."""
    fill(folder / "a")
    fill(
        folder / "b",
        missing=lambda spec: spec.task.num_rules == 8 and spec.seed == 1,
        performance_batches=7,
        activation_samples=1000,
        adaptation_samples=250,
    )
    return folder


def test_merge_names_the_fields_that_keep_runs_apart(command, two):
    result = command("merge", "a", "b", "--out", "both")
    assert result.exit_code == 0
    line = next(line for line in result.stdout.splitlines() if "not averaged together" in line)
    assert line.startswith("MLP · regression: the runs differ in evaluation.")
    assert "evaluation.performance_batches (100 in a, 7 in b)" in line
    assert "evaluation.adaptation_samples (10,000 in a, 250 in b)" in line
    assert "not averaged" not in command("merge", "a", "--out", "one").stdout
    later = command("merge", "b", "--out", "one").stdout  # the target's own runs count, too
    assert "evaluation.performance_batches (7 in b, 100 in one)" in later


def test_status_of_a_merged_store_keeps_its_numbers_at_80_columns(command, two):
    command("merge", "a", "b", "--out", "both")
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(render(two / "both", load(two / "both")))
    shown = console.export_text()
    assert max(map(len, shown.splitlines())) <= 80
    assert "performance batches 7" in words(shown)
    rows = [line.split() for line in shown.splitlines()]
    assert ["model", "done", "failed", "waiting"] in rows
    assert rows.count(["Modular", "4", "-", "-"]) == 1
    assert rows.count(["Modular", "3", "-", "1"]) == 1
    assert rows.count(["GT-Modular", "3", "-", "1"]) == 1


def test_compare_names_models_rules_seeds_and_fields(command, two):
    result = command("compare", "a", "b")
    assert result.exit_code == 1
    runs = "MLP · regression, Modular, GT-Modular, R = 2, 8, E = 32, task seed 0, seeds 0, 1"
    assert f"stored in A only: 8 runs: {runs}\n" in result.stdout
    assert f"planned in B only: 8 runs: {runs}\n" in result.stdout
    line = next(
        line for line in result.stdout.splitlines() if line.startswith("the runs of one only differ in")
    )
    assert "evaluation.performance_batches (100 in A, 7 in B)" in line
    assert "task.num_rules" not in line


@pytest.fixture
def strange(folder, monkeypatch):
    """A store of a router that was registered when it was made, and is not any more; half of its runs are plans."""
    with monkeypatch.context() as patch:
        patch.setitem(names.GATES, "mine", "a router of one's own")
        models = [{"scores": "joint", "gates": "mine"}, "modular"]
        runs = synthetic_results.specs(rules=(2,), models=models, task_seeds=[0], seeds=[0, 1])
        synthetic_results.fill(folder / "store", runs, missing=lambda spec: spec.seed == 1, points=3)
        known = load(folder / "store")
        assert known.unknown_routers == {}
        assert known.runs["run_id"].nunique() == len(known.missing) == 2
    return folder / "store"


def test_status_names_a_router_that_this_process_does_not_know(command, strange):
    assert list(load(strange).unknown_routers) == ["gates 'mine'"]
    for subcommand in ("status", "figures", "claims"):
        shown = words(command(subcommand, "store").stdout)
        assert (
            "left out: 2 cohorts with gates 'mine', which only the Python process that registers it" in shown
        )
        assert "mb.load and mb.run read and continue this store" in shown
        assert "another version" not in shown


def test_another_version_is_not_called_a_router(command, folder, monkeypatch):
    from modbench.core import identity

    fill(folder / "store")
    monkeypatch.setitem(identity.VERSIONS["evaluation"], "mlp", 99)
    shown = words(command("status", "store").stdout)
    assert "of another version of the benchmark" in shown
    assert "router" not in shown
