"""`modbench run`: trains what is missing, shows how it goes and what came out."""

import math
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from modbench.cli.console import complain, output
from modbench.core.errors import MachineError, RequestError
from modbench.core.grid import Sweep, load_sweep
from modbench.store.files import Damage
from modbench.sweep.advice import preset_advice
from modbench.sweep.describe import describe_cell, plural, waiting_words
from modbench.sweep.display import Display, make_display
from modbench.sweep.events import CohortFailed, Event
from modbench.sweep.executors import Executor, make_executor
from modbench.sweep.keeping import USUAL, Keeping
from modbench.sweep.mistaken import refuse_folder
from modbench.sweep.progress import progress_of
from modbench.sweep.run import Outcome, Prepared, default_folder, outcome, prepare, train
from modbench.sweep.screen import Screen
from modbench.sweep.stopping import INTERRUPTED, StopRequest
from modbench.sweep.tensorboard import event_log, require_writer


def keeping(checkpoint_minutes: float, params: bool) -> Keeping:
    """What is to be kept besides results.

    Args:
        checkpoint_minutes: between two checkpoints; 0 makes none.
        params: whether trained parameters are kept.

    Raises:
        RequestError: that is no time.
    """
    if not 0 <= checkpoint_minutes < math.inf:
        raise RequestError(f"checkpoint minutes: must be 0 or more, got {checkpoint_minutes:g}")
    return Keeping(60 * checkpoint_minutes or None, params)


def run_and_show(
    name: str,
    out: Path | None,
    executor_name: str | None,
    workers: int | None,
    address: str | None,
    overrides: Sequence[str],
    quiet: bool,
    keeping: Keeping = USUAL,
    retry_memory: bool = False,
    tensorboard: bool = False,
) -> int:
    """Runs a sweep.

    Args:
        name: preset or sweep file.
        out: the store's folder; None is `default_folder`.
        executor_name: see `make_executor`.
        workers: see `make_executor`.
        address: see `make_executor`.
        overrides: see `load_sweep`.
        quiet: writes failures only.
        keeping: what is kept besides results.
        retry_memory: try runs again that did not fit into memory.
        tensorboard: also writes logs for TensorBoard, into the folder `tensorboard` of the store.

    Returns:
        The exit code: 0 done, 1 runs or cohorts failed, 130 interrupted.

    Raises:
        RequestError: the request was wrong; nothing has been written but, where workers cannot reach the folder,
            its plan.
        MachineError: the machine failed us.
    """
    if tensorboard:
        require_writer()
    refuse_folder(name, "modbench run")
    sweep = load_sweep(name, overrides)
    executor = make_executor(executor_name, workers, address)
    folder = out or default_folder(sweep)
    console = output()
    prepared = prepare(sweep, folder, executor.place, retry_memory)
    for damage in prepared.damages:
        complain(set_aside_line(damage), style="yellow")
    if not quiet:
        console.say(_beginning(sweep, prepared, executor))
        if advice := preset_advice(prepared.plan.pending):
            console.say(f"training is short beside evaluation; {advice}")
    logs = folder / "tensorboard" if tensorboard else None
    with event_log(logs, prepared.store, prepared.plan.pending) as log:
        failures, stopped = _train(sweep, prepared, executor, console, quiet, keeping, log)
    result = outcome(sweep, prepared.store, failures)
    if stopped and result.missing:
        stored = f"{result.done + len(result.failed):,} of {plural(len(sweep.runs), 'run')} stored"
        if result.waiting:
            stored += f", {waiting_words(result.waiting)}"
        again = _command(name, out, executor_name, address, overrides, keeping)
        complain(f"interrupted, {stored}; continue with: {again}", style="yellow")
        return INTERRUPTED
    _show_end(sweep, folder, prepared, result, console, quiet)
    return 1 if result.failed or result.missing else 0


def _train(
    sweep: Sweep,
    prepared: Prepared,
    executor: Executor,
    console: Screen,
    quiet: bool,
    keeping: Keeping,
    log: Callable[[Event], None],
) -> tuple[list[CohortFailed], bool]:
    """Trains under a display and signal handlers; says what failed and whether it was stopped."""
    plan = prepared.plan
    if not plan.pending:
        return [], False
    progress = progress_of(len(sweep.runs), plan, executor.workers)
    display: Display = make_display(progress, quiet, console)
    with StopRequest(on_leaving=lambda: _restore_cursor(console)) as stop, display:

        def should_stop() -> bool:
            if stop.requested():
                display.stopping()
            return stop.requested()

        def tell(event: Event) -> None:
            display.update(event)
            log(event)

        try:
            failures = train(prepared, executor, tell, should_stop, keeping)
        except MachineError as error:
            raise MachineError(f"{error}; nothing is lost, the same command continues") from error
        return failures, stop.requested()


def _restore_cursor(console: Screen) -> None:
    console.show_cursor(True)


def _beginning(sweep: Sweep, prepared: Prepared, executor: Executor) -> str:
    plan, total = prepared.plan, len(sweep.runs)
    if not plan.pending:
        return f"{sweep.name}: nothing left to run, the store has all {plural(total, 'run')}"
    had = f", the store has {total - plan.missing:,}" if plan.missing < total else ""
    workers = plural(min(executor.workers, len(plan.pending)), "worker")
    return f"{sweep.name}: {plural(total, 'run')}{had}; {plural(len(plan.pending), 'cohort')} on {workers}"


def set_aside_line(damage: Damage) -> str:
    """Tells what was damaged and where it is now."""
    what = "its cohort is planned anew" if damage.file.startswith("plan/") else "its runs are trained again"
    return f"damaged: {damage.file} is not as it was written; set aside as {damage.moved_to}, {what}"


def _command(
    name: str,
    out: Path | None,
    executor: str | None,
    address: str | None,
    overrides: Sequence[str],
    keeping: Keeping,
) -> str:
    options = {"--out": out, "--executor": executor, "--address": address}
    parts = ["modbench", "run", name]
    for option, value in options.items():
        parts += [option, str(value)] if value else []
    parts += ["--keep-params"] if keeping.params else []
    for override in overrides:
        parts += ["--set", override]
    return shlex.join(parts)


def _show_end(
    sweep: Sweep, folder: Path, prepared: Prepared, result: Outcome, console: Screen, quiet: bool
) -> None:
    """Shows the results, where they are, what failed and what to do next."""
    if quiet and not result.failed and not result.cohorts_failed:
        return
    from modbench.cli.results import failure_lines, results_table
    from modbench.store.table import load

    tables = load(folder)
    if not quiet:
        console.print(results_table(tables))
    for line in failure_lines(tables, set(result.failed)):
        console.say(line)
    cohorts = {cohort.cohort_id: cohort for cohort in prepared.plan.pending}
    for failure in result.cohorts_failed:
        cohort = cohorts[failure.cohort_id]
        what = f"{describe_cell(cohort.runs[0])}, {plural(len(cohort.runs), 'run')}"
        complain(f"not trained: cohort {failure.cohort_id} ({what}): {failure.reason}")
    if details := [failure.detail for failure in result.cohorts_failed if failure.detail]:
        Screen(stderr=True).print(details[0], soft_wrap=True)
    if not quiet:
        place = shlex.quote(str(folder))
        for line in (
            f"results in {folder}; next:",
            f"  modbench figures {place}",
            f"  modbench report {place}",
        ):
            console.say(line)
