"""What TensorBoard would read: the events are read back and compared with the store."""

import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_sweeps import sweep
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

from modbench.core.errors import MachineError, RequestError
from modbench.store.table import load
from modbench.sweep import tensorboard
from modbench.sweep.events import Advanced, CohortFailed, Started
from modbench.sweep.executors import Here
from modbench.sweep.run import prepare, train
from modbench.sweep.tensorboard import event_log
from sweep import fake_training


def told(folder: Path) -> Iterator[Event]:
    """The events of a folder."""
    for path in sorted(folder.glob("*tfevents*")):
        content, place = path.read_bytes(), 0
        while place < len(content):  # a record: length, its checksum, the event, its checksum
            (length,) = struct.unpack("<Q", content[place : place + 8])
            yield Event.FromString(content[place + 12 : place + 12 + length])
            place += 16 + length


def events(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The scalars of a folder: tag -> (step, value)."""
    found: dict[str, list[tuple[int, float]]] = {}
    for event in told(folder):
        for value in event.summary.value:
            if not value.metadata.plugin_data.plugin_name:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """A sweep of three seeds and one that diverges, with logs; the store and the folder of the logs."""
    monkeypatch.setenv("NPROC", "1")
    prepared = prepare(
        sweep(models=["modular"], train__learning_rate=[0.001, 1.0], rules=[2], steps=100), tmp_path / "store"
    )
    with event_log(tmp_path / "logs", prepared.store, prepared.plan.pending) as log:
        train(prepared, Here(fake_training.quick), log)
    return prepared, tmp_path / "logs"


def test_every_run_has_its_curve_and_quantities(trained):
    prepared, logs = trained
    tables = load(prepared.store.folder)
    assert not list(logs.rglob(".*"))
    for run in tables.runs.query("checkpoint == 'last'").to_dict("records"):
        (folder,) = logs.glob(f"MLP-regression-R2-E*/modular/task*-seed{run['seed']}-{run['run_id']}")
        scalars = events(folder)
        curve = tables.curves[tables.curves["run_id"] == run["run_id"]]
        assert scalars["curve/error"] == list(zip(curve["step"], curve["error"], strict=True))
        assert "curve/loss" in scalars
        if run["status"] == "done":
            assert scalars["quantity-last/error_ood"] == [(100, pytest.approx(run["error_ood"]))]
            assert {"quantity-last/alignment", "quantity-best/error_id"} <= set(scalars)
        else:
            assert "quantity-last/error_id" not in scalars


def test_the_fields_of_a_run_are_hyperparameters(trained):
    _, logs = trained
    (folder, *_) = logs.glob("MLP-regression-R2-E*/modular/task0-seed1-*")
    (start,) = (
        value.metadata.plugin_data
        for event in told(folder)
        for value in event.summary.value
        if value.tag == "_hparams_/session_start_info"
    )
    assert start.plugin_name == "hparams"
    fields = HParamsPluginData.FromString(start.content).session_start_info.hparams
    assert (fields["model"].string_value, fields["seed"].number_value) == ("modular", 1)
    assert "search_version" not in fields


def test_a_group_is_seen_while_it_trains(trained, tmp_path):
    prepared, logs = trained
    (first, *_) = logs.glob("MLP-regression-R2-E*/modular/training-*-group1")
    assert events(first) == {"training/loss": [(100, 0.5)]}
    cohort = prepared.plan.pending[0]
    with event_log(tmp_path / "more", prepared.store, [cohort]) as log:
        log(Started(0, cohort.cohort_id))
        for step in (10, 20):
            log(Advanced(0, cohort.cohort_id, 1, "train", step, 100, 1 / step))
        log(CohortFailed(0, cohort.cohort_id, "no luck"))
        (second,) = (tmp_path / "more").rglob("training-*-group2")
        assert events(second)["training/loss"] == [(10, pytest.approx(0.1)), (20, pytest.approx(0.05))]


def test_what_is_published_already_is_written_once(trained, tmp_path):
    prepared, logs = trained
    before = {path: path.stat().st_mtime_ns for path in logs.rglob("*tfevents*")}
    with event_log(logs, prepared.store):
        pass
    assert {path: path.stat().st_mtime_ns for path in logs.rglob("*tfevents*")} == before
    with event_log(tmp_path / "anew", prepared.store):
        pass
    runs = {path.name for path in logs.rglob("task*-seed*")}
    assert {path.name for path in (tmp_path / "anew").rglob("task*-seed*")} == runs
    with event_log(None, prepared.store) as log:
        log(Started(0, "x"))


@pytest.mark.parametrize("depth", [1, 2])
def test_nothing_is_written_through_a_link(trained, tmp_path, depth):
    prepared, logs = trained
    (cell,) = logs.glob("MLP-regression-R2-E*/modular")
    folder = cell if depth == 2 else cell.parent
    folder.rename(tmp_path / "outside")
    folder.symlink_to(tmp_path / "outside")
    for run in (tmp_path / "outside").rglob("task*"):
        shutil.rmtree(run)
    before = sorted((tmp_path / "outside").rglob("*"))
    expected = pytest.raises(MachineError, match=r"cannot write logs for TensorBoard: \S+ is a link")
    with expected, event_log(logs, prepared.store):
        pass
    assert sorted((tmp_path / "outside").rglob("*")) == before


@pytest.mark.parametrize("text", ["..", "../../x", "/etc/x", ".hidden", "a/b"])
def test_no_text_of_a_store_leads_out_of_the_logs(text):
    run = {"architecture": text, "kind": text, "model": text, "num_rules": 2, "num_modules": 2}
    names = tensorboard._cell({**run, "encoder_width": 32, "search_version": None})
    assert not any("/" in name or name.startswith(".") for name in names)


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(
        RequestError, match=r"need the package tensorboardX.*pip install 'modbench\[tensorboard\]'"
    ):
        tensorboard.require_writer()
