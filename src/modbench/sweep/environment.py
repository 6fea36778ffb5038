"""The machine: what a worker's process must be set to before it imports JAX, and what a result notes of it."""

import os
import platform
import socket
import sys
import tempfile
from collections.abc import Mapping
from importlib import metadata, util
from itertools import takewhile
from pathlib import Path

import modbench
from modbench.core.jax_settings import as_variables

DEVICE_MEMORY = ("XLA_PYTHON_CLIENT_MEM_FRACTION", "XLA_CLIENT_MEM_FRACTION")
"""The share of a device that JAX may allocate goes by either name, but not by both."""

_LEVEL = "--xla_backend_optimization_level=1"
_USERS = ("XLA_FLAGS", "NVIDIA_TF32_OVERRIDE")
"""Variables by which a user can change numbers in ways that cannot be told apart from harmless ones."""


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where modbench keeps what can be made again: `$MODBENCH_CACHE`, or `modbench` in the user's cache folder."""
    if chosen := environ.get("MODBENCH_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = Path(environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification tells to ignore relative paths.
    if base.is_absolute():
        return base / "modbench"
    try:
        return Path.home() / ".cache" / "modbench"
    except RuntimeError:  # a container's user without a home
        return Path(tempfile.gettempdir()) / f"modbench-{os.getuid()}"


def worker_variables(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Environment variables of a process that trains; they work only if set before JAX is imported.

    One thread a worker: XLA divides a product among its threads, so more threads would give other bits, and
    many small programs fill the cores better than one that is cut up. Settings of JAX that numbers depend on have
    the values that the benchmark is defined with, whatever the user prefers elsewhere.

    Args:
        environ: the environment to start from; a compilation cache that it names is kept.

    Returns:
        The variables to add.
    """
    # The level halves the time to compile and costs no speed; it changes bits, so it is fixed for everyone.
    level = "" if accelerated(environ) else _LEVEL
    variables = {
        "NPROC": "1",
        "XLA_FLAGS": f"{environ.get('XLA_FLAGS', '').replace(level, '')} {level}".strip(),
        **as_variables(),
    }
    preferences = {
        # Compiled programs are machine code: they belong to the user's cache, never into a store.
        "JAX_COMPILATION_CACHE_DIR": str(cache_folder(environ) / "xla"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        # Large arrays on huge pages, where the C library and the kernel offer them on request: a fourth of a large
        # model's time went to finding its pages. No bit depends on it; it works from a process's start only.
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        # Arrow's own allocator sets a gigabyte of addresses aside when results are written, out of what a worker
        # with a limit is allowed to have.
        "ARROW_DEFAULT_MEMORY_POOL": "system",
    }
    if accelerated(environ) and not any(name in environ for name in DEVICE_MEMORY):
        # JAX's own limit, three quarters of a device, is below what plans may fill.
        preferences[DEVICE_MEMORY[0]] = "0.9"
    return variables | {name: environ.get(name, value) for name, value in preferences.items()}


def users_settings(environ: Mapping[str, str] = os.environ) -> str | None:
    """The column `env_settings`: what the user set that may change numbers and is not ours to take away."""
    found = {name: environ.get(name, "").replace(_LEVEL, "").split() for name in _USERS}
    return "; ".join(f"{name}={' '.join(flags)}" for name, flags in found.items() if flags) or None


def usable_cores() -> int:
    """Cores that this process may use, which on a shared machine can be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def accelerated(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether JAX will find an accelerator: its plug-in is installed, there is a device, and nobody forbade it.

    JAX itself is not asked, because asking would start it in this process.
    """
    if environ.get("JAX_PLATFORMS", "").split(",")[0] == "cpu":
        return False
    return bool(devices(environ)) or util.find_spec("libtpu") is not None


def devices(environ: Mapping[str, str] = os.environ, folder: Path = Path("/dev")) -> tuple[str, ...]:
    """The NVIDIA GPUs that workers can be given one by one, as `CUDA_VISIBLE_DEVICES` names them.

    Args:
        environ: the environment; devices that it hides are not counted.
        folder: where the system lists devices; another one for tests.

    Returns:
        None of them where JAX has no plug-in for them, or is told to use the CPU.
    """
    plugin = any(util.find_spec(name) for name in ("jax_cuda12_plugin", "jax_cuda13_plugin"))
    if not plugin or environ.get("JAX_PLATFORMS", "").split(",")[0] == "cpu":
        return ()
    found = [entry for entry in folder.glob("nvidia*") if entry.name.removeprefix("nvidia").isdigit()]
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if not found or visible is None:
        return tuple(str(index) for index in range(len(found)))
    names = [name.strip() for name in visible.split(",")]
    # As CUDA reads it: what follows a name that there is no device of is hidden.
    return tuple(takewhile(lambda name: name not in ("", "-1"), names))


def device_variables(worker: int, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Environment variables that give a worker its device: workers take turns, the first the first one."""
    found = devices(environ)
    return {"CUDA_VISIBLE_DEVICES": found[worker % len(found)]} if found else {}


def usable_workers() -> int:
    """Workers that fill this machine: one for every accelerator, or else for every core."""
    return max(1, len(devices())) if accelerated() else usable_cores()


def installed(package: str) -> str:
    """Version of an installed package, or `"not installed"`."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def peak_memory_mb() -> float:
    """Most memory that this process, or its accelerator for it, has held so far, in MiB."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    host = peak / 2**20 if sys.platform == "darwin" else peak / 2**10
    if jax := sys.modules.get("jax"):
        statistics = jax.local_devices()[0].memory_stats() or {}
        return max(host, statistics.get("peak_bytes_in_use", 0) / 2**20) if statistics else host
    return host


def describe_machine() -> dict[str, str]:
    """The columns `env_host`, `env_device`, `env_modbench`, `env_jax` and `env_python` of this process.

    The host goes by the environment variable `MODBENCH_HOST`, for a store that is to be published, else by its own
    name. The device is what JAX trained on; JAX is asked only where training has brought it in already.
    """
    jax = sys.modules.get("jax")
    kind = jax.local_devices()[0].device_kind if jax else "none"
    return {
        "env_host": os.environ.get("MODBENCH_HOST") or socket.gethostname(),
        "env_device": f"cpu ({platform.machine()})" if kind == "cpu" else kind,
        "env_modbench": modbench.__version__,
        "env_jax": installed("jax"),
        "env_python": platform.python_version(),
    }
