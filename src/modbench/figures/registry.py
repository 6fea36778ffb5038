"""All figures by name, and how to save them."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from modbench.analysis import with_settings
from modbench.core.errors import MachineError, unknown
from modbench.figures import activation, curves, error, improvement, metrics, ranking
from modbench.figures.base import FigureCard, FigureData
from modbench.figures.style import look
from modbench.store.table import Tables

_CARDS = (ranking.CARD, improvement.CARD, error.CARD, metrics.CARD, curves.CARD, activation.CARD)
FIGURES: dict[str, FigureCard] = {card.name: card for card in _CARDS}
"""Every figure, in the order of a report."""

FORMATS = ("png", "pdf", "svg")
_DATES = {".png": "Software", ".pdf": "CreationDate", ".svg": "Date"}


def save_figures(
    tables: Tables,
    folder: str | Path,
    only: Sequence[str] | None = None,
    formats: Sequence[str] = ("png", "pdf"),
) -> list[Path]:
    """Draws figures and writes them, each with the numbers it shows as CSV.

    Args:
        tables: as loaded.
        folder: to write to; made when it is not there.
        only: names of figures; all of them when None.
        formats: of `FORMATS`.

    Returns:
        The files written: `NAME.csv` and `NAME.FORMAT`, or `NAME-SETTING.FORMAT` for a figure that every
        setting has its own of.

    Raises:
        RequestError: an unknown figure or format; nothing is written.
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
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            card = FIGURES[name]
            data = card.prepare(tables)
            written.append(
                _replace(folder / f"{name}.csv", lambda path, data=data: data.frame.to_csv(path, index=False))
            )
            for stem, part in _parts(card, data):
                figure = card.draw(part)
                written += [
                    _replace(folder / f"{stem}.{suffix}", lambda path, figure=figure: _save(figure, path))
                    for suffix in dict.fromkeys(formats)
                ]
    except OSError as error:
        raise MachineError(f"cannot write figures to {str(folder)!r}: {error.strerror or error}") from None
    return written


def _parts(card: FigureCard, data: FigureData) -> list[tuple[str, FigureData]]:
    """What is drawn into which file."""
    settings = data.present("setting") if card.per_setting else []
    if len(settings) < 2:
        return [(card.name, data)]
    return [(f"{card.name}-{_slug(setting)}", data.only(setting=setting)) for setting in settings]


def _slug(setting: str) -> str:
    kept = "".join(c if c.isalnum() or c == "." else " " for c in setting)
    return "-".join(kept.lower().split())


def _save(figure: Figure, path: Path) -> None:
    with look():
        # Without a date the same store gives the same file.
        dated = (
            {"Software": None}
            if path.suffix == ".png"
            else {"CreationDate" if path.suffix == ".pdf" else "Date": None}
        )
        figure.savefig(path, metadata=dated)


def _replace(path: Path, write: Callable[[Path], object]) -> Path:
    """Writes beside the final name, then renames: a reader never sees half a file."""
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        write(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return path
