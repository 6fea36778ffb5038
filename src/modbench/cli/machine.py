"""`modbench env`: what is installed, which devices there are, where the cache lies."""

import os
import platform
import sys

from rich.table import Table

from modbench import __version__
from modbench.cli.console import output
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
    files = [file for file in cache.rglob("*") if file.is_file()]
    size = describe_bytes(sum(file.stat().st_size for file in files))
    table.add_row("cache", f"{cache} ({plural(len(files), 'file')}, {size}; safe to delete)")
    output().print(table)


def _devices() -> str:
    os.environ.update(worker_variables())
    try:
        import jax

        return ", ".join(f"{device.platform}:{device.id} {device.device_kind}" for device in jax.devices())
    except (ImportError, RuntimeError) as error:
        return f"none: {error}"
