import os
import random
import shutil
from pathlib import Path

import pytest
from synthetic_store import SOURCE, cohort, fill, record

from modbench.core.errors import MachineError
from modbench.core.identity import run_id
from modbench.store.claims import Claims
from modbench.store.cohort import DIGESTS, FILES
from modbench.store.files import Store
from modbench.store.merge import merge_stores
from modbench.store.params import kept
from modbench.store.table import load

COHORT_FILES = [*FILES.values(), DIGESTS]
PLANNED = cohort("mha", rules=3)


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "store", SOURCE)
    fill(store, [PLANNED, cohort("rnn")])
    return store


def flips(content: bytes, seed: str, count: int = 25):
    """The content with one byte changed, at random places and in random ways, and at both ends."""
    draw = random.Random(seed)
    places = [0, len(content) - 1, *(draw.randrange(len(content)) for _ in range(count))]
    for place in places:
        changed = bytearray(content)
        changed[place] ^= draw.randrange(1, 256)
        yield bytes(changed)


@pytest.mark.parametrize("file", COHORT_FILES)
def test_any_changed_byte_of_a_cohort_is_noticed_and_the_cohort_set_aside(store, file):
    folder = store.folder / "cohorts" / PLANNED.cohort_id
    intact = (folder / file).read_bytes()
    for changed in flips(intact, file):
        (folder / file).write_bytes(changed)
        (damage,) = store.set_damaged_aside()
        assert damage.cohort_id == PLANNED.cohort_id
        # A digest that turned into another digest cannot be told from a change of the file it speaks of.
        assert damage.file == f"cohorts/{PLANNED.cohort_id}/{file}" or file == DIGESTS
        assert PLANNED.cohort_id not in store.published()
        aside = store.folder / damage.moved_to
        assert (aside / file).read_bytes() == changed
        (aside / file).write_bytes(intact)
        shutil.move(aside, folder)
    assert store.set_damaged_aside() == []


def test_a_digest_written_in_another_way_is_noticed(store):
    digests = store.folder / "cohorts" / PLANNED.cohort_id / DIGESTS
    digests.write_text(digests.read_text().replace(",", ", "))
    assert [damage.file for damage in store.set_damaged_aside()] == [f"cohorts/{PLANNED.cohort_id}/{DIGESTS}"]


@pytest.mark.parametrize("file", COHORT_FILES)
@pytest.mark.parametrize("rest", [0, 1, 100, -1, None])
def test_a_file_that_is_cut_or_gone_is_noticed(store, file, rest):
    path = store.folder / "cohorts" / PLANNED.cohort_id / file
    if rest is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:rest])
    assert [damage.file for damage in store.set_damaged_aside()] == [f"cohorts/{PLANNED.cohort_id}/{file}"]


def test_the_runs_of_a_damaged_cohort_are_missing_and_can_be_published_again(store):
    (store.folder / "cohorts" / PLANNED.cohort_id / "curves.parquet").write_bytes(b"")
    (damage,) = store.set_damaged_aside()
    assert damage.moved_to.startswith(f"damaged/{PLANNED.cohort_id}.2")
    assert not {run_id(run) for run in PLANNED.runs} & set(store.recorded())
    assert PLANNED in store.plans()
    assert store.publish(PLANNED.cohort_id, record(PLANNED))
    assert {run_id(run) for run in PLANNED.runs} <= set(store.recorded())
    assert store.set_damaged_aside() == []


def test_damaged_runs_do_not_count_as_recorded_even_before_they_are_set_aside(store):
    path = store.folder / "cohorts" / PLANNED.cohort_id / "runs.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    assert not {run_id(run) for run in PLANNED.runs} & set(store.recorded())


NAME = "0123456789abcdef"
"""A name that a cohort may have, and that none here has."""


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch, os.mkfifo])
def test_what_has_a_cohorts_name_and_is_none_is_damage(store, make):
    make(store.folder / "cohorts" / NAME)
    assert [damage.file for damage in load(store.folder).damaged] == [f"cohorts/{NAME}/{DIGESTS}"]
    assert [damage.file for damage in store.set_damaged_aside()] == [f"cohorts/{NAME}/{DIGESTS}"]
    assert NAME not in store.published()


@pytest.mark.parametrize(
    "name", [".ipynb_checkpoints", "@eaDir", "lost+found", "hollow", NAME[:-1], NAME.upper()]
)
def test_what_has_no_name_of_a_cohort_is_nobodys_damage(store, name):
    """Jupyter, a NAS and file systems leave such folders; what is in them is theirs."""
    foreign = [
        store.folder / folder / name
        for folder in ("cohorts", "plan", "checkpoints", "params", "claims", "tmp")
    ]
    foreign += [store.folder / "params" / PLANNED.cohort_id / f"{name}.safetensors"]
    foreign += [store.folder / "plan" / f"{name}.json", store.folder / "claims" / f"{name}.json"]
    for path in foreign:
        path.mkdir(parents=True)
        (path / f".modbench-{NAME}").write_text("not a store's")
        (path / "digests.json").write_text("not a store's")
    for path in store.folder.rglob("*"):
        os.utime(path, (1, 1))
    before = {path: path.is_dir() or path.read_bytes() for path in store.folder.rglob("*")}
    assert load(store.folder).damaged == []
    again = Store.create(store.folder, SOURCE)
    assert again.set_damaged_aside() == []
    assert (len(again.plans()), len(again.published())) == (2, 2)
    assert Claims(store.folder).living() == Claims(store.folder).failures() == kept(store.folder) == {}
    assert merge_stores([store.folder], store.folder.with_name("merged")).copied == 2
    assert {path: path.is_dir() or path.read_bytes() for path in store.folder.rglob("*")} == before


def test_two_processes_that_find_the_same_damage_do_not_stumble(store, monkeypatch):
    (store.folder / "cohorts" / PLANNED.cohort_id / "curves.parquet").write_bytes(b"")
    move = Store._move_aside

    def late(self, damage, source):
        monkeypatch.setattr(Store, "_move_aside", move)
        assert len(self.set_damaged_aside()) == 1
        return move(self, damage, source)

    monkeypatch.setattr(Store, "_move_aside", late)
    assert store.set_damaged_aside() == []
    assert len(list((store.folder / "damaged").iterdir())) == 1


def test_any_changed_byte_of_a_plan_is_noticed_and_the_plan_set_aside(store):
    path = store.folder / "plan" / f"{PLANNED.cohort_id}.json"
    intact = path.read_bytes()
    for changed in [
        *flips(intact, "plan", count=60),
        intact[:-1],
        intact[: len(intact) // 2],
        b"",
        intact + b" ",
    ]:
        path.write_bytes(changed)
        with pytest.raises(MachineError, match=f"plan file .*{path.name} is damaged"):
            store.plans()
        (damage,) = store.set_damaged_aside()
        assert (damage.cohort_id, damage.file) == (PLANNED.cohort_id, f"plan/{path.name}")
        assert (store.folder / damage.moved_to).read_bytes() == changed
        assert PLANNED not in store.plans()
    store.add_plan(PLANNED)
    assert PLANNED in store.plans()


@pytest.mark.parametrize(
    "content", [b"[1, 2]", b'{"cohort_id": "notes"}', b"shopping list", b"\xff", b"null"]
)
def test_what_has_a_plans_name_and_is_none_is_set_aside_not_lost(store, content):
    (store.folder / "plan" / f"{NAME}.json").write_bytes(content)
    assert [damage.file for damage in load(store.folder).damaged] == [f"plan/{NAME}.json"]
    (damage,) = store.set_damaged_aside()
    assert (store.folder / damage.moved_to).read_bytes() == content
    assert len(store.plans()) == 2


def test_a_plan_under_another_name_is_damage(store):
    path = store.folder / "plan" / f"{PLANNED.cohort_id}.json"
    path.rename(path.with_name("0123456789abcdef.json"))
    assert [damage.cohort_id for damage in store.set_damaged_aside()] == ["0123456789abcdef"]


def test_reading_names_damage_skips_it_and_changes_nothing(store):
    path = store.folder / "cohorts" / PLANNED.cohort_id / "activations.parquet"
    path.write_bytes(path.read_bytes()[:-7])
    before = {p: p.read_bytes() for p in store.folder.rglob("*") if p.is_file()}
    tables = load(store.folder)
    assert [(damage.cohort_id, damage.file, damage.moved_to) for damage in tables.damaged] == [
        (PLANNED.cohort_id, f"cohorts/{PLANNED.cohort_id}/activations.parquet", None)
    ]
    assert set(tables.missing["run_id"]) == {run_id(run) for run in PLANNED.runs}
    for frame in (tables.runs, tables.curves, tables.performance, tables.activations):
        assert set(frame["architecture"]) == {"rnn"}
    assert {p: p.read_bytes() for p in store.folder.rglob("*") if p.is_file()} == before
