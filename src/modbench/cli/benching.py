"""`modbench bench`: how fast training is on this machine, a line per shape as it is measured."""

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.text import Text

from modbench.bench.crew import Crew, ShapeError, Stopped
from modbench.bench.measure import measure
from modbench.bench.record import begin, check_json, device, document, peaks, write
from modbench.bench.result import Row, Spread
from modbench.bench.shapes import group
from modbench.cli.console import complain, output
from modbench.core.errors import RequestError
from modbench.core.spec import RunSpec
from modbench.core.text import one_line
from modbench.sweep.describe import describe_bytes, describe_cell, plural
from modbench.sweep.environment import accelerated, usable_workers
from modbench.sweep.memory import place_of, worker_share
from modbench.sweep.screen import Screen
from modbench.sweep.stopping import INTERRUPTED, StopRequest

MOST_SECONDS = 3600.0


class Column(NamedTuple):
    """A column of the table.

    Attributes:
        title: its heading.
        width: in characters.
        text: of a row that was measured.
    """

    title: str
    width: int
    text: Callable[[Row], str]


COLUMNS = (
    Column("width", 5, lambda row: str(row.width)),
    Column("ms", 7, lambda row: _number(row.milliseconds.median)),
    Column("quartiles", 15, lambda row: _range(row.milliseconds)),
    Column("core ms", 7, lambda row: _number(row.core_milliseconds.median)),
    Column("runs·steps/s", 12, lambda row: _number(row.run_steps_per_second)),
    Column("GFLOP/s", 7, lambda row: _number(row.flops_per_second / 1e9)),
    Column("of peak", 7, lambda row: f"{100 * row.share:.0f} %"),
    Column("Adam", 5, lambda row: f"{100 * row.adam_share:.0f} %"),
    Column("compiled", 8, lambda row: "cache" if row.from_cache else f"{row.compile_seconds:.1f} s"),
    Column("memory", 8, lambda row: describe_bytes(row.memory_mb * 2**20)),
)
LEGEND = (
    "ms: of the whole machine per step and run, with quartiles over rounds; core ms: of one worker. GFLOP/s: "
    "6 x parameters x samples or tokens. peak: a large float32 product by the same workers, beside each shape. "
    "Adam: 28 bytes for each parameter, as a share of the bandwidth that a pass over memory has."
)


def bench_and_show(
    specs: Sequence[RunSpec], width: int | None, workers: int | None, seconds: float, json: Path | None
) -> int:
    """Measures shapes and prints a line for each.

    Args:
        specs: a run of each shape, see `modbench.bench.shapes.select`.
        width: of groups; None is what would be planned.
        workers: processes at once; None is one for each accelerator, or else for each core.
        seconds: of timing per shape.
        json: file for everything that was measured.

    Returns:
        The exit code: 0 done, 1 shapes failed, 130 interrupted.

    Raises:
        RequestError: the request was wrong; nothing has been measured.
        MachineError: the machine failed us.
    """
    if not 0 < seconds <= MOST_SECONDS:
        raise RequestError(f"seconds: must be greater than 0 and at most {MOST_SECONDS:.0f}, got {seconds:g}")
    workers = _workers(workers)
    if json is not None:
        check_json(json)
    place = place_of(worker_share(workers))
    groups = [group(spec, width, place) for spec in specs]
    head = begin(shlex.join(["modbench", *sys.argv[1:]]))
    console, rows = output(), []
    name = max(len(describe_cell(spec)) for spec in specs)
    console.say(_beginning(groups, workers, seconds))
    console.print(_line("", name, [column.title for column in COLUMNS], "bold"), soft_wrap=True)
    with StopRequest(on_leaving=lambda: _restore_cursor(console)) as stop:
        for row in _rows(groups, workers, seconds, console, stop.requested):
            rows.append(row)
            console.print(_row_line(row, name), soft_wrap=True)
            if json is not None:
                write(json, document(head, rows, len(specs)))
        stopped = stop.requested() and len(rows) < len(specs)
    if json is not None and not rows:
        write(json, document(head, rows, len(specs)))
    for line in _ending(rows, json):
        console.say(line)
    if stopped:
        complain(f"interrupted, {len(rows)} of {plural(len(specs), 'shape')} measured", style="yellow")
        return INTERRUPTED
    return 1 if any(row.timings is None for row in rows) else 0


def _workers(workers: int | None) -> int:
    if workers is not None and not 1 <= workers <= 1024:
        raise RequestError(f"workers: must be from 1 to 1024, got {workers}")
    most = usable_workers()
    if accelerated() and workers is not None and workers > most:
        raise RequestError(f"workers: must be at most {most}, one for each accelerator, got {workers}")
    return workers or most


def _rows(
    groups: Sequence[Sequence[RunSpec]],
    workers: int,
    seconds: float,
    console: Screen,
    should_stop: Callable[[], bool],
) -> Iterator[Row]:
    """Measures group after group until it is told to stop."""
    with console.status(Text()) as status:
        for index, runs in enumerate(groups):
            cell, place = describe_cell(runs[0]), f"{index + 1} of {len(groups)}"

            def tell(words: str, cell: str = cell, place: str = place) -> None:
                status.update(Text(f"{place}: {cell}, {words}"))

            tell("starting")
            try:
                with Crew(runs, workers, should_stop) as crew:
                    timings = measure(crew.ask, seconds, tell)
            except Stopped:
                return
            except ShapeError as error:
                yield Row(runs[0], len(runs), workers, None, one_line(error))
            else:
                yield Row(runs[0], len(runs), workers, timings)


def _restore_cursor(console: Screen) -> None:
    console.show_cursor(True)


def _beginning(groups: Sequence[Sequence[RunSpec]], workers: int, seconds: float) -> str:
    batches = sorted({runs[0].train.batch_size for runs in groups})
    lengths = sorted({runs[0].length for runs in groups if runs[0].task.architecture != "mlp"})
    length = f", length {', '.join(map(str, lengths))}" if lengths else ""
    return (
        f"{plural(len(groups), 'shape')} on {plural(workers, 'worker')}, about {seconds:g} s each; "
        f"batch {', '.join(map(str, batches))}{length}"
    )


def _ending(rows: Sequence[Row], json: Path | None) -> list[str]:
    lines = [LEGEND]
    if peak := peaks(rows):
        spread = "" if peak.low is None else f", quartiles {_range(peak, 1e9)}"
        lines.append(f"peak on {device(rows)}: {_number(peak.median / 1e9)} GFLOP/s{spread}")
    if json is not None:
        lines.append(f"everything in {json}")
    return lines


def _row_line(row: Row, name: int) -> Text:
    cell = describe_cell(row.spec)
    if row.timings is None:
        return Text(f"{cell:<{name}}  {row.width:>{COLUMNS[0].width}}  failed: {row.reason}", style="yellow")
    return _line(cell, name, [column.text(row) for column in COLUMNS])


def _line(cell: str, name: int, texts: Sequence[str], style: str = "") -> Text:
    cells = [f"{text:>{column.width}}" for text, column in zip(texts, COLUMNS, strict=True)]
    return Text.assemble((f"{cell:<{name}}", style or "cyan"), ("  " + "  ".join(cells), style))


def _number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - _exponent(value))}f}"


def _exponent(value: float) -> int:
    return int(f"{value:.2e}".partition("e")[2])


def _range(spread: Spread, unit: float = 1.0) -> str:
    if spread.low is None or spread.high is None:
        return "-"
    return f"{_number(spread.low / unit)} to {_number(spread.high / unit)}"
