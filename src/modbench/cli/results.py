"""Results in a terminal: a short table of means by model, and the runs that failed."""

from collections.abc import Collection
from itertools import chain

import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modbench.analysis.settings import with_settings
from modbench.core.names import MODEL_TITLES, MODELS
from modbench.core.quantities import error_unit
from modbench.core.text import one_line
from modbench.store.table import Tables

CHECKPOINT = "last"
SHOWN = {
    "error_id": "Error\nID",
    "error_ood": "Error\nOoD",
    "collapse_worst": "Collapse\nWorst",
    "alignment": "Alignment",
}
"""Quantities of the short table, with headings that fit 80 columns; OoD is the reported shift."""
STATES = ("done", "failed", "waiting")
FEW_ROWS = 24
"""Rows above which rule numbers are pooled."""
MOST_FAILURES = 20
"""Failed runs that are listed; the others are only counted."""

_SETTING = ["setting", "architecture", "search_version", "kind"]


def summarise(tables: Tables, by_rules: bool) -> pd.DataFrame:
    """Counts runs and averages their quantities, by setting and model.

    Args:
        tables: of a store.
        by_rules: whether runs with different numbers of rules are kept apart.

    Returns:
        One row per setting (see `analysis.settings`), number of rules if so wished, and model: how many
        runs are `done`, `failed` and `waiting`, and means of `SHOWN` at the "last" checkpoint over those that
        are done; NaN where none is, or the model has no such quantity.
    """
    tables = with_settings(tables)
    by = [*_SETTING, *(["num_rules"] if by_rules else []), "model"]
    recorded = tables.runs.query("checkpoint == @CHECKPOINT").rename(columns={"status": "state"})
    waiting = tables.missing.assign(state="waiting")
    columns = [*by, "state", *SHOWN]
    # An empty part would have a say in the types of the columns.
    parts = [part.reindex(columns=columns) for part in (recorded, waiting) if len(part)]
    runs = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    rank = {name: position for position, name in enumerate(MODELS)}
    runs["rank"] = [rank.get(name, len(rank)) for name in runs["model"]]
    runs = runs.sort_values([*by[:-1], "rank", "model"])
    rows = []
    for _, group in runs.groupby(by, sort=False, dropna=False):
        counts = {state: len(group.query("state == @state")) for state in STATES}
        done = group.query("state == 'done'")
        means = {name: done[name].astype(float).mean() for name in SHOWN}
        rows.append({**{name: group[name].iloc[0] for name in by}, **counts, **means})
    return pd.DataFrame(rows, columns=[*by, *STATES, *SHOWN])


def results_table(tables: Tables) -> RenderableType:
    """The means by model as a table for a terminal: settings are headings, which leaves 80 columns to the numbers."""
    means = summarise(tables, by_rules=True)
    if len(means) > FEW_ROWS:
        means = summarise(tables, by_rules=False)
    by_rules = "num_rules" in means
    heads = [*(["R"] if by_rules else []), "model", "runs", *SHOWN.values()]
    of_settings: dict[str, list[list[str]]] = {}
    previous = None
    for row in means.to_dict("records"):
        planned = sum(row[state] for state in STATES)
        runs = f"{row['done']:,}" if row["done"] == planned else f"{row['done']:,} of {planned:,}"
        values = (_number(row[name], name, row["kind"]) for name in SHOWN)
        cells = [MODEL_TITLES.get(row["model"], row["model"]), runs, *values]
        place = (row_setting(row), row.get("num_rules"))
        if by_rules:
            cells.insert(0, "" if place == previous else str(row["num_rules"]))
        of_settings.setdefault(place[0], []).append(cells)
        previous = place
    # As wide everywhere as one table of all would be, whose heads stand on the first alone.
    columns = zip(heads, *chain.from_iterable(of_settings.values()), strict=True)
    widths = [max(len(line) for cell in column for line in cell.split("\n")) for column in columns]
    parts: list[RenderableType] = [f'Mean over runs at the "{CHECKPOINT}" checkpoint; lower is better']
    for setting, rows in of_settings.items():
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=len(parts) == 1)
        for head, width in zip(heads, widths, strict=True):
            table.add_column(
                head, justify="left" if head == "model" else "right", no_wrap=True, min_width=width
            )
        for cells in rows:
            if by_rules and cells[0] and table.row_count:
                table.add_section()
            table.add_row(*cells)
        parts += [Text(setting, style="bold"), table]
    return Group(*parts)


def row_setting(row: dict) -> str:
    """Architecture, search version, kind, and what else of the protocol sets a table's row apart, in words."""
    if "setting" in row:
        return row["setting"].replace(" · ", " ", 1)
    version = "" if pd.isna(row["search_version"]) else f" v{row['search_version']}"
    return f"{row['architecture'].upper()}{version} {row['kind']}"


def _number(value: float, name: str, kind: str) -> str:
    if pd.isna(value):
        return "-"
    if name.startswith("error"):
        return f"{value:.2f} %" if error_unit(kind) == "%" else f"{value:.4f}"
    return f"{value:.3f}"


def failure_lines(tables: Tables, run_ids: Collection[str] | None = None) -> list[Text]:
    """A line for every failed run, the first `MOST_FAILURES` of them.

    Args:
        tables: of a store.
        run_ids: the runs that count; None is all.
    """
    failed = tables.runs.query("checkpoint == @CHECKPOINT and status == 'failed'").to_dict("records")
    rows = [row for row in failed if run_ids is None or row["run_id"] in run_ids]
    lines = []
    for row in rows[:MOST_FAILURES]:
        model = MODEL_TITLES.get(row["model"], row["model"])
        what = f"{row_setting(row)} R={row['num_rules']} E={row['encoder_width']} {model}"
        seeds = f"task seed {row['task_seed']}, seed {row['seed']}"
        line = f"failed: run {row['run_id']} ({what}, {seeds}): {row['reason']}"
        lines.append(Text(one_line(line), style="red"))
    if len(rows) > MOST_FAILURES:
        lines.append(Text(f"failed: {len(rows) - MOST_FAILURES:,} more", style="red"))
    return lines
