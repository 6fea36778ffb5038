"""How long figures and report of the whole study take: the paper's 20,000 runs, made up, in a store.

    python benchmarks/full_store.py [FOLDER]

Makes FOLDER (`results/full` unless given; about 0.4 GB) if it is not there, then times every command that reads it
in a process of its own: wall-clock seconds, CPU seconds, and the most memory that it held together with the processes
that it started: what they share counts for each of them. (Where there is no /proc: the most that one of them held.)
"""

import argparse
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = {
    "status": ["status"],
    "figures": ["figures", "--format", "png"],
    "report": ["report"],
    "claims": ["claims"],
}


class Cost(NamedTuple):
    """What a command took: seconds of the clock and of all cores, and bytes of all its processes at their peak."""

    seconds: float
    core_seconds: float
    memory: int


def make(folder: Path) -> None:
    """Publishes made-up results of every run of the preset `paper`, with curves as long as real ones."""
    sys.path.insert(0, str(ROOT / "tests"))
    import synthetic_results
    from modbench.core.grid import load_sweep

    runs = list(load_sweep("paper").runs.values())
    half = folder.with_name(folder.name + ".part")
    synthetic_results.fill(
        half, runs, failed=lambda spec: spec.seed == 4 and spec.task.task_seed == 4, points=None
    )
    half.rename(folder)


def measure(arguments: list[str]) -> Cost:
    """Runs a command line of modbench and waits for it.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [sys.executable, "-m", "modbench", *arguments]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    held = [0]
    threading.Thread(target=_watch, args=(process.pid, held), daemon=True).start()
    # Not resource.getrusage(RUSAGE_CHILDREN), which is the maximum over all commands so far.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if code := os.waitstatus_to_exitcode(status):
        raise subprocess.CalledProcessError(code, command)
    return Cost(seconds, usage.ru_utime + usage.ru_stime, max(max(held), _bytes(usage)))


def _watch(pid: int, held: list[int]) -> None:
    """Adds how many bytes a process and its descendants hold, five times a second for as long as it is there."""
    while bytes_now := _resident(pid):
        held.append(bytes_now)
        time.sleep(0.2)


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [child for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it has ended, or there is no /proc
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(_resident(int(child)) for child in children)


def _bytes(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Makes the store where there is none, and prints a line per command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("results/full"))
    parser.add_argument("--only", choices=COMMANDS, action="append", help="a command to time; repeatable")
    options = parser.parse_args()
    if not options.folder.exists():
        print(f"making {options.folder}", flush=True)
        make(options.folder)
    print(f"{'command':10} {'seconds':>8} {'core s':>8} {'GB':>6}")
    for name in options.only or COMMANDS:
        command, *rest = COMMANDS[name]
        cost = measure([command, str(options.folder), *rest])
        print(f"{name:10} {cost.seconds:8.1f} {cost.core_seconds:8.1f} {cost.memory / 1e9:6.2f}", flush=True)


if __name__ == "__main__":
    main()
