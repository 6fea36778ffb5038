"""Progress for people: a live display in a terminal, a line every few seconds elsewhere."""

import io
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from modbench.core.text import one_line
from modbench.sweep.describe import describe_cell, plural
from modbench.sweep.events import CohortFailed, Event, GivenBack, Narrowed, Noted, Published, Resumed
from modbench.sweep.picture import STOPPING, activity, picture, summary_line
from modbench.sweep.progress import SweepProgress
from modbench.sweep.screen import Screen

LINE_EVERY = 5.0
"""Seconds between two lines of the plain display."""
NOTEBOOK_EVERY = 0.5
"""Seconds between two pictures in a notebook."""
MOST_TROUBLES = 10
"""Troubles that a notebook shows, the latest."""


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
        write: Callable[[str], None],
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
        if line := trouble_line(event, self._progress.named) or news_line(event):
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

    def __init__(self, progress: SweepProgress, console: Screen):
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
        self._stopping = False  # it has stopped
        self._live.stop()

    def update(self, event: Event) -> None:
        """See `Display`."""
        with self._lock:
            self._progress.apply(event)
        if line := trouble_line(event, self._progress.named):
            self._console.print(Text(one_line(line), "yellow"))
        elif line := news_line(event):
            self._console.print(Text(one_line(line)))

    def stopping(self) -> None:
        """See `Display`."""
        self._stopping = True

    def render(self) -> RenderableType:
        """The display at this moment."""
        with self._lock:
            charts = not self._console.options.ascii_only
            return picture(self._progress, self._stopping, charts, self._console.width)


class NotebookDisplay:
    """The same in an output of a notebook, which is replaced as training goes on.

    Args:
        progress: what is shown.
        clock: seconds that only grow.
    """

    def __init__(self, progress: SweepProgress, clock: Callable[[], float] = time.monotonic):
        self._progress = progress
        self._clock = clock
        self._last = clock()
        self._troubles: list[str] = []
        self._output: Any = None

    def __enter__(self) -> Self:
        from IPython.display import HTML, display

        self._output = display(HTML(self._html()), display_id=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._show()

    def update(self, event: Event) -> None:
        """See `Display`."""
        self._progress.apply(event)
        line = trouble_line(event, self._progress.named)
        if line:
            self._troubles.append(line)
        if line or self._clock() - self._last >= NOTEBOOK_EVERY:
            self._last = self._clock()
            self._show()

    def stopping(self) -> None:
        """See `Display`; a notebook's interruption is an exception, which ends the display."""

    def _show(self) -> None:
        from IPython.display import HTML

        self._output.update(HTML(self._html()))

    def _html(self) -> str:
        console = Screen(record=True, file=io.StringIO(), width=110, force_terminal=True, force_jupyter=False)
        for line in self._troubles[-MOST_TROUBLES:]:
            console.print(Text(one_line(line), "yellow"))
        console.print(picture(self._progress))
        style = "font-family:monospace;line-height:1.25;background:none;margin:0"
        return console.export_html(inline_styles=True, code_format=f"<pre style='{style}'>{{code}}</pre>")


def trouble_line(event: Event, named: Callable[[str], str] = "cohort {}".format) -> str | None:
    """A line for what went wrong, or None.

    Args:
        event: that happened.
        named: a cohort's id -> the cohort in words.
    """
    match event:
        case GivenBack():
            again = f"is tried again{_at_width(event.width)}"
            return f"worker {event.worker} died ({event.reason}); its {named(event.cohort_id)} {again}"
        case Narrowed():
            what = f"{named(event.cohort_id)}, group {event.group + 1}"
            return f"{what}: out of memory ({event.reason}); starts again{_at_width(event.width)}"
        case Noted():
            return f"{named(event.cohort_id)}: {event.text}"
        case CohortFailed(fatal=False):
            return f"{named(event.cohort_id)} failed: {event.reason}"
        case Published(failed=failed) if failed:
            why = f": {event.reason}" if event.reason else ""
            return f"{named(event.cohort_id)}: {failed:,} of {plural(event.done + failed, 'run')} failed{why}"
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


def in_notebook() -> bool:
    """Whether outputs go to a notebook, or something else that shows HTML."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def make_display(progress: SweepProgress, quiet: bool, console: Screen) -> Display:
    """The display that suits the output: none, a notebook's, live, or plain where it is no terminal."""
    if quiet:
        return Silent()
    if in_notebook():
        return NotebookDisplay(progress)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveDisplay(progress, console)
    return Plain(progress, console.say)
