"""The explorable figures as Vega-Lite specifications, without numbers: the page's script puts in what is chosen.

Every chart reads one table, `rows`, whose columns the script fills: `at` (where along x), `model`, `mean`, `low`,
`high`, `below` and `above` (the end of the axis, where an interval goes on beyond it), `random`, the texts of the
tooltip, `Model`, `At`, `Value`, `Interval` and `Runs`, and `Said`, all of them for those who hear the page. Colours
are the page's CSS variables, so that charts follow it into the dark and onto paper. No parameter and no field may be
named `E`, which Vega reads as Euler's number.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import altair as alt
import numpy as np
from matplotlib.markers import MarkerStyle

from modbench.figures.style import ModelStyle

Spec = dict[str, Any]
Looks = tuple[ModelStyle, ...]
"""The styles of a store's models, in their order."""

DASHES = {"-": [1, 0], "--": [5, 3], ":": [1.5, 2.5], "-.": [6, 2, 1.5, 2]}
HEIGHT = 190
CONFIG: Spec = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "padding": 2,
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "domainColor": "var(--muted)",
        "tickColor": "var(--muted)",
        "gridColor": "var(--grid)",
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelLimit": 120,
    },
    "axisX": {"grid": False, "labelAngle": 0, "labelOverlap": True},
    "axisY": {"domain": False, "ticks": False, "tickCount": 5},
}
STEPS = "datum.value >= 1000 ? format(datum.value / 1000, '~g') + 'k' : format(datum.value, '~g')"
"""A number of training steps as a label: 200, 1k, 1.5k."""
MARKS = ("Model", "At", "Value", "Interval", "Runs")
RUN = ("Model", "Value", "Run")


def charts(styles: Mapping[str, ModelStyle]) -> dict[str, Spec]:
    """The specifications of all kinds of chart for a store's models, by name.

    `"points"` has places along x that are names or numbers of rules, `"curves"` has steps, `"courses"` steps and Random
    beside them, `"runs"` a point for every run; each has a second one, `"…-log"`, with a logarithmic axis.
    """
    return _charts(tuple(styles.values()))


@cache
def _charts(styles: Looks) -> dict[str, Spec]:
    made = {}
    for ending, logarithmic in (("", False), ("-log", True)):
        made["points" + ending] = _finish(_points(styles, logarithmic))
        made["curves" + ending] = _finish(_curves(styles, logarithmic))
        made["courses" + ending] = _finish(_curves(styles, logarithmic, _random()))
        made["runs" + ending] = _finish(_runs(styles, logarithmic))
    return made


def marker_path(style: ModelStyle) -> str:
    """A model's marker as a path in the square from -1 to 1."""
    marker = MarkerStyle(style.marker)
    path = marker.get_path().transformed(marker.get_transform())
    return "".join(
        "M" + "L".join(f"{2 * x:.2f},{-2 * y:.2f}" for x, y in np.asarray(polygon)) + "Z"
        for polygon in path.to_polygons()
    )


def _points(styles: Looks, logarithmic: bool) -> alt.LayerChart:
    # Models at one place stand close together, and far from those at the next.
    x = alt.X("at:O", axis=alt.Axis(title=None), scale=alt.Scale(paddingInner=0.7, paddingOuter=0.3))
    beside = alt.XOffset("model:N", scale=alt.Scale(domain=list(range(len(styles)))))
    return alt.layer(
        _random(),
        _mark()
        .mark_line(strokeWidth=1.3, opacity=0.7, aria=False)
        .encode(strokeDash=_dash(styles), xOffset=beside),
        _mark()
        .mark_rule(strokeWidth=1.8, clip=True, aria=False)
        .encode(y=_y(logarithmic, "low"), y2="high:Q", xOffset=beside)
        .transform_filter("isValid(datum.low)"),
        _cut("above", "triangle-up", beside),
        _cut("below", "triangle-down", beside),
        _mark()
        .mark_point(size=55, opacity=1, strokeWidth=1.4, filled=False)
        .encode(
            shape=_shape(styles),
            fill=alt.condition("isValid(datum.low)", _colour(styles, alt.Fill), alt.value("var(--paper)")),
            tooltip=[f"{name}:N" for name in MARKS],
            description="Said:N",
            xOffset=beside,
        ),
    ).encode(x=x, y=_y(logarithmic), color=_colour(styles))


def _curves(styles: Looks, logarithmic: bool, *below: alt.Chart) -> alt.LayerChart:
    axis = alt.Axis(title="training steps", labelExpr=STEPS, tickCount=5)
    x = alt.X("at:Q", axis=axis, scale=alt.Scale(nice=False))
    band = _mark().mark_area(opacity=0.17, line=False, clip=True, aria=False).encode(
        y=_y(logarithmic, "low"), y2="high:Q"
    )  # fmt: skip
    return alt.layer(
        *below,
        band,
        _mark().mark_line(strokeWidth=1.8, aria=False).encode(strokeDash=_dash(styles)),
        _mark()
        .mark_point(size=90, opacity=0, filled=True)
        .encode(tooltip=[f"{name}:N" for name in MARKS], description="Said:N"),
    ).encode(x=x, y=_y(logarithmic), color=_colour(styles))


def _runs(styles: Looks, logarithmic: bool) -> alt.LayerChart:
    x = alt.X("model:N", axis=None, scale=alt.Scale(domain=list(range(len(styles))), paddingInner=0.25))
    middle = {"y": alt.Y("q1(mean):Q"), "y2": alt.Y2("q3(mean):Q")}
    random = (
        _mark()
        .mark_rule(strokeDash=[1.5, 2.5], strokeWidth=1.6, aria=False)
        .encode(y="max(random):Q", color=alt.value("var(--ink)"))
        .transform_filter("isValid(datum.random)")
    )
    return alt.layer(
        random,
        _mark().mark_bar(opacity=0.16, size=34, aria=False).encode(**middle, x=x),
        _mark()
        .mark_tick(thickness=2.2, size=34, opacity=1, aria=False)
        .encode(x=x, y=alt.Y("median(mean):Q"), color=alt.value("var(--ink)")),
        _mark()
        .mark_point(size=30, opacity=0.75, filled=True)
        .encode(
            x=x,
            xOffset=alt.XOffset("beside:Q", scale=alt.Scale(domain=[-1.6, 1.6])),
            y=_y(logarithmic),
            shape=_shape(styles),
            tooltip=[f"{name}:N" for name in RUN],
            description="Said:N",
        ),
    ).encode(color=_colour(styles))


def _random() -> alt.Chart:
    """What Random scores, in charts whose rows know it."""
    return (
        _mark()
        .mark_line(strokeDash=[1.5, 2.5], strokeWidth=1.6, aria=False)
        .encode(y="max(random):Q", color=alt.value("var(--ink)"))
        .transform_filter("isValid(datum.random)")
    )


def _cut(field: str, shape: str, beside: alt.XOffset) -> alt.Chart:
    """An arrow where an interval goes on beyond the axis."""
    mark = _mark().mark_point(shape=shape, size=28, opacity=1, filled=True, aria=False)
    return mark.encode(y=alt.Y(f"{field}:Q"), xOffset=beside).transform_filter(f"isValid(datum.{field})")


def _mark() -> alt.Chart:
    return alt.Chart(alt.NamedData("rows"))


def _y(logarithmic: bool, field: str = "mean") -> alt.Y:
    scale = alt.Scale(type="log", nice=False, padding=8) if logarithmic else alt.Scale(zero=True, nice=False)
    return alt.Y(f"{field}:Q", axis=alt.Axis(title=None, format="~g"), scale=scale)


def _colour(styles: Looks, channel: type = alt.Color) -> Any:
    return channel("model:N", legend=None, scale=_scale(styles, lambda style: f"var(--{style.colour})"))


def _shape(styles: Looks) -> alt.Shape:
    return alt.Shape("model:N", legend=None, scale=_scale(styles, marker_path))


def _dash(styles: Looks) -> alt.StrokeDash:
    return alt.StrokeDash("model:N", legend=None, scale=_scale(styles, lambda style: DASHES[style.dash]))


def _scale(styles: Looks, look: Any) -> alt.Scale:
    """Models by position in the store's list, so that their names are nowhere in a specification."""
    return alt.Scale(domain=list(range(len(styles))), range=[look(style) for style in styles])


def _finish(chart: alt.LayerChart) -> Spec:
    spec = chart.properties(
        width="container", height=HEIGHT, autosize=alt.AutoSizeParams(type="fit", contains="padding")
    )
    return {**spec.to_dict(), "config": CONFIG}
