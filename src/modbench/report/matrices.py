"""Activation matrices as bytes: thousands of them fit on a page."""

import base64
import zlib
from collections.abc import Iterable, Sequence

import numpy as np

from modbench.figures.activation import best_order


def packed(runs: Iterable[tuple[Sequence[np.ndarray], np.ndarray]]) -> str:
    """Packs the matrices of runs, one after the other, row by row, an entry p as the byte round(255 p).

    An entry is thereby known to within 0.002. Of a run's matrices the first is written as it is, every other less the
    one before it (modulo 256): most entries hardly differ, and small numbers compress well.

    Args:
        runs: for each its matrices, R x M, p(module | rule), and the one that its modules are ordered by: in all of
            them they are put where they match the rules best in that one. So perfect specialisation is a diagonal, and
            a module stays in its column.

    Returns:
        The bytes, compressed by deflate (zlib's format) and written in base64.
    """
    parts = []
    for matrices, guide in runs:
        frames = np.nan_to_num(np.stack(matrices))[:, :, best_order(np.nan_to_num(guide))]
        whole = np.rint(255 * np.clip(frames, 0, 1)).astype(np.uint8)
        parts.append(np.diff(whole, axis=0, prepend=np.zeros_like(whole[:1])).tobytes())
    return base64.b64encode(zlib.compress(b"".join(parts), 9)).decode("ascii")
