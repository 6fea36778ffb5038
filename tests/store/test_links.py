"""Links inside a store: what they lead to is somebody else's, and stays as it is."""

import os
import re
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from synthetic_store import SOURCE, cohort, fill, record

from modbench.core.errors import MachineError, RequestError
from modbench.store.checkpoints import Checkpoints
from modbench.store.claims import Claims
from modbench.store.files import Store
from modbench.store.leftovers import remove_leftovers
from modbench.store.marker import FOLDERS
from modbench.store.merge import merge_stores
from modbench.store.params import put_params
from modbench.store.table import load

PLANNED, OTHER = cohort(), cohort("rnn")
NAME = "0123456789abcdef"


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "store", SOURCE)
    fill(store, [PLANNED])
    store.add_plan(OTHER)
    return store


@pytest.fixture
def outside(tmp_path) -> Path:
    """A folder of somebody else's, whose names are those that a store clears away, each long ago."""
    outside = tmp_path / "outside"
    for folder in (NAME, OTHER.cohort_id, f"{NAME}.{NAME}", "state-0-10-01234567", "group-0"):
        (outside / folder).mkdir(parents=True)
        (outside / folder / "precious").write_text("precious")
        (outside / folder / f".modbench-{NAME}").write_text("precious")
    for file in (f".modbench-{NAME}", f"{NAME}.json", f"{NAME}.safetensors", "precious"):
        (outside / file).write_text("precious")
    for path in [outside, *outside.rglob("*")]:
        os.utime(path, (1, 1))
    return outside


def content(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def link(path: Path, target: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(target)


def attempts(store: Store):
    """Everything that writes, moves or removes something in a store, without opening it first."""
    yield lambda: remove_leftovers(store.folder)
    yield store.set_damaged_aside
    yield lambda: store.add_plan(cohort("mha", rules=3))
    yield lambda: store.publish(OTHER.cohort_id, record(OTHER))
    yield lambda: put_params(store.folder, OTHER.cohort_id, NAME, b"ours")
    for cohort_id in (OTHER.cohort_id, NAME):
        checkpoints = Checkpoints(store.folder, cohort_id)
        yield lambda checkpoints=checkpoints: checkpoints.add_group(0, record(OTHER))
        yield lambda checkpoints=checkpoints: checkpoints.add_state(1, 5, {}, Path.mkdir)
        yield lambda checkpoints=checkpoints: checkpoints.discard(checkpoints.folder / "group-0")
        yield lambda checkpoints=checkpoints: checkpoints.discard(checkpoints.folder / "state-0-10-01234567")
        yield checkpoints.remove
    yield lambda: Claims(store.folder).note_failure(NAME, "reason")
    yield lambda: Claims(store.folder).end_of(NAME, "machine", 1)


INNER = [f"cohorts/{OTHER.cohort_id}", f"checkpoints/{OTHER.cohort_id}", f"params/{OTHER.cohort_id}"]


@pytest.mark.parametrize("where", [*FOLDERS, *INNER, f"checkpoints/{NAME}", f"tmp/{NAME}.{NAME}"])
def test_nothing_is_written_moved_or_removed_through_a_link(store, outside, where):
    """Also where the link came after the store was opened, when nobody asks whether it may be opened."""
    link(store.folder / where, outside)
    before = content(outside)
    for attempt in attempts(store):
        with suppress(MachineError, RequestError, OSError):  # the last is what checkpoints promise
            attempt()
        assert content(outside) == before


@pytest.mark.parametrize("where", FOLDERS)
@pytest.mark.parametrize("target", ["outside", "nowhere", "itself"])
def test_a_store_with_a_linked_folder_is_refused_in_one_line(store, outside, where, target):
    place = store.folder / where
    link(place, {"outside": outside, "nowhere": outside / "absent", "itself": place}[target])
    before = content(outside), sorted(store.folder.rglob("*"))
    for attempt in (
        lambda: Store.open(store.folder),
        lambda: Store.create(store.folder, {"name": "other"}),
        lambda: load(store.folder),
        lambda: merge_stores([store.folder], store.folder.with_name("merged")),
    ):
        with pytest.raises(
            RequestError, match=rf"^{where} of a store must be .*, got the link \S+{where};"
        ) as error:
            attempt()
        assert "\n" not in str(error.value)
    assert (content(outside), sorted(store.folder.rglob("*"))) == before
    assert not store.folder.with_name("merged").exists()


@pytest.mark.parametrize("where", FOLDERS)
def test_a_file_in_the_place_of_a_folder_is_refused_in_one_line(store, where):
    shutil.rmtree(store.folder / where, ignore_errors=True)
    (store.folder / where).write_text("mine")
    with pytest.raises(RequestError, match=f"{where} of a store must be .*, got the file"):
        Store.open(store.folder)
    assert (store.folder / where).read_text() == "mine"


def test_a_linked_cohort_is_refused_in_one_line(store, outside):
    link(store.folder / "cohorts" / NAME, outside)
    for attempt in (lambda: load(store.folder), store.set_damaged_aside, store.recorded, store.published):
        with pytest.raises(
            RequestError, match=f"{NAME} of a store must be a folder that lies in it, got the link"
        ):
            attempt()


def test_links_that_lie_in_what_is_cleared_away_go_and_what_they_lead_to_stays(store, outside):
    folder = store.folder / "checkpoints" / PLANNED.cohort_id
    folder.mkdir(parents=True)
    (folder / "state-0-10-01234567").symlink_to(outside)
    (folder / "group-0").mkdir()
    (folder / "group-0" / "runs.parquet").symlink_to(outside / "precious")
    before = content(outside)
    Store.create(store.folder, SOURCE)  # the cohort is published
    assert not folder.exists()
    assert content(outside) == before


def test_a_checkpoint_that_is_a_link_is_left_alone(store, outside):
    checkpoints = Checkpoints(store.folder, OTHER.cohort_id)
    checkpoints.folder.mkdir(parents=True)
    for name in ("group-0", "state-0-10-01234567"):
        (checkpoints.folder / name).symlink_to(outside)
    assert checkpoints.group(0) is None
    before = content(outside)
    for state in checkpoints.states():
        checkpoints.discard(state.folder)
    checkpoints.discard(checkpoints.folder / "group-0")
    assert content(outside) == before
    assert len(list(checkpoints.folder.iterdir())) == 2


def test_files_that_are_links_are_read_and_stay_what_they_are(store, tmp_path):
    """Tools that keep large files elsewhere leave such links."""
    kept = tmp_path / "kept"
    kept.mkdir()
    before = load(store.folder).runs
    for number, path in enumerate(sorted(path for path in store.folder.rglob("*") if path.is_file())):
        path.rename(kept / str(number))
        path.symlink_to(kept / str(number))
    stored = content(kept)
    again = Store.create(store.folder, SOURCE)
    assert load(again.folder).runs.equals(before)
    assert again.set_damaged_aside() == []
    fill(again, [OTHER])
    Store.create(store.folder, {**SOURCE, "description": "grown"})
    assert content(kept) == stored


def test_a_store_that_is_a_link_is_a_store_like_others(store, tmp_path):
    for number, old in enumerate([f".modbench-{NAME}", f"claims/{NAME}.json", f"plan/.modbench-{NAME}"]):
        path = store.folder / old
        path.parent.mkdir(exist_ok=True)
        path.write_text("left over")
        os.utime(path, (number + 1, number + 1))
    (tmp_path / "link").symlink_to(store.folder)
    again = Store.create(tmp_path / "link", SOURCE)
    assert [path for path in store.folder.rglob("*") if re.search(NAME, path.name)] == []
    fill(again, [OTHER])
    assert len(load(tmp_path / "link").runs["run_id"].unique()) == 8
    (tmp_path / "empty").mkdir()
    (tmp_path / "to empty").symlink_to(tmp_path / "empty")
    merge_stores([tmp_path / "link"], tmp_path / "to empty")
    assert len(load(tmp_path / "empty").runs["run_id"].unique()) == 8
