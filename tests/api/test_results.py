import json

import altair as alt
import pandas as pd
import pytest
import vl_convert
from matplotlib.figure import Figure

import modbench as mb
import synthetic_results
from modbench.analysis import random_value


def failed(spec):
    return (spec.model.name, spec.task.kind, spec.task.task_seed, spec.seed) == (
        "modular",
        "regression",
        0,
        1,
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """96 runs of both kinds, 2 of them failed."""
    folder = tmp_path_factory.mktemp("results") / "<b>store"
    runs = synthetic_results.specs(kinds=("regression", "classification"))
    synthetic_results.fill(folder, runs, failed=failed)
    return mb.load(folder)


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A store with plans alone."""
    folder = tmp_path_factory.mktemp("empty") / "store"
    synthetic_results.fill(folder, synthetic_results.specs(), missing=lambda spec: True)
    return mb.load(folder)


def test_tables_are_of_one_checkpoint_and_the_users_own(results):
    assert len(results.runs) == 96
    assert set(results.runs["checkpoint"]) == {"last"}
    assert set(results.matrices["checkpoint"]) == set(results.performance["checkpoint"]) == {"last"}
    assert set(results.at("best").runs["checkpoint"]) == {"best"}
    assert set(results.runs["setting"]) == {"MLP · regression", "MLP · classification"}
    assert results.failed["reason"].str.contains("NaN").all()
    assert len(results.failed) == 2
    assert len(results.missing) == 0
    results.runs["note"] = "mine"
    assert set(results.runs["note"]) == {"mine"}
    assert "note" not in results.tables.runs
    assert results.curves.groupby("run_id").size().max() == 11


def test_a_part_has_its_runs_and_keeps_its_settings(results):
    part = results.select(model=["modular", "gt-modular"], kind="regression", num_rules=8)
    assert set(part.runs["model"]) == {"modular", "gt-modular"}
    assert set(part.curves["run_id"]) == set(part.runs["run_id"]) == set(part.matrices["run_id"])
    assert set(part.runs["setting"]) == {"MLP · regression"}
    whole = results.summary("error_id").query("setting == 'MLP · regression' and num_rules == 8")
    same = part.summary("error_id")
    numbers = ["mean", "low", "high", "num_runs", "num_failed"]
    expected = whole[whole["model"].isin(["modular", "gt-modular"])][numbers].reset_index(drop=True)
    pd.testing.assert_frame_equal(same[numbers], expected)


def test_the_matrix_of_one_run(results):
    which = {"model": "gt-modular", "num_rules": 2, "task_seed": 0, "seed": 0, "kind": "regression"}
    matrix = results.matrix(**which)
    assert matrix.to_numpy().round(6).tolist() in ([[1, 0], [0, 1]], [[0, 1], [1, 0]])
    assert (matrix.index.name, matrix.columns.name) == ("rule", "module")
    with pytest.raises(
        mb.RequestError, match=r"exactly one run with an activation matrix must match, got 6$"
    ):
        results.matrix(model="gt-modular", num_rules=2, kind="regression")


def test_statistics_are_those_of_the_report(results):
    table = results.summary(["error_id", "alignment"], by=["setting", "model"], level=0.9)
    assert list(table)[:6] == ["setting", "model", "quantity", "mean", "low", "high"]
    assert (table["low"] <= table["mean"]).all()
    shares = results.ranking(by="setting").groupby("setting")["share"].sum()
    assert shares.tolist() == pytest.approx([1, 1])
    better = results.improvement("gt-modular", "monolithic", by=["setting", "num_rules"])
    assert (better["probability"] == 1).all()
    claims = results.claims()
    assert claims["claim"].unique().tolist() == list(range(1, 9))
    factors = claims[claims["form"] == "ratio"]
    assert (factors["mean"] > 0).all()
    assert set(claims["verdict"]) == {"too short"}
    perfect = results.summary("alignment").query("model == 'modular' and num_rules == 8")["mean"]
    assert (perfect < random_value("alignment", 8)).all()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda r: r.at("lst"), r"unknown checkpoint 'lst'. Did you mean 'last'"),
        (lambda r: r.select(modle="modular"), r"unknown column 'modle'. Did you mean 'model'"),
        (lambda r: r.select(model="moduler"), r"no run has model 'moduler'. Possible: .*modular"),
        (lambda r: r.select(num_rules=8, model=["none"]), r"no run has model \['none'\]"),
        (lambda r: r.summary("eror_id"), r"unknown quantity 'eror_id'. Did you mean 'error_id'"),
        (lambda r: r.summary("error_id", by="nothing"), r"unknown column 'nothing'"),
        (lambda r: r.summary("error_id", by="model"), r"errors of the two kinds"),
        (lambda r: r.compare("modular", "top"), r"unknown model 'top'"),
        (lambda r: r.compare("modular", "modular"), r"two models must be compared, got 'modular' twice"),
        (lambda r: r.ranking("alignment"), r"unknown error to rank by 'alignment'"),
        (lambda r: r.ranking(by="model"), r"unknown column 'model'"),
        (lambda r: r.plot.capacity(), r"figure 'capacity' needs .*modbench run"),
        (lambda r: r.plot.metrics(model="monolithic"), r"figure 'metrics' needs a modular model"),
        (lambda r: r.chart.matrices(model="monolithic"), r"a finished run of a modular model is needed"),
    ],
)  # fmt: skip
def test_bad_requests_get_one_line(results, ask, message):
    with pytest.raises(mb.RequestError, match=message) as raised:
        ask(results)
    assert "\n" not in str(raised.value)


def test_a_store_without_results_says_so(empty):
    assert "0 runs · 48 missing" in repr(empty)
    assert "48 missing" in empty._repr_html_()
    assert empty.runs.empty
    for ask in (empty.plot.error, empty.chart.error, empty.chart.runs):
        with pytest.raises(mb.RequestError, match=r"needs finished runs; 48 planned runs are missing"):
            ask()


def test_no_such_store(tmp_path):
    with pytest.raises(mb.RequestError, match=r"no folder .*nowhere"):
        mb.load(tmp_path / "nowhere")


def test_at_a_glance(results):
    card = results._repr_html_()
    assert "94 runs · 2 failed" in card
    assert "&lt;b&gt;store" in card
    assert "<b>store" not in card
    assert card.count("<table") == 2
    assert "GT-Modular" in card
    text = repr(results)
    assert "94 runs · 2 failed" in text
    assert "Monolithic, Modular, Modular-op, GT-Modular; R = 2, 8" in text


def test_figures_are_objects_that_notebooks_show(results):
    figure = results.plot.error(kind="regression")
    assert isinstance(figure, Figure)
    content, size = figure._repr_png_()  # pyright: ignore[reportAttributeAccessIssue]
    assert content.startswith(b"\x89PNG")
    assert size["width"] > 300
    numbers = results.plot.error.numbers(kind="regression")
    assert set(numbers["num_rules"]) == {2, 8}
    assert isinstance(results.at("best").plot.curves(), Figure)  # shows training, whatever the checkpoint


@pytest.mark.parametrize(
    "name", ["error", "metrics", "curves", "specialisation", "times", "runs", "matrices"]
)
def test_charts_are_altair_and_can_be_drawn(results, name):
    chart = getattr(results.chart, name)()
    assert isinstance(chart, alt.TopLevelMixin)
    spec = chart.to_dict()
    params = {param["name"] for param in spec["params"]}
    more = {"runs": {"quantity"}, "specialisation": {"rules"}}
    assert params == ({"run"} if name == "matrices" else {"setting", "shown", *more.get(name, ())})
    assert name == "matrices" or '"labelLimit": 0' in json.dumps(spec)  # long names of models are not cut
    assert "NaN" not in json.dumps(spec)
    svg = vl_convert.vegalite_to_svg(spec)
    if name == "error":
        assert "GT-Modular" in svg
        assert "Error, in distribution (L1 or %)" in svg
    if name == "runs":
        assert "Error, in distribution (L1 or %)" in svg
    if name == "times":
        assert "Error halved" in svg
    if name == "specialisation":
        assert "Random" in svg


def test_a_misspelt_figure_is_told_which_was_meant(results):
    with pytest.raises(AttributeError, match=r"unknown figure 'erorr'\. Did you mean 'error'\?"):
        _ = results.plot.erorr
    with pytest.raises(AttributeError, match=r"unknown chart 'time'\. Did you mean 'times'\?"):
        _ = results.chart.time
    assert not hasattr(results.plot, "_repr_html_")


def test_matrices_along_training_are_of_the_part(results):
    part = results.select(model="modular", kind="regression", num_rules=8)
    assert set(part.snapshots["run_id"]) <= set(part.runs["run_id"])
    assert part.snapshots["matrix"].iloc[0].shape == (8, 8)
    assert part.snapshots.groupby("run_id")["step"].min().eq(0).all()


def test_tab_completion_and_help(results):
    from IPython.core.completer import IPCompleter, provisionalcompleter

    completer = IPCompleter(namespace={"results": results, "mb": mb})
    for line, expected in (
        ("mb.", "load"), ("results.", "compare"), ("results.plot.", "curves"), ("results.chart.", "matrices")
    ):  # fmt: skip
        with provisionalcompleter():
            offered = {completion.text for completion in completer.completions(line, len(line))}
        assert expected in {text.removeprefix(".") for text in offered}, line
    assert "Lower is better" in results.plot.error.__doc__
    assert ".error()" in repr(results.plot)
    assert ".runs()" in repr(results.chart)
    assert "Altair" in repr(results.chart.error)
