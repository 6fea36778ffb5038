"""How much a group does between two looks at the host, which reports progress there and can stop."""

import time

CHUNK_SECONDS = 0.5
"""Aimed time of a chunk; how training and evaluation are cut changes no number."""


class Chunks:
    """The sizes of successive chunks: what takes about `CHUNK_SECONDS`, beginning with 1."""

    def __init__(self) -> None:
        self._size = self._count = 1
        self._started = 0.0

    def begin(self, left: int) -> int:
        """Starts the clock of a chunk and returns its size, at most what is left."""
        self._started = time.perf_counter()
        self._count = min(self._size, left)
        return self._count

    def end(self) -> None:
        """Learns from the time that the chunk took."""
        pace = (time.perf_counter() - self._started) / self._count
        self._size = max(1, min(4 * self._size, int(CHUNK_SECONDS / pace)))
