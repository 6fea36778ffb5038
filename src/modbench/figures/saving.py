"""Figures -> files, each with the numbers it shows as CSV."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from modbench.analysis import with_settings
from modbench.analysis.needs import Need
from modbench.analysis.summary import planned_runs
from modbench.core.errors import MachineError, RequestError, unknown
from modbench.figures.base import FigureCard, FigureData
from modbench.figures.lacks import unfinished
from modbench.figures.registry import FIGURES
from modbench.figures.style import look
from modbench.store.table import Tables

FORMATS = ("png", "pdf", "svg")
DEFAULT_FORMATS = ("png", "pdf")


class Saved(NamedTuple):
    """What was written.

    Attributes:
        paths: of the files.
        left_out: figures that the store cannot show: name -> what they need, in words.
    """

    paths: list[Path]
    left_out: dict[str, str]


def save_figures(
    tables: Tables,
    folder: str | Path,
    only: Sequence[str] | None = None,
    formats: Sequence[str] = DEFAULT_FORMATS,
    checkpoint: str = "last",
    store: str = "DIR",
) -> Saved:
    """Draws figures and writes them, each with the numbers it shows as CSV.

    Args:
        tables: as loaded.
        folder: to write to; made when it is not there.
        only: names of figures; when None, all that the store can show.
        formats: of `FORMATS`.
        checkpoint: `"last"` or `"best"`; they are never mixed.
        store: the store's folder, for the command that would train what a figure lacks.

    Returns:
        The files: `NAME.csv` and `NAME.FORMAT`, or `NAME-SETTING.FORMAT` for a figure that every setting has its own
        of; all with `-best` at the end of their name for that checkpoint. And the figures left out.

    Raises:
        RequestError: an unknown figure, format or checkpoint, or one of `only` that the store cannot show; nothing is
            written then.
        MachineError: the folder cannot be written to.
    """
    names = list(FIGURES) if only is None else list(dict.fromkeys(only))
    for name in names:
        if name not in FIGURES:
            raise unknown("figure", name, FIGURES)
    for suffix in formats:
        if suffix not in FORMATS:
            raise unknown("figure format", suffix, FORMATS)
    tables, folder = with_settings(tables), Path(folder)
    planned = planned_runs(tables, checkpoint)
    shown: dict[str, FigureData] = {}
    left_out: dict[str, str] = {}
    for name in names:
        found = _numbers(FIGURES[name], tables, planned, checkpoint)
        if isinstance(found, FigureData):
            shown[name] = found
        elif only is None:
            left_out[name] = found.text
        else:
            command = found.command(store)
            remedy = f". Least that would do: {command}" if command else ""
            raise RequestError(f"figure {name!r} needs {found.text}{remedy}")
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in shown.items():
            paths += _save(FIGURES[name], data, folder, formats)
    except OSError as error:
        raise MachineError(f"cannot write figures to {str(folder)!r}: {error.strerror or error}") from None
    return Saved(paths, left_out)


def _numbers(card: FigureCard, tables: Tables, planned: pd.DataFrame, checkpoint: str) -> FigureData | Need:
    """What a figure shows, or what the store lacks for it to show anything."""
    if not card.at_checkpoint and checkpoint != "last":
        return Need("no checkpoint: it shows the training itself. Leave --checkpoint out", None)
    if need := card.lack(planned):
        return need
    data = card.prepare(tables, checkpoint) if card.at_checkpoint else card.prepare(tables)
    return unfinished(planned) if data.empty else data


def _save(card: FigureCard, data: FigureData, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Writes one figure, and its numbers."""
    ending = "-best" if data.checkpoint == "best" else ""
    paths = [_replace(folder / f"{card.name}{ending}.csv", lambda path: data.frame.to_csv(path, index=False))]
    for stem, part in _parts(card, data):
        figure = card.draw(part)
        paths += [
            _replace(folder / f"{stem}{ending}.{suffix}", lambda path, figure=figure: _write(figure, path))
            for suffix in dict.fromkeys(formats)
        ]
    return paths


def _parts(card: FigureCard, data: FigureData) -> list[tuple[str, FigureData]]:
    """What is drawn into which file."""
    settings = data.present("setting") if card.per_setting else []
    if len(settings) < 2:
        return [(card.name, data)]
    return [(f"{card.name}-{_slug(setting)}", data.only(setting=setting)) for setting in settings]


def _slug(setting: str) -> str:
    kept = "".join(c if c.isalnum() or c == "." else " " for c in setting)
    return "-".join(kept.lower().split())


_DATES = {".png": "Software", ".pdf": "CreationDate", ".svg": "Date"}
"""What would make two files of the same figure differ, by format."""


def _write(figure: Figure, path: Path) -> None:
    with look():
        figure.savefig(path, metadata={_DATES[path.suffix]: None})


def _replace(path: Path, write: Callable[[Path], object]) -> Path:
    """Writes beside the final name, then renames: a reader never sees half a file."""
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        write(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path
