"""Reads what a user hands over as arrays and whole numbers of Python's own, or says in one line why it cannot.

Every function of `modbench.metrics` reads its arguments here, once, before it computes with them: a NumPy scalar of
few bits would overflow in the first product, and what an array library says about its arrays would be lost.
"""

import operator
import reprlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_ENTRIES = 2**27
"""Entries of the largest matrix that is made: 1 GiB of float64."""
LARGEST = 2**63 - 1
"""The largest whole number that NumPy counts with."""
MOST_LETTERS = 300
"""Letters of a library's message that an error repeats."""


class DistributionError(ValueError):
    """What was given is no distribution of the kind asked for; the text is one line that says what must hold."""


def numeric(name: str, values: ArrayLike, axes: tuple[str, ...], kinds: str = "fiub") -> NDArray:
    """Checks that values are a non-empty array of numbers with the given axes.

    Args:
        name: what the user calls it, for the error's text.
        values: anything that NumPy reads as an array.
        axes: what its axes stand for, one name each.
        kinds: NumPy's letters for the kinds of number allowed; `"iu"` are integers.

    Returns:
        The values as an array: not copied where they are one already.

    Raises:
        DistributionError: the values are not that.
    """
    array = as_array(name, values)
    if array.dtype.kind not in kinds:
        what = "real numbers" if "f" in kinds else "integers"
        advice = _advice_on_type(array, kinds)
        raise DistributionError(f"{name} must be an array of {what}, got dtype {array.dtype}{advice}")
    if array.ndim != len(axes) or not array.size:
        shape = f"({axes[0]},)" if len(axes) == 1 else f"({', '.join(axes)})"
        raise DistributionError(f"{name} must have shape {shape}, none of them 0, got {array.shape}")
    return array


def as_array(name: str, values: ArrayLike) -> NDArray:
    """Reads values as NumPy does.

    Raises:
        DistributionError: NumPy cannot read them, and the text repeats what their library says; or entries are
            masked, which NumPy would read as if they were not.
    """
    try:
        array = np.asarray(values)
    except MemoryError:
        raise
    except Exception as error:  # each array library has errors of its own
        kind = type(values).__name__
        said = one_line(error)
        raise DistributionError(
            f"{name} must be an array of numbers, got a {kind} that is none: {said}{_advice(kind, said)}"
        ) from None
    masked = _num_masked(values)
    if masked:
        raise DistributionError(f"{name} must have no masked entries, got {masked}; leave such samples out")
    return array


def whole_number(name: str, value: object, least: int) -> int:
    """Returns a count as Python's own int, which does not overflow.

    Args:
        name: what the user calls it, for the error's text.
        value: an integer of any library; True and False are none.
        least: the smallest that is allowed; the largest is `LARGEST`.

    Raises:
        DistributionError: the value is not that.
    """
    number = None
    if not isinstance(value, bool):
        try:
            number = operator.index(value)  # pyright: ignore[reportArgumentType]
        except Exception:  # a TypeError mostly; array libraries have errors of their own
            number = None
    if number is None or number < least:
        raise DistributionError(f"{name} must be a whole number of at least {least}, got {_shown(value)}")
    if number > LARGEST:
        raise DistributionError(f"{name} must be at most {LARGEST}, got {_shown(value)}")
    return number


def check_size(**sides: int) -> None:
    """Raises DistributionError where a matrix with these numbers of rows and columns would fill the memory."""
    (rows, R), (columns, M) = sides.items()
    if R * M > MOST_ENTRIES:
        raise DistributionError(
            f"{rows} x {columns} must be at most {MOST_ENTRIES} (1 GiB of numbers), got {R} x {M}"
        )


def one_line(error: Exception) -> str:
    """What an error says, in one line of at most about `MOST_LETTERS` letters."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said if len(said) <= MOST_LETTERS else f"{said[:MOST_LETTERS].rstrip()} ..."


def _shown(value: object) -> str:
    """A value in a few letters of one line, however long it is."""
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a number of {value.bit_length()} bits"
    return " ".join(reprlib.repr(value).split())


def _num_masked(values: ArrayLike) -> int:
    """How many entries of a masked array, or of the masked arrays in a list, are masked."""
    parts = values if isinstance(values, list | tuple) else [values]
    return sum(int(np.ma.count_masked(part)) for part in parts if isinstance(part, np.ma.MaskedArray))


def _advice(kind: str, said: str) -> str:
    """What to do about an array that cannot leave its library, where the library's own words are not enough."""
    if "Tracer" in kind or "Tracer" in said or "traced array" in said:
        return "; call it outside of jax.jit, jax.vmap and jax.grad"
    if "bfloat16" in said.lower() or "float8" in said.lower():
        return "; cast to float32 first"
    return ""


def _advice_on_type(array: NDArray, kinds: str) -> str:
    """What to do about an array whose type is not one of numbers that NumPy counts with."""
    if "float" in array.dtype.name and array.dtype.kind == "V":
        return "; cast to float32 first"
    if "f" not in kinds and array.dtype.kind in "UOST":
        return "; number them first, as np.unique(values, return_inverse=True)[1] does"
    if array.dtype.kind == "O":
        return "; None, missing values, text and sparse matrices are no numbers"
    return ""
