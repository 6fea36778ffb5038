"""What is written in figures can be read where they are printed: large enough, apart, and beside the right axis."""

import importlib.util
from functools import cache
from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

import synthetic_results
from modbench.figures import FIGURES
from modbench.figures.axes import decades
from modbench.figures.frame import PAGE, Margins, fitted, frame
from modbench.figures.ranking import in_bars
from modbench.figures.style import look, on_paper

LEAST = 7.0
"""Points that letters have at least when a figure is fitted to a page that is 7 inches wide."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The pictures of a figure, of many settings and of one of them, by the figure's name and the paper's.

    The store has all settings of the paper with all its numbers of rules, and one of them with all its capacities.
    """
    rules, design = (2, 4, 8, 16, 32), {"task_seeds": range(2), "seeds": range(1)}
    families, kinds = synthetic_results.FAMILIES, ("regression", "classification")
    runs = [
        *synthetic_results.specs(families, kinds, rules, **design),
        *synthetic_results.specs(families[1:2], kinds[1:], rules, widths=(64, 128, 256, 512), **design),
    ]
    tables = synthetic_results.tables(
        tmp_path_factory.mktemp("readable") / "store", runs, points=4,
        failed=lambda s: s.task.num_rules == 2 and s.model.name == "modular",
        missing=lambda s: s.task.architecture == "rnn" and s.task.num_rules == 32,
    )  # fmt: skip
    data = cache(lambda name: FIGURES[name].prepare(tables))

    @cache
    def pictures(name, paper):
        found, card = data(name), FIGURES[name]
        alone = found.only(setting="MHA v1 · classification")
        with on_paper(paper), look():
            figures = [card.draw(part) for part in ([alone] if card.per_setting else [found, alone])]
            for figure in figures:
                figure.canvas.draw()
        return figures

    return pictures


on_screen_and_paper = pytest.mark.parametrize("paper", [None, "neurips"])
all_figures = pytest.mark.parametrize("name", FIGURES)


def texts(figure: Figure) -> list[Text]:
    """All that is written in a figure, ticks beyond the ends of an axis apart."""
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    hidden = {
        label
        for axes in figure.axes
        for label in axes.findobj(Text)
        if not axes.axison and label not in axes.texts
    }
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            shown = {tick.label1 for tick in axis._update_ticks()}
            hidden |= {t.label1 for t in (*axis.majorTicks, *axis.minorTicks)} - shown
            hidden |= {t.label2 for t in (*axis.majorTicks, *axis.minorTicks)}
            hidden |= {t.label1 for t in axis.majorTicks if not axis._major_tick_kw.get("labelleft", True)}
    return [text for text in found if text not in hidden]


def lines(text: Text, renderer) -> list[tuple[str, Bbox]]:
    """The lines of a text with their boxes: that of the whole is as wide as its longest line."""
    whole, parts = text.get_window_extent(renderer), text.get_text().split("\n")
    if len(parts) == 1 or text.get_rotation():
        return [(text.get_text(), whole)]
    found, high = [], whole.height / len(parts)
    for place, part in enumerate(parts):
        wide = renderer.get_text_width_height_descent(part or " ", text.get_fontproperties(), False)[0]
        left = {"left": whole.x0, "center": (whole.x0 + whole.x1 - wide) / 2, "right": whole.x1 - wide}
        top = whole.y1 - place * high
        corner = left[text.get_horizontalalignment()]
        found += [(part, Bbox([[corner, top - high], [corner + wide, top]]))] if part else []
    return found


@on_screen_and_paper
@all_figures
def test_letters_are_large_enough_on_a_page(drawn, name, paper):
    for figure in drawn(name, paper):
        shrunk = min(1.0, PAGE / figure.get_figwidth())
        assert min(text.get_fontsize() for text in texts(figure)) * shrunk >= LEAST - 1e-9


@on_screen_and_paper
@all_figures
def test_no_text_lies_on_another_or_beyond_the_edge(drawn, name, paper):
    for figure in drawn(name, paper):
        renderer = figure.canvas.get_renderer()
        boxes = [box for text in texts(figure) for box in lines(text, renderer)]
        for text, box in boxes:
            assert box.x0 > -1, text
            assert box.x1 < figure.bbox.width + 1, text
        on = [
            (one, other)
            for (one, a), (other, b) in combinations(boxes, 2)
            if min(a.x1, b.x1) - max(a.x0, b.x0) > 0.5 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1.5
        ]
        assert not on


@on_screen_and_paper
@all_figures
def test_a_panel_without_labels_of_y_has_the_axis_of_the_first_of_its_row(drawn, name, paper):
    for figure in drawn(name, paper):
        rows: dict[float, Axes] = {}
        for axes in figure.axes:
            if not axes.axison:
                continue
            first = rows.setdefault(round(axes.get_position().y0, 4), axes)
            if not axes.yaxis.get_tick_params().get("labelleft", True):
                assert axes.get_ylim() == first.get_ylim()
                assert axes.get_yscale() == first.get_yscale()
                assert list(axes.get_yticks()) == list(first.get_yticks())
                words = [
                    one.yaxis.get_major_formatter().format_ticks(first.get_yticks()) for one in (axes, first)
                ]
                assert words[0] == words[1]


@on_screen_and_paper
def test_bars_have_one_order_of_models_and_numbers_have_room(drawn, paper):
    for figure in drawn("ranking", paper):
        renderer, (legend,) = figure.canvas.get_renderer(), figure.legends
        entries = [
            (-round(box.y1), box.x0, text.get_text(), handle.get_color())
            for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
            for box in [text.get_window_extent(renderer)]
            if text.get_text().strip()
        ]
        words, colours = ([entry[place] for entry in sorted(entries)] for place in (2, 3))
        assert words == ["Modular", "Modular-op", "GT-Modular", "Monolithic", "single runs"]
        for axes in figure.axes:
            bars: dict[float, list] = {}
            for patch in axes.patches:
                bars.setdefault(patch.get_y(), []).append(patch)
            for parts in bars.values():
                order = [
                    colours.index(to_hex(patch.get_facecolor()))
                    for patch in sorted(parts, key=lambda p: p.get_x())
                ]
                assert order == sorted(order)
            for text in axes.texts:
                (x, y) = text.get_position()
                inside = [p for p in axes.patches if p.get_x() < x < p.get_x() + p.get_width() and
                          p.get_y() < y < p.get_y() + p.get_height()]  # fmt: skip
                if x < 1:
                    (part,) = inside
                    box, bar = text.get_window_extent(renderer), part.get_window_extent(renderer)
                    assert bar.x0 < box.x0
                    assert box.x1 < bar.x1


def test_monolithic_is_last_in_bars():
    assert in_bars(["monolithic", "modular", "gt-modular"]) == ["modular", "gt-modular", "monolithic"]


def test_a_row_that_is_too_wide_gets_narrower_panels_and_then_is_folded():
    margins = Margins(left=0.5, right=0.5)
    assert fitted(3, 2.0, margins) == (3, 2.0)
    assert fitted(4, 2.0, margins) == (4, 7.0 / 4)
    assert fitted(6, 2.0, margins) == (3, 2.0)  # six would leave 0.17 inches, three divide six
    assert fitted(5, 2.0, margins) == (3, 2.0)  # four and one would be less equal
    with on_paper("neurips"):
        assert fitted(2, 2.0, margins) == (2, 5.5 / 2)


def test_no_row_has_panels_of_two_groups():
    figure, grid = frame(10, 5, (2.0, 1.0), Margins(left=0.5, right=0.5), None)
    places = [(axes.get_position().y0, axes.get_position().x0) for axes in grid]
    rows = [sum(abs(y - at) < 1e-6 for y, _ in places) for at in sorted({round(y, 9) for y, _ in places})]
    assert rows == [2, 3, 2, 3]
    assert figure.get_figwidth() <= PAGE
    assert len(set(places)) == 10


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1, 10, [1, 2, 5, 10]),
        (0.9, 110, [1, 3, 10, 30, 100]),
        (0.001, 9.0, [0.001, 0.01, 0.1, 1.0]),
        (38, 45, [38, 40, 42, 44]),
    ],
)
def test_a_logarithmic_axis_has_few_ticks_and_never_none(low, high, ticks):
    assert decades(low, high) == ticks


ROOT = Path(__file__).parents[2]


def script(path: str):
    """A script that draws pictures of the documentation."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_letters_of_the_documentation_are_large_enough_on_a_page(tmp_path):
    tables = synthetic_results.tables(tmp_path / "store", synthetic_results.specs(task_seeds=[0]), points=3)
    overview, idea, growth = map(
        script, ("docs/images/overview.py", "docs/images/idea.py", "benchmarks/growth.py")
    )
    numbers = pd.read_csv(ROOT / "docs" / "images" / "growth.csv")
    pictures = [overview.draw(tables), idea.draw_scheme(), idea.draw_routings(), growth.draw(numbers)]
    for figure in pictures:
        with look():
            figure.canvas.draw()
        shrunk = min(1.0, PAGE / figure.get_figwidth())
        assert min(text.get_fontsize() for text in texts(figure)) * shrunk >= LEAST - 1e-9
