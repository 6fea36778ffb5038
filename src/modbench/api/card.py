"""Results at a glance: in a notebook as HTML, elsewhere as text."""

import html
from pathlib import Path

import numpy as np
import pandas as pd

from modbench.analysis import model_title, models_in_order, settings_in_order, summarise
from modbench.analysis.summary import planned_runs
from modbench.core.quantities import QUANTITIES, error_unit
from modbench.store.table import Tables

SHOWN = ("error_id", "error_ood", "collapse_worst", "alignment")
MOST_SETTINGS = 8
NEXT = (
    ".summary() .compare(MODEL, BASELINE) .claims() · .plot.error() .chart.error() · .runs .curves .matrices"
)


def text_card(tables: Tables, folder: Path, checkpoint: str) -> str:
    """What is there, in a few lines of text."""
    planned = planned_runs(tables, checkpoint)
    lines = [f"modbench results of {folder}, {checkpoint!r} checkpoint: {_counts(planned)}"]
    lines += [f"  {setting}: {_models(planned, setting)}" for setting in settings_in_order(planned)]
    return "\n".join([*lines, f"  {NEXT}"])


def html_card(tables: Tables, folder: Path, checkpoint: str) -> str:
    """What is there, and what the models score on average, with intervals.

    Returns:
        HTML that inherits colours from the page around it; all names in it are escaped.
    """
    planned = planned_runs(tables, checkpoint)
    settings = settings_in_order(planned)
    head = f"<b>{html.escape(str(folder))}</b> · {checkpoint} checkpoint · {_counts(planned)}"
    parts = [f"<p style='margin:.2em 0 .6em'>{head}</p>"]
    if len(tables.runs):
        summary = summarise(tables, SHOWN, ("setting", "kind", "model"), checkpoint)
        parts += [_table(summary, setting) for setting in settings[:MOST_SETTINGS]]
    if len(settings) > MOST_SETTINGS:
        parts.append(f"<p>and {len(settings) - MOST_SETTINGS} settings more</p>")
    small = "font-size:.85em;opacity:.75;margin:.4em 0"
    notes = "Means over all runs, in brackets 95 % intervals; lower is better. OoD is the reported shift."
    parts.append(f"<p style='{small}'>{notes}<br><code>{html.escape(NEXT)}</code></p>")
    return f"<div style='font-family:system-ui,sans-serif;line-height:1.35'>{''.join(parts)}</div>"


def _table(summary: pd.DataFrame, setting: str) -> str:
    rows = summary[summary["setting"] == setting]
    unit = error_unit(str(rows["kind"].iloc[0]))
    cell = "padding:.15em .8em;text-align:{};border:0"
    right, left = cell.format("right"), cell.format("left")
    titles = [
        html.escape(QUANTITIES[name].title) + (f" ({unit})" if name.startswith("error") else "")
        for name in SHOWN
    ]
    heads = "".join(f"<th style='{right}'>{title}</th>" for title in titles)
    body = []
    for model in rows["model"].unique():
        of_model = rows[rows["model"] == model].set_index("quantity")
        runs = int(of_model["num_runs"].max())
        numbers = "".join(
            f"<td style='{right}'>{_number(of_model.loc[name]) if name in of_model.index else '-'}</td>"
            for name in SHOWN
        )
        name = html.escape(model_title(str(model)))
        body.append(f"<tr><td style='{left}'>{name}</td><td style='{right}'>{runs:,}</td>{numbers}</tr>")
    caption = f"<caption style='text-align:left;font-weight:600'>{html.escape(setting)}</caption>"
    head = f"<tr><th style='{left}'>model</th><th style='{right}'>runs</th>{heads}</tr>"
    whole = f"{caption}<thead>{head}</thead><tbody>{''.join(body)}</tbody>"
    return f"<table style='border-collapse:collapse'>{whole}</table>"


def _number(row: pd.Series) -> str:
    mean, low, high = (float(row[name]) for name in ("mean", "low", "high"))
    if not np.isfinite(mean):
        return "none"
    interval = f" [{low:.3g}, {high:.3g}]" if np.isfinite([low, high]).all() else ""
    return f"{mean:.3g}{interval}"


def _counts(planned: pd.DataFrame) -> str:
    """Such as `"96 runs · 1 failed · 3 missing"`."""
    states = planned["state"].value_counts()
    done, failed, missing = (int(states.get(name, 0)) for name in ("done", "failed", "missing"))
    parts = [f"{done:,} run{'s' * (done != 1)}"]
    parts += [f"{count:,} {name}" for count, name in ((failed, "failed"), (missing, "missing")) if count]
    return " · ".join(parts)


def _models(planned: pd.DataFrame, setting: str) -> str:
    part = planned[planned["setting"] == setting]
    rules = ", ".join(str(R) for R in sorted(part["num_rules"].unique()))
    models = ", ".join(model_title(model) for model in models_in_order(part["model"]))
    return f"{models}; R = {rules}"
