"""How many runs of a cohort train side by side in one program.

The rule looks at shapes. It must not time anything: losses at different widths drift apart, training being
chaotic, so a measured choice would give equal specifications unequal results. Memory may lower a width that would not
fit, and changes no other; what counts is how much a worker has, not how much happens to be free, so equal machines
choose alike.
"""

from collections.abc import Sequence
from math import ceil

from modbench.core.spec import RunSpec
from modbench.models.sizing import num_parameters
from modbench.sweep.footprint import group_bytes, widest

WIDEST = 13
"""Most runs side by side: 25 runs, the paper's setting, then make two groups."""

GROUP_WORK = 50_000_000
"""Parameters x samples (or tokens) of one step of a whole group, at most.

Measured on one core, milliseconds per step and run of a modular MLP: with E = 8 and 64 samples a batch 0.038 at
width 1, 0.028 at 13; with E = 32, 8 rules and 256 samples 0.69 at width 1, 0.71 at 3, 0.74 at 5, 0.80 at 13.
Sharing a step's fixed costs pays for tiny models alone; beyond, a core's caches lose more than that.
"""


def tokens_per_step(spec: RunSpec) -> int:
    """Samples (MLP), tokens (MHA) or time steps (RNN) that one optimiser step sees."""
    return spec.train.batch_size * spec.length


def choose_width(specs: Sequence[RunSpec], memory: float | None = None) -> int:
    """Chooses the width of a cohort's groups.

    The cap falls from `WIDEST` for small models to 1 for large ones. Of the widths from half the cap up to it the
    one that pads the last group least is taken, the widest of equals: under a cap of 5, 9 runs train as 3 x 3
    and 25 as 5 x 5.

    Args:
        specs: the cohort's runs, which share their static parts; at least one.
        memory: bytes that a worker may fill, see `modbench.sweep.memory`; None sets no bound.

    Returns:
        Runs in a group, from 1 to `WIDEST` and at most `len(specs)`; 1 also where not even one run fits.
    """
    work = num_parameters(specs[0]) * tokens_per_step(specs[0])
    cap = min(WIDEST, max(1, GROUP_WORK // work))
    width = _least_padding(len(specs), cap)
    if memory is None or group_bytes(specs[0], width) <= memory:
        return width
    return _least_padding(len(specs), min(cap, widest(specs[0], memory)))


def _least_padding(runs: int, cap: int) -> int:
    widths = range(ceil(min(cap, runs) / 2), min(cap, runs) + 1)
    return min(reversed(widths), key=lambda width: ceil(runs / width) * width)
