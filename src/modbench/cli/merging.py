"""`modbench merge`: several stores into one."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from modbench.cli.console import complain, output
from modbench.cli.running import set_aside_line
from modbench.store.merge import merge_stores
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
    console.say(f"next: modbench status {shlex.quote(str(target))}")
