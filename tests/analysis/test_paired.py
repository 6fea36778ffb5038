"""Two models side by side, against a plain loop and numbers by hand."""

from dataclasses import replace

import numpy as np
import pytest

import synthetic_results
from modbench.analysis import crossed_interval
from modbench.analysis.paired import paired
from modbench.core.errors import RequestError


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    runs = synthetic_results.specs(rules=(2, 4), models=("monolithic", "modular", "gt-modular"))
    return synthetic_results.tables(
        tmp_path_factory.mktemp("paired") / "store",
        runs,
        failed=lambda s: (s.model.name, s.task.num_rules, s.task.task_seed, s.seed) == ("modular", 2, 1, 0),
    )


def with_errors(tables, factor):
    """Modular's error is `factor(R, task seed, seed)` times Monolithic's, which is 3."""
    runs = tables.runs
    cells = zip(runs["model"], runs["num_rules"], runs["task_seed"], runs["seed"], strict=True)
    errors = [3.0 * factor(R, task, seed) if model == "modular" else 3.0 for model, R, task, seed in cells]
    return replace(tables, runs=runs.assign(error_id=errors))


def test_the_same_ratio_everywhere_is_that_ratio(tables):
    (row,) = paired(
        with_errors(tables, lambda R, task, seed: 0.5), "modular", "monolithic", ["error_id"]
    ).to_dict("records")
    assert (row["measure"], row["verdict"]) == ("ratio", "lower")
    assert [row[name] for name in ("mean", "low", "high")] == pytest.approx([0.5, 0.5, 0.5])
    assert (row["num_pairs"], row["num_unpaired"], row["num_task_seeds"], row["num_seeds"]) == (11, 1, 3, 2)


def test_ratios_are_averaged_as_logarithms(tables):
    ratio = lambda R, task, seed: 2.0 ** (task + seed - 1)  # noqa: E731
    table = paired(
        with_errors(tables, ratio), "modular", "monolithic", ["error_id"], by=["setting", "num_rules"]
    )
    four = table[table["num_rules"] == 4].iloc[0]
    cells = [(task, seed) for task in range(3) for seed in range(2)]
    expected = crossed_interval([task + seed - 1 for task, seed in cells], *zip(*cells, strict=True))
    assert four["mean"] == pytest.approx(2**0.5)
    assert [four["low"], four["high"]] == pytest.approx([2 ** float(expected.low), 2 ** float(expected.high)])
    assert four["verdict"] == "undecided"
    assert table[table["num_rules"] == 2].iloc[0]["num_unpaired"] == 1


def test_metrics_are_subtracted_and_need_two_routers(tables):
    table = paired(tables, "gt-modular", "modular", ["alignment", "error_id"])
    runs = tables.runs.query("checkpoint == 'last' and status == 'done'").set_index("model")
    both = runs.loc["modular"].merge(
        runs.loc["gt-modular"], on=["num_rules", "task_seed", "seed"], suffixes=("", "_gt")
    )
    row = table.set_index("quantity").loc["alignment"]
    assert row["measure"] == "difference"
    assert row["mean"] == pytest.approx((both["alignment_gt"] - both["alignment"]).mean())
    assert row["num_pairs"] == len(both) == 11
    assert set(paired(tables, "modular", "monolithic")["quantity"]) == {
        "loss_id",
        "loss_ood",
        "error_id",
        "error_ood",
    }


def test_an_error_of_zero_counts_as_half_a_wrong_label(tmp_path):
    runs = synthetic_results.specs(rules=(2,), models=("monolithic", "modular"), kinds=("classification",))
    tables = with_errors(synthetic_results.tables(tmp_path / "store", runs), lambda R, task, seed: 0.0)
    evaluation = runs[0].evaluation
    half = 50 / (evaluation.performance_batches * evaluation.performance_batch_size)
    (row,) = paired(tables, "modular", "monolithic", ["error_id"]).to_dict("records")
    assert row["mean"] == pytest.approx(half / 3.0)


def test_without_several_task_seeds_and_seeds_nothing_is_decided(tmp_path):
    runs = synthetic_results.specs(
        rules=(2,), models=("monolithic", "modular"), task_seeds=(0,), seeds=range(3)
    )
    tables = with_errors(synthetic_results.tables(tmp_path / "store", runs), lambda R, task, seed: 0.5)
    (row,) = paired(tables, "modular", "monolithic", ["error_id"]).to_dict("records")
    assert (row["mean"], row["verdict"]) == (pytest.approx(0.5), "undecided")
    one = replace(tables, runs=tables.runs[tables.runs["seed"] == 0])
    (row,) = paired(one, "modular", "monolithic", ["error_id"]).to_dict("records")
    assert np.isnan(row["low"])


@pytest.mark.parametrize(
    ("model", "quantity", "message"),
    [
        ("modulr", "error_id", "unknown model 'modulr'. Did you mean 'modular'"),
        ("modular", "eror", "unknown quantity 'eror'"),
        ("monolithic", "error_id", "two models must be compared"),
    ],
)
def test_bad_requests(tables, model, quantity, message):
    with pytest.raises(RequestError, match=message):
        paired(tables, model, "monolithic", [quantity])
