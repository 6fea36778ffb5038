"""How much memory a worker may fill, and how it ends when that is not enough.

A worker has an equal share of the machine, or of its accelerator where JAX finds any: of the smallest, divided by the
workers on it. `PLANNED` of the share is what a plan may fill; `ALLOWED` is where the worker's own limit stands, so
that what does not fit is refused to the worker that asks, and no neighbour is killed for it. The rest is for the
parent process and the system. The share is one of the whole memory, not of what happens to be free: equal machines
must give equal plans.
"""

import signal
import subprocess
import sys
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import NamedTuple

from modbench.sweep.environment import accelerated, devices

PLANNED, ALLOWED = 0.8, 0.9
LEAST_LIMIT = 1_000_000_000
"""Bytes below which no limit is set: what trains next to nothing needs 0.7 GB of addresses while it compiles."""
_ABORTED = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS)
"""How a process ends that meets its limit outside of XLA's own allocations: seen while LLVM compiles."""


def machine_memory(root: Path = Path("/")) -> int | None:
    """Bytes that this process and its children may use: the machine's, or less where a cgroup says so.

    Args:
        root: where `proc` and `sys` lie; another one for tests.

    Returns:
        None where the system does not tell.
    """
    found = [*_physical(root), *_cgroup_limits(root)]
    return min(found, default=None)


def _physical(root: Path) -> list[int]:
    with suppress(OSError, ValueError, IndexError):
        lines = (root / "proc/meminfo").read_text().splitlines()
        return [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemTotal:")]
    with suppress(OSError, ValueError, subprocess.SubprocessError):  # macOS
        answer = subprocess.run(["sysctl", "-n", "hw.memsize"], capture_output=True, check=True, timeout=10)
        return [int(answer.stdout)]
    return []


def _cgroup_limits(root: Path) -> list[int]:
    """The limits of our control group and of those above it, versions 1 and 2; each holds for us too."""
    limits = []
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers not in ("", "memory"):
                continue
            mount, name = (
                (root / "sys/fs/cgroup/memory", "memory.limit_in_bytes")
                if controllers
                else (root / "sys/fs/cgroup", "memory.max")
            )
            group = Path(path.lstrip("/"))
            for folder in (group, *group.parents):
                with suppress(OSError, ValueError):  # none here, or "max"
                    limits.append(int((mount / folder / name).read_text()))
    return limits


def device_memory() -> int | None:
    """Bytes of the smallest NVIDIA device, None where `nvidia-smi` does not tell; JAX is not started for it."""
    command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    with suppress(OSError, ValueError, subprocess.SubprocessError):
        answer = subprocess.run(command, capture_output=True, check=True, timeout=30, text=True)
        return min(int(line) for line in answer.stdout.split()) * 2**20
    return None


def worker_share(workers: int) -> int | None:
    """Bytes that each of `workers` processes on this machine may count as its own; None if unknown."""
    if accelerated():
        total, sharing = device_memory(), ceil(workers / max(1, len(devices())))
    else:
        total, sharing = machine_memory(), workers
    return None if total is None else total // sharing


class Place(NamedTuple):
    """Where a worker trains, as far as a plan depends on it.

    Attributes:
        memory: bytes that a plan may fill; None sets no bound.
        accelerator: whether it trains on one, which only many runs side by side fill.
    """

    memory: float | None = None
    accelerator: bool = False


ANYWHERE = Place()
"""A core of a machine whose memory is not known."""


def place_of(share: int | None, accelerator: bool | None = None) -> Place:
    """The place of a worker.

    Args:
        share: bytes that it may count as its own; None if unknown.
        accelerator: whether it trains on one; None is as on this machine.
    """
    accelerator = accelerated() if accelerator is None else accelerator
    return Place(None if share is None else PLANNED * share, accelerator)


def limit_own_data(share: int | None) -> None:
    """Limits the memory of this process to what it is allowed of its share, for good.

    With a limit, XLA answers an allocation that does not fit with RESOURCE_EXHAUSTED, and NumPy with MemoryError;
    without one, Linux promises the memory and kills somebody later. On an accelerator no limit is set, as its
    driver reserves far more addresses than memory; nor on a share too small to start in.

    Args:
        share: bytes; None sets no limit.
    """
    if share is None or ALLOWED * share < LEAST_LIMIT or accelerated() or sys.platform != "linux":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = int(ALLOWED * share)
    if most == resource.RLIM_INFINITY or limit < most:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, most))


_XLA_SIGNS = ("RESOURCE_EXHAUSTED", "YNNPACK operation failed")
"""The second is all that its CPU kernels say when they get no memory for what they need between."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out: Python's and NumPy's, or XLA's, on the host or a device."""
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in _XLA_SIGNS)


def kernel_kills(root: Path = Path("/")) -> int | None:
    """How many processes the kernel has killed for memory since it started; None where it does not count them."""
    with suppress(OSError, ValueError):
        for line in (root / "proc/vmstat").read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return None


def died_of_memory(status: int, kills_before: int | None) -> bool:
    """Whether a worker's end looks like memory that ran out, rather than like somebody's `kill -9`.

    Args:
        status: of the process, negative for a signal.
        kills_before: `kernel_kills()` when it was started.
    """
    if -status == signal.SIGKILL:
        kills = kernel_kills()
        return kills is None or kills_before is None or kills > kills_before
    return -status in _ABORTED
