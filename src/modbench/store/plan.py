"""A planned cohort and its file, `plan/<cohort_id>.json`: written once, never edited."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from modbench.core.errors import RequestError
from modbench.core.identity import canonical, digest, run_id, static_fields, static_key
from modbench.core.spec import RunSpec


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
            ValueError: there is no run, one is there twice, they differ in a static field, or the width is
                less than 1.
        """
        if not runs or width < 1:
            raise ValueError(f"a cohort needs a run and a width of 1 or more, got {len(runs)} and {width}")
        if len({static_key(spec) for spec in runs}) > 1:
            raise ValueError("the runs of a cohort must share their static fields")
        if len(set(runs_ids := [run_id(spec) for spec in runs])) < len(runs_ids):
            raise ValueError("the runs of a cohort must differ from each other")
        return cls(_cohort_id(runs, runs_ids, width, attempt), width, tuple(runs), attempt)


def _cohort_id(runs: Sequence[RunSpec], run_ids: list[str], width: int, attempt: int) -> str:
    again = {"attempt": attempt} if attempt else {}
    return digest({"static": static_fields(runs[0]), "runs": run_ids, "width": width, **again})


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
        ValueError: a byte of the content is not as it was written, or the file is no plan.
    """
    try:
        table: Any = json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if (
        not isinstance(table, dict)
        or table.get("cohort_id") != cohort_id
        or not isinstance(table.get("width"), int)
        or not isinstance(table.get("attempt", 0), int)
        or not isinstance(table.get("runs"), list)
        or not table["runs"]
        or content != sealed(table)
    ):
        raise ValueError(f"no intact plan of cohort {cohort_id}")
    runs = parse_specs(table["runs"])
    if runs is None:
        return None
    width, attempt = table["width"], table.get("attempt", 0)
    if _cohort_id(runs, [run_id(spec) for spec in runs], width, attempt) != cohort_id:
        return None
    return PlannedCohort(cohort_id, width, runs, attempt)


def parse_specs(tables: Sequence[Mapping[str, Any]]) -> tuple[RunSpec, ...] | None:
    """Reads specifications back; None when a field or name of their day is gone: they are retired."""
    try:
        return tuple(RunSpec.parse(table) for table in tables)
    except RequestError:
        return None


def sealed(table: dict[str, Any]) -> bytes:
    """The one text of a plan; comparing it whole notices any flipped byte, one in a space included."""
    body = {key: value for key, value in table.items() if key != "digest"}
    return (canonical({**body, "digest": digest(body)}) + "\n").encode()
