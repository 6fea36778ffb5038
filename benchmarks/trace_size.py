"""How long it takes to count and test a long trace: 10 million tokens, 12 layers, top-8 of 64 experts, with documents.

    OPENBLAS_NUM_THREADS=1 python benchmarks/trace_size.py

The trace is made up piece by piece and forgotten; making it is not timed. What is timed is `RoutingCounts.update` with
labels and documents of 500 tokens, then `measure` with 500 shuffles of all layers.
"""

import argparse
import resource
import time

import numpy as np

from modbench.trace import RoutingCounts, measure

EXPERTS, LAYERS, SLOTS, LABELS, DOCUMENT, PIECE = 64, 12, 8, 17, 500, 100_000


def main(tokens: int, shuffles: int) -> None:
    """Counts, measures, and prints seconds and memory.

    Args:
        tokens: of the trace; a multiple of `PIECE`.
        shuffles: of the test.
    """
    random = np.random.default_rng(0)
    pool = np.argsort(random.random((PIECE, EXPERTS)), axis=1)[:, :SLOTS].astype(np.int16)
    counts = RoutingCounts(EXPERTS, labels=LABELS, layers=LAYERS)
    counting = 0.0
    for first in range(0, tokens, PIECE):
        indices = np.stack([np.roll(pool, random.integers(PIECE), axis=0) for _ in range(LAYERS)], axis=1)
        documents = np.arange(first, first + PIECE) // DOCUMENT
        started = time.perf_counter()
        counts.update(indices, documents % LABELS, group=documents)
        counting += time.perf_counter() - started
    started = time.perf_counter()
    measures = measure(counts, shuffles)
    testing = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = sum((row.p_layers or 1.0) <= 0.05 for row in measures.rows)
    print(f"{tokens:,} tokens x {LAYERS} layers x top-{SLOTS} of {EXPERTS}, {tokens // DOCUMENT:,} documents")
    print(
        f"counting {counting:.1f} s, measures with {shuffles} shuffles {testing:.1f} s, peak memory {peak:.0f} MB"
    )
    print(
        f"measures of made-up random routing that read as more than chance: {found} of {len(measures.rows)}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=10_000_000)
    parser.add_argument("--shuffles", type=int, default=500)
    arguments = parser.parse_args()
    main(arguments.tokens, arguments.shuffles)
