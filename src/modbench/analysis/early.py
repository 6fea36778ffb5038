"""How far a setting was trained, and whether the paper's claims can be asked of it at all.

The claims are about models at the end of the paper's training: 100,000 steps (MLP) or 500,000 (MHA, RNN). A setting
with less than a quarter of these (`FEWEST`) is **early**, and decides no claim: before learning sets in all models are
equally bad, and stay so for a while, so that no look at their curves could replace the steps.

A setting with a quarter or more, but not all, is **short**: it is judged, and its verdicts speak of training of that
length, which is said with them. Beside it stands how much the models' comparisons still move: for every two models
that the claims compare, the change of the ratio of their losses from the middle third of the learning curve to the
last. They have **settled** where the whole interval of each change (at 90 %, so that each side is tested at 5 %) is
within a fifth (`MOST`); that few seeds show no change is no sign that there is none.

Why ratios, and not the curves themselves: at a constant learning rate these do not level off. The MLP's error falls
by about a sixth with every doubling of the steps from 5,000 to 100,000 (4, 8 and 32 rules, encoder width 32), so that
at the end of the paper's own training too only noise could make it seem to have stopped. The loss stands for the
error, as counts of a few wrong labels are too coarse.

What this does not see: it looks at losses alone, so that modules which go on specialising after these have settled
pass unnoticed (the scorer of Modular-op in MHA may be such a case); `modbench.analysis.over_time` follows routing. And
all numbers of rules and capacities of a setting are taken together.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from modbench.analysis.effects import Effect, Panel, lower_metric
from modbench.analysis.intervals import LEVEL, Interval
from modbench.analysis.settings import settings_in_order
from modbench.core.names import MODEL_TITLES
from modbench.core.spec import RunSpec

FEWEST = 0.25
"""Share of the paper's steps below which a setting is early whatever its curves do."""
MOST = 0.2
"""How much lower a ratio of losses may become, or one over it."""
SIDES = 1 - 2 * (1 - LEVEL)
"""Coverage of an interval each of whose sides is a test at the usual level."""
PAIRS = (
    ("gt-modular", "monolithic"),
    ("gt-modular", "modular"),
    ("gt-modular", "modular-op"),
    ("modular", "monolithic"),
)
"""The models that the claims compare by their errors."""


@dataclass(frozen=True)
class Training:
    """How far a setting was trained.

    Attributes:
        steps: of its runs; the fewest where they differ.
        protocol: the paper's.
        changes: of each two models that both have runs, named for people, the change of the ratio of their losses
            from the middle third of the learning curve to the last: a logarithm to the base of two, with its
            interval.
    """

    steps: int
    protocol: int
    changes: Mapping[str, Interval]

    @property
    def short(self) -> bool:
        """Whether it had fewer steps than the paper's."""
        return self.steps < self.protocol

    @property
    def early(self) -> bool:
        """Whether it decides no claim."""
        return self.steps < FEWEST * self.protocol

    @property
    def settled(self) -> bool:
        """Whether how models compare is shown to have settled."""
        bounds = np.array([(change.low, change.high) for change in self.changes.values()])
        return bool(len(bounds) and (np.abs(bounds) < -np.log2(1 - MOST)).all())

    @property
    def length(self) -> str:
        """Its steps beside the paper's, in words."""
        return f"{self.steps:,} of {self.protocol:,} steps"

    @property
    def reason(self) -> str:
        """Why it decides nothing, or what its verdicts speak of; empty for the paper's number of steps."""
        if not self.short:
            return ""
        if self.early:
            fewest = math.ceil(FEWEST * self.protocol)
            return f"too short: early training, {self.length}; claims are judged from {fewest:,} on"
        known = {pair: change for pair, change in self.changes.items() if np.isfinite(_farthest(change))}
        if not known:
            return f"{self.length}; whether how models compare has settled cannot be told from these runs"
        pair, change = max(known.items(), key=lambda item: _farthest(item[1]))
        low, high = (f"{100 * (2**bound - 1):+.0f} %" for bound in (change.low, change.high))
        word = "has settled" if self.settled else "is not shown to have settled"
        changed = f"over the last third the loss of {pair} changed by {low} to {high}"
        return f"{self.length}; how models compare {word}: {changed}"


def trainings(panel: Panel) -> dict[str, Training]:
    """How far each setting of a panel was trained, in reporting order."""
    found = {}
    for setting in settings_in_order(panel.runs):
        part = panel.only(setting)
        task = {"architecture": str(part.runs["architecture"].iloc[0]), "num_rules": 2}
        models = set(part.runs.loc[part.runs["state"] == "done", "model"])
        changes = {
            f"{MODEL_TITLES[than]} / {MODEL_TITLES[model]}": _change(model, than)
            .measure(part, SIDES)
            .interval
            for model, than in PAIRS
            if {model, than} <= models
        }
        steps = int(part.runs["steps"].min())
        found[setting] = Training(steps, RunSpec.of(task).train.steps, changes)
    return found


def _change(model: str, than: str) -> Effect:
    return Effect("", (model, than), lower_metric(model, than, "loss_change"), "difference")


def _farthest(change: Interval) -> float:
    """How far from no change the interval reaches; infinite where there is none."""
    farthest = float(np.max(np.abs([change.low, change.high])))
    return farthest if np.isfinite(farthest) else np.inf
