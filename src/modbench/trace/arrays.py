"""What users hand over, as NumPy arrays on this machine: lists, NumPy, JAX, PyTorch on a GPU or with a gradient."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class TraceError(ValueError):
    """What was given is no routing trace; the text is one line: what must hold, what was given, what is possible."""


def on_host(name: str, values: Any) -> NDArray:
    """Reads values as a NumPy array, from wherever they are.

    A PyTorch tensor may sit on a GPU, carry a gradient or be bfloat16; none of these three has a NumPy form, so they
    are taken off first. Masked arrays stay masked.

    Args:
        name: what the user calls them, for the error's text.
        values: anything that NumPy reads as an array, or a tensor with `detach` and `cpu`.

    Returns:
        The values; not copied where they are an array of this machine already.

    Raises:
        TraceError: NumPy cannot read them as one array; the text keeps the reason that their library gave.
    """
    try:
        if hasattr(values, "detach") and hasattr(values, "cpu"):
            values = values.detach().cpu()
            values = values.float() if "bfloat16" in str(values.dtype) else values
        array = np.asanyarray(values)
    except Exception as error:  # libraries raise what they like here
        reason = " ".join(str(error).split())
        raise TraceError(f"{name} must be an array, got a {type(values).__name__}: {reason}") from None
    if array.dtype.name == "bfloat16":
        return array.astype(np.float32)
    if array.dtype.kind == "O" and array.size and not all(isinstance(value, str) for value in array.flat):
        given = sorted({type(value).__name__ for value in array.flat})
        raise TraceError(
            f"{name} must be an array of one type without gaps, got a {type(values).__name__} "
            f"that holds {', '.join(given)}"
        )
    return array


def whole(name: str, value: Any, least: int) -> int:
    """Returns a count as an int of Python, whatever integer type it comes in.

    Args:
        name: what the user calls it, for the error's text.
        value: an integer of Python or NumPy, or an array of one integer.
        least: the smallest value allowed.

    Raises:
        TraceError: the value is no integer, or is below `least`.
    """
    array = np.asanyarray(value)
    if array.size != 1 or array.dtype.kind not in "iu" or int(array.reshape(())) < least:
        raise TraceError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return int(array.reshape(()))
