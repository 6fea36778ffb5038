"""What TF32 and bfloat16 products do to what a run learns: the same runs in every precision, seed by seed.

Training is chaotic, so runs that differ in the last place drift apart as well. How far is measured beside it:
`float32, other width` are the same float32 runs, trained in groups of half the size.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence

import numpy as np

STEPS = {"mlp": 3000, "mha": 200, "rnn": 200}
BATCHES = 50
"""Batches behind each of the two samples that a loss is measured on; the same for every precision."""
CONTROL = "float32, other width"
REFERENCE = "float32"


def interval(values: np.ndarray) -> tuple[float, float]:
    """Mean and half the width of its 95 % t interval; of one value the half is NaN."""
    from scipy import stats

    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return float(values.mean()), float(half)


def table(losses: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    """A Markdown table from architecture -> precision -> last losses by seed.

    Differences are those to float32 with the same seed, in percent of float32's mean loss.
    """
    lines = [
        "| architecture | products | last loss | minus float32, same seed | largest of a seed |",
        "|---" * 5 + "|",
    ]
    for architecture, found in losses.items():
        reference = found[REFERENCE]
        for name, values in found.items():
            mean, half = interval(values)
            cells = [architecture.upper(), name, f"{mean:.4f} ± {half:.4f}", "", ""]
            if name != REFERENCE:
                change = 100 * (values - reference) / reference.mean()
                mean, half = interval(change)
                cells[3:] = [f"{mean:+.2f} % ± {half:.2f} %", f"{np.abs(change).max():.2f} %"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def train(
    architecture: str, precision: str, steps: int, seeds: int, width: int, learning_rate: float
) -> np.ndarray:
    """Trains one run per seed and measures each on the training distribution.

    Returns:
        Losses by seed, float64.
    """
    import jax

    from modbench.core.spec import RunSpec
    from modbench.training.cohort import CohortProgram

    runs = [
        RunSpec.of(
            {"architecture": architecture, "num_rules": 8},
            {"name": "modular", "encoder_width": 32},
            {"steps": steps, "learning_rate": learning_rate, "precision": precision},
            {"curve_batches": BATCHES},
            seed=seed,
        )
        for seed in range(seeds)
    ]
    program = CohortProgram(runs[0], width)
    losses: list[float] = []
    for start in range(0, seeds, width):
        group = runs[start : start + width]
        data = program.data(group)
        state = program.advance(program.init(group), data, 0, steps)
        _, point = jax.device_get(program.measure(state, data, steps))
        losses += [
            float((loss + other) / 2) for loss, other in zip(point.loss, point.selection_loss, strict=True)
        ]
    return np.array(losses[:seeds])


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains everything and prints the table."""
    parser = argparse.ArgumentParser(description="The last losses of the same runs in every precision.")
    parser.add_argument("architectures", nargs="*", metavar="ARCHITECTURE", help="[default: mlp rnn]")
    parser.add_argument("--seeds", type=int, default=8, metavar="N", help="runs of each [default: 8]")
    parser.add_argument("--steps", type=int, metavar="n", help="[default: 3000 (mlp) or 200]")
    parser.add_argument("--learning-rate", type=float, default=1e-3, metavar="x", help="[default: 0.001]")
    given = parser.parse_args(arguments)
    architectures = given.architectures or ["mlp", "rnn"]
    if unknown := set(architectures) - set(STEPS):
        parser.error(f"unknown architecture {min(unknown)!r}; possible: {', '.join(STEPS)}")
    if given.seeds < 2 or (given.steps is not None and given.steps < 1) or not given.learning_rate > 0:
        parser.error("--seeds must be at least 2, --steps at least 1, --learning-rate greater than 0")

    from modbench.core.names import PRECISIONS
    from modbench.sweep.executors import set_own_environment

    set_own_environment()
    losses: dict[str, dict[str, np.ndarray]] = {}
    for architecture in architectures:
        steps = given.steps or STEPS[architecture]
        ways = {name: (name, given.seeds) for name in PRECISIONS}
        ways[CONTROL] = (REFERENCE, max(1, given.seeds // 2))
        losses[architecture] = {}
        for name, (precision, width) in ways.items():
            values = train(architecture, precision, steps, given.seeds, width, given.learning_rate)
            losses[architecture][name] = values
            print(f"{architecture}, {name}: {values.round(4).tolist()}", file=sys.stderr)
    print(table(losses))
    return 0


if __name__ == "__main__":
    sys.exit(main())
