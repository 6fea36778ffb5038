"""`modbench merge`: several stores into one."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from modbench.analysis.differences import kept_apart, runs_of
from modbench.cli.console import complain, output
from modbench.cli.naming import field_in_words
from modbench.cli.running import set_aside_line
from modbench.store.merge import merge_stores
from modbench.store.table import load
from modbench.sweep.describe import plural


def merge_and_show(sources: Sequence[Path], target: Path) -> None:
    """Merges stores and says what was copied, and what counts once.

    Args:
        sources: folders of stores.
        target: folder of the store to merge into; made where there is none.

    Raises:
        RequestError: a source cannot be merged, or the target cannot be a store; nothing has been written.
        MachineError: something cannot be read or written.
    """
    merged = merge_stores(sources, target)
    for damage in merged.damages:
        complain(set_aside_line(damage), style="yellow")
    console = output()
    present = f", {merged.present:,} there already" if merged.present else ""
    console.say(f"{plural(merged.copied, 'cohort')} copied{present}, {plural(merged.planned, 'plan')} copied")
    repeated = f"; {merged.repeated:,} of them stored more than once and counted once"
    console.say(f"{plural(merged.runs, 'run')} in {target}{repeated if merged.repeated else ''}")
    for line in _apart(sources, target):
        console.say(Text(line, "yellow"))
    console.say(f"next: modbench status {shlex.quote(str(target))}")


def _apart(sources: Sequence[Path], target: Path) -> list[str]:
    """A line for each task whose runs differ between stores in a field, so that no average runs over all of them."""
    stores = {str(folder): runs_of(load(folder, snapshots=False)) for folder in (*sources, target)}
    others = {run_id for source in sources for run_id in stores[str(source)].index}
    stores[str(target)] = stores[str(target)].drop(index=list(others), errors="ignore")  # what it had before
    fields: dict[str, list[str]] = {}
    for (family, field), values in kept_apart(stores).items():
        fields.setdefault(family, []).append(field_in_words(field, values))
    return [
        f"{family}: the runs differ in {'; '.join(words)} and are not averaged together"
        for family, words in fields.items()
    ]
