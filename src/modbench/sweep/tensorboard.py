"""Curves for TensorBoard: event files on this disk, written as a sweep goes on; no account, no network.

A folder per run, which TensorBoard lists under its path, such as `MLP-regression-R8-E32/modular/task0-seed1-5f0c…`::

    curve/loss, curve/error, …                   along training, when the run's cohort is published
    quantity-last/error_id, …                    at the last step, and quantity-best/… at that of the best checkpoint
    training/loss                                the mean of a group while it trains, in a folder of the group's own

Names are sorted there, so what are curves comes first. The fields of a run are its hyperparameters: under HPARAMS the
runs are a table with a column for every field and quantity.

The store stays the truth: what is here can be made again from it, and is, by a later command that asks for it.
"""

import math
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from modbench.core.errors import RequestError
from modbench.core.names import CHECKPOINTS
from modbench.core.quantities import QUANTITIES
from modbench.store.cohort import DamagedFile
from modbench.store.content import read_cohort
from modbench.store.durable import kind_of, machine_errors, make_folder
from modbench.store.files import Store
from modbench.store.plan import PlannedCohort
from modbench.store.record import spec_columns
from modbench.store.schema import SPEC_COLUMNS, quantity_column
from modbench.sweep.events import Advanced, Event, Published
from modbench.sweep.executors import is_last

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

FLUSH_SECONDS = 5
"""How old what a reader sees may be."""
_NO_SCALARS = {"run_id", "step", "selection_loss", "selection_error"}


class Point(NamedTuple):
    """A value of a curve: its name, the step and the number."""

    tag: str
    step: int
    value: float


@contextmanager
def event_log(
    folder: Path | None, store: Store, cohorts: Iterable[PlannedCohort] = ()
) -> Iterator[Callable[[Event], None]]:
    """Writes what the store has already, then takes the events of a sweep.

    Args:
        folder: where to write; None writes nothing.
        store: that the sweep is published into.
        cohorts: that will train.

    Raises:
        RequestError: the package tensorboardX is not installed.
        MachineError: the files cannot be written.
    """
    if folder is None:
        yield lambda event: None
        return
    log = _Log(folder, store, {cohort.cohort_id: cohort for cohort in cohorts})
    for cohort_id in store.published():
        log.publish(cohort_id)
    try:
        yield log.take
    finally:
        log.close()


def require_writer() -> None:
    """Raises `RequestError` where TensorBoard's files cannot be written."""
    try:
        import tensorboardX  # noqa: F401
    except ImportError:
        raise RequestError(
            "logs for TensorBoard need the package tensorboardX, which is not installed. "
            "Possible: pip install 'modbench[tensorboard]'"
        ) from None


class _Log:
    """The event files of one sweep."""

    def __init__(self, folder: Path, store: Store, cohorts: Mapping[str, PlannedCohort]) -> None:
        require_writer()
        self._folder = folder
        self._store = store
        self._cohorts = cohorts
        self._training: dict[tuple[str, int], SummaryWriter] = {}

    def take(self, event: Event) -> None:
        """Writes what an event tells."""
        if isinstance(event, Advanced) and event.phase == "train" and event.loss is not None:
            self._advance(event, event.loss)
        elif is_last(event):
            self._end(event.cohort_id)
            if isinstance(event, Published):
                self.publish(event.cohort_id)

    def publish(self, cohort_id: str) -> None:
        """Writes the curves of a cohort's runs, unless they are there."""
        try:
            tables = read_cohort(self._store.folder, cohort_id, ["runs", "curves"])
        except DamagedFile:
            return  # the sweep says so, and trains it again
        if tables is None:
            return
        curves: dict[str, list[Mapping[str, Any]]] = {}
        for row in tables["curves"].to_pylist():
            curves.setdefault(row["run_id"], []).append(row)
        for run in tables["runs"].to_pylist():
            seeds = f"task{run['task_seed']}-seed{run['seed']}"
            folder = self._made(run) / _name(f"{seeds}-{run['run_id']}")
            if kind_of(folder) is None:
                points = [*_curve(curves.get(run["run_id"], [])), *_quantities(run)]
                _write(folder, {name: run[name] for name in SPEC_COLUMNS}, points)

    def close(self) -> None:
        """Closes what is open."""
        for cohort_id in {cohort_id for cohort_id, _ in self._training}:
            self._end(cohort_id)

    def _advance(self, event: Advanced, loss: float) -> None:
        group = (event.cohort_id, event.group)
        if group not in self._training:
            cell = self._made(spec_columns(self._cohorts[event.cohort_id].runs[0]))
            name = f"training-{event.cohort_id}-group{event.group + 1}"
            with machine_errors("write logs for TensorBoard"):
                self._training[group] = _writer(cell / name)
        self._training[group].add_scalar("training/loss", loss, event.step)

    def _made(self, run: Mapping[str, Any]) -> Path:
        """The folder of a run's setting and model, which is made unless it is there; none of both may be a link."""
        with machine_errors("write logs for TensorBoard"):
            self._folder.mkdir(parents=True, exist_ok=True)
            folder = self._folder
            for name in _cell(run):
                folder /= name
                make_folder(folder)
        return folder

    def _end(self, cohort_id: str) -> None:
        for group in [group for group in self._training if group[0] == cohort_id]:
            self._training.pop(group).close()


def _writer(folder: Path) -> "SummaryWriter":
    from tensorboardX import SummaryWriter

    return SummaryWriter(str(folder), flush_secs=FLUSH_SECONDS)


def _write(folder: Path, fields: dict[str, Any], points: Iterable[Point]) -> None:
    """Writes a run's folder at once: a reader sees all of it or nothing."""
    from tensorboardX.summary import hparams

    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    with machine_errors("write logs for TensorBoard"):
        try:
            with _writer(beside) as writer:
                assert writer.file_writer is not None
                # The first is the experiment, which TensorBoard infers from all runs.
                _, *of_run = hparams(fields, {})
                for summary in of_run:
                    writer.file_writer.add_summary(summary)
                for tag, step, value in points:
                    writer.add_scalar(tag, value, step)
            beside.rename(folder)
        except OSError:
            if kind_of(folder) != "folder":  # else another command was first
                raise
        finally:
            shutil.rmtree(beside, ignore_errors=True)


def _curve(rows: Iterable[Mapping[str, Any]]) -> Iterator[Point]:
    for row in rows:
        for name, value in row.items():
            if name not in _NO_SCALARS and isinstance(value, float) and math.isfinite(value):
                yield Point(f"curve/{name}", row["step"], value)


def _quantities(run: Mapping[str, Any]) -> Iterator[Point]:
    for checkpoint in CHECKPOINTS:
        step = run["steps"] if checkpoint == "last" else run["best_step"]
        for name in QUANTITIES:
            value = run[quantity_column(checkpoint, name)]
            if step is not None and value is not None and math.isfinite(value):
                yield Point(f"quantity-{checkpoint}/{name}", step, value)


def _cell(run: Mapping[str, Any]) -> tuple[str, str]:
    """Names of a folder for the runs of a setting and of one in it for their model, from the columns of a run."""
    version = f"-v{run['search_version']}" if run["search_version"] is not None else ""
    modules = run["num_modules"]
    modules = f"-M{modules}" if modules not in (None, run["num_rules"]) else ""
    architecture = run["architecture"].upper() + version
    cell = f"{architecture}-{run['kind']}-R{run['num_rules']}{modules}-E{run['encoder_width']}"
    return _name(cell), _name(run["model"])


def _name(text: str) -> str:
    """A text as the name of a folder; whatever stands in a store, none that leads out of the folder that it is in."""
    name = "".join(c if c.isalnum() or c in "-_.+" else "-" for c in text)
    return f"-{name[1:]}" if name.startswith(".") else name
