"""What becomes of routing along training: how many runs specialise, stay so, collapse, recover."""

from matplotlib.figure import Figure

from modbench.analysis import with_settings
from modbench.analysis.over_time import FATES, fates
from modbench.figures.base import FigureCard, FigureData
from modbench.figures.dots import draw_dots, percent_axis
from modbench.figures.frame import Heading, Margins, frame, handles, label_room, nothing
from modbench.figures.lacks import lacks_modules, not_recorded
from modbench.figures.rows import GAP, share_left
from modbench.figures.style import COLOURS, look, model_styles
from modbench.store.table import Tables

TITLE = "What becomes of routing"
TITLES = {
    "specialises": "Specialises",
    "keeps": "Stays specialised",
    "collapses": "Collapses",
    "recovers": "Recovers from it",
    "ends_collapsed": "Ends collapsed",
}
NONE_LEFT = {
    "keeps": "no run specialised,\nso none could stay so",
    "recovers": "no run collapsed,\nso none could recover",
}
"""Why there is no share, by fate."""


def prepare_fates(tables: Tables) -> FigureData:
    """The share of runs with each fate, with intervals, capacities pooled.

    Returns:
        The columns of `modbench.analysis.over_time.fates`.
    """
    tables = with_settings(tables)
    found = fates(tables)
    notes = [f"{TITLES[name].lower()}: {meaning}" for name, meaning in FATES.items()]
    return FigureData.of(tables, found, notes, checkpoint=None, value="share")


def draw_fates(data: FigureData, *, compact: bool = False) -> Figure:
    """A panel per fate, in it a row per setting and number of rules, and a point per model."""
    if data.empty:
        return nothing(None if compact else Heading(data.titled(TITLE), data.footer()))
    numbers = data.frame
    rows = [
        (setting, R)
        for setting in data.present("setting")
        for R in sorted(numbers.loc[numbers["setting"] == setting, "num_rules"].unique())
    ]
    alone = len(data.present("setting")) == 1
    labels = [f"{R} rules" if alone else f"{setting}, {R} rules" for setting, R in rows]
    named = dict(zip(rows, labels, strict=True))
    places = [named[row] for row in zip(numbers["setting"], numbers["num_rules"], strict=True)]
    styles, models, shown = model_styles(data.models), data.present("model"), data.present("fate")
    with look():
        heading = None if compact else Heading(data.titled(TITLE), data.footer(), handles(styles, models))
        margins = Margins(GAP, GAP, beside=label_room(labels) - GAP)
        figure, grid = frame(len(shown), 3, (2.1, 0.8 + 0.36 * len(labels)), margins, heading)
        for axes, fate in zip(grid, shown, strict=True):
            of_fate = numbers.assign(setting=places)[numbers["fate"] == fate]
            draw_dots(axes, of_fate, "share", labels, styles, models)
            if of_fate["share"].isna().all():
                middle = {"ha": "center", "va": "center", "transform": axes.transAxes}
                axes.text(0.5, 0.5, NONE_LEFT[fate], color=COLOURS["muted"], **middle)
            percent_axis(axes, "% of runs")
            axes.set_title(TITLES[fate])
        share_left(grid)
    return figure


CARD = FigureCard(
    name="fates",
    title=TITLE,
    prepare=prepare_fates,
    draw=draw_fates,
    caption=(
        "Shares of runs. "
        + "; ".join(f"{TITLES[name].lower()}: {meaning}" for name, meaning in FATES.items())
        + ". "
        "There is no point where no run is left that it could be a share of."
    ),
    panels=("setting", "fate"),
    lack=lacks_modules,
    unseen=not_recorded,
    at_checkpoint=False,
)
