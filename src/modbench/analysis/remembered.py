"""What figures and the sections of a page ask of the same tables again and again is computed once."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from modbench.store.table import Tables

Rest = ParamSpec("Rest")
Found = TypeVar("Found")


def remembered(
    function: Callable[Concatenate[Tables, Rest], Found],
) -> Callable[Concatenate[Tables, Rest], Found]:
    """Keeps what a function of tables gives for as long as these are there.

    Args:
        function: whose result nobody changes and does not hold the tables themselves; its other arguments are hashable.
    """
    kept: WeakKeyDictionary[Tables, dict[tuple, Found]] = WeakKeyDictionary()

    @wraps(function)
    def given(tables: Tables, *args: Rest.args, **kwargs: Rest.kwargs) -> Found:
        found, asked = kept.setdefault(tables, {}), (args, tuple(kwargs.items()))
        if asked not in found:
            found[asked] = function(tables, *args, **kwargs)
        return found[asked]

    return given
