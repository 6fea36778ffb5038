"""A small sweep that is run by real commands while faults are injected, and how its store stands afterwards."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from modbench.core.grid import load_sweep
from modbench.store.cohort import DamagedFile, read_intact
from modbench.store.compare import compare
from modbench.store.files import Store
from modbench.store.record import decode
from modbench.store.schema import RUNS
from modbench.store.table import load
from modbench.sweep.executors import Here
from modbench.sweep.run import run_sweep
from sweep import fake_training

TESTS = Path(__file__).parents[1]
SWEEP = """
[[grid]]
task.architecture = "mlp"
task.num_rules = [2, 4, 8]
model.name = ["modular", "gt-modular", "monolithic"]
train.steps = 20
train.learning_rate = [1e-3, 1.0]  # the second diverges in the stand-in for training
seed = [0, 1]
"""
RUNS_OF_SWEEP = 36
DRIVER = """
import resource, sys
try:
    from faults import uneven
    from modbench.__main__ import main
    from modbench.cli import running
    from modbench.sweep.cluster import RayCluster
    from modbench.sweep.processes import Processes

    group = getattr(uneven, sys.argv.pop(1))
    cluster = sys.argv.pop(1)
    if limit := int(sys.argv.pop(1)):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    executor = RayCluster(cluster, group=group) if cluster else Processes(2, group)
    running.make_executor = lambda name, workers, address: executor
    main()
except KeyboardInterrupt:  # while this script prepares what stands in for training
    sys.exit(130)
"""
RUN = ["run", "swept.toml", "--out", "store", "--quiet", "--checkpoint-minutes", "0.0001"]
ENDS = 600.0
"""Seconds after which a command that does not end is a failure of the suite."""
LATE = "it had not ended after"


class Driver:
    """One `modbench run`, as a process of its own.

    Args:
        folder: with the sweep file; the store is `store` in it.
        file_limit: bytes that a file may have; 0 is any number.
        memory: see `uneven.MEMORY`.
        group: a function of `uneven`: what stands in for training.
        cluster: address of a Ray cluster to train on; two processes of its own where it is empty.
    """

    def __init__(
        self,
        folder: Path,
        file_limit: int = 0,
        memory: Path | None = None,
        group: str = "uneven",
        cluster: str = "",
    ):
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, group, cluster, str(file_limit), *RUN],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path[1:]]),
                "FAULTS_MEMORY": str(memory or ""),
            },
            stdout=self._said,
            stderr=subprocess.STDOUT,
            process_group=0,
        )

    def workers(self) -> list[int]:
        """Process ids of its workers just now; Linux only."""
        with suppress(OSError):
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
            return [int(child) for child in children.split()]
        return []

    def signal(self, number: signal.Signals) -> None:
        """Signals the process, if it is still there."""
        with suppress(ProcessLookupError):
            self.process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Waits for the end; exit status and what it wrote."""
        late = ""
        try:
            status = self.process.wait(ENDS)
        except subprocess.TimeoutExpired:
            late = f"{LATE} {ENDS:.0f} s\n"
            self.process.kill()
            status = self.process.wait()
        self._said.seek(0)
        text = late + self._said.read().decode()
        self._said.close()
        return status, text


class Trial:
    """A store under fire.

    Args:
        folder: empty; takes the sweep file and the store.
        draw: chooses moments and places.

    Attributes:
        troubles: what was not as it has to be: results lost, stored twice, errors that are no clear line.
    """

    def __init__(self, folder: Path, draw: random.Random):
        self.folder = folder
        self.store = folder / "store"
        self.draw = draw
        self.drivers: list[Driver] = []
        self.troubles: list[str] = []
        folder.mkdir(exist_ok=True)
        (folder / "swept.toml").write_text(SWEEP)

    def start(self, file_limit: int = 0, cluster: str = "", group: str = "uneven") -> Driver:
        """Starts a command, see `Driver`."""
        driver = Driver(self.folder, file_limit, cluster=cluster, group=group)
        self.drivers.append(driver)
        return driver

    def wait_until(self, condition: Callable[[], object], seconds: float = ENDS) -> None:
        """Waits until something holds or all commands have ended; not forever."""
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            if all(driver.process.poll() is not None for driver in self.drivers):
                return
            time.sleep(0.01)

    def some_moment(self) -> None:
        """Waits until some cohort, chosen at random, is being published, and some milliseconds more."""
        cohorts = self.draw.randrange(8)
        begun = len(self.published())
        self.wait_until(lambda: self.store.exists() and len(self.published()) >= min(begun + cohorts, 9))
        time.sleep(self.draw.random() * 0.4)

    def published(self) -> list[str]:
        """Ids of the cohorts that are there."""
        with suppress(OSError):
            return sorted(path.name for path in (self.store / "cohorts").iterdir())
        return []

    def intact(self) -> set[str]:
        """Ids of the published cohorts in which every byte is as it was written."""
        intact = set()
        for cohort_id in self.published():
            with suppress(DamagedFile):
                read_intact(self.store / "cohorts" / cohort_id)
                intact.add(cohort_id)
        return intact

    def end_drivers(self) -> list[int]:
        """Waits for all commands, checks what they said, and returns their exit statuses."""
        statuses = []
        for driver in self.drivers:
            status, text = driver.end()
            statuses.append(status)
            if "Traceback" in text or LATE in text or (status in (1, 2) and not text.strip()):
                self.troubles.append(f"exit status {status} with: {text.strip()[-600:]!r}")
        self.drivers = []
        return statuses

    def is_complete(self) -> bool:
        """Whether every cohort is there and intact."""
        return len(self.intact()) == 9

    def finish(self, reference: Path) -> None:
        """Finishes the sweep undisturbed and holds its table against the uninterrupted one."""
        self.start()
        statuses = self.end_drivers()
        if statuses != [1]:  # half of the runs diverge, which is an exit status of 1
            self.troubles.append(f"the undisturbed command ended with {statuses}")
        self.check(reference)

    def check(self, reference: Path) -> None:
        """Notes what a finished store lacks, has twice, or has with other numbers."""
        tables = load(self.store)
        comparison = compare(tables, load(reference))
        if not comparison.equal or comparison.regrouped or len(comparison.common) != RUNS_OF_SWEEP:
            self.troubles.append(f"the table is another one: {comparison}")
        if tables.damaged or len(tables.missing):
            self.troubles.append(f"damaged {tables.damaged}, missing {len(tables.missing)}")
        rows: Counter[str] = Counter()
        for cohort_id in self.published():
            content = read_intact(self.store / "cohorts" / cohort_id, ["runs"])["runs"]
            rows.update(decode(content, RUNS, columns=["run_id"])["run_id"].to_pylist())
        if twice := [identity for identity, count in rows.items() if count > 1]:
            self.troubles.append(f"stored twice: {twice}")
        if left := [str(path) for path in self.store.glob("tmp/*") if not path.name.count(".")]:
            self.troubles.append(f"left behind: {left}")
        if left := [str(path) for path in self.store.glob("checkpoints/*")]:
            self.troubles.append(f"checkpoints left behind: {left}")
        Store.open(self.store).plans()


def uninterrupted(folder: Path) -> Path:
    """A store of the same sweep that nothing has happened to."""
    folder.mkdir(exist_ok=True)
    (folder / "swept.toml").write_text(SWEEP)
    run_sweep(load_sweep(str(folder / "swept.toml")), folder / "store", Here(fake_training.quick))
    return folder / "store"
