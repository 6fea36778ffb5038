"""Slots per group of tokens, a document or a sequence: what tests against chance and intervals are made of.

Tokens of one document are not independent of each other, so chance is judged by documents. A *unit* is the part of a
group that carries one label; most groups are a single unit.
"""

import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from modbench.trace.names import Name

MOST_GROUPS = 4096
"""How many groups are kept unless said otherwise: 25 MB for 12 layers of 64 experts."""


class Units(NamedTuple):
    """The units that were kept.

    Attributes:
        group: (U,) a number for each group.
        label: (U,) the label's position.
        load: (U, L, E) slots per layer and expert.
    """

    group: NDArray[np.int64]
    label: NDArray[np.int64]
    load: NDArray[np.int64]


class GroupCounts:
    """The counts of the groups with the smallest hashes: a sample that no order of tokens or merges changes.

    A group that is kept at the end was kept at every moment, so its counts are complete.

    Args:
        experts: E.
        most: how many groups are kept.

    Attributes:
        seen_more: whether there were more groups than are kept.
    """

    def __init__(self, experts: int, most: int) -> None:
        self.most = most
        self._row: dict[tuple[Name, int], int] = {}
        self._hash: dict[Name, int] = {}
        self._limit = 2**64  # groups whose hash is not below it are not kept
        self._load = np.zeros((0, 0, experts), np.int64)
        self.seen_more = False

    def __len__(self) -> int:
        return len(self._row)

    def grow(self, layers: int) -> None:
        """Makes room for layers that are new."""
        if layers > self._load.shape[1]:
            more = np.zeros((len(self._load), layers - self._load.shape[1], self._load.shape[2]), np.int64)
            self._load = np.concatenate([self._load, more], axis=1)

    def rows(self, groups: list[Name], labels: list[int]) -> NDArray[np.int64]:
        """The rows in which units are counted, made where they are new; -1 for groups that are not kept."""
        self.trim(2 * self.most)  # before rows are handed out: to let go moves them
        return np.array(
            [self._row_of(group, label) for group, label in zip(groups, labels, strict=True)], np.int64
        )

    def add(self, rows: NDArray[np.int64], layer: int, load: NDArray[np.int64]) -> None:
        """Adds slots, (units, E), to distinct rows."""
        kept = rows >= 0
        self._load[rows[kept], layer] += load[kept]

    def trim(self, most: int) -> None:
        """Lets go of all but the `most` groups with the smallest hashes."""
        if len(self._hash) > most:
            self._let_go(sorted(self._hash.values())[most])

    def merge(self, other: "GroupCounts", label: NDArray[np.int64], layer: NDArray[np.int64]) -> None:
        """Adds another's counts, whose labels and layers have the given positions here."""
        self.most = min(self.most, other.most)
        if other.seen_more:
            self._let_go(min(self._limit, other._limit))
        rows = self.rows([group for group, _ in other._row], [int(label[at]) for _, at in other._row])
        for at, here in enumerate(layer):
            self.add(rows, int(here), other._load[: len(rows), at])
        self.trim(self.most)

    def _let_go(self, limit: int) -> None:
        """Keeps the groups whose hash is below the limit, from now on."""
        self.seen_more, self._limit = True, limit
        self._hash = {group: value for group, value in self._hash.items() if value < limit}
        kept = {unit: row for unit, row in self._row.items() if unit[0] in self._hash}
        self._load = self._load[list(kept.values())]
        self._row = {unit: at for at, unit in enumerate(kept)}

    def keys(self) -> tuple[list[Name], list[int]]:
        """The group and the label's position of every unit that is kept, in the order of `units`."""
        self.trim(self.most)
        return [group for group, _ in self._row], [label for _, label in self._row]

    @property
    def limit(self) -> int:
        """Groups whose hash is not below it are not kept."""
        return self._limit

    @staticmethod
    def of(
        groups: list[Name], labels: list[int], load: NDArray[np.int64], most: int, limit: int
    ) -> "GroupCounts":
        """Counts that were kept elsewhere: units with their (U, L, E) slots."""
        counts = GroupCounts(load.shape[2], most)
        counts.seen_more, counts._limit = limit < 2**64, limit
        counts.grow(load.shape[1])
        rows = counts.rows(groups, labels)
        for layer in range(load.shape[1]):
            counts.add(rows, layer, load[:, layer])
        return counts

    def units(self, layers: int) -> Units:
        """What was counted of the groups that are kept."""
        groups, labels = self.keys()
        numbers = {group: at for at, group in enumerate(dict.fromkeys(groups))}
        of_unit = np.array([numbers[group] for group in groups], np.int64)
        return Units(of_unit, np.array(labels, np.int64), self._load[: len(groups), :layers].copy())

    def _row_of(self, group: Name, label: int) -> int:
        unit = (group, label)
        if unit in self._row:
            return self._row[unit]
        if group not in self._hash:
            value = _hash(group)
            if value >= self._limit:
                self.seen_more = True
                return -1
            self._hash[group] = value
        at = self._row[unit] = len(self._row)
        if at >= len(self._load):
            more = np.zeros((max(16, len(self._load)), *self._load.shape[1:]), np.int64)
            self._load = np.concatenate([self._load, more])
        return at


def _hash(group: Name) -> int:
    """A number below 2^64 that is the same in every process and spreads neighbours far apart."""
    text = f"{type(group).__name__}:{group}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
