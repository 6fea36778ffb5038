"""How long a unit of work takes, from what was seen: of the like, else of its architecture, else of any."""

from collections.abc import Mapping

from modbench.core.spec import RunSpec

ENOUGH_SECONDS = 0.5
"""Time to have been seen before a kind of work is known."""
TRAINING = {"mlp": 1.0, "mha": 3.5, "rnn": 3.0}
EVALUATION = {"mlp": 1.0, "mha": 24.0, "rnn": 9.0}
"""Seconds per operation of training, and per run evaluated, relative to the MLP's: averages over the runs of
`studies/small`, on CPU cores. They are looked at for an architecture of which nothing was seen yet."""


class Pace:
    """Seconds per unit of work of runs.

    Args:
        relative: architecture -> what a unit takes beside those of others.
    """

    def __init__(self, relative: Mapping[str, float]) -> None:
        self._relative = relative
        self._seconds: dict[tuple, float] = {}
        self._work: dict[tuple, float] = {}

    def note(self, spec: RunSpec, seconds: float = 0.0, work: float = 0.0) -> None:
        """Takes in time that passed, or work that was done, or both."""
        for level in self._levels(spec):
            weight = 1.0 if level else self._relative[spec.task.architecture]
            self._seconds[level] = self._seconds.get(level, 0.0) + seconds
            self._work[level] = self._work.get(level, 0.0) + work * weight

    def of(self, spec: RunSpec) -> float:
        """Expected seconds per unit of a run's work; 0 before anything was seen."""
        for level in self._levels(spec):
            seconds, work = self._seconds.get(level, 0.0), self._work.get(level, 0.0)
            if work and (seconds >= ENOUGH_SECONDS or not level):
                return seconds / work * (1.0 if level else self._relative[spec.task.architecture])
        return 0.0

    def _levels(self, spec: RunSpec) -> list[tuple]:
        """From what is most like a run to everything."""
        task, model = spec.task, spec.model
        return [
            (task.architecture, model.name, task.num_rules, model.encoder_width),
            (task.architecture, model.name, model.encoder_width),
            (task.architecture, model.encoder_width),
            (task.architecture,),
            (),
        ]
