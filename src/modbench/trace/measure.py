"""Every measure of every layer, beside what uniform, collapsed and shuffled routing read."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from modbench.trace.arrays import TraceError, whole
from modbench.trace.balance import balance_measures
from modbench.trace.cards import CARDS, SPECIALISATION
from modbench.trace.chance import drawn_counts, holm, p_value, shuffled_counts
from modbench.trace.counts import RoutingCounts
from modbench.trace.findings import dense_layers, findings
from modbench.trace.groups import Units
from modbench.trace.intervals import Estimate, LeftOut, cross_fitted, independent_tokens, jackknife, shares
from modbench.trace.names import Name, few
from modbench.trace.overlap import jaccard
from modbench.trace.specialisation import (
    Array,
    alignment,
    group_alignment,
    information,
    information_replaced,
    information_share,
    jensen_shannon,
    jensen_shannon_replaced,
    label_peak,
    normalised_information,
    normalised_replaced,
    one_each,
    owners,
)

SHUFFLES = 500
SEED = 0


class Measured(NamedTuple):
    """One measure of one layer. What does not exist is None.

    Attributes:
        layer: the layer's name.
        measure: the card's name.
        value: as counted.
        uniform: what routing reads that uses all experts alike, whatever the label.
        collapsed: what routing reads that sends every token to the same k experts.
        shuffled: the mean over shuffles of the labels.
        shuffled_low: the 2.5th percentile of these.
        shuffled_high: the 97.5th.
        excess: value - shuffled.
        p: the share of shuffles at least as specialised.
        p_layers: `p` corrected over layers (Holm).
        estimate: the value freed from the bias of a short trace.
        low: the lower end of its interval (95 %).
        high: the upper end.
    """

    layer: Name
    measure: str
    value: float
    uniform: float | None = None
    collapsed: float | None = None
    shuffled: float | None = None
    shuffled_low: float | None = None
    shuffled_high: float | None = None
    excess: float | None = None
    p: float | None = None
    p_layers: float | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None


class Measures(NamedTuple):
    """All measures of a trace.

    Attributes:
        rows: layer by layer, in the order of `CARDS`.
        notes: what a reader must know: what was found in the trace, what was left out, why there is no test.
        chance: what was shuffled: `groups`, `tokens` (independent ones were assumed) or `none`.
        shuffles: how often.
        seed: that started the shuffles.
    """

    rows: list[Measured]
    notes: list[str]
    chance: str
    shuffles: int
    seed: int

    def value(self, layer: Name, measure: str) -> Measured:
        """The row of a layer and a measure.

        Raises:
            TraceError: there is none.
        """
        for row in self.rows:
            if (row.layer, row.measure) == (layer, measure):
                return row
        raise TraceError(f"there is no measure {measure!r} of layer {layer!r}; measures are {few(CARDS, 30)}")


def measure(counts: RoutingCounts, shuffles: int = SHUFFLES, seed: int = SEED) -> Measures:
    """Measures every layer of a trace, and asks of each measure of specialisation whether it is more than chance.

    Args:
        counts: of the trace.
        shuffles: how often labels are shuffled; 0 leaves the test out.
        seed: starts the shuffles, so that equal counts give equal numbers.

    Returns:
        A row per layer and measure that exists for it, with notes.

    Raises:
        TraceError: nothing was counted, or an argument is no whole number.
    """
    shuffles, seed = whole("shuffles", shuffles, least=0), whole("seed", seed, least=0)
    sums = counts.sums
    notes = findings(counts)
    active = np.flatnonzero(sums["load"].any(axis=(1, 2)) & ~dense_layers(counts))
    if counts.num_experts < 2:
        raise TraceError("there must be at least 2 experts to measure their use, got 1")
    if not len(active):
        raise TraceError(
            "there must be slots to measure, got none; " + ("; ".join(notes) or "nothing was counted")
        )
    rows = {counts.layers[at]: _of_layer(counts, int(at)) for at in active}
    labels = np.flatnonzero(sums["load"][active].any(axis=2).all(axis=0))
    if missing := [counts.labels[r] for r in range(len(counts.labels)) if r not in labels]:
        notes.append(f"labels without slots in some layer are left out of specialisation: {few(missing)}")
    chance = "none"
    if len(labels) < 2:
        notes.append("specialisation needs two labels at least, so it was not measured")
    else:
        trial = _Trial.of(counts, active, labels, shuffles, seed, notes)
        chance = trial.chance
        specialised = [trial.of_layer(at) for at in range(len(active))]
        for name in SPECIALISATION:
            tested = [one[name] for one in specialised if name in one]
            corrected = holm([row.p for row in tested if row.p is not None])
            if len(corrected):
                tested = [row._replace(p_layers=float(p)) for row, p in zip(tested, corrected, strict=True)]
            for row in tested:
                rows[row.layer][name] = row
    ordered = [row[name] for row in rows.values() for name in CARDS if name in row]
    return Measures(ordered, notes, chance, shuffles if chance != "none" else 0, seed)


def _of_layer(counts: RoutingCounts, at: int) -> dict[str, Measured]:
    """The measures that need no labels."""
    layer, E, sums = counts.layers[at], counts.num_experts, counts.sums
    load = sums["load"][at].sum(axis=0)
    k = min(E, max(1, round(load.sum() / max(sums["served"][at].sum(), 1))))
    even, few_used = np.full(E, 1 / E), (np.arange(E) < k) / k
    values, uniform, collapsed = (balance_measures(p) for p in (load / load.sum(), even, few_used))
    rows = {name: Measured(layer, name, values[name], uniform[name], collapsed[name]) for name in values}
    empty = 1 - load.sum() / sums["slots"][at]
    rows["drop_share"] = Measured(layer, "drop_share", float(empty), 0.0, 0.0)
    if sums["weighted"][at].any():
        spread = float(sums["entropy"][at].sum() / sums["weighted"][at].sum())
        rows["weight_entropy"] = Measured(layer, "weight_entropy", spread, 1.0)
    if counts.pairs is not None and k > 1:
        together = np.full((E, E), k * (k - 1) / (E * (E - 1)))
        np.fill_diagonal(together, k / E)
        same = np.outer(few_used > 0, few_used > 0).astype(np.float64)
        off = ~np.eye(E, dtype=bool)
        for name, summary in (("overlap", np.nanmean), ("overlap_most", np.nanmax)):
            said = [float(summary(jaccard(pairs)[off])) for pairs in (counts.pairs[at], together, same)]
            rows[name] = Measured(layer, name, *said)
    return rows


Values = dict[str, Array]


def _specialisation(load: Array, tokens: Array) -> Values:
    """The measures of specialisation of (..., R, E) counts of (..., R) tokens; AMI apart, which needs chance."""
    A, R = shares(load), load.shape[-2]
    equal = np.full(load.shape[:-1], 1 / R)
    occurring = load.sum(axis=-1) / load.sum(axis=(-1, -2))[..., None]
    as_they_occur = information(A, occurring)
    return {
        "information_share": information_share(A, equal),
        "information_share_occurring": as_they_occur / entr(occurring).sum(axis=-1),
        "inverse_mutual_information": 1 - as_they_occur / np.log(R),
        "nmi": normalised_information(A, equal),
        "jensen_shannon": jensen_shannon(A),
        "domain_specialisation": label_peak(A, equal) * (load.sum(axis=(-1, -2)) / tokens.sum(axis=-1)),
        "alignment": alignment(A),
        "group_alignment": group_alignment(A),
        "information": information(A, equal),
        "entropies": (entr(equal).sum(-1) + entr((equal[..., None, :] @ A)[..., 0, :]).sum(-1)) / 2,
    }


class _Trial(NamedTuple):
    """What the test of all layers has in common."""

    layers: list[Name]
    load: NDArray[np.int64]
    tokens: NDArray[np.int64]
    units: Units | None
    chance: str
    null: list[Values]
    seed: int

    @staticmethod
    def of(
        counts: RoutingCounts,
        active: NDArray[np.intp],
        labels: NDArray[np.intp],
        shuffles: int,
        seed: int,
        notes: list[str],
    ) -> "_Trial":
        """Shuffles labels, and notes what the test assumes or why there is none."""
        load = counts.sums["load"][np.ix_(active, labels)]
        tokens = counts.sums["tokens"][np.ix_(active, labels)]
        units, chance = _usable(counts, active, labels, notes)
        random = np.random.default_rng(seed)
        batches = iter(())
        if chance == "groups" and units is not None and shuffles:
            batches = shuffled_counts(units, len(labels), shuffles, random)
        elif chance == "tokens" and shuffles:
            batches = drawn_counts(load, tokens, shuffles, random)
        per_token = load.sum(axis=(1, 2)) / tokens.sum(axis=1)
        null: list[list[Values]] = [[] for _ in active]
        for batch in batches:
            for at, so_far in enumerate(null):
                counted = batch[:, at]
                of_tokens = counted.sum(axis=-1) / per_token[at]
                so_far.append(_specialisation(counted, of_tokens))
        joined = [
            {name: np.concatenate([v[name] for v in values]) for name in values[0]} if values else {}
            for values in null
        ]
        return _Trial([counts.layers[at] for at in active], load, tokens, units, chance, joined, seed)

    def of_layer(self, at: int) -> dict[str, Measured]:
        """The measures of specialisation of a layer, by name."""
        load, tokens = self.load[at].astype(np.float64), self.tokens[at]
        k = load.sum() / tokens.sum()
        values = _specialisation(load, tokens)
        even = np.ones_like(load)
        same = np.tile((np.arange(load.shape[1]) < max(1, round(k))) * 1.0, (len(load), 1))
        references = [_specialisation(given, given.sum(axis=-1) / k) for given in (even, same)]
        null = dict(self.null[at])
        if null:
            by_chance = null["information"].mean()
            null = dict(null)
            for one in (values, null):
                one["ami"] = (one["information"] - by_chance) / (one["entropies"] - by_chance)
        for reference in references:
            reference["ami"] = np.zeros(())
        estimates = self._estimates(at)
        rows = {}
        for name in SPECIALISATION:
            if name not in values:
                continue
            row = Measured(
                self.layers[at], name, float(values[name]), *(float(given[name]) for given in references)
            )
            if null:
                low, high = np.quantile(null[name], (0.025, 0.975))
                mean = float(null[name].mean())
                row = row._replace(
                    shuffled=mean,
                    shuffled_low=float(low),
                    shuffled_high=float(high),
                    excess=row.value - mean,
                    p=p_value(row.value, null[name], CARDS[name].better == "high"),
                )
            if name in estimates:
                row = row._replace(**dict(zip(("estimate", "low", "high"), estimates[name], strict=True)))
            rows[name] = row
        return rows

    def _estimates(self, at: int) -> dict[str, Estimate]:
        """Estimates with intervals: over groups, or over independent tokens where nobody gave groups."""
        load = self.load[at].astype(np.float64)
        equal, p = np.full(len(load), 1 / len(load)), load.sum(axis=1) / load.sum()
        if self.chance == "groups" and self.units is not None:
            observed = (self.units.load[:, at].astype(np.float64), self.units.label)
            found = self._smooth(lambda left_out, p: jackknife(left_out, *observed, p), equal, p)
            found["group_alignment"] = cross_fitted(owners, *observed)
            if load.shape[1] <= len(
                load
            ):  # otherwise the best single expert is a near tie, and intervals cover too rarely
                found["alignment"] = cross_fitted(one_each, *observed)
            return found
        if self.chance == "tokens" and self.tokens[at].min() > 1:
            drawn, label, times = independent_tokens(load, self.tokens[at])
            return self._smooth(lambda left_out, p: jackknife(left_out, drawn, label, p, times), equal, p)
        return {}

    @staticmethod
    def _smooth(
        estimate: Callable[[LeftOut, Array], Estimate], equal: Array, p: Array
    ) -> dict[str, Estimate]:
        occurring = estimate(information_replaced, p)
        share = float(entr(p).sum() / np.log(len(p)))
        return {
            "information_share": estimate(information_replaced, equal),
            "information_share_occurring": occurring,
            "inverse_mutual_information": Estimate(*(1 - share * occurring[end] for end in (0, 2, 1))),
            "nmi": estimate(normalised_replaced, equal),
            "jensen_shannon": estimate(jensen_shannon_replaced, equal),
        }


def _usable(
    counts: RoutingCounts, active: NDArray[np.intp], labels: NDArray[np.intp], notes: list[str]
) -> tuple[Units | None, str]:
    """The groups that a test can rest on, with what it shuffles: `groups`, `tokens`, or `none`."""
    units = counts.units
    if units is None:
        notes.append(
            "no groups (documents, sequences) were given: tests and intervals take tokens as independent of each "
            "other, which those of one document are not; read p-values as too small and intervals as too narrow"
        )
        return None, "tokens"
    position = np.full(len(counts.labels), -1)
    position[labels] = np.arange(len(labels))
    kept = (position[units.label] >= 0) & (units.load[:, active].sum(axis=2) > 0).all(axis=1)
    units = Units(units.group[kept], position[units.label[kept]], units.load[kept][:, active])
    few_groups = np.flatnonzero(np.bincount(units.label, minlength=len(labels)) < 2)
    if len(few_groups):
        names = few([counts.labels[labels[r]] for r in few_groups])
        notes.append(f"a test needs two groups of every label, so there is none: fewer are there of {names}")
        return None, "none"
    if not counts.sampled and (outside := 1 - units.load.sum() / counts.sums["load"][active].sum()) > 1e-9:
        notes.append(f"{outside:.1%} of the slots have no group; tests and intervals leave them out")
    if (np.bincount(units.group) > 1).any():
        notes.append(
            "some groups carry several labels; labels are shuffled among the parts of such a group alone"
        )
    return units, "groups"
