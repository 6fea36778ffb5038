import errno
import hashlib
import itertools
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from stopping import Machine, Stopped
from synthetic_store import SOURCE, cohort, fill, record

from modbench.core import identity
from modbench.core.errors import MachineError, RequestError
from modbench.core.identity import run_id
from modbench.store.compare import compare
from modbench.store.files import Store
from modbench.store.merge import merge_stores
from modbench.store.params import save_params
from modbench.store.table import load

MLP, RNN, MHA = cohort(), cohort("rnn"), cohort("mha", rules=3)
WIDER = cohort(width=2)
"""The runs of `MLP` at another width."""


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def make(folder: Path, *cohorts, source=SOURCE, waiting=()) -> Store:
    store = Store.create(folder, source)
    fill(store, cohorts)
    for planned in waiting:
        store.add_plan(planned)
    return store


def ids(*cohorts) -> set[str]:
    return {run_id(run) for planned in cohorts for run in planned.runs}


def test_two_halves_make_the_whole(tmp_path):
    half = make(tmp_path / "a", MLP, waiting=[MHA])
    other = make(tmp_path / "b", RNN, source={"name": "b", "grid": [{"seed": [7]}, SOURCE["grid"][0]]})
    before = content(half.folder), content(other.folder)
    merged = merge_stores([half.folder, other.folder], tmp_path / "c")
    assert (merged.copied, merged.present, merged.planned, merged.runs, merged.repeated) == (2, 0, 3, 8, 0)
    assert (content(half.folder), content(other.folder)) == before
    whole = make(tmp_path / "whole", RNN, MLP, waiting=[MHA])
    assert compare(load(tmp_path / "c"), load(whole.folder)).equal
    assert set(load(tmp_path / "c").missing["run_id"]) == ids(MHA)
    assert Store.open(tmp_path / "c").sweep_source() == {**SOURCE, "grid": [{"seed": [0, 1]}, {"seed": [7]}]}
    assert list((tmp_path / "c" / "tmp").iterdir()) == []


def test_merging_again_changes_nothing_and_a_store_can_grow_by_merging(tmp_path):
    make(tmp_path / "a", MLP)
    make(tmp_path / "b", MLP, RNN)
    merge_stores([tmp_path / "a"], tmp_path / "c")
    grown = merge_stores([tmp_path / "b", tmp_path / "a"], tmp_path / "c")
    assert (grown.copied, grown.present, grown.planned, grown.runs, grown.repeated) == (1, 2, 1, 8, 0)
    before = content(tmp_path / "c")
    merge_stores([tmp_path / "a", tmp_path / "b"], tmp_path / "c")
    assert content(tmp_path / "c") == before


@pytest.mark.parametrize("order", list(itertools.permutations("abc")))
def test_a_run_of_several_cohorts_counts_once_and_the_same_in_any_order(tmp_path, order):
    make(tmp_path / "a", MLP)
    wider = make(tmp_path / "b")
    wider.add_plan(WIDER)
    wider.publish(WIDER.cohort_id, record(WIDER, diverged=[0, 1]))
    make(tmp_path / "c", RNN)
    merged = merge_stores([tmp_path / name for name in order], tmp_path / "out")
    assert (merged.runs, merged.repeated) == (8, 4)
    tables = load(tmp_path / "out")
    assert sorted(tables.runs["run_id"]) == sorted([*ids(MLP, RNN)] * 2)
    mlp = tables.runs[tables.runs["architecture"] == "mlp"]
    assert set(mlp["cohort_id"]) == {min(MLP.cohort_id, WIDER.cohort_id)}
    recorded = Store.open(tmp_path / "out").recorded()
    assert recorded == dict(zip(tables.runs["run_id"], tables.runs["status"], strict=True))


def test_of_one_cohort_in_two_stores_the_first_named_counts_and_what_is_there_stays(tmp_path):
    make(tmp_path / "a", MLP)
    other = make(tmp_path / "b")
    other.add_plan(MLP)
    other.publish(MLP.cohort_id, record(MLP, diverged=[0, 1, 2, 3]))
    for order, status in (("ab", "done"), ("ba", "failed")):
        target = tmp_path / order
        merged = merge_stores([tmp_path / name for name in order], target)
        assert (merged.copied, merged.present, merged.runs, merged.repeated) == (1, 1, 4, 0)
        assert set(load(target).runs["status"]) == {status}
        merge_stores([tmp_path / order[1]], target)
        assert set(load(target).runs["status"]) == {status}


@pytest.mark.parametrize("file", ["runs.parquet", "activations.parquet", "digests.json", "plan"])
@pytest.mark.parametrize("kind", ["flip", "cut", "gone"])
def test_a_damaged_source_is_refused_in_one_line_and_nothing_written(tmp_path, file, kind):
    make(tmp_path / "a", MLP)
    damaged = make(tmp_path / "b", RNN).folder
    path = damaged / (f"plan/{RNN.cohort_id}.json" if file == "plan" else f"cohorts/{RNN.cohort_id}/{file}")
    if kind == "gone":
        path.unlink()
    else:
        intact = path.read_bytes()
        path.write_bytes(
            intact[:-9] if kind == "cut" else bytes([*intact[:50], intact[50] ^ 4, *intact[51:]])
        )
    if (file, kind) == ("plan", "gone"):
        assert merge_stores([tmp_path / "a", damaged], tmp_path / "c").runs == 8
        return
    with pytest.raises(
        RequestError, match=r"must be whole to be merged, but .* is damaged; modbench"
    ) as error:
        merge_stores([tmp_path / "a", damaged], tmp_path / "c")
    assert len(str(error.value).splitlines()) == 1
    assert not (tmp_path / "c").exists()


def test_what_is_no_source_or_no_target_is_refused(tmp_path):
    store = make(tmp_path / "a", MLP).folder
    newer = make(tmp_path / "b", RNN).folder
    (newer / "store.json").write_text('{"schema_version": 2}')
    (tmp_path / "link").symlink_to(store)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("mine")
    for sources, target, message in (
        ([store, newer], "c", "has schema version 2, this modbench knows up to 1"),
        ([store], "b", "has schema version 2, this modbench knows up to 1"),
        ([store, tmp_path / "absent"], "c", "no folder .*absent"),
        ([store], "a", "merged into another folder"),
        ([store], "link", "merged into another folder"),
        ([store], "other", "must be empty or a store"),
    ):
        before = content(tmp_path)
        with pytest.raises(RequestError, match=message):
            merge_stores(sources, tmp_path / target)
        assert content(tmp_path) == before
        assert not (tmp_path / "c").exists()


def test_a_target_that_is_damaged_is_mended_by_what_is_merged_into_it(tmp_path):
    make(tmp_path / "a", MLP)
    target = make(tmp_path / "c", MLP).folder
    (target / "cohorts" / MLP.cohort_id / "curves.parquet").write_bytes(b"")
    merged = merge_stores([tmp_path / "a"], target)
    assert [damage.cohort_id for damage in merged.damages] == [MLP.cohort_id]
    assert compare(load(tmp_path / "a"), load(target)).equal


@pytest.mark.parametrize("failing", [1, 4, 7, 11, 16, 20])
def test_an_interrupted_merge_is_continued(tmp_path, monkeypatch, failing):
    make(tmp_path / "a", MLP, RNN)
    fsync, calls = os.fsync, []

    def filling(descriptor):
        calls.append(descriptor)
        if len(calls) >= failing:
            raise OSError(28, "No space left on device")
        return fsync(descriptor)

    monkeypatch.setattr(os, "fsync", filling)
    with pytest.raises(MachineError, match="No space left"):
        merge_stores([tmp_path / "a"], tmp_path / "c")
    monkeypatch.undo()
    merge_stores([tmp_path / "a"], tmp_path / "c")
    assert compare(load(tmp_path / "a"), load(tmp_path / "c")).equal


def test_retired_results_are_kept_and_still_left_out(tmp_path, monkeypatch):
    make(tmp_path / "a", MLP, RNN)
    monkeypatch.setitem(identity.VERSIONS["task"], "mlp", 2)
    merge_stores([tmp_path / "a"], tmp_path / "c")
    assert load(tmp_path / "c").retired == [MLP.cohort_id]


def test_a_store_that_is_moved_copied_linked_or_in_a_folder_with_spaces_stays_valid(tmp_path):
    original = make(tmp_path / "a", MLP, waiting=[RNN]).folder
    shutil.copytree(original, tmp_path / "my copy of it")
    (tmp_path / "ein Verweis").symlink_to(tmp_path / "my copy of it")
    shutil.copytree(original, tmp_path / "b")
    (tmp_path / "b").rename(tmp_path / "moved")
    for name in ("my copy of it", "ein Verweis", "moved"):
        store = Store.create(tmp_path / name, SOURCE)
        assert store.set_damaged_aside() == []
        assert compare(load(original), load(store.folder)).equal
        fill(store, [RNN])
        assert not compare(load(original), load(store.folder)).equal
        assert not load(store.folder).missing.size
        shutil.rmtree(store.folder / "cohorts" / RNN.cohort_id)


def test_a_store_of_a_day_with_fewer_columns_is_read_merged_and_compared(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    older = make(tmp_path / "older", MLP).folder
    folder = older / "cohorts" / MLP.cohort_id
    table = pq.read_table(folder / "runs.parquet", partitioning=None)
    lacking = ["rule_agreement", "rule_rank", "last_alignment", "env_peak_memory_mb", "order"]
    table = table.drop_columns(lacking).append_column("of_a_later_day", pa.nulls(len(table), pa.int8()))
    pq.write_table(table, folder / "runs.parquet")
    digests = json.loads((folder / "digests.json").read_text())
    digests["runs.parquet"] = hashlib.sha256((folder / "runs.parquet").read_bytes()).hexdigest()
    (folder / "digests.json").write_text(identity.canonical(digests) + "\n")
    assert Store.create(older, SOURCE).set_damaged_aside() == []
    runs = load(older).runs
    assert runs[["rule_agreement", "order"]].isna().all(axis=None)
    assert set(Store.open(older).recorded()) == ids(MLP)
    merge_stores([older], tmp_path / "c")
    assert compare(load(older), load(tmp_path / "c")).equal
    make(tmp_path / "newer", MLP)
    comparison = compare(load(older), load(tmp_path / "newer"))
    assert [difference.quantity for difference in comparison.numbers] == [
        "last_alignment",
        "rule_agreement",
        "rule_rank",
    ]


def merge_params(folder: Path) -> None:
    """Parameters of a run, which a merge copies after the cohorts."""
    for run in MLP.runs[:2]:
        about = {"run_id": run_id(run), "cohort_id": MLP.cohort_id, "status": "done", "reason": None}
        about |= {"steps": {"last": 20, "best": 10}, "spec": run.model_dump(mode="json")}
        save_params(folder, about, {"last": {"weight": np.ones(3)}, "best": {"weight": np.zeros(3)}})


def results(folder: Path) -> dict[str, bytes]:
    """What a merge makes: everything but what work in progress left behind."""
    return {name: file for name, file in content(folder).items() if not re.search(r"^tmp/|\.modbench-", name)}


def full() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(("error", "target"), [(Stopped, "grown"), (KeyboardInterrupt, "new"), (full, "new")])
def test_a_merge_that_is_stopped_at_any_operation_is_continued_to_the_same_store(tmp_path, error, target):
    make(tmp_path / "a", MLP, waiting=[MHA])
    make(tmp_path / "b", RNN, source={"name": "b", "grid": [{"seed": [7]}]})
    merge_params(tmp_path / "a")
    if target == "grown":
        begun = make(tmp_path / "begun", WIDER, source={"name": "c", "grid": [{"seed": [9]}]})
        (begun.folder / "plan" / f"{WIDER.cohort_id}.json").write_bytes(b"damaged")

    def merged(name: str, machine: Machine) -> Path:
        if target == "grown" and not (tmp_path / name).exists():
            shutil.copytree(begun.folder, tmp_path / name)
        with machine.running():
            merge_stores([tmp_path / "a", tmp_path / "b"], tmp_path / name)
        return tmp_path / name

    machine = Machine()
    expected = {
        re.sub(r"\.2\d+T.*Z", "", name): file for name, file in results(merged("whole", machine)).items()
    }
    assert machine.done > 30
    for number in range(1, machine.done + 1):
        with pytest.raises((Stopped, KeyboardInterrupt, MachineError)):
            merged(f"stopped {number}", Machine(number, error))
        folder = merged(f"stopped {number}", Machine())
        again = {re.sub(r"\.2\d+T.*Z", "", name): file for name, file in results(folder).items()}
        assert again == expected, number
        if number % 7 == 0:
            assert compare(load(folder), load(tmp_path / "whole")).equal
        shutil.rmtree(folder)
