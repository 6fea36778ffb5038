"""Figures and tables for print: as wide as the text, one font, vectors, and tables that LaTeX takes."""

import dataclasses
import re
from pathlib import Path

import pandas as pd
import pytest

import synthetic_results
from modbench.analysis import with_settings
from modbench.core.errors import RequestError
from modbench.figures import FIGURES, save_figures
from modbench.figures.latex import escaped, latex_tables
from modbench.figures.style import look, model_styles, on_paper
from modbench.report.scores import learning_speed, scores


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return synthetic_results.tables(
        tmp_path_factory.mktemp("paper") / "store",
        synthetic_results.specs(kinds=("regression", "classification"), rules=(2, 4), task_seeds=range(2)),
        points=5,
    )


def test_files_are_vectors_as_wide_as_the_text_each_with_its_numbers(tables, tmp_path):
    only = ["error", "metrics", "curves", "activation", "ranking"]
    saved = save_figures(tables, tmp_path, only, ["svg"], style="neurips")
    drawn = [path for path in saved.paths if path.suffix == ".svg"]
    assert {path.suffix for path in saved.paths} == {".svg", ".csv"}
    for path in drawn:
        width, height = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', path.read_text("utf-8")).groups()
        assert float(width) == pytest.approx(5.5 * 72), path.name
        assert float(height) < 9 * 72
    assert {path.stem for path in saved.paths if path.suffix == ".csv"} == set(only)


def test_the_style_ends_with_the_export(tables, tmp_path):
    save_figures(tables, tmp_path / "print", ["error"], ["svg"], style="neurips")
    (_, screen) = save_figures(tables, tmp_path / "screen", ["error"], ["svg"]).paths
    width = re.search(r'width="([\d.]+)pt"', screen.read_text("utf-8"))[1]
    assert float(width) > 6 * 72


def test_tables_have_means_intervals_and_a_label(tables):
    text, frame = latex_tables(tables)["MLP · regression"]
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    assert text.count(r"\midrule") == 2  # under the heads, and between two numbers of rules
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 2 + 2 * 5
    assert {row.count("&") for row in rows} == {7}
    (power,) = re.findall(r"\((?:\$10\^\{(-?\d+)\}\$ )?L1\)", rows[1].split("&")[2])
    unit = 10.0 ** int(power or 0)
    of_error = frame[frame["quantity"] == "error_id"].set_index(["num_rules", "model"])
    assert 1 <= of_error["mean"].max() / unit < 100
    shown = re.match(
        r"(?:\\textbf\{)?([\d.]+)\}? \{\\tiny \[([\d.]+),\\,([\d.]+)\]\}", rows[2].split("&")[2].strip()
    )
    row = of_error.loc[(2, "monolithic"), ["mean", "low", "high"]] / unit
    assert [float(number) for number in shown.groups()] == pytest.approx(
        [row["mean"], row["low"], row["high"]], abs=0.06
    )
    assert r"\label{tab:mlp-regression-last}" in text
    assert text.count("{") == text.count("}")


def test_what_is_bold_is_what_the_score_card_marks(tables):
    text, _ = latex_tables(tables)["MLP · regression"]
    marked, of_table = [], [line for line in text.splitlines() if line.endswith(r"\\")][2:]
    for place, R in ((0, 2), (5, 4)):
        for line in of_table[place : place + 4]:
            cells = line.split("&")
            marked += [(R, cells[1].strip(), n) for n, cell in enumerate(cells[2:4]) if "textbf" in cell]
    with_names = with_settings(tables)
    found = scores(with_names, model_styles(with_names.runs["model"]), learning_speed(with_names))
    cards = [
        (card.num_rules, row.title, n)
        for card in found
        if card.setting == "MLP · regression"
        for row in card.rows
        for n in range(2)
        if row.cells[n].best
    ]
    assert marked == cards
    assert cards


def test_errors_far_below_1_are_told_in_a_power_of_ten(tables):
    runs = tables.runs.assign(error_id=tables.runs["error_id"] / 1000)
    text, _ = latex_tables(dataclasses.replace(tables, runs=runs))["MLP · regression"]
    assert re.search(r"& \(\$10\^\{-[345]\}\$ L1\) &", text)
    plain, _ = latex_tables(tables)["MLP · classification"]
    assert r"& (\%) & (\%) &" in plain


@pytest.mark.parametrize("name", ["improvement", "ranking", "specialisation", "times", "fates"])
def test_nothing_is_cut_at_the_edge_of_the_paper(tables, name):
    data = FIGURES[name].prepare(tables).only(setting="MLP · regression")
    with on_paper("neurips"), look():
        figure = FIGURES[name].draw(data)
        box, paper = figure.get_tightbbox(figure.canvas.get_renderer()), figure.get_size_inches()
    assert box.x0 > -0.02
    assert box.x1 < paper[0] + 0.02
    assert box.y1 < paper[1] + 0.02


def test_on_paper_a_row_is_of_one_number_of_rules(tables):
    with on_paper("neurips"):
        figure = FIGURES["specialisation"].draw(
            FIGURES["specialisation"].prepare(tables).only(setting="MLP · regression")
        )
    rows = {}
    for axes in figure.axes:
        rows.setdefault(round(axes.get_position().y0, 3), []).append(axes.get_title("left").splitlines()[0])
    assert [row[0] for row in rows.values()] == ["2 rules", "4 rules"]
    assert [len(row) for row in rows.values()] == [5, 5]


def test_what_is_taller_than_a_page_is_cut_by_setting(tmp_path):
    runs = synthetic_results.specs(
        synthetic_results.FAMILIES, ("regression", "classification"), task_seeds=[0], seeds=[0]
    )
    tables = synthetic_results.tables(tmp_path / "store", runs, points=3)
    names = {
        path.name
        for path in save_figures(tables, tmp_path / "print", ["fates"], ["svg"], style="neurips").paths
    }
    assert {"fates-mlp-regression.svg", "fates-rnn-classification.svg"} <= names


def test_tables_and_their_numbers_are_written_beside_the_figures(tables, tmp_path):
    saved = save_figures(tables, tmp_path, formats=["svg"], checkpoint="best", style="neurips")
    names = {path.name for path in saved.paths}
    assert {"table-mlp-regression-best.tex", "table-mlp-classification-best.csv"} <= names
    assert "num_runs" in pd.read_csv(Path(tmp_path) / "table-mlp-regression-best.csv")


def test_names_are_escaped_and_unknown_styles_refused(tables, tmp_path):
    assert escaped("a_b & 5 % {x} \\ ~") == r"a\_b \& 5 \% \{x\} \textbackslash{} \textasciitilde{}"
    with pytest.raises(RequestError, match="neurips"):
        save_figures(tables, tmp_path, style="neurip")
    assert not list(tmp_path.iterdir())


def test_a_single_seed_has_no_interval_and_says_so(tmp_path):
    runs = synthetic_results.specs(rules=(2,), task_seeds=[0], seeds=[0])
    ((text, _),) = latex_tables(synthetic_results.tables(tmp_path / "store", runs, points=3)).values()
    assert "[" not in text.split(r"\midrule")[1]
    assert "no intervals: a single task seed and seed" in text
    assert "textbf" not in text
