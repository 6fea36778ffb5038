"""`modbench figures` and `modbench report`: from a store to pictures and a page."""

import hashlib
import shlex
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text

from modbench.cli.console import output
from modbench.cli.results import row_setting, summarise
from modbench.cli.status import store_notes
from modbench.core.errors import MachineError, RequestError
from modbench.core.names import MODEL_TITLES
from modbench.store.cohort import DIGESTS
from modbench.store.durable import machine_errors, read_file
from modbench.store.files import Store
from modbench.store.marker import require_own_folder
from modbench.store.output import check_output
from modbench.store.table import Tables, load
from modbench.sweep.describe import plural
from modbench.sweep.environment import usable_cores

MOST_LACKING = 4
"""Models that are named as lacking."""


def draw_figures(
    folder: Path,
    only: Sequence[str] | None,
    formats: Sequence[str] | None,
    checkpoint: str,
    style: str | None = None,
) -> None:
    """Draws figures into the store's folder `figures` and says which; and what is missing from them.

    Args:
        folder: of the store.
        only: names of figures; None is all that the store can show.
        formats: of the files; None is the usual ones.
        checkpoint: `"last"` or `"best"`.
        style: for print, such as `"neurips"`, into a folder of its own inside `figures`; None is the screen.

    Raises:
        RequestError: the folder is no store, no run of it has finished, a name is unknown, or one of `only` is a
            figure that the store cannot show.
        MachineError: the files cannot be written.
    """
    tables = load_planned(folder, snapshots=False)
    console = output()
    for note in store_notes(tables):
        console.say(note)
    if not only and (lacking := unfinished(folder, tables)):
        raise RequestError(f"nothing to draw: {lacking}")
    from modbench.figures import DEFAULT_FORMATS, save_figures

    place = str(folder)
    target = folder / "figures" / (style or "")
    require_own_folder(target)
    usual = ("pdf",) if style else DEFAULT_FORMATS
    saved = save_figures(
        tables, target, only or None, formats or usual, checkpoint, place, style, processes=usable_cores()
    )
    for path in saved.paths:
        console.say(str(path))
    for name, need in saved.left_out.items():
        console.say(Text(f"left out: {name} needs {need}", "yellow"))
    if saved.left_out:
        command = f"modbench figures {shlex.quote(place)} --only NAME"
        console.say(f"{command} tells what would make one")
    if len(tables.missing):
        command = shlex.join(["modbench", "run", f"{place}/sweep.toml", "--out", place])
        waiting = plural(len(tables.missing), "planned run")
        console.say(f"{waiting} not there yet: {command}")


def make_report(folder: Path, path: Path | None, checkpoint: str = "last") -> None:
    """Writes the report and says where.

    Args:
        folder: of the store.
        path: of the page; None is `report.html` in the store, or `report-best.html`.
        checkpoint: `"last"` or `"best"`: which the page is about.

    Raises:
        RequestError: the folder is no store or an empty one, the page cannot be put there, or the checkpoint is
            unknown.
        MachineError: the page cannot be written.
    """
    tables = load_planned(folder)
    path = path or folder / ("report.html" if checkpoint == "last" else f"report-{checkpoint}.html")
    check_output(path)
    from modbench.report import write_report

    write_report(tables, path, _provenance(folder), checkpoint, processes=usable_cores())
    console = output()
    for note in store_notes(tables):
        console.say(note)
    if lacking := unfinished(folder, tables):
        console.say(Text(lacking, "yellow"))
    console.say(f"report in {path}")


def load_planned(folder: Path, snapshots: bool = True) -> Tables:
    """A store's tables, of runs that may all be missing yet.

    Args:
        folder: of the store.
        snapshots: whether matrices along training are wanted.

    Raises:
        RequestError: the folder is no store, or one without runs and plans.
    """
    tables = load(folder, snapshots)
    if tables.runs.empty and tables.missing.empty:
        raise RequestError(f"store {folder} must have runs or plans, got none; {_continued(folder)}")
    return tables


def unfinished(folder: Path, tables: Tables) -> str:
    """Says which runs a store lacks, where none has finished, and what would train them; else empty."""
    if (tables.runs["status"] == "done").any():
        return ""
    counts = summarise(tables, by_rules=False)
    rows = [
        f"{plural(int(row['failed'] + row['waiting']), 'run')} of {MODEL_TITLES.get(row['model'], row['model'])} "
        f"({row_setting(row)})"
        for row in counts.to_dict("records")
    ]
    lacking = ", ".join(rows[:MOST_LACKING]) + (", …" if len(rows) > MOST_LACKING else "")
    failed, missing = tables.runs["run_id"].nunique(), len(tables.missing)
    what = f"no run has finished yet: {failed:,} failed, {missing:,} missing; it lacks {lacking}"
    return f"{what}; {_continued(folder)}" if missing else what


def _continued(folder: Path) -> str:
    return "to train: " + shlex.join(["modbench", "run", f"{folder}/sweep.toml", "--out", str(folder)])


def _provenance(folder: Path) -> dict[str, str]:
    """Where the page's numbers come from."""
    try:
        sweep = Store.open(folder).sweep_source()
    except MachineError:
        sweep = {}
    name = sweep.get("name", folder.name)
    return {
        "title": name,
        "sweep": name,
        "description": sweep.get("description", ""),
        "store": str(folder),
        "digest of the store": _digest(folder),
        "commands": "; ".join(
            shlex.join(command)
            for command in (
                ["modbench", "run", f"{folder}/sweep.toml", "--out", str(folder)],
                ["modbench", "report", str(folder)],
            )
        ),
        "written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }


def _digest(folder: Path) -> str:
    """A SHA-256 over the digests of all published cohorts: equal for equal results, wherever they lie."""
    found = hashlib.sha256()
    for cohort_id in Store.open(folder).published():
        found.update(cohort_id.encode())
        path = folder / "cohorts" / cohort_id / DIGESTS
        with machine_errors(f"read {path}"), suppress(FileNotFoundError):
            found.update(read_file(path))
    return found.hexdigest()
