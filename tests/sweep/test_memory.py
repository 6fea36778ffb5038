import os
import signal
from pathlib import Path
from unittest import mock

import fake_training
import pandas as pd
import pytest
from small_sweeps import spec, sweep

from modbench.core.identity import run_id
from modbench.core.spec import RunSpec
from modbench.store.compare import compare
from modbench.store.files import Store
from modbench.store.merge import merge_stores
from modbench.store.plan import PlannedCohort
from modbench.store.table import load
from modbench.sweep import memory, processes
from modbench.sweep.display import trouble_line
from modbench.sweep.events import CohortFailed, Event, GivenBack, Narrowed, Published
from modbench.sweep.executors import Executor, Here
from modbench.sweep.footprint import group_bytes
from modbench.sweep.memory import Place, died_of_memory, is_out_of_memory, machine_memory
from modbench.sweep.plan import make_plan
from modbench.sweep.processes import Processes
from modbench.sweep.run import prepare, run_sweep
from modbench.sweep.run import train as run_train
from modbench.sweep.width import choose_width
from tiny_runs import tiny

pytestmark = pytest.mark.released_programs

GIB = 2**30


@pytest.fixture(autouse=True)
def own_environment():
    """What executor `here` sets in its process is taken back after the test."""
    with mock.patch.dict(os.environ, NPROC="1"):
        yield


def train(
    folder: Path, executor: Executor, runs: list[RunSpec], width: int
) -> tuple[list[Event], pd.DataFrame]:
    """Trains one cohort at a planned width; returns the events and a row per run."""
    store = Store.create(folder, {"name": "x", "grid": []})
    cohort = PlannedCohort.of(runs, width)
    store.add_plan(cohort)
    events: list[Event] = []
    executor.run([cohort], store.folder, events.append, lambda: False)
    table = load(folder).runs
    return events, table[table["checkpoint"] == "last"].sort_values("seed").reset_index(drop=True)


def seeds(count: int) -> list[RunSpec]:
    return [spec(seed=seed) for seed in range(count)]


@pytest.mark.parametrize("make", [Here, lambda group: Processes(1, group)], ids=["here", "processes"])
def test_a_group_that_does_not_fit_starts_again_at_half_the_width(tmp_path, monkeypatch, make):
    monkeypatch.setenv("FAKE_ROOM", "3")
    events, runs = train(tmp_path / "store", make(fake_training.starved), seeds(13), 13)
    reason = "RESOURCE_EXHAUSTED: Out of memory allocating 110826520 bytes."
    narrowed = [event for event in events if isinstance(event, Narrowed)]
    assert [(event.group, event.width, event.reason) for event in narrowed] == [
        (0, 6, reason),
        (0, 3, reason),
    ]
    assert trouble_line(narrowed[0]) == (
        f"cohort {narrowed[0].cohort_id}, group 1: out of memory ({reason}); starts again at width 6"
    )
    assert runs["width"].tolist() == [3] * 13
    assert set(runs["status"]) == {"done"}
    assert events[-1] == Published(0, narrowed[0].cohort_id, 13, 0)


def test_groups_before_the_one_that_did_not_fit_keep_their_width(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_ROOM", "2")
    events, runs = train(tmp_path / "store", Here(fake_training.starved_later), seeds(9), 4)
    assert [event.group for event in events if isinstance(event, Narrowed)] == [1]
    assert runs["width"].tolist() == [4] * 4 + [2] * 5
    assert runs["run_id"].tolist() == [run_id(run) for run in seeds(9)]


def test_a_run_that_does_not_fit_alone_is_recorded_as_failed_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_ROOM", "0")
    events, runs = train(tmp_path / "store", Here(fake_training.starved), seeds(3), 3)
    assert events[-1] == Published(0, events[0].cohort_id, 0, 3, runs["reason"][0])
    assert runs["width"].tolist() == [1] * 3
    assert set(runs["status"]) == {"failed"}
    assert runs["reason"][0].startswith("out of memory at width 1: RESOURCE_EXHAUSTED")
    assert runs["error_id"].isna().all()
    assert load(tmp_path / "store").curves.empty


def test_a_run_alone_is_tried_twice_before_it_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(fake_training, "_REFUSED", set())
    events, runs = train(tmp_path / "store", Here(fake_training.starved_once), seeds(3), 1)
    narrowed = [event for event in events if isinstance(event, Narrowed)]
    assert [(event.group, event.width) for event in narrowed] == [(0, 1), (1, 1), (2, 1)]
    assert set(runs["status"]) == {"done"}


def test_what_did_not_fit_is_tried_again_where_there_is_clearly_more_memory(tmp_path, monkeypatch):
    folder, table = tmp_path / "store", sweep(["modular"], [2], [0, 1])
    monkeypatch.setattr(memory, "accelerated", lambda: False)

    def run(gib: float, room: int, retry: bool = False) -> list[str]:
        monkeypatch.setattr(memory, "machine_memory", lambda: int(gib * GIB))
        monkeypatch.setenv("FAKE_ROOM", str(room))
        executor = Here(fake_training.starved)
        prepared = prepare(table, folder, executor.place, retry)
        run_train(prepared, executor)
        runs = load(folder).runs.query("checkpoint == 'last'")
        assert runs["run_id"].is_unique
        assert prepared.store.recorded() == dict(zip(runs["run_id"], runs["status"], strict=True))
        return [*runs["status"], *(f"{mib / 1024:g} GiB" for mib in runs["env_memory_mb"])]

    assert run(4, room=0) == ["failed", "failed", "4 GiB", "4 GiB"]
    assert run(4.5, room=9) == ["failed", "failed", "4 GiB", "4 GiB"]
    assert len(Store.open(folder).published()) == 1
    run(5, room=0)  # in vain: what it had the last time counts from now on
    assert set(Store.open(folder).untrained().values()) == {5.0 * GIB}
    assert run(6, room=9)[:2] == ["failed", "failed"]
    assert run(8, room=9) == ["done", "done", "8 GiB", "8 GiB"]
    assert Store.open(folder).untrained() == {}
    assert run(64, room=9) == ["done", "done", "8 GiB", "8 GiB"]
    merge_stores([folder], tmp_path / "merged")
    assert compare(load(folder), load(tmp_path / "merged")).equal


def test_what_did_not_fit_is_tried_again_when_that_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_ROOM", "0")
    table = sweep(["modular"], [2], [0])
    assert run_sweep(table, tmp_path / "store", Here(fake_training.starved)).failed
    executor = Here(fake_training.quick)
    assert prepare(table, tmp_path / "store", executor.place).plan.pending == ()
    run_train(prepare(table, tmp_path / "store", executor.place, retry_memory=True), executor)
    assert set(Store.open(tmp_path / "store").recorded().values()) == {"done"}


def test_a_worker_that_dies_of_memory_has_its_cohort_tried_at_half_the_width(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_ROOM", "3")
    events, runs = train(tmp_path / "store", Processes(1, fake_training.aborts), seeds(13), 13)
    given_back = [event for event in events if isinstance(event, GivenBack)]
    assert [event.width for event in given_back] == [6, 3]
    assert trouble_line(given_back[0]) == (
        f"worker 0 died (killed by SIGABRT); its cohort {given_back[0].cohort_id} is tried again at width 6"
    )
    assert runs["width"].tolist() == [3] * 13


def test_a_cohort_that_ends_workers_at_every_width_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_ROOM", "0")
    events, runs = train(tmp_path / "store", Processes(1, fake_training.aborts), seeds(2), 2)
    assert [event.width for event in events if isinstance(event, GivenBack)] == [1, 1]
    assert isinstance(events[-1], CohortFailed)
    assert runs.empty


def test_only_a_kill_by_the_kernel_narrows(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_ROOM", "1")
    executor = Processes(1, fake_training.killed_when_wide)
    for root in (memory, processes):
        monkeypatch.setattr(root, "kernel_kills", lambda: 5)
    events, runs = train(tmp_path / "somebody", executor, seeds(2), 2)
    assert [event.width for event in events if isinstance(event, GivenBack)] == [None]
    assert isinstance(events[-1], CohortFailed)
    monkeypatch.setattr(memory, "kernel_kills", lambda: 6)
    events, runs = train(tmp_path / "kernel", executor, seeds(2), 2)
    assert [event.width for event in events if isinstance(event, GivenBack)] == [1]
    assert runs["width"].tolist() == [1, 1]


def test_how_a_death_is_read(monkeypatch):
    monkeypatch.setattr(memory, "kernel_kills", lambda: 5)
    assert died_of_memory(-signal.SIGKILL, 4)
    assert died_of_memory(-signal.SIGKILL, None)
    assert not died_of_memory(-signal.SIGKILL, 5)
    assert died_of_memory(-signal.SIGABRT, 5)
    assert not died_of_memory(1, 4)
    assert not died_of_memory(-signal.SIGTERM, 4)
    assert is_out_of_memory(MemoryError("std::bad_alloc"))
    assert is_out_of_memory(RuntimeError("INTERNAL: YNNPACK operation failed"))
    assert not is_out_of_memory(ValueError("no such luck"))


def test_under_a_real_limit_a_wide_cohort_trains_narrower_with_the_numbers_of_that_width(tmp_path):
    share = int(1.15 * memory.LEAST_LIMIT / memory.ALLOWED)
    fields = {"train": {"batch_size": 400_000, "steps": 1}, "evaluation": {"curve_batches": 1}}
    runs = [tiny(seed=seed, encoder_width=8, **fields) for seed in range(2)]
    events, found = train(tmp_path / "limited", Processes(1, share=share), runs, 2)
    assert found["status"].tolist() == ["done", "done"], found["reason"].tolist()
    assert found["width"].tolist() == [1, 1]
    assert any(isinstance(event, Narrowed | GivenBack) for event in events)
    _, alike = train(tmp_path / "free", Processes(1), runs, 1)
    numbers = ["run_id", "width", "loss_id", "error_ood", "alignment", "last_train_loss"]
    assert found[numbers].equals(alike[numbers])


def test_memory_lowers_a_width_only_where_it_must():
    small, large = seeds(24), [spec("rnn", "modular", rules=8, seed=s) for s in range(24)]
    for runs in (small, large):
        free = choose_width(runs)
        assert choose_width(runs, Place(group_bytes(runs[0], free))) == free
        assert choose_width(runs, Place(1.0)) == 1
    free, pair = choose_width(small), group_bytes(small[0], 2)
    assert free == 4
    assert choose_width(small, Place(pair)) == 2
    assert choose_width(small, Place(group_bytes(small[0], 3))) == 3


def test_the_plan_records_the_width_that_fits_and_keeps_it():
    runs = sweep(["modular"], [2], list(range(24))).runs
    bound = group_bytes(next(iter(runs.values())), 2)
    (cohort,) = make_plan(runs, place=Place(bound)).pending
    assert cohort.width == 2
    assert make_plan(runs, planned=[cohort]).pending == (cohort,)
    assert make_plan(runs, place=Place(1e12)) == make_plan(runs)


def machine(root: Path, files: dict[str, str]) -> Path:
    """A made-up file system with /proc/meminfo of 16 GiB and the given files."""
    for name, text in {"proc/meminfo": f"MemTotal: {16 * 2**20} kB\nMemFree: 1 kB\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_the_tightest_limit_above_a_process_counts(tmp_path):
    assert machine_memory(machine(tmp_path / "bare", {})) == 16 * GIB
    v2 = {
        "proc/self/cgroup": "0::/jobs/one\n",
        "sys/fs/cgroup/jobs/one/memory.max": "max\n",
        "sys/fs/cgroup/jobs/memory.max": f"{4 * GIB}\n",
    }
    assert machine_memory(machine(tmp_path / "v2", v2)) == 4 * GIB
    v1 = {
        "proc/self/cgroup": "9:name=systemd:/\n4:memory:/job\n0::/\n",
        "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{2 * GIB}\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    }
    assert machine_memory(machine(tmp_path / "v1", v1)) == 2 * GIB


def test_workers_share_the_machine_and_leave_a_margin(monkeypatch):
    monkeypatch.setattr(memory, "machine_memory", lambda: 24 * GIB)
    monkeypatch.setattr(memory, "accelerated", lambda: False)
    assert Processes(2).place.memory == pytest.approx(0.8 * 12 * GIB)
    assert Here().place.memory == pytest.approx(0.8 * 24 * GIB)
