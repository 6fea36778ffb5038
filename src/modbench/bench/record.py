"""What `modbench bench` writes: everything that was measured, with what it was measured on, by and with."""

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from modbench.bench.result import Row, Spread
from modbench.core.errors import MachineError, RequestError
from modbench.store.durable import exhausted, leads_to_folder, replace_file
from modbench.store.output import check_output
from modbench.sweep.environment import installed, usable_cores

PACKAGES = ("modbench", "jax", "jaxlib", "equinox", "optax", "numpy")


def check_json(path: Path) -> None:
    """Refuses, before anything is measured, a file that could not be written.

    Raises:
        RequestError: says why.
        MachineError: the disk is broken.
    """
    folder = path.absolute().parent
    check_output(path, "json")
    if not leads_to_folder(folder):
        raise RequestError(f"json: must lie in a folder that exists, got {path}")
    if not os.access(folder, os.W_OK):
        raise RequestError(f"json: must lie in a folder that is writable, got {path}")


def processor() -> str:
    """The processor's name, as the system has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def begin(command: str) -> dict[str, Any]:
    """The head of the record: when, how, on what and with which versions; `load` tells how busy the machine was."""
    return {
        "command": command,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "processor": processor(),
            "cores": usable_cores(),
            "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
            "system": f"{platform.system()} {platform.machine()}",
            "load": round(os.getloadavg()[0], 2),
        },
        "versions": {"python": platform.python_version()} | {name: installed(name) for name in PACKAGES},
    }


def peaks(rows: Sequence[Row]) -> Spread | None:
    """The machine's matrix product, FLOP/s, over all shapes; None where nothing was measured."""
    found = [row.peak for row in rows if row.timings is not None]
    return Spread.of(found) if found else None


def device(rows: Sequence[Row]) -> str | None:
    """What the workers trained on; None where nothing was measured."""
    names = (row.timings.prepared[0].machine["env_device"] for row in rows if row.timings is not None)
    return next(names, None)


def document(head: dict[str, Any], rows: Sequence[Row], asked: int) -> dict[str, Any]:
    """The whole record.

    Args:
        head: see `begin`.
        rows: of the shapes so far.
        asked: number of shapes that were asked for; fewer rows are there where it was interrupted.
    """
    peak = peaks(rows)
    return head | {
        "machine": head["machine"] | {"device": device(rows)},
        "shapes_asked": asked,
        "complete": len(rows) == asked,
        "peak_flops_per_second": None if peak is None else peak.median,
        "rows": [row.record() for row in rows],
    }


def write(path: Path, content: dict[str, Any]) -> None:
    """Replaces the file by this content at one instant.

    Raises:
        MachineError: the disk is full or broken.
        RequestError: the file cannot be written for another reason.
    """
    text = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)
    try:
        check_output(path, "json")
        replace_file(path, text.encode())
    except MachineError:
        raise
    except OSError as error:
        kind = MachineError if exhausted(error) else RequestError
        raise kind(f"cannot write {path}: {error.strerror or error}") from error
