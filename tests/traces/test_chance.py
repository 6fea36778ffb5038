import numpy as np
import pytest

from modbench.trace import CARDS, RoutingCounts, TraceError, measure
from modbench.trace.chance import drawn_counts, holm, p_value, shuffled_counts
from modbench.trace.groups import Units
from modbench.trace.intervals import cross_fitted, independent_tokens, jackknife, shares
from modbench.trace.specialisation import information_replaced, information_share, owners


def documents(random, R=3, E=8, groups=20, tokens=60, k=2, strength=0.0, spread=20.0):
    """A trace of documents, each with a taste of its own around its label's."""
    prefers = (np.arange(E) % R)[None, :] == np.arange(R)[:, None]
    rows = (1 - strength) / E + strength * prefers / prefers.sum(axis=1, keepdims=True)
    labels = np.repeat(np.arange(R), groups)
    taste = np.stack([random.dirichlet(spread * rows[r]) for r in labels])
    keys = random.gumbel(size=(len(labels), tokens, E)) + np.log(taste + 1e-12)[:, None, :]
    indices = np.argsort(-keys, axis=-1)[..., :k]
    return indices, labels


def counted(indices, labels, group=True, E=8):
    counts = RoutingCounts(E, labels=int(labels.max()) + 1, layers=1)
    counts.update(indices, labels, layer=0, group=np.arange(len(labels)) if group else None)
    return counts


def test_shuffles_keep_groups_whole_and_the_number_of_each_label():
    random = np.random.default_rng(0)
    load = random.integers(0, 5, (6, 1, 4))
    units = Units(np.arange(6), np.array([0, 0, 0, 1, 1, 2]), load)
    possible = set()
    for batch in shuffled_counts(units, 3, 200, random):
        assert (batch.sum(axis=2) == load.sum(axis=0)).all()
        for one in batch[:, 0]:
            lone = [u for u in range(6) if (load[u, 0] == one[2]).all()]
            assert lone
            possible.update(lone)
    assert possible == set(range(6))


def test_parts_of_a_group_exchange_labels_inside_it_alone():
    load = np.array([[[1, 0, 0]], [[0, 1, 0]], [[7, 0, 0]], [[0, 0, 9]]])
    units = Units(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), load)
    seen = {
        tuple(one.ravel())
        for batch in shuffled_counts(units, 2, 100, np.random.default_rng(1))
        for one in batch[:, 0]
    }
    assert seen == {(8, 0, 0, 0, 1, 9), (1, 0, 9, 7, 1, 0), (7, 1, 0, 1, 0, 9), (0, 1, 9, 8, 0, 0)}


def test_draws_without_groups_have_the_tokens_and_the_pooled_load():
    load = np.array([[[30, 10], [10, 30]]])
    draws = np.concatenate(list(drawn_counts(load, np.array([[20, 40]]), 300, np.random.default_rng(0))))
    assert (draws.sum(axis=-1) == [20, 40]).all()
    assert draws.mean(axis=0)[0, 1, 0] == pytest.approx(20, abs=1)


def test_p_values_and_their_correction_by_hand():
    null = np.array([0.1, 0.2, 0.3, 0.4])
    assert p_value(0.3, null, more=True) == 3 / 5
    assert p_value(0.05, null, more=False) == 1 / 5
    assert p_value(0.5, null, more=True) == 1 / 5
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []


def test_chance_is_found_as_often_as_it_should_be():
    """Documents differ, labels do not: by groups one test in twenty is fooled, by tokens nearly every one."""
    random = np.random.default_rng(7)
    by_group, by_token, trials = 0, 0, 120
    for _ in range(trials):
        indices, labels = documents(random)
        by_group += measure(counted(indices, labels), 99).value(0, "information_share").p <= 0.05
        by_token += measure(counted(indices, labels, group=False), 99).value(0, "information_share").p <= 0.05
    assert by_group <= 14  # binomial(120, .05): more than 14 in one of 500 times
    assert by_token >= 100


def test_specialisation_that_is_there_is_found():
    random = np.random.default_rng(8)
    found = [
        measure(counted(*documents(random, strength=0.4)), 99).value(0, name).p
        for _ in range(10)
        for name in ("information_share", "group_alignment", "jensen_shannon")
    ]
    assert np.mean(np.array(found) <= 0.05) >= 0.9


def test_the_jackknife_is_leaving_out_one_group_after_the_other():
    random = np.random.default_rng(3)
    label = np.array([0, 0, 0, 1, 1, 1, 1])
    load = random.integers(1, 9, (7, 4)).astype(float)
    p = np.array([0.3, 0.7])

    def of(kept):
        rows = np.stack([load[kept & (label == r)].sum(axis=0) for r in range(2)])
        return float(information_share(shares(rows), p))

    everything = np.ones(7, bool)
    bias = variance = 0.0
    for r, n in ((0, 3), (1, 4)):
        left = np.array([of(everything & (np.arange(7) != g)) for g in np.flatnonzero(label == r)])
        bias += (n - 1) * (left.mean() - of(everything))
        variance += (n - 1) / n * ((left - left.mean()) ** 2).sum()
    found = jackknife(information_replaced, load, label, p)
    assert found.value == pytest.approx(of(everything) - bias)
    assert found.high - found.value == pytest.approx(
        4.302653 * np.sqrt(variance)
    )  # Student's t, 2 degrees of freedom


def test_independent_tokens_are_groups_of_one_token():
    load, p = np.array([[3.0, 1.0], [2.0, 4.0]]), np.array([0.5, 0.5])
    each = np.repeat(np.tile(np.eye(2), (2, 1)), [3, 1, 2, 4], axis=0)
    label = np.repeat([0, 0, 1, 1], [3, 1, 2, 4])
    weighted = independent_tokens(load, load.sum(axis=1))
    expected = jackknife(information_replaced, each, label, p)
    assert jackknife(information_replaced, weighted[0], weighted[1], p, weighted[2]) == pytest.approx(
        expected
    )


def test_experts_with_less_than_a_token_leave_no_negative_rest():
    counts = RoutingCounts(8, labels=2, layers=1)
    counts.add_counts([[[40, 30, 20, 6, 1, 1, 1, 1], [1, 1, 1, 1, 40, 30, 20, 6]]], [[13, 13]])
    for row in measure(counts, 5).rows:
        assert all(not isinstance(value, float) or np.isfinite(value) for value in row)


def test_cross_fitting_is_not_fooled_by_the_best_of_many():
    """Documents without any specialisation: owners chosen and judged on the same ones look aligned."""
    random = np.random.default_rng(4)
    values, covered = [], 0
    for _ in range(60):
        indices, labels = documents(random, spread=5.0)
        load = counted(indices, labels).units.load[:, 0].astype(float)
        found = cross_fitted(owners, load, labels)
        values.append(found.value)
        covered += found.low <= 2 / 3 <= found.high
    assert np.mean(values) == pytest.approx(2 / 3, abs=0.02)
    assert covered >= 52


@pytest.mark.parametrize("strength", [0.0, 0.3])
def test_intervals_of_information_cover_the_truth(strength):
    random = np.random.default_rng(5)
    prefers = (np.arange(8) % 4)[None, :] == np.arange(4)[:, None]
    rows = (1 - strength) / 8 + strength * prefers / 2
    truth = float(information_share(rows, np.full(4, 0.25)))
    covered = 0
    for _ in range(100):
        indices, labels = documents(random, R=4, k=1, strength=strength, spread=50.0)
        row = measure(counted(indices, labels), 0).value(0, "information_share")
        covered += row.low <= truth <= row.high
    assert covered >= 89  # binomial(100, .95): fewer than 89 in one of 100 times


def test_every_measure_has_a_card_its_references_and_its_range():
    random = np.random.default_rng(6)
    indices, labels = documents(random, strength=0.5)
    counts = RoutingCounts(8, labels=3, layers=1, coactivation=True)
    counts.update(indices, labels, random.random(indices.shape), layer=0, group=np.arange(len(labels)))
    measures = measure(counts, 50)
    assert [row.measure for row in measures.rows] == list(CARDS)
    assert (measures.notes, measures.chance, measures.shuffles) == ([], "groups", 50)
    for row in measures.rows:
        card = CARDS[row.measure]
        if card.kind != "specialisation":
            assert row.p is row.shuffled is row.low is None
            continue
        assert row.shuffled_low <= row.shuffled <= row.shuffled_high
        assert row.excess == row.value - row.shuffled
        assert (row.value > row.shuffled) == (card.better == "high")
        assert row.p == row.p_layers == 1 / 51
        if row.estimate is not None:
            assert row.low <= row.estimate <= row.high
    uniform = {row.measure: row.uniform for row in measures.rows}
    collapsed = {row.measure: row.collapsed for row in measures.rows}
    assert (uniform["information_share"], collapsed["information_share"]) == (
        pytest.approx(0),
        pytest.approx(0),
    )
    assert uniform["group_alignment"] == collapsed["group_alignment"] == pytest.approx(2 / 3)
    assert (uniform["domain_specialisation"], collapsed["domain_specialisation"]) == (0.25, 1.0)
    assert (uniform["effective_experts"], collapsed["effective_experts"]) == (
        pytest.approx(8),
        pytest.approx(2),
    )


def test_equal_counts_give_equal_numbers():
    indices, labels = documents(np.random.default_rng(9))
    assert measure(counted(indices, labels), 30) == measure(counted(indices, labels), 30)


def test_labels_as_they_occur_and_equally_weighted():
    counts = RoutingCounts(2, labels=2, layers=1)
    counts.add_counts([[[90, 0], [5, 5]]], [[90, 10]])
    measures = measure(counts, 0)
    A, p = np.array([[1, 0], [0.5, 0.5]]), np.array([0.9, 0.1])
    assert measures.value(0, "information_share").value == float(information_share(A, np.array([0.5, 0.5])))
    assert measures.value(0, "information_share_occurring").value == pytest.approx(
        float(information_share(A, p))
    )


def test_what_cannot_be_tested_says_so():
    one_label = RoutingCounts(4)
    one_label.update([[0, 1], [2, 3]], group=[0, 1])
    said = measure(one_label)
    assert "two labels" in said.notes[0]
    assert {CARDS[row.measure].kind for row in said.rows} == {"balance"}
    no_groups = RoutingCounts(4, labels=2)
    no_groups.update([[0, 1], [2, 3]] * 5, [0, 1] * 5)
    said = measure(no_groups, 10)
    assert said.chance == "tokens"
    assert "take tokens as independent" in said.notes[0]
    lone = RoutingCounts(4, labels=["a", "b"])
    lone.update([[0, 1]] * 6, ["a", "a", "a", "b", "b", "b"], group=[0, 1, 2, 3, 3, 3])
    said = measure(lone)
    assert (said.chance, said.shuffles) == ("none", 0)
    assert said.notes == ["a test needs two groups of every label, so there is none: fewer are there of 'b'"]
    assert said.value(0, "alignment").p is None
    absent = RoutingCounts(4, labels=["a", "b", "c"])
    absent.update([[0, 1], [2, 3]] * 4, ["a", "b"] * 4, group=list(range(8)))
    assert "left out of specialisation: 'c'" in measure(absent, 10).notes[0]


def test_a_trace_without_slots_is_refused():
    for counts, said in (
        (RoutingCounts(4), "got none; nothing was counted"),
        (RoutingCounts(1), "at least 2 experts"),
    ):
        with pytest.raises(TraceError, match=said):
            measure(counts)
    dense = RoutingCounts(4)
    dense.update([[0, 0]] * 5)
    with pytest.raises(TraceError, match="dense"):
        measure(dense)
