"""Parameters that are kept: read in one line, called, measured again."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from modbench.core.errors import MachineError, RequestError
from modbench.core.identity import run_id
from modbench.evaluation.trained import TrainedRun
from modbench.metrics import joint_from_trace, routing_metrics
from modbench.store.files import Store
from modbench.store.merge import merge_stores
from modbench.store.params import kept, load_params
from modbench.store.plan import PlannedCohort
from modbench.store.table import load
from modbench.sweep.keeping import Keeping
from modbench.sweep.worker import Trainer, train_group
from tiny_runs import tiny

RUNS = [
    tiny(steps=24, seed=seed, train={"learning_rate": rate})
    for seed, rate in enumerate([1e-2, 1e-2, 1e-2, 1e30])
]
"""The shapes of test_cohort_checkpoints: what was compiled there is found in the cache. The last one diverges."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the parameters of two groups, which was interrupted between them."""
    folder = tmp_path_factory.mktemp("kept") / "store"
    store, planned = Store.create(folder, {"name": "x", "grid": []}), PlannedCohort.of(RUNS, 3)
    store.add_plan(planned)
    begun: list[int] = []

    def counted(specs, *arguments):
        begun.append(len(specs))
        return train_group(specs, *arguments)

    Trainer(0, store, print, lambda: bool(begun), Keeping(), counted).train(planned)
    # They are asked for only now, so the group that is finished must train again.
    Trainer(0, store, print, lambda: False, Keeping(params=True), counted).train(planned)
    assert begun == [3, 3, 1]
    assert store.published() == [planned.cohort_id]
    return folder


def test_stored_parameters_make_the_model_that_was_measured(store):
    runs = load(store).runs.set_index(["run_id", "checkpoint"])
    for checkpoint in ("last", "best"):
        stored = load_params(store, run_id(RUNS[1]), checkpoint)
        row = runs.loc[(run_id(RUNS[1]), checkpoint)]
        assert (stored.spec, stored.status, stored.cohort_id) == (RUNS[1], "done", row["cohort_id"])
        assert stored.step == (24 if checkpoint == "last" else row["best_step"])
        assert sum(array.size for array in stored.arrays.values()) == row["num_parameters"]
        again = TrainedRun(stored.spec, stored.arrays).measure(stored.step)
        for name, value in again.quantities.items():
            assert value == pytest.approx(row[name], rel=1e-4, abs=1e-6)


def test_a_new_metric_is_measured_on_fresh_examples(store):
    stored = load_params(store, run_id(RUNS[0]))
    run = TrainedRun(stored.spec, stored.arrays)
    batch = run.draw(2000, seed=7)
    output = run(batch.inputs, batch.rule)
    assert output.prediction.shape == batch.target.shape
    measured = routing_metrics(joint_from_trace(np.asarray(batch.rule), np.asarray(output.gates)))
    row = load(store).runs.query("run_id == @stored.run_id and checkpoint == 'last'").iloc[0]
    assert measured["collapse_avg"] == pytest.approx(row["collapse_avg"], abs=0.05)
    again = run.draw(2000, seed=7)
    assert np.array_equal(again.inputs, batch.inputs)
    assert np.allclose(run.draw(2000, seed=7, scale=2.0).inputs, 2 * batch.inputs)


def test_a_diverged_run_says_so(store):
    stored = load_params(store, run_id(RUNS[3]))
    assert stored.status == "failed"
    assert stored.reason.startswith("diverged")


def test_the_files_are_plain_safetensors_and_complete(store):
    paths = kept(store)
    assert set(paths) == {run_id(run) for run in RUNS}
    arrays = load_file(paths[run_id(RUNS[0])])
    assert {name.partition("/")[0] for name in arrays} == {"last", "best"}


def test_what_cannot_be_given_is_one_clear_line(store, tmp_path):
    with pytest.raises(
        RequestError, match="has parameters of 4 runs, none of 'nobody'; modbench run --keep-params"
    ):
        load_params(store, "nobody")
    with pytest.raises(RequestError, match="Did you mean 'last'"):
        load_params(store, run_id(RUNS[0]), "latest")
    with pytest.raises(ValueError, match=r"array .* must be float32"):
        TrainedRun(RUNS[0], {})


def test_a_merged_store_has_them_and_a_flipped_bit_is_noticed(store, tmp_path):
    merge_stores([store], tmp_path / "merged")
    path = kept(tmp_path / "merged")[run_id(RUNS[0])]
    content = bytearray(path.read_bytes())
    assert content == kept(store)[run_id(RUNS[0])].read_bytes()
    content[-5] ^= 8
    path.write_bytes(content)
    with pytest.raises(MachineError, match="not as it was written"):
        load_params(tmp_path / "merged", run_id(RUNS[0]))
    with pytest.raises(
        RequestError, match=r"must be whole to be merged, but .*safetensors is damaged; remove it"
    ):
        merge_stores([tmp_path / "merged"], tmp_path / "third")
