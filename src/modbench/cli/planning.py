"""`modbench plan`: what a sweep costs before it is paid. Writes nothing."""

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.table import Table
from rich.text import Text

from modbench.cli.console import output
from modbench.core.errors import RequestError
from modbench.core.grid import Sweep, load_sweep
from modbench.core.task_spec import MhaTask
from modbench.core.text import one_line
from modbench.store.durable import entries, exists, leads_to_folder
from modbench.store.files import Store
from modbench.store.plan import PlannedCohort
from modbench.sweep.advice import evaluation_advice, expected_share
from modbench.sweep.cost import (
    Probe,
    TimeEstimate,
    cohorts_flops,
    disk_bytes,
    estimate_time,
    flops,
    memory_bytes,
)
from modbench.sweep.describe import describe_bytes, describe_seconds, plural
from modbench.sweep.executors import make_executor
from modbench.sweep.memory import ANYWHERE, Place
from modbench.sweep.mistaken import refuse_folder
from modbench.sweep.plan import Plan, make_plan
from modbench.sweep.probing import measure
from modbench.sweep.run import default_folder, settled
from modbench.sweep.screen import Screen
from modbench.sweep.stopping import INTERRUPTED


def show_plan(
    name: str, out: Path | None, overrides: Sequence[str], workers: int | None, probe: bool
) -> None:
    """Prints runs, cohorts, operations, memory, disk and expected time of a sweep.

    Args:
        name: preset or sweep file.
        out: a store that may hold part of it; None is `default_folder`, where that exists.
        overrides: see `load_sweep`.
        workers: worker processes that would be used.
        probe: whether to time a few programs.

    Raises:
        RequestError: the request is wrong.
    """
    refuse_folder(name, "modbench plan")
    sweep = load_sweep(name, overrides)
    executor = make_executor(None, workers)
    workers = executor.workers
    folder = out or default_folder(sweep)
    plan = plan_against(sweep, folder, executor.place)
    console = output()
    if plan.pending and probe:
        probes = _probe(plan.pending, console)
        total = estimate_time(plan.pending, probes, workers)
    else:
        probes, total = [], None
    console.print(_summary(sweep, folder, plan, workers, total, probes))
    if plan.pending:
        console.print(_by_task(plan.pending, probes, workers))


def plan_against(sweep: Sweep, folder: Path, place: Place = ANYWHERE) -> Plan:
    """What a sweep still needs, given a store that may not exist yet; changes nothing.

    Raises:
        RequestError: the folder exists and is something else.
    """
    if not exists(folder):
        above = next(path for path in folder.absolute().parents if exists(path))
        if not leads_to_folder(above):
            raise RequestError(f"output folder must lie in a folder, got {folder}, where {above} is a file")
        return make_plan(sweep.runs, place=place)
    if leads_to_folder(folder) and not entries(folder.resolve()):
        return make_plan(sweep.runs, place=place)
    store = Store.open(folder)
    recorded = settled(store, place.memory)
    return make_plan(sweep.runs, recorded, store.intact_plans()[0], store.published(), place)


def _probe(cohorts: Sequence[PlannedCohort], console: Screen) -> list[Probe]:
    with console.status(Text("timing a few programs")) as shown:
        try:
            return measure(cohorts, lambda words: shown.update(Text(f"timing {words}")))
        except KeyboardInterrupt:
            # Leaving the ordinary way could tear JAX down in the middle of a compilation; nothing is lost.
            console.show_cursor(True)
            os._exit(INTERRUPTED)


def _summary(
    sweep: Sweep, folder: Path, plan: Plan, workers: int, time: TimeEstimate | None, probes: Sequence[Probe]
) -> Table:
    table = Table(
        title=one_line(f"{sweep.name}: {sweep.description}" if sweep.description else sweep.name),
        title_justify="left",
        box=None,
        show_header=False,
        padding=(0, 2),
    )
    table.add_column(style="cyan", no_wrap=True)
    table.add_column()
    everything = sum(flops(spec) for spec in sweep.runs.values())
    left = cohorts_flops(plan.pending)
    table.add_row("runs", plural(len(sweep.runs), "run"))
    stored = len(sweep.runs) - plan.missing
    table.add_row(
        "stored", f"{stored:,} in {folder}" if exists(folder) else f"0 ({folder} does not exist yet)"
    )
    table.add_row("to train", f"{plural(plan.missing, 'run')} in {plural(len(plan.pending), 'cohort')}")
    table.add_row(
        "operations", f"{everything:.3g} in all, {left:.3g} to train (6 x parameters x samples or tokens)"
    )
    if not plan.pending:
        return table
    memory = max(memory_bytes(cohort) for cohort in plan.pending)
    table.add_row("memory", f"about {describe_bytes(memory)} for the largest cohort, per worker")
    table.add_row("disk", f"about {describe_bytes(disk_bytes(plan.pending))}")
    share = expected_share(plan.pending)
    if time is not None:
        share = time.evaluating / (time.training + time.evaluating)
        table.add_row("time", f"about {describe_seconds(time.seconds)} with {plural(workers, 'worker')}")
        parts = {"training": time.training, "evaluating": time.evaluating, "compiling": time.compiling}
        shown = ", ".join(f"{name} {describe_seconds(seconds)}" for name, seconds in parts.items())
        table.add_row("", f"of all workers together: {shown}")
        table.add_row("", f"estimated from {plural(len(probes), 'probe')} on this machine")
    if advice := evaluation_advice(plan.pending, share):
        table.add_row("advice", advice)
    return table


class _Task(NamedTuple):
    """What cohorts are summed by."""

    name: str
    kind: str


def _by_task(cohorts: Sequence[PlannedCohort], probes: Sequence[Probe], workers: int) -> Table:
    groups: dict[_Task, list[PlannedCohort]] = defaultdict(list)
    for cohort in cohorts:
        task = cohort.runs[0].task
        version = f" v{task.search_version}" if isinstance(task, MhaTask) else ""
        groups[_Task(f"{task.architecture.upper()}{version}", task.kind)].append(cohort)
    table = Table(title="to train", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("task", "kind", "runs", "cohorts", "widths", "operations", "core time"):
        table.add_column(heading, justify="left" if heading in ("task", "kind") else "right")
    for task, group in sorted(groups.items()):
        widths = [cohort.width for cohort in group]
        spread = f"{min(widths)}" if min(widths) == max(widths) else f"{min(widths)} to {max(widths)}"
        time = describe_seconds(estimate_time(group, probes, workers).core_seconds) if probes else "-"
        runs = sum(len(cohort.runs) for cohort in group)
        operations = cohorts_flops(group)
        table.add_row(*task, f"{runs:,}", f"{len(group):,}", spread, f"{operations:.3g}", time)
    return table
