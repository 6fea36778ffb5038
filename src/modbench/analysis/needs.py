"""What a claim lacks that is undecided or was trained too short for, and the command that would make it."""

import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from modbench.analysis.early import Training
from modbench.analysis.effects import CELL, Effect, Measured
from modbench.core.names import MODEL_TITLES, PAPER_MODELS

FEWEST_SEEDS = 5
"""Task seeds and seeds of the paper's grid."""
MANY_RULES = (2, 8)


class Need(NamedTuple):
    """What a claim lacks.

    Attributes:
        text: in words.
        overrides: fields of the store's sweep that would have to be so; None where no run would help, or no single
            command makes them.
    """

    text: str
    overrides: tuple[str, ...] | None = ()

    def command(self, folder: str = "DIR") -> str | None:
        """The command that would train it into the store in `folder`; None where there is none."""
        if self.overrides is None:
            return None
        parts = ["modbench", "run", f"{folder}/sweep.toml", "--out", folder]
        for override in self.overrides:
            parts += ["--set", override]
        return shlex.join(parts)


def need_of(
    runs: pd.DataFrame, effects: Sequence[tuple[Effect, Measured]], early: Mapping[str, Training]
) -> Need:
    """Says what would decide a claim.

    Args:
        runs: planned runs of the paper's models, with `state`.
        effects: those that the claim is judged by, as measured.
        early: by setting, where all of them are early training.

    Returns:
        What is not there at all (the paper's steps, a model, a second number of rules, a second task seed or seed),
        else the planned runs that are missing, else more task seeds and seeds.
    """
    texts, overrides = _absent(runs, effects)
    if early:
        protocols = {training.protocol for training in early.values()}
        lengths = dict.fromkeys(training.length for training in early.values())
        texts = [f"early training, {' and '.join(lengths)}", *texts]
        overrides.append(f"train.steps={max(protocols)}")
        return Need("; ".join(texts), tuple(overrides) if len(protocols) == 1 else None)
    if texts:
        return Need("; ".join(texts), tuple(overrides))
    models = {model for effect, _ in effects for model in effect.models}
    missing = int((runs["model"].isin(models) & (runs["state"] == "missing")).sum())
    if missing:
        return Need(f"{missing:,} planned run{'s are' if missing > 1 else ' is'} missing")
    if all(measured.num_runs == 0 for _, measured in effects):
        return Need("every run failed, or the one that it would be compared with did", None)
    texts, overrides = [], []
    for field, words in (("task_seed", "task seeds"), ("seed", "seeds")):
        have = runs[field].nunique()
        # Where both are at the paper's number already, it is the tasks that the intervals mostly lack.
        want = FEWEST_SEEDS if have < FEWEST_SEEDS else 2 * have if field == "task_seed" else have
        if want > have:
            texts.append(f"{want} {words} instead of {have}")
            overrides.append(_seeds(runs, field, want))
    return Need(
        "an interval reaches to both sides of the claim's bound; with "
        + " and ".join(texts)
        + " it would be narrower",
        tuple(overrides),
    )


def _absent(runs: pd.DataFrame, effects: Sequence[tuple[Effect, Measured]]) -> tuple[list[str], list[str]]:
    texts, overrides = [], []
    needed = [m for m in PAPER_MODELS if any(m in effect.models for effect, _ in effects)]
    present = set(runs["model"])
    if absent := [model for model in needed if model not in present]:
        texts.append("no run of " + ", ".join(MODEL_TITLES[model] for model in absent))
        wanted = [model for model in PAPER_MODELS if model in present or model in absent]
        overrides.append("model.name=[" + ", ".join(f'"{model}"' for model in wanted) + "]")
    several = runs.groupby(CELL)["num_rules"].nunique().max() > 1
    if not several and any(effect.over != "all" for effect, _ in effects):
        texts.append("no setting and capacity with two numbers of rules")
        rules = sorted({*MANY_RULES, *(int(R) for R in runs["num_rules"])})
        overrides.append(f"task.num_rules={rules}")
    for field, words in (("task_seed", "task seed"), ("seed", "seed")):
        if runs[field].nunique() < 2:
            texts.append(f"fewer than two {words}s")
            overrides.append(_seeds(runs, field, FEWEST_SEEDS))
    return texts, overrides


def _seeds(runs: pd.DataFrame, field: str, number: int) -> str:
    """Those that are there, and as many new ones from 0 on as make up the number."""
    seeds = {int(seed) for seed in runs[field]}
    fresh = (seed for seed in range(2 * number + len(seeds)) if seed not in seeds)
    wanted = sorted([*seeds, *(next(fresh) for _ in range(number - len(seeds)))])
    return f"{'task.' * (field == 'task_seed')}{field}={wanted}"
