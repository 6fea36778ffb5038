"""What two stores differ in: runs, plans, and the numbers of the runs that both have."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from modbench.core.names import CHECKPOINTS
from modbench.core.quantities import CURVE_METRICS, QUANTITIES
from modbench.store.schema import ENV_COLUMNS, quantity_column
from modbench.store.table import Tables

_OF_A_RUN = ("num_parameters", "rule_agreement", "rule_rank", "diverged_at", "best_step", "last_train_loss")
"""The numbers of a run that belong to no checkpoint."""


@dataclass(frozen=True)
class Difference:
    """A quantity that is not the same in both stores.

    Attributes:
        quantity: column of `runs.parquet`, or table and column, such as `"curves.loss"`.
        runs: number of runs in which it differs.
        largest: largest absolute difference; infinite where one store has no such number.
        run_id: the run with the largest difference.
    """

    quantity: str
    runs: int
    largest: float
    run_id: str


@dataclass(frozen=True)
class Comparison:
    """What stores A and B have in common, and what not. All lists are of run ids, ordered.

    Attributes:
        common: stored in both.
        only: stored in A alone, and in B alone.
        planned_only: planned, stored or not, in A alone, and in B alone.
        statuses: in both, but done in one and failed in the other.
        differing: in both, with other numbers.
        numbers: what differs among those, in the order of the columns.
        regrouped: in both, but of another cohort. Told, and no difference: numbers are what counts.
        env: the columns on the machine that differ in a common run. Told, and no difference.
    """

    common: list[str]
    only: tuple[list[str], list[str]]
    planned_only: tuple[list[str], list[str]]
    statuses: list[str]
    differing: list[str]
    numbers: list[Difference]
    regrouped: list[str]
    env: list[str]

    @property
    def equal(self) -> bool:
        """Whether both have the same runs, planned and stored, with the same status and numbers."""
        return not any((*self.only, *self.planned_only, self.statuses, self.differing))


def compare(a: Tables, b: Tables, tolerance: float = 0.0) -> Comparison:
    """Compares two stores run by run.

    Null and NaN are values of their own: each equals itself and nothing else.

    Args:
        a: content of a store.
        b: content of another.
        tolerance: numbers x and y are equal when `|x - y| <= tolerance * max(1, |x|, |y|)`; 0 is exactly.
    """
    runs_a, runs_b = _one_a_run(a), _one_a_run(b)
    common = sorted(set(runs_a.index) & set(runs_b.index))
    planned_a, planned_b = (
        set(runs.index) | set(tables.missing["run_id"]) for runs, tables in ((runs_a, a), (runs_b, b))
    )
    both_a, both_b = runs_a.loc[common], runs_b.loc[common]
    numbers: list[Difference] = []
    differing: set[str] = set()
    for quantity, gaps in _gaps(a, b, set(common), tolerance):
        gaps = gaps[gaps > 0]
        if len(gaps):
            numbers.append(Difference(quantity, len(gaps), float(gaps.max()), str(gaps.idxmax())))
            differing.update(gaps.index)
    return Comparison(
        common=common,
        only=_apart(set(runs_a.index), set(runs_b.index)),
        planned_only=_apart(planned_a, planned_b),
        statuses=_where_other(both_a, both_b, "status"),
        differing=sorted(differing),
        numbers=numbers,
        regrouped=_where_other(both_a, both_b, "cohort_id"),
        env=[name for name in ENV_COLUMNS if _where_other(both_a, both_b, name)],
    )


def _one_a_run(tables: Tables) -> pd.DataFrame:
    runs = tables.runs
    return runs[runs["checkpoint"] == CHECKPOINTS[0]].set_index("run_id")


def _apart(a: set[str], b: set[str]) -> tuple[list[str], list[str]]:
    return sorted(a - b), sorted(b - a)


def _where_other(a: pd.DataFrame, b: pd.DataFrame, column: str) -> list[str]:
    """The runs, in the order of both indexes, whose column is not the same."""
    same = (a[column] == b[column]).fillna(False).astype(bool) | (a[column].isna() & b[column].isna())
    return list(a.index[~same.to_numpy()])


def _gaps(a: Tables, b: Tables, common: set[str], tolerance: float) -> Iterator[tuple[str, pd.Series]]:
    """Yields each quantity with its largest difference in each run (index: run id); 0 where it is equal."""
    runs_a, runs_b = _with_measured(a, common), _with_measured(b, common)
    for checkpoint in CHECKPOINTS:
        one_a, one_b = (runs[runs["checkpoint"] == checkpoint] for runs in (runs_a, runs_b))
        for name in QUANTITIES:
            gaps = _column_gaps(_join(one_a, one_b, ["run_id"], [name, f"{name} measured"]), name, tolerance)
            yield quantity_column(checkpoint, name), gaps
        if checkpoint == CHECKPOINTS[0]:
            for name in _OF_A_RUN:
                yield name, _column_gaps(_join(one_a, one_b, ["run_id"], [name]), name, tolerance)
    for table, keys, names in (
        ("curves", ["run_id", "step"], ["loss", "error", "selection_loss", "selection_error"]),
        ("performance", ["run_id", "checkpoint", "scale", "length"], ["loss", "error"]),
    ):
        joined = _join(_of(getattr(a, table), common), _of(getattr(b, table), common), keys, names)
        for name in names:
            yield f"{table}.{name}", _column_gaps(joined, name, tolerance)
    # Metrics along training are not in older stores: what was recorded once is no difference.
    both = common & _recorded(a) & _recorded(b)
    joined = _join(_of(a.curves, both), _of(b.curves, both), ["run_id", "step"], list(CURVE_METRICS))
    for name in CURVE_METRICS:
        yield f"curves.{name}", _column_gaps(joined, name, tolerance)
    joined = _join(
        _of(a.activations, common), _of(b.activations, common), ["run_id", "checkpoint"], ["matrix"]
    )
    pairs = zip(joined["matrix_a"], joined["matrix_b"], strict=True)
    gaps = pd.Series([_matrix_gap(x, y, tolerance) for x, y in pairs], index=joined["run_id"], dtype=float)
    yield "activations.matrix", gaps.groupby(level=0).max()


def _recorded(tables: Tables) -> set[str]:
    """The runs whose metrics were recorded along training."""
    return set(tables.curves.loc[tables.curves[list(CURVE_METRICS)].notna().any(axis=1), "run_id"])


def _of(table: pd.DataFrame, run_ids: set[str]) -> pd.DataFrame:
    return table[table["run_id"].isin(run_ids)]


def _with_measured(tables: Tables, run_ids: set[str]) -> pd.DataFrame:
    return _of(tables.runs.join(tables.measured.add_suffix(" measured")), run_ids)


def _join(a: pd.DataFrame, b: pd.DataFrame, keys: list[str], names: Sequence[str]) -> pd.DataFrame:
    # As objects: pandas cannot join two empty columns of text.
    texts = {key: object for key in keys if key in ("run_id", "checkpoint")}
    a, b = (table[[*keys, *names]].astype(texts) for table in (a, b))
    return a.merge(b, on=keys, how="outer", suffixes=("_a", "_b"), indicator=True)


def _column_gaps(joined: pd.DataFrame, name: str, tolerance: float) -> pd.Series:
    x, y = (joined[f"{name}_{side}"].to_numpy(dtype=float, na_value=np.nan) for side in "ab")
    gaps = _gap(x, y, tolerance)
    gaps[(joined["_merge"] != "both").to_numpy()] = np.inf
    measured = f"{name} measured"
    if f"{measured}_a" in joined:
        gaps[(joined[f"{measured}_a"] != joined[f"{measured}_b"]).to_numpy()] = np.inf
    return pd.Series(gaps, index=joined["run_id"]).groupby(level=0).max()


def _gap(x: np.ndarray, y: np.ndarray, tolerance: float) -> np.ndarray:
    """|x - y| where that is too much, else 0; infinite where one of them is no number."""
    with np.errstate(invalid="ignore"):
        gaps = np.abs(x - y)
        near = gaps <= tolerance * np.maximum(1, np.maximum(np.abs(x), np.abs(y)))
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    return np.where(same | (near & np.isfinite(gaps)), 0.0, np.where(np.isnan(gaps), np.inf, gaps))


def _matrix_gap(x: object, y: object, tolerance: float) -> float:
    if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray) or x.shape != y.shape:
        return np.inf
    return float(_gap(x, y, tolerance).max(initial=0.0))
