"""What a trained and evaluated run is, in plain Python and NumPy."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from modbench.core.spec import RunSpec


@dataclass(frozen=True)
class ShiftPerformance:
    """Mean loss and error at one scale (1 or 2) and length (1 for the MLP)."""

    scale: float
    length: int
    loss: float
    error: float


@dataclass(frozen=True)
class CheckpointResult:
    """What was measured of one checkpoint.

    Attributes:
        step: updates behind it.
        performance: every scale x length.
        activation: A[r, m] = p(module m | rule r), rows sum to 1; None without modules.
        quantities: every name of `modbench.core.quantities.QUANTITIES`; None was not measured, NaN diverged.
    """

    step: int
    performance: list[ShiftPerformance]
    activation: Float[np.ndarray, "R M"] | None
    quantities: dict[str, float | None]


@dataclass(frozen=True)
class CurvePoint:
    """One evaluation during training.

    Attributes:
        step: updates before it.
        loss: on fresh data.
        error: on fresh data.
        selection_loss: on another sample.
        selection_error: on another sample.
        activation: A[r, m] = p(module m | rule r) on both samples; None without modules, and where a rule occurred
            in neither.
        metrics: every name of `modbench.core.quantities.CURVE_METRICS`, computed from `activation`; empty without.
    """

    step: int
    loss: float
    error: float
    selection_loss: float
    selection_error: float
    activation: Float[np.ndarray, "R M"] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RunResult:
    """One finished run.

    Attributes:
        spec: the run.
        num_parameters: trainable parameters of its model.
        rule_agreement: how alike the rules of its task are, see `modbench.tasks.overlap.RuleOverlap`; None where
            the run could not begin.
        rule_rank: dimension of the space that they span; None likewise.
        status: `"done"` or `"failed"`.
        reason: why it failed, else None.
        diverged_at: the update at which it diverged, else None.
        train_loss: training loss at the end, averaged over about the last hundred steps.
        curve: points of the learning curve.
        checkpoints: `"last"` and `"best"`.
        seconds: the run's share of its group's time for `"train"`, `"compile"` and `"evaluate"`.
        params: checkpoint -> name -> array, its parameters; empty unless they were asked for.
    """

    spec: RunSpec
    num_parameters: int
    rule_agreement: float | None
    rule_rank: int | None
    status: str
    reason: str | None
    diverged_at: int | None
    train_loss: float
    curve: list[CurvePoint]
    checkpoints: dict[str, CheckpointResult]
    seconds: dict[str, float]
    params: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict, repr=False)
