"""The cohorts of a store, one by one: done, running, failed or waiting."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from modbench.cli.results import CHECKPOINT, row_setting
from modbench.core.errors import unknown
from modbench.core.names import MODEL_TITLES
from modbench.core.text import one_line
from modbench.store.checkpoints import Checkpoints
from modbench.store.claims import Claims, Holder
from modbench.store.files import Store
from modbench.store.table import Tables
from modbench.sweep.describe import describe_seconds, plural

COHORT_STATES = {"running": "cyan", "failed": "red", "waiting": "", "done": "green"}
"""State -> colour, in the order in which they are listed."""
MOST_LISTED = 12
"""Cohorts of a state that are listed unless all are wanted."""


class Cohort(NamedTuple):
    """A cohort and how it stands.

    Attributes:
        cohort_id: of the cohort.
        state: one of `COHORT_STATES`. `"failed"` could not be trained when it was last tried; one that is `"done"` may
            have runs that diverged.
        what: what its runs share.
        runs: number of runs that it gives, or is to give, to the store.
        note: where it runs and how far it is; where it goes on; why it failed; how many of its runs diverged.
        finished: runs among them that are finished and wait for the others, to be stored with them.
    """

    cohort_id: str
    state: str
    what: str
    runs: int
    note: str
    finished: int = 0


def cohorts_of(store: Store, tables: Tables) -> list[Cohort]:
    """How every cohort of a store stands, by state and then by id.

    Args:
        store: is asked for its claims.
        tables: its content.
    """
    claims = Claims(store.folder)
    holders, reasons = claims.living(), claims.failures()
    cohorts = []
    for cohort_id, runs in tables.missing.groupby("cohort_id"):
        checkpoints = Checkpoints(store.folder, str(cohort_id))
        finished = checkpoints.finished_runs()
        state, note = "waiting", _left(checkpoints, finished)
        if cohort_id in holders:
            state, note = "running", _progress(holders[str(cohort_id)])
        elif cohort_id in reasons:
            state, note = "failed", reasons[str(cohort_id)]
        cohorts.append(Cohort(str(cohort_id), state, _cell(runs), len(runs), note, finished))
    recorded = tables.runs[tables.runs["checkpoint"] == CHECKPOINT]
    missing = {cohort.cohort_id for cohort in cohorts}
    for cohort_id, runs in recorded.groupby("cohort_id"):
        if cohort_id not in missing:
            failed = int((runs["status"] == "failed").sum())
            note = f"{plural(failed, 'run')} failed" if failed else ""
            cohorts.append(Cohort(str(cohort_id), "done", _cell(runs), len(runs), note))
    order = list(COHORT_STATES)
    return sorted(cohorts, key=lambda cohort: (order.index(cohort.state), cohort.cohort_id))


def check_states(states: Sequence[str]) -> None:
    """Raises `RequestError` where a name is no state of a cohort."""
    for state in states:
        if state not in COHORT_STATES:
            raise unknown("state", state, COHORT_STATES)


def cohorts_line(cohorts: Sequence[Cohort]) -> str:
    """How many cohorts are in each state."""
    counts = {state: sum(cohort.state == state for cohort in cohorts) for state in COHORT_STATES}
    shown = ("done", "running", "failed", "waiting")
    return f"{plural(len(cohorts), 'cohort')}: " + ", ".join(f"{counts[state]:,} {state}" for state in shown)


def cohorts_table(cohorts: Sequence[Cohort], states: Collection[str], everything: bool) -> Table | None:
    """The cohorts of some states, a row each.

    Args:
        cohorts: what there is.
        states: that are shown.
        everything: whether all of them are listed, or the first `MOST_LISTED` of a state.

    Returns:
        The table; None where it would be empty.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("cohort", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("runs", justify="right", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("", overflow="fold")
    for state, colour in COHORT_STATES.items():
        rows = [cohort for cohort in cohorts if cohort.state == state and state in states]
        listed = rows if everything else rows[:MOST_LISTED]
        for row in listed:
            # As texts: reasons and names are others' words, and no markup.
            cells = (row.cohort_id, f"{row.runs:,}", row.what, row.note)
            cohort_id, runs, what, note = (Text(one_line(cell)) for cell in cells)
            table.add_row(cohort_id, Text(state, style=colour), runs, what, note)
        if len(rows) > len(listed):
            more = f"{len(rows) - len(listed):,} more: --only {state}"
            table.add_row("…", Text(state, style=colour), "", Text(more), "")
    return table if table.row_count else None


def _cell(runs: pd.DataFrame) -> str:
    row = runs.iloc[0].to_dict()
    model = MODEL_TITLES.get(row["model"], row["model"])
    return f"{row_setting(row)} R={row['num_rules']} E={row['encoder_width']} {model}"


def _left(checkpoints: Checkpoints, finished: int) -> str:
    """What a cohort that nobody trains has come to, as the names of its checkpoints say."""
    parts = [f"{plural(finished, 'run')} finished"] if finished else []
    if states := checkpoints.states():
        parts.append(f"goes on at run {states[0].start + 1}, step {states[0].step:,}")
    return "; ".join(parts)


def _progress(holder: Holder) -> str:
    try:
        since = f" since {datetime.fromisoformat(holder.started):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        since = ""
    doing = {
        "train": f"step {holder.step:,} of {holder.steps:,}",
        "compile": "compiling",
        "evaluate": f"evaluating batch {holder.step:,} of {holder.steps:,}",
    }
    activity = doing.get(holder.phase, "starting")
    group = f"group {holder.group + 1}, " if holder.group else ""
    return (
        f"{holder.host}, process {holder.pid},{since} ({describe_seconds(holder.seconds)}): {group}{activity}"
    )
