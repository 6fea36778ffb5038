"""`modbench compare`: what two stores differ in."""

import math
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from modbench.cli.console import output
from modbench.cli.status import store_notes
from modbench.core.errors import RequestError
from modbench.store.compare import Comparison, compare
from modbench.store.table import load
from modbench.sweep.describe import plural

MOST_IDS = 5
"""Run ids that are listed; the others are only counted."""


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
    for line in _lines(comparison):
        console.say(line)
    if comparison.numbers:
        console.print(_numbers(comparison))
    exactly = f"within {tolerance:g} of max(1, |x|, |y|)" if tolerance else "exactly"
    verdict = f"equal, {exactly}" if comparison.equal else "different"
    console.print(Text(verdict, style="green" if comparison.equal else "red"))
    return comparison.equal


def _lines(comparison: Comparison) -> list[str]:
    equal = len(comparison.common) - len(comparison.differing)
    lines = [f"stored in both: {plural(len(comparison.common), 'run')}, {equal:,} of them with equal numbers"]
    for what, (only_a, only_b) in (("stored", comparison.only), ("planned", comparison.planned_only)):
        for name, run_ids in (("A", only_a), ("B", only_b)):
            if run_ids:
                lines.append(f"{what} in {name} only: {_listed(run_ids)}")
    if comparison.statuses:
        lines.append(f"done in one, failed in the other: {_listed(comparison.statuses)}")
    if comparison.regrouped:
        lines.append(
            f"in another cohort or of another width, which does not count as a difference: "
            f"{_listed(comparison.regrouped)}"
        )
    if comparison.env:
        lines.append(f"of the machine, not counted: {', '.join(comparison.env)}")
    return lines


def _listed(run_ids: Sequence[str]) -> str:
    more = ", …" if len(run_ids) > MOST_IDS else ""
    return f"{plural(len(run_ids), 'run')}: {', '.join(run_ids[:MOST_IDS])}{more}"


def _numbers(comparison: Comparison) -> Table:
    table = Table(title="numbers that differ", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("quantity", no_wrap=True)
    table.add_column("runs", justify="right")
    table.add_column("largest difference", justify="right")
    table.add_column("in run", no_wrap=True)
    for difference in comparison.numbers:
        largest = f"{difference.largest:.3g}" if math.isfinite(difference.largest) else "a number in one only"
        table.add_row(difference.quantity, f"{difference.runs:,}", largest, difference.run_id)
    return table
