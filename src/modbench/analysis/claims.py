"""The paper's eight claims, each as effects that it says something about, and what the runs say to that.

How a verdict follows. An effect is measured as a mean with its interval (`modbench.analysis.intervals`), over
pairs of runs on the same task, capacity and seed where models are compared. It is

- **supported** when its interval lies wholly on the claim's side;
- **contradicted** when its interval lies wholly on the other side. A claim of k effects has k chances to fail, so
  for this the intervals are those that hold together: each at level 1 - 0.05 / k;
- **too short** when all its runs are early training (`modbench.analysis.early`), however narrow its interval is;
- **undecided** otherwise, and wherever there are not several task seeds and several seeds, without which no interval
  speaks of both sources of chance.

A claim is supported when all its effects are, contradicted when any of them is, too short where all settings are, and
undecided otherwise. Settings that are early training are measured and decide nothing: the verdict over all settings
rests on the others.

Where the paper says "small" or "marginally", a tenth is meant here (`SMALL`): of the error, and of the way from
perfect to random routing. A metric cannot be below 0, so that being above it would say nothing: where a solution is
"not found", its metric is more than that tenth away. Where it says "many" and "few" rules, it compares them: what is
little is little beside the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from modbench.analysis.early import Training, trainings
from modbench.analysis.effects import Effect, Measured, Over, Panel, level_of, lower_error, lower_metric, wins
from modbench.analysis.intervals import LEVEL
from modbench.analysis.needs import Need, need_of
from modbench.core.names import MODEL_TITLES
from modbench.store.table import Tables

Verdict = Literal["supported", "contradicted", "undecided", "too short"]
SMALL = 0.1

MONOLITHIC, MODULAR, OP, GT = "monolithic", "modular", "modular-op", "gt-modular"
_SHIFTS = {"error_id": "in distribution", "error_ood": "out of distribution"}


@dataclass(frozen=True)
class Card:
    """One claim.

    Attributes:
        number: the paper's order, from 1.
        sentence: the claim.
        measured: what is measured, and what the claim says of it.
        effects: the numbers it speaks of; those that are not judged stand beside them.
        mind: what a reader must know before believing the verdict.
    """

    number: int
    sentence: str
    measured: str
    effects: tuple[Effect, ...]
    mind: str


class Judged(NamedTuple):
    """An effect, what it was measured to be, and what that means; None where the claim says nothing about it."""

    effect: Effect
    measured: Measured
    verdict: Verdict | None


@dataclass(frozen=True)
class Claim:
    """A claim with its verdict.

    Attributes:
        card: what is claimed.
        results: over all settings of the store that are not early training; over all where every one is.
        verdict: what they mean together.
        settings: the same for each setting alone, in reporting order.
        trainings: how far each of them was trained.
        need: for a claim that is undecided or too short, what would decide it.
    """

    card: Card
    results: list[Judged]
    verdict: Verdict
    settings: Mapping[str, tuple[Verdict, list[Judged]]]
    trainings: Mapping[str, Training]
    need: Need | None

    def settings_with(self, verdict: Verdict) -> list[str]:
        """The settings in which the claim has this verdict."""
        return [setting for setting, (given, _) in self.settings.items() if given == verdict]


def _lower(model: str, than: str, quantity: str, over: Over = "all", **side: float) -> Effect:
    names = f"{MODEL_TITLES[than]} / {MODEL_TITLES[model]}"
    where = _SHIFTS.get(quantity, "over the course of training")
    how = {"growth": ", factor per doubling of R", "most": ", most rules", "fewest": ", fewest rules"}
    title = f"Error of {names}, {where}{how.get(over, '')}"
    return Effect(title, (model, than), lower_error(model, than, quantity), "ratio", over, **side)


def _grows(model: str, quantity: str, name: str) -> Effect:
    title = f"{name} of {MODEL_TITLES[model]}, growth per doubling of R"
    return Effect(title, (model,), level_of(model, quantity), "difference", "growth", above=0)


def _level(model: str, quantity: str, name: str, **side: float) -> Effect:
    title = f"{name} of {MODEL_TITLES[model]}"
    return Effect(title, (model,), level_of(model, quantity), "level", "all", **side)


def _less(model: str, than: str, quantity: str, name: str, **side: float) -> Effect:
    title = f"{name} of {MODEL_TITLES[than]} less that of {MODEL_TITLES[model]}"
    return Effect(title, (model, than), lower_metric(model, than, quantity), "difference", "all", **side)


def _more_wins(quantity: str, **side: float) -> Effect:
    title = f"Pairs in which Modular has a lower error than Monolithic, {_SHIFTS[quantity]}"
    return Effect(title, (MODULAR, MONOLITHIC), wins(MODULAR, MONOLITHIC, quantity), "share", "all", **side)


_ALIGNMENT, _IMI = "Alignment, relative to Random,", "Inverse mutual information"
_PARAMETERS = (
    "The models have about, not exactly, the same number of parameters; the ratio stands beside each effect."
)

CARDS: tuple[Card, ...] = (
    Card(
        1,
        "Specialisation pays when rules are many, and little when they are few.",
        "How many times lower GT-Modular's error is than Monolithic's: above 1 at the most rules of each setting, and "
        "growing with every doubling of R.",
        (
            _lower(GT, MONOLITHIC, "error_id", "most", above=0),
            _lower(GT, MONOLITHIC, "error_id", "growth", above=0),
            _lower(GT, MONOLITHIC, "error_id", "fewest"),
        ),
        _PARAMETERS,
    ),
    Card(
        2,
        "Perfect specialisation helps, in and out of distribution.",
        "How many times lower GT-Modular's error is than each other model's, in and out of distribution: above 1.",
        tuple(
            _lower(GT, than, quantity, above=0) for quantity in _SHIFTS for than in (MONOLITHIC, MODULAR, OP)
        ),
        "Doubling the inputs changes no label in classification, so that only length makes it harder there. "
        + _PARAMETERS,
    ),
    Card(
        3,
        "Perfect specialisation speeds up training.",
        "How many times lower GT-Modular's learning curve lies than each other model's, as a geometric mean over the "
        "evaluations during training but for step 0: above 1.",
        tuple(_lower(GT, than, "error_training", above=0) for than in (MONOLITHIC, MODULAR, OP)),
        "The area between two curves counts a lower end too, not only an earlier descent.",
    ),
    Card(
        4,
        "Modular beats Monolithic often, but by small margins.",
        "How often Modular has the lower error of two runs: above 50 %. How many times lower its error is on average: "
        f"below {1 / (1 - SMALL):.2f}, which is a tenth less.",
        (
            _more_wins("error_id", above=0.5),
            _lower(MODULAR, MONOLITHIC, "error_id", below=-np.log2(1 - SMALL)),
            _more_wins("error_ood"),
            _lower(MODULAR, MONOLITHIC, "error_ood"),
        ),
        _PARAMETERS,
    ),
    Card(
        5,
        "Backpropagation alone does not find the specialised solution: modules collapse, and more so with more rules.",
        f"Modular's distance from perfect specialisation: alignment, relative to Random, above {SMALL}, a tenth of the "
        "way. And its collapse, growing with every doubling of R, on average and for the worst module.",
        (
            _level(MODULAR, "alignment", _ALIGNMENT, above=SMALL),
            _grows(MODULAR, "collapse_worst", "Collapse-Worst"),
            _grows(MODULAR, "collapse_avg", "Collapse-Avg"),
            _level(MODULAR, "collapse_worst", "Collapse-Worst"),
        ),
        "The scales move with R too: at equally uneven use Collapse-Worst grows, as the least of many is less than the "
        "least of few, and Collapse-Avg falls, by its factor M/(M - 1). So both must grow.",
    ),
    Card(
        6,
        "Mis-specialisation grows with the number of rules too.",
        "Modular's distance from perfect specialisation: growing with every doubling of R, by alignment and by inverse "
        "mutual information.",
        (
            _grows(MODULAR, "alignment", _ALIGNMENT),
            _grows(MODULAR, "inverse_mutual_information", _IMI),
            _level(MODULAR, "inverse_mutual_information", _IMI),
        ),
        "Random routing has an alignment of 1 - 1/R, which moves with R by itself: alignment is divided by it, so that "
        "0 is perfect and 1 is random for every R. Inverse mutual information is 1 for random routing at every R.",
    ),
    Card(
        7,
        "Modular-op collapses less than Modular, but specialises only marginally better.",
        "By how much Modular-op's metrics are lower: collapse above 0; alignment, relative to Random, above 0 and "
        f"below {SMALL}, a tenth of the way from random to perfect.",
        (
            _less(OP, MODULAR, "collapse_worst", "Collapse-Worst", above=0),
            _less(OP, MODULAR, "collapse_avg", "Collapse-Avg", above=0),
            _less(OP, MODULAR, "alignment", _ALIGNMENT, above=0, below=SMALL),
            _less(OP, MODULAR, "inverse_mutual_information", _IMI),
        ),
        "In MHA the scorer of Modular-op has D/(2M) hidden units, two at E = 32 and R = 32, which learn slowly even "
        "what they are told: that it specialises little there may be its width.",
    ),
    Card(
        8,
        "The specialised solution is within the architecture's reach and yet not found.",
        "How far the routers that learn are from GT-Modular, which has their body and lacks only their scorer: how "
        f"many times lower its error is, above 1, and how much lower its alignment, relative to Random, above {SMALL}.",
        tuple(
            effect
            for model in (MODULAR, OP)
            for effect in (
                _lower(GT, model, "error_id", above=0),
                _less(GT, model, "alignment", _ALIGNMENT, above=SMALL),
            )
        ),
        "What the learnt models have above GT-Modular's parameters is the scorer. The rules of the MLP task span two "
        "dimensions, so that mixtures of modules can solve it without specialising.",
    ),
)
"""The paper's claims in order."""


def claims(tables: Tables, checkpoint: str = "last") -> list[Claim]:
    """Holds the paper's claims against the runs of a store.

    Args:
        tables: as loaded.
        checkpoint: `"last"` or `"best"`.

    Returns:
        All eight, in order.

    Raises:
        RequestError: an unknown checkpoint.
    """
    panel = Panel.of(tables, checkpoint)
    trained = trainings(panel)
    early = {setting: training for setting, training in trained.items() if training.early}
    all_early = bool(early) and len(early) == len(trained)
    whole = panel if all_early else panel.only(*(trained.keys() - early.keys()))
    parts = {setting: panel.only(setting) for setting in trained}
    found = []
    for card in CARDS:
        results = judge(card, whole, all_early)
        verdict = verdict_of(results)
        by_setting: dict[str, tuple[Verdict, list[Judged]]] = {}
        for setting, part in parts.items():
            alone = judge(card, part, setting in early)
            by_setting[setting] = (verdict_of(alone), alone)
        judged = [(result.effect, result.measured) for result in results if result.verdict]
        need = (
            need_of(whole.runs, judged, early if all_early else {})
            if verdict in ("undecided", "too short")
            else None
        )
        found.append(Claim(card, results, verdict, by_setting, trained, need))
    return found


def judge(card: Card, panel: Panel, early: bool = False) -> list[Judged]:
    """Measures a claim's effects on some runs, and says of each what its interval means.

    Args:
        card: the claim.
        panel: of the runs.
        early: whether they are early training, which decides nothing.
    """
    together = 1 - (1 - LEVEL) / sum(effect.judged for effect in card.effects)
    results = []
    for effect in card.effects:
        measured, strictly = effect.measure_at(panel, LEVEL, together)
        verdict: Verdict | None = None
        if effect.judged:
            verdict = "too short" if early else _verdict(effect, measured, strictly)
        results.append(Judged(effect, measured, verdict))
    return results


def verdict_of(results: list[Judged]) -> Verdict:
    """Supported or too short when all effects are, contradicted when any is, else undecided."""
    verdicts: list[Verdict] = [result.verdict for result in results if result.verdict]
    if "contradicted" in verdicts:
        return "contradicted"
    return verdicts[0] if verdicts and len(set(verdicts)) == 1 else "undecided"


def _verdict(effect: Effect, measured: Measured, together: Measured) -> Verdict:
    if not measured.crossed:
        return "undecided"
    if measured.interval.low > effect.above and measured.interval.high < effect.below:
        return "supported"
    if together.interval.high < effect.above or together.interval.low > effect.below:
        return "contradicted"
    return "undecided"
