"""The counts restated slowly: one token after the other, one slot after the other."""

from collections import defaultdict


def slow_counts(indices, labels, weights, groups, num_experts):
    """Counts one layer of (tokens, k) slots; labels and groups per token.

    Returns:
        load and mass by (label, expert), found things by kind, load by (group, label, expert).
    """
    load, mass, found, units = defaultdict(int), defaultdict(float), defaultdict(int), defaultdict(int)
    for token, slots in enumerate(indices):
        if labels[token] < 0:
            found["unlabelled"] += 1
            continue
        taken = {}
        for at, expert in enumerate(slots):
            weight = None if weights is None else float(weights[token][at])
            if expert < 0:
                found["missing"] += 1
            elif expert >= num_experts:
                found["beyond"] += 1
            elif weight == 0:
                found["unweighted"] += 1
            elif int(expert) in taken:
                found["repeated"] += 1
            else:
                taken[int(expert)] = weight
        if not taken:
            found["dropped"] += 1
        for expert, weight in taken.items():
            load[labels[token], expert] += 1
            units[groups[token], labels[token], expert] += 1
            if weights is not None:
                mass[labels[token], expert] += weight / sum(taken.values())
    return dict(load), dict(mass), dict(found), dict(units)
