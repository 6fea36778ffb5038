"""Figures -> files, each with the numbers it shows as CSV."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from modbench.analysis import with_settings
from modbench.analysis.needs import Need
from modbench.analysis.summary import planned_runs
from modbench.core.errors import MachineError, RequestError, unknown
from modbench.figures.base import FigureCard, FigureData
from modbench.figures.latex import latex_tables
from modbench.figures.registry import FIGURES
from modbench.figures.style import PAPERS, Paper, look, on_paper
from modbench.store.table import Tables

FORMATS = ("png", "pdf", "svg")
DEFAULT_FORMATS = ("png", "pdf")
MANY_RUNS = 2000
"""Planned runs from which on drawing takes longer than starting processes that share it."""
MOST_PROCESSES = 4
"""Processes that draw: there are but two figures that take long."""


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
    style: str | None = None,
    processes: int = 1,
) -> Saved:
    """Draws figures and writes them, each with the numbers it shows as CSV.

    Args:
        tables: as loaded.
        folder: to write to; made when it is not there.
        only: names of figures; when None, all that the store can show.
        formats: of `FORMATS`.
        checkpoint: `"last"` or `"best"`; they are never mixed.
        store: the store's folder, for the command that would train what a figure lacks.
        style: of `modbench.figures.style.PAPERS`, for print: as wide as the text there, and with LaTeX tables of the
            settings (`modbench.figures.latex`) beside the figures. None is the screen.
        processes: that may draw, if there are very many runs. More than one start this program's main module anew, so
            a script of one's own needs the usual `if __name__ == "__main__"`.

    Returns:
        The files: `NAME.csv` and `NAME.FORMAT`, or `NAME-SETTING.FORMAT` for a figure that every setting has its own
        of; all with `-best` at the end of their name for that checkpoint. And the figures left out.

    Raises:
        RequestError: an unknown figure, format, style or checkpoint, or one of `only` that the store cannot show;
            nothing is written then.
        MachineError: the folder cannot be written to, or a process that draws was killed.
    """
    names = list(FIGURES) if only is None else list(dict.fromkeys(only))
    for name in names:
        if name not in FIGURES:
            raise unknown("figure", name, FIGURES)
    for suffix in formats:
        if suffix not in FORMATS:
            raise unknown("figure format", suffix, FORMATS)
    if style is not None and style not in PAPERS:
        raise unknown("style", style, PAPERS)
    tables, folder = with_settings(tables), Path(folder)
    planned = planned_runs(tables, checkpoint)
    shown: dict[str, FigureData] = {}
    left_out: dict[str, str] = {}
    for name in names:
        found = numbers_of(FIGURES[name], tables, planned, checkpoint)
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
        paths += _save_all(shown, folder, formats, style, processes if len(planned) >= MANY_RUNS else 1)
        if style and only is None:
            ending = "-best" if checkpoint == "best" else ""
            for setting, (text, frame) in latex_tables(tables, checkpoint).items():
                stem = f"table-{_slug(setting)}{ending}"
                paths.append(
                    _replace(folder / f"{stem}.tex", lambda path, text=text: path.write_text(text, "utf-8"))
                )
                paths.append(
                    _replace(
                        folder / f"{stem}.csv", lambda path, frame=frame: frame.to_csv(path, index=False)
                    )
                )
    except OSError as error:
        raise MachineError(f"cannot write figures to {str(folder)!r}: {error.strerror or error}") from None
    except BrokenProcessPool:
        raise MachineError("a process that draws figures was killed (out of memory?)") from None
    return Saved(paths, left_out)


def numbers_of(card: FigureCard, tables: Tables, planned: pd.DataFrame, checkpoint: str) -> FigureData | Need:
    """What a figure shows, or what the store lacks for it to show anything.

    Args:
        card: of the figure.
        tables: with settings.
        planned: their runs, see `modbench.analysis.summary.planned_runs`.
        checkpoint: `"last"` or `"best"`.
    """
    if not card.at_checkpoint and checkpoint != "last":
        return Need("no checkpoint: it shows the training itself. Leave --checkpoint out", None)
    if need := card.lack(planned):
        return need
    data = card.prepare(tables, checkpoint) if card.at_checkpoint else card.prepare(tables)
    return card.unseen(planned) if data.empty else data


def _save_all(
    shown: Mapping[str, FigureData], folder: Path, formats: Sequence[str], style: str | None, processes: int
) -> list[Path]:
    """Writes figures, in this process or in several."""
    save = partial(_save, folder=folder, formats=formats, style=style)
    workers = min(processes, MOST_PROCESSES, len(shown))
    if workers < 2:
        return [path for item in shown.items() for path in save(*item)]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        return [path for paths in pool.map(save, shown, shown.values()) for path in paths]


def _save(name: str, data: FigureData, folder: Path, formats: Sequence[str], style: str | None) -> list[Path]:
    """Writes one figure, and its numbers."""
    card = FIGURES[name]
    ending = "-best" if data.checkpoint == "best" else ""
    paths = [_replace(folder / f"{card.name}{ending}.csv", lambda path: data.frame.to_csv(path, index=False))]
    with on_paper(style) as paper:
        for stem, figure in _drawn(card, data, paper):
            paths += [
                _replace(
                    folder / f"{stem}{ending}.{suffix}", lambda path, figure=figure: _write(figure, path)
                )
                for suffix in dict.fromkeys(formats)
            ]
    return paths


def _drawn(card: FigureCard, data: FigureData, paper: Paper | None) -> Iterator[tuple[str, Figure]]:
    """What goes into which file: on paper, settings are apart too where all of them are more than a page."""
    settings = data.present("setting") if "setting" in data.frame else []
    whole = None if card.per_setting and len(settings) > 1 else card.draw(data)
    too_tall = paper and whole and whole.get_figheight() > paper.height
    if whole is not None and not (too_tall and len(settings) > 1):
        yield card.name, whole
        return
    for setting in settings:
        yield f"{card.name}-{_slug(setting)}", card.draw(data.only(setting=setting))


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
