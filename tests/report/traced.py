"""Made-up traces with a known answer, for the tests of the trace's page."""

import numpy as np

from modbench.trace import RoutingCounts

LABELS = ("code", "prose", "law", "maths")
EXPERTS, WIDTH = 16, 2


def counted(labels=LABELS, documents=10, tokens=40, seed=0, collapsed=True, groups=True, coactivation=True):
    """Counts of three layers: experts of each label's own, experts at random, and (if wanted) two experts for all.

    Args:
        labels: their names; each owns the next EXPERTS // len(labels) experts in layer 0.
        documents: of each label.
        tokens: of each document.
        seed: of what is random.
        collapsed: whether layer 2 sends everything to experts 0 and 1; it is like layer 1 otherwise.
        groups: whether documents are given.
        coactivation: whether pairs are counted.
    """
    random = np.random.default_rng(seed)
    R, n = len(labels), documents * tokens * len(labels)
    label = np.repeat(np.arange(R), documents * tokens)
    own = EXPERTS // R
    picks = np.argsort(random.random((n, own)), axis=1)[:, :WIDTH]
    anything = [np.argsort(random.random((n, EXPERTS)), axis=1)[:, :WIDTH] for _ in range(2)]
    layers = [label[:, None] * own + picks, *anything]
    if collapsed:
        layers[2] = np.tile([0, 1], (n, 1))
    counts = RoutingCounts(EXPERTS, list(labels), 3, coactivation=coactivation)
    counts.update(np.stack(layers, axis=1), label, group=np.arange(n) // tokens if groups else None)
    return counts
