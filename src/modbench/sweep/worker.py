"""Trains one cohort at a time and publishes it; everything that needs JAX is imported here, when it trains."""

import gc
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from modbench.core.errors import MachineError
from modbench.core.spec import RunSpec
from modbench.store.files import Store
from modbench.store.plan import PlannedCohort
from modbench.sweep.environment import describe_machine, peak_memory_mb
from modbench.sweep.events import Advanced, CohortFailed, Event, Published, Started
from modbench.sweep.rows import cohort_record

if TYPE_CHECKING:
    from modbench.evaluation.result import RunResult

Report = Callable[[Any], None]
GroupTrainer = Callable[[Sequence[RunSpec], int, Report, Callable[[], bool]], "list[RunResult] | None"]
"""Trains a group of runs at a width, reports its progress, and returns None when it was told to stop."""

REPORT_EVERY = 0.2
"""Seconds between two reports of one phase; a display shows no more."""


def train_group(
    specs: Sequence[RunSpec], width: int, report: Report, should_stop: Callable[[], bool]
) -> "list[RunResult] | None":
    """The real `GroupTrainer`; its first call imports JAX."""
    from modbench.evaluation.group import Stopped, run_group

    try:
        return run_group(specs, width, report, should_stop)
    except Stopped:
        return None


class Trainer:
    """A worker's hands: trains the cohorts that it is given, one after the other.

    Args:
        worker: index of the worker, for its events.
        store: where results go.
        emit: takes the events.
        should_stop: asked between chunks of training.
        group: trains a group.
    """

    def __init__(
        self,
        worker: int,
        store: Store,
        emit: Callable[[Event], None],
        should_stop: Callable[[], bool],
        group: GroupTrainer = train_group,
    ):
        self.worker = worker
        self.store = store
        self.emit = emit
        self.should_stop = should_stop
        self.group = group

    def train(self, cohort: PlannedCohort) -> None:
        """Trains a cohort and publishes it.

        The last event is `Published` or `CohortFailed`; there is none of them when it was told to stop, and
        the cohort then stays as planned. Nothing is raised, so one cohort's trouble spares the others.
        """
        self.emit(Started(self.worker, cohort.cohort_id))
        try:
            results, environments = [], []
            for index, start in enumerate(range(0, len(cohort.runs), cohort.width)):
                specs = cohort.runs[start : start + cohort.width]
                started = datetime.now(UTC).isoformat(timespec="seconds")
                if self.should_stop():
                    return
                trained = self.group(specs, cohort.width, self._reporter(cohort, index), self.should_stop)
                if trained is None:
                    return
                results += trained
                environment = {"env_started": started, "env_peak_memory_mb": peak_memory_mb()}
                environments += [environment | describe_machine()] * len(trained)
            record = cohort_record(cohort.cohort_id, cohort.width, results, environments)
            self.store.publish(cohort.cohort_id, record)
        except MachineError as error:
            self.emit(CohortFailed(self.worker, cohort.cohort_id, str(error), fatal=True))
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            self.emit(CohortFailed(self.worker, cohort.cohort_id, reason, traceback.format_exc()))
        else:
            failed = sum(result.status == "failed" for result in results)
            self.emit(Published(self.worker, cohort.cohort_id, len(results) - failed, failed))
        finally:
            _forget_programs()

    def _reporter(self, cohort: PlannedCohort, group: int) -> Report:
        last_phase, last_time = "", 0.0

        def report(progress: Any) -> None:
            nonlocal last_phase, last_time
            now = time.monotonic()
            last_step = progress.step >= progress.steps
            if progress.phase == last_phase and now - last_time < REPORT_EVERY and not last_step:
                return
            last_phase, last_time = progress.phase, now
            self.emit(
                Advanced(
                    self.worker,
                    cohort.cohort_id,
                    group,
                    progress.phase,
                    progress.step,
                    progress.steps,
                    progress.loss,
                )
            )

        return report


def _forget_programs() -> None:
    """Drops compiled programs and what refers to them: the next cohort has its own, and memory is finite."""
    if jax := sys.modules.get("jax"):
        jax.clear_caches()
    gc.collect()
