"""Names of labels, layers and groups: integers or texts, each with its position in the counts."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modbench.trace.arrays import TraceError, on_host, whole

Name = int | str

NOTHING = -1
"""The position of no label: negative numbers, such as the usual -1 and -100, and empty texts mark it."""


class Names:
    """Distinct names that know their positions, and may grow.

    Args:
        what: what they are names of, in the singular, for errors.
        given: the names, or how many there are (0, 1, ... then); None lets them grow as they are met.

    Raises:
        TraceError: a name is neither an integer nor a text, or stands twice.
    """

    def __init__(self, what: str, given: int | Sequence[Name] | None) -> None:
        self.what = what
        self.grow = given is None
        listed: Any = () if given is None else given
        if isinstance(given, str) or not hasattr(listed, "__len__"):
            listed = range(whole(f"the number of {what}s", given, least=1))
        self.names: list[Name] = [_plain(what, name) for name in listed]
        self._at = {name: at for at, name in enumerate(self.names)}
        if len(self._at) != len(self.names):
            raise TraceError(f"every {what} must have a name of its own, got {few(self.names)}")
        if given is not None and not self.names:
            raise TraceError(f"there must be at least one {what}, got none")

    def __len__(self) -> int:
        return len(self.names)

    def position(self, name: Any) -> int:
        """The position of a name, which is added if the names may grow.

        Raises:
            TraceError: the name is not among those that were given.
        """
        name = _plain(self.what, name)
        if name not in self._at:
            if not self.grow:
                raise TraceError(f"{self.what} must be one of {few(self.names)}, got {name!r}")
            self._at[name] = len(self.names)
            self.names.append(name)
        return self._at[name]

    def positions(self, values: NDArray) -> NDArray[np.int64]:
        """The position of each value; `NOTHING` for negative integers, empty texts and masked entries.

        Integers are positions where the names that were given are texts, and names otherwise.

        Raises:
            TraceError: a value is not among the names that were given.
        """
        masked = np.ma.getmaskarray(values)
        values = np.ma.getdata(values)
        if values.dtype.kind in "iu" and not self.grow and all(isinstance(name, str) for name in self.names):
            found = np.maximum(values.astype(np.int64), NOTHING)
            if found.max(initial=NOTHING) >= len(self):
                raise TraceError(
                    f"{self.what}s must be 0 to {len(self) - 1} or one of {few(self.names)}, got {found.max()}"
                )
        else:
            kinds, inverse = np.unique(values, return_inverse=True)
            at = [NOTHING if _is_nothing(kind) else self.position(kind.item()) for kind in kinds]
            found = np.array(at, np.int64)[inverse.reshape(values.shape)]
        return np.where(masked, NOTHING, found) if masked.any() else found


def name_array(what: str, values: Any) -> NDArray:
    """Reads the names of tokens or sequences as an array of integers or texts.

    Raises:
        TraceError: they are neither; floating-point numbers are refused even where they are whole.
    """
    array = on_host(what, values)
    if array.dtype.kind == "O":
        array = array.astype(str)
    if array.dtype.kind not in "iuU":
        raise TraceError(f"{what} must be integers or texts, got dtype {array.dtype}")
    return array


def few(names: Iterable[Name], most: int = 12) -> str:
    """The first names, for an error's text."""
    listed = [repr(name) for name in names]
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")


def _is_nothing(value: Any) -> bool:
    return not value if isinstance(value, str) else value < 0


def _plain(what: str, name: Any) -> Name:
    if isinstance(name, str):
        return str(name)
    if isinstance(name, (int, np.integer)) and not isinstance(name, bool):
        return int(name)
    raise TraceError(f"a {what} must be an integer or a text, got {name!r}, a {type(name).__name__}")
