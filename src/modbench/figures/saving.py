"""Figures -> files, each with the numbers it shows as CSV."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from modbench.analysis import with_settings
from modbench.analysis.needs import Need
from modbench.analysis.summary import planned_runs
from modbench.core.errors import MachineError, RequestError, unknown
from modbench.core.paths import given_path
from modbench.figures.base import FigureCard, FigureData, slug
from modbench.figures.drawers import MANY_RUNS, drawers
from modbench.figures.latex import latex_tables
from modbench.figures.registry import FIGURES
from modbench.figures.style import PAPERS, Paper, look, on_paper
from modbench.store.output import check_output_folder, write_output
from modbench.store.table import Tables

FORMATS = ("png", "pdf", "svg")
DEFAULT_FORMATS = ("png", "pdf")
MOST_PROCESSES = 4
"""Processes that draw: to prepare all numbers takes a third of the time that drawing takes."""


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
            nothing is written then. Or a file's place is taken by something else, such as a link, which stays.
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
    tables, folder = with_settings(tables), given_path(folder)
    planned = planned_runs(tables, checkpoint)
    # The last ones have the most panels: these are drawn while the others are prepared.
    found = ((name, numbers_of(FIGURES[name], tables, planned, checkpoint)) for name in reversed(names))
    if only is not None:
        found = list(found)
        for name, numbers in reversed(found):
            if isinstance(numbers, Need):
                command = numbers.command(store)
                remedy = f". Least that would do: {command}" if command else ""
                raise RequestError(f"figure {name!r} needs {numbers.text}{remedy}")
    workers = min(processes, MOST_PROCESSES) if processes > 1 and len(planned) >= MANY_RUNS else 0
    check_output_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        saved = _save_all(found, _Place(folder, formats, style), workers)
        if style and only is None:
            saved.paths.extend(_save_tables(tables, folder, checkpoint))
    except MachineError:
        raise
    except OSError as error:
        raise MachineError(f"cannot write figures to {str(folder)!r}: {error.strerror or error}") from None
    return saved


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


class _Place(NamedTuple):
    """Where files go, and how they look; see `save_figures`."""

    folder: Path
    formats: Sequence[str]
    style: str | None


def _save_all(found: Iterable[tuple[str, FigureData | Need]], place: _Place, workers: int) -> Saved:
    """Writes figures, which may be found while others are drawn; the files are named from the last one on."""
    files: dict[str, list[Future[list[Path]]]] = {}
    left_out: dict[str, str] = {}
    with drawers(workers) as pool:
        for name, numbers in found:
            if isinstance(numbers, Need):
                left_out[name] = numbers.text
                continue
            files[name] = [pool.submit(_save_numbers, name, numbers, place.folder)]
            for stem, part in _parts(FIGURES[name], numbers):
                files[name].append(pool.submit(_save_pictures, name, stem, part, place))
        paths = [path for name in reversed(files) for file in files[name] for path in file.result()]
    return Saved(paths, dict(reversed(left_out.items())))


def _save_numbers(name: str, data: FigureData, folder: Path) -> list[Path]:
    path = folder / f"{name}{_ending(data.checkpoint)}.csv"
    return [write_output(path, lambda beside: data.frame.to_csv(beside, index=False))]


def _save_pictures(name: str, stem: str, data: FigureData, place: _Place) -> list[Path]:
    """Draws once, and writes in all formats."""
    paths = []
    with on_paper(place.style) as paper:
        for stem_drawn, figure in _drawn(FIGURES[name], stem, data, paper):
            for suffix in dict.fromkeys(place.formats):
                path = place.folder / f"{stem_drawn}{_ending(data.checkpoint)}.{suffix}"
                paths.append(write_output(path, partial(_write, figure)))
    return paths


def _save_tables(tables: Tables, folder: Path, checkpoint: str) -> Iterator[Path]:
    for setting, (text, frame) in latex_tables(tables, checkpoint).items():
        stem = f"table-{slug(setting)}{_ending(checkpoint)}"
        yield write_output(folder / f"{stem}.tex", lambda path, text=text: path.write_text(text, "utf-8"))
        yield write_output(folder / f"{stem}.csv", lambda path, frame=frame: frame.to_csv(path, index=False))


def _parts(card: FigureCard, data: FigureData) -> list[tuple[str, FigureData]]:
    """What goes into files of its own, with their stems."""
    settings = data.present("setting") if card.per_setting else []
    return _by_setting(card, data) if len(settings) > 1 else [(card.name, data)]


def _by_setting(card: FigureCard, data: FigureData) -> list[tuple[str, FigureData]]:
    return [
        (f"{card.name}-{slug(setting)}", data.only(setting=setting)) for setting in data.present("setting")
    ]


def _drawn(
    card: FigureCard, stem: str, data: FigureData, paper: Paper | None
) -> Iterator[tuple[str, Figure]]:
    """What goes into which file: on paper, settings are apart where all of them are more than a page."""
    whole = card.draw(data)
    parts = _by_setting(card, data) if paper and whole.get_figheight() > paper.height else []
    if len(parts) > 1:
        yield from ((own, card.draw(part)) for own, part in parts)
    else:
        yield stem, whole


def _ending(checkpoint: str | None) -> str:
    return "-best" if checkpoint == "best" else ""


_DATES = {".png": "Software", ".pdf": "CreationDate", ".svg": "Date"}
"""What would make two files of the same figure differ, by format."""


def _write(figure: Figure, path: Path) -> None:
    with look():
        figure.savefig(path, metadata={_DATES[path.suffix]: None})
