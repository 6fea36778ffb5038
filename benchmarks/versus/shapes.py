"""What is measured: the shapes of the paper's grid, the targets, and the sample."""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modbench.bench.shapes import COHORT, cohort
from modbench.core import geometry
from modbench.core.names import PAPER_MODELS
from modbench.core.spec import RunSpec
from modbench.models import sizing

ENCODER_WIDTHS = (32, 64, 128, 256, 512)
RULES = (2, 4, 8, 16, 32)

TARGETS = {
    ("mlp", 32): 10.0,
    ("mlp", 128): 2.5,
    ("mlp", 512): 1.5,
    ("mha", 32): 5.0,
    ("mha", 128): 2.0,
    ("mha", 512): 1.3,
    ("rnn", 32): 4.0,
    ("rnn", 128): 1.7,
    ("rnn", 512): 1.2,
}
"""Least ratio to the original by architecture and encoder width: modular, 8 rules, regression, two cores."""
TARGET_ON_GPU = 200.0
"""Least ratio to the original at E = 32, both on the same GPU."""


@dataclass(frozen=True, order=True)
class Shape:
    """One shape of the grid.

    Attributes:
        architecture: `mlp`, `mha` or `rnn`.
        encoder_width: E; the model width is what `modbench` fills in.
        num_rules: R.
        model: a named model.
        kind: `regression` or `classification`.
        search_version: of the MHA task; 1 for the others.
    """

    architecture: str
    encoder_width: int
    num_rules: int = 8
    model: str = "modular"
    kind: str = "regression"
    search_version: int = 1

    def __str__(self) -> str:
        """Such as `MHA v2 regression modular E=32 R=8`."""
        version = f" v{self.search_version}" if self.architecture == "mha" else ""
        return (
            f"{self.architecture.upper()}{version} {self.kind} {self.model} "
            f"E={self.encoder_width} R={self.num_rules}"
        )

    def target(self, device: str = "cpu") -> float:
        """Least ratio to the original that is aimed at: nowhere below 1, never slower."""
        if device != "cpu":
            return TARGET_ON_GPU if self.encoder_width == ENCODER_WIDTHS[0] else 1.0
        table = (self.num_rules, self.model, self.kind) == (8, "modular", "regression")
        return TARGETS.get((self.architecture, self.encoder_width), 1.0) if table else 1.0

    def cohort(self, runs: int = COHORT, precision: str = "float32") -> list[RunSpec]:
        """Its runs.

        Args:
            runs: how many, seeds within tasks.
            precision: of their products.

        Raises:
            RequestError: there is no such shape; says what must hold.
        """
        task: dict[str, Any] = {
            "architecture": self.architecture,
            "num_rules": self.num_rules,
            "kind": self.kind,
        }
        if self.architecture == "mha":
            task["search_version"] = self.search_version
        model = {"name": self.model, "encoder_width": self.encoder_width}
        return cohort(RunSpec.of(task=task, model=model, train={"precision": precision}), runs)


def plain(spec: RunSpec) -> dict[str, Any]:
    """The numbers that a process without `modbench` needs to build a run of this shape."""
    e, d, rules = spec.model.encoder_width, spec.model.model_width, spec.task.num_rules
    architecture, modular = spec.task.architecture, spec.model.modular
    hidden = {"mlp": d, "mha": 2 * e, "rnn": d}[architecture]
    if modular:
        hidden = {
            "mlp": geometry.mlp_hidden_width(d, rules),
            "mha": geometry.mha_module_hidden(e, d, rules),
            "rnn": geometry.rnn_hidden_width(e, d, rules),
        }[architecture]
    return {
        "architecture": architecture,
        "kind": spec.task.kind,
        "model": spec.model.name,
        "num_rules": rules,
        "encoder_width": e,
        "model_width": d,
        "hidden_width": hidden,
        "batch_size": spec.train.batch_size,
        "length": spec.length,
        "input_width": sizing.input_width(spec),
        "search_version": getattr(spec.task, "search_version", 1),
        "state_width": getattr(spec.task, "state_width", 0),
    }


def target_shapes() -> list[Shape]:
    """The shapes that have a target of their own."""
    return [Shape(architecture, width) for architecture, width in TARGETS]


def grid() -> list[Shape]:
    """The paper's 125 combinations of family, E and R, each with four models: 500 shapes."""
    families = [
        ("mlp", "regression", 1),
        ("mha", "regression", 1),
        ("mha", "regression", 2),
        ("rnn", "regression", 1),
        ("rnn", "classification", 1),
    ]
    return [
        Shape(architecture, width, rules, model, kind, version)
        for (architecture, kind, version), width, rules, model in itertools.product(
            families, ENCODER_WIDTHS, RULES, PAPER_MODELS
        )
    ]


def sample(drawn: int, seed: int = 0) -> list[Shape]:
    """The grid's extremes, where a ratio is likely to be worst, and some shapes drawn from the rest.

    Args:
        drawn: how many are drawn.
        seed: of the draw.

    Returns:
        The smallest and largest E with the fewest and most rules, monolithic and modular, of every family; then the
        drawn ones.
    """
    ends = (ENCODER_WIDTHS[0], ENCODER_WIDTHS[-1]), (RULES[0], RULES[-1]), ("monolithic", "modular")

    def extreme(shape: Shape) -> bool:
        return shape.encoder_width in ends[0] and shape.num_rules in ends[1] and shape.model in ends[2]

    first = [shape for shape in grid() if extreme(shape)]
    rest = [shape for shape in grid() if not extreme(shape)]
    return first + sorted(random.Random(seed).sample(rest, min(drawn, len(rest))))


def product(
    architectures: Sequence[str],
    widths: Sequence[int],
    rules: Sequence[int],
    models: Sequence[str],
    kinds: Sequence[str],
    versions: Sequence[int],
) -> list[Shape]:
    """Every combination; search versions count for MHA alone."""
    return [
        Shape(architecture, width, number, model, kind, version)
        for architecture, width, number, model, kind in itertools.product(
            architectures, widths, rules, models, kinds
        )
        for version in (versions if architecture == "mha" else (1,))
    ]
