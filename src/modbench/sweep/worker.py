"""Trains one cohort at a time and publishes it; everything that needs JAX is imported here, when it trains."""

import functools
import gc
import math
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from modbench.core.errors import MachineError, RequestError
from modbench.core.spec import RunSpec
from modbench.models.sizing import num_parameters
from modbench.store.claims import Claim, Claims
from modbench.store.files import Store
from modbench.store.plan import PlannedCohort
from modbench.store.record import CohortRecord
from modbench.store.schema import NO_ROOM
from modbench.sweep.environment import describe_machine, peak_memory_mb, users_settings
from modbench.sweep.events import (
    Advanced,
    CohortFailed,
    Elsewhere,
    Event,
    Narrowed,
    Noted,
    Published,
    Resumed,
    Started,
)
from modbench.sweep.keeping import CohortKeeper, Keeping, joined
from modbench.sweep.memory import is_out_of_memory
from modbench.sweep.rows import cohort_record

if TYPE_CHECKING:
    from modbench.evaluation.result import RunResult
    from modbench.training.snapshot import Keeper

Report = Callable[[Any], None]
GroupTrainer = Callable[
    [Sequence[RunSpec], int, Report, Callable[[], bool], "Keeper"], "list[RunResult] | None"
]
"""Trains a group of runs at a width, reports its progress, and returns None when it was told to stop."""


class _NoRoom(NamedTuple):
    """A group did not fit into memory."""

    reason: str


REPORT_EVERY = 0.2
"""Seconds between two reports of one phase; a display shows no more."""


def train_group(
    specs: Sequence[RunSpec], width: int, report: Report, should_stop: Callable[[], bool], keeper: "Keeper"
) -> "list[RunResult] | None":
    """The real `GroupTrainer`; its first call imports JAX."""
    from modbench.evaluation.group import Stopped, run_group

    try:
        return run_group(specs, width, report, should_stop, keeper)
    except Stopped:
        return None


class Trainer:
    """A worker's hands: trains the cohorts that it is given, one after the other.

    Args:
        worker: index of the worker, for its events.
        store: where results go.
        emit: takes the events.
        should_stop: asked between chunks of training.
        keeping: what is kept besides results.
        group: trains a group.
        share: bytes of memory that the worker may count as its own; None if unknown.
    """

    def __init__(
        self,
        worker: int,
        store: Store,
        emit: Callable[[Event], None],
        should_stop: Callable[[], bool],
        keeping: Keeping,
        group: GroupTrainer = train_group,
        share: int | None = None,
    ):
        self.worker = worker
        self.store = store
        self.emit = emit
        self.should_stop = should_stop
        self.keeping = keeping
        self.group = group
        self.share = share

    def train(self, cohort: PlannedCohort, width: int | None = None) -> None:
        """Trains a cohort and publishes it, unless another command is at it or has just done so.

        What an earlier command left of it is used: the results of finished groups, and the state of the one that was
        training. A group that does not fit into memory starts again at half the width, which the cohort then keeps;
        at a width of 1 it starts again once, and if that is in vain its run is recorded as failed.

        Args:
            cohort: what to train.
            width: runs in a group, if memory is known not to last for the planned width.

        The last event is `Published`, `CohortFailed` or `Elsewhere`; there is none of them when it was told to
        stop, and the cohort then stays as planned. Nothing is raised, so one cohort's trouble spares the others.
        """
        claim = Claims(self.store.folder).take(cohort.cohort_id)
        if claim is None:
            self.emit(Elsewhere(self.worker, cohort.cohort_id))
            return
        with claim:
            self._train(cohort, width, claim)

    def _train(self, cohort: PlannedCohort, width: int | None, claim: Claim) -> None:
        try:
            if self.store.is_published(cohort.cohort_id):
                self.emit(Elsewhere(self.worker, cohort.cohort_id))
                return
        except MachineError as error:
            self.emit(CohortFailed(self.worker, cohort.cohort_id, str(error), fatal=True))
            return
        self.emit(Started(self.worker, cohort.cohort_id, width))

        def note(text: str) -> None:
            self.emit(Noted(self.worker, cohort.cohort_id, text))

        keeper = CohortKeeper(self.store, cohort, claim, self.keeping, note)
        try:
            records = self._groups(cohort, width or cohort.width, claim, keeper)
            if records is None:
                return
            record = joined(records)
            self.store.publish(cohort.cohort_id, record)
            keeper.end()
        except MachineError as error:
            self.emit(CohortFailed(self.worker, cohort.cohort_id, str(error), fatal=True))
        except RequestError as error:  # one line for the user, who needs no traceback of ours
            self.emit(CohortFailed(self.worker, cohort.cohort_id, str(error)))
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            self.emit(CohortFailed(self.worker, cohort.cohort_id, reason, traceback.format_exc()))
        else:
            reasons = [row["reason"] for row in record.runs if row["status"] == "failed"]
            done = len(record.runs) - len(reasons)
            self.emit(Published(self.worker, cohort.cohort_id, done, len(reasons), next(iter(reasons), "")))
        finally:
            _forget_programs()

    def _groups(
        self, cohort: PlannedCohort, width: int, claim: Claim, keeper: CohortKeeper
    ) -> list[CohortRecord] | None:
        """The results of all groups, trained one after the other; None when it was told to stop."""
        records = keeper.finished()
        if records:
            width = min(width, records[-1].runs[0]["width"])
            self._tell_resumed(cohort, len(records), sum(len(record.runs) for record in records), width, 0)
        tried_alone = None
        while (done := sum(len(record.runs) for record in records)) < len(cohort.runs):
            group = len(records)
            width = keeper.width(done, width)
            specs = cohort.runs[done : done + width]
            started = datetime.now(UTC).isoformat(timespec="seconds")
            if self.should_stop():
                return None
            resumed = functools.partial(self._tell_resumed, cohort, group, done, width)
            outcome = self._group(
                specs, width, self._reporter(cohort, group, claim), keeper.group(done, width, resumed)
            )
            if outcome is None:
                return None
            if isinstance(outcome, _NoRoom):
                _forget_programs()
                keeper.forget_states()
                # At a width of 1 once more: what was still held of the groups before may have been in the way.
                if width > 1 or tried_alone != group:
                    tried_alone = group if width == 1 else None
                    width = max(1, width // 2)
                    self.emit(Narrowed(self.worker, cohort.cohort_id, group, width, outcome.reason))
                    continue
                outcome = [_untrained(spec, f"{NO_ROOM} at width 1: {outcome.reason}") for spec in specs]
            environment = {
                "env_started": started,
                "env_peak_memory_mb": peak_memory_mb(),
                "env_settings": users_settings(),
                "env_memory_mb": self.share and self.share / 2**20,
                **describe_machine(),
            }
            keeper.keep_params(outcome)
            record = cohort_record(
                cohort.cohort_id, [width] * len(specs), outcome, [environment] * len(specs)
            )
            records.append(record)
            if done + len(specs) < len(cohort.runs):
                keeper.keep_group(done, record)
        return records

    def _group(
        self, specs: Sequence[RunSpec], width: int, report: Report, keeper: "Keeper"
    ) -> "list[RunResult] | _NoRoom | None":
        try:
            return self.group(specs, width, report, self.should_stop, keeper)
        except Exception as error:
            # The error is let go here: its traceback holds on to the arrays that did fit.
            if not is_out_of_memory(error):
                raise
            return _NoRoom(" ".join(str(error).split())[:200] or type(error).__name__)

    def _tell_resumed(self, cohort: PlannedCohort, group: int, trained: int, width: int, step: int) -> None:
        self.emit(Resumed(self.worker, cohort.cohort_id, group, trained, step, width))

    def _reporter(self, cohort: PlannedCohort, group: int, claim: Claim) -> Report:
        last_phase, last_time = "", 0.0

        def report(progress: Any) -> None:
            nonlocal last_phase, last_time
            now = time.monotonic()
            evaluating = progress.phase == "evaluate"
            done, todo = (progress.batch, progress.batches) if evaluating else (progress.step, progress.steps)
            if progress.phase == last_phase and now - last_time < REPORT_EVERY and done < todo:
                return
            last_phase, last_time = progress.phase, now
            claim.tell(progress.phase, group, done, todo)
            self.emit(
                Advanced(
                    self.worker,
                    cohort.cohort_id,
                    group,
                    progress.phase,
                    progress.step,
                    progress.steps,
                    progress.loss,
                    progress.batch,
                    progress.batches,
                )
            )

        return report


def _untrained(spec: RunSpec, reason: str) -> "RunResult":
    """The result of a run that could not be trained; nothing of it is measured."""
    from modbench.evaluation.result import RunResult

    return RunResult(
        spec=spec,
        num_parameters=num_parameters(spec),
        rule_agreement=None,
        rule_rank=None,
        status="failed",
        reason=reason,
        diverged_at=None,
        train_loss=math.nan,
        curve=[],
        checkpoints={},
        seconds=dict.fromkeys(("train", "compile", "evaluate"), 0.0),
    )


def _forget_programs() -> None:
    """Drops compiled programs and what refers to them: the next cohort has its own, and memory is finite."""
    if jax := sys.modules.get("jax"):
        jax.clear_caches()
    gc.collect()
