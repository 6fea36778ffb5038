"""How long a unit of work takes, from what was seen: of the like most of all, of the rest where little was."""

from collections import defaultdict
from collections.abc import Sequence

from modbench.core.spec import RunSpec

DOUBT_SECONDS = 60.0
"""Time that has to be seen of a kind of runs until it counts as much as what is expected of it."""

Levels = tuple[tuple, ...]


def levels(spec: RunSpec) -> Levels:
    """Kinds of runs that a run belongs to, from everything to what is most like it."""
    task, model = spec.task, spec.model
    width = (task.architecture, model.encoder_width)
    return (
        (),
        (task.architecture,),
        width,
        (*width, model.name),
        (*width, model.name, task.num_rules),
    )


class Pace:
    """Seconds per unit of work.

    Every kind corrects the pace of the wider kind above it: seconds / work, as if `DOUBT_SECONDS` of it had been seen
    at that one's pace.
    """

    def __init__(self) -> None:
        self._seconds: defaultdict[tuple, float] = defaultdict(float)
        self._work: defaultdict[tuple, float] = defaultdict(float)

    def note(self, kinds: Sequence[tuple], seconds: float = 0.0, work: float = 0.0) -> None:
        """Takes in time that passed, or work that was done, or both.

        Args:
            kinds: see `levels`.
            seconds: that passed.
            work: in units that should take about the same time, whatever the run.
        """
        for kind in kinds:
            self._seconds[kind] += seconds
            self._work[kind] += work

    def of(self, kinds: Sequence[tuple]) -> float:
        """Expected seconds per unit of work; 0 before anything was seen."""
        everything, *narrower = kinds
        if not self._work.get(everything) or not self._seconds[everything]:
            return 0.0
        pace = self._seconds[everything] / self._work[everything]
        for kind in narrower:
            if kind not in self._work:
                break
            pace = (self._seconds[kind] + DOUBT_SECONDS) / (self._work[kind] + DOUBT_SECONDS / pace)
        return pace
