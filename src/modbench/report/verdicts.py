"""The claims as a page shows them: every number as text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from modbench.analysis import model_title
from modbench.analysis.claims import Claim, Judged, claims
from modbench.analysis.effects import Effect, Form
from modbench.store.table import Tables


@dataclass(frozen=True)
class Line:
    """An effect: what it is, its mean, interval and basis as text, what the claim says of it, and its verdict.

    `verdict` is None for an effect that is only shown; `interval` is empty where there is none.
    """

    title: str
    mean: str
    interval: str
    says: str
    basis: str
    verdict: str | None
    num_runs: int


@dataclass(frozen=True)
class ShownClaim:
    """A claim with its verdict in words.

    Attributes:
        claim: as judged.
        lines: its effects over all settings.
        settings: (setting, verdict, lines) of each, none where the store has but one.
        basis: the settings that the verdict rests on, where some are left out; empty otherwise.
        split: a sentence on settings whose verdict is the opposite of another's; empty without.
        command: that would make what is missing; None where there is none.
    """

    claim: Claim
    lines: list[Line]
    settings: list[tuple[str, str, list[Line]]]
    basis: str
    split: str
    command: str | None


def shown_claims(tables: Tables, folder: str = "DIR", checkpoint: str = "last") -> list[ShownClaim]:
    """The paper's claims, held against a store.

    Args:
        tables: as loaded.
        folder: of the store, for the commands.
        checkpoint: `"last"` or `"best"`.
    """
    return [_shown(claim, folder) for claim in claims(tables, checkpoint)]


def short_training(claims: Sequence[ShownClaim]) -> list[str]:
    """A line for the settings that were trained for fewer steps than the paper's: what follows from that."""
    settings: dict[str, list[str]] = {}
    for setting, training in claims[0].claim.trainings.items():
        if training.short:
            settings.setdefault(training.reason, []).append(setting)
    return [f"{', '.join(named)}: {reason}" for reason, named in settings.items()]


def _shown(claim: Claim, folder: str) -> ShownClaim:
    several = len(claim.settings) > 1
    settings = [
        (setting, verdict, [line_of(result) for result in results])
        for setting, (verdict, results) in claim.settings.items()
    ]
    against = claim.settings_with("contradicted") if claim.verdict != "contradicted" else []
    favour = claim.settings_with("supported") if claim.verdict == "contradicted" else []
    split = [
        f"{word} in {', '.join(found)} alone"
        for word, found in (("Contradicted", against), ("Supported", favour))
        if found
    ]
    left_out = [setting for setting, training in claim.trainings.items() if training.early]
    rest = [setting for setting in claim.settings if setting not in left_out]
    return ShownClaim(
        claim,
        [line_of(result) for result in claim.results],
        settings if several else [],
        f"Rests on {', '.join(rest)}; early training decides nothing" if left_out and rest else "",
        split[0] if several and split else "",
        claim.need.command(folder) if claim.need else None,
    )


def line_of(result: Judged) -> Line:
    """An effect as text."""
    effect, (interval, num_runs, left_out, parameters), verdict = result
    mean, low, high = (float(number) for number in interval[:3])
    paired = len(effect.models) > 1 and effect.over != "growth"
    basis = f"{num_runs:,} run{'s' * (num_runs != 1)}" if num_runs else "no finished run"
    if paired:
        basis = (
            f"{basis} in {num_runs // len(effect.models):,} pairs" if num_runs else "no pair of finished runs"
        )
    if left_out:
        basis += f", {left_out:,} left out"
    if parameters and paired:
        first, second = (model_title(model) for model in effect.models)
        basis += f"; {second} has {parameters:#.3g} times {first}'s parameters"
    return Line(
        effect.title,
        _text(mean, effect.form) if np.isfinite(mean) else "none",
        f"{_text(low, effect.form)} to {_text(high, effect.form)}" if np.isfinite([low, high]).all() else "",
        _says(effect),
        basis,
        verdict,
        num_runs,
    )


def _text(value: float, form: Form) -> str:
    if form == "ratio":
        return f"{2**value:.2f}"
    if form == "share":
        return f"{100 * value:.0f} %"
    return f"{value:.2f}" if form == "level" else f"{value:+.2f}"


def _bound(value: float, form: Form) -> str:
    if form == "share":
        return _text(value, form)
    return f"{2**value if form == 'ratio' else value:.3g}"


def _says(effect: Effect) -> str:
    sides = [
        f"{word} {_bound(bound, effect.form)}"
        for word, bound in (("above", effect.above), ("below", effect.below))
        if np.isfinite(bound)
    ]
    return " and ".join(sides)
