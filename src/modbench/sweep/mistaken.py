"""A store where a sweep belongs: what was probably meant."""

import shlex
from pathlib import Path

from modbench.core.errors import RequestError
from modbench.core.grid import preset_names
from modbench.store.marker import MARKER, SWEEP


def refuse_folder(given: str | Path, command: str) -> None:
    """Refuses a folder that was given as a sweep, with the request that was probably meant.

    Args:
        given: a preset's name or a sweep file.
        command: what it was given to: `"modbench run"`, `"modbench plan"` or `"mb.run"`.

    Raises:
        RequestError: it is a folder.
    """
    if str(given) in preset_names():
        return
    folder = Path(given)
    try:
        is_folder, is_store = folder.is_dir(), (folder / MARKER).exists()
        files = sorted(folder.glob("*.toml")) if is_folder else []
    except (OSError, ValueError):  # a name that is too long, a folder that may not be entered
        return
    if not is_folder or (folder.suffix == ".toml" and not is_store):
        return
    must = "a sweep must be a preset's name or a file that ends in .toml"
    if is_store:
        sweep, store = str(folder / SWEEP), str(folder)
        words = shlex.join([*command.split(), sweep, "--out", store])
        meant = words if " " in command else f"{command}({sweep!r}, {store!r})"
        raise RequestError(f"{must}, got the store {folder}; its own sweep: {meant}")
    there = f", in which there is {files[0]}" if files else ""
    raise RequestError(f"{must}, got the folder {folder}{there}")
