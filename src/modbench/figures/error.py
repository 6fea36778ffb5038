"""Error against the number of rules, in and out of distribution (PAPER Fig. 4).

The paper's figure pools both search versions of MHA, and the checkpoints "last" and "best"; here each is by itself.
"""

from matplotlib.figure import Figure

from modbench.analysis import summarise, with_settings
from modbench.figures.along import ERRORS, error_label
from modbench.figures.base import FigureCard, FigureData
from modbench.figures.panels import ALONG_RULES, Panel, draw_panels
from modbench.store.table import Tables

TITLE = "Error against the number of rules"


def prepare_error(tables: Tables, checkpoint: str = "last") -> FigureData:
    """Mean errors with intervals per setting, number of rules and model, capacities averaged.

    Returns:
        Columns `setting`, `kind`, `num_rules`, `model`, `quantity`, `mean`, `low`, `high`, and the counts.
    """
    tables = with_settings(tables)
    summary = summarise(
        tables, tuple(ERRORS), by=("setting", "kind", "num_rules", "model"), checkpoint=checkpoint
    )
    return FigureData.of(tables, summary, checkpoint=checkpoint)


def draw_error(data: FigureData, *, compact: bool = False) -> Figure:
    """A panel per setting and shift; both shifts of a setting share their axis."""
    alone, panels = len(data.present("setting")) == 1, []
    for setting in data.present("setting"):
        of_setting = data.frame[data.frame["setting"] == setting]
        for quantity in data.present("quantity"):
            shown = of_setting[of_setting["quantity"] == quantity]
            head = "" if alone or quantity != data.present("quantity")[0] else setting
            label = error_label(of_setting["kind"].iloc[0])
            panels.append(Panel(ERRORS[quantity].capitalize(), shown, of_setting, quantity, label, head))
    size = (3.5, 2.5) if compact else (2.9, 2.4)
    return draw_panels(data, TITLE, panels, ALONG_RULES, 4, size, compact=compact)


CARD = FigureCard(
    name="error",
    title=TITLE,
    prepare=prepare_error,
    draw=draw_error,
    caption=(
        "Lower is better. In distribution: fresh data as in training. Out of distribution: inputs twice as "
        "large, and for sequences also the longest length. Averages run over capacities, task seeds and "
        "seeds. GT-Modular is told which module serves which rule: the gap between it and Modular is what "
        "specialisation would be worth."
    ),
    panels=("setting", "quantity"),
    paper="Fig. 4",
)
