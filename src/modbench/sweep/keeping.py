"""What a worker keeps of a cohort that is not finished, or for good: states, results of finished groups, parameters."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from modbench.core.errors import MachineError
from modbench.core.identity import digest, run_id
from modbench.store.checkpoints import ARRAYS, Checkpoints, State
from modbench.store.claims import Claim
from modbench.store.cohort import DamagedFile
from modbench.store.durable import exists
from modbench.store.files import Store
from modbench.store.params import path_of, save_params
from modbench.store.plan import PlannedCohort
from modbench.store.record import CohortRecord
from modbench.store.schema import is_untrained
from modbench.sweep.memory import is_out_of_memory
from modbench.sweep.states import UnusableState, difference, in_a_line, made_with, read_arrays, write_arrays

if TYPE_CHECKING:
    from modbench.evaluation.result import RunResult
    from modbench.training.snapshot import Snapshot


class Keeping(NamedTuple):
    """What is to be kept while and after a sweep trains.

    Attributes:
        checkpoint_seconds: between two checkpoints of a group in training, the one on being stopped apart; None
            makes none.
        params: whether trained parameters are kept, see `modbench.store.params`.
    """

    checkpoint_seconds: float | None = 600.0
    params: bool = False


USUAL = Keeping()
"""What is kept unless something else is wanted."""


class CohortKeeper:
    """Keeps what one cohort has come to, for as long as its claim is ours.

    Args:
        store: where to.
        cohort: in training.
        claim: on the cohort; once another one holds it, nothing is written any more.
        keeping: what is wanted.
        note: is told in a line what could not be used or kept.
    """

    def __init__(
        self, store: Store, cohort: PlannedCohort, claim: Claim, keeping: Keeping, note: Callable[[str], None]
    ):
        self.keeping = keeping
        self.note = note
        self.checkpoints = Checkpoints(store.folder, cohort.cohort_id)
        self._store = store
        self._cohort = cohort
        self._claim = claim
        self._complained = False

    def finished(self) -> list[CohortRecord]:
        """The results of the groups that are finished, from the first one on.

        Raises:
            MachineError: some cannot be read; they stay where they are, as they may be whole.
        """
        records, start = [], 0
        while record := self._group(start):
            records.append(record)
            start += len(record.runs)
        return records

    def _group(self, start: int) -> CohortRecord | None:
        try:
            record = self.checkpoints.group(start)
            if record is None:
                return None
            if self.keeping.params and not self._has_params(record):
                self.checkpoints.discard(self.checkpoints.folder / f"group-{start}")
                return None  # they were not asked for when it was trained
            expected = [run_id(spec) for spec in self._cohort.runs[start : start + len(record.runs)]]
            if expected and [row["run_id"] for row in record.runs] == expected:
                return record
            reason = "it is of other runs"
        except DamagedFile as damage:
            reason = f"{damage.file} is damaged"
        self.note(f"results of finished runs are not used: {reason}")
        self.checkpoints.discard(self.checkpoints.folder / f"group-{start}")
        return None

    def keep_group(self, start: int, record: CohortRecord) -> None:
        """Keeps the results of a finished group, while others of its cohort train."""
        if self.keeping.checkpoint_seconds is not None:
            self.write("results of finished runs", lambda: self.checkpoints.add_group(start, record))

    def keep_params(self, results: Sequence["RunResult"]) -> None:
        """Keeps the parameters of a group's runs, if that is wanted.

        Raises:
            MachineError: they cannot be written.
        """
        if self._is_ours():
            for result in results:
                if result.params:
                    run = {
                        "run_id": run_id(result.spec),
                        "cohort_id": self._cohort.cohort_id,
                        "status": result.status,
                        "reason": result.reason,
                        "steps": {name: checkpoint.step for name, checkpoint in result.checkpoints.items()},
                        "spec": result.spec.model_dump(mode="json"),
                    }
                    save_params(self._store.folder, run, result.params)

    def _has_params(self, record: CohortRecord) -> bool:
        return all(
            exists(path_of(self._store.folder, self._cohort.cohort_id, row["run_id"]))
            for row in record.runs
            if not is_untrained(row["status"], row["reason"])
        )

    def _is_ours(self) -> bool:
        """Whether it is still for us to write something about the cohort."""
        return not (self._claim.is_lost() or self._store.is_published(self._cohort.cohort_id))

    def width(self, start: int, most: int) -> int:
        """The width at which the group of a run goes on: that of its newest state, if no more than `most`."""
        for state in self._states(start):
            with self._judging(state):
                width = self.checkpoints.about(state)["width"]
                if not isinstance(width, int) or not 1 <= width <= most:
                    raise UnusableState(f"it is of groups of {width} runs, and now there is room for {most}")
                return width
        return most

    def group(self, start: int, width: int, on_resumed: Callable[[int], None]) -> "GroupKeeper":
        """The keeper of a group.

        Args:
            start: index of its first run in the cohort.
            width: places for runs.
            on_resumed: is told the step from which it goes on.
        """
        runs = [run_id(spec) for spec in self._cohort.runs[start : start + width]]
        of = {"cohort": self._cohort.cohort_id, "start": start, "width": width, "runs": runs}
        return GroupKeeper(self, of, on_resumed)

    def forget_states(self) -> None:
        """Drops the states of a group that must start again."""
        for state in self.checkpoints.states():
            self.checkpoints.discard(state.folder)

    def end(self) -> None:
        """Drops everything, once the cohort's results are stored."""
        self.checkpoints.remove()

    def load(self, of: Mapping[str, Any]) -> "Snapshot | None":
        """The newest intact and fitting state of a group; what is neither is named and dropped."""
        from modbench.training.snapshot import Snapshot

        for state in self._states(of["start"]):
            with self._judging(state):
                found = self.checkpoints.about(state)
                if reason := difference({**of, **made_with()}, found):
                    raise UnusableState(reason)
                return Snapshot(state.step, read_arrays(state.folder / ARRAYS), found["seconds"])
        return None

    def save(self, of: Mapping[str, Any], snapshot: "Snapshot") -> None:
        """Keeps a state of a group."""

        def add() -> None:
            about = {**of, **made_with(), "seconds": snapshot.seconds}
            arrays = snapshot.arrays
            self.checkpoints.add_state(
                of["start"], snapshot.step, about, lambda folder: write_arrays(folder, arrays)
            )

        self.write("checkpoint", add)

    def write(self, what: str, action: Callable[[], None]) -> None:
        """Writes something unless that is no longer ours to do; says once what cannot be written."""
        if not self._is_ours():
            return
        try:
            action()
        except Exception as error:  # Orbax and TensorStore raise their own kinds
            if not self._complained:
                self._complained = True
                self.note(f"no {what} could be written ({in_a_line(error)}); training goes on without")

    def _states(self, start: int) -> list[State]:
        return [state for state in self.checkpoints.states() if state.start == start]

    @contextmanager
    def _judging(self, state: State) -> Iterator[None]:
        """Names and drops a state that turns out to be of no use. Raises `MachineError` where it cannot be read."""
        try:
            yield
        except MachineError:
            raise
        except DamagedFile as damage:
            reason = f"{damage.file} is damaged"
        except UnusableState as unusable:
            reason = str(unusable)
        except Exception as error:  # as above
            if is_out_of_memory(error):
                raise
            reason = in_a_line(error)
        else:
            return
        self.note(f"its checkpoint of step {state.step:,} is not used: {reason}")
        self.checkpoints.discard(state.folder)


class GroupKeeper:
    """The `modbench.training.snapshot.Keeper` of one group, whose states are `of` some runs at some width."""

    def __init__(self, cohort: CohortKeeper, of: dict[str, Any], on_resumed: Callable[[int], None]):
        self.params = cohort.keeping.params
        self._cohort = cohort
        self._of = of
        self._on_resumed = on_resumed
        self._every = cohort.keeping.checkpoint_seconds
        self._last = time.monotonic()

    def resume(self, layout: Mapping[str, str]) -> "Snapshot | None":
        """See `Keeper`."""
        self._of["layout"] = digest(layout)
        saved = self._cohort.load(self._of)
        if saved:
            self._on_resumed(saved.step)
        return saved

    def due(self) -> bool:
        """See `Keeper`."""
        return self._every is not None and time.monotonic() - self._last >= self._every

    def save(self, snapshot: "Snapshot") -> None:
        """See `Keeper`."""
        if self._every is not None:
            self._cohort.save(self._of, snapshot)
            self._last = time.monotonic()


def joined(records: Sequence[CohortRecord]) -> CohortRecord:
    """The records of a cohort's groups as one."""
    return CohortRecord(
        runs=[row for record in records for row in record.runs],
        curves=[row for record in records for row in record.curves],
        performance=[row for record in records for row in record.performance],
        activations=[row for record in records for row in record.activations],
    )
