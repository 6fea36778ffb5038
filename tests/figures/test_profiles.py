"""Performance profiles: the numbers of the figure, and that it can be drawn whatever there is."""

import numpy as np
import pytest

import synthetic_results
from modbench.analysis import performance_profiles
from modbench.figures.profiles import CARD, draw_profiles, prepare_profiles


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return synthetic_results.tables(
        tmp_path_factory.mktemp("profiles") / "store",
        synthetic_results.specs(kinds=("regression", "classification"), rules=(2, 4)),
        failed=lambda s: s.model.name == "modular" and s.seed == 1 and s.task.task_seed == 0,
        points=3,
    )


@pytest.mark.parametrize("checkpoint", ["last", "best"])
def test_the_figure_shows_the_profiles_of_both_shifts(tables, checkpoint):
    data = prepare_profiles(tables, checkpoint)
    for quantity in ("error_id", "error_ood"):
        shown = data.frame[data.frame["quantity"] == quantity].reset_index(drop=True)
        expected = performance_profiles(tables, quantity, checkpoint=checkpoint)
        for name in ("setting", "num_rules", "model", "tau", "share", "low", "high"):
            assert shown[name].tolist() == expected[name].tolist()
    assert data.checkpoint == checkpoint
    assert "failed" in data.footer()


def test_curves_are_the_numbers_and_end_below_one_where_a_run_failed(tables):
    data = prepare_profiles(tables).only(setting="MLP · regression", quantity="error_id", num_rules=2)
    (axes,) = draw_profiles(data, compact=True).axes
    ends = [line.get_ydata()[-1] for line in axes.lines]
    assert ends == pytest.approx([1, 5 / 6, 1, 1])
    assert (
        axes.lines[0].get_xdata().tolist() == data.frame[data.frame["model"] == "monolithic"]["tau"].tolist()
    )
    assert axes.get_xscale() == "log"


def test_a_panel_per_setting_shift_and_number_of_rules(tables):
    figure = draw_profiles(prepare_profiles(tables))
    assert len(figure.axes) == 2 * 2 * 2
    assert [axes.get_title("left") for axes in figure.axes[:3]] == [
        "MLP · regression, in distribution\n2 rules",
        "4 rules",
        "MLP · regression, out of distribution\n2 rules",
    ]
    assert CARD.panels == ("setting", "quantity", "num_rules")


@pytest.mark.parametrize("case", ["one run", "failed", "missing", "empty", "no errors at all"])
def test_stores_with_little_in_them(tmp_path, case):
    runs = synthetic_results.specs(models=("modular",), rules=(2,), task_seeds=[0], seeds=[0])
    made = synthetic_results.tables(
        tmp_path / "store",
        [] if case == "empty" else runs,
        failed=lambda s: case == "failed",
        missing=lambda s: case == "missing",
    )
    if case == "no errors at all":
        made.runs["error_id"] = made.runs["error_ood"] = 0.0
    figure = draw_profiles(prepare_profiles(made))
    texts = " ".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))
    nothing = case in ("failed", "missing", "empty")
    assert ("No finished run" in texts) == nothing
    assert all(np.isfinite(axes.get_position().bounds).all() for axes in figure.axes)


def test_failed_runs_alone_have_no_profile_and_no_seed_to_blame(tmp_path):
    data = prepare_profiles(
        synthetic_results.tables(tmp_path / "store", synthetic_results.specs(rules=(2,)), lambda spec: True)
    )
    assert data.empty
    assert "no intervals: no run has finished" in data.footer()
