"""Advice on a sweep whose evaluation would take longer than its training."""

from collections.abc import Sequence
from math import fsum

from modbench.core.protocol import EVALUATION_PRESETS
from modbench.core.spec import RunSpec
from modbench.store.plan import PlannedCohort
from modbench.sweep.cost import curve_steps, evaluation_steps, step_work

DOMINATES = 0.5
"""Share of the time from which on evaluation is worth a word."""
SHORTER = 0.5
"""The preset is recommended where it makes evaluation shorter than this share of what it is."""


def expected_share(cohorts: Sequence[PlannedCohort]) -> float:
    """The share of evaluation in the time of some cohorts by their operations alone, in 0..1."""
    training = fsum(_work(c, c.runs[0].train.steps + curve_steps(c.runs[0])) for c in cohorts)
    evaluating = fsum(_work(c, evaluation_steps(c.runs[0])) for c in cohorts)
    return evaluating / (training + evaluating) if cohorts else 0.0


def evaluation_advice(cohorts: Sequence[PlannedCohort], share: float) -> str | None:
    """Says which fields shorten evaluation, where it takes most of the time.

    Args:
        cohorts: that are to be trained.
        share: of evaluation in their time, in 0..1.

    Returns:
        A sentence or two; None where training takes most of the time.
    """
    if share < DOMINATES:
        return None
    fields = ", ".join(f"evaluation.{field}" for field in EVALUATION_PRESETS["short"])
    text = (
        f"evaluation takes about {share:.0%} of the time; {fields} and evaluation.lengths set how long it is"
    )
    preset = preset_advice(cohorts)
    return f"{text}; {preset}" if preset else text


def preset_advice(cohorts: Sequence[PlannedCohort]) -> str | None:
    """Recommends the preset where evaluation would take most of the time and the preset makes it much shorter.

    Args:
        cohorts: that are to be trained.
    """
    if expected_share(cohorts) < DOMINATES:
        return None
    now = fsum(_work(c, evaluation_steps(c.runs[0])) for c in cohorts)
    short = fsum(_work(c, evaluation_steps(_shortened(c.runs[0]))) for c in cohorts)
    if short > SHORTER * now:
        return None
    return f'evaluation.preset = "short" makes evaluation about {now / short:.0f} times shorter'


def _work(cohort: PlannedCohort, steps: float) -> float:
    return len(cohort.runs) * steps * step_work(cohort.runs[0])


def _shortened(spec: RunSpec) -> RunSpec:
    """The run under the preset, with whatever fields it was given."""
    fields = {
        field: min(value, getattr(spec.evaluation, field))
        for field, value in EVALUATION_PRESETS["short"].items()
    }
    return spec.model_copy(update={"evaluation": spec.evaluation.model_copy(update=fields)})
