"""The experts of a layer as the page shows them: sorted so that blocks show, with what each serves.

A[r, m] is the share of label r's slots that expert m gets. R: labels, E: experts.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from modbench.core.errors import RequestError
from modbench.core.text import harmless
from modbench.trace import Measures, RoutingCounts, coactivation, jaccard, owners
from modbench.trace.names import Name, few

MILLION = 1_000_000
MOST_PAIRS = 10
"""How many pairs of experts are listed that serve the same tokens most."""


class LabelView(NamedTuple):
    """What a label has in a layer.

    Attributes:
        name: the label's.
        tokens: of the label.
        experts: that it owns.
        own: the share of its slots that these experts get.
        others: the share of the other labels' slots that they get, labels weighted equally.
    """

    name: str
    tokens: int
    experts: int
    own: float
    others: float


class LayerView(NamedTuple):
    """A layer.

    Attributes:
        name: the layer's.
        slots: how many were counted.
        A: (R, E), rows of zeros for labels without slots.
        load: (E,) shares of all slots.
        owner: (E,) the position of the label that owns each expert; -1 for none.
        order: (E,) experts by owner, and of one owner those first that get most of its slots.
        labels: what each label has, of those with slots.
        pairs: (E, E) tokens that two experts served together; None unless they were counted.
    """

    name: Name
    slots: int
    A: NDArray[np.float64]
    load: NDArray[np.float64]
    owner: NDArray[np.int64]
    order: NDArray[np.int64]
    labels: list[LabelView]
    pairs: NDArray[np.int64] | None


def layer_views(measures: Measures, counts: RoutingCounts) -> list[LayerView]:
    """The layers that were measured, in their order.

    Raises:
        RequestError: the measures are of other counts.
    """
    measured = dict.fromkeys(row.layer for row in measures.rows)
    if strange := [layer for layer in measured if layer not in counts.layers]:
        raise RequestError(
            f"measures must be of the counts' layers {few(counts.layers)}, got layer {strange[0]!r}"
        )
    return [_view(counts, counts.layers.index(layer)) for layer in measured]


def _view(counts: RoutingCounts, at: int) -> LayerView:
    slots = counts.sums["load"][at].astype(np.float64)
    rows = slots.sum(axis=1, keepdims=True)
    A = np.divide(slots, rows, out=np.zeros_like(slots), where=rows > 0)
    used = np.flatnonzero(rows[:, 0] > 0)
    owner = owners(A[used])
    owner = np.where(owner >= 0, used[owner], -1)
    own = np.where(owner >= 0, A[owner, np.arange(len(owner))], 0.0)
    order = np.lexsort((-own, np.where(owner < 0, len(A), owner)))
    labels = [
        LabelView(
            harmless(counts.labels[r]),
            int(counts.sums["tokens"][at, r]),
            int((owner == r).sum()),
            float(A[r, owner == r].sum()),
            float(A[used[used != r]][:, owner == r].sum(axis=1).mean()) if len(used) > 1 else 0.0,
        )
        for r in used
    ]
    pairs = None if counts.pairs is None else counts.pairs[at]
    return LayerView(
        counts.layers[at], int(slots.sum()), A, slots.sum(axis=0) / slots.sum(), owner, order, labels, pairs
    )


def layer_data(view: LayerView) -> dict[str, Any]:
    """A layer for the page's script: shares in millionths, experts in the page's order."""
    data: dict[str, Any] = {
        "experts": view.order.tolist(),
        "owner": view.owner[view.order].tolist(),
        "shares": np.rint(MILLION * view.A[:, view.order]).astype(int).tolist(),
        "load": np.rint(MILLION * view.load[view.order]).astype(int).tolist(),
        "labels": [label._asdict() for label in view.labels],
    }
    if view.pairs is not None:
        together = np.nan_to_num(coactivation(view.pairs))[np.ix_(view.order, view.order)]
        data["together"] = np.rint(1000 * together).astype(int).tolist()
        data["pairs"] = most_together(view.pairs)
    return data


def most_together(pairs: NDArray[np.int64]) -> list[tuple[int, int, float]]:
    """The pairs of experts that serve the same tokens most: two experts, and Jaccard's index of their tokens."""
    first, second = np.triu_indices(len(pairs), 1)
    index = np.nan_to_num(jaccard(pairs)[first, second])
    best = np.argsort(-index, kind="stable")[:MOST_PAIRS]
    return [(int(first[at]), int(second[at]), round(float(index[at]), 4)) for at in best if index[at] > 0]
