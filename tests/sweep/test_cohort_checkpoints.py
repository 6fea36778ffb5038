"""A cohort that is interrupted goes on from its checkpoint to the very same numbers."""

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from modbench.cli.cohorts import cohorts_of
from modbench.evaluation.group import Progress
from modbench.store.checkpoints import Checkpoints
from modbench.store.compare import compare
from modbench.store.files import Store
from modbench.store.plan import PlannedCohort
from modbench.store.table import load
from modbench.sweep import keeping, worker
from modbench.sweep import states as states_
from modbench.sweep.display import news_line, trouble_line
from modbench.sweep.events import CohortFailed, Event, Noted, Published, Resumed
from modbench.sweep.keeping import Keeping
from modbench.sweep.worker import Trainer, train_group
from tiny_runs import tiny

STEPS = 24
OFTEN = Keeping(checkpoint_seconds=0)


def cohort(
    architecture: str = "mlp", model: str = "modular", runs: int = 4, width: int = 3, rate: float = 1e-2
) -> PlannedCohort:
    """Runs of which one diverges, in a full group and a padded one."""
    rates = [rate] * (runs - 1) + [1e30]
    specs = [
        tiny(architecture, model, steps=STEPS, seed=seed, train={"learning_rate": rate})
        for seed, rate in enumerate(rates)
    ]
    return PlannedCohort.of(specs, width)


def train(
    folder: Path,
    planned: PlannedCohort,
    keeping: Keeping = OFTEN,
    stop_at: tuple[int, str, int] | None = None,
) -> list[Event]:
    """Trains a cohort; stops when the group of a run is in a phase at a step, if that is wanted."""
    store = Store.create(folder, {"name": "x", "grid": []})
    store.add_plan(planned)
    events: list[Event] = []

    def group(specs, width, report, should_stop, keeper):
        last = None

        def told(progress: Progress) -> None:
            nonlocal last
            last = (specs[0].seed, progress.phase, progress.step)
            report(progress)

        return train_group(specs, width, told, lambda: last == stop_at, keeper)

    Trainer(0, store, events.append, lambda: False, keeping, group).train(planned)
    return events


def resumed(events: list[Event]) -> list[tuple[int, int]]:
    return [(event.group, event.step) for event in events if isinstance(event, Resumed)]


def notes(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Noted)]


def states(folder: Path, planned: PlannedCohort) -> list[Path]:
    return [state.folder for state in Checkpoints(folder, planned.cohort_id).states()]


@pytest.fixture(scope="module", autouse=True)
def programs_are_kept() -> Iterator[None]:
    """What a worker compiles anew for every cohort is compiled once for this file."""
    with mock.patch.object(worker, "_forget_programs"):
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the MLP cohort that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "store"
    train(folder, cohort(), Keeping(checkpoint_seconds=None))
    assert not (folder / "checkpoints").exists()
    return folder


def assert_equal(ours: Path, theirs: Path) -> None:
    """Every number is the same, the seconds apart."""
    comparison = compare(load(ours), load(theirs))
    assert comparison.equal, comparison
    assert not comparison.regrouped
    for name in ("curves", "performance", "activations"):
        a, b = (getattr(load(store), name).to_json(orient="records") for store in (ours, theirs))
        assert a == b


@pytest.mark.parametrize(("architecture", "model"), [("mlp", "modular"), ("rnn", "monolithic")])
def test_stopped_anywhere_and_continued_is_uninterrupted(tmp_path, whole, architecture, model):
    planned, folder = cohort(architecture, model), tmp_path / "store"
    reference = whole
    if architecture == "rnn":
        reference = tmp_path / "reference"
        train(reference, planned, Keeping(checkpoint_seconds=None))
    assert Published not in map(type, train(folder, planned, stop_at=(0, "train", 10)))
    events = train(folder, planned, stop_at=(0, "evaluate", STEPS))
    assert resumed(events) == [(0, 10)]
    assert news_line(next(e for e in events if isinstance(e, Resumed))) == (
        f"cohort {planned.cohort_id} goes on from its checkpoint: step 10 of group 1"
    )
    assert resumed(train(folder, planned, stop_at=(3, "train", 10))) == [(0, STEPS)]
    assert len(states(folder, planned)) <= 2
    events = train(folder, planned)
    assert resumed(events) == [(1, 0), (1, 10)]
    assert events[-1] == Published(0, planned.cohort_id, 3, 1, events[-1].reason)
    assert events[-1].reason
    assert_equal(folder, reference)
    assert not (folder / "checkpoints" / planned.cohort_id).exists()
    assert list((folder / "tmp").iterdir()) == []


def flip(state: Path) -> str:
    file = max((state / "arrays").rglob("*"), key=lambda path: path.stat().st_size * path.is_file())
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)
    return f"{file.relative_to(state)} is damaged"


def tear(state: Path) -> str:
    file = next(path for path in sorted((state / "arrays").rglob("*")) if path.is_file())
    os.truncate(file, file.stat().st_size // 2)
    return f"{file.relative_to(state)} is damaged"


def empty(state: Path) -> str:
    shutil.rmtree(state)
    state.mkdir()
    return "checkpoint.json is damaged"


@pytest.mark.parametrize("damage", [flip, tear, empty])
def test_a_damaged_checkpoint_is_skipped_for_the_one_before(tmp_path, whole, damage):
    planned, folder = cohort(), tmp_path / "store"
    train(folder, planned, stop_at=(0, "train", 20))
    newest, before = Checkpoints(folder, planned.cohort_id).states()
    assert 10 <= before.step < newest.step == 20
    what = damage(newest.folder)
    events = train(folder, planned)
    assert notes(events) == [f"its checkpoint of step 20 is not used: {what}"]
    assert resumed(events) == [(0, before.step)]
    assert_equal(folder, whole)


def test_damaged_results_of_a_finished_group_are_trained_again(tmp_path, whole):
    planned, folder = cohort(), tmp_path / "store"
    train(folder, planned, stop_at=(3, "train", 10))
    flipped = folder / "checkpoints" / planned.cohort_id / "group-0" / "runs.parquet"
    content = bytearray(flipped.read_bytes())
    content[100] ^= 1
    flipped.write_bytes(content)
    events = train(folder, planned)
    assert notes(events) == ["results of finished runs are not used: runs.parquet is damaged"]
    assert resumed(events) == [(1, 10)]
    assert_equal(folder, whole)


@pytest.mark.parametrize("place", ["group-0", "state-3-10", "checkpoint.json", "arrays", "cohorts"])
def test_what_a_disk_cannot_read_now_is_not_dropped_and_is_used_later(tmp_path, whole, place, monkeypatch):
    planned, folder = cohort(), tmp_path / "store"
    train(folder, planned, stop_at=(3, "train", 10))
    (folder / "cohorts").mkdir()
    kept = sorted((folder / "checkpoints").rglob("*"))
    asked = {name: getattr(os, name) for name in ("open", "lstat")}

    def failing(name):
        def ask(path, *arguments, **named):
            if re.search(rf"/{place}\b", os.fspath(path)) and name == (
                "lstat" if place == "cohorts" else "open"
            ):
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
            return asked[name](path, *arguments, **named)

        return ask

    store = Store.open(folder)
    for name in asked:
        monkeypatch.setattr(os, name, failing(name))
    events: list[Event] = []
    Trainer(0, store, events.append, lambda: False, OFTEN).train(planned)
    monkeypatch.undo()
    assert isinstance(events[-1], CohortFailed)
    assert events[-1].fatal
    assert "Stale file handle" in events[-1].reason
    assert not notes(events)
    assert sorted((folder / "checkpoints").rglob("*")) == kept
    assert resumed(train(folder, planned)) == [(1, 0), (1, 10)]
    assert_equal(folder, whole)


def test_a_checkpoint_that_could_go_on_to_other_numbers_is_not_used(tmp_path, whole, monkeypatch):
    planned, folder = cohort(), tmp_path / "store"
    installed = states_.installed
    monkeypatch.setattr(states_, "installed", lambda name: "0.9.9" if name == "jax" else installed(name))
    train(folder, planned, stop_at=(0, "train", 10))
    monkeypatch.setattr(states_, "installed", installed)
    events = train(folder, planned)
    newest, *_ = [trouble_line(event) for event in events if isinstance(event, Noted)]
    assert newest == (
        f"cohort {planned.cohort_id}: its checkpoint of step 10 is not used: "
        f"it was made with jax 0.9.9, here is {installed('jax')}"
    )
    assert resumed(events) == []
    assert_equal(folder, whole)


def test_checkpoints_of_another_cohort_width_or_form_are_not_used(tmp_path, whole, monkeypatch):
    planned, folder = cohort(), tmp_path / "store"
    other = cohort(rate=1e-3)
    train(tmp_path / "other", other, stop_at=(0, "train", 10))
    monkeypatch.setattr(states_, "FORMAT", 0)
    train(folder, planned, stop_at=(0, "train", 20))
    monkeypatch.undo()
    for state in states(tmp_path / "other", other):
        shutil.copytree(state, folder / "checkpoints" / planned.cohort_id / state.name)
    events = train(folder, planned)
    assert {note.partition(": ")[2] for note in notes(events)} == {
        "it has another form",
        "it is of other runs",
    }
    assert_equal(folder, whole)


def test_a_narrower_place_does_not_take_up_a_wide_state(tmp_path):
    planned, folder = cohort(), tmp_path / "store"
    train(folder, planned, stop_at=(0, "train", 10))
    keeper = keeping.CohortKeeper(
        Store.open(folder), planned, mock.Mock(), OFTEN, lambda text: lines.append(text)
    )
    lines: list[str] = []
    assert keeper.width(0, 3) == 3
    assert keeper.width(0, 1) == 1
    assert lines[0].startswith("its checkpoint of step 10 is not used")
    why = "is not used: it is of groups of 3 runs, and now there is room for 1"
    assert all(line.endswith(why) for line in lines)
    assert states(folder, planned) == []


def test_who_lost_the_claim_or_came_too_late_writes_no_checkpoint(tmp_path):
    planned, folder = cohort(), tmp_path / "store"
    store = Store.create(folder, {"name": "x", "grid": []})

    def take_over(event: Event) -> None:
        claim = folder / "claims" / f"{planned.cohort_id}.json"
        claim.write_text(json.dumps({**json.loads(claim.read_text()), "token": "another"}))

    Trainer(0, store, take_over, lambda: False, OFTEN).train(planned)
    assert store.is_published(planned.cohort_id)
    assert not (folder / "checkpoints").exists()


def test_a_checkpoint_that_cannot_be_written_is_said_once_and_training_goes_on(tmp_path, whole, monkeypatch):
    planned, folder, mkdir = cohort(), tmp_path / "store", os.mkdir

    def full(path, *arguments, **named):
        if Path(path) == folder / "checkpoints":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        mkdir(path, *arguments, **named)

    monkeypatch.setattr(os, "mkdir", full)
    events = train(folder, planned)
    (note,) = notes(events)
    assert note == "no checkpoint could be written (No space left on device); training goes on without"
    assert list((folder / "tmp").iterdir()) == []
    assert_equal(folder, whole)


def keep(folder: Path, cohort_id: str, step: int) -> None:
    """Leaves a state with one small file."""

    def write(arrays: Path) -> None:
        arrays.mkdir()
        (arrays / "one").write_bytes(b"1")

    Checkpoints(folder, cohort_id).add_state(0, step, {}, write)


def test_checkpoints_of_nobodys_cohort_are_cleared_away_and_others_are_told(tmp_path):
    planned, folder = cohort(), tmp_path / "store"
    store = Store.create(folder, {"name": "x", "grid": []})
    store.add_plan(planned)
    for step in (5, 7, 6):
        keep(folder, planned.cohort_id, step)
    keep(folder, "0" * 16, 5)
    Store.create(folder, {"name": "x", "grid": []})
    assert [path.name for path in (folder / "checkpoints").iterdir()] == [planned.cohort_id]
    assert [state.step for state in Checkpoints(folder, planned.cohort_id).states()] == [7, 6]
    (shown,) = cohorts_of(store, load(folder))
    assert (shown.state, shown.note) == ("waiting", "goes on at run 1, step 7")
    (folder / "cohorts" / planned.cohort_id).mkdir(parents=True)
    Store.create(folder, {"name": "x", "grid": []})
    assert list((folder / "checkpoints").iterdir()) == []


def test_a_store_that_is_moved_away_is_not_begun_anew_by_a_checkpoint(tmp_path):
    folder = tmp_path / "store"
    Store.create(folder, {"name": "x", "grid": []})

    def write(arrays: Path) -> None:
        folder.rename(tmp_path / "elsewhere")
        arrays.mkdir(parents=True)  # as Orbax does

    with pytest.raises(OSError, match="No such file"):
        Checkpoints(folder, "0" * 16).add_state(0, 1, {}, write)
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]
