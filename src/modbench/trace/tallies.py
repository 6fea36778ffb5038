"""The arrays that a trace is counted into, and how a block of tokens is counted.

L: layers, R: labels, E: experts, k: slots of a token.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from modbench.trace.slots import FINDINGS, Slots

_BY_EXPERT = ("load", "mass")
_BY_LABEL = ("tokens", "served", "weighted", "entropy")
_BY_LAYER = ("slots", *FINDINGS, "blocks", "zero_blocks", "partitions")


class Tallies:
    """Counts by layer, label and expert, which grow with the layers and labels that are met.

    Args:
        experts: E.
        coactivation: whether pairs of experts are counted.

    Attributes:
        sums: counts by name. `load` and `mass` are (L, R, E); `tokens`, `served` (by an expert at least), `weighted`
            (with two weights at least) and `entropy` (of those weights, over the log of their number) are (L, R);
            `slots`, what was found, `blocks` and their kinds are (L,).
        widest: (L,) the largest k.
        pairs: (L, E, E) tokens that two experts served together; None unless `coactivation`.
        adjacent: (L - 1, E, E) slots of the same token in a layer (rows) and the next (columns); None likewise.
    """

    def __init__(self, experts: int, coactivation: bool) -> None:
        self.experts = experts
        self.sums: dict[str, NDArray] = {}
        self.widest = np.zeros(0, np.int64)
        self.pairs = np.zeros((0, experts, experts), np.int64) if coactivation else None
        self.adjacent = np.zeros((0, experts, experts), np.int64) if coactivation else None
        self.grow(0, 0)

    def grow(self, layers: int, labels: int) -> None:
        """Makes room."""
        shapes = dict.fromkeys(_BY_EXPERT, (layers, labels, self.experts))
        shapes |= dict.fromkeys(_BY_LABEL, (layers, labels)) | dict.fromkeys(_BY_LAYER, (layers,))
        for name, shape in shapes.items():
            kind = np.float64 if name in ("mass", "entropy") else np.int64
            self.sums[name] = _padded(self.sums.get(name, np.zeros((0,) * len(shape), kind)), shape)
        self.widest = _padded(self.widest, (layers,))
        if self.pairs is not None and self.adjacent is not None:
            self.pairs = _padded(self.pairs, (layers, self.experts, self.experts))
            self.adjacent = _padded(self.adjacent, (max(layers - 1, 0), self.experts, self.experts))

    def count(self, layer: int, label: NDArray[np.int64], slots: Slots) -> None:
        """Counts a block of tokens in a layer, but for its load.

        Args:
            layer: its position.
            label: (n,) the position of each token's label.
            slots: of these tokens.
        """
        sums, R = self.sums, self.sums["tokens"].shape[1]
        sums["slots"][layer] += slots.experts.size
        for kind, count in slots.found.items():
            sums[kind][layer] += count
        sums["blocks"][layer] += 1
        sums["zero_blocks"][layer] += slots.all_zero
        sums["partitions"][layer] += slots.partition
        tokens = np.bincount(label, minlength=R)
        sums["tokens"][layer] += tokens
        sums["served"][layer] += (
            tokens if slots.used is None else np.bincount(label[slots.used.any(axis=1)], minlength=R)
        )
        if slots.shares is not None:
            sums["mass"][layer] += per_cell(label, slots, R, self.experts, slots.shares)
            width = (
                np.full(len(label), slots.experts.shape[1]) if slots.used is None else slots.used.sum(axis=1)
            )
            several = width > 1
            spread = entr(slots.shares[several]).sum(axis=1) / np.log(width[several])
            sums["entropy"][layer] += np.bincount(label[several], spread, R)
            sums["weighted"][layer] += np.bincount(label[several], minlength=R)

    def count_pairs(self, layer: int, before: Slots | None, slots: Slots) -> None:
        """Counts the pairs of experts of a block of tokens: within a layer, and with the layer before, if given."""
        if self.pairs is not None and self.adjacent is not None:
            self.pairs[layer] += _pairs(slots, slots, self.experts)
            if before is not None:
                self.adjacent[layer - 1] += _pairs(before, slots, self.experts)

    def add(self, other: "Tallies", layer: NDArray[np.int64], label: NDArray[np.int64]) -> None:
        """Adds another's counts, whose layers and labels have the given positions here."""
        for name, counted in other.sums.items():
            target = np.ix_(layer, label) if counted.ndim > 1 else layer
            self.sums[name][target] += counted
        self.widest[layer] = np.maximum(self.widest[layer], other.widest)
        for mine, others, at in (
            (self.pairs, other.pairs, layer),
            (self.adjacent, other.adjacent, layer[:-1]),
        ):
            if mine is not None and others is not None:
                mine[at] += others


def per_cell(
    cell: NDArray[np.int64], slots: Slots, cells: int, experts: int, weights: NDArray | None = None
) -> NDArray:
    """Slots, or weights, summed per cell and expert: (cells, E)."""
    code = cell[:, None] * experts + slots.experts
    if slots.used is not None:
        code, weights = code[slots.used], None if weights is None else weights[slots.used]
    summed = np.bincount(code.ravel(), None if weights is None else weights.ravel(), cells * experts)
    return summed.reshape(cells, experts)


def _pairs(first: Slots, second: Slots, experts: int) -> NDArray[np.int64]:
    """Pairs of a slot of one and a slot of the other, of the same token: (E, E); a slot pairs with itself, too."""
    total = np.zeros(experts**2, np.int64)
    for a in range(first.experts.shape[1]):
        code = first.experts[:, a, None].astype(np.int64) * experts + second.experts
        if first.used is not None or second.used is not None:
            used = np.ones(code.shape, bool) if second.used is None else second.used
            code = code[used if first.used is None else used & first.used[:, a, None]]
        total += np.bincount(code.ravel(), minlength=experts**2)
    return total.reshape(experts, experts)


def _padded(array: NDArray, shape: tuple[int, ...]) -> NDArray:
    if array.shape == shape:
        return array
    larger = np.zeros(shape, array.dtype)
    larger[tuple(slice(size) for size in array.shape)] = array
    return larger
