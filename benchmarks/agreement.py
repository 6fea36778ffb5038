"""Does this implementation give the numbers that the original one gives?

Trains ours under the settings of `original_results.csv`, with other random streams, and asks of every number of the
original whether it could have come from one more run of ours on the same task.
"""

import argparse
import itertools
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from modbench.core.errors import ModbenchError, RequestError
from modbench.core.grid import load_sweep
from modbench.core.names import ARCHITECTURES, PAPER_MODELS
from modbench.core.quantities import METRICS
from modbench.store.table import Tables, load

HERE = Path(__file__).resolve().parent
ORIGINAL = HERE / "original_results.csv"
MORE_SEEDS = HERE / "original_seeds.csv"
LEVEL = 0.95
LEAST_PERCENT = 5e-4
"""Half a wrong label of the 100,000 looked at: what no wrong label counts as."""
NAMES = ["architecture", "search_version", "kind", "num_rules", "encoder_width", "model_width", "steps"]
CELL = [*NAMES, "model"]
ROW = [*CELL, "quantity", "task_seed"]


class Prediction(NamedTuple):
    """Where one more run of the same task would lie.

    Attributes:
        centre: mean; of losses and errors, the geometric one.
        low: lower bound, NaN with fewer than two runs.
        high: upper bound.
        num_runs: runs behind it.
        fixed: whether all runs agree exactly, so that chance has no part.
    """

    centre: float
    low: float
    high: float
    num_runs: int
    fixed: bool


def predict(values: np.ndarray, quantity: str, level: float = LEVEL) -> Prediction:
    """Interval that holds the value of one more run with the given probability, if values are normal.

    That is mean +- t(n - 1) s sqrt(1 + 1/n), of logarithms for losses and errors, and as they are for metrics, where
    it is cut to 0..1.

    Args:
        values: (n,) one per run, all of one task: what differs between tasks has no part in it.
        quantity: name of the column of the original's table.
        level: probability, in (0, 1).
    """
    metric = quantity in METRICS
    x = np.asarray(values, dtype=float) if metric else np.log(_positive(values, quantity))
    n, mean = len(x), float(x.mean())
    half = np.nan
    if n > 1:
        half = stats.t.ppf(0.5 + level / 2, n - 1) * x.std(ddof=1) * np.sqrt(1 + 1 / n)
    low, high = mean - half, mean + half
    if metric:
        low, high = float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))
    else:
        mean, low, high = float(np.exp(mean)), float(np.exp(low)), float(np.exp(high))
    fixed = n > 1 and bool((values == values[0]).all())
    return Prediction(mean, low, high, n, fixed)


def compare(original: pd.DataFrame, ours: pd.DataFrame, level: float = LEVEL) -> pd.DataFrame:
    """Holds every value of the original against our runs of the same cell and task.

    Args:
        original: long table, see `tidy_original`.
        ours: the same of our runs, see `tidy_ours`.
        level: of the prediction intervals.

    Returns:
        A row per value of the original: `ROW`, `seed`, `value`, the fields of `Prediction`, and `outside`. A value
        without at least two runs of ours is never outside, its bounds are NaN.
    """
    found = {key: part["value"].to_numpy() for key, part in ours.groupby(ROW, sort=False, dropna=False)}
    rows = []
    for key, part in original.groupby(ROW, sort=False, dropna=False):
        values = found.get(key)
        if values is None:
            prediction = Prediction(np.nan, np.nan, np.nan, 0, False)
        else:
            prediction = predict(values, str(part["quantity"].iloc[0]), level)
        rows += [{**row, **prediction._asdict()} for row in part.to_dict("records")]
    table = pd.DataFrame(rows, columns=[*ROW, "seed", "value", *Prediction._fields])
    return table.assign(outside=_outside(table["value"], table["low"], table["high"]))


def _outside(values: Any, low: Any, high: Any) -> Any:
    """Whether values lie outside of bounds; equal numbers may differ in their last digit between two programs."""
    slack = 1e-6 * abs(values) + 1e-9
    return (values < low - slack) | (values > high + slack)


def by_chance(original: pd.DataFrame, ours: pd.DataFrame, level: float = LEVEL) -> np.ndarray:
    """Numbers of flags that our own runs raise among themselves.

    As many seeds as the original has are held out and put in its place, against the remaining ones; in all ways.
    That counts in that values are not normal, and that the values of a seed rise and fall together.

    Returns:
        (ways,) flags, of as many values as the original has.
    """
    theirs = sorted(original["seed"].unique())
    own = {
        key: dict(zip(part["seed"], part["value"], strict=True))
        for key, part in ours.groupby(ROW, sort=False, dropna=False)
    }
    compared = [
        (str(part["quantity"].iloc[0]), own[key], part["seed"].tolist())
        for key, part in original.groupby(ROW, sort=False, dropna=False)
        if key in own
    ]
    flags = []
    # Some cells may have more seeds of ours than others.
    common = ours.groupby("seed")["quantity"].size()
    common = sorted(common.index[common == common.max()])
    for held_out in itertools.permutations(common, len(theirs)):
        in_place_of, raised = dict(zip(theirs, held_out, strict=True)), 0
        for quantity, values, seeds in compared:
            rest = np.array([value for seed, value in values.items() if seed not in held_out])
            stand_in = [values[in_place_of[seed]] for seed in seeds if in_place_of[seed] in values]
            if len(rest):
                found = predict(rest, quantity, level)
                raised += int(_outside(np.array(stand_in), found.low, found.high).sum())
        flags.append(raised)
    return np.array(flags)


def compare_means(original: pd.DataFrame, ours: pd.DataFrame, level: float = LEVEL) -> pd.DataFrame:
    """Holds the means of many runs of the original against those of ours: what single values cannot tell.

    Welch's t interval of the difference of two means; of logarithms for losses and errors, whose difference is a
    ratio, and as they are for metrics.

    Args:
        original: long table, see `tidy_original`.
        ours: the same of our runs.
        level: of the intervals.

    Returns:
        A row per cell, quantity and task with at least two runs on both sides: `ROW`, `num_original`, `num_ours`,
        and `difference` (of a loss: ratio, original over ours), `low`, `high`.
    """
    rows = []
    for key, part in original.merge(ours, on=ROW, suffixes=("", "_ours")).groupby(ROW, sort=False):
        quantity = str(part["quantity"].iloc[0])
        theirs = part.drop_duplicates("seed")["value"].to_numpy()
        own = part.drop_duplicates("seed_ours")["value_ours"].to_numpy()
        if min(len(theirs), len(own)) < 2:
            continue
        metric = quantity in METRICS
        a, b = ((v if metric else np.log(_positive(v, quantity))) for v in (theirs, own))
        test = stats.ttest_ind(a, b, equal_var=False)
        bounds = test.confidence_interval(level)
        found = np.array([a.mean() - b.mean(), bounds.low, bounds.high])
        found = found if metric else np.exp(found)
        rows.append([*key, len(a), len(b), *found])
    return pd.DataFrame(rows, columns=[*ROW, "num_original", "num_ours", "difference", "low", "high"])


def tidy_original(table: pd.DataFrame) -> pd.DataFrame:
    """The original's table with a row per run and quantity: `ROW`, `seed`, `value`."""
    columns = [*CELL, "task_seed", "seed"]
    quantities = [name for name in table if name not in {*columns, "checkpoint"}]
    long = table[table["checkpoint"] == "last"].melt(columns, quantities, "quantity", "value")
    return _typed(long.dropna(subset="value"))


def tidy_ours(tables: Tables) -> pd.DataFrame:
    """The finished runs of a store in the same form, at the "last" checkpoint."""
    columns = [*CELL, "task_seed", "seed"]
    done = tables.runs[(tables.runs["checkpoint"] == "last") & (tables.runs["status"] == "done")]
    parts = [done.melt(columns, list(METRICS), "quantity", "value")]
    shifts = tables.performance[tables.performance["checkpoint"] == "last"]
    shifts = shifts[shifts["run_id"].isin(done["run_id"])]
    where = shifts["scale"].map({1.0: "id", 2.0: "scale"})
    where = where.where(shifts["architecture"] == "mlp", where + "_" + shifts["length"].astype(str))
    parts.append(shifts[columns].assign(quantity="loss_" + where, value=shifts["loss"]))
    percent = shifts[columns].assign(quantity="error_percent_" + where, value=shifts["error"])
    parts.append(percent[percent["kind"] == "classification"])
    return _typed(pd.concat(parts, ignore_index=True).dropna(subset="value"))


def report(original: pd.DataFrame, ours: pd.DataFrame) -> str:
    """Both side by side, and how many values lie outside against how many would by chance."""
    table = compare(original, ours)
    lines = [
        f"Original against {100 * LEVEL:.0f} % prediction intervals for one more run of ours on the same task.",
        "A value outside is marked with *. The centre is a geometric mean for losses and errors.",
    ]
    heading = f"{'quantity':<28}{'task':>5}  {'original':<26}{'runs':>5}{'centre':>11}  interval"
    for cell, part in sorted(table.groupby(CELL, dropna=False), key=lambda item: _rank(item[0])):
        lines += ["", _title(dict(zip(CELL, cell, strict=True))), heading]
        for (quantity, task_seed), values in part.groupby(["quantity", "task_seed"], sort=False):
            first = values.iloc[0]
            marks = (
                f"{v:.4g}{'*' * bool(o)}" for v, o in zip(values["value"], values["outside"], strict=True)
            )
            interval = f"{first['low']:.4g} to {first['high']:.4g}" if first["num_runs"] > 1 else "none"
            lines.append(
                f"{quantity:<28}{task_seed:>5}  {', '.join(marks):<26}{first['num_runs']:>5}"
                f"{first['centre']:>11.4g}  {interval}"
            )
    return "\n".join([*lines, "", *_summary(table, original, ours)])


def _summary(table: pd.DataFrame, original: pd.DataFrame, ours: pd.DataFrame) -> list[str]:
    open_ones = table[(table["num_runs"] > 1) & ~table["fixed"]]
    fixed, flags = table[table["fixed"]], int(open_ones["outside"].sum())
    lines = [
        f"{flags} of {len(open_ones)} values lie outside; {1 - LEVEL:.0%} of them, "
        f"{(1 - LEVEL) * len(open_ones):.1f}, would by chance alone."
    ]
    lines += [f"  {quantity}: {int(part['outside'].sum())} of {len(part)}"
              for quantity, part in open_ones.groupby("quantity", sort=False)]  # fmt: skip
    chance = by_chance(original, ours)
    if len(chance) and ours["seed"].nunique() - original["seed"].nunique() > 1:
        as_many = (chance >= flags + int(fixed["outside"].sum())).mean()
        lines.append(
            f"Our own seeds, held against each other in the same way {len(chance)} times, raise "
            f"{np.median(chance):.0f} flags (median; 5 to 95 %: {np.quantile(chance, 0.05):.0f} to "
            f"{np.quantile(chance, 0.95):.0f}), and as many as the original {as_many:.0%} of the time."
        )
    if len(fixed):
        differ = int(fixed["outside"].sum())
        lines.append(
            f"{len(fixed)} values are the same in all our runs, {differ} of them another in the original."
        )
    if absent := int((table["num_runs"] < 2).sum()):
        lines.append(f"{absent} values of the original have fewer than two runs of ours beside them.")
    return lines


def _means(table: pd.DataFrame) -> str:
    lines = [
        f"Means over more seeds of the original, over ours, with {100 * LEVEL:.0f} % intervals; 1 is agreement."
    ]
    for row in table.to_dict("records"):
        named = f"{_title(row)}, task {row['task_seed']}, {row['quantity']}"
        lines.append(
            f"  {named}: {row['difference']:.3f}, {row['low']:.3f} to {row['high']:.3f} "
            f"({row['num_original']} and {row['num_ours']} runs)"
        )
    return "\n".join(lines)


def _typed(long: pd.DataFrame) -> pd.DataFrame:
    """Equal types on both sides, so that keys are equal: no search version is 0."""
    whole = [*NAMES[3:], "search_version", "task_seed", "seed"]
    long = long.assign(search_version=long["search_version"].fillna(0))
    return long.astype(dict.fromkeys(whole, int) | {"value": float})[[*ROW, "seed", "value"]]


def _positive(values: np.ndarray, quantity: str) -> np.ndarray:
    return np.maximum(values, LEAST_PERCENT) if quantity.startswith("error_percent") else np.asarray(values)


def _rank(cell: tuple) -> tuple:
    named = dict(zip(CELL, cell, strict=True))
    order = (list(ARCHITECTURES).index(named["architecture"]), named["kind"] != "regression")
    return (*order, list(PAPER_MODELS).index(named["model"]))


def _title(cell: dict) -> str:
    version = f" v{cell['search_version']}" if cell["search_version"] else ""
    return (
        f"{cell['architecture']}{version} {cell['kind']}, {cell['model']}, R={cell['num_rules']}, "
        f"E={cell['encoder_width']}, D={cell['model_width']}, {cell['steps']:,} steps"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Trains under the settings of the original's results and prints both side by side, with the "
        "interval in which one more run of ours would lie.",
        epilog="Training continues where it was interrupted. MLP takes about 7 minutes of two cores, the others "
        "longer.",
    )
    parser.add_argument(
        "architectures",
        nargs="*",
        metavar="mlp|mha|rnn",
        default=["mlp"],
        help="what to compare [default: mlp]",
    )
    parser.add_argument(
        "--store", type=Path, metavar="DIR", help="compare the runs of this store; nothing is trained"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        default=Path("results"),
        help="folder of the stores agreement-mlp, … that are trained into [default: results]",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="worker processes [default: one a core]")
    arguments = parser.parse_args()
    for name in arguments.architectures:
        if name not in ARCHITECTURES:
            parser.error(f"unknown architecture {name!r}. Possible: {', '.join(ARCHITECTURES)}.")
    return arguments


def main() -> int:
    """Trains and compares; the exit code says whether that could be done, not how it went."""
    arguments = _arguments()
    table, more_seeds = pd.read_csv(ORIGINAL), pd.read_csv(MORE_SEEDS)
    try:
        for name in dict.fromkeys(arguments.architectures):
            folder = arguments.store or arguments.out / f"agreement-{name}"
            if arguments.store is None:
                _train(name, folder, arguments.workers)
            original = tidy_original(table[table["architecture"] == name])
            everything = tidy_ours(load(folder))
            ours = everything.merge(original[ROW].drop_duplicates(), on=ROW)
            if ours.empty:
                raise RequestError(
                    f"store {folder} must have runs under the original's settings of {name}, got none"
                )
            print(report(original, ours), end="\n\n")
            more = compare_means(tidy_original(more_seeds[more_seeds["architecture"] == name]), everything)
            if len(more):
                print(_means(more), end="\n\n")
    except ModbenchError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, RequestError) else 1
    return 0


def _train(name: str, folder: Path, workers: int | None) -> None:
    from modbench.sweep.executors import make_executor
    from modbench.sweep.run import run_sweep

    sweep = load_sweep(str(HERE / f"agreement-{name}.toml"))
    print(f"training what {folder} lacks of {len(sweep.runs)} runs", file=sys.stderr)
    result = run_sweep(sweep, folder, make_executor("processes", workers))
    if result.missing or result.failed:
        print(f"{result.missing} runs are missing, {len(result.failed)} failed", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
