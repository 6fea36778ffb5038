"""Errors and metrics where capacity grows with the rules (PAPER section 8, appendix).

With a fixed capacity each module gets smaller the more rules there are. On this diagonal of the paper's grid the
encoder width is 16 times the number of rules, so that a module's share stays alike.
"""

from collections.abc import Iterable

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modbench.analysis import random_baselines, summarise, with_settings
from modbench.analysis.needs import Need
from modbench.analysis.summary import planned_runs
from modbench.core.quantities import METRICS, QUANTITIES
from modbench.figures.along import ERRORS, error_label
from modbench.figures.axes import octave_axis
from modbench.figures.base import FigureCard, FigureData, part_of, with_random
from modbench.figures.capacity import WIDTHS
from modbench.figures.lacks import listed, several, with_values
from modbench.figures.panels import Along, Panel, draw_panels
from modbench.store.table import Tables

TITLE = "Errors and metrics where capacity grows with the rules"
DIAGONAL = {width // 16: width for width in WIDTHS}
"""Number of rules -> encoder width."""
BY = ["setting", "model"]


def prepare_diagonal(tables: Tables, checkpoint: str = "last") -> FigureData:
    """Mean errors and metrics with intervals per setting, cell of the diagonal and model.

    Settings with a single cell are left out.

    Returns:
        Columns `setting`, `kind`, `num_rules`, `encoder_width`, `model`, `quantity`, `mean`, `low`, `high`, and the
        counts. Rows of model `"random"` hold the values of uniform routing.
    """
    tables = with_settings(tables)
    settings = several(_on_diagonal(planned_runs(tables)), "num_rules", BY)
    part = part_of(tables, lambda runs: _is_on_diagonal(runs) & runs["setting"].isin(settings))
    by = ["setting", "kind", "num_rules", "encoder_width", "model"]
    summary = summarise(part, (*ERRORS, *METRICS), by=by, checkpoint=checkpoint)
    table = with_random(summary, random_baselines(part))
    table["encoder_width"] = table["num_rules"].map(DIAGONAL)
    return FigureData.of(part, table, checkpoint=checkpoint, store=tables)


def _is_on_diagonal(runs: pd.DataFrame) -> pd.Series:
    return runs["num_rules"].map(DIAGONAL) == runs["encoder_width"]


def _on_diagonal(runs: pd.DataFrame) -> pd.DataFrame:
    return runs[_is_on_diagonal(runs)]


def lacks_cells(planned: pd.DataFrame) -> Need | None:
    """One model in two cells of the diagonal."""
    cells = _on_diagonal(planned)
    if several(cells, "num_rules", BY):
        return None
    present = sorted(cells["num_rules"].unique())
    wanted = [*present, *(R for R in DIAGONAL if R not in present)][:2]
    return Need(
        f"two or more of the cells (rules, encoder width) = {_cells(DIAGONAL)} in one setting; "
        f"the store has {_cells(present)}",
        (
            with_values(planned, "task.num_rules", wanted),
            with_values(planned, "model.encoder_width", [DIAGONAL[R] for R in wanted]),
        ),
    )


def _cells(rules: Iterable[int]) -> str:
    return listed([f"({R}, {DIAGONAL[R]})" for R in rules])


def draw_diagonal(data: FigureData, *, compact: bool = False) -> Figure:
    """A panel per setting and quantity."""
    panels = []
    for setting in data.present("setting"):
        of_setting = data.frame[data.frame["setting"] == setting]
        for quantity in data.present("quantity"):
            shown = of_setting[of_setting["quantity"] == quantity]
            beside = of_setting[of_setting["quantity"].isin(ERRORS)] if quantity in ERRORS else shown
            label = error_label(of_setting["kind"].iloc[0]) if quantity in ERRORS else ""
            panels.append(Panel(QUANTITIES[quantity].title, shown, beside, quantity, label))
    size = (3.5, 2.5) if compact else (2.7, 2.5)
    return draw_panels(
        data, TITLE, panels, Along("num_rules", _cell_axis, room=0.76), 3, size, compact=compact
    )


def _cell_axis(axes: Axes, rows: pd.DataFrame) -> None:
    rules = sorted(rows["num_rules"].unique())
    octave_axis(axes, rules, "rules\nencoder width", [f"{R}\n{DIAGONAL[R]}" for R in rules])


CARD = FigureCard(
    name="diagonal",
    title=TITLE,
    prepare=prepare_diagonal,
    draw=draw_diagonal,
    caption=(
        "Lower is better. With more rules the encoder is wider, so that no module gets smaller: what still grows "
        "worse here is not for lack of capacity. Averages run over task seeds and seeds."
    ),
    panels=("setting", "quantity"),
    per_setting=True,
    paper="appendix",
    lack=lacks_cells,
)
