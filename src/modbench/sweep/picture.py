"""A sweep's progress as it is drawn in a terminal or a notebook, and as a line of text."""

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from modbench.core.names import MODEL_TITLES
from modbench.sweep.describe import describe_cell, describe_seconds, plural
from modbench.sweep.progress import Active, SweepProgress
from modbench.sweep.traces import LENGTH, sparkline

STOPPING = "stopping at the next chunk; Ctrl-C again leaves at once"
MOST_CHARTS = 8
"""Models whose losses are drawn, those that trained last."""
NARROW = 100
"""Columns below which a worker's line leaves its loss to the charts, so that its name stays whole in 80."""


def picture(
    progress: SweepProgress, stopping: bool = False, charts: bool = True, width: int = NARROW
) -> RenderableType:
    """Everything at this moment: the sweep's bar, a line for every worker, the latest losses of the models.

    Args:
        progress: what is drawn.
        stopping: whether a request to stop was heard.
        charts: whether losses may be drawn, which needs more than ASCII.
        width: columns that there are.
    """
    narrow = charts and width < NARROW
    bar = Table.grid(padding=(0, 1))
    bar.add_row(_bar(progress.done, progress.total, 20), Text(summary_line(progress)))
    workers = Table.grid(padding=(0, 2))
    workers.add_column(no_wrap=True, overflow="ellipsis", style="cyan")
    workers.add_column(no_wrap=True)
    workers.add_column(no_wrap=True)
    for worker in sorted(progress.active):
        active = progress.active[worker]
        cell = Text(f"  {describe_cell(active.cohort.runs[0])}")
        workers.add_row(
            cell, _bar(active.share, 1.0, 6 if narrow else 10), Text(activity(active, not narrow))
        )
    parts: list[RenderableType] = [bar, workers]
    traces = list(progress.traces.items())[-MOST_CHARTS:]
    if charts and traces:
        losses = Table.grid(padding=(0, 2))
        for _ in range(4):
            losses.add_column(no_wrap=True, overflow="ellipsis")
        for model, trace in traces:
            name = Text(f"  {MODEL_TITLES.get(model, model)}")
            line = f"{sparkline(trace.losses):{LENGTH}}"
            losses.add_row(name, Text(line, "green"), Text(f"{trace.last:.4g}"), Text(trace.what, "dim"))
        parts += [Text("latest training losses", "dim"), losses]
    if stopping:
        parts.append(Text(STOPPING, style="yellow"))
    return Group(*parts)


def summary_line(progress: SweepProgress) -> str:
    """Runs done, failures, step rate and time left in one line."""
    parts = [f"{progress.done:,}/{plural(progress.total, 'run')}"]
    if progress.waiting:
        parts.append(f"{progress.waiting:,} more finished")
    if progress.runs_failed:
        parts.append(f"{progress.runs_failed} failed")
    if progress.elsewhere:
        parts.append(f"{plural(len(progress.elsewhere), 'cohort')} with another command")
    if progress.unfinished:
        parts.append(f"{progress.steps_per_second():,.0f} steps/s")
        left = progress.seconds_left()
        parts.append("time left: measuring" if left is None else f"about {describe_seconds(left)} left")
    else:
        parts.append(f"took {describe_seconds(progress.elapsed)}")
    return ", ".join(parts)


def activity(active: Active, with_loss: bool = True) -> str:
    """What a worker does now, such as `"group 1/2 step 1,200/2,000 loss 0.123"`."""
    group = f"group {active.group + 1}/{active.groups} " if active.groups > 1 else ""
    loss = "" if active.loss is None or not with_loss else f" loss {active.loss:.4g}"
    match active.phase:
        case "train":
            return f"{group}step {active.step:,}/{active.steps:,}{loss}"
        case "compile":
            return f"{group}compiling"
        case "evaluate":
            return f"{group}evaluating batch {active.batch:,}/{active.batches:,}{loss}"
        case _:
            return "starting"


def _bar(done: float, total: float, width: int) -> ProgressBar:
    return ProgressBar(total=max(total, 1e-9), completed=done, width=width)
