"""Figures of results by name: each is called, and returns its object."""

from collections.abc import Callable, Iterable
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.figure import Figure

from modbench.analysis.summary import planned_runs
from modbench.core.errors import RequestError, unknown
from modbench.figures import FIGURES, FigureCard, FigureData
from modbench.figures.explorable import Explorable
from modbench.figures.interactive import CHARTS, ChartCard
from modbench.figures.saving import numbers_of
from modbench.store.table import Tables

Part = Callable[[dict[str, Any]], Tables]
"""Takes the part of the results in which columns have given values."""


class _Named:
    """Things by name, as attributes that tab completion finds."""

    def __init__(self, named: dict[str, Any], of: str, what: str) -> None:
        self.__dict__.update(named)
        self._of, self._what = of, what

    def __getattr__(self, name: str) -> Any:
        # What is looked for on any object, such as by a notebook, is no misspelling.
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(str(unknown(self._what, name, (found for found, _ in self._titles()))))

    def _titles(self) -> Iterable[tuple[str, str]]:
        return ((name, card.title) for name, card in vars(self).items() if not name.startswith("_"))

    def __repr__(self) -> str:
        width = max(len(name) for name, _ in self._titles())
        lines = [f"  .{name + '()':{width + 2}}  {title}" for name, title in self._titles()]
        return "\n".join([f"{self._of}, by name:", *lines])


class Plot:
    """A figure: called, it is drawn with Matplotlib.

    Attributes:
        title: of the figure.
    """

    def __init__(self, card: FigureCard, checkpoint: str, folder: str, part: Part) -> None:
        self.title = card.title
        self._card, self._checkpoint, self._folder, self._part = card, checkpoint, folder, part
        self.__doc__ = _told(card.title, card.caption, "A Matplotlib figure")

    def __call__(self, **where: Any) -> Figure:
        """Draws the figure, of the runs in which columns have given values, see `Results.select`.

        Raises:
            RequestError: these runs cannot show it; says what they lack.
        """
        return self._card.draw(self._data(where))

    def numbers(self, **where: Any) -> pd.DataFrame:
        """The numbers that the figure shows, a row per mark."""
        return self._data(where).frame.reset_index(drop=True)

    def _data(self, where: dict[str, Any]) -> FigureData:
        checkpoint = self._checkpoint if self._card.at_checkpoint else "last"
        return _data(self._card, self._part(where), checkpoint, self._folder)

    def __repr__(self) -> str:
        return f"<{self.__doc__}>"


class Chart:
    """A figure that can be explored: called, it is an Altair chart.

    Attributes:
        title: of the chart.
    """

    def __init__(self, card: ChartCard, checkpoint: str, folder: str, part: Part) -> None:
        self.title = card.title
        self._card, self._checkpoint, self._folder, self._part = card, checkpoint, folder, part
        self.__doc__ = _told(card.title, card.caption, "An Altair chart")

    def __call__(self, **where: Any) -> Explorable:
        """Makes the chart, of the runs in which columns have given values, see `Results.select`.

        Raises:
            RequestError: these runs cannot show it; says what they lack.
        """
        tables = self._part(where)
        if self._card.figure is not None:
            figure = FIGURES[self._card.figure]
            checkpoint = self._checkpoint if figure.at_checkpoint else "last"
            _data(figure, tables, checkpoint, self._folder)  # says what is lacking
        return self._card.make(tables, self._checkpoint)

    def __repr__(self) -> str:
        return f"<{self.__doc__}>"


class Plots(_Named):
    """Figures by name: `results.plot.error()`."""

    def __init__(self, checkpoint: str, folder: str, part: Part) -> None:
        plots = {name: Plot(card, checkpoint, folder, part) for name, card in FIGURES.items()}
        super().__init__(plots, "Matplotlib figures", "figure")

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Plot: ...


class Charts(_Named):
    """Charts that can be explored, by name: `results.chart.error()`."""

    def __init__(self, checkpoint: str, folder: str, part: Part) -> None:
        charts = {name: Chart(card, checkpoint, folder, part) for name, card in CHARTS.items()}
        super().__init__(charts, "Altair charts", "chart")

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Chart: ...


def _data(card: FigureCard, tables: Tables, checkpoint: str, folder: str) -> FigureData:
    found = numbers_of(card, tables, planned_runs(tables, checkpoint), checkpoint)
    if isinstance(found, FigureData):
        return found
    command = found.command(folder)
    remedy = f". Least that would do: {command}" if command else ""
    raise RequestError(f"figure {card.name!r} needs {found.text}{remedy}")


def _told(title: str, caption: str, what: str) -> str:
    return f"{title}. {what}.\n\n{dedent(caption).strip()}"
