"""`modbench compare`: what two stores differ in."""

import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from modbench.analysis.differences import differing_fields, runs_of
from modbench.cli.console import output
from modbench.cli.naming import field_in_words, listed, runs_in_words
from modbench.cli.status import store_notes
from modbench.core.errors import RequestError
from modbench.store.compare import Comparison, compare
from modbench.store.table import load
from modbench.sweep.describe import plural


def show_comparison(first: Path, second: Path, tolerance: float) -> bool:
    """Prints what two stores differ in.

    Args:
        first: folder of store A.
        second: folder of store B.
        tolerance: see `compare`.

    Returns:
        Whether they are equal.

    Raises:
        RequestError: a folder is no store, or the tolerance is no number of 0 or more.
    """
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise RequestError(f"tolerance: must be a number of 0 or more, got {tolerance}")
    stores = {"A": load(first), "B": load(second)}
    comparison = compare(stores["A"], stores["B"], tolerance)
    console = output()
    for name, folder in (("A", first), ("B", second)):
        console.say(f"{name}: {folder}")
        for note in store_notes(stores[name]):
            console.say(note)
    runs = {name: runs_of(tables) for name, tables in stores.items()}
    for line in _lines(comparison, runs):
        console.say(line)
    if comparison.numbers:
        console.print(_numbers(comparison, runs["A"]))
    exactly = f"within {tolerance:g} of max(1, |x|, |y|)" if tolerance else "exactly"
    verdict = f"equal, {exactly}" if comparison.equal else "different"
    console.print(Text(verdict, style="green" if comparison.equal else "red"))
    return comparison.equal


def _lines(comparison: Comparison, runs: Mapping[str, pd.DataFrame]) -> list[str]:
    equal = len(comparison.common) - len(comparison.differing)
    lines = [f"stored in both: {plural(len(comparison.common), 'run')}, {equal:,} of them with equal numbers"]
    for what, (only_a, only_b) in (("stored", comparison.only), ("planned", comparison.planned_only)):
        for name, run_ids in (("A", only_a), ("B", only_b)):
            if run_ids:
                lines.append(f"{what} in {name} only: {listed(run_ids, runs[name])}")
    apart = {name: runs[name].loc[only] for name, only in zip("AB", comparison.planned_only, strict=True)}
    if all(len(part) for part in apart.values()):
        fields = [field_in_words(*field) for field in differing_fields(apart).items()]
        if fields:
            lines.append(f"the runs of one only differ in: {'; '.join(fields)}")
    if comparison.statuses:
        lines.append(f"done in one, failed in the other: {listed(comparison.statuses, runs['A'])}")
    if comparison.regrouped:
        lines.append(
            f"in another cohort or of another width, which does not count as a difference: "
            f"{listed(comparison.regrouped, runs['A'])}"
        )
    if comparison.env:
        lines.append(f"of the machine, not counted: {', '.join(comparison.env)}")
    return lines


def _numbers(comparison: Comparison, runs: pd.DataFrame) -> Table:
    table = Table(title="numbers that differ", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("quantity", no_wrap=True)
    table.add_column("runs", justify="right")
    table.add_column("largest difference", justify="right")
    table.add_column("in run", no_wrap=True)
    table.add_column("which is", overflow="fold")
    for difference in comparison.numbers:
        which = runs_in_words(runs.loc[[difference.run_id]])
        largest = f"{difference.largest:.3g}" if math.isfinite(difference.largest) else "a number in one only"
        table.add_row(difference.quantity, f"{difference.runs:,}", largest, difference.run_id, which)
    return table
