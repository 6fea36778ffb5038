"""A planned cohort and its file, `plan/<cohort_id>.json`: written once, never edited."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from modbench.core.errors import RequestError
from modbench.core.identity import canonical, digest, is_digest, run_id, static_fields, static_key
from modbench.core.spec import RunSpec
from modbench.core.spelling import neutral
from modbench.store.durable import entries, machine_errors, read_file

FOLDER, SUFFIX = "plan", ".json"
MOST_RUNS = 32
"""Runs of a cohort, unless one group is wider. Cohorts are what workers share, so a sweep of very many seeds is cut
into several; and each is a folder of files, so they are not cut smaller: the paper's settings (25 runs) stay whole."""
MOST_WIDTH = 1024
"""Runs of a group, at most, on any device."""
_FIELDS = {"cohort_id", "width", "runs", "attempt", "digest"}


@dataclass(frozen=True)
class PlannedCohort:
    """Runs that train as one compiled program, in groups of a width that is chosen once.

    Attributes:
        cohort_id: 16 hexadecimal digits, from the static fields, the run ids in order, and the width.
        width: runs in a group; the last group is padded to it.
        runs: the specifications, in training order; they share their static fields.
        attempt: above 0 where runs that did not fit into memory are tried again.
    """

    cohort_id: str
    width: int
    runs: tuple[RunSpec, ...]
    attempt: int = 0

    @classmethod
    def of(cls, runs: Sequence[RunSpec], width: int, attempt: int = 0) -> Self:
        """Plans runs as one cohort.

        Raises:
            ValueError: there is no run, one is there twice, they differ in a static field, there are more runs than
                a cohort may have, or the width or the attempt is out of range.
        """
        if not runs or not 1 <= width <= MOST_WIDTH or attempt < 0:
            raise ValueError(
                f"a cohort needs a run, a width from 1 to {MOST_WIDTH} and an attempt of 0 or more, "
                f"got {len(runs)}, {width} and {attempt}"
            )
        if len(runs) > max(MOST_RUNS, width):
            raise ValueError(f"a cohort must have at most {MOST_RUNS} runs or one group, got {len(runs)}")
        if len({static_key(spec) for spec in runs}) > 1:
            raise ValueError("the runs of a cohort must share their static fields")
        if len(set(runs_ids := [run_id(spec) for spec in runs])) < len(runs_ids):
            raise ValueError("the runs of a cohort must differ from each other")
        return cls(cohort_id_of(runs[0], runs_ids, width, attempt), width, tuple(runs), attempt)


def cohort_id_of(spec: RunSpec, run_ids: Sequence[str], width: int, attempt: int = 0) -> str:
    """The id of a cohort.

    Args:
        spec: of any of its runs.
        run_ids: of all of them, in training order.
        width: runs in a group.
        attempt: see `PlannedCohort`.
    """
    again = {"attempt": attempt} if attempt else {}
    return digest({"static": static_fields(spec), "runs": list(run_ids), "width": width, **again})


def plan_files(store_folder: Path) -> list[Path]:
    """The plan files of a store by their names, ordered. Raises `MachineError`."""
    paths = entries(store_folder / FOLDER)
    return sorted(path for path in paths if path.suffix == SUFFIX and is_digest(path.stem))


def read_plan(path: Path) -> bytes:
    """The content of a plan file.

    Raises:
        ValueError: what has the name is no file.
        MachineError: it cannot be read.
    """
    with machine_errors(f"read {path}"):
        try:
            return read_file(path)
        except FileNotFoundError:
            raise ValueError(f"{path} is no file") from None


def encode_plan(cohort: PlannedCohort) -> bytes:
    """The content of the cohort's file: canonical JSON that carries its own digest."""
    specs = [spec.model_dump(mode="json") for spec in cohort.runs]
    again = {"attempt": cohort.attempt} if cohort.attempt else {}
    return sealed({"cohort_id": cohort.cohort_id, "width": cohort.width, "runs": specs, **again})


def decode_plan(content: bytes, cohort_id: str) -> PlannedCohort | None:
    """Reads a plan file.

    Args:
        content: of the file.
        cohort_id: that the file's name promises.

    Returns:
        The cohort; or None for a plan that has been retired: a version of its task, model, training or
        evaluation has been raised since, so that its runs are no longer the runs that would be trained.

    Raises:
        ValueError: a byte of the content is not as it was written, or the file is no plan: its cohort breaks a rule
            of `PlannedCohort.of`.
    """
    try:
        table: Any = json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if (
        not isinstance(table, dict)
        or not table.keys() <= _FIELDS
        or table.get("cohort_id") != cohort_id
        or type(width := table.get("width")) is not int
        or type(attempt := table.get("attempt", 0)) is not int
        or not isinstance(runs := table.get("runs"), list)
        or not all(isinstance(run, dict) for run in runs)
        or content != sealed(table)
    ):
        raise ValueError(f"no intact plan of cohort {cohort_id}")
    try:
        spelled = [RunSpec.as_spelled(run) for run in runs]
    except RequestError:
        return None
    # Earlier versions made ids from a specification as it was written.
    cohort = PlannedCohort.of(spelled, width, attempt)
    if cohort.cohort_id != cohort_id:
        return None
    return replace(cohort, runs=tuple(neutral(spec) for spec in spelled))


def sealed(table: dict[str, Any]) -> bytes:
    """The one text of a plan; comparing it whole notices any flipped byte, one in a space included."""
    body = {key: value for key, value in table.items() if key != "digest"}
    return (canonical({**body, "digest": digest(body)}) + "\n").encode()
