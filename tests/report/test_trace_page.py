"""The trace's page: its sentences hold, its numbers are the trace's, and nothing in it comes from elsewhere."""

import json
import re
import zlib
from base64 import b64decode

import numpy as np
import pytest

from modbench.core.errors import RequestError
from modbench.report.trace import Compared, write_trace_page
from modbench.report.trace.charts import chart
from modbench.report.trace.comparison import compared_in_words, comparison
from modbench.report.trace.experts import layer_data, layer_views, most_together
from modbench.report.trace.sentences import conclusions, first_layer, limits
from modbench.report.trace.words import digits, named_layers, percent
from modbench.trace import CARDS, Agreement, Measured, RoutingCounts, measure
from report.test_report import Page
from report.traced import EXPERTS, LABELS, counted

NBSP = "\N{NO-BREAK SPACE}"


@pytest.fixture(scope="module")
def counts():
    return counted()


@pytest.fixture(scope="module")
def measures(counts):
    return measure(counts, 200)


def said(counts, shuffles=200):
    measures = measure(counts, shuffles)
    views = layer_views(measures, counts)
    return " ".join(conclusions(measures, counts, views)), " ".join(limits(measures, counts, views))


def test_sentences_say_what_was_planted(counts):
    says, cannot = said(counts)
    assert "Layer 2 collapsed: the load of layer 2 is spread as over 2 equally busy experts of 16." in says
    assert "Dead experts, which no token reached, are in layer 2; layer 2 has most, 14 of 16." in says
    assert "In layer 0 experts specialise by label more than chance explains (p at most 0.015 against" in says
    assert f"The expert of a slot carries 100{NBSP}% of the label's information in layer 0" in says
    for label in LABELS:
        assert (
            f"{label} with 4 experts, which get 100{NBSP}% of its slots and 0.00{NBSP}% of the other" in says
        )
    assert "Whether routing helps" in cannot
    assert "documents were given" not in cannot


def test_no_specialisation_is_said_where_there_is_none():
    counts = counted()
    for name in ("load", "mass"):
        counts.sums[name][0] = counts.sums[name][1]
    counts.kept._load[:, 0] = counts.kept._load[:, 1]
    says, _ = said(counts)
    assert "In no layer do experts specialise by label more than chance explains" in says
    assert "with 4 experts" not in says


@pytest.mark.parametrize(
    ("change", "shuffles", "expected"),
    [
        ({"documents": 1}, 100, "every label needs two groups"),
        ({"labels": ("all",)}, 100, "that takes two labels at least"),
        ({"groups": False}, 100, "no documents were given"),
        ({}, 0, "no labels were shuffled"),
        ({}, 19, "leave no corrected p-value below 0.15. Shuffle 59 times or more"),
        ({"documents": 2, "tokens": 10}, 100, "fewer than 20 slots for each expert"),
        ({"coactivation": False}, 100, "co-activation was not counted"),
    ],
)
def test_what_cannot_be_said_stands_there_with_its_reason(change, shuffles, expected):
    says, cannot = said(counted(**change), shuffles)
    assert expected in cannot
    if shuffles < 59 or ("documents" in change and change["documents"] == 1) or "labels" in change:
        assert "more than chance explains" not in says
    if change.get("tokens") == 10:
        assert "collapsed" not in says


def test_the_least_number_of_shuffles_is_enough_and_one_less_is_not():
    for shuffles, enough in ((58, False), (59, True)):
        says, cannot = said(counted(), shuffles)
        assert ("more than chance explains" in says) == enough
        assert ("Shuffle 59 times" in cannot) == (not enough)


def test_experts_stand_in_blocks_of_their_owners(counts, measures):
    view, even, few = layer_views(measures, counts)
    assert view.owner[view.order].tolist() == np.repeat(range(4), 4).tolist()
    own = view.A[view.owner[view.order], view.order].reshape(4, 4)
    assert (np.diff(own, axis=1) <= 0).all()
    assert [label.experts for label in view.labels] == [4, 4, 4, 4]
    assert all((label.own, label.others) == (1.0, 0.0) for label in view.labels)
    data = layer_data(view)
    assert sum(data["shares"][0]) == pytest.approx(1e6, abs=EXPERTS)
    assert sum(data["load"]) == pytest.approx(1e6, abs=EXPERTS)
    assert [label.tokens for label in even.labels] == [400] * 4
    assert first_layer(measures, [few, even, view]) == 2


def test_a_label_without_slots_owns_nothing():
    counts = RoutingCounts(4, ["a", "b", "never"], 1)
    counts.update(np.array([[0], [1], [2], [3]] * 3), ["a", "a", "b", "b"] * 3, group=np.arange(12))
    (view,) = layer_views(measure(counts, 0), counts)
    assert view.owner.tolist() == [0, 0, 1, 1]
    assert [label.name for label in view.labels] == ["a", "b"]


def test_fewer_experts_than_labels_leave_labels_without_one():
    counts = RoutingCounts(2, ["a", "b", "c"], 1)
    counts.update(np.array([[0], [0], [1]] * 4), ["a", "b", "c"] * 4, group=np.arange(12))
    (view,) = layer_views(measure(counts, 0), counts)
    assert sorted(label.experts for label in view.labels) == [0, 1, 1]


def test_pairs_that_share_most_tokens_by_hand():
    pairs = np.array([[10, 5, 0], [5, 10, 1], [0, 1, 2]])
    assert most_together(pairs) == [(0, 1, round(5 / 15, 4)), (1, 2, round(1 / 11, 4))]


def test_a_chart_by_hand():
    rows = [
        Measured("a", "nmi", 0.5, 0.0, 0.0, 0.1, 0.0, 0.2, estimate=0.5, low=0.25, high=1.0),
        Measured("b", "nmi", 0.25, 0.0, 0.0, 0.1, 0.0, 0.2),
    ]
    drawn = chart(CARDS["nmi"], rows, ["a", "b"], {"b": 0.75})
    assert [(dot.x, dot.y) for dot in drawn.dots] == [(108.0, 60.0), (244.0, 86.0)]
    assert drawn.dots[0].ends == (86.0, 8.0)
    assert drawn.dots[1].ends is None
    assert (drawn.dots[0].other, drawn.dots[1].other) == (None, 34.0)
    assert drawn.uniform == 112.0
    assert [text for _, text in drawn.heights] == ["0", "0.500", "1"]
    assert drawn.references == "Uniform routing reads 0, collapsed routing 0"
    assert "estimate 0.500, 95 % interval 0.250 to 1; shuffled 0.100 (0 to 0.200)" in drawn.dots[0].words


def test_numbers_as_words():
    assert [digits(value) for value in (None, 0.0, -0.00001, 0.1234, 12.34, 64.0, 1234.5)] == [
        "", "0", "0.000", "0.123", "12.3", "64", "1,234",
    ]  # fmt: skip
    assert [percent(share) for share in (0.5, 0.0123, 0.00012)] == [
        f"50{NBSP}%",
        f"1.2{NBSP}%",
        f"0.01{NBSP}%",
    ]
    assert named_layers([1, 2], 2) == "all 2 layers"
    assert named_layers([1, 5, 7], 9) == "layers 1, 5 and 7"
    assert named_layers(list(range(9)), 20) == "9 of 20 layers (0, 1, 2, 3, 4, 5, 6, 7 and more)"


def test_two_traces_are_compared_layer_by_layer(measures):
    other = measure(counted(collapsed=False, seed=1), 200)
    compared = Compared(other, "earlier", {0: Agreement(0.5, 0.75, 0.125)})
    table = comparison(measures, compared)
    assert [name for name, _ in table.rows] == ["0", "1", "2"]
    assert table.heads[:3] == ["Load entropy", "Load entropy, other", "Load entropy, difference"]
    assert table.rows[0][1][-3:] == [f"50{NBSP}%", f"12{NBSP}%", f"75{NBSP}%"]
    assert table.rows[2][1][-3:] == ["", "", ""]
    effective = table.heads.index("Effective experts")
    two, sixteen, difference = table.rows[2][1][effective : effective + 3]
    assert two == "2"
    assert float(sixteen) + float(difference) == pytest.approx(2, abs=0.1)
    assert any(
        "overlap; they decide nothing" in sentence for sentence in compared_in_words(measures, compared)
    )
    moved = other._replace(
        rows=[row._replace(low=0.0, high=0.1) if row.layer == 0 else row for row in other.rows]
    )
    (more, *_) = compared_in_words(measures, Compared(moved, "earlier"))
    assert more == (
        "Experts of this trace carry more information about the label than those of earlier in layer 0: the two "
        "intervals do not touch."
    )


def test_the_page_holds_the_trace_and_needs_nothing_else(counts, measures, tmp_path):
    path = write_trace_page(
        measures, counts, tmp_path / "new" / "trace.html", source={"File": "a.npz", "title": "Mine"}
    )
    assert [file.name for file in path.parent.iterdir()] == ["trace.html"]
    html = path.read_text("utf-8")
    page = Page(html)
    sections = [value for tag, name, value in page.attributes if tag == "section" and name == "id"]
    assert sections == ["answer", "limits", "layers", "experts", "together", "read", "provenance"]
    assert not {"link", "iframe", "img", "object"} & set(page.tags)
    assert all(
        value.startswith("#") for _, name, value in page.attributes if name in ("src", "href", "xlink:href")
    )
    assert not re.search(r"https?://|@import|url\((?!#)", html)
    assert html.count("<h4>") >= len({row.measure for row in measures.rows})
    for words in (
        "a.npz",
        "Mine",
        "labels shuffled over documents or sequences, 200 times",
        "1,600 tokens",
        "40 groups",
    ):
        assert words in html
    packed = re.search(r'id="layer0">([^<]+)<', html)[1]
    assert json.loads(zlib.decompress(b64decode(packed)))["owner"] == np.repeat(range(4), 4).tolist()


def test_notes_stand_on_the_page(tmp_path):
    counts = counted(documents=2)
    counts.update(np.full((5, 3, 2), -1), np.zeros(5, int), group=np.arange(5) + 1000)
    measures = measure(counts, 0)
    assert measures.notes
    text = " ".join(Page(write_trace_page(measures, counts, tmp_path / "a.html").read_text("utf-8")).text)
    for note in measures.notes:
        assert note[1:] in text


def test_a_folder_and_other_counts_are_refused(counts, measures, tmp_path):
    with pytest.raises(RequestError, match="must be a regular file"):
        write_trace_page(measures, counts, tmp_path)
    other = RoutingCounts(EXPERTS, LABELS, ["x"])
    with pytest.raises(RequestError, match="measures must be of the counts' layers 'x', got layer 0"):
        write_trace_page(measures, other, tmp_path / "a.html")
    assert list(tmp_path.iterdir()) == []
