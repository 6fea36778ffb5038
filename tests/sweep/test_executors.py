import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from unittest import mock

import fake_training
import pytest
from small_sweeps import sweep

from modbench.core.errors import MachineError, RequestError
from modbench.core.grid import Sweep
from modbench.store.files import Store
from modbench.store.table import load
from modbench.sweep import executors
from modbench.sweep.environment import cache_folder
from modbench.sweep.events import Advanced, CohortFailed, GivenBack, Published, Started
from modbench.sweep.executors import Executor, Here, make_executor
from modbench.sweep.processes import Processes
from modbench.sweep.run import Outcome, prepare, run_sweep


@pytest.fixture(autouse=True)
def own_environment():
    """What executor `here` sets in its process is taken back after the test."""
    with mock.patch.dict(os.environ, NPROC="1"):
        yield


def train(table: Sweep, folder: Path, executor: Executor) -> tuple[Outcome, list]:
    events = []
    return run_sweep(table, folder, executor, events.append), events


def test_results_do_not_depend_on_the_executor(tmp_path):
    table = sweep()
    frames = []
    for name, executor in (
        ("here", Here(fake_training.quick)),
        ("one", Processes(1, fake_training.quick)),
        ("two", Processes(2, fake_training.quick)),
    ):
        outcome, _ = train(table, tmp_path / name, executor)
        assert outcome == Outcome(done=12, failed=[], missing=0)
        runs = load(tmp_path / name).runs
        stable = [column for column in runs.columns if not column.startswith("env_")]
        frames.append(runs[stable].sort_values(["run_id", "checkpoint"]).reset_index(drop=True))
    assert frames[0].equals(frames[1])
    assert frames[0].equals(frames[2])


def test_a_second_run_trains_nothing(tmp_path):
    train(sweep(), tmp_path / "store", Here(fake_training.quick))
    outcome, events = train(sweep(), tmp_path / "store", Here(fake_training.full_disk))
    assert outcome.done == 12
    assert events == []


def test_events_tell_the_story_of_every_cohort(tmp_path):
    _, events = train(sweep(), tmp_path / "store", Processes(2, fake_training.quick))
    for cohort_id in Store.open(tmp_path / "store").published():
        story = [event for event in events if event.cohort_id == cohort_id]
        assert [type(event) for event in story] == [Started, *[Advanced] * 3, Published]
        assert story[-1].done == 3


def test_diverged_runs_are_recorded_and_not_tried_again(tmp_path):
    table = sweep(train__learning_rate=[0.1, 1.0])
    outcome, events = train(table, tmp_path / "store", Here(fake_training.quick))
    assert (outcome.done, len(outcome.failed), outcome.missing) == (12, 12, 0)
    assert sum(event.failed for event in events if isinstance(event, Published)) == 12
    again, events = train(table, tmp_path / "store", Here(fake_training.quick))
    assert again == outcome
    assert events == []


@pytest.mark.parametrize("make", [Here, lambda group: Processes(2, group)], ids=["here", "processes"])
def test_a_bug_spares_the_other_cohorts(tmp_path, make):
    table = sweep(seeds=[0, 1], rules=[2, 4], models=["monolithic"], train__batch_size=[8, 16])
    grown = sweep(seeds=[0], rules=[2, 4, 8], models=["monolithic"])
    outcome, _ = train(table, tmp_path / "store", make(fake_training.breaks_at_seed_1))
    assert outcome.missing == 8
    assert {failure.reason for failure in outcome.cohorts_failed} == {"ValueError: no such luck"}
    assert "breaks_at_seed_1" in outcome.cohorts_failed[0].detail
    assert not any(failure.fatal for failure in outcome.cohorts_failed)
    outcome, _ = train(grown, tmp_path / "store", make(fake_training.breaks_at_seed_1))
    assert (outcome.done, outcome.missing) == (3, 0)


@pytest.mark.parametrize("make", [Here, lambda group: Processes(2, group)], ids=["here", "processes"])
def test_a_full_disk_stops_everything_with_its_reason(tmp_path, make):
    with pytest.raises(MachineError, match="No space left"):
        train(sweep(), tmp_path / "store", make(fake_training.full_disk))
    outcome, _ = train(sweep(), tmp_path / "store", make(fake_training.quick))
    assert outcome.done == 12


def test_a_killed_worker_is_replaced_and_its_cohort_tried_again(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_MEMORY", str(tmp_path))
    outcome, events = train(sweep(), tmp_path / "store", Processes(2, fake_training.killed_once))
    assert outcome == Outcome(done=12, failed=[], missing=0)
    given_back = [event for event in events if isinstance(event, GivenBack)]
    assert len(given_back) in (1, 2)  # two workers can meet their end before either has left its mark
    assert given_back[0].reason == "killed by SIGKILL (out of memory?)"


def test_a_cohort_that_kills_two_workers_is_given_up_and_the_others_finish(tmp_path):
    outcome, events = train(sweep(models=["modular"]), tmp_path / "store", Processes(2, fake_training.killed))
    assert (outcome.done, outcome.missing) == (3, 3)
    assert sum(isinstance(event, GivenBack) for event in events) == 1
    (failure,) = outcome.cohorts_failed
    assert failure.reason == "its worker died 2 times, last killed by SIGKILL (out of memory?)"


def test_workers_stop_when_asked_and_the_store_continues(tmp_path):
    prepared = prepare(sweep(), tmp_path / "store")
    asked = threading.Event()
    events = []

    def on_event(event):
        events.append(event)
        if isinstance(event, Advanced):
            asked.set()

    started = time.monotonic()
    Processes(2, fake_training.slow).run(prepared.plan.pending, prepared.store.folder, on_event, asked.is_set)
    assert time.monotonic() - started < 20
    assert not any(isinstance(event, Published | CohortFailed | GivenBack) for event in events)
    assert prepared.store.published() == []
    outcome, _ = train(sweep(), tmp_path / "store", Here(fake_training.quick))
    assert outcome.done == 12
    assert len(Store.open(tmp_path / "store").plans()) == 4


def test_here_stops_when_asked(tmp_path):
    prepared = prepare(sweep(), tmp_path / "store")
    events = []
    Here(fake_training.slow).run(
        prepared.plan.pending,
        prepared.store.folder,
        events.append,
        lambda: any(isinstance(event, Advanced) for event in events),
    )
    assert prepared.store.published() == []


def test_here_leaves_nobody_training_when_it_is_interrupted(tmp_path):
    prepared = prepare(sweep(), tmp_path / "store")

    def interrupt(event):
        if isinstance(event, Advanced):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Here(fake_training.slow).run(prepared.plan.pending, prepared.store.folder, interrupt, lambda: False)
    assert not any(thread.name == "modbench trainer" for thread in threading.enumerate())
    assert prepared.store.published() == []


def test_a_user_without_a_home_gets_a_cache_in_the_temporary_folder(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    assert cache_folder({}).name.startswith("modbench-")
    assert cache_folder({"XDG_CACHE_HOME": "/x"}) == Path("/x/modbench")


def test_workers_have_one_thread_and_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MODBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("JAX_ENABLE_X64", "1")
    monkeypatch.setenv("NPROC", "7")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    outcome, _ = train(sweep(), tmp_path / "store", Processes(1, fake_training.tells_environment))
    cache = tmp_path / "cache" / "xla"
    assert outcome.cohorts_failed[0].reason == (
        f"RuntimeError: NPROC=1 JAX_COMPILATION_CACHE_DIR={cache} JAX_ENABLE_X64=0"
    )
    assert os.environ["NPROC"] == "7"


def test_here_refuses_a_process_whose_jax_has_other_threads(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", sys.modules.get("jax", object()))
    monkeypatch.delenv("NPROC")
    prepared = prepare(sweep(), tmp_path / "store")
    with pytest.raises(RequestError, match="executor 'processes'"):
        Here(fake_training.quick).run(prepared.plan.pending, prepared.store.folder, print, lambda: False)


def test_workers_that_cannot_start_are_the_machines_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(MachineError, match="a worker process could not start: ended with status 1"):
        train(sweep(), tmp_path / "store", Processes(2, fake_training.quick))


def test_workers_end_with_a_driver_that_is_killed(tmp_path):
    script = tmp_path / "driver.py"
    script.write_text(
        "import sys; sys.path.append(sys.argv[1])\n"
        "import fake_training, small_sweeps\n"
        "from modbench.sweep.events import Started\n"
        "from modbench.sweep.processes import Processes\n"
        "from modbench.sweep.run import run_sweep\n"
        "def tell(event):\n"
        "    if isinstance(event, Started): print('started', flush=True)\n"
        "run_sweep(small_sweeps.sweep(), sys.argv[2], Processes(2, fake_training.slow), tell)\n"
    )
    command = [sys.executable, script, Path(__file__).parent, tmp_path / "store"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        for _ in range(2):
            assert driver.stdout.readline() == "started\n"
        workers = [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and _parent(entry) == driver.pid
        ]
        assert len(workers) == 2
        os.kill(driver.pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while any(_running(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(_running(worker) for worker in workers)


def _parent(process: Path) -> int | None:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def _running(worker: int) -> bool:
    try:
        return Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_executors_are_made_by_name(monkeypatch):
    monkeypatch.setattr(executors, "accelerated", lambda: False)
    monkeypatch.setattr(executors, "usable_workers", lambda: 3)
    assert make_executor().workers == 3
    assert make_executor("processes", 5).workers == 5
    assert isinstance(make_executor("here"), Here)
    monkeypatch.setattr(executors, "accelerated", lambda: True)
    assert make_executor().workers == 3
    assert isinstance(make_executor(workers=1), Here)
    monkeypatch.setattr(executors, "usable_workers", lambda: 1)
    assert isinstance(make_executor(), Here)
    assert isinstance(make_executor(workers=2), Processes)


@pytest.mark.parametrize(
    ("name", "workers", "message"),
    [
        ("proceses", None, "Did you mean 'processes'"),
        ("here", 2, "must be 1 for executor 'here', got 2"),
        ("processes", 0, "must be from 1 to 1024, got 0"),
    ],
)
def test_wrong_executors_are_refused(name, workers, message):
    with pytest.raises(RequestError, match=message):
        make_executor(name, workers)
