"""The five routing metrics against the number of rules, with what Random scores (PAPER Fig. 5).

The paper's figure pools architectures, kinds and checkpoints; here each has panels of its own.
"""

from matplotlib.figure import Figure

from modbench.analysis import random_baselines, summarise, with_settings
from modbench.core.quantities import METRICS, QUANTITIES
from modbench.figures.base import FigureCard, FigureData, with_random
from modbench.figures.lacks import lacks_modules
from modbench.figures.panels import ALONG_RULES, Panel, draw_panels
from modbench.store.table import Tables

TITLE = "Collapse and specialisation against the number of rules"


def prepare_metrics(tables: Tables, checkpoint: str = "last") -> FigureData:
    """Mean metrics with intervals per setting, number of rules and modular model, capacities averaged.

    Returns:
        Columns `setting`, `num_rules`, `model`, `quantity`, `mean`, `low`, `high`, and the counts. Rows of
        model `"random"` hold the values of uniform routing.
    """
    tables = with_settings(tables)
    summary = summarise(tables, METRICS, checkpoint=checkpoint)
    return FigureData.of(tables, with_random(summary, random_baselines(tables)), checkpoint=checkpoint)


def draw_metrics(data: FigureData, *, compact: bool = False) -> Figure:
    """A row per setting, a panel per metric; of all metrics 0 is the best."""
    settings, quantities = data.present("setting"), data.present("quantity")
    alone, panels = len(settings) == 1, []
    for setting in settings:
        for quantity in quantities:
            shown = data.frame[(data.frame["setting"] == setting) & (data.frame["quantity"] == quantity)]
            head = "" if alone or quantity != quantities[0] else setting
            panels.append(Panel(QUANTITIES[quantity].title, shown, shown, quantity, head=head))
    size = (3.2, 2.4) if compact else (2.2, 2.0)
    columns = 3 if alone else len(quantities)
    return draw_panels(data, TITLE, panels, ALONG_RULES, columns, size, compact=compact, shared=True)


CARD = FigureCard(
    name="metrics",
    title=TITLE,
    prepare=prepare_metrics,
    draw=draw_metrics,
    caption=(
        "Lower is better: 0 is what GT-Modular is given. Collapse: are modules left unused? Alignment and "
        "inverse mutual information: does each rule have its module? Adaptation: does the use of modules "
        "follow the rules when their frequencies change? The dotted line is Random, routing that ignores the "
        "rule and uses all modules equally."
    ),
    panels=("setting", "quantity"),
    paper="Fig. 5",
    lack=lacks_modules,
)
