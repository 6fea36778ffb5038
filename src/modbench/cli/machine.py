"""`modbench env`: what is installed, which devices there are, where the cache lies."""

import os
import platform
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rich.table import Table

from modbench import __version__
from modbench.cli.console import output
from modbench.store.durable import machine_errors
from modbench.sweep.describe import describe_bytes, plural
from modbench.sweep.environment import cache_folder, installed, usable_cores, worker_variables

PACKAGES = ("jax", "jaxlib", "equinox", "optax", "numpy", "scipy", "pandas", "pyarrow", "matplotlib", "ray")


def show_machine() -> None:
    """Prints versions, devices, cores and the cache; starts JAX to ask it for its devices."""
    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_column(no_wrap=True, style="cyan")
    table.add_column(overflow="fold")
    table.add_row("modbench", __version__)
    table.add_row("python", f"{platform.python_version()} at {sys.executable}")
    for package in PACKAGES:
        table.add_row(package, installed(package))
    table.add_row("system", f"{platform.system()} {platform.release()} {platform.machine()}")
    table.add_row("cores", f"{usable_cores()} usable of {os.cpu_count()}")
    table.add_row("devices", _devices())
    cache = cache_folder()
    with machine_errors(f"read {cache}"):
        sizes = list(_sizes(cache))
    size = describe_bytes(sum(sizes))
    table.add_row("cache", f"{cache} ({plural(len(sizes), 'file')}, {size}; safe to delete)")
    output().print(table)


def _sizes(folder: Path) -> Iterator[int]:
    """Bytes of every file in a folder; of one that somebody removes meanwhile, none."""
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            about = path.lstat()
            if stat.S_ISREG(about.st_mode):
                yield about.st_size


def _devices() -> str:
    os.environ.update(worker_variables())
    try:
        import jax

        return ", ".join(f"{device.platform}:{device.id} {device.device_kind}" for device in jax.devices())
    except (ImportError, RuntimeError) as error:
        return f"none: {error}"
