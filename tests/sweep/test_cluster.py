"""The executor of a Ray cluster."""

import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import pytest
from small_sweeps import sweep

from faults import uneven
from faults.trial import SWEEP, uninterrupted
from local_cluster import LocalCluster
from modbench.core.errors import RequestError
from modbench.core.grid import load_sweep, parse_sweep
from modbench.store.compare import compare
from modbench.store.files import Store
from modbench.store.table import load
from modbench.sweep import cluster, cluster_node
from modbench.sweep.cluster import RayCluster, numeric_variables
from modbench.sweep.dealing import ATTEMPTS, LOSSES, Death, Queue
from modbench.sweep.events import Advanced, CohortFailed, GivenBack, Published, Started
from modbench.sweep.executors import Here, make_executor
from modbench.sweep.processes import Processes
from modbench.sweep.run import prepare, run_sweep
from tiny_runs import EVALUATION

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


pytestmark = pytest.mark.released_programs


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that stands in for training may write to, see `uneven.MEMORY`."""
    return tmp_path_factory.mktemp("memory") / "memory"


@pytest.fixture(scope="module")
def two_nodes(memory: Path):
    with LocalCluster(**{uneven.MEMORY: str(memory)}) as running:
        yield running


TINY = {
    "task": {"architecture": "mlp", "num_rules": 2},
    "model": {"name": "modular", "encoder_width": 4},
    "train": {"steps": 20, "batch_size": 16},
    "evaluation": EVALUATION,
    "seed": [0, 1],
}


@needs_ray
def test_what_is_really_trained_does_not_depend_on_the_executor(tmp_path, two_nodes, monkeypatch):
    monkeypatch.setenv("NPROC", "1")
    tiny = parse_sweep({"name": "tiny", "grid": [TINY]})
    stories = {}
    for executor in (Here(), Processes(1), RayCluster(two_nodes.address)):
        events = []
        folder = tmp_path / type(executor).__name__
        outcome = run_sweep(tiny, folder, executor, events.append)
        assert (outcome.done, outcome.missing) == (2, 0), outcome
        stories[folder.name] = {
            cohort: [type(event) for event in events if event.cohort_id == cohort]
            for cohort in Store.open(folder).published()
        }
    for other in ("Processes", "RayCluster"):
        comparison = compare(load(tmp_path / "Here"), load(tmp_path / other))
        assert comparison.equal, comparison
        assert not comparison.regrouped
        assert len(comparison.common) == 2
        assert stories[other].keys() == stories["Here"].keys()
    for story in stories["RayCluster"].values():
        assert (story[0], story[-1]) == (Started, Published)
        assert Advanced in story


@needs_ray
def test_a_node_that_is_lost_loses_nothing_and_ctrl_c_leaves_what_is_stored(tmp_path, two_nodes, memory):
    reference = uninterrupted(tmp_path / "reference")
    (tmp_path / "swept.toml").write_text(SWEEP)
    command = (
        "from modbench.cli import running\n"
        "from modbench.cli.app import main\n"
        "from modbench.sweep.cluster import RayCluster\n"
        "from faults.uneven import held\n"
        "running.make_executor = lambda name, workers, address: RayCluster(address, workers, held)\n"
        "main()\n"
    )
    arguments = ["run", "swept.toml", "--out", "with space", "--executor", "ray", "--address"]

    # Ctrl-C while two cohorts are held: the command stops, and so do the tasks.
    with subprocess.Popen(
        [sys.executable, "-c", command, *arguments, two_nodes.address],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path[1:]])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    ) as process:
        _wait_for_lines(memory, 2, process)
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert f"run swept.toml --out 'with space' --executor ray --address {two_nodes.address}" in said

    # The same again: a node goes while both train, and the other one finishes.
    events = []

    def on_event(event) -> None:
        events.append(event)
        both = {event.worker for event in events if isinstance(event, Advanced)} == {0, 1}
        go = memory.with_name("go")
        if both and not go.exists():
            two_nodes.remove_node()
            go.touch()

    executor = RayCluster(two_nodes.address, group=uneven.held)
    assert executor.workers == 2
    sweep = load_sweep(str(tmp_path / "swept.toml"))
    outcome = run_sweep(sweep, tmp_path / "with space", executor, on_event)
    assert (outcome.done, outcome.missing, outcome.cohorts_failed) == (18, 0, [])
    (given_back,) = [event for event in events if isinstance(event, GivenBack)]
    assert given_back.reason.endswith("was lost")
    comparison = compare(load(tmp_path / "with space"), load(reference))
    assert comparison.equal, comparison
    assert len(comparison.common) == 36
    assert not list((tmp_path / "with space").glob(".modbench-*"))


def _wait_for_lines(path: Path, count: int, process: subprocess.Popen) -> None:
    while not path.exists() or len(path.read_text().splitlines()) < count:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.1)


@needs_ray
def test_a_cluster_that_is_not_there_is_told_in_one_line():
    with pytest.raises(
        RequestError, match=r"cannot reach a Ray cluster at '127\.0\.0\.1:9': Connection refused"
    ):
        make_executor("ray", address="127.0.0.1:9")


def test_ray_is_asked_for_where_it_is_not_installed(monkeypatch):
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"needs Ray, which is not installed. .*'modbench\[ray\]'"):
        make_executor("ray")


@pytest.mark.parametrize("address", ["local", "ray://head:10001", "head", "head:port", ":6379", "head:70000"])
def test_addresses_that_ray_would_take_for_something_else_are_refused(address, monkeypatch):
    monkeypatch.setattr(cluster, "find_spec", lambda name: object())
    with pytest.raises(RequestError, match=f"must be auto or HOST:PORT .*, got '{address}'"):
        make_executor("ray", address=address)


def test_an_address_is_for_ray_alone():
    with pytest.raises(RequestError, match="for executor 'ray' alone, got 'auto' with 'processes'"):
        make_executor("processes", address="auto")


def test_a_folder_that_a_node_does_not_share_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_node, "VISIBLE_SECONDS", 0.0)
    marker = tmp_path / ".modbench-0"
    marker.write_text("ours")
    assert cluster_node.answer_marker(marker, "ours") is None
    assert [path.name for path in tmp_path.iterdir()] == [".modbench-0"]
    assert cluster_node.answer_marker(marker, "another") == "is another folder there"
    assert cluster_node.answer_marker(tmp_path / ".modbench-1", "ours") == "is another folder there"
    assert cluster_node.answer_marker(tmp_path / "none/x", "ours") == "No such file or directory"


def test_what_may_change_numbers_comes_from_the_command(monkeypatch):
    command = {
        "XLA_FLAGS": "--a",
        "JAX_PLATFORMS": "cuda",
        "JAX_COMPILATION_CACHE_DIR": "/home/me",
        "HOME": "/me",
    }
    assert numeric_variables(command) == {"XLA_FLAGS": "--a"}
    node = {
        "XLA_FLAGS": "--b",
        "JAX_ENABLE_X64": "1",
        "OMP_NUM_THREADS": "1",
        "JAX_COMPILATION_CACHE_DIR": "/x",
    }
    with mock.patch.dict(os.environ, node, clear=True):
        cluster_node._settle({"XLA_FLAGS": "--a"}, gpus=False)
        assert dict(os.environ) == {
            "XLA_FLAGS": "--a",
            "JAX_COMPILATION_CACHE_DIR": "/x",
            "JAX_PLATFORMS": "cpu",
        }
    with mock.patch.dict(os.environ, {"JAX_PLATFORMS": "cuda"}, clear=True):
        cluster_node._settle({}, gpus=True)
        assert dict(os.environ) == {"JAX_PLATFORMS": "cuda"}


def test_machines_that_are_taken_away_are_not_held_against_a_cohort_so_soon(tmp_path):
    (cohort, *_) = prepare(sweep(), tmp_path / "store").plan.pending

    def tries(death: Death) -> int:
        queue, count = Queue([cohort]), 0
        while queue.waiting:
            queue.next()
            count += 1
            last = queue.give_back(0, cohort, death)
        assert isinstance(last, CohortFailed)
        assert last.reason == f"its worker died {count} times, last gone"
        return count

    assert tries(Death("gone")) == ATTEMPTS
    assert tries(Death("gone", with_machine=True)) == LOSSES
