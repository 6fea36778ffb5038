"""Any bytes where a store has files: they are noticed, and nothing in them is ever run."""

import ast
import hashlib
import json
import os
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from synthetic_store import SOURCE, cohort, fill

import modbench
from modbench.core.identity import canonical
from modbench.store.claims import Claims
from modbench.store.cohort import FILES, DamagedFile, read_intact
from modbench.store.compare import compare
from modbench.store.files import Store
from modbench.store.merge import merge_stores
from modbench.store.plan import decode_plan, encode_plan
from modbench.store.table import load

quickly = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
PLANNED = cohort()

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
contents = st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode())


@quickly
@given(contents)
@example(b"[" * 10**5)
@example(b'{"cohort_id": 3}')
def test_any_bytes_as_a_plan(content):
    with pytest.raises(ValueError, match=r".*"):
        decode_plan(content, PLANNED.cohort_id)


@quickly
@given(st.dictionaries(st.sampled_from(["width", "runs", "cohort_id", "more"]), json_values, max_size=3))
def test_a_sealed_plan_of_anything(table):
    """A digest that fits, over a content that nobody planned: retired, refused, or what it says."""
    from modbench.store import plan

    body = {**json.loads(encode_plan(PLANNED)), **table}
    try:
        found = decode_plan(plan.sealed(body), PLANNED.cohort_id)
    except ValueError:
        return
    assert found in (None, PLANNED)


@quickly
@given(contents)
@example(b"[" * 10**5)
def test_any_bytes_as_digests(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("cohort")
    (folder / "digests.json").write_bytes(content)
    with pytest.raises(DamagedFile):
        read_intact(folder)


@quickly
@given(contents)
def test_any_bytes_as_a_claim(tmp_path_factory, content):
    store = tmp_path_factory.mktemp("store")
    (store / "claims").mkdir()
    for name in (f"{PLANNED.cohort_id}.json", f"{PLANNED.cohort_id}.failed.json"):
        (store / "claims" / name).write_bytes(content)
    claims = Claims(store)
    assert set(claims.living()) <= {PLANNED.cohort_id}
    assert set(claims.failures()) == {PLANNED.cohort_id}


LOADERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
CONNECTIONS = {
    # A `Connection` pickles what it carries. Ours are socket pairs that we make ourselves and hand to a child by its
    # descriptor: they have no name, no port and no third party, so nothing foreign can come out of them.
    "sweep/child.py",
    "sweep/processes.py",
    "sweep/cluster_driver.py",
    "bench/crew.py",
    # A pool of processes of our own, over pipes without a name, to which figures are dealt.
    "figures/drawers.py",
}


def test_no_module_can_load_a_pickle():
    package = Path(modbench.__file__).parent
    found = []
    for path in sorted(package.rglob("*.py")):
        name = str(path.relative_to(package))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            elif isinstance(node, ast.Attribute) and node.attr in ("read_pickle", "loads_pickle"):
                found.append(f"{name}: {node.attr}")
            elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                found.append(f"{name}: allow_pickle")
            elif isinstance(node, ast.Name) and node.id in ("eval", "exec"):
                found.append(f"{name}: {node.id}")
            for module in modules:
                if module.split(".")[0] in LOADERS:
                    found.append(f"{name}: {module}")
                if module.startswith("multiprocessing") and name not in CONNECTIONS:
                    found.append(f"{name}: {module}")
    assert found == []


class Trap:
    """Unpickling this makes a folder."""

    def __init__(self, path: Path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_that_is_hidden_in_a_store_is_not_loaded(tmp_path, monkeypatch):
    sprung = tmp_path / "sprung"
    payload = pickle.dumps(Trap(sprung))
    pickle.loads(payload)
    assert sprung.exists()  # it would work
    sprung.rmdir()
    store = Store.create(tmp_path / "store", SOURCE)
    fill(store, [PLANNED])
    folder = store.folder / "cohorts" / PLANNED.cohort_id
    extension = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": payload}
    for name in ("runs", "curves"):
        table = pq.read_table(folder / FILES[name], partitioning=None)
        fields = [field.with_metadata(extension) for field in table.schema]
        trapped = table.cast(pa.schema(fields, metadata={b"pandas": payload, **extension}))
        pq.write_table(trapped, folder / FILES[name])
    digests = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in FILES.values()}
    (folder / "digests.json").write_text(canonical(digests) + "\n")
    for place in (folder, store.folder, store.folder / "plan", store.folder / "claims"):
        place.mkdir(exist_ok=True)
        (place / "sprung.pkl").write_bytes(payload)

    def refuse(*_, **__):
        raise AssertionError("something was unpickled")

    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(pickle, "load", refuse)
    tables = load(store.folder)
    assert len(tables.runs) == 2 * len(PLANNED.runs)
    assert Store.create(store.folder, SOURCE).set_damaged_aside() == []
    merge_stores([store.folder], tmp_path / "merged")
    assert compare(tables, load(tmp_path / "merged")).equal
    assert not sprung.exists()
