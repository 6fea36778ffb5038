"""Charts over training that can be explored: errors, metrics of routing, and the steps to a target."""

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from modbench.core.quantities import CURVE_METRICS, error_unit
from modbench.figures.base import RANDOM, FigureData
from modbench.figures.curves import prepare_curves
from modbench.figures.explorable import TOOLTIP, Explorable, faceted, first_number, layered, shared, told
from modbench.figures.specialisation import prepare_specialisation
from modbench.figures.times import NEVER, TARGETS, prepare_times
from modbench.store.table import Tables


def curves_chart(tables: Tables, checkpoint: str = "last") -> Explorable:
    """Mean error during training, with bands for intervals, a panel per number of rules."""
    del checkpoint  # training has none
    data = prepare_curves(tables)
    panel = data.frame["num_rules"].astype(str) + " rules"
    panels = sorted(panel.unique(), key=first_number)
    units = dict.fromkeys(error_unit(str(kind)) for kind in data.frame["kind"].unique())
    return _courses(data, data.frame.assign(panel=panel), panels, f"error, {' or '.join(units)}")


def specialisation_chart(tables: Tables, checkpoint: str = "last") -> Explorable:
    """The metrics of routing during training at the number of rules that is chosen, a panel per metric."""
    del checkpoint
    data = prepare_specialisation(tables)
    titles = {name: card.title for name, card in CURVE_METRICS.items()}
    frame = data.frame.assign(panel=data.frame["quantity"].map(titles))
    random = frame["model"] == RANDOM
    ends = frame.loc[~random].groupby(["setting", "num_rules"])["step"].agg(["min", "max"]).reset_index()
    ends = ends.melt(["setting", "num_rules"], value_name="step").drop(columns="variable")
    along = frame[random].drop(columns="step").merge(ends, on=["setting", "num_rules"])
    options = [f"{R} rules" for R in sorted(int(R) for R in frame["num_rules"].unique())]
    rules = alt.param(
        name="rules", value=options[-1], bind=alt.binding_select(options=options, name="rules ")
    )
    frame = pd.concat([frame[~random], along], ignore_index=True)
    frame = frame.assign(rules=frame["num_rules"].astype(int).astype(str) + " rules")
    return _courses(data, frame, list(titles.values()), "metric", rules)


def times_chart(tables: Tables, checkpoint: str = "last") -> Explorable:
    """Median steps to each target against the number of rules, a panel per target; at the top what half never do."""
    del checkpoint
    data = prepare_times(tables)
    frame = data.frame.rename(columns={"steps": "mean"})
    frame = frame.assign(
        panel=frame["target"].map({name: target.title for name, target in TARGETS.items()}),
        at=frame["num_rules"],
    )
    last = float(frame["last_step"].max())
    never = 1.5 * last
    numbers = ["mean", "low", "high"]
    words = frame[numbers].map(lambda step: NEVER if np.isinf(step) else f"{step:,.0f}")
    frame[numbers] = frame[numbers].astype(float).replace(np.inf, never)
    shown_frame = told(frame, "{} rules").assign(
        steps=words["mean"],
        interval=(words["low"] + " to " + words["high"]).where(frame["low"].notna(), "none"),
    )
    source, colour, shown, chosen = shared(shown_frame, data.settings, data.models)
    first = float(frame.loc[frame["mean"] > 0, "mean"].min())
    decades = [n * 10**k for k in range(9) for n in (1, 3) if first <= n * 10**k <= last]
    label = f"datum.value > {last} ? '{NEVER}' : format(datum.value, '~s')"
    axis = alt.Axis(labelExpr=label, values=[0, *decades, never])
    y = alt.Y("mean:Q", title="steps", axis=axis, scale=alt.Scale(type="symlog", constant=first))
    base = alt.Chart().encode(
        x=alt.X("at:O", title="rules", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("model:N", sort=None),
        color=colour,
        opacity=alt.condition(shown, alt.value(1), alt.value(0.12)),
    )
    rule = base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title="steps"), y2="high:Q")
    tooltip = ["model:N", "place:N", "steps:N", "interval:N", "runs:Q"]
    point = base.mark_point(filled=True, size=60).encode(y=y, tooltip=tooltip)
    panels = [target.title for target in TARGETS.values() if target.title in set(frame["panel"])]
    return faceted(layered(rule, point, data=source), shown, chosen, panels, 3)


def _courses(
    data: FigureData,
    frame: pd.DataFrame,
    panels: Sequence[str],
    title: str,
    rules: alt.Parameter | None = None,
) -> Explorable:
    """Means along training with bands for intervals; `rules` chooses among rows by their column of that name."""
    kept = told(frame.assign(at=frame["step"]), "step {:.0f}")
    if rules is not None:
        kept = kept.assign(rules=frame["rules"])
    source, colour, shown, chosen = shared(kept, data.settings, data.models)
    x = alt.X("at:Q", title="training steps", axis=alt.Axis(format="~s", tickCount=5))
    base = alt.Chart().encode(x=x, color=colour, opacity=alt.condition(shown, alt.value(1), alt.value(0.12)))
    y = alt.Y("mean:Q", title=title, scale=alt.Scale(zero=rules is not None))
    band = base.mark_area(fillOpacity=0.15, strokeOpacity=0).encode(
        y=alt.Y("low:Q", title=title), y2="high:Q"
    )
    marks = base.mark_point(size=60, filled=True, fillOpacity=0).encode(y=y, tooltip=TOOLTIP)
    lines = base.mark_line().encode(
        y=y,
        strokeDash=alt.condition("datum.model == 'Random'", alt.value([2, 3]), alt.value([1, 0])),
    )
    layers = layered(band, lines, marks, data=source)
    if rules is not None:
        layers, chosen = layers.transform_filter("datum.rules == rules"), [*chosen, rules]
    return faceted(layers, shown, chosen, panels, 3)
