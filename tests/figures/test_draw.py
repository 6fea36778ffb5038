"""The pictures: that they are drawn, complete, within their paper, and the same every time."""

import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import synthetic_results
from modbench.core.errors import RequestError
from modbench.figures import FIGURES, model_styles, save_figures
from modbench.figures.style import COLOURS, contrast, look, on_colour

OWN = {"scores": "joint", "gates": "top-k"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """All that any figure needs, with failures, a router of one's own, and a model that is missing where R = 4.

    MLP of both kinds at one capacity, RNN at two, which makes two cells of the diagonal.
    """
    mlp = synthetic_results.specs(
        kinds=("regression", "classification"), rules=(2, 4), models=(*synthetic_results.PAPER, OWN),
        task_seeds=range(2),
    )  # fmt: skip
    rnn = synthetic_results.specs(
        synthetic_results.FAMILIES[3:], rules=(2, 4), task_seeds=range(2), widths=(32, 64)
    )
    return synthetic_results.tables(
        tmp_path_factory.mktemp("draw") / "store",
        [*mlp, *rnn],
        failed=lambda s: s.seed == 1 and s.task.task_seed == 1 and s.model.name == "modular",
        missing=lambda s: s.model.name == "modular-op" and s.task.num_rules == 4,
        points=5,
    )


@pytest.fixture(scope="module")
def little(tmp_path_factory):
    """Stores with little in them, by what they have."""
    two = synthetic_results.specs(rules=(2,))
    runs = {
        "empty": [],
        "failed": two,
        "missing": two,
        "one model": synthetic_results.specs(models=("monolithic",)),
        "one run": synthetic_results.specs(models=("modular",), rules=(2,), task_seeds=[0], seeds=[0]),
    }
    return {
        case: synthetic_results.tables(
            tmp_path_factory.mktemp("little") / "store",
            specs,
            failed=lambda s, case=case: case == "failed",
            missing=lambda s, case=case: case == "missing",
        )
        for case, specs in runs.items()
    }


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")))


@pytest.fixture(scope="module")
def drawn(tables):
    """The data of a figure of `tables`, and the figure, by its name."""

    def draw(name):
        data = FIGURES[name].prepare(tables)
        with look():
            return data, FIGURES[name].draw(data)

    return cache(draw)


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_reaches_beyond_the_paper(drawn, name):
    card = FIGURES[name]
    data, whole = drawn(name)
    first = {column: data.present(column)[0] for column in card.panels}
    with look():
        for figure in (whole, card.draw(data.only(**first), compact=True)):
            box, paper = figure.get_tightbbox(figure.canvas.get_renderer()), figure.get_size_inches()
            assert box.x0 > -0.02
            assert box.y0 > -0.02
            assert box.x1 < paper[0] + 0.02
            assert box.y1 < paper[1] + 0.02


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_says_what_it_rests_on(drawn, name):
    data, figure = drawn(name)
    assert data.basis() in texts(figure).replace("\n", " ")
    # Of the RNN alone: 64 runs in all, half of them on the diagonal.
    parts: dict[str, str] = dict.fromkeys(
        ("capacity", "parameters", "length"), "52 runs · 4 failed · 8 missing"
    )
    parts["diagonal"] = "26 runs · 2 failed · 4 missing"
    assert data.basis() == parts.get(name, "120 runs · 8 failed · 16 missing")


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("case", ["empty", "failed", "missing", "one model", "one run"])
def test_stores_with_little_in_them(little, name, case):
    card = FIGURES[name]
    data = card.prepare(little[case])
    figure = card.draw(data)
    figure.canvas.draw()
    assert data.empty == ("No finished run to show yet." in texts(figure))
    if case in ("empty", "missing", "failed"):
        assert data.empty


def test_saving_writes_pictures_and_numbers(tables, tmp_path):
    written = save_figures(tables, tmp_path / "figures", only=["error", "activation"]).paths
    assert [path.name for path in written] == [
        "error.csv", "error.png", "error.pdf", "activation.csv",
        "activation-mlp-regression.png", "activation-mlp-regression.pdf",
        "activation-mlp-classification.png", "activation-mlp-classification.pdf",
        "activation-rnn-regression.png", "activation-rnn-regression.pdf",
    ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == sorted(
        path.name for path in written
    )
    numbers = pd.read_csv(tmp_path / "figures" / "error.csv")
    pd.testing.assert_frame_equal(
        numbers, FIGURES["error"].prepare(tables).frame, check_dtype=False, check_exact=False
    )


def test_the_same_store_gives_the_same_files(tables, tmp_path):
    first, second = (
        save_figures(tables, tmp_path / name, only=["ranking"], formats=("png", "pdf", "svg")).paths
        for name in "ab"
    )
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_many_runs_are_drawn_by_several_processes_into_the_same_files(tables, tmp_path, monkeypatch):
    monkeypatch.setattr("modbench.figures.saving.MANY_RUNS", 1)
    written = []
    for name, processes in (("one", 1), ("two", 2)):
        paths = save_figures(
            tables, tmp_path / name, ["ranking", "error"], ("svg",), style="neurips", processes=processes
        ).paths
        written.append({path.name: path.read_bytes() for path in paths})
        assert [path.stem.split("-")[0] for path in paths if path.suffix == ".svg"] == [
            *3 * ["ranking"],
            "error",
        ]
    assert written[0] == written[1]


@pytest.mark.parametrize("arguments", [{"only": ["errors"]}, {"formats": ["gif"]}])
def test_unknown_names_write_nothing(tables, tmp_path, arguments):
    with pytest.raises(RequestError, match="Possible"):
        save_figures(tables, tmp_path / "figures", **arguments)
    assert not (tmp_path / "figures").exists()


def test_a_folder_that_is_a_file(tables, tmp_path):
    (tmp_path / "figures").write_text("")
    with pytest.raises(RequestError, match="output: must be a folder or a new one, got the file"):
        save_figures(tables, tmp_path / "figures", only=["ranking"])
    assert (tmp_path / "figures").read_text() == ""


def test_models_keep_their_looks_whatever_else_is_in_the_store():
    few, many = (
        model_styles(["modular"]),
        model_styles([*synthetic_results.PAPER, "input+softmax", "joint+top-k"]),
    )
    assert few["modular"] == many["modular"]
    assert len({(style.colour, style.marker) for style in many.values()}) == len(many)


def test_options_of_one_router_share_its_colour_and_differ_in_dash():
    styles = model_styles(["joint+top-k, k=1", "joint+top-k, k=2"])
    one, two = styles.values()
    assert one.colour == two.colour
    assert one.dash != two.dash


def test_colours_are_distinct():
    assert len(set(COLOURS.values())) == len(COLOURS)


@pytest.mark.parametrize("module", ["modbench.figures", "modbench.report", "modbench.analysis"])
def test_the_reading_side_needs_no_jax(module):
    code = f"import sys, {module}; print(sorted({{'jax', 'equinox', 'optax'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_text_on_a_bar_can_be_read_on_every_colour():
    assert min(contrast(on_colour(colour), colour) for colour in COLOURS.values()) >= 4.5


def test_a_single_setting_has_all_its_bars_in_one_panel(drawn):
    data, whole = drawn("ranking")
    figure = FIGURES["ranking"].draw(data.only(setting="MLP · regression"))
    assert len(whole.axes) == 4
    (axes,) = figure.axes
    assert axes.get_yticklabels()[0].get_text() == "All models,\nin distribution"
    assert len(axes.get_yticklabels()) == 4


def test_what_half_of_the_runs_never_do_has_a_place_of_its_own(drawn):
    data, _ = drawn("times")
    never = data.frame[np.isinf(data.frame["steps"])].iloc[0]
    (axes,) = FIGURES["times"].draw(data.only(setting=never["setting"], target=never["target"])).axes
    top, label = axes.get_yticks()[-1], axes.get_yticklabels()[-1].get_text()
    assert label == "never"
    assert top > never["last_step"]
    style = model_styles(data.models)[never["model"]]
    marked = [line for line in axes.lines if line.get_marker() == style.marker and top in line.get_ydata()]
    assert marked


def test_a_fate_that_no_run_could_have_says_why(drawn):
    data, _ = drawn("fates")
    frame = data.frame.assign(share=data.frame["share"].where(data.frame["fate"] != "recovers"))
    assert "no run collapsed,\nso none could recover" in texts(
        FIGURES["fates"].draw(replace(data, frame=frame))
    )
