"""Contents of the other files of a store that nobody can have meant: claims, marker, sweep, states, parameters."""

import json
import math

import numpy as np
import pytest
from safetensors.numpy import save
from synthetic_store import SOURCE, cohort, fill

from modbench.core.errors import MachineError, RequestError
from modbench.core.identity import canonical, run_id
from modbench.store import params
from modbench.store.checkpoints import MANIFEST, Checkpoints
from modbench.store.claims import Claims
from modbench.store.cohort import DamagedFile
from modbench.store.files import Store
from modbench.store.merge import merge_stores
from modbench.store.plan import sealed
from modbench.store.table import load

PLANNED = cohort()
CLAIM = {
    "token": "a" * 16, "machine": "x", "host": "h", "pid": 1, "started": "2026-11-30T00:00:00+00:00", "seconds": 1.0,
    "phase": "train", "group": 0, "step": 1, "steps": 2,
}  # fmt: skip
NUMBERS = [math.nan, math.inf, -math.inf, -1, -1e300, 1e308, 10**400, True, "1", None, [1]]


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "store", SOURCE)
    fill(store, [PLANNED])
    return store


@pytest.mark.parametrize("field", ["pid", "seconds", "group", "step", "steps"])
@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: str(number)[:9])
def test_a_claim_with_a_number_that_makes_no_sense_is_as_good_as_torn(tmp_path, field, number):
    cohort_id = "a" * 16
    path = tmp_path / "claims" / f"{cohort_id}.json"
    path.parent.mkdir()
    path.write_text(json.dumps(CLAIM))
    assert set(Claims(tmp_path).living()) == {cohort_id}
    path.write_text(json.dumps({**CLAIM, field: number}))
    assert Claims(tmp_path).living() == {}
    with Claims(tmp_path).take(cohort_id):
        assert set(Claims(tmp_path).living()) == {cohort_id}


@pytest.mark.parametrize("version", [True, 1.0, "1", None, math.nan, [1]])
def test_a_marker_without_a_version_is_damaged(store, version):
    (store.folder / "store.json").write_text(json.dumps({"schema_version": version}))
    with pytest.raises(RequestError, match="it is damaged"):
        load(store.folder)


@pytest.mark.parametrize(
    "text", ["grid = 5", "grid = [1]", "name = 5", "description = [1]", "a = " + "[" * 5000, "\x00", "["]
)
def test_a_sweep_that_is_none_is_damaged_and_the_results_are_read(store, tmp_path, text):
    (store.folder / "sweep.toml").write_text(text)
    with pytest.raises(MachineError, match=r"sweep\.toml is damaged .*; modbench run writes it anew"):
        store.sweep_source()
    with pytest.raises(MachineError, match=r"sweep\.toml is damaged"):
        merge_stores([store.folder], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
    assert len(load(store.folder).runs) == 2 * len(PLANNED.runs)


@pytest.mark.parametrize("change", [
    {"/dev/zero": "0"}, {"../../../store.json": "0"}, {"arrays/more": "0"}, {},
])  # fmt: skip
def test_a_state_whose_digests_are_of_other_files_is_damaged(store, change):
    def write(folder):
        folder.mkdir()
        (folder / "a").write_bytes(b"numbers")

    checkpoints = Checkpoints(store.folder, PLANNED.cohort_id)
    checkpoints.add_state(0, 10, {"width": 1}, write)
    (state,) = checkpoints.states()
    assert checkpoints.about(state) == {"width": 1}
    manifest = state.folder / MANIFEST
    table = json.loads(manifest.read_text())
    files = {**table["files"], **change} if change else {}
    manifest.write_bytes(sealed({"about": table["about"], "files": files}))
    with pytest.raises(DamagedFile):
        checkpoints.about(state)


def kept(store, name=None, **about):
    """Keeps parameters of the cohort's first run, with other metadata perhaps; their file."""
    first = PLANNED.runs[0]
    run = {
        "run_id": run_id(first), "cohort_id": PLANNED.cohort_id, "status": "done", "reason": None,
        "steps": {"last": 20, "best": 10}, "spec": first.model_dump(mode="json"), **about,
    }  # fmt: skip
    arrays = {f"{checkpoint}/w": np.ones(3, np.float32) for checkpoint in ("last", "best")}
    text = run if isinstance(run, str) else canonical(run)
    content = save(arrays, {"format": params.FORMAT, "run": text, "digest": params._digest(text, arrays)})
    params.put_params(store.folder, PLANNED.cohort_id, name or run_id(first), content)
    return params.path_of(store.folder, PLANNED.cohort_id, name or run_id(first))


def test_parameters_of_another_run_are_not_taken_for_those_of_a_run(store):
    first, second = PLANNED.runs[:2]
    kept(store)
    assert params.load_params(store.folder, run_id(first)).step == 20
    path = kept(store, name=run_id(second))
    with pytest.raises(MachineError, match="is not as it was written"):
        params.load_params(store.folder, run_id(second))
    path.unlink()
    kept(store, spec=second.model_dump(mode="json"))
    with pytest.raises(MachineError, match="holds parameters of another run than it says"):
        params.load_params(store.folder, run_id(first))


@pytest.mark.parametrize("about", [
    {"steps": 5}, {"steps": {}}, {"steps": {"last": "20", "best": 1}}, {"spec": 5}, {"status": "failed"}, {"reason": 3},
    {"cohort_id": "0" * 16}, {"run_id": 5},
])  # fmt: skip
def test_parameters_with_metadata_of_another_form_are_damaged(store, about):
    path = kept(store, **about)
    assert params.intact(path) is None
    with pytest.raises(MachineError, match="is not as it was written"):
        params.load_params(store.folder, run_id(PLANNED.runs[0]))


def test_parameters_of_a_router_that_is_not_known_here_are_intact_and_say_so(store):
    spec = PLANNED.runs[0].model_dump(mode="json")
    spec["model"]["gates"] = "sparse"
    assert params.intact(kept(store, spec=spec))
    with pytest.raises(RequestError, match="unknown gates 'sparse'"):
        params.load_params(store.folder, run_id(PLANNED.runs[0]))
