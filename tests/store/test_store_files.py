import errno
import json
import os
import re
from pathlib import Path

import pytest
from stopping import Machine, Stopped
from synthetic_store import SOURCE, cohort, fill, record, spec

from modbench.core import identity
from modbench.core.errors import MachineError, RequestError
from modbench.core.identity import run_id
from modbench.store import durable
from modbench.store.checkpoints import Checkpoints
from modbench.store.files import PlannedCohort, Store
from modbench.store.params import put_params
from modbench.store.plan import decode_plan, encode_plan, sealed


@pytest.fixture
def store(tmp_path):
    return Store.create(tmp_path / "store", SOURCE)


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder, with the content of files."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def assert_one_line(error: pytest.ExceptionInfo) -> None:
    assert "\n" not in str(error.value)


# --- making and opening -------------------------------------------------------------------------------------


def test_a_store_is_made_with_its_parents_and_opened_again(tmp_path):
    folder = tmp_path / "a folder" / "of mine"
    store = Store.create(folder, SOURCE)
    assert json.loads((folder / "store.json").read_text()) == {
        "schema_version": 1,
        "created_by": "modbench 0.1.0",
    }
    assert store.sweep_source() == Store.open(folder).sweep_source() == SOURCE
    assert (store.plans(), store.published(), store.recorded(), store.set_damaged_aside()) == ([], [], {}, [])
    before = snapshot(folder)
    Store.create(folder, SOURCE)
    assert snapshot(folder) == before == snapshot(folder)
    assert set(before) == {"store.json", "sweep.toml"}


def test_a_grown_sweep_replaces_the_old_one(store):
    grown = {**SOURCE, "grid": [{"seed": [0, 1, 2]}]}
    Store.create(store.folder, grown)
    assert store.sweep_source() == grown


def test_an_empty_folder_and_one_of_an_interrupted_start_become_a_store(tmp_path):
    (tmp_path / f"{durable.TEMPORARY}0123").write_bytes(b"{")
    assert Store.create(tmp_path, SOURCE).published() == []


def test_symbolic_links_lead_to_the_store(tmp_path, store):
    link = tmp_path / "a link"
    link.symlink_to(store.folder)
    linked = Store.create(link, SOURCE)
    fill(linked, [cohort()])
    assert store.published() == [cohort().cohort_id]
    (link / "cohorts" / cohort().cohort_id / "curves.parquet").unlink()
    assert [damage.file for damage in linked.set_damaged_aside()]
    assert store.published() == []


@pytest.mark.parametrize("method", ["create", "open"])
def test_a_file_is_no_store(tmp_path, method):
    path = tmp_path / "file"
    path.write_text("mine")
    call = {"create": lambda p: Store.create(p, SOURCE), "open": Store.open}[method]
    for bad in (path, path / "inside"):
        with pytest.raises(RequestError) as error:
            call(bad)
        assert_one_line(error)
    assert snapshot(tmp_path) == {"file": b"mine"}


def test_a_folder_with_something_else_is_refused_and_nothing_written(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(RequestError, match="must be empty or a store"):
        Store.create(tmp_path, SOURCE)
    with pytest.raises(RequestError, match="must be a store"):
        Store.open(tmp_path)
    assert snapshot(tmp_path) == {"thesis.tex": b"mine"}


def test_opening_needs_a_folder_and_makes_none(tmp_path):
    with pytest.raises(RequestError, match=r"no folder .*absent\. A store is made by"):
        Store.open(tmp_path / "absent")
    assert snapshot(tmp_path) == {}


@pytest.mark.parametrize("call", [Store.open, lambda folder: Store.create(folder, {"name": "other"})])
@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ('{"schema_version": 2}', "has schema version 2, this modbench knows up to 1"),
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ("{}", "is damaged"),
        ('{"schema_version": "1"}', "is damaged"),
    ],
)
def test_a_newer_or_damaged_marker_is_refused_and_nothing_written(store, call, marker, message):
    (store.folder / "store.json").write_text(marker)
    before = snapshot(store.folder)
    with pytest.raises(RequestError, match=message) as error:
        call(store.folder)
    assert_one_line(error)
    assert snapshot(store.folder) == before


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a place where nobody may write")
def test_an_unwritable_place_is_refused():
    with pytest.raises(RequestError, match="output folder must be writable, got /proc/nowhere"):
        Store.create("/proc/nowhere/store", SOURCE)


def test_a_folder_without_permission_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(RequestError, match="must be writable"):
        Store.create(tmp_path, SOURCE)
    assert snapshot(tmp_path) == {}


def test_a_name_that_is_too_long_is_refused_and_its_new_parents_are_gone(tmp_path):
    with pytest.raises(RequestError, match="must be writable"):
        Store.create(tmp_path / "new" / ("x" * 300), SOURCE)
    assert snapshot(tmp_path) == {}


# --- plans --------------------------------------------------------------------------------------------------


def test_plans_come_back_as_they_were(store):
    planned = [cohort(), cohort("mha", "monolithic", search_version=2), cohort("rnn", rules=4, width=3)]
    for one in planned:
        store.add_plan(one)
    assert store.plans() == sorted(planned, key=lambda one: one.cohort_id)
    before = snapshot(store.folder)
    store.add_plan(planned[0])
    assert snapshot(store.folder) == before


def test_the_id_of_a_cohort_depends_on_all_that_it_is():
    base = cohort()
    assert cohort() == base
    others = [cohort(width=5), cohort(seeds=(0, 2)), cohort(rules=3), cohort(model="modular-op")]
    assert len({one.cohort_id for one in [base, *others]}) == 5
    assert PlannedCohort.of(base.runs[::-1], base.width).cohort_id != base.cohort_id


@pytest.mark.parametrize(
    ("runs", "width", "message"),
    [
        ([], 4, "needs a run"),
        ([spec()], 0, "a width from 1 to 1024"),
        ([spec()], 1025, "a width from 1 to 1024"),
        ([spec(seed=seed) for seed in range(33)], 32, "at most 32 runs or one group, got 33"),
        ([spec(), spec()], 4, "must differ"),
        ([spec(), spec(rules=3)], 4, "must share their static fields"),
    ],
)
def test_what_is_no_cohort_is_refused(runs, width, message):
    with pytest.raises(ValueError, match=message):
        PlannedCohort.of(runs, width)


def sealed_plan(**changes):
    table = json.loads(encode_plan(cohort()))
    return sealed({name: value for name, value in (table | changes).items() if value is not None})


SPECS = json.loads(encode_plan(cohort()))["runs"]


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 0},
        {"width": -4},
        {"width": 2**40},
        {"width": True},
        {"width": 4.0},
        {"width": None},
        {"attempt": -1},
        {"attempt": True},
        {"attempt": "1"},
        {"runs": []},
        {"runs": [5]},
        {"runs": [SPECS[0], SPECS[0]]},
        {"runs": [SPECS[0], {**SPECS[1], "task": {**SPECS[1]["task"], "num_rules": 3}}]},
        {"runs": [{**SPECS[0], "seed": seed} for seed in range(33)]},
        {"more": 1},
        {"cohort_id": "0" * 16},
    ],
    ids=str,
)
def test_a_sealed_plan_that_is_no_cohort_is_named_as_damaged(store, changes):
    name = cohort().cohort_id
    store.add_plan(cohort("rnn"))
    (store.folder / "plan" / f"{name}.json").write_bytes(sealed_plan(**changes))
    plans, damaged = store.intact_plans()
    assert [plan.runs[0].task.architecture for plan in plans] == ["rnn"]
    assert [damage.file for damage in damaged] == [f"plan/{name}.json"]
    assert [damage.cohort_id for damage in store.set_damaged_aside()] == [name]


def test_a_sealed_plan_as_it_was_written_is_read(store):
    assert decode_plan(sealed_plan(), cohort().cohort_id) == cohort()


def test_a_plan_whose_version_was_raised_is_retired_not_damaged(store, monkeypatch):
    store.add_plan(cohort())
    store.add_plan(cohort("rnn"))
    monkeypatch.setitem(identity.VERSIONS["task"], "mlp", 2)
    assert [plan.runs[0].task.architecture for plan in store.plans()] == ["rnn"]
    assert store.set_damaged_aside() == []
    store.add_plan(cohort())
    assert len(store.plans()) == 2


# --- publishing ---------------------------------------------------------------------------------------------


def test_published_runs_are_recorded_with_their_status(store):
    planned = cohort(task_seeds=(0,), seeds=(0, 1, 2))
    assert store.publish(planned.cohort_id, record(planned, diverged=[1]))
    assert store.published() == [planned.cohort_id]
    ids = [run_id(run) for run in planned.runs]
    assert store.recorded() == dict(zip(ids, ["done", "failed", "done"], strict=True))
    assert list((store.folder / "tmp").iterdir()) == []


def test_the_second_writer_of_a_cohort_leaves_the_first_as_it_is(store):
    planned = cohort()
    assert store.publish(planned.cohort_id, record(planned))
    before = snapshot(store.folder)
    assert not Store.open(store.folder).publish(planned.cohort_id, record(planned, diverged=[0]))
    assert snapshot(store.folder) == before


def test_a_writer_that_loses_the_race_at_the_rename_cleans_up(store, monkeypatch):
    planned, rename = cohort(), Path.rename

    def overtaken(source, target):
        monkeypatch.setattr(Path, "rename", rename)
        assert store.publish(planned.cohort_id, record(planned))
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", overtaken)
    assert not store.publish(planned.cohort_id, record(planned, diverged=[0]))
    assert set(store.recorded().values()) == {"done"}
    assert list((store.folder / "tmp").iterdir()) == []


def test_rows_of_another_cohort_are_refused_and_nothing_written(store):
    before = snapshot(store.folder)
    with pytest.raises(ValueError, match="must belong to cohort"):
        store.publish("another", record(cohort()))
    assert snapshot(store.folder) == before


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("syncs_that_work", range(6))  # five files, then their folder
def test_a_full_disk_while_publishing_leaves_nothing(store, monkeypatch, syncs_that_work):
    planned, synced, fsync = cohort(), [], os.fsync

    def filling(descriptor):
        synced.append(descriptor)
        return fsync(descriptor) if len(synced) <= syncs_that_work else full()

    monkeypatch.setattr(os, "fsync", filling)
    with pytest.raises(MachineError, match=r"cannot publish .*: No space left on device") as error:
        store.publish(planned.cohort_id, record(planned))
    assert_one_line(error)
    monkeypatch.undo()
    assert store.published() == list((store.folder / "tmp").iterdir()) == []
    assert store.publish(planned.cohort_id, record(planned))
    assert len(store.recorded()) == len(planned.runs)


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_full_disk_while_planning_or_starting_leaves_nothing(store, tmp_path, monkeypatch, function):
    before = snapshot(store.folder)
    monkeypatch.setattr(os, function, full)
    with pytest.raises(MachineError, match="No space left on device"):
        store.add_plan(cohort())
    with pytest.raises(MachineError, match=r"cannot write .*: No space left on device"):
        Store.create(tmp_path / "new" / "one", SOURCE)
    monkeypatch.undo()
    assert set(snapshot(store.folder)) - {"plan"} == set(before)
    assert not (tmp_path / "new").exists()


def test_a_place_that_takes_no_folder_is_an_error_of_the_machine(store):
    (store.folder / "tmp").write_text("a file where work in progress goes")
    with pytest.raises(MachineError, match=r"cannot publish .*: Not a directory"):
        store.publish(cohort().cohort_id, record(cohort()))
    (store.folder / "plan").write_text("a file where plans go")
    with pytest.raises(MachineError, match=r"cannot write .*"):
        store.add_plan(cohort())


def test_an_interrupt_while_publishing_leaves_nothing(store, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.publish(cohort().cohort_id, record(cohort()))
    assert store.published() == list((store.folder / "tmp").iterdir()) == []


def test_what_a_killed_process_left_is_ignored_and_cleared_away_when_it_is_old(store):
    left = store.folder / "tmp" / f"{cohort().cohort_id}.0123456789abcdef"
    left.mkdir(parents=True)
    (left / "runs.parquet").write_bytes(b"PAR1")
    (store.folder / "claims").mkdir()
    ours = [
        left,
        store.folder / f"{durable.TEMPORARY}0123456789abcdef",
        store.folder / "claims" / f"{cohort().cohort_id}.json",
    ]
    ours[1].write_bytes(b"{")
    ours[2].write_bytes(b"{}")
    others = [
        store.folder / "tmp" / "notes.txt",
        store.folder / "claims" / f"{cohort().cohort_id}.failed.json",
        store.folder / "tmp" / f"{'b' * 16}.{'c' * 16}",
    ]
    for path in others[:2]:
        path.write_bytes(b"{}")
    others[2].symlink_to(store.folder)
    fill(store, [cohort()])
    assert store.published() == [cohort().cohort_id]
    assert store.set_damaged_aside() == []
    Store.create(store.folder, SOURCE)
    assert all(path.exists() for path in [*ours, *others])
    for path in store.folder.rglob("*"):
        os.utime(path, (1, 1))
    fresh = store.folder / "tmp" / f"{'d' * 16}.{'e' * 16}"
    fresh.mkdir()
    os.utime(fresh, (1, 1))
    (fresh / "runs.parquet").write_bytes(b"PAR1")
    Store.create(store.folder, SOURCE)
    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in [*others, fresh])
    assert store.published() == [cohort().cohort_id]


def test_a_store_that_has_vanished_is_not_begun_anew(store):
    store.folder.rename(store.folder.with_name("moved away"))
    with pytest.raises(MachineError, match=r"store .* has vanished: store.json is not there") as error:
        store.publish(cohort().cohort_id, record(cohort()))
    assert_one_line(error)
    with pytest.raises(MachineError, match="No such file or directory"):
        store.add_plan(cohort())
    with pytest.raises(MachineError, match="has vanished"):
        store.recorded()
    assert not store.folder.exists()
    store.folder.mkdir()  # a mount point whose disk is gone
    with pytest.raises(MachineError, match="has vanished"):
        store.publish(cohort().cohort_id, record(cohort()))
    assert snapshot(store.folder) == {}


def test_files_and_folders_are_synced_before_the_rename(store, monkeypatch):
    events, fsync, rename = [], os.fsync, Path.rename
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append("sync"), fsync(fd))[1])
    monkeypatch.setattr(Path, "rename", lambda a, b: (events.append("rename"), rename(a, b))[1])
    store.publish(cohort().cohort_id, record(cohort()))
    assert events == ["sync"] * 6 + ["rename", "sync"]


def test_a_store_that_is_stopped_at_any_operation_is_continued_to_the_same_store(tmp_path):
    """Also where nothing can be tidied up any more, as when the power fails."""
    planned, other = cohort(), cohort("rnn")
    rows, finished = record(planned), record(other)

    def write_arrays(folder: Path) -> None:
        folder.mkdir()
        durable.write_file(folder / "array", b"numbers")

    def go_on(folder: Path, machine: Machine) -> None:
        with machine.running():
            store = Store.create(folder, SOURCE)
            store.set_damaged_aside()
            for each in (planned, other):
                store.add_plan(each)
            checkpoints = Checkpoints(folder, other.cohort_id)
            if not checkpoints.states():
                checkpoints.add_state(2, 10, {"width": 2}, write_arrays)
            checkpoints.add_group(0, finished)
            store.publish(planned.cohort_id, rows)
            put_params(folder, planned.cohort_id, run_id(planned.runs[0]), b"parameters")

    def results(folder: Path) -> dict[str, bytes | None]:
        found = {
            re.sub("(state-2-10-)[0-9a-f]{8}", r"\1", name): file for name, file in snapshot(folder).items()
        }
        return {name: file for name, file in found.items() if not re.search(r"^tmp/|\.modbench-", name)}

    machine = Machine()
    go_on(tmp_path / "whole", machine)
    expected = results(tmp_path / "whole")
    assert machine.done > 40
    assert "checkpoints/" + other.cohort_id + "/state-2-10-/checkpoint.json" in expected
    for number in range(1, machine.done + 1):
        folder = tmp_path / f"stopped {number}"
        with pytest.raises(Stopped):
            go_on(folder, Machine(number))
        go_on(folder, Machine())
        assert results(folder) == expected
        assert Store.open(folder).set_damaged_aside() == []
