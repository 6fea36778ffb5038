"""The numbers behind the figures of the appendix, against values worked out by hand."""

from dataclasses import replace

import pytest

import synthetic_results
from modbench.figures import FIGURES


def select(frame, **where):
    for name, value in where.items():
        frame = frame[frame[name] == value]
    return frame


def by_hand(folder, runs, **values):
    """Made-up runs whose quantities are functions of a row instead, at both checkpoints."""
    made = synthetic_results.tables(folder, runs)
    changed = made.runs.assign(**{name: made.runs.apply(value, axis=1) for name, value in values.items()})
    return replace(made, runs=changed)


def test_pooled_is_the_mean_over_rules_and_random_over_the_same(tmp_path):
    made = by_hand(
        tmp_path / "store",
        synthetic_results.specs(rules=(2, 8), widths=(32, 64)),
        alignment=lambda run: {2: 0.2, 8: 0.6}[run["num_rules"]],
    )
    frame = FIGURES["pooled"].prepare(made).frame
    alignment = select(frame, quantity="alignment").set_index("model")
    assert alignment.loc["modular", ["mean", "num_runs", "rules"]].tolist() == [pytest.approx(0.4), 24, "2 8"]
    # Random's alignment is 1 - 1/R: 1/2 and 7/8.
    assert alignment.loc["random", "mean"] == pytest.approx(11 / 16)
    assert "monolithic" not in alignment.index


def test_random_counts_each_number_of_rules_as_often_as_it_was_run(tmp_path):
    runs = [
        *synthetic_results.specs(models=("modular",), rules=(2,), seeds=range(3)),
        *synthetic_results.specs(models=("modular",), rules=(8,), seeds=range(1)),
    ]
    frame = FIGURES["pooled"].prepare(synthetic_results.tables(tmp_path / "store", runs)).frame
    found = select(frame, model="random", quantity="alignment")["mean"].tolist()
    assert found == pytest.approx([(3 * 0.5 + 0.875) / 4])


def test_pooled_says_where_models_have_other_rules(tmp_path):
    runs = [
        *synthetic_results.specs(models=("modular",), rules=(2, 8)),
        *synthetic_results.specs(models=("gt-modular",), rules=(2,)),
    ]
    data = FIGURES["pooled"].prepare(synthetic_results.tables(tmp_path / "store", runs))
    rules = data.frame.drop_duplicates("model").set_index("model")["rules"]
    assert rules[["modular", "gt-modular"]].tolist() == ["2 8", "2"]
    assert "different numbers of rules" in data.footer()


def test_capacities_are_apart_and_know_their_parameters(tmp_path):
    made = by_hand(
        tmp_path / "store",
        synthetic_results.specs(rules=(2, 4), widths=(32, 64)),
        error_id=lambda run: 1 / run["encoder_width"],
        num_parameters=lambda run: 10 * run["encoder_width"] + (run["model"] == "modular"),
    )
    for name in ("capacity", "parameters"):
        frame = FIGURES[name].prepare(made).frame
        found = select(frame, num_rules=4, model="modular", quantity="error_id")
        assert found["encoder_width"].tolist() == [32, 64]
        assert found["mean"].tolist() == pytest.approx([1 / 32, 1 / 64])
        assert found["num_parameters"].tolist() == [321, 641]
        assert found["num_runs"].tolist() == [6, 6]
        assert select(frame, num_rules=4, model="random", quantity="alignment")["mean"].tolist() == [0.75]


def test_settings_of_one_capacity_or_cell_are_left_out(tmp_path):
    runs = [
        *synthetic_results.specs(rules=(2, 4), widths=(32, 64)),
        *synthetic_results.specs(kinds=("classification",), rules=(2, 4), widths=(32,)),
    ]
    made = synthetic_results.tables(tmp_path / "store", runs)
    for name in ("capacity", "diagonal"):
        assert FIGURES[name].prepare(made).present("setting") == ["MLP · regression"]


def test_the_diagonal_has_its_cells_alone(tmp_path):
    made = by_hand(
        tmp_path / "store",
        synthetic_results.specs(rules=(2, 4), widths=(32, 64, 128)),
        error_ood=lambda run: run["num_rules"] + run["encoder_width"] / 1000,
    )
    data = FIGURES["diagonal"].prepare(made)
    found = select(data.frame, model="gt-modular", quantity="error_ood")
    assert found[["num_rules", "encoder_width"]].to_numpy().tolist() == [[2, 32], [4, 64]]
    assert found["mean"].tolist() == pytest.approx([2.032, 4.064])
    assert data.basis() == "48 runs"  # 2 of 6 cells x 4 models x 3 task seeds x 2 seeds


def test_lengths_and_scales_are_apart(tmp_path):
    runs = synthetic_results.specs(
        synthetic_results.FAMILIES[:1] + synthetic_results.FAMILIES[3:], rules=(2,)
    )
    made = synthetic_results.tables(tmp_path / "store", runs)
    shifts = made.performance
    shifts["error"] = shifts["length"] * shifts["scale"] + (shifts["checkpoint"] == "best") + shifts["seed"]
    data = FIGURES["length"].prepare(made)
    assert data.present("setting") == ["RNN · regression"]
    found = select(data.frame, model="modular", scale=2.0)
    assert found["length"].tolist() == [3, 5, 10, 20, 30]
    assert found["mean"].tolist() == pytest.approx([6.5, 10.5, 20.5, 40.5, 60.5])
    assert found["train_length"].unique().tolist() == [10]
    best = select(FIGURES["length"].prepare(made, "best").frame, model="modular", scale=1.0)
    assert best["mean"].tolist() == pytest.approx([4.5, 6.5, 11.5, 21.5, 31.5])


def test_rankings_come_with_how_often_single_runs_win(tmp_path):
    # Modular wins on average by one lucky seed in three: the cell is its, most runs are not.
    made = by_hand(
        tmp_path / "store",
        synthetic_results.specs(rules=(2,), seeds=range(3)),
        error_id=lambda run: (0.1 if run["seed"] == 0 else 1.1) if run["model"] == "modular" else 1.0,
    )
    frame = FIGURES["ranking"].prepare(made).frame
    pair = select(frame, contest="Modular against Monolithic", quantity="error_id", model="modular").iloc[0]
    assert (pair["wins"], pair["share"], pair["num_cells"]) == (3, 1, 3)
    assert pair["probability"] == pytest.approx(1 / 3)
    assert pair["low"] < 1 / 3 < pair["high"]
    assert pair["num_pairs"] == 9
    assert select(frame, model="monolithic")["probability"].isna().all()
