"""Ours against the original implementation and against stacked PyTorch: `python benchmarks/versus --help`."""

import argparse
import dataclasses
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

if not __package__:
    # A folder that is run as a script is on the path itself, where its parent is needed.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from modbench.bench.shapes import WIDEST
from modbench.core.errors import RequestError
from modbench.core.names import ARCHITECTURES, KINDS, PAPER_MODELS
from modbench.store.output import check_output, write_output
from modbench.sweep.environment import accelerated, usable_cores
from versus import results, shapes
from versus.contest import Settings, contest
from versus.crew import Launch, Worker


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python benchmarks/versus",
        description="Milliseconds per training step and run of modbench, of the original implementation and of "
        "stacked PyTorch, measured by turns, and their ratios.",
    )
    add = made.add_argument
    add(
        "--original", metavar="PATH", help="a checkout of the original implementation [default: leave it out]"
    )
    add("--torch-python", metavar="PYTHON", default=sys.executable,
        help="interpreter that has PyTorch and NumPy [default: this one]")  # fmt: skip
    add("--no-stacked", action="store_true", help="leave stacked PyTorch out, for half of the time")
    which = made.add_argument_group("shapes")
    choice = which.add_mutually_exclusive_group()
    choice.add_argument("--targets", action="store_true", help="the nine shapes that have targets")
    choice.add_argument("--sample", type=int, nargs="?", const=12, metavar="N",
                        help="the grid's extremes and N drawn shapes [12]")  # fmt: skip
    add = which.add_argument
    add("--architecture", nargs="+", choices=list(ARCHITECTURES), default=list(ARCHITECTURES), help="[all]")
    add("--model", nargs="+", choices=PAPER_MODELS, default=["modular"], help="[modular]")
    add("--encoder-width", nargs="+", type=int, default=[32], metavar="E", help="[32]")
    add("--rules", nargs="+", type=int, default=[8], metavar="R", help="[8]")
    add("--kind", nargs="+", choices=KINDS, default=["regression"], help="[regression]")
    add("--search-version", nargs="+", type=int, choices=(1, 2), default=[1], help="of MHA [1]")
    add = made.add_argument_group("measuring").add_argument
    add("--device", choices=("cpu", "cuda"), default="cpu",
        help="where all contenders train; a GPU is given to one process of each by turns [cpu]")  # fmt: skip
    add("--width", nargs="+", type=int, default=[None], metavar="N",
        help="runs side by side of ours; several are measured one after another [as planned]")  # fmt: skip
    add(
        "--precision",
        choices=("float32", "tf32"),
        default="float32",
        help="of products, of all contenders [float32]",
    )
    add(
        "--cores",
        type=int,
        default=usable_cores(),
        metavar="N",
        help="how many to use [all that may be used]",
    )
    add("--slice", type=float, default=0.5, metavar="S", help="seconds of a slice, at least one step [0.5]")
    add("--seconds", type=float, default=40, metavar="S", help="of all rounds of a shape [40]")
    add("--least-rounds", type=int, default=3, metavar="N", help="even if they take longer [3]")
    add("--most-rounds", type=int, default=15, metavar="N", help="[15]")
    add = made.add_argument_group("output").add_argument
    add("--json", type=Path, metavar="FILE", help="every slice, with versions and machine")
    add("--markdown", type=Path, metavar="FILE", help="the table")
    return made


def chosen(given: argparse.Namespace) -> list[shapes.Shape]:
    """The shapes that were asked for.

    Raises:
        RequestError: one of them cannot be built; says what must hold.
    """
    if given.targets:
        return [shape for shape in shapes.target_shapes() if shape.architecture in given.architecture]
    if given.sample is not None:
        return [shape for shape in shapes.sample(given.sample) if shape.architecture in given.architecture]
    found = shapes.product(
        given.architecture,
        given.encoder_width,
        given.rules,
        given.model,
        given.kind,
        given.search_version,
    )
    for shape in found:
        shape.cohort()
    return found


def checked(given: argparse.Namespace) -> Settings:
    """What was asked for, as settings, but for the width.

    Raises:
        RequestError: it cannot be; says what must hold.
    """
    if not 1 <= given.cores <= usable_cores():
        raise RequestError(f"--cores: must be from 1 to {usable_cores()}, got {given.cores}")
    if given.device == "cuda" and not accelerated():
        raise RequestError(
            "--device: must be cpu where JAX finds no GPU, got cuda. Possible: pip install -e '.[cuda]'"
        )
    if given.precision != "float32" and given.device == "cpu":
        raise RequestError(
            f"--precision: must be float32 on a CPU, where PyTorch has no other, got {given.precision}"
        )
    if any(width is not None and not 1 <= width <= WIDEST for width in given.width):
        raise RequestError(f"--width: must be from 1 to {WIDEST:,}, got {' '.join(map(str, given.width))}")
    for name in ("json", "markdown"):
        if path := getattr(given, name):
            check_output(path, f"--{name}")
    if given.slice <= 0 or given.seconds <= 0:
        raise RequestError("--slice and --seconds: must be greater than 0")
    if not 1 <= given.least_rounds <= given.most_rounds:
        raise RequestError("--least-rounds: must be at least 1 and at most --most-rounds")
    if given.sample is not None and given.sample < 0:
        raise RequestError(f"--sample: must be at least 0, got {given.sample}")
    if (
        given.original is not None
        and not (Path(given.original) / "MLP" / "Regression" / "model.py").is_file()
    ):
        raise RequestError(
            f"--original: must be a checkout with the folders MLP, MHA and RNN, got {given.original}"
        )
    return Settings(
        original=given.original and str(Path(given.original).absolute()),
        torch_python=given.torch_python,
        stacked=not given.no_stacked,
        cores=given.cores,
        slice_seconds=given.slice,
        shape_seconds=given.seconds,
        least_rounds=given.least_rounds,
        most_rounds=given.most_rounds,
        free_memory=results.free_memory,
        device=given.device,
        precision=given.precision,
    )


def busy_share(seconds: float = 1.0) -> float | None:
    """Share of the machine's cores that is busy while we wait; None where it is not told."""
    before = results.cpu_ticks()
    time.sleep(seconds)
    after = results.cpu_ticks()
    if before is None or after is None or after[1] == before[1]:
        return None
    return (after[0] - before[0]) / (after[1] - before[1])


def main(
    arguments: Sequence[str] | None = None,
    launch: Launch = Worker,
    busy: Callable[[], float | None] = busy_share,
) -> int:
    """Measures every shape; prints a row after each, and the table.

    Args:
        arguments: of the command line.
        launch: starts a worker.
        busy: how busy others keep the machine.

    Returns:
        0, or 2 for a wrong request.
    """
    given = parser().parse_args(arguments)
    try:
        settings, asked = checked(given), chosen(given)
    except RequestError as error:
        print(f"versus: {error}", file=sys.stderr)
        return 2
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: settings.cores])
    rows, busiest = [], None
    tasks = list(itertools.product(asked, given.width))
    for number, (shape, width) in enumerate(tasks, 1):
        now = busy()
        if now is not None:
            busiest = max(now, busiest or 0.0)
        print(f"{number}/{len(tasks)} {shape}", file=sys.stderr, flush=True)
        chosen_width = dataclasses.replace(settings, width=width)
        found = contest(shape, chosen_width, launch, lambda text: print(text, file=sys.stderr, flush=True))
        rows.append(results.result(shape, found, chosen_width))
        machine = results.describe(rows, settings.cores, busiest)
        # After every shape, so that a long measurement that is stopped leaves what it has.
        if given.json:
            record = json.dumps({"machine": machine, "shapes": rows}, indent=1) + "\n"
            write_output(given.json, lambda beside, text=record: beside.write_text(text, "utf-8"))
        if given.markdown:
            table = results.markdown(rows, machine) + "\n"
            write_output(given.markdown, lambda beside, text=table: beside.write_text(text, "utf-8"))
        print("  " + " | ".join(results.cells(rows[-1])[1:]), file=sys.stderr, flush=True)
    print(results.markdown(rows, machine))
    return 0


if __name__ == "__main__":
    sys.exit(main())
