"""Confounds as facts, on stores in which they are known."""

from dataclasses import replace

import pytest

import synthetic_results
from modbench.analysis import crossed_interval
from modbench.analysis.confounds import parameter_ratios, router_widths, rule_overlap

WARM = {"name": "modular-op", "gate_options": {"temperature": 2.0}}
MHA = {"architecture": "mha", "search_version": 1}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    wide = {"name": "modular-op", "score_options": {"hidden": 8}}
    runs = [
        *synthetic_results.specs([{"architecture": "mlp"}, MHA], rules=(4, 16), widths=(32, 64)),
        *synthetic_results.specs([MHA], rules=(16,), models=(wide,)),
        *synthetic_results.specs([MHA], rules=(8,), models=({"scores": "rule", "gates": "top-k"}, WARM)),
    ]
    return synthetic_results.tables(tmp_path_factory.mktemp("confounds") / "store", runs, points=3)


def test_sizes_are_set_beside_the_monolithic_model_of_their_capacity(tables):
    size = {("monolithic", 32): 1000, ("monolithic", 64): 4000, ("modular", 32): 1100, ("modular", 64): 3800}
    pairs = zip(tables.runs["model"], tables.runs["encoder_width"], strict=True)
    changed = replace(tables, runs=tables.runs.assign(num_parameters=[size.get(pair, 500) for pair in pairs]))
    found = parameter_ratios(changed).set_index(["setting", "num_rules", "encoder_width", "model"])["ratio"]
    for setting in ("MLP · regression", "MHA v1 · regression"):
        for R in (4, 16):
            assert found[setting, R, 32, "modular"] == pytest.approx(1.1)
            assert found[setting, R, 64, "modular"] == pytest.approx(0.95)
            assert found[setting, R, 64, "gt-modular"] == pytest.approx(0.125)
            assert found[setting, R, 32, "monolithic"] == 1
    assert found.xs(8, level="num_rules").isna().all()


def test_overlap_is_averaged_over_tasks_not_runs(tables):
    told = {0: (0.8, 2), 1: (0.9, 3), 2: (0.94, 2)}
    # As if most runs of the first task had not been told.
    known = (tables.runs["task_seed"] != 0) | (tables.runs["seed"] == 1)
    changed = tables.runs.assign(
        rule_agreement=tables.runs["task_seed"].map(lambda seed: told[seed][0]).where(known),
        rule_rank=tables.runs["task_seed"].map(lambda seed: told[seed][1]).astype("Int32").where(known),
    )
    found = rule_overlap(replace(tables, runs=changed))
    row = found.set_index(["setting", "num_rules"]).loc[("MLP · regression", 16)]
    assert row["num_tasks"] == 3
    assert row["agreement"] == pytest.approx((0.8 + 0.9 + 0.94) / 3)
    assert row[["agreement_least", "agreement_most", "rank_least", "rank_most"]].tolist() == [0.8, 0.94, 2, 3]


def test_a_store_without_these_columns_has_no_overlap(tables):
    assert rule_overlap(replace(tables, runs=tables.runs.drop(columns=["rule_agreement", "rule_rank"]))).empty
    null = tables.runs.assign(rule_agreement=None, rule_rank=None)
    assert rule_overlap(replace(tables, runs=null)).empty


@pytest.mark.parametrize("checkpoint", ["last", "best"])
def test_router_widths_are_the_heads_unless_asked_for(tables, checkpoint):
    found = router_widths(tables, checkpoint)
    keys = found[["num_rules", "encoder_width", "hidden", "own"]].to_records(index=False).tolist()
    # D // (2 M): 128 // 8, 256 // 8, 128 // 32, 256 // 32; at 16 rules and E = 32 also 8.
    assert keys == [
        (4, 32, 16, True),
        (4, 64, 32, True),
        (16, 32, 4, True),
        (16, 32, 8, False),
        (16, 64, 8, True),
    ]
    assert found["num_runs"].tolist() == [6, 6, 6, 6, 6]
    wide = tables.runs[
        tables.runs["spec"].str.contains('"hidden":8') & (tables.runs["checkpoint"] == checkpoint)
    ]
    expected = crossed_interval(wide["alignment"], wide["task_seed"], wide["seed"], bounds=(0, 1))
    row = found[found["hidden"] == 8].iloc[0]
    assert (row["alignment"], row["alignment_low"]) == pytest.approx(
        (float(expected.estimate), float(expected.low))
    )


def test_empty_store(tmp_path):
    empty = synthetic_results.tables(tmp_path / "store", [])
    assert parameter_ratios(empty).empty
    assert rule_overlap(empty).empty
    assert router_widths(empty).empty
