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
from modbench.store.plan import MOST_WIDTH
from modbench.sweep.footprint import group_bytes, widest
from modbench.sweep.memory import ANYWHERE, Place

WIDEST = 13
"""Most runs side by side on a core: 25 runs, the paper's setting, then make two groups."""

WIDEST_ON_ACCELERATOR = MOST_WIDTH
"""Most runs side by side on an accelerator, where a step of a few runs is mostly the starting of its kernels."""

GROUP_WORK = 50_000_000
"""Parameters x samples (or tokens) of one step of a whole group, at most, on a core.

Measured on one core, milliseconds per step and run of a modular MLP: with E = 8 and 64 samples a batch 0.038 at
width 1, 0.028 at 13; with E = 32, 8 rules and 256 samples 0.69 at width 1, 0.71 at 3, 0.74 at 5, 0.80 at 13.
Sharing a step's fixed costs pays for tiny models alone; beyond, a core's caches lose more than that.
"""


def tokens_per_step(spec: RunSpec) -> int:
    """Samples (MLP), tokens (MHA) or time steps (RNN) that one optimiser step sees."""
    return spec.train.batch_size * spec.length


def choose_width(specs: Sequence[RunSpec], place: Place = ANYWHERE) -> int:
    """Chooses the width of a cohort's groups.

    On a core the cap falls from `WIDEST` for small models to 1 for large ones; on an accelerator memory alone sets
    one, up to `WIDEST_ON_ACCELERATOR`. Of the widths from half the cap up to it the
    one that pads the last group least is taken, the widest of equals: under a cap of 5, 9 runs train as 3 x 3
    and 25 as 5 x 5.

    Args:
        specs: the cohort's runs, which share their static parts; at least one.
        place: where the group will train.

    Returns:
        Runs in a group, at most `len(specs)`; 1 also where not even one run fits.
    """
    if place.accelerator:
        cap = WIDEST_ON_ACCELERATOR
    else:
        work = num_parameters(specs[0]) * tokens_per_step(specs[0])
        cap = min(WIDEST, max(1, GROUP_WORK // work))
    width = _least_padding(len(specs), cap)
    if place.memory is None or group_bytes(specs[0], width) <= place.memory:
        return width
    return _least_padding(len(specs), min(cap, widest(specs[0], place.memory)))


def _least_padding(runs: int, cap: int) -> int:
    widths = range(ceil(min(cap, runs) / 2), min(cap, runs) + 1)
    return min(reversed(widths), key=lambda width: ceil(runs / width) * width)
