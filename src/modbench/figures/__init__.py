"""Statistics -> pictures. A figure is two functions, `prepare_*` (tables -> numbers) and `draw_*` (numbers -> figure).

Example::

    from modbench.figures import FIGURES, save_figures
    from modbench.store.table import load

    tables = load("results/quick")
    save_figures(tables, "figures", only=["error"])
    card = FIGURES["error"]
    figure = card.draw(card.prepare(tables))
"""

from modbench.figures.base import FigureCard, FigureData
from modbench.figures.registry import FIGURES
from modbench.figures.saving import DEFAULT_FORMATS, FORMATS, Saved, save_figures
from modbench.figures.style import model_styles

__all__ = [
    "DEFAULT_FORMATS",
    "FIGURES",
    "FORMATS",
    "FigureCard",
    "FigureData",
    "Saved",
    "model_styles",
    "save_figures",
]
