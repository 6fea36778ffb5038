"""The published studies are whole, are what their sweeps say, and say nothing of the machine's name."""

from pathlib import Path

import pytest

from modbench.core.grid import load_sweep
from modbench.core.quantities import CURVE_METRICS
from modbench.store.table import load

ROOT = Path(__file__).resolve().parents[1]
STUDIES = sorted(path.parent for path in (ROOT / "studies").glob("*/store.json"))
MOST_BYTES = 10_000_000


def test_there_are_studies():
    assert [folder.name for folder in STUDIES] == ["small"]


@pytest.fixture(scope="module", params=STUDIES, ids=lambda folder: folder.name)
def study(request):
    return request.param, load(request.param)


def test_every_run_of_the_preset_is_there_intact(study):
    folder, tables = study
    assert not tables.damaged
    assert not tables.retired
    assert tables.missing.empty
    assert set(tables.runs["run_id"]) == set(load_sweep(folder.name).runs)
    assert set(load_sweep(str(folder / "sweep.toml")).runs) == set(load_sweep(folder.name).runs)


def test_routing_along_training_is_recorded_of_every_run_with_modules(study):
    _, tables = study
    points = tables.curves[tables.curves["num_modules"].notna()]
    assert points[list(CURVE_METRICS)].notna().all(axis=None)
    assert set(tables.snapshots["run_id"]) <= set(tables.runs["run_id"])
    assert len(tables.snapshots)


def test_it_is_small_and_holds_nothing_but_results(study):
    folder, _ = study
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < MOST_BYTES
    assert {path.name for path in folder.iterdir()} == {
        "cohorts", "plan", "report.html", "store.json", "sweep.toml",
    }  # fmt: skip


def test_it_names_a_kind_of_machine_and_versions_but_no_machine(study):
    folder, tables = study
    assert set(tables.runs["env_host"]) == {"2 cores of a shared x86-64 server"}
    assert tables.runs["env_jax"].nunique() == 1
    page = (folder / "report.html").read_text("utf-8")
    assert "2 cores of a shared x86-64 server" in page
    assert str(tables.runs["env_jax"].iloc[0]) in page
