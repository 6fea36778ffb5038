"""What was found in a trace beside plain expert numbers: a line for each kind, with how often and where."""

import numpy as np

from modbench.trace.counts import RoutingCounts
from modbench.trace.slots import FINDINGS


def findings(counts: RoutingCounts) -> list[str]:
    """One line for each kind of thing that was found, counted over layers."""
    lines = []
    if counts.unlabelled:
        lines.append(f"{counts.unlabelled:,} tokens have no label; they are left out")
    sums, layers = counts.sums, counts.layers
    for kind, words in FINDINGS.items():
        found = sums[kind]
        if found.any():
            where = [layers[at] for at in np.flatnonzero(found)]
            among = sums["tokens"].sum() if kind == "dropped" else sums["slots"].sum()
            said = words.format(num_experts=counts.num_experts)
            lines.append(f"{int(found.sum()):,} of {int(among):,} {said} ({_named(where, len(layers))})")
    if dense := [layers[at] for at in np.flatnonzero(dense_layers(counts))]:
        lines.append(
            f"every slot is expert 0 in {_named(dense, len(layers))}: dense, without a router; left out"
        )
    alone = (sums["zero_blocks"] == sums["blocks"]) & (sums["blocks"] > 0) & (counts.tallies.widest == 1)
    if zero := [layers[at] for at in np.flatnonzero(alone)]:
        lines.append(
            f"every token goes to expert 0 in {_named(zero, len(layers))}: collapsed, or dense and not routed at all"
        )
    parted = (sums["partitions"] > 0) & (2 * sums["partitions"] >= sums["blocks"])
    if parts := [layers[at] for at in np.flatnonzero(parted)]:
        lines.append(
            f"each run of {counts.num_experts} slots names every expert once in {_named(parts, len(layers))}: "
            "no router does that; a strided view was probably read as a flat one"
        )
    if counts.sampled:
        lines.append(
            "there were more groups than are kept; tests and intervals rest on a random sample of them"
        )
    return lines


def dense_layers(counts: RoutingCounts) -> np.ndarray:
    """(L,) whether a layer with several slots a token holds nothing but expert 0: it has no router."""
    sums = counts.sums
    return (sums["zero_blocks"] == sums["blocks"]) & (sums["blocks"] > 0) & (counts.tallies.widest > 1)


def _named(layers: list, of: int) -> str:
    if len(layers) == of and of > 1:
        return f"all {of} layers"
    listed = ", ".join(str(layer) for layer in layers[:8])
    return f"layer{'s' if len(layers) > 1 else ''} {listed}{' and more' if len(layers) > 8 else ''}"
