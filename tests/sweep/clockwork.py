"""Two equal cohorts whose events are played to a sweep's progress, on a clock that passes when it is told to."""

from small_sweeps import sweep

from modbench.store.plan import PlannedCohort
from modbench.sweep.events import Advanced, Event, Started
from modbench.sweep.plan import make_plan
from modbench.sweep.progress import SweepProgress


class Clock:
    """Time that passes when told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def two_equal_cohorts() -> list[PlannedCohort]:
    """Two cohorts of 3 runs in one group each, of nearly the same cost, that are evaluated on 86 examples."""
    evaluation = {
        "performance_batches": 1,
        "performance_batch_size": 1,
        "activation_samples": 40,
        "adaptation_distributions": 1,
        "adaptation_samples": 1,
    }
    fields = {f"evaluation__{name}": value for name, value in evaluation.items()}
    runs = sweep(["modular"], [2], train__batch_size=[8, 9], steps=100, **fields).runs
    return list(make_plan(runs).pending)


def started(workers: int = 1) -> tuple[SweepProgress, Clock, list[PlannedCohort]]:
    clock, cohorts = Clock(), two_equal_cohorts()
    return SweepProgress(cohorts, total=10, recorded=4, workers=workers, clock=clock), clock, cohorts


def play(progress: SweepProgress, clock: Clock, *timed: tuple[float, Event]) -> None:
    for seconds, event in timed:
        clock.now += seconds
        progress.apply(event)


def compiling(cohort):
    """The events of a worker that takes up a cohort and compiles its program."""
    return (
        (0, Started(0, cohort.cohort_id)),
        (0, Advanced(0, cohort.cohort_id, 0, "compile", 0, 100, None)),
    )
