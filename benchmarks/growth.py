"""How the time of a training step grows with rules, encoder width, length, and runs side by side.

Measures what `modbench bench` measures, along four lines through the grid, writes the numbers to docs/images/growth.csv
and draws them. `--draw` draws again from the numbers that are there.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from modbench.bench.crew import Crew, ShapeError, Stopped
from modbench.bench.measure import measure
from modbench.bench.record import begin
from modbench.bench.result import Row
from modbench.bench.shapes import group, select
from modbench.core.errors import RequestError
from modbench.core.identity import run_id
from modbench.core.names import MODEL_TITLES
from modbench.core.spec import RunSpec
from modbench.figures.axes import dodged, octave_axis, value_axis
from modbench.figures.frame import PAGE, Heading, Margins, frame
from modbench.figures.style import COLOURS, look
from modbench.store.durable import replace_file
from modbench.store.output import check_output, write_output
from modbench.sweep.describe import describe_cell, plural
from modbench.sweep.environment import usable_workers
from modbench.sweep.memory import place_of, worker_share
from modbench.sweep.stopping import INTERRUPTED, StopRequest

OUTPUT = Path(__file__).resolve().parents[1] / "docs" / "images" / "growth.csv"
RULES, ENCODER_WIDTH, LENGTH = 8, 32, 10
"""Where the lines cross."""
SIZES = {"small": 32, "medium": 128}
"""Encoder widths of the models that are stacked."""
AXES: dict[str, tuple[int, ...]] = {
    "rules": (2, 4, 8, 16, 32),
    "encoder width": (32, 64, 128, 256, 512),
    "length": (3, 5, 10, 20, 30),
    "runs side by side": (1, 2, 5, 13, 25),
}
QUICK: dict[str, tuple[int, ...]] = {
    "rules": (2, 8, 32),
    "encoder width": (32, 64, 128),
    "length": (3, 10, 30),
    "runs side by side": (1, 5, 25),
}
STACKED = "runs side by side"
LOOKS = {"mlp": ("green", "o"), "mha": ("sky", "s"), "rnn": ("brown", "^")}
"""Colour and marker of an architecture; models have others."""
GUIDES = {"rules": ("R", 1), "encoder width": ("E", 2), "length": ("L", 1)}
"""Symbol of an axis, and the exponent of the line that is drawn for comparison."""
GUIDE: dict[str, Any] = {"color": COLOURS["muted"], "linestyle": ":", "linewidth": 1.1}
RING: dict[str, Any] = {"marker": "o", "markersize": 10.5, "mfc": "none", "mew": 1.2}
EDGE: dict[str, Any] = {"mec": COLOURS["paper"], "mew": 0.6}
TOLERANCE = 0.03
"""Gains per run below this part are no reason to stack more."""


class Point(NamedTuple):
    """One measurement.

    Attributes:
        axis: of `AXES`.
        value: on it.
        size: of `SIZES`; empty where models are not stacked.
        spec: a run of the shape.
        width: of the group; None as planned.
    """

    axis: str
    value: int
    size: str
    spec: RunSpec
    width: int | None


def points(axes: dict[str, tuple[int, ...]], model: str) -> list[Point]:
    """The measurements of every axis and architecture."""

    def shape(
        architecture: str,
        rules: int = RULES,
        encoder_width: int = ENCODER_WIDTH,
        length: int = LENGTH,
    ) -> RunSpec:
        asked = None if architecture == "mlp" else length
        (spec,) = select([architecture], [model], [encoder_width], [rules], length=asked)
        return spec

    found = []
    for name in LOOKS:
        found += [Point("rules", value, "", shape(name, rules=value), None) for value in axes["rules"]]
        found += [
            Point("encoder width", value, "", shape(name, encoder_width=value), None)
            for value in axes["encoder width"]
        ]
        if name != "mlp":
            found += [Point("length", value, "", shape(name, length=value), None) for value in axes["length"]]
        for size, encoder_width in SIZES.items():
            spec = shape(name, encoder_width=encoder_width)
            found += [Point(STACKED, value, size, spec, value) for value in axes[STACKED]]
    return found


def time_points(
    wanted: Sequence[Point], seconds: float, should_stop: Callable[[], bool], head: dict[str, Any]
) -> pd.DataFrame:
    """Measures point after point, equal shapes once; a shape that fails is left out and told.

    Args:
        wanted: the points.
        seconds: of timing for each.
        should_stop: asked on the way; what was measured until then is returned.
        head: see `modbench.bench.record.begin`; goes into every row.
    """
    workers = usable_workers()
    known: dict[tuple[str, int], Row] = {}
    rows = []
    for index, point in enumerate(wanted):
        runs = group(point.spec, point.width, place_of(worker_share(workers)))
        key = run_id(point.spec), len(runs)
        if key not in known:
            words = f"{index + 1} of {len(wanted)}: {describe_cell(point.spec)}, width {len(runs)}"
            try:
                with Crew(runs, workers, should_stop) as crew:
                    known[key] = Row(point.spec, len(runs), workers, measure(crew.ask, seconds))
            except Stopped:
                break
            except ShapeError as error:
                print(f"{words}: failed, {error}", file=sys.stderr)
                continue
            print(f"{words}: {known[key].milliseconds.median:.3g} ms", file=sys.stderr)
        rows.append(_record(point, known[key], head))
    return pd.DataFrame(rows)


def _record(point: Point, row: Row, head: dict[str, Any]) -> dict[str, Any]:
    """A row of the CSV file: the point, its time, and where that comes from."""
    full, ms = row.record(), row.milliseconds
    fields = ("architecture", "model", "kind", "num_rules", "encoder_width", "length", "batch_size", "width")
    return {
        "axis": point.axis,
        "value": point.value,
        "size": point.size,
        **{name: full[name] for name in fields},
        "ms_per_step_and_run": ms.median,
        "ms_low": ms.low,
        "ms_high": ms.high,
        "share_of_peak": row.share,
        "peak_memory_mb": row.memory_mb,
        "workers": row.workers,
        "device": row.measured.prepared[0].machine["env_device"],
        "processor": head["machine"]["processor"],
        "date": head["date"],
        "modbench": head["versions"]["modbench"],
        "jax": head["versions"]["jax"],
    }


def stops_paying(widths: Sequence[int], milliseconds: Sequence[float]) -> int:
    """The number of runs side by side beyond which stacking more gains no time per run worth having.

    Args:
        widths: increasing.
        milliseconds: per step and run at each.

    Returns:
        The smallest width whose time is within `TOLERANCE` of the least.
    """
    least = min(milliseconds)
    return next(w for w, ms in zip(widths, milliseconds, strict=True) if ms <= least * (1 + TOLERANCE))


def draw(numbers: pd.DataFrame) -> Figure:
    """Time per step and run along three axes, and what stacking changes for models of two sizes."""
    with look():
        legend = [
            Line2D([], [], color=COLOURS[colour], marker=marker, label=name.upper())
            for name, (colour, marker) in LOOKS.items()
        ]
        legend.append(
            Line2D([], [], label="stacking stops paying", linestyle="none", **RING, mec=COLOURS["ink"])
        )
        title = "How the time of a training step grows, and where stacking runs stops paying"
        heading = Heading(title, _footer(numbers), legend)
        figure, panels = frame(
            len(GUIDES) + len(SIZES), len(GUIDES), (PAGE / 3, 2.5), Margins(left=0.62), heading
        )
        timed = numbers[numbers["axis"] != STACKED]
        for axes, axis in zip(panels, GUIDES, strict=False):
            _draw_growth(axes, timed, axis)
        stacked = _relative(numbers[numbers["axis"] == STACKED])
        for axes, size in zip(panels[len(GUIDES) :], SIZES, strict=True):
            _draw_stacking(axes, stacked, size)
        panels[0].set_ylabel("ms per step and run")
        panels[len(GUIDES)].set_ylabel("time per run, width 1 being 1")
    return figure


def _draw_growth(axes: Axes, timed: pd.DataFrame, axis: str) -> None:
    symbol, power = GUIDES[axis]
    shown, everything = timed[timed["axis"] == axis], timed["ms_per_step_and_run"].to_numpy(float)
    axes.set_title(axis.capitalize())
    if shown.empty:
        axes.axis("off")
        return
    values = sorted(shown["value"].unique())
    octave_axis(axes, values, symbol)
    value_axis(axes, np.append(everything, everything.min() / 3), logarithmic=True)
    for position, (architecture, rows) in enumerate(_by_architecture(shown)):
        colour, marker = LOOKS[architecture]
        x = rows["value"].to_numpy(float) * dodged(axes, values, len(LOOKS))[position]
        axes.plot(x, rows["ms_per_step_and_run"], color=COLOURS[colour], marker=marker, **EDGE)
        axes.vlines(x, rows["ms_low"], rows["ms_high"], color=COLOURS[colour], linewidth=1.5)
    # Under the lowest curve, so that slopes can be compared where curves are far apart.
    under = np.array(values, float) ** power
    under *= (shown.groupby("value")["ms_per_step_and_run"].min() / under).min() / 1.7
    axes.plot(values, under, zorder=1, **GUIDE)
    axes.annotate(
        f"∝ {symbol}" + {1: "", 2: "²"}[power], (values[-1], under[-1]), xytext=(5, -17),
        textcoords="offset points", ha="center", fontsize=7.5, color=COLOURS["muted"],
    )  # fmt: skip


def _relative(stacked: pd.DataFrame) -> pd.DataFrame:
    """Adds `relative`, the time beside that of width 1; models whose width 1 is not there are left out."""
    keys = ["size", "architecture"]
    alone = stacked[stacked["value"] == 1].set_index(keys)["ms_per_step_and_run"].rename("alone")
    joined = stacked.join(alone, on=keys, how="inner")
    return joined.assign(relative=joined["ms_per_step_and_run"] / joined["alone"])


def _draw_stacking(axes: Axes, stacked: pd.DataFrame, size: str) -> None:
    axes.set_title(f"Stacking, E = {SIZES[size]}")
    shown = stacked[stacked["size"] == size]
    if shown.empty:
        axes.axis("off")
        return
    values = sorted(stacked["value"].unique())
    octave_axis(axes, values, STACKED)
    value_axis(axes, stacked["relative"].to_numpy(float), logarithmic=False)
    axes.axhline(1, color=COLOURS["muted"], linewidth=0.8)
    for position, (architecture, rows) in enumerate(_by_architecture(shown)):
        colour, marker = LOOKS[architecture]
        widths, relative = rows["value"].tolist(), rows["relative"].tolist()
        x = rows["value"].to_numpy(float) * dodged(axes, values, len(LOOKS))[position]
        axes.plot(x, relative, color=COLOURS[colour], marker=marker, **EDGE)
        last = widths.index(stops_paying(widths, relative))
        axes.plot(x[last], relative[last], **RING, mec=COLOURS[colour])


def _by_architecture(shown: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    return [
        (name, rows.sort_values("value"))
        for name in LOOKS
        if not (rows := shown[shown["architecture"] == name]).empty
    ]


def _footer(numbers: pd.DataFrame) -> str:
    first = numbers.iloc[0]
    return (
        f"{MODEL_TITLES.get(first['model'], first['model'])}, {first['kind']}, batch {first['batch_size']}; where not "
        f"varied R = {RULES}, E = {ENCODER_WIDTH}, L = {LENGTH}, and runs side by side as planned. Time of the whole "
        f"machine, median and quartiles of rounds: {plural(int(first['workers']), 'worker')} on {first['processor']}, "
        f"{first['device']}; {first['date'][:10]}, modbench {first['modbench']}, JAX {first['jax']}."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and draws."""
    parser = argparse.ArgumentParser(
        description="How the time of a training step grows: numbers and a figure."
    )
    parser.add_argument("--quick", action="store_true", help="fewer points")
    parser.add_argument(
        "--draw", action="store_true", help="measure nothing, draw the numbers that are there"
    )
    parser.add_argument("--model", default="modular", help="[default: modular]")
    parser.add_argument(
        "--seconds", type=float, default=2.0, metavar="S", help="of timing a point [default: 2]"
    )
    parser.add_argument(
        "--out", type=Path, default=OUTPUT, metavar="FILE", help="[default: docs/images/growth.csv]"
    )
    parser.add_argument(
        "--widths", type=int, nargs="+", metavar="W", help="numbers of runs side by side, beside 1"
    )
    given = parser.parse_args(arguments)
    if not 0 < given.seconds <= 3600:
        parser.error("--seconds must be greater than 0 and at most 3600")
    if given.out.suffix != ".csv" or not given.out.absolute().parent.is_dir():
        parser.error("--out must be a .csv file in a folder that exists")
    try:
        for path in (given.out, given.out.with_suffix(".png")):
            check_output(path, "--out")
    except RequestError as error:
        parser.error(str(error))
    stopped = False
    if not given.draw:
        head = begin("python benchmarks/growth.py")
        with StopRequest() as stop:
            axes = QUICK if given.quick else AXES
            if given.widths:
                axes = axes | {STACKED: tuple(sorted({1, *given.widths}))}
            numbers = time_points(points(axes, given.model), given.seconds, stop.requested, head)
            stopped = stop.requested()
        if numbers.empty:
            print("nothing was measured", file=sys.stderr)
            return INTERRUPTED if stopped else 1
        replace_file(given.out, numbers.to_csv(index=False, float_format="%.6g").encode())
    numbers_there = pd.read_csv(given.out, keep_default_na=False, na_values={"ms_low": "", "ms_high": ""})
    with look():
        figure = draw(numbers_there)
        write_output(
            given.out.with_suffix(".png"), lambda beside: figure.savefig(beside, metadata={"Software": None})
        )
    if stopped:
        print(f"interrupted, {len(numbers)} points measured and drawn", file=sys.stderr)
    return INTERRUPTED if stopped else 0


if __name__ == "__main__":
    sys.exit(main())
