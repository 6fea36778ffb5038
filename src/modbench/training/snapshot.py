"""A group in the middle of its training as plain arrays, and whoever keeps it.

Training knows nothing of disks: it offers a `Snapshot` now and then, and asks once for the one to go on from. What
else it needs (coefficients, random streams, the learning rate) follows from the runs' specifications.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from modbench.training.gates import GateMass
from modbench.training.trainer import Point, TrainState

_CURVE = "curve."
Arrays = dict[str, np.ndarray]
Curve = list[tuple[int, Point]]
"""Updates done and what was measured then, an entry per run."""


class Snapshot(NamedTuple):
    """A group in the middle of its training, on the host.

    Attributes:
        step: updates done.
        arrays: the training state of all replicas and the learning curve so far, by name.
        seconds: spent until then on `"train"`, `"compile"` and `"evaluate"`.
    """

    step: int
    arrays: Arrays
    seconds: dict[str, float]


class Keeper(Protocol):
    """Keeps what a group's training would lose when it is interrupted."""

    @property
    def params(self) -> bool:
        """Whether results are to carry the parameters of their runs."""
        ...

    def resume(self, layout: Mapping[str, str]) -> Snapshot | None:
        """What to go on from; None to begin.

        Args:
            layout: of the state's arrays, see `layout`.
        """
        ...

    def due(self) -> bool:
        """Whether it is time to save; asked between chunks."""
        ...

    def save(self, snapshot: Snapshot) -> None:
        """Keeps a snapshot. Raises nothing: training goes on without."""
        ...


class Forgetful:
    """Keeps nothing.

    Args:
        params: see `Keeper.params`.
    """

    def __init__(self, params: bool = False):
        self.params = params

    def resume(self, layout: Mapping[str, str]) -> Snapshot | None:
        """See `Keeper`."""
        return None

    def due(self) -> bool:
        """See `Keeper`."""
        return False

    def save(self, snapshot: Snapshot) -> None:
        """See `Keeper`."""


def named(tree: PyTree) -> Arrays:
    """The arrays of a tree on the host, by their place in it: `"params.encoder.weight"`."""
    return {name: np.asarray(leaf) for name, leaf in _leaves(tree)}


def _leaves(tree: PyTree) -> Iterator[tuple[str, jax.Array | np.ndarray]]:
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        yield jax.tree_util.keystr(path, simple=True, separator="."), leaf


def filled(like: PyTree, arrays: Mapping[str, np.ndarray]) -> PyTree:
    """A tree with the structure of another one and the given arrays, on the device.

    Args:
        like: the tree whose structure, shapes and types are wanted.
        arrays: as `named` gives them; others are passed over.

    Raises:
        ValueError: an array is missing, or has another shape or type.
    """
    wanted = layout(like)
    given = {name: _shape(arrays[name]) for name in wanted if name in arrays}
    if given != wanted:
        name = next(name for name in wanted if given.get(name) != wanted[name])
        raise ValueError(f"array {name} must be {wanted[name]}, got {given.get(name, 'none')}")
    return jax.tree.unflatten(jax.tree.structure(like), [jnp.asarray(arrays[name]) for name in wanted])


def layout(tree: PyTree) -> dict[str, str]:
    """Type and shape of the arrays of a tree, by their place in it, in the tree's order."""
    return {name: _shape(leaf) for name, leaf in _leaves(tree)}


def _shape(array: jax.Array | np.ndarray) -> str:
    return f"{array.dtype}{list(array.shape)}"


def take(step: int, state: TrainState, curve: Curve, seconds: Mapping[str, float]) -> Snapshot:
    """Takes a snapshot of a group after `step` updates."""
    points = jax.tree.map(lambda *leaves: np.stack(leaves), *(point for _, point in curve))
    steps = np.asarray([step for step, _ in curve], np.int64)
    course = {f"{_CURVE}{name}": array for name, array in {**named(points), "step": steps}.items()}
    return Snapshot(step, {**named(state), **course}, dict(seconds))


def put_back(snapshot: Snapshot, state: TrainState) -> tuple[TrainState, Curve]:
    """The training state and learning curve of a snapshot.

    Args:
        snapshot: as `take` gave it.
        state: the group's state before the first update.

    Raises:
        ValueError: the snapshot is of another kind of state.
    """
    course = {
        name.removeprefix(_CURVE): array for name, array in snapshot.arrays.items() if name.startswith(_CURVE)
    }
    gates = None
    if "gates.mass" in course:
        parts: dict[str, Any] = {name: course.get(f"gates.{name}") for name in GateMass._fields}
        gates = GateMass(**parts)
    single: dict[str, Any] = {name: course[name] for name in Point._fields if name != "gates"}
    points = Point(**single, gates=gates)
    steps = course["step"].tolist()
    curve = [(step, jax.tree.map(lambda array, i=i: array[i], points)) for i, step in enumerate(steps)]
    return filled(state, snapshot.arrays), curve
