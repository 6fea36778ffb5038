"""Routing counts: what is kept of a trace, however long it is.

L: layers, R: labels, E: experts, k: slots of a token. A *label* is what may decide the routing (a language, a domain);
a *group* is what tokens come in (a document, a sequence). *Load* counts slots, *mass* adds up normalised weights.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modbench.trace.arrays import TraceError, on_host, whole
from modbench.trace.groups import MOST_GROUPS, GroupCounts, Units
from modbench.trace.names import NOTHING, Name, Names, few
from modbench.trace.slots import checked_slots
from modbench.trace.tallies import Tallies, per_cell
from modbench.trace.tokens import Tokens, read_tokens

BLOCK = 1 << 15
"""Tokens that are counted at once: their slots stay in the cache, and memory stays small."""

ALL = "all"
"""The name of the only label where none was given."""


class RoutingCounts:
    """Counts of a real model's routing by layer, label and expert; tokens are counted and forgotten.

    Example::

        counts = RoutingCounts(64, labels=["code", "prose"], layers=[0, 8, 15])
        for batch in batches:  # indices (tokens, layers, k)
            counts.update(batch.indices, batch.labels, group=batch.documents)
        counts.joint(8)  # the joint distribution of label and expert in layer 8

    Args:
        num_experts: E, the routed experts of a layer.
        labels: how many labels there are, or their names; None takes them as they are met.
        layers: how many layers there are, or their names (numbers in the model); None takes them as they are met.
        coactivation: whether pairs of experts are counted that serve a token together, and pairs in adjacent layers.
        groups: whether counts per group are kept, as tests against chance need them.
        most_groups: how many groups are kept; of more, a random sample that the order of tokens does not change.

    Attributes:
        num_experts: E.
        tallies: what was counted, as arrays.
        kept: the counts per group; None where they are not wanted.
        unlabelled: tokens without a label, which are left out.

    Raises:
        TraceError: an argument is not that.
    """

    def __init__(
        self,
        num_experts: int,
        labels: int | Sequence[Name] | None = None,
        layers: int | Sequence[Name] | None = None,
        *,
        coactivation: bool = False,
        groups: bool = True,
        most_groups: int = MOST_GROUPS,
    ) -> None:
        self.num_experts = whole("num_experts", num_experts, least=1)
        self.label_names, self.layer_names = Names("label", labels), Names("layer", layers)
        self.tallies = Tallies(self.num_experts, coactivation)
        self.kept = (
            GroupCounts(self.num_experts, whole("most_groups", most_groups, least=2)) if groups else None
        )
        self.unlabelled = 0
        self._grow()

    @property
    def labels(self) -> list[Name]:
        """The labels' names, in the order of the counts."""
        return list(self.label_names.names)

    @property
    def layers(self) -> list[Name]:
        """The layers' names, in the order of the counts."""
        return list(self.layer_names.names)

    @property
    def sums(self) -> dict[str, NDArray]:
        """The counts by name, see `Tallies`."""
        return self.tallies.sums

    @property
    def pairs(self) -> NDArray[np.int64] | None:
        """(L, E, E) tokens that two experts served together; None unless co-activation is counted."""
        return self.tallies.pairs

    @property
    def units(self) -> Units | None:
        """The counts per group; None where no group was given, or none was wanted."""
        if self.kept is None or not len(self.kept):
            return None
        return self.kept.units(len(self.layer_names))

    @property
    def sampled(self) -> bool:
        """Whether there were more groups than are kept."""
        return self.kept is not None and self.kept.seen_more

    def update(
        self,
        indices: Any,
        labels: Any = None,
        weights: Any = None,
        *,
        layer: Name | None = None,
        group: Any = None,
        mask: Any = None,
    ) -> None:
        """Counts tokens.

        Args:
            indices: the experts of each token, integers: (tokens, k) or (batch, time, k) of the one `layer`;
                (tokens, layers, k) or (batch, time, layers, k) of all layers. NumPy, or anything that becomes it: a
                tensor on a GPU or with a gradient, too. Negative numbers mark empty slots.
            labels: per token, per sequence (batch,), or one for all: names of labels, or their positions where
                the names are texts. Negative numbers mark tokens without a label. Needed unless there is one label.
            weights: as `indices`, finite and not negative. They are normalised per token.
            layer: the layer that `indices` are of. Needed unless they are of all layers, or there is only one.
            group: the document or sequence, as `labels`: integers or texts.
            mask: true where a token counts, as `labels`: booleans, or 0 and 1.

        Raises:
            TraceError: an argument is not that; nothing is counted then.
        """
        indices = on_host("indices", indices)
        if layer is None:
            layer = self._only_layer(indices.shape)
        many = None if layer is not None else len(self.layer_names)
        tokens = read_tokens(indices, labels, weights, group, mask, layers=many)
        label = self._positions(tokens)
        at = list(range(len(self.layer_names))) if layer is None else [self.layer_names.position(layer)]
        self.unlabelled += int(np.count_nonzero(label == NOTHING))
        self._grow()
        self.tallies.widest[at] = np.maximum(self.tallies.widest[at], tokens.experts.shape[2])
        for start in range(0, len(label), BLOCK):
            self._count(tokens.part(start, start + BLOCK), label[start : start + BLOCK], at)

    def merge(self, other: "RoutingCounts") -> None:
        """Adds what another has counted, of other tokens of the same model, by the names of labels and layers.

        Args:
            other: counts of as many experts, with co-activation and groups where this has them.

        Raises:
            TraceError: the two do not fit together; nothing is added then.
        """
        for what, mine, others in (
            ("num_experts", self.num_experts, other.num_experts),
            ("coactivation", self.pairs is not None, other.pairs is not None),
            ("groups", self.kept is not None, other.kept is not None),
        ):
            if mine != others:
                raise TraceError(f"counts that are merged must agree in {what}, got {mine} and {others}")
        for names, theirs in ((self.label_names, other.label_names), (self.layer_names, other.layer_names)):
            strange = [name for name in theirs.names if name not in names.names]
            if strange and not names.grow:
                raise TraceError(
                    f"{names.what}s must be among {few(names.names)}, got {few(strange)} in the counts to merge"
                )
        if self.pairs is not None and self.layers and other.layers and self.layers != other.layers:
            raise TraceError(
                "counts with co-activation must be of the same layers in the same order to be merged"
            )
        label = np.array([self.label_names.position(name) for name in other.labels], np.int64)
        layer = np.array([self.layer_names.position(name) for name in other.layers], np.int64)
        self._grow()
        self.tallies.add(other.tallies, layer, label)
        self.unlabelled += other.unlabelled
        if self.kept is not None and other.kept is not None:
            self.kept.merge(other.kept, label, layer)

    def add_counts(
        self, load: ArrayLike, tokens: ArrayLike | None = None, *, group: Name | None = None
    ) -> None:
        """Adds counts that somebody else has made.

        Args:
            load: (layers, labels, experts) slots, whole numbers, not negative; of all layers and labels, which must
                have been given.
            tokens: (layers, labels) tokens they are of; as many as slots when left out, as for top-1.
            group: the document or sequence that they are of; None where they are of many.

        Raises:
            TraceError: the arrays are not that; nothing is added then.
        """
        L, R, E = len(self.layer_names), len(self.label_names), self.num_experts
        counted = _whole_counts("load", load, (L, R, E))
        served = counted.sum(axis=-1) if tokens is None else _whole_counts("tokens", tokens, (L, R))
        if (counted.sum(axis=-1) < served).any() or (counted.sum(axis=-1) > served * E).any():
            raise TraceError(
                "tokens must have 1 to E slots each, but load holds fewer or more than that for some label"
            )
        self._grow()
        for name, added in (("load", counted), ("tokens", served), ("served", served)):
            self.sums[name] += added
        self.sums["slots"] += counted.sum(axis=(1, 2))
        self.sums["blocks"] += 1
        width = np.ceil(counted.sum(axis=(1, 2)) / np.maximum(served.sum(axis=1), 1)).astype(np.int64)
        self.tallies.widest = np.maximum(self.tallies.widest, width)
        if self.kept is not None and group is not None:
            held = np.flatnonzero(counted.any(axis=(0, 2)))
            rows = self.kept.rows([group] * len(held), held.tolist())
            for at in range(L):
                self.kept.add(rows, at, counted[at, held])

    def joint(
        self,
        layer: Name,
        by: Literal["load", "mass"] = "load",
        weigh: Literal["occurrence", "equal"] = "occurrence",
    ) -> NDArray[np.float64]:
        """The joint distribution of label and expert in a layer, as `modbench.metrics` take it.

        Args:
            layer: its name.
            by: `load` counts slots, `mass` adds up weights.
            weigh: whether labels count as often as they occur, or all equally.

        Returns:
            J: R x E, sums to 1. A label that does not occur has a row of zeros.

        Raises:
            TraceError: there is no such layer, nothing was counted in it, or no weights were given.
        """
        if layer not in self.layer_names.names:
            raise TraceError(f"layer must be one of {few(self.layers)}, got {layer!r}")
        if by not in ("load", "mass") or weigh not in ("occurrence", "equal"):
            raise TraceError(f"by must be load or mass, weigh occurrence or equal, got {by!r} and {weigh!r}")
        at = self.layer_names.position(layer)
        counted = self.sums[by][at].astype(np.float64)
        if not counted.any():
            why = "no weights were given" if self.sums["load"][at].any() else "no slot was counted"
            raise TraceError(f"the joint distribution needs counts, but {why} in layer {layer!r}")
        if weigh == "equal":
            rows = counted.sum(axis=1, keepdims=True)
            counted = np.divide(counted, rows, out=counted, where=rows > 0)
        return counted / counted.sum()

    def _only_layer(self, shape: tuple[int, ...]) -> Name | None:
        """The layer of indices that come without one; None where they are of all layers."""
        if len(self.layer_names) <= 1 and len(shape) <= 2:
            return self.layers[0] if self.layers else 0
        if not self.layers:
            raise TraceError(
                "layers must be given to RoutingCounts, or the layer to update, where indices have shape "
                f"{tuple(shape)}: (tokens, layers, k) and (batch, time, k) look alike"
            )
        return None

    def _positions(self, tokens: Tokens) -> NDArray[np.int64]:
        """The position of every token's label; `NOTHING` where it has none."""
        if tokens.labels is None and len(self.label_names) > 1:
            raise TraceError(
                f"labels must be given, since there are {len(self.label_names)}: {few(self.labels)}"
            )
        if tokens.labels is None:
            found = np.int64(self.label_names.position(self.labels[0] if self.labels else ALL))
        else:
            found = self.label_names.positions(tokens.labels)
        return np.broadcast_to(found, (len(tokens.experts),))

    def _count(self, tokens: Tokens, label: NDArray[np.int64], layers: list[int]) -> None:
        """Counts a block of tokens."""
        keep = label != NOTHING
        if not keep.all():
            tokens, label = tokens.chosen(keep), label[keep]
        if not len(label):
            return
        cell, of_cell, rows = self._cells(tokens, label)
        before = None
        for place, at in enumerate(layers):
            weights = None if tokens.weights is None else tokens.weights[:, place]
            slots = checked_slots(tokens.experts[:, place], weights, self.num_experts)
            load = per_cell(cell, slots, len(of_cell), self.num_experts)
            np.add.at(self.sums["load"][at], of_cell, load)
            if self.kept is not None and rows is not None:
                self.kept.add(rows, at, load)
            self.tallies.count(at, label, slots)
            self.tallies.count_pairs(at, before, slots)
            before = slots

    def _cells(
        self, tokens: Tokens, label: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64] | None]:
        """What slots are counted by: each token's cell, each cell's label, and its row where it is a unit."""
        R = len(self.label_names)
        if self.kept is None or tokens.groups is None:
            return label, np.arange(R), None
        groups, inverse = np.unique(tokens.groups, return_inverse=True)
        units, cell = np.unique(inverse.reshape(tokens.groups.shape) * R + label, return_inverse=True)
        of_cell = units % R
        names = groups.tolist()
        return cell, of_cell, self.kept.rows([names[unit // R] for unit in units], of_cell.tolist())

    def _grow(self) -> None:
        """Makes room for labels and layers that were met since the last time."""
        self.tallies.grow(len(self.layer_names), len(self.label_names))
        if self.kept is not None:
            self.kept.grow(len(self.layer_names))


def _whole_counts(name: str, values: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.int64]:
    array = on_host(name, values)
    fits = array.shape == shape and array.dtype.kind in "iuf"
    if not fits or (array.size and not (array.min() >= 0 and array.max() < 2**62 and (array % 1 == 0).all())):
        raise TraceError(
            f"{name} must be whole numbers of shape {shape}, not negative, got dtype {array.dtype}, shape {array.shape}"
        )
    return array.astype(np.int64)
