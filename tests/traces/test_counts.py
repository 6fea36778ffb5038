import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from slow_counts import slow_counts

from modbench.metrics import joint_from_trace, routing_metrics
from modbench.trace import RoutingCounts, TraceError, findings, from_map, load_counts, save_counts


def test_counts_by_hand():
    counts = RoutingCounts(4, labels=["a", "b"], layers=[7])
    counts.update([[0, 1], [0, 2], [3, 1]], ["a", "a", "b"], [[3, 1], [1, 1], [0.5, 1.5]], layer=7)
    assert counts.sums["load"][0].tolist() == [[2, 1, 1, 0], [0, 1, 0, 1]]
    assert counts.sums["mass"][0].tolist() == [[1.25, 0.25, 0.5, 0], [0, 0.75, 0, 0.25]]
    assert counts.joint(7).tolist() == [[2 / 6, 1 / 6, 1 / 6, 0], [0, 1 / 6, 0, 1 / 6]]
    assert counts.joint(7, weigh="equal").tolist() == [[0.25, 0.125, 0.125, 0], [0, 0.25, 0, 0.25]]
    assert counts.joint(7, by="mass").sum() == 1
    # -1/4 ln 1/4 - 3/4 ln 3/4 = .5623, over ln 2; two equal weights are 1
    assert counts.sums["entropy"][0].tolist() == pytest.approx([0.8112781 + 1, 0.8112781])


@st.composite
def traces(draw):
    E, k, n = draw(st.integers(1, 6)), draw(st.integers(1, 4)), draw(st.integers(1, 30))
    dtype = draw(st.sampled_from([np.int8, np.int16, np.int32, np.int64]))
    random = np.random.default_rng(draw(st.integers(0, 10**6)))
    indices = random.integers(-1, E + 1, (n, k)).astype(dtype)
    labels = random.integers(-1, 3, n)
    weights = draw(st.sampled_from([None, random.integers(0, 3, (n, k)) / 2]))
    return E, indices, labels, weights, random.integers(0, 4, n)


@given(traces())
def test_counts_agree_with_a_loop(trace):
    E, indices, labels, weights, groups = trace
    load, mass, found, units = slow_counts(indices, labels, weights, groups, E)
    counts = RoutingCounts(E, labels=3, layers=1)
    counts.update(indices, labels, weights, group=groups)
    sums = counts.sums
    assert {(r, e): n for (r, e), n in np.ndenumerate(sums["load"][0]) if n} == load
    for (r, e), value in np.ndenumerate(sums["mass"][0]):
        assert value == pytest.approx(mass.get((r, e), 0.0))
    assert {
        kind: sums[kind][0]
        for kind in ("missing", "beyond", "unweighted", "repeated", "dropped")
        if sums[kind][0]
    } == {kind: n for kind, n in found.items() if kind != "unlabelled"}
    assert counts.unlabelled == found.get("unlabelled", 0)
    kept = counts.units
    if kept is not None:
        names, _ = counts.kept.keys()
        assert {(names[u], kept.label[u], e): n for (u, _, e), n in np.ndenumerate(kept.load) if n} == units


@given(traces(), st.integers(1, 10))
def test_pieces_and_merging_change_nothing(trace, size):
    E, indices, labels, weights, groups = trace
    whole, pieces = RoutingCounts(E, labels=3, layers=1, coactivation=True), []
    whole.update(indices, labels, weights, group=groups)
    for start in range(0, len(indices), size):
        part = slice(start, start + size)
        piece = RoutingCounts(E, labels=3, layers=1, coactivation=True)
        piece.update(
            indices[part], labels[part], None if weights is None else weights[part], group=groups[part]
        )
        pieces.append(piece)
    merged = pieces[0]
    for piece in pieces[1:]:
        merged.merge(piece)
    for name in (
        "load",
        "mass",
        "tokens",
        "served",
        "slots",
        "missing",
        "beyond",
        "repeated",
        "dropped",
        "entropy",
    ):
        np.testing.assert_allclose(merged.sums[name], whole.sums[name], err_msg=name)
    np.testing.assert_array_equal(merged.pairs, whole.pairs)
    assert _by_name(merged) == _by_name(whole)


def _by_name(counts):
    if counts.units is None:
        return {}
    groups, labels = counts.kept.keys()
    return {(g, r): row.tolist() for g, r, row in zip(groups, labels, counts.units.load, strict=True)}


def test_which_groups_are_kept_depends_on_no_order():
    random = np.random.default_rng(0)
    groups, indices = random.integers(0, 500, 4000), random.integers(0, 8, (4000, 2))
    forward, backward = (RoutingCounts(8, layers=1, most_groups=20) for _ in range(2))
    forward.update(indices, group=groups)
    halves = [RoutingCounts(8, layers=1, most_groups=20) for _ in range(2)]
    for at in range(3999, -1, -1):
        backward.update(indices[at : at + 1], group=groups[at : at + 1])
    halves[0].update(indices[::2], group=groups[::2])
    halves[1].update(indices[1::2], group=groups[1::2])
    halves[1].merge(halves[0])
    assert _by_name(forward) == _by_name(backward) == _by_name(halves[1])
    assert len(forward.units.load) == 20
    assert forward.sampled
    assert "random sample" in findings(forward)[-1]


@pytest.mark.parametrize("shape", ["tokens", "batch"])
def test_all_layers_at_once_are_each_layer_alone(shape):
    random = np.random.default_rng(1)
    lead = (12,) if shape == "tokens" else (3, 4)
    indices, weights = random.integers(0, 5, (*lead, 2, 3)), random.random((*lead, 2, 3))
    labels = random.integers(0, 2, lead[:1])
    together, apart = (
        RoutingCounts(5, labels=2, layers=["x", "y"]),
        RoutingCounts(5, labels=2, layers=["x", "y"]),
    )
    together.update(indices, labels, weights, group=labels)
    for at, layer in enumerate("xy"):
        apart.update(indices[..., at, :], labels, weights[..., at, :], layer=layer, group=labels)
    for name, counted in together.sums.items():
        np.testing.assert_allclose(counted, apart.sums[name], err_msg=name)
    assert _by_name(together) == _by_name(apart)


def test_pairs_are_all_pairs_of_a_token_and_of_adjacent_layers():
    counts = RoutingCounts(4, layers=2, coactivation=True)
    counts.update([[[0, 1, 3], [2, 0, 1]], [[0, 3, -1], [1, 2, -1]]])
    assert counts.pairs[0].tolist() == [[2, 1, 0, 2], [1, 1, 0, 1], [0, 0, 0, 0], [2, 1, 0, 2]]
    assert counts.tallies.adjacent[0].tolist() == [[1, 2, 2, 0], [1, 1, 1, 0], [0, 0, 0, 0], [1, 2, 2, 0]]


def test_the_joint_is_that_of_the_metrics():
    random = np.random.default_rng(2)
    labels, experts = random.integers(0, 3, 500), random.integers(0, 6, 500).astype(np.int8)
    counts = RoutingCounts(experts.max() + 1, labels=3)
    counts.update(experts, labels)
    expected = joint_from_trace(labels, experts.astype(int), num_modules=6)
    np.testing.assert_allclose(counts.joint(0), expected, rtol=1e-15)
    assert routing_metrics(counts.joint(0)) == pytest.approx(routing_metrics(expected))


def test_labels_and_groups_may_be_texts_per_token_per_sequence_or_one_for_all():
    indices = np.zeros((2, 3, 1), int)
    ways = (
        (["code", "prose"], ["d1", "d2"]),
        ([["code"] * 3, ["prose"] * 3], [["d1"] * 3, ["d2"] * 3]),
        (np.array(["code", "prose"], object), np.array(["d1", "d2"])),
        ([0, 1], ["d1", "d2"]),
        (np.array([0, 1], np.uint8), ["d1", "d2"]),
    )
    for labels, group in ways:
        counts = RoutingCounts(2, labels=["code", "prose"])
        counts.update(indices, labels, layer=0, group=group)
        assert counts.sums["tokens"].tolist() == [[3, 3]]
        assert counts.kept.keys() == (["d1", "d2"], [0, 1])
    counts = RoutingCounts(2)
    counts.update(indices, "code", layer=0, group="d9")
    counts.update(indices, "prose", layer=0, group="d9")
    assert (counts.labels, counts.sums["tokens"].tolist()) == (["code", "prose"], [[6, 6]])


def test_what_marks_no_label_is_left_out_and_counted():
    counts = RoutingCounts(2, labels=2)
    counts.update([[0], [1], [1], [1]], [-100, 1, -1, 0])
    masked = np.ma.masked_array([0, 1, 1, 0], [True, False, False, False])
    counts.update([[0], [1], [1], [1]], masked)
    assert counts.unlabelled == 3
    assert counts.sums["tokens"].tolist() == [[2, 3]]
    assert findings(counts)[0].startswith("3 tokens have no label")


def test_masks_and_masked_entries():
    counts = RoutingCounts(3)
    counts.update([[0, 1], [1, 2], [0, 2]], mask=[1, 0, 1])
    counts.update([[[0], [1]], [[2], [2]]], mask=[True, False], layer=0)
    counts.update(np.ma.masked_array([[0, 1]], [[False, True]]))
    assert counts.sums["load"].sum(axis=1).tolist() == [[4, 2, 1]]
    assert counts.sums["missing"].tolist() == [1]


def test_what_is_found_is_told_in_a_line_each():
    counts = RoutingCounts(4, layers=[3, 5])
    counts.update([[0, -1], [1, 1], [2, 9], [-1, -1]], weights=[[1, 1], [1, 1], [0, 1], [1, 1]], layer=3)
    counts.update([[0, 0]] * 6, layer=5)
    lines = findings(counts)
    assert lines == [
        "3 of 20 slots hold a negative number, which marks an empty slot; they are left out (layer 3)",
        "1 of 20 slots hold a number of 4 or more, so no routed expert (a shared, zero-compute or physical one?); "
        "they are left out (layer 3)",
        "7 of 20 slots repeat an expert that the same token has already; they are left out (all 2 layers)",
        "1 of 20 slots have weight 0; they are left out, since their expert adds nothing (layer 3)",
        "2 of 10 tokens have no slot left (a full expert dropped them, or padding was not masked) (layer 3)",
        "every slot is expert 0 in layer 5: dense, without a router; left out",
    ]


def test_a_flat_read_of_a_strided_view_is_noticed():
    random = np.random.default_rng(0)
    logits = random.random((400, 16))
    chosen = np.argsort(-logits, axis=1)  # (400, 16) in memory; the top 4 are a strided view
    right, wrong = RoutingCounts(16), RoutingCounts(16)
    right.update(chosen[:, :4])
    wrong.update(chosen.reshape(-1, 4)[:400])  # the memory of the first hundred tokens, read on
    assert findings(right) == []
    assert "strided view" in findings(wrong)[0]


def test_top_one_without_an_axis_for_its_slot_and_total_collapse():
    counts = RoutingCounts(4)
    counts.update(np.zeros(10, np.int16))
    assert counts.sums["load"].tolist() == [[[10, 0, 0, 0]]]
    assert "every token goes to expert 0" in findings(counts)[0]


class OnDevice:
    """Behaves as a PyTorch tensor on a GPU that requires a gradient."""

    def __init__(self, array, dtype="torch.int64"):
        self.array, self.dtype, self.shape = np.asarray(array), dtype, np.shape(array)

    def __array__(self, dtype=None, copy=None):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def detach(self):
        return self

    def cpu(self):
        return self.array


def test_tensors_of_a_device_and_other_integer_types():
    for indices in (OnDevice([[0, 1]]), np.array([[0, 1]], np.uint8), [[np.int8(0), np.int8(1)]], ((0, 1),)):
        counts = RoutingCounts(np.uint8(200))
        counts.update(indices)
        assert counts.sums["load"].sum() == 2


WRONG = {
    "floats": (lambda c: c.update([[0.0, 1.0]]), "must be integers"),
    "booleans": (lambda c: c.update([[True, False]]), "from_map"),
    "ragged": (lambda c: c.update([[0, 1], [2]]), "indices must be an array"),
    "empty k": (lambda c: c.update(np.zeros((3, 0), int)), "must have shape"),
    "three axes": (lambda c: RoutingCounts(4).update(np.zeros((3, 2, 1), int)), "look alike"),
    "wrong layers": (lambda c: RoutingCounts(4, layers=3).update(np.zeros((5, 2, 1), int)), r"\(tokens, 3, k\)"),
    "strange layer": (lambda c: c.update([[0]], ["a"], layer=4), "layer must be one of 0, got 4"),
    "no labels": (lambda c: RoutingCounts(4, labels=2).update([[0]]), "labels must be given"),
    "strange label": (lambda c: c.update([[0]], ["z"]), "must be one of 'a', 'b', got 'z'"),
    "label too large": (lambda c: c.update([[0]], [2]), "got 2"),
    "float labels": (lambda c: c.update([[0]], [0.0]), "labels must be integers or texts"),
    "labels too few": (lambda c: c.update([[0], [1]], ["a"]), r"of shape \(2,\), got shape \(1,\)"),
    "negative weight": (lambda c: c.update([[0]], ["a"], [[-0.1]]), "not negative, got -0.1"),
    "nan weight": (lambda c: c.update([[0]], ["a"], [[np.nan]]), "finite"),
    "weights' shape": (lambda c: c.update([[0]], ["a"], [0.1]), "shape of indices"),
    "mask of weights": (lambda c: c.update([[0]], ["a"], mask=[0.5]), "mask must be booleans"),
    "mask too long": (lambda c: c.update([[0]], ["a"], mask=[1, 1]), "mask must be"),
    "group is a list of floats": (lambda c: c.update([[0]], ["a"], group=[1.5]), "group must be"),
    "no experts": (lambda c: RoutingCounts(0), "num_experts must be a whole number of at least 1, got 0"),
    "labels twice": (lambda c: RoutingCounts(2, labels=["a", "a"]), "a name of its own"),
    "one text for labels": (lambda c: RoutingCounts(2, labels="ab"), "number of labels"),
}  # fmt: skip


@pytest.mark.parametrize(("given", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_trace_is_refused_and_nothing_counted(given, said):
    counts = RoutingCounts(4, labels=["a", "b"], layers=1)
    with pytest.raises(TraceError, match=said) as refused:
        given(counts)
    assert "\n" not in str(refused.value)
    assert not any(counted.any() for counted in counts.sums.values())
    assert counts.unlabelled == 0


def test_an_empty_trace_counts_nothing_and_has_no_joint():
    counts = RoutingCounts(4)
    counts.update(np.zeros((0, 2), int))
    with pytest.raises(TraceError, match="no slot was counted"):
        counts.joint(0)
    counts.update([[0, 1]])
    with pytest.raises(TraceError, match="no weights were given"):
        counts.joint(0, by="mass")


@pytest.mark.parametrize("options", [{}, {"coactivation": True}, {"groups": False}, {"most_groups": 3}])
def test_saved_counts_are_the_same_and_go_on(tmp_path, options):
    random = np.random.default_rng(3)
    counts = RoutingCounts(6, **options)
    again = None
    for at in range(3):
        batch = random.integers(-1, 6, (50, 2)), [["x", "y", "ü"][r] for r in random.integers(0, 3, 50)]
        group = random.integers(0, 9, 50)
        for each in filter(None, (counts, again)):
            each.update(*batch, group=group, layer=f"layer {at}")
        if at == 1:
            again = load_counts(save_counts(counts, tmp_path / "counts.npz"))
    assert (again.labels, again.layers, again.unlabelled) == (counts.labels, counts.layers, counts.unlabelled)
    for name, counted in counts.sums.items():
        np.testing.assert_array_equal(counted, again.sums[name], err_msg=name)
    assert _by_name(again) == _by_name(counts)
    assert again.sampled == counts.sampled
    assert [path.name for path in tmp_path.iterdir()] == ["counts.npz"]


def test_files_that_are_no_counts_are_refused(tmp_path):
    path = tmp_path / "x.npz"
    for content in (b"", b"PK\x03\x04 broken", b"\x93NUMPY"):
        path.write_bytes(content)
        with pytest.raises(TraceError, match=r"x\.npz must be a file of routing counts"):
            load_counts(path)
    np.savez(path, indices=np.zeros((3, 2)))
    with pytest.raises(TraceError, match="must be a file of routing counts"):
        load_counts(path)
    np.savez(path, head=np.array({"a": 1}, object))
    with pytest.raises(TraceError, match="must be a file of routing counts"):
        load_counts(path)
    counts = RoutingCounts(3)
    counts.update([[0, 1]])
    save_counts(counts, path)
    with np.load(path) as file:
        arrays = dict(file)
    arrays["sum_load"] = arrays["sum_load"][:, :, :2]
    np.savez(path, **arrays)
    with pytest.raises(TraceError, match="is damaged: load must have shape"):
        load_counts(path)


def test_counts_of_others_are_added():
    counts = RoutingCounts(3, labels=["a", "b"], layers=2)
    load = np.array([[[2, 2, 0], [0, 1, 1]], [[4, 0, 0], [1, 0, 1]]])
    with pytest.raises(TraceError, match="1 to E slots"):
        counts.add_counts(load, [[1, 1], [4, 1]])
    counts.add_counts(load, [[2, 1], [4, 1]], group="d")
    assert counts.sums["load"].tolist() == load.tolist()
    assert counts.units.load.shape == (2, 2, 3)
    for wrong in (load[:1], -load, load + 0.5, load.astype(str)):
        with pytest.raises(TraceError, match="load must be whole numbers of shape"):
            counts.add_counts(wrong)


def test_a_map_becomes_slots():
    indices, weights = from_map([[True, False, True], [False, False, True]], [[0.2, 0, 0.8], [0, 0, 0.5]])
    assert indices.tolist() == [[0, 2], [2, -1]]
    assert weights.tolist() == [[0.2, 0.8], [0.5, 0]]
    with pytest.raises(TraceError, match="booleans"):
        from_map([[0.5, 0.5]])
