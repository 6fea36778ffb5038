"""`modbench status`: how far a sweep is, as its store tells."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from modbench.cli.cohorts import COHORT_STATES, Cohort, check_states, cohorts_line, cohorts_of, cohorts_table
from modbench.cli.console import output
from modbench.cli.results import STATES, failure_lines, row_setting, summarise
from modbench.core.names import MODEL_TITLES
from modbench.core.text import one_line
from modbench.store.files import Store
from modbench.store.table import Tables, load
from modbench.sweep.describe import plural

WATCH_SECONDS = 2.0
"""Shortest time between two looks at the store; a large one, slow to read, is looked at less often."""
MODEL_WIDTH = 30
"""Columns that the widest model is given in every table."""
READING_SHARE = 0.1
"""Share of the time that watching may spend on reading."""


def show_status(
    folder: Path,
    watch: bool,
    everything: bool = False,
    only: Sequence[str] = (),
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Prints how many runs and cohorts are done, running, failed and waiting. Reads plans, results and claims alone.

    Args:
        folder: of the store.
        watch: keep showing until nothing waits.
        everything: list every cohort.
        only: list the cohorts of these states, all of them.
        sleep: waits for some seconds.

    Raises:
        RequestError: the folder is no store, or there is no such state.
    """
    check_states(only)
    console = output()

    def shown(tables: Tables) -> RenderableType:
        return render(folder, tables, everything, only)

    if watch and console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            _follow(folder, lambda tables: live.update(shown(tables), refresh=True), sleep)
    elif watch:
        _follow(folder, lambda tables: console.say(_watch_line(folder, tables)), sleep)
    else:
        console.print(shown(load(folder)))


def _follow(folder: Path, show: Callable[[Tables], None], sleep: Callable[[float], None]) -> None:
    """Shows a store again and again, until nothing waits."""
    while True:
        started = time.monotonic()
        tables = load(folder)
        show(tables)
        if not len(tables.missing):
            return
        sleep(max(WATCH_SECONDS, (time.monotonic() - started) / READING_SHARE))


def _counts_line(counts: pd.DataFrame, cohorts: Sequence[Cohort]) -> str:
    done, failed, waiting = (int(sum(counts[state])) for state in STATES)
    total = plural(done + failed + waiting, "run")
    line = f"{total}: {done:,} done, {failed:,} failed, {waiting:,} waiting"
    finished = sum(cohort.finished for cohort in cohorts)
    return (
        f"{line} ({finished:,} of them finished, to be stored with the rest of their cohort)"
        if finished
        else line
    )


def _watch_line(folder: Path, tables: Tables) -> str:
    cohorts = cohorts_of(Store.open(folder), tables)
    return f"{_counts_line(summarise(tables, by_rules=False), cohorts)}; {cohorts_line(cohorts)}"


def render(
    folder: Path, tables: Tables, everything: bool = False, only: Sequence[str] = ()
) -> RenderableType:
    """The status of a store for a terminal: sums first, then what runs, failed or is asked for, then all by model.

    Args:
        folder: of the store.
        tables: its content.
        everything: list every cohort.
        only: list the cohorts of these states, all of them.
    """
    cohorts = cohorts_of(Store.open(folder), tables)
    counts = summarise(tables, by_rules=False)
    done, failed, waiting = (int(sum(counts[state])) for state in STATES)
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(total=max(1, done + failed + waiting), completed=done + failed, width=30),
        Text(_counts_line(counts, cohorts)),
    )
    bar.add_row("", Text(cohorts_line(cohorts)))
    parts: list[RenderableType] = [Text(one_line(folder), style="bold"), bar]
    states = only or (COHORT_STATES if everything else ("running", "failed"))
    if listed := cohorts_table(cohorts, states, everything or bool(only)):
        parts.append(listed)
    if len(counts):
        parts += _by_model(counts)  # last: the terminal's height may end it while it is watched
    return Group(*parts, *failure_lines(tables), *store_notes(tables))


def _by_model(counts: pd.DataFrame) -> list[RenderableType]:
    """Counts by model, under their settings as headings: a long setting wraps and takes no room from the numbers."""
    of_settings: dict[str, list[list[str]]] = {}
    for row in counts.to_dict("records"):
        numbers = (f"{row[state]:,}" if row[state] else "-" for state in STATES)
        cells = [MODEL_TITLES.get(row["model"], row["model"]), *numbers]
        of_settings.setdefault(row_setting(row), []).append(cells)
    columns = list(zip(*(cells for rows in of_settings.values() for cells in rows), strict=True))
    widest = [max(map(len, column)) for column in columns]
    parts: list[RenderableType] = []
    for setting, rows in of_settings.items():
        table = Table(box=box.SIMPLE_HEAD, show_header=not parts)
        table.add_column("model", min_width=min(widest[0], MODEL_WIDTH), overflow="fold")
        for state, width in zip(STATES, widest[1:], strict=True):
            table.add_column(state, justify="right", no_wrap=True, min_width=max(width, len(state)))
        for cells in rows:
            table.add_row(*map(Text, cells))
        parts += [Text(setting, style="bold"), table]
    return parts


def store_notes(tables: Tables) -> list[Text]:
    """Lines on what a store holds that counts for nothing: damaged files, unknown routers, older versions."""
    notes = [
        Text(
            one_line(f"damaged: {damage.file}; modbench run sets it aside and trains its runs again"),
            "yellow",
        )
        for damage in tables.damaged
    ]
    strange = {cohort_id for ids in tables.unknown_routers.values() for cohort_id in ids}
    if strange:
        routers = ", ".join(tables.unknown_routers)
        notes.append(
            Text(
                f"left out: {plural(len(strange), 'cohort')} with {routers}, which only the Python process that "
                "registers it knows: register it there, then mb.load and mb.run read and continue this store",
                style="yellow",
            )
        )
    if retired := len(set(tables.retired) - strange):
        text = f"left out: {plural(retired, 'cohort')} of another version of the benchmark"
        notes.append(Text(text, style="yellow"))
    return notes
