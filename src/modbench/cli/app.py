"""The command `modbench`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from modbench import __version__
from modbench.core.errors import MachineError, RequestError
from modbench.core.paths import given_path
from modbench.core.text import one_line

DONE, FAILED, WRONG_REQUEST, INTERRUPTED = 0, 1, 2, 130


_UsageError: Any = typer.BadParameter.__base__  # Typer brings its own Click by now


@contextmanager
def _harmless_usage_errors() -> Iterator[None]:
    """Typer shows a wrong argument as it is, which may be the name of a file that somebody else made."""
    try:
        yield
    except _UsageError as error:
        error.message = one_line(error.message)
        raise


class _Group(TyperGroup):
    """Turns the errors that we raise on purpose into one line and an exit code; others are bugs and show."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _harmless_usage_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: typer.Context) -> object:
        from modbench.cli.console import complain

        try:
            with _harmless_usage_errors():
                return super().invoke(ctx)
        except RequestError as error:
            complain(error)
            raise typer.Exit(WRONG_REQUEST) from None
        except MachineError as error:
            complain(error)
            raise typer.Exit(FAILED) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None


def _given(value: Path | list[Path] | None) -> Path | list[Path] | None:
    """Reads `~` as the home folder, also where the shell leaves it as it is, in `--out=~/x`."""
    if isinstance(value, list):
        return [given_path(path) for path in value]
    return None if value is None else given_path(value)


app = typer.Typer(
    cls=_Group,
    name="modbench",
    help="Do modular neural networks collapse, specialise, and profit from it?",
    epilog="Exit codes: 0 done, 1 runs failed or the machine did, 2 wrong request, 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SweepName = Annotated[
    str, typer.Argument(metavar="SWEEP", help="A preset's name, or a sweep file that ends in .toml.")
]
StoreFolder = Annotated[
    Path, typer.Argument(callback=_given, metavar="DIR", help="Folder that modbench run has made.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", callback=_given, metavar="DIR", help="Folder of the results [default: results/<name>]."
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="FIELD=VALUE", help="Override a field, such as train.steps=2000. Repeatable."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", help="Worker processes [default: one a core, or one a GPU]."),
]
CheckpointName = Annotated[
    str, typer.Option("--checkpoint", metavar="last|best", help="Which parameters of each run to look at.")
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"modbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command("list")
def list_names(
    what: Annotated[
        str | None,
        typer.Argument(metavar="[tasks|models|presets|metrics|figures]", help="All of them if left out."),
    ] = None,
) -> None:
    """Show what a sweep can be made of, and what can be drawn of it."""
    from modbench.cli.listing import show_names

    show_names(what)


@app.command()
def plan(
    sweep: SweepName,
    out: Out = None,
    overrides: Overrides = None,
    workers: Workers = None,
    probe: Annotated[
        bool, typer.Option("--probe/--no-probe", help="Time a few programs, to tell the expected time.")
    ] = True,
) -> None:
    """Show what a sweep would cost, and what the store has of it. Writes nothing."""
    from modbench.cli.planning import show_plan

    show_plan(sweep, out, overrides or [], workers, probe)


@app.command()
def run(
    sweep: SweepName,
    out: Out = None,
    executor: Annotated[
        str | None,
        typer.Option(
            "--executor", metavar="here|processes|ray", help="Where to train; the results are the same."
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            "--address", metavar="auto|HOST:PORT", help="Ray cluster [default: the one of this machine]."
        ),
    ] = None,
    workers: Workers = None,
    overrides: Overrides = None,
    checkpoint_minutes: Annotated[
        float,
        typer.Option(
            "--checkpoint-minutes",
            metavar="M",
            help="Minutes between checkpoints of what trains; 0 makes none.",
        ),
    ] = 10.0,
    keep_params: Annotated[
        bool, typer.Option("--keep-params", help="Keep the trained parameters: DIR/params, docs/sweeps.md.")
    ] = False,
    retry_memory: Annotated[
        bool, typer.Option("--retry-memory", help="Try runs again that did not fit into memory.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Write nothing but failures.")] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write curves for TensorBoard, into DIR/tensorboard.")
    ] = False,
) -> None:
    """Train what is missing of a sweep. Interrupt at will: the same command continues."""
    from modbench.cli.running import keeping, run_and_show

    kept = keeping(checkpoint_minutes, keep_params)
    code = run_and_show(
        sweep, out, executor, workers, address, overrides or [], quiet, kept, retry_memory, tensorboard
    )
    raise typer.Exit(code)


@app.command()
def status(
    folder: StoreFolder,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Keep showing until all is done.")] = False,
    all_cohorts: Annotated[bool, typer.Option("--all", help="List every cohort.")] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="done|running|failed|waiting", help="List the cohorts of a state. Repeatable."
        ),
    ] = None,
) -> None:
    """Show how far a sweep is."""
    from modbench.cli.status import show_status

    show_status(folder, watch, all_cohorts, only or [])


@app.command()
def merge(
    sources: Annotated[
        list[Path], typer.Argument(callback=_given, metavar="DIR...", help="Stores; they stay as they are.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            callback=_given,
            metavar="DIR",
            help="The store to merge into; made where there is none.",
        ),
    ],
) -> None:
    """Bring the results of several stores together, every run once."""
    from modbench.cli.merging import merge_and_show

    merge_and_show(sources, out)


@app.command()
def compare(
    first: Annotated[Path, typer.Argument(callback=_given, metavar="A", help="Folder of a store.")],
    second: Annotated[Path, typer.Argument(callback=_given, metavar="B", help="Folder of another.")],
    tolerance: Annotated[
        float,
        typer.Option("--tolerance", metavar="T", help="Equal is |x - y| <= T max(1, |x|, |y|)."),
    ] = 0.0,
) -> None:
    """Show what two stores differ in; exit code 0 if they are equal, 1 if not."""
    from modbench.cli.comparing import show_comparison

    raise typer.Exit(DONE if show_comparison(first, second, tolerance) else FAILED)


@app.command()
def figures(
    folder: StoreFolder,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="NAME", help="Only this figure, see modbench list figures. Repeatable."
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format", metavar="png|pdf|svg", help="File format; png and pdf if left out. Repeatable."
        ),
    ] = None,
    checkpoint: CheckpointName = "last",
    style: Annotated[
        str | None,
        typer.Option(
            "--style", metavar="neurips", help="For print: as wide as the text, with LaTeX tables beside."
        ),
    ] = None,
) -> None:
    """Draw the figures of a sweep, each with its numbers as CSV, into DIR/figures."""
    from modbench.cli.reading import draw_figures

    draw_figures(folder, only, formats, checkpoint, style)


@app.command()
def report(
    folder: StoreFolder,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", callback=_given, metavar="FILE", help="The page [default: DIR/report.html]."
        ),
    ] = None,
    checkpoint: CheckpointName = "last",
) -> None:
    """Write everything on one self-contained page."""
    from modbench.cli.reading import make_report

    make_report(folder, output, checkpoint)


@app.command()
def claims(folder: StoreFolder, checkpoint: CheckpointName = "last") -> None:
    """Hold the paper's claims against the results of a sweep."""
    from modbench.cli.judging import show_claims

    show_claims(folder, checkpoint)


@app.command()
def bench(
    architectures: Annotated[
        list[str] | None,
        typer.Option("--architecture", metavar="mlp|mha|rnn", help="All if left out. Repeatable."),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME", help="The paper's four if left out. Repeatable."),
    ] = None,
    encoder_widths: Annotated[
        list[int] | None,
        typer.Option("--encoder-width", metavar="E", help="32, 128 and 512 if left out. Repeatable."),
    ] = None,
    rules: Annotated[
        list[int] | None, typer.Option("--rules", metavar="R", help="2, 8 and 32 if left out. Repeatable.")
    ] = None,
    kinds: Annotated[
        list[str] | None,
        typer.Option(
            "--kind", metavar="regression|classification", help="Regression if left out. Repeatable."
        ),
    ] = None,
    length: Annotated[
        int | None, typer.Option("--length", metavar="L", help="Positions of an example, for mha and rnn.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", metavar="B", help="Examples of a step.")
    ] = None,
    overrides: Overrides = None,
    width: Annotated[
        int | None,
        typer.Option("--width", metavar="W", help="Runs side by side [default: as planned for 25 runs]."),
    ] = None,
    workers: Workers = None,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="S", help="Time of measuring per shape, compilation apart.")
    ] = 3.0,
    json: Annotated[
        Path | None,
        typer.Option(
            "--json", callback=_given, metavar="FILE", help="Write all that was measured to a file."
        ),
    ] = None,
) -> None:
    """Measure how fast this machine trains, shape by shape."""
    from modbench.bench.shapes import select
    from modbench.cli.benching import bench_and_show

    specs = select(
        architectures or (),
        models or (),
        encoder_widths or (),
        rules or (),
        kinds or (),
        length,
        batch_size,
        overrides or (),
    )
    raise typer.Exit(bench_and_show(specs, width, workers, seconds, json))


@app.command()
def env() -> None:
    """Show what is installed, which devices there are and where the cache lies."""
    from modbench.cli.machine import show_machine

    show_machine()


def main() -> None:
    """Entry point of the command `modbench`."""
    from modbench.cli.console import outliving_outputs

    with outliving_outputs(FAILED):
        app(prog_name="modbench")
