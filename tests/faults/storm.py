"""Faults at random, one after the other, until their number is reached; what was lost is counted.

From the repository's root::

    make faults                                              # 200 of all kinds
    PYTHONPATH=tests python -m faults.storm --count 20 --seed 7 --only "fill disk"
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from faults.injections import DISK_FAULTS, FAULTS, RAY_FAULTS, remove_disk, small_disk
from faults.trial import Trial, uninterrupted

MOST_IN_A_TRIAL = 10
"""Faults that one store has to bear before its sweep is finished in peace."""


class Tally(NamedTuple):
    """What came of a storm.

    Attributes:
        injected: number of faults of each kind.
        stores: number of sweeps that were finished and held against the uninterrupted one.
        troubles: what was lost, twice, different or unclear; empty is the target.
    """

    injected: Counter[str]
    stores: int
    troubles: list[str]


def storm(
    folder: Path,
    count: int,
    seed: int,
    only: Sequence[str] = (),
    tell: Callable[[str], None] = lambda line: None,
) -> Tally:
    """Injects faults into sweeps.

    Args:
        folder: for the stores; must exist.
        count: number of faults.
        seed: of kinds, moments and places. The moments depend on the machine's speed too.
        only: kinds of faults; none is all that this machine permits.
        tell: is told what happens.
    """
    draw = random.Random(seed)
    reference = uninterrupted(folder / "reference")
    disk = small_disk(folder / "disk")
    kinds = {**FAULTS, **RAY_FAULTS, **(DISK_FAULTS if disk else {})}
    names = [name for name in kinds if not only or name in only]
    injected: Counter[str] = Counter()
    troubles: list[str] = []
    stores = 0
    try:
        while sum(injected.values()) < count:
            home = folder / "disk" if disk else folder
            trial = Trial(home / f"trial{stores}", draw)
            for _ in range(MOST_IN_A_TRIAL):
                # Every kind is due once before one is due again.
                rarest = min(injected[name] for name in names)
                name = draw.choice([name for name in names if injected[name] == rarest])
                before = trial.intact()
                what = kinds[name](trial)
                trial.end_drivers()
                injected[name] += what is not None
                lost = before - trial.intact()
                if lost and name != "damage files":
                    trial.troubles.append(f"lost by {name!r}: {sorted(lost)}")
                what = what or "came too late or too early, not counted"
                tell(f"{sum(injected.values()):4d} {name}: {what}; {len(trial.intact())} of 9 cohorts intact")
                if trial.is_complete() or sum(injected.values()) >= count:
                    break
            trial.finish(reference)
            for trouble in trial.troubles:
                tell(f"TROUBLE {trouble}")
            troubles += trial.troubles
            stores += 1
            shutil.rmtree(trial.folder)
    finally:
        if disk:
            remove_disk(folder / "disk")
    return Tally(injected, stores, troubles)


def main() -> int:
    """Reads the command line, injects, reports; 0 when nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", choices=[*FAULTS, *RAY_FAULTS, *DISK_FAULTS], default=[])
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="modbench faults ") as folder:
        tally = storm(
            Path(folder), options.count, options.seed, options.only, lambda line: print(line, flush=True)
        )
    seconds = time.monotonic() - started
    kinds = ", ".join(f"{count} {name}" for name, count in sorted(tally.injected.items()))
    print(f"{sum(tally.injected.values())} faults in {tally.stores} sweeps ({kinds}), {seconds:.0f} s")
    if not options.only and not set(DISK_FAULTS) & set(tally.injected):
        print("no disk was filled: that needs the right to mount one")
    if not RAY_FAULTS:
        print("no node was removed: Ray is not installed")
    print(f"lost, twice, different or unclear: {len(tally.troubles) or 'nothing'}")
    return 1 if tally.troubles else 0


if __name__ == "__main__":
    sys.exit(main())
