"""How many runs of a cohort train side by side in one program.

The rule looks at shapes alone. It must not time anything: losses at different widths drift apart, training
being chaotic, so a measured choice would give equal specifications unequal results.
"""

from collections.abc import Sequence
from math import ceil

from modbench.core.spec import RunSpec
from modbench.models.sizing import num_parameters

WIDEST = 13
"""Most runs side by side: 25 runs, the paper's setting, then make two groups."""

GROUP_WORK = 50_000_000
"""Parameters x samples (or tokens) of one step of a whole group, at most. Up to about here a step is so short
that its fixed costs are worth sharing; beyond, a core gains nothing from stacking and its caches lose."""


def tokens_per_step(spec: RunSpec) -> int:
    """Samples (MLP), tokens (MHA) or time steps (RNN) that one optimiser step sees."""
    return spec.train.batch_size * spec.length


def choose_width(specs: Sequence[RunSpec]) -> int:
    """Chooses the width of a cohort's groups.

    The cap falls from `WIDEST` for small models to 1 for large ones; below it the runs are spread evenly, so
    that the last group is padded as little as possible: 9 runs under a cap of 8 train as 5 + 4.

    Measured on CPU, milliseconds per step and run at width 1, 5, 13 and 25: MLP with 8 rules and E = 32 0.69,
    0.74, 0.80, 0.84.

    Args:
        specs: the cohort's runs, which share their static parts; at least one.

    Returns:
        Runs in a group, from 1 to `WIDEST` and at most `len(specs)`.
    """
    work = num_parameters(specs[0]) * tokens_per_step(specs[0])
    cap = min(WIDEST, max(1, GROUP_WORK // work))
    return ceil(len(specs) / ceil(len(specs) / cap))
