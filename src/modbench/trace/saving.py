"""Counts on disk: one npz file of plain arrays, versioned, written whole or not at all, without pickle."""

import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modbench.trace.arrays import TraceError
from modbench.trace.counts import RoutingCounts
from modbench.trace.groups import GroupCounts

FORMAT = "modbench routing counts"
VERSION = 1


def save_counts(counts: RoutingCounts, path: str | os.PathLike) -> Path:
    """Writes counts into a file.

    Args:
        counts: what was counted.
        path: the file, usually `.npz`; one that exists is replaced in one step.

    Returns:
        The file's path.

    Raises:
        OSError: the file cannot be written; what was there before is still there.
    """
    path = Path(path).expanduser()
    arrays, meta = _arrays(counts)
    head = json.dumps({"format": FORMAT, "version": VERSION, **meta})
    content: dict[str, Any] = {"head": np.array(head), **arrays}
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, **content)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).chmod(0o644)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    return path


def load_counts(path: str | os.PathLike) -> RoutingCounts:
    """Reads counts that `save_counts` has written.

    Args:
        path: the file.

    Returns:
        The counts, which can go on counting.

    Raises:
        TraceError: the file holds no counts, those of a later version, or damaged ones.
        OSError: the file cannot be read.
    """
    path = Path(path).expanduser()
    try:
        with np.load(path) as file:
            head: dict[str, Any] = json.loads(str(file["head"]))
            arrays = {name: file[name] for name in file.files if name != "head"}
        if head["format"] != FORMAT:
            raise KeyError("format")
    except (KeyError, ValueError, TypeError, zipfile.BadZipFile, EOFError) as error:
        raise TraceError(
            f"{path} must be a file of routing counts, as save_counts writes it: {error}"
        ) from None
    if head["version"] != VERSION:
        raise TraceError(
            f"{path} must have version {VERSION}, got {head['version']!r}; this modbench does not know it"
        )
    try:
        return _counts(arrays, head)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise TraceError(f"{path} is damaged: {error}") from None


def _arrays(counts: RoutingCounts) -> tuple[dict[str, NDArray], dict[str, Any]]:
    """Everything that was counted, as arrays by name and a head that JSON can hold."""
    tallies = counts.tallies
    arrays = {f"sum_{name}": counted for name, counted in tallies.sums.items()} | {"widest": tallies.widest}
    head: dict[str, Any] = {
        "num_experts": counts.num_experts,
        "labels": counts.labels,
        "layers": counts.layers,
        "grow": [counts.label_names.grow, counts.layer_names.grow],
        "unlabelled": counts.unlabelled,
    }
    if tallies.pairs is not None and tallies.adjacent is not None:
        arrays |= {"pairs": tallies.pairs, "adjacent": tallies.adjacent}
    if counts.kept is not None:
        groups, labels = counts.kept.keys()
        load = counts.kept.units(len(counts.layers)).load
        arrays |= {"unit_label": np.array(labels, np.int64), "unit_load": load}
        head |= {"groups": groups, "most_groups": counts.kept.most, "limit": counts.kept.limit}
    return arrays, head


def _counts(arrays: Mapping[str, NDArray], head: Mapping[str, Any]) -> RoutingCounts:
    grouped, paired = "groups" in head, "pairs" in arrays
    labels, layers = head["labels"] or None, head["layers"] or None
    counts = RoutingCounts(head["num_experts"], labels, layers, coactivation=paired, groups=grouped)
    counts.label_names.grow, counts.layer_names.grow = head["grow"]
    counts.unlabelled = head["unlabelled"]
    tallies = counts.tallies
    for name, room in tallies.sums.items():
        tallies.sums[name] = _like(room, name, arrays[f"sum_{name}"])
    tallies.widest = _like(tallies.widest, "widest", arrays["widest"])
    if tallies.pairs is not None and tallies.adjacent is not None:
        tallies.pairs = _like(tallies.pairs, "pairs", arrays["pairs"])
        tallies.adjacent = _like(tallies.adjacent, "adjacent", arrays["adjacent"])
    if grouped:
        label = arrays["unit_label"]
        room = np.zeros((len(head["groups"]), len(counts.layers), counts.num_experts), np.int64)
        load = _like(room, "unit_load", arrays["unit_load"])
        if len(label) != len(load) or (
            len(label) and not 0 <= label.min() <= label.max() < len(counts.labels)
        ):
            raise ValueError("unit_label must hold a position among the labels for each group")
        counts.kept = GroupCounts.of(head["groups"], label.tolist(), load, head["most_groups"], head["limit"])
    return counts


def _like(room: NDArray, name: str, array: NDArray) -> NDArray:
    if array.shape != room.shape or array.dtype != room.dtype or (array.size and not array.min() >= 0):
        raise ValueError(f"{name} must have shape {room.shape} and dtype {room.dtype}, not negative")
    return array
