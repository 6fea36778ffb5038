import math
from dataclasses import replace

import numpy as np
from fake_training import result
from small_sweeps import spec

from modbench.core.identity import run_id
from modbench.core.quantities import CURVE_METRICS
from modbench.evaluation.result import CurvePoint, RunResult
from modbench.store.files import Store
from modbench.store.plan import PlannedCohort
from modbench.store.table import load
from modbench.sweep.rows import cohort_record

ENVIRONMENT = {
    "env_started": "2025-01-01T00:00:00+00:00",
    "env_host": "host",
    "env_device": "cpu",
    "env_modbench": "0.1.0",
    "env_jax": "0.10.0",
    "env_python": "3.11.0",
    "env_peak_memory_mb": 1.0,
    "env_memory_mb": 1000.0,
    "env_settings": None,
}


def test_rows_fit_the_store_and_come_back(tmp_path):
    runs = [spec(model="modular", seed=seed) for seed in (0, 1)]
    cohort = PlannedCohort.of(runs, 2)
    record = cohort_record(cohort.cohort_id, [2, 2], [result(run) for run in runs], [ENVIRONMENT] * 2)
    store = Store.create(tmp_path / "store", {"name": "x", "grid": []})
    assert store.publish(cohort.cohort_id, record)
    tables = load(store.folder)
    assert set(tables.runs["run_id"]) == {run_id(run) for run in runs}
    first = tables.runs[(tables.runs["seed"] == 0) & (tables.runs["checkpoint"] == "last")].iloc[0]
    assert first["error_id"] == 1 / 3
    assert first["num_parameters"] == 35_619
    assert (first["rule_agreement"], first["rule_rank"]) == (0.75, 2)
    assert first["env_seconds_train"] == 0.2
    assert tables.activations["matrix"].iloc[0].tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert len(tables.curves) == 2
    assert len(tables.performance) == 2 * 2 * 2


def test_null_is_not_measured_and_nan_is_diverged():
    monolithic, diverged = spec(), spec(model="modular", learning_rate=1.0)
    lost = result(diverged)
    unevaluated = RunResult(**{**vars(lost), "checkpoints": {}})
    for run, made in ((monolithic, result(monolithic)), (diverged, lost), (diverged, unevaluated)):
        row = cohort_record("c", [1], [made], [ENVIRONMENT]).runs[0]
        assert (row["last_alignment"] is None) == (run is monolithic)
        assert math.isnan(row["best_loss_id"]) == (run is diverged)
        if run is diverged:
            assert math.isnan(row["last_alignment"])
            assert row["status"] == "failed"
            assert row["reason"] is not None
    assert cohort_record("c", [1], [result(monolithic)], [ENVIRONMENT]).activations == []


def with_task_seed(run, task_seed):
    return run.model_copy(update={"task": run.task.model_copy(update={"task_seed": task_seed})})


def test_metrics_along_training_are_kept_of_all_and_matrices_of_the_first_runs_alone():
    runs = [with_task_seed(spec(model="modular", seed=seed), task) for seed in (2, 0, 1) for task in (1, 0)]
    matrix = np.array([[1.0, 0.0], [0.25, 0.75]])
    point = CurvePoint(0, 1.0, 1.0, 1.0, 1.0, matrix, dict.fromkeys(CURVE_METRICS, 0.5))
    results = [replace(result(run), curve=[point]) for run in runs]
    record = cohort_record("c", [6] * 6, results, [ENVIRONMENT] * 6)
    assert all(row["alignment"] == row["adaptation_from_matrix"] == 0.5 for row in record.curves)
    kept = {row["run_id"]: row["matrix"] for row in record.curves if row["matrix"] is not None}
    assert kept == {run_id(spec(model="modular", seed=seed)): bytes([255, 0, 64, 191]) for seed in (0, 1)}
