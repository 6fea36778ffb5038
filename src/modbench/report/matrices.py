"""Activation matrices of single runs as bytes: thousands of them fit on a page."""

import base64
import zlib
from collections.abc import Iterable

import numpy as np

from modbench.figures.activation import best_order


def packed(matrices: Iterable[np.ndarray]) -> str:
    """Packs matrices, one after the other, row by row, an entry p as the byte round(255 p).

    An entry is thereby known to within 0.002. Modules are put in the order in which they match the rules best, so that
    perfect specialisation is a diagonal.

    Args:
        matrices: each R x M, p(module | rule).

    Returns:
        The bytes, compressed by deflate (zlib's format) and written in base64.
    """
    parts = [
        np.rint(255 * np.clip(matrix[:, best_order(matrix)], 0, 1)).astype(np.uint8).tobytes()
        for matrix in (np.nan_to_num(given) for given in matrices)
    ]
    return base64.b64encode(zlib.compress(b"".join(parts), 9)).decode("ascii")
