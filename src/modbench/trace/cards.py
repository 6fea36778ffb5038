"""What is measured of every layer: a card per measure, with its unit, range, direction and meaning."""

from typing import Literal, NamedTuple


class Card(NamedTuple):
    """One measure.

    Attributes:
        name: its key in tables.
        title: what people read.
        kind: the axis that it belongs to; the axes are never added up into one score.
        better: which way leads to balance, or to specialisation.
        lowest: smallest possible value.
        highest: largest possible value, in words where it depends on the layer.
        weigh: how labels count, where there are labels.
        meaning: one sentence.
    """

    name: str
    title: str
    kind: Literal["balance", "specialisation", "confidence", "overlap"]
    better: Literal["high", "low", "neither"]
    lowest: str
    highest: str
    weigh: Literal["equal", "occurrence", "none"]
    meaning: str


CARDS = {
    card.name: card
    for card in (
        Card("max_violation", "MaxVio", "balance", "low", "0", "E - 1", "none",
             "How far the busiest expert lies above the mean load, as a part of the mean."),
        Card("cv", "Coefficient of variation", "balance", "low", "0", "sqrt(E - 1)", "none",
             "The standard deviation of the experts' loads over their mean."),
        Card("dead_share", "Dead experts", "balance", "low", "0", "1 - 1/E", "none",
             "The share of experts that no token reached."),
        Card("rare_share", "Rare experts", "balance", "low", "0", "1 - 1/E", "none",
             "The share of experts with less than a thousandth of a fair share, dead ones included."),
        Card("min_max", "Min / max load", "balance", "high", "0", "1", "none",
             "The load of the idlest expert over that of the busiest."),
        Card("load_entropy", "Load entropy", "balance", "high", "0", "1", "none",
             "The entropy of the experts' loads over log E."),
        Card("effective_experts", "Effective experts", "balance", "high", "1", "E", "none",
             "How many equally busy experts would have the same entropy."),
        Card("collapse_avg", "Collapse, average", "balance", "low", "0", "1", "none",
             "The work that is missing from experts below their fair share (Eq. 16)."),
        Card("collapse_worst", "Collapse, worst", "balance", "low", "0", "1", "none",
             "How far the idlest expert lies below its fair share (Eq. 17)."),
        Card("drop_share", "Empty slots", "balance", "low", "0", "1", "none",
             "The share of slots without an expert: dropped by capacity, or marked as empty."),
        Card("information_share", "Information about the label", "specialisation", "high", "0", "1", "equal",
             "The share of the label's information that a slot's expert carries, labels weighted equally."),
        Card("information_share_occurring", "Information, labels as they occur", "specialisation", "high", "0", "1",
             "occurrence", "I(label; expert) / H(label), labels weighted as they occur."),
        Card("inverse_mutual_information", "Inverse mutual information", "specialisation", "low", "0", "1",
             "occurrence", "1 - I(label; expert) / log R (Eq. 19), labels weighted as they occur."),
        Card("nmi", "NMI", "specialisation", "high", "0", "1", "equal",
             "I(label; expert) over the mean of H(label) and H(expert), labels weighted equally."),
        Card("ami", "AMI", "specialisation", "high", "about 0", "1", "equal",
             "NMI freed from chance: (I - I by chance) / (mean of H(label) and H(expert) - I by chance)."),
        Card("jensen_shannon", "Jensen-Shannon divergence", "specialisation", "high", "0", "1", "equal",
             "How differently two labels use the experts, in bits, averaged over all pairs of labels."),
        Card("domain_specialisation", "Domain specialisation", "specialisation", "high", "k/E", "1", "equal",
             "The share of a label's tokens that reach its most used expert, averaged over labels: N(E, D) / N_D."),
        Card("alignment", "Alignment", "specialisation", "low", "0", "1 - 1/max(R, E)", "equal",
             "The share of the routing that misses the best assignment of one expert to each label (Eq. 18)."),
        Card("group_alignment", "Group alignment", "specialisation", "low", "0", "1 - 1/R", "equal",
             "The share of the routing that misses the best assignment of every expert to one label."),
        Card("weight_entropy", "Confidence", "confidence", "neither", "0", "1", "none",
             "The entropy of a token's weights over the log of their number: 0 one decides, 1 all weigh the same."),
        Card("overlap", "Overlap of pairs", "overlap", "neither", "0", "1", "none",
             "Jaccard's index of the tokens of two experts, averaged over all pairs of experts."),
        Card("overlap_most", "Most overlap", "overlap", "neither", "0", "1", "none",
             "Jaccard's index of the two experts that serve the same tokens most."),
    )
}  # fmt: skip

SPECIALISATION = tuple(name for name, card in CARDS.items() if card.kind == "specialisation")
