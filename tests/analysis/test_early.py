"""Which settings were trained long enough for the claims, and what becomes of those that were not."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import synthetic_results
from analysis.test_claims import GT, MODULAR, MONOLITHIC, OP, TRUE, only, world
from modbench.analysis import crossed_interval
from modbench.analysis.claims import claims
from modbench.analysis.early import trainings
from modbench.analysis.effects import Panel

STEADY = dict.fromkeys((MONOLITHIC, MODULAR, OP, GT), 0.27)
POINTS = 13


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Stores of MLP runs by number of steps, made when asked for."""
    made = {}

    def of(steps):
        if steps not in made:
            runs = synthetic_results.specs(rules=(2, 8), task_seeds=range(4), seeds=range(3),
                                           train=({"steps": steps},))  # fmt: skip
            folder = tmp_path_factory.mktemp("early") / "store"
            made[steps] = world(synthetic_results.tables(folder, runs, points=POINTS))
        return made[steps]

    return of


def falling(tables, exponents, noise=0.05):
    """Gives learning curves that fall as powers of the steps."""
    draw, curves = np.random.default_rng(3), tables.curves
    fall = curves["step"].clip(lower=1) ** -curves["model"].map(exponents).astype(float)
    return replace(tables, curves=curves.assign(loss=fall * 2 ** (noise * draw.normal(size=len(curves)))))


def training(tables):
    (found,) = trainings(Panel.of(tables)).values()
    return found


def test_the_papers_steps_are_not_early_whatever_the_curves_do(stored):
    found = training(falling(stored(100_000), {**STEADY, MODULAR: 3.0}))
    assert (found.short, found.early, found.reason) == (False, False, "")


def test_below_a_quarter_of_the_steps_no_curve_helps(stored):
    found = training(falling(stored(24_000), dict.fromkeys(STEADY, 0.0), noise=0))
    assert found.settled
    assert found.early
    assert (
        found.reason == "too short: early training, 24,000 of 100,000 steps; claims are judged from 25,000 on"
    )


def test_curves_that_fall_together_have_settled(stored):
    found = training(falling(stored(40_000), STEADY))
    assert (found.short, found.early, found.settled) == (True, False, True)
    assert found.reason.startswith(
        "40,000 of 100,000 steps; how models compare has settled: over the last third the loss of"
    )


def test_a_model_that_catches_up_has_not_and_that_is_said(stored):
    # From the middle third of 13 points to the last, 0.71 doublings: 0.71 (0.8 - 0.27) = 0.38 > -log2 0.8 = 0.32.
    found = training(falling(stored(40_000), {**STEADY, MONOLITHIC: 0.8}))
    assert (found.early, found.settled) == (False, False)
    assert (
        "how models compare is not shown to have settled: over the last third the loss of Monolithic / "
        in found.reason
    )
    assert training(falling(stored(40_000), {**STEADY, MONOLITHIC: 0.37})).settled


def test_noise_is_no_proof_of_having_settled(stored):
    assert not training(falling(stored(40_000), STEADY, noise=3)).settled


def test_the_change_is_that_of_the_mean_losses_of_thirds(stored):
    found = training(falling(stored(40_000), {**STEADY, GT: 0.6}, noise=0))
    steps = np.linspace(0, 40_000, POINTS).astype(int)
    middle, last = steps[5:9], steps[9:]
    assert (steps[4] <= 40_000 / 3 < middle[0], middle[-1] <= 80_000 / 3 < last[0]) == (True, True)

    def change(exponent):
        return np.log2((last**-exponent).mean() / (middle**-exponent).mean())

    measured = found.changes["Monolithic / GT-Modular"].estimate
    assert float(measured) == pytest.approx(change(0.27) - change(0.6))


def test_each_side_of_the_interval_is_a_test_at_five_percent(stored):
    tables = falling(stored(40_000), STEADY, noise=0.3)
    last = {}
    for run in tables.curves.groupby("run_id"):
        curve = run[1].sort_values("step")
        losses, facts = curve["loss"].to_numpy(), curve.iloc[0]
        key = (facts["num_rules"], facts["task_seed"], facts["seed"], facts["model"])
        last[key] = np.log2(losses[9:].mean()) - np.log2(losses[5:9].mean())
    pairs = [key[:3] for key in last if key[3] == GT]
    changes = [last[*pair, MODULAR] - last[*pair, GT] for pair in pairs]
    expected = crossed_interval(changes, [t for _, t, _ in pairs], [s for _, _, s in pairs], level=0.9)
    found = training(tables).changes["Modular / GT-Modular"]
    assert [float(found.low), float(found.high)] == pytest.approx([float(expected.low), float(expected.high)])


def test_one_seed_and_one_model_show_nothing(stored):
    steady = falling(stored(40_000), STEADY)
    one = only(steady, lambda frame: (frame["seed"] == 0) & (frame["task_seed"] == 0))
    alone = only(steady, lambda frame: frame["model"] == MODULAR)
    for tables in (one, alone):
        found = training(tables)
        assert not found.settled
        assert found.reason.endswith("whether how models compare has settled cannot be told from these runs")


def test_an_early_setting_decides_nothing(stored):
    found = claims(stored(1000))
    assert {claim.verdict for claim in found} == {"too short"}
    for claim in found:
        assert {result.verdict for result in claim.results} <= {"too short", None}
        assert claim.need.text == "early training, 1,000 of 100,000 steps"
        assert claim.need.command() == "modbench run DIR/sweep.toml --out DIR --set train.steps=100000"


def test_a_short_one_does(stored):
    assert {claim.verdict for claim in claims(falling(stored(40_000), STEADY))} == {"supported"}


def test_what_else_is_lacking_is_said_with_it(stored):
    found = claims(only(stored(1000), lambda frame: (frame["model"] != OP) & (frame["seed"] == 1)))
    need = found[6].need
    assert need.text == "early training, 1,000 of 100,000 steps; no run of Modular-op; fewer than two seeds"
    assert need.overrides == (
        'model.name=["monolithic", "modular", "modular-op", "gt-modular"]',
        "seed=[0, 1, 2, 3, 4]",
        "train.steps=100000",
    )


def test_early_settings_do_not_touch_the_verdict_on_the_others(tmp_path):
    mlp, mha = synthetic_results.FAMILIES[0], synthetic_results.FAMILIES[1]
    sizes = {"rules": (2, 8), "task_seeds": range(4), "seeds": range(3)}
    runs = [
        *synthetic_results.specs([mlp], train=({"steps": 100_000},), **sizes),
        *synthetic_results.specs([mha], train=({"steps": 1000},), **sizes),
    ]
    tables = synthetic_results.tables(tmp_path / "store", runs, points=3)
    upside_down = {model: (lambda x, gap=gap: -gap(x)) for model, gap in TRUE["gap"].items()}
    true, false = world(tables), world(tables, gap=upside_down)
    runs, curves = (
        pd.concat([ours[ours["architecture"] == "mlp"], others[others["architecture"] != "mlp"]]).sort_index()
        for ours, others in ((true.runs, false.runs), (true.curves, false.curves))
    )
    mixed = replace(tables, runs=runs, curves=curves)
    alone = claims(only(mixed, lambda frame: frame["architecture"] == "mlp"))
    for claim, expected in zip(claims(mixed), alone, strict=True):
        assert claim.verdict == expected.verdict == "supported"
        assert claim.results == expected.results
        assert claim.settings_with("supported") == ["MLP · regression"]
        assert claim.settings_with("too short") == ["MHA v1 · regression"]
        assert claim.trainings["MHA v1 · regression"].reason.startswith(
            "too short: early training, 1,000 of 500,000 steps"
        )


def test_protocols_that_differ_have_no_common_command(tmp_path):
    runs = synthetic_results.specs(synthetic_results.FAMILIES[:2], rules=(2,), task_seeds=[0], seeds=[0])
    need = claims(synthetic_results.tables(tmp_path / "store", runs, points=3))[0].need
    assert need.text.startswith("early training, 2,000 of 100,000 steps and 2,000 of 500,000 steps")
    assert need.command() is None
