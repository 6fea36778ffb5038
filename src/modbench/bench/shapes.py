"""What is measured: a grid of shapes, and the group of runs that stands for each."""

from collections.abc import Sequence
from itertools import islice, product
from math import ceil
from typing import Any

from modbench.core.errors import RequestError, unknown
from modbench.core.grid import parse_sweep
from modbench.core.identity import static_key
from modbench.core.names import ARCHITECTURES, PAPER_MODELS
from modbench.core.spec import RunSpec
from modbench.sweep.memory import ANYWHERE, Place
from modbench.sweep.width import choose_width

ENCODER_WIDTHS = (32, 128, 512)
RULES = (2, 8, 32)
COHORT = 25
"""Runs of a cohort, which its width is chosen for: five tasks, five seeds, as in the paper."""
TASKS = 5
WIDEST = 10_000
"""Widest group that can be asked for."""


def select(
    architectures: Sequence[str] = (),
    models: Sequence[str] = (),
    encoder_widths: Sequence[int] = (),
    rules: Sequence[int] = (),
    kinds: Sequence[str] = (),
    length: int | None = None,
    batch_size: int | None = None,
    overrides: Sequence[str] = (),
) -> list[RunSpec]:
    """The shapes of a grid, a run for each; whatever is left empty is the default.

    Args:
        architectures: all of them.
        models: names of `modbench.core.names.MODELS`; the paper's four.
        encoder_widths: `ENCODER_WIDTHS`.
        rules: `RULES`.
        kinds: regression.
        length: positions of an example; the protocol's. MLP has none and is left alone.
        batch_size: the protocol's.
        overrides: `field=value` texts, see `modbench.core.grid.load_sweep`.

    Raises:
        RequestError: a name or number is not possible.
    """
    for name in architectures:
        if name not in ARCHITECTURES:
            raise unknown("architecture", name, ARCHITECTURES)
    grids = []
    for architecture in dict.fromkeys(architectures or ARCHITECTURES):
        task: dict[str, Any] = {"architecture": architecture, "kind": list(kinds or ["regression"])}
        if length is not None and architecture != "mlp":
            task["length"] = length
        task["num_rules"] = list(rules or RULES)
        model = {
            "encoder_width": list(encoder_widths or ENCODER_WIDTHS),
            "name": list(models or PAPER_MODELS),
        }
        train = {} if batch_size is None else {"batch_size": batch_size}
        grids.append({"task": task, "model": model, "train": train})
    if length is not None and set(architectures) == {"mlp"}:
        raise RequestError(f"length: mlp has no sequences; leave it out, got {length}")
    specs = parse_sweep({"grid": grids}, overrides).runs.values()
    return list({static_key(spec): spec for spec in specs}.values())


def cohort(spec: RunSpec, runs: int = COHORT) -> list[RunSpec]:
    """A cohort of the shape of `spec`: as many runs as wanted, seeds within `TASKS` tasks."""
    numbers = product(range(TASKS), range(ceil(runs / TASKS)))
    return [
        spec.model_copy(update={"task": spec.task.model_copy(update={"task_seed": task_seed}), "seed": seed})
        for task_seed, seed in islice(numbers, runs)
    ]


def group(spec: RunSpec, width: int | None = None, place: Place = ANYWHERE) -> list[RunSpec]:
    """The runs that train side by side where a cohort has the shape of `spec`.

    Args:
        spec: any run of the shape.
        width: of the group; None is what would be planned for a cohort of `COHORT` runs.
        place: where it will train.

    Raises:
        RequestError: the width is out of range.
    """
    if width is not None and not 1 <= width <= WIDEST:
        raise RequestError(f"width: must be from 1 to {WIDEST:,}, got {width}")
    runs = cohort(spec, max(COHORT, width or 0))
    return runs[: width or choose_width(runs, place)]
