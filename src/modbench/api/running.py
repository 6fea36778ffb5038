"""`modbench.run`: a sweep from Python, trained and loaded."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from modbench.api.requests import SweepLike, executor_of, sweep_of
from modbench.api.results import Results, load, require_checkpoint
from modbench.core.grid import Overrides
from modbench.core.paths import given_path
from modbench.sweep.describe import describe_cell, plural
from modbench.sweep.display import make_display
from modbench.sweep.events import CohortFailed, Event
from modbench.sweep.executors import Executor
from modbench.sweep.keeping import USUAL, Keeping
from modbench.sweep.progress import progress_of
from modbench.sweep.run import Outcome, Prepared, default_folder, outcome, prepare, train
from modbench.sweep.screen import Screen
from modbench.sweep.tensorboard import event_log, require_writer


def run(
    sweep: SweepLike,
    out: str | Path | None = None,
    *,
    executor: str | Executor | None = None,
    workers: int | None = None,
    overrides: Overrides = (),
    checkpoint: str = "last",
    quiet: bool = False,
    tensorboard: bool | str | Path = False,
    keep_params: bool = False,
) -> Results:
    """Trains what is missing of a sweep, then loads the store. What is there already is not trained again.

    Interrupt at will (Ctrl-C, or the notebook's stop button): the same call continues.

    Args:
        sweep: a preset's name (`modbench.preset_names()`), the path of a sweep file, or a table: the fields of a run,
            in which a list is an axis, such as
            `{"task": {"architecture": "mlp", "num_rules": [2, 8]}, "model": {"name": ["modular", "gt-modular"]}}`.
            Several such tables in a list are trained together. `docs/sweeps.md` has every field; what is left out is
            as in the paper.
        out: the store's folder, made where there is none and continued where there is one; when None,
            `results/<name of the sweep>`.
        executor: `"processes"` or `"here"`; when None, what suits the machine, and this process for a router
            of one's own.
        workers: processes that train at once; when None, one for each GPU, or else for each core that may be used.
        overrides: fields that are replaced in the whole sweep, such as `{"train.steps": 2000, "seed": range(5)}`, or
            texts such as `"train.steps=2000"`.
        checkpoint: which parameters of each run the results are about: `"last"` or `"best"`.
        quiet: shows no progress.
        tensorboard: also writes logs for TensorBoard, into a folder; `True` is `tensorboard` in the store. Needs
            `pip install 'modbench[tensorboard]'`.
        keep_params: keeps trained parameters in the store, for `modbench.load_params` and `modbench.TrainedRun`.

    Returns:
        All that the store holds, see `modbench.Results`. Its `outcome` tells how this sweep went.

    Raises:
        RequestError: the request was wrong, in one line; nothing has been written.
        MachineError: the machine failed us, a full disk say; the same call continues later.
        RuntimeError: nothing at all could be trained, because a router of one's own gives no legal gates, say; where
            its code raised, the text has the traceback.

    Warns:
        UserWarning: runs diverged, or cohorts could not be trained; the others are there.

    Example::

        import modbench as mb

        results = mb.run("quick", overrides={"train.steps": 500}, out="results/short")
    """
    require_checkpoint(checkpoint)
    if tensorboard:
        require_writer()
    wanted = sweep_of(sweep, overrides, _name(out))
    chosen = executor_of(executor, workers, wanted)
    folder = given_path(out) if out is not None else default_folder(wanted)
    prepared = prepare(wanted, folder, chosen.place)
    for damage in prepared.damages:
        warnings.warn(f"{folder / damage.file} was damaged and is made anew", stacklevel=2)
    logs = folder / "tensorboard" if tensorboard is True else given_path(tensorboard) if tensorboard else None
    with event_log(logs, prepared.store, prepared.plan.pending) as log:
        keeping = USUAL._replace(params=keep_params)
        failures = _train(len(wanted.runs), prepared, chosen, quiet, keeping, log)
    how = outcome(wanted, prepared.store, failures)
    if failures and not how.done and not how.failed:
        raise RuntimeError(f"nothing could be trained: {failures[0].reason}\n\n{failures[0].detail}".rstrip())
    for line in _troubles(how, prepared, failures):
        warnings.warn(line, stacklevel=2)
    return load(folder, checkpoint, how)


def _train(
    total: int,
    prepared: Prepared,
    executor: Executor,
    quiet: bool,
    keeping: Keeping,
    log: Callable[[Event], None],
) -> list[CohortFailed]:
    """Trains under a display; returns the cohorts that could not be trained."""
    if not prepared.plan.pending:
        return []
    progress = progress_of(total, prepared.plan, executor.workers)
    with make_display(progress, quiet, Screen()) as display:

        def tell(event: Event) -> None:
            display.update(event)
            log(event)

        return train(prepared, executor, tell, keeping=keeping)


def _name(out: str | Path | None) -> str:
    """A name for a sweep that has none: that of its folder, as far as a sweep may be called so."""
    letters = given_path(out).name if out is not None else ""
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in letters).strip(".-") or "sweep"


def _troubles(how: Outcome, prepared: Prepared, failures: Sequence[CohortFailed]) -> list[str]:
    """A line for what did not go well."""
    lines = []
    if how.failed:
        lines.append(f"{plural(len(how.failed), 'run')} failed; results.failed tells why")
    cohorts = {cohort.cohort_id: cohort for cohort in prepared.plan.pending}
    for failure in failures:
        cohort = cohorts[failure.cohort_id]
        what = f"{describe_cell(cohort.runs[0])}, {plural(len(cohort.runs), 'run')}"
        lines.append(f"not trained: {what}: {failure.reason}\n{failure.detail}".rstrip())
    return lines
