"""Trained parameters, kept where `modbench run --keep-params` asks for them: plain arrays, no pickle.

`params/<cohort_id>/<run_id>.safetensors` of a store is a file in safetensors' format, which many tools read. Its arrays
are named `<checkpoint>/<place in the model>`, as in `last/encoder.weight`; its metadata, all texts, are

- `format`: `modbench-params-1`;
- `run`: canonical JSON of `run_id`, `cohort_id`, `status`, `reason`, `steps` (checkpoint -> updates behind it) and
  `spec`, the run's full specification;
- `digest`: SHA-256 of the run's text and all arrays, since the format itself notices no flipped bit.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from modbench.core.errors import MachineError, RequestError, unknown
from modbench.core.identity import canonical, ids_of_stored, is_digest
from modbench.core.names import CHECKPOINTS
from modbench.core.paths import given_path
from modbench.core.spec import RunSpec
from modbench.store.durable import entries, machine_errors, make_folder, open_file, replace_file
from modbench.store.marker import require_store

FOLDER, SUFFIX = "params", ".safetensors"
FORMAT = "modbench-params-1"


@dataclass(frozen=True)
class StoredParams:
    """The parameters of one run at one checkpoint.

    Attributes:
        spec: the run.
        run_id: its identity.
        cohort_id: the cohort that it was trained in.
        status: `"done"` or `"failed"`; a run that diverged has the parameters from before that.
        reason: why it failed, else None.
        checkpoint: `"last"` or `"best"`.
        step: updates behind them.
        arrays: the model's arrays by their place in it; `modbench.evaluation.trained.TrainedRun` makes a model of them.
    """

    spec: RunSpec
    run_id: str
    cohort_id: str
    status: str
    reason: str | None
    checkpoint: str
    step: int
    arrays: Mapping[str, np.ndarray] = field(repr=False)


def load_params(folder: str | Path, run_id: str, checkpoint: str = "last") -> StoredParams:
    """Reads the parameters of a run, every byte checked.

    Args:
        folder: of a store.
        run_id: of the run, as in the column `run_id` of its tables. Of a run that was trained in several cohorts, the
            parameters are those of the lowest id, as its numbers are.
        checkpoint: `"last"` or `"best"`.

    Raises:
        RequestError: the folder is no store, or has no parameters of that run, or there is no such checkpoint, or a
            name or field of the run is not known here.
        MachineError: the file cannot be read, is not as it was written, or is of another run.

    Example::

        stored = load_params("results/mine", run_id)
        model = TrainedRun(stored.spec, stored.arrays)
    """
    folder = given_path(folder)
    require_store(folder)
    if checkpoint not in CHECKPOINTS:
        raise unknown("checkpoint", checkpoint, CHECKPOINTS)
    paths = kept(folder)
    path = paths.get(run_id) or _of_another_spelling(paths.values(), run_id)
    if path is None:
        raise RequestError(
            f"store {folder} has parameters of {len(paths):,} runs, none of {run_id!r}; "
            "modbench run --keep-params keeps those of what it trains"
        )
    run, arrays = _read(path)
    if run_id not in ids_of_stored(run["spec"]):
        raise MachineError(
            f"{path} holds parameters of another run than it says, or of another version of the benchmark"
        )
    prefix = f"{checkpoint}/"
    return StoredParams(
        RunSpec.parse(run["spec"]),
        run_id,
        run["cohort_id"],
        run["status"],
        run["reason"],
        checkpoint,
        run["steps"][checkpoint],
        {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)},
    )


def _of_another_spelling(paths: Iterable[Path], run_id: str) -> Path | None:
    """The file of a run that an earlier version stored under the id of another spelling (`ids_of_stored`)."""
    for path in paths:
        try:
            open_file(path).close()  # see `intact`
            with safe_open(path, framework="numpy") as file:
                stored = json.loads((file.metadata() or {})["run"])
            if stored["run_id"] == path.stem and {path.stem, run_id} == ids_of_stored(stored["spec"]):
                return path
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError):
            continue  # damaged, or of another form: no file of this run as far as can be told
    return None


def kept(folder: Path) -> dict[str, Path]:
    """The files of a store's parameters by run id; of several of a run that of the lowest cohort id."""
    cohort_ids = [path.name for path in entries(folder / FOLDER) if is_digest(path.name)]
    paths = [path for cohort_id in sorted(cohort_ids, reverse=True) for path in of_cohort(folder, cohort_id)]
    return {path.stem: path for path in paths}


def of_cohort(folder: Path, cohort_id: str) -> list[Path]:
    """The files of a cohort's parameters in a store, ordered by run id. Raises `MachineError`."""
    paths = entries(folder / FOLDER / cohort_id)
    return sorted(path for path in paths if path.suffix == SUFFIX and is_digest(path.stem))


def path_of(folder: Path, cohort_id: str, run_id: str) -> Path:
    """Where a run's parameters lie in a store."""
    return folder / FOLDER / cohort_id / f"{run_id}{SUFFIX}"


def save_params(folder: Path, run: Mapping[str, Any], params: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Writes the parameters of a run into a store, whole or not at all.

    Args:
        folder: of the store.
        run: what the metadata tell of it, see above; the specification as a table.
        params: checkpoint -> name -> array.

    Raises:
        MachineError: it cannot be written.
    """
    arrays = {
        f"{checkpoint}/{name}": np.ascontiguousarray(array).reshape(np.shape(array))
        for checkpoint, of_checkpoint in params.items()
        for name, array in of_checkpoint.items()
    }
    text = canonical(dict(run))
    content = save(arrays, {"format": FORMAT, "run": text, "digest": _digest(text, arrays)})
    put_params(folder, run["cohort_id"], run["run_id"], content)


def put_params(folder: Path, cohort_id: str, run_id: str, content: bytes) -> None:
    """Puts the content of a file of parameters into a store. Raises `MachineError`."""
    path = path_of(folder, cohort_id, run_id)
    with machine_errors(f"write {path}"):
        make_folder(folder / FOLDER)
        make_folder(path.parent)
        replace_file(path, content)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    found = intact(path)
    if found is None:
        raise MachineError(f"{path} is not as it was written; remove it and train its run in another folder")
    return found


def intact(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
    """What a file of parameters says of its run, and its arrays; None where it is not as it was written.

    Raises:
        MachineError: it cannot be read.
    """
    with machine_errors(f"read {path}"):
        open_file(path).close()  # what follows would wait for the writer of a named pipe
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            if metadata["format"] == FORMAT and metadata["digest"] == _digest(metadata["run"], arrays):
                run = json.loads(metadata["run"])
                if _is_of(run, path):
                    return run, arrays
        except (SafetensorError, KeyError, ValueError, TypeError, AttributeError, RecursionError):
            pass  # no such file, a type that NumPy lacks, or metadata of another form
    return None


def _is_of(run: dict[str, Any], path: Path) -> bool:
    """Whether metadata are complete and of the run that the file's place promises."""
    steps = run["steps"]
    return (
        (run["run_id"], run["cohort_id"]) == (path.stem, path.parent.name)
        and (run["status"], run["reason"] is None) in (("done", True), ("failed", False))
        and isinstance(run["reason"], str | None)
        and isinstance(run["spec"], dict)
        and all(type(steps[checkpoint]) is int for checkpoint in CHECKPOINTS)
    )


def _digest(run: str, arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(run.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
