"""Progress for people: a live display in a terminal, a line every few seconds elsewhere."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from modbench.sweep.describe import describe_cell, describe_seconds, plural
from modbench.sweep.events import CohortFailed, Event, GivenBack, Narrowed, Noted, Published, Resumed
from modbench.sweep.progress import Active, SweepProgress

LINE_EVERY = 5.0
"""Seconds between two lines of the plain display."""
STOPPING = "stopping at the next chunk; Ctrl-C again leaves at once"


class Display(Protocol):
    """Shows a sweep's progress while it is entered."""

    def __enter__(self) -> Self:
        """Begins to show."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the output tidy."""
        ...

    def update(self, event: Event) -> None:
        """Takes in what happened."""
        ...

    def stopping(self) -> None:
        """Tells that a request to stop was heard; may be called many times, from any thread."""
        ...


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def update(self, event: Event) -> None:
        """See `Display`."""

    def stopping(self) -> None:
        """See `Display`."""


class Plain:
    """Writes a line every few seconds, and one for whatever went wrong: for log files.

    Args:
        progress: what is shown.
        write: takes a line.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        progress: SweepProgress,
        write: Callable[[str], None] = lambda line: print(line, flush=True),
        clock: Callable[[], float] = time.monotonic,
    ):
        self._progress = progress
        self._write = write
        self._clock = clock
        self._last = clock()
        self._told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._write(summary_line(self._progress))

    def update(self, event: Event) -> None:
        """See `Display`."""
        self._progress.apply(event)
        if line := trouble_line(event) or news_line(event):
            self._write(line)
        if self._clock() - self._last >= LINE_EVERY:
            self._last = self._clock()
            states = [
                f"{describe_cell(a.cohort.runs[0])} {activity(a)}" for a in self._progress.active.values()
            ]
            self._write("; ".join([summary_line(self._progress), *states]))

    def stopping(self) -> None:
        """See `Display`."""
        if not self._told:
            self._told = True
            self._write(STOPPING)


class LiveDisplay:
    """A bar for the sweep and a line for every worker, redrawn in place.

    Args:
        progress: what is shown.
        console: a terminal.
    """

    def __init__(self, progress: SweepProgress, console: Console):
        self._progress = progress
        self._console = console
        self._stopping = False
        self._lock = threading.Lock()  # the live display draws from a thread of its own
        self._live = Live(console=console, get_renderable=self.render, refresh_per_second=4)

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def update(self, event: Event) -> None:
        """See `Display`."""
        with self._lock:
            self._progress.apply(event)
        if line := trouble_line(event):
            self._console.print(Text(line, style="yellow"))
        elif line := news_line(event):
            self._console.print(Text(line))

    def stopping(self) -> None:
        """See `Display`."""
        self._stopping = True

    def render(self) -> RenderableType:
        """The display at this moment."""
        with self._lock:
            progress = self._progress
            bar = Table.grid(padding=(0, 1))
            bar.add_row(
                ProgressBar(total=max(1, progress.total), completed=progress.done, width=20),
                Text(summary_line(progress)),
            )
            workers = Table.grid(padding=(0, 2))
            workers.add_column(no_wrap=True, overflow="ellipsis", style="cyan")
            workers.add_column(no_wrap=True)
            for worker in sorted(progress.active):
                active = progress.active[worker]
                workers.add_row(f"  {describe_cell(active.cohort.runs[0])}", activity(active))
            parts: list[RenderableType] = [bar, workers]
        if self._stopping:
            parts.append(Text(STOPPING, style="yellow"))
        return Group(*parts)


def summary_line(progress: SweepProgress) -> str:
    """Runs done, failures, step rate and time left in one line."""
    parts = [f"{progress.done:,}/{plural(progress.total, 'run')}"]
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


def activity(active: Active) -> str:
    """What a worker does now, such as `"group 1/2 step 1,200/2,000 loss 0.123"`."""
    group = f"group {active.group + 1}/{active.groups} " if active.groups > 1 else ""
    loss = "" if active.loss is None else f" loss {active.loss:.4g}"
    match active.phase:
        case "train":
            return f"{group}step {active.step:,}/{active.steps:,}{loss}"
        case "compile":
            return f"{group}compiling"
        case "evaluate":
            return f"{group}evaluating{loss}"
        case _:
            return "starting"


def trouble_line(event: Event) -> str | None:
    """A line for what went wrong, or None."""
    match event:
        case GivenBack():
            again = f"is tried again{_at_width(event.width)}"
            return f"worker {event.worker} died ({event.reason}); its cohort {event.cohort_id} {again}"
        case Narrowed():
            what = f"cohort {event.cohort_id}, group {event.group + 1}"
            return f"{what}: out of memory ({event.reason}); starts again{_at_width(event.width)}"
        case Noted():
            return f"cohort {event.cohort_id}: {event.text}"
        case CohortFailed(fatal=False):
            return f"cohort {event.cohort_id} failed: {event.reason}"
        case Published(failed=failed) if failed:
            return f"cohort {event.cohort_id}: {plural(failed, 'run')} failed"
        case _:
            return None


def news_line(event: Event) -> str | None:
    """A line for what is good to know, or None."""
    if not isinstance(event, Resumed):
        return None
    what = f"step {event.step:,} of group {event.group + 1}" if event.step else f"group {event.group + 1}"
    return f"cohort {event.cohort_id} goes on from its checkpoint: {what}"


def _at_width(width: int | None) -> str:
    return "" if width is None else f" at width {width}"


def make_display(progress: SweepProgress, quiet: bool, console: Console) -> Display:
    """The display that suits the output: none, live, or plain where it is no terminal."""
    if quiet:
        return Silent()
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveDisplay(progress, console)
    return Plain(progress, write=lambda line: console.print(line, soft_wrap=True))
