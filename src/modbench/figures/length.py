"""Error against the length of test sequences, with inputs as in training and doubled (PAPER section 8, appendix)."""

import json

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from modbench.analysis import with_settings
from modbench.analysis.needs import Need
from modbench.analysis.settings import unseeded_specs
from modbench.analysis.summary import GROUP
from modbench.figures.along import error_label, errors_along
from modbench.figures.axes import octave_axis
from modbench.figures.base import FigureCard, FigureData, part_of
from modbench.figures.lacks import listed
from modbench.figures.panels import Along, Panel, draw_panels
from modbench.figures.style import COLOURS
from modbench.store.table import Tables

TITLE = "Error against the length of test sequences"
SCALES = {1.0: "inputs as in training", 2.0: "inputs doubled"}


def prepare_length(tables: Tables, checkpoint: str = "last") -> FigureData:
    """Mean errors with intervals per setting, scale of the inputs, test length, number of rules and model.

    Capacities are averaged. The reported shift, `error_ood`, is the longest length with doubled inputs.

    Returns:
        Columns `kind`, `setting`, `num_rules`, `model`, `scale`, `train_length`, `length`, `mean`, `low`, `high`,
        `num_runs`, for tasks with sequences.
    """
    tables = with_settings(tables)
    part = part_of(tables, lambda runs: runs["architecture"] != "mlp")
    rows = tables.performance
    done = rows[
        (rows["checkpoint"] == checkpoint) & (rows["status"] == "done") & (rows["architecture"] != "mlp")
    ]
    by = ["kind", *GROUP, "scale", "train_length"]
    frame, notes = errors_along(done, by, "length"), ["grey line: length in training"]
    return FigureData.of(part, frame, notes, checkpoint, store=tables)


def lacks_lengths(planned: pd.DataFrame) -> Need | None:
    """A task with sequences, tested at two lengths."""
    architectures = sorted(planned["architecture"].unique())
    sequential = planned[planned["architecture"] != "mlp"]
    if sequential.empty:
        return Need(
            f"a task with sequences, mha or rnn; the store has {listed(architectures)}",
            ("task.architecture=" + json.dumps([*architectures, "mha"]),),
        )
    tested = {tuple(spec["evaluation"]["lengths"]) for spec in unseeded_specs(sequential["spec"])[1]}
    if any(len(lengths) > 1 for lengths in tested):
        return None
    longest = max(length for lengths in tested for length in lengths)
    override = f"evaluation.lengths={[longest, 3 * longest]}"
    # The MLP has no lengths, and an override is for all grids of a sweep.
    return Need(
        f"runs tested at two or more lengths (evaluation.lengths); the store has {listed(sorted(tested)[0])}",
        None if "mlp" in architectures else (override,),
    )


def draw_length(data: FigureData, *, compact: bool = False) -> Figure:
    """A row per setting and scale, a panel per number of rules, the test length along x."""
    rules, panels = sorted(data.present("num_rules")), []
    for setting in data.present("setting"):
        of_setting = data.frame[data.frame["setting"] == setting]
        for scale in sorted(data.present("scale")):
            words = SCALES.get(scale, f"inputs x {scale:g}")
            label = f"{error_label(of_setting['kind'].iloc[0])}\n{words}"
            for R in rules:
                shown = of_setting[(of_setting["num_rules"] == R) & (of_setting["scale"] == scale)]
                panels.append(Panel(f"{R} rules", shown, of_setting, "error_ood", label))
    along = Along("length", _length_axis)
    return draw_panels(data, TITLE, panels, along, len(rules), (2.2, 2.2), compact=compact, shared=True)


def _length_axis(axes: Axes, rows: pd.DataFrame) -> None:
    octave_axis(axes, sorted(rows["length"].astype(int).unique()), "test length")
    for length in rows["train_length"].unique():
        axes.axvline(length, color=COLOURS["grid"], linewidth=2.5, zorder=0)


CARD = FigureCard(
    name="length",
    title=TITLE,
    prepare=prepare_length,
    draw=draw_length,
    caption=(
        "Lower is better. Models were trained at the length of the grey line and tested at each length, once with "
        "inputs as in training and once with inputs doubled; the longest length with doubled inputs is what other "
        "figures call out of distribution. Averages run over capacities, task seeds and seeds."
    ),
    panels=("setting", "scale"),
    per_setting=True,
    paper="appendix",
    lack=lacks_lengths,
)
