"""The faults: each is a function of a trial that runs commands on its store and disturbs them.

A fault of another kind, of another executor say, is one more function in `FAULTS`.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from faults.trial import ENDS, Trial
from faults.uneven import RESUMED
from local_cluster import LocalCluster

Fault = Callable[[Trial], str | None]
"""Injects itself and says what it did; None where there was nothing left to disturb, which does not count."""


def kill_driver(trial: Trial) -> str | None:
    """kill -9 of the command; its workers end by themselves."""
    driver = trial.start()
    trial.some_moment()
    if driver.process.poll() is not None:
        return None
    driver.signal(signal.SIGKILL)
    return f"driver killed with {len(trial.published())} cohorts stored"


def kill_worker(trial: Trial) -> str | None:
    """kill -9 of a worker; the command goes on."""
    driver = trial.start()
    trial.wait_until(driver.workers)
    trial.some_moment()
    workers = driver.workers()
    if workers:
        os.kill(trial.draw.choice(workers), signal.SIGKILL)
    trial.some_moment()
    driver.signal(signal.SIGTERM)
    return "worker killed" if workers else None


def kill_everything(trial: Trial) -> str | None:
    """kill -9 of the command and all its workers at once, as when the power fails."""
    driver = trial.start()
    trial.some_moment()
    if driver.process.poll() is not None:
        return None
    driver.signal(signal.SIGSTOP)
    for worker in driver.workers():
        os.kill(worker, signal.SIGKILL)
    driver.signal(signal.SIGKILL)
    return "driver and workers killed"


def interrupt(trial: Trial) -> str | None:
    """SIGINT or SIGTERM, once or twice."""
    driver = trial.start()
    trial.some_moment()
    if driver.process.poll() is not None:
        return None
    number = trial.draw.choice([signal.SIGINT, signal.SIGTERM])
    driver.signal(number)
    if twice := trial.draw.random() < 0.5:
        time.sleep(trial.draw.random() * 0.1)
        driver.signal(number)
    return f"{number.name}{' twice' if twice else ''}"


def two_drivers(trial: Trial) -> str | None:
    """Two commands on one store, one of which is killed."""
    drivers = [trial.start(), trial.start()]
    trial.some_moment()
    trial.draw.choice(drivers).signal(signal.SIGKILL)
    trial.some_moment()
    for driver in drivers:
        driver.signal(signal.SIGTERM)
    return "one of two drivers killed"


def suspend(trial: Trial) -> str | None:
    """A command sleeps, with what it claimed looking long abandoned, while another one takes over."""
    sleeper = trial.start()
    trial.some_moment()
    stopped = [sleeper.process.pid, *sleeper.workers()]
    for pid in stopped:
        _signal(pid, signal.SIGSTOP)
    long_ago = time.time() - trial.draw.choice([1000, -1000, 10**7])
    for claim in trial.store.glob("claims/*.json"):
        os.utime(claim, (long_ago, long_ago))
    trial.start()
    trial.some_moment()
    for pid in reversed(stopped):
        _signal(pid, signal.SIGCONT)
    trial.some_moment()
    for driver in trial.drivers:
        driver.signal(signal.SIGTERM)
    return "driver suspended and overtaken"


def damage_files(trial: Trial) -> str | None:
    """Flips a bit of files, cuts them short, or removes them, with and without a command at work."""
    busy = trial.draw.random() < 0.5
    if busy:
        trial.start()
        trial.some_moment()
    files = [
        path
        for path in sorted(trial.store.rglob("*"))
        # A marker that cannot be read may be one of a newer schema: that is refused, and mended by hand.
        if path.is_file() and path.name != "store.json" and "damaged" not in path.parts
    ]
    chosen = trial.draw.sample(files, min(len(files), trial.draw.randrange(1, 4)))
    done = [_damage(trial, path) for path in chosen]
    for driver in trial.drivers:
        driver.signal(signal.SIGTERM)
    return ", ".join(done) or None


def _damage(trial: Trial, path: Path) -> str:
    try:
        content = path.read_bytes()
        how = trial.draw.choice(["flipped", "cut", "gone"])
        if how == "gone":
            path.unlink()
        elif how == "cut":
            os.truncate(path, trial.draw.randrange(len(content) + 1))
        elif content:
            place = trial.draw.randrange(len(content))
            changed = content[place] ^ (1 << trial.draw.randrange(8))
            with path.open("r+b") as file:
                file.seek(place)
                file.write(bytes([changed]))
    except FileNotFoundError:  # a claim that was given up in the meantime
        return f"{path.name} had gone"
    return f"{path.relative_to(trial.store)} {how}"


def kill_in_training(trial: Trial) -> str | None:
    """kill -9 of everything in the middle of a group; the next command must go on from a checkpoint."""
    if not _killed_with_checkpoints(trial):
        return None
    _goes_on(trial)
    return "killed in training, gone on from a checkpoint"


def damage_checkpoints(trial: Trial) -> str | None:
    """The same with the newest checkpoint of each cohort torn or flipped: the one before must be taken."""
    newest = _killed_with_checkpoints(trial)
    if not newest:
        return None
    done = []
    for state in newest:
        files = sorted(path for path in state.rglob("*") if path.is_file() and path.stat().st_size)
        done.append(_damage(trial, trial.draw.choice(files)))
    _goes_on(trial)
    return ", ".join(done)


def _killed_with_checkpoints(trial: Trial) -> list[Path]:
    """Kills a command that trains when some cohort has two checkpoints; the newest of each such cohort."""

    def newest() -> list[Path]:
        cohorts = (sorted(folder.glob("state-*"), key=_step) for folder in trial.store.glob("checkpoints/*"))
        return [states[-1] for states in cohorts if len(states) > 1]

    driver = trial.start(group="lasting")
    trial.wait_until(newest)
    driver.signal(signal.SIGSTOP)
    for worker in driver.workers():
        os.kill(worker, signal.SIGKILL)
    driver.signal(signal.SIGKILL)
    driver.process.wait(ENDS)
    return newest()


def _step(state: Path) -> int:
    return int(state.name.split("-")[2])


def _goes_on(trial: Trial) -> None:
    """Has a command go on; one that begins again where there is an intact checkpoint has lost something."""
    resumed = trial.folder / RESUMED
    resumed.unlink(missing_ok=True)
    driver = trial.start(group="lasting")
    trial.wait_until(resumed.exists)
    driver.signal(signal.SIGTERM)
    driver.process.wait(ENDS)
    if not resumed.exists():
        trial.troubles.append("no checkpoint was gone on from")


def files_too_large(trial: Trial) -> str | None:
    """The kernel refuses to write beyond a size, in the middle of a file."""
    limit = trial.draw.choice([0, 1000, 4000, 6000, 12000, 30000]) + trial.draw.randrange(1, 1000)
    trial.start(limit)
    return f"no file beyond {limit} bytes"


def fill_disk(trial: Trial) -> str | None:
    """The disk has no space left, and then it has again."""
    driver = trial.start()
    trial.some_moment()
    used = shutil.disk_usage(trial.folder).used
    _remount(trial, used + trial.draw.randrange(40_000))
    driver.process.wait(ENDS)
    _remount(trial, DISK)
    return "disk full"


def fill_disk_in_training(trial: Trial) -> str | None:
    """The disk has no space left while checkpoints are kept, and then it has again."""
    driver = trial.start(group="lasting")
    trial.wait_until(lambda: list(trial.store.glob("checkpoints/*/state-*")))
    used = shutil.disk_usage(trial.folder).used
    _remount(trial, used + trial.draw.randrange(20_000))
    driver.process.wait(ENDS)
    _remount(trial, DISK)
    return f"disk full in training, with {len(trial.published())} cohorts stored"


def move_away(trial: Trial) -> str | None:
    """The folder vanishes while a command works on it, and comes back."""
    driver = trial.start()
    trial.wait_until(driver.workers)  # earlier it might not have been opened, and a new one were rightly made
    trial.some_moment()
    elsewhere = trial.store.with_name("elsewhere")
    trial.store.rename(elsewhere)
    driver.process.wait(ENDS)
    if trial.store.exists():
        trial.troubles.append(f"a store was begun anew: {sorted(trial.store.rglob('*'))}")
        shutil.rmtree(trial.store)
    elsewhere.rename(trial.store)
    return "folder away and back"


def remove_node(trial: Trial) -> str | None:
    """A node of a Ray cluster is lost with all that it does, and at times comes back."""
    with LocalCluster() as cluster:
        driver = trial.start(cluster=cluster.address)
        trial.wait_until(lambda: list(trial.store.glob("claims/*.json")))
        trial.some_moment()
        if driver.process.poll() is not None:
            return None
        cluster.remove_node()
        stored = len(trial.published())
        if again := trial.draw.random() < 0.5:
            cluster.add_node()
        trial.some_moment()
        driver.signal(signal.SIGTERM)
        driver.process.wait(ENDS)
    return f"node removed with {stored} cohorts stored{', and another one added' if again else ''}"


DISK = 64 * 2**20
FAULTS: dict[str, Fault] = {
    "kill driver": kill_driver,
    "kill worker": kill_worker,
    "kill everything": kill_everything,
    "interrupt": interrupt,
    "two drivers": two_drivers,
    "suspend": suspend,
    "kill in training": kill_in_training,
    "damage checkpoints": damage_checkpoints,
    "damage files": damage_files,
    "files too large": files_too_large,
    "move away": move_away,
}
DISK_FAULTS: dict[str, Fault] = {
    "fill disk": fill_disk,
    "fill disk in training": fill_disk_in_training,
}
"""Those that need a disk of their own, see `small_disk`."""
RAY_FAULTS: dict[str, Fault] = {"remove node": remove_node} if find_spec("ray") else {}
"""Those that need Ray."""


def small_disk(folder: Path) -> bool:
    """Puts a disk of `DISK` bytes at a folder; False where that is not permitted."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def remove_disk(folder: Path) -> None:
    """Takes away what `small_disk` has put there."""
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=True)


def _remount(trial: Trial, size: int) -> None:
    command = ["mount", "-o", f"remount,size={size}", str(trial.folder.parent)]
    subprocess.run(command, capture_output=True, check=True)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
