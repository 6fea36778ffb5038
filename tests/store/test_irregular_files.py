"""What is no regular file where a store has files: nobody waits for it, and it is named."""

import signal
from pathlib import Path

import numpy as np
import pytest
from irregular import KINDS
from synthetic_store import SOURCE, cohort, fill, record

from modbench.core.errors import MachineError, RequestError
from modbench.core.identity import run_id
from modbench.store.checkpoints import ARRAYS, MANIFEST, Checkpoints
from modbench.store.claims import Claims
from modbench.store.cohort import DIGESTS, FILES, DamagedFile
from modbench.store.durable import kind_of, open_file, read_file
from modbench.store.files import Store
from modbench.store.merge import merge_stores
from modbench.store.params import load_params, path_of, save_params
from modbench.store.table import load

PLANNED, OTHER = cohort(), cohort("rnn")


@pytest.fixture(params=KINDS)
def put(request):
    """Puts something irregular in a file's place; whoever waits for it is woken with an error."""

    def overdue(*_):
        raise AssertionError("somebody waits for what is no file")

    def put(path: Path) -> None:
        path.unlink(missing_ok=True)
        KINDS[request.param](path)

    before = signal.signal(signal.SIGALRM, overdue)
    signal.alarm(20)
    yield put
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "store", SOURCE)
    fill(store, [PLANNED, OTHER])
    return store


def test_only_regular_files_are_opened(tmp_path, put):
    put(tmp_path / "thing")
    for read in (open_file, read_file):
        with pytest.raises(FileNotFoundError, match="it is no regular file"):
            read(tmp_path / "thing")


@pytest.mark.parametrize("file", [FILES["runs"], FILES["curves"], DIGESTS])
def test_one_among_a_cohorts_files_is_damage_and_the_rest_stays_readable(store, put, file):
    put(store.folder / "cohorts" / PLANNED.cohort_id / file)
    assert [damage.file for damage in load(store.folder).damaged] == [f"cohorts/{PLANNED.cohort_id}/{file}"]
    assert set(load(store.folder).runs["run_id"]) == {run_id(run) for run in OTHER.runs}
    assert set(store.recorded()) >= {run_id(run) for run in OTHER.runs}
    with pytest.raises(RequestError, match=f"{PLANNED.cohort_id}/{file} is damaged"):
        merge_stores([store.folder], store.folder.with_name("merged"))
    assert [damage.cohort_id for damage in store.set_damaged_aside()] == [PLANNED.cohort_id]


def test_one_in_a_plans_place_is_damage(store, put):
    planned = cohort("mha", rules=3)
    put(store.folder / "plan" / f"{planned.cohort_id}.json")
    file = f"plan/{planned.cohort_id}.json"
    assert [damage.file for damage in load(store.folder).damaged] == [file]
    with pytest.raises(RequestError, match=f"{file} is damaged"):
        merge_stores([store.folder], store.folder.with_name("merged"))
    assert [damage.file for damage in store.set_damaged_aside()] == [file]
    store.add_plan(planned)
    assert planned in store.plans()


def test_one_in_the_place_of_the_sweep_or_the_marker_is_named_and_stays(store, put):
    put(store.folder / "sweep.toml")
    kind = kind_of(store.folder / "sweep.toml")
    with pytest.raises(MachineError, match=r"cannot read \S+sweep.toml: it is no regular file"):
        store.sweep_source()
    with pytest.raises(RequestError, match="it is no regular file"):
        Store.create(store.folder, SOURCE)
    assert kind_of(store.folder / "sweep.toml") == kind
    put(store.folder / "store.json")
    for attempt in (Store.open, lambda folder: Store.create(folder, SOURCE)):
        with pytest.raises(RequestError, match=r"store.json must hold .*; it is damaged"):
            attempt(store.folder)
    assert kind_of(store.folder / "store.json") == kind


def test_one_among_the_claims_counts_as_none(store, put):
    (store.folder / "claims").mkdir()
    name = PLANNED.cohort_id
    put(store.folder / "claims" / f"{name}.json")
    if kind_of(store.folder / "claims" / f"{name}.json") != "link":
        put(store.folder / "claims" / f"{name}.failed.json")
        assert Claims(store.folder).failures() == {name: "unknown"}
    assert Claims(store.folder).living() == {}
    claim = Claims(store.folder).take(name)
    assert claim is not None
    with claim:
        assert not claim.is_lost()


def test_one_among_parameters_is_no_file_of_parameters(store, put):
    run = PLANNED.runs[0]
    about = {"run_id": run_id(run), "cohort_id": PLANNED.cohort_id, "status": "done", "reason": None}
    about |= {"steps": {"last": 20, "best": 10}, "spec": run.model_dump(mode="json")}
    save_params(store.folder, about, {"last": {"weight": np.ones(3)}, "best": {"weight": np.zeros(3)}})
    assert load_params(store.folder, run_id(run)).step == 20
    put(path_of(store.folder, PLANNED.cohort_id, run_id(run)))
    with pytest.raises(MachineError, match=r"cannot read \S+: it is no regular file"):
        load_params(store.folder, run_id(run))
    with pytest.raises(MachineError, match="it is no regular file"):
        merge_stores([store.folder], store.folder.with_name("merged"))
    assert not store.folder.with_name("merged").exists()


@pytest.mark.parametrize("file", [f"{ARRAYS}/array", MANIFEST])
def test_one_in_a_checkpoint_is_damage(store, put, file):
    def write(folder: Path) -> None:
        folder.mkdir()
        (folder / "array").write_bytes(b"numbers")

    checkpoints = Checkpoints(store.folder, PLANNED.cohort_id)
    checkpoints.add_group(0, record(PLANNED))
    checkpoints.add_state(4, 10, {"width": 3}, write)
    (state,) = checkpoints.states()
    assert checkpoints.about(state) == {"width": 3}
    put(state.folder / file)
    with pytest.raises(DamagedFile) as damage:
        checkpoints.about(state)
    assert damage.value.file == file
    put(checkpoints.folder / "group-0" / FILES["runs"])
    with pytest.raises(DamagedFile):
        checkpoints.group(0)
