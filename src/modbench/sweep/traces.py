"""Training losses as small charts: one for each model, of the group of runs that was begun last."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite, log

LENGTH = 24
"""Places of a chart; the whole of a training fills it."""
BARS = "▁▂▃▄▅▆▇█"


@dataclass
class Trace:
    """The loss along one group's training.

    Attributes:
        cohort_id: of its cohort.
        group: index of the group within the cohort.
        what: their setting in words, such as `"MLP regression R=8 E=32"`.
        last: the latest loss.
        losses: the last loss within each of up to `LENGTH` equal parts of training; None where none was told.
    """

    cohort_id: str
    group: int
    what: str
    last: float
    losses: list[float | None] = field(default_factory=list)

    def add(self, step: int, steps: int, loss: float) -> None:
        """Notes the loss after some of the group's steps."""
        place = min(LENGTH - 1, LENGTH * step // max(1, steps))
        self.losses += [None] * (place + 1 - len(self.losses))
        self.losses[place] = self.last = loss


def sparkline(losses: Sequence[float | None]) -> str:
    """A row of bars, the lowest value at the bottom; on a logarithmic scale where all are positive.

    Args:
        losses: along training; what is None repeats the value before it, and what is not finite is left blank.
    """
    filled: list[float | None] = []
    for loss in losses:
        filled.append(loss if loss is not None or not filled else filled[-1])
    finite = [loss for loss in filled if loss is not None and isfinite(loss)]
    if not finite:
        return " " * len(filled)
    scale = log if min(finite) > 0 else float
    low, high = scale(min(finite)), scale(max(finite))
    shown = []
    for loss in filled:
        if loss is None or not isfinite(loss):
            shown.append(" ")
        else:
            share = (scale(loss) - low) / (high - low) if high > low else 0.0
            shown.append(BARS[round(share * (len(BARS) - 1))])
    return "".join(shown)
