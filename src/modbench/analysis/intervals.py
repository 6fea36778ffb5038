"""Intervals for runs whose two sources of chance, the drawn task and the seed, are crossed.

Every task seed meets every seed, so the runs are not independent draws: runs of one drawn task resemble each
other, and so do runs of one seed. The pigeonhole bootstrap (Owen, 2007) respects that: it draws task seeds and
seeds independently with replacement, and run (i, j) gets the weight w_i v_j. Its spread however is off by
known factors, too small by (I - 1) / I in the task's part (likewise the seed's) and about threefold in variance
for independent noise, and its percentiles do not know how uncertain a spread from five clusters is. So its percentiles
decide how lopsided an interval is, and the width is that of a t interval with the variance components of the
two-way random-effects analysis, negative ones set to zero, and Satterthwaite's degrees of freedom:

    V = max(V_task - V_noise, 0) + max(V_seed - V_noise, 0) + V_noise,

each term a mean square (task, seed, interaction) over the number of runs.

Where the seeds are tied to the task seeds, nothing is crossed. If each task seed has seeds of its own (a single one
in a design of pairs), the task seeds are the independent draws, and the interval is a t interval over their sums
with I - 1 degrees of freedom; likewise the other way round.

Coverage of nominal 95 % intervals for a mean, 2,000 simulated studies a row and 8,000 in that of the log-normal
(standard error at most 1 %; the tests repeat it). Sizes are standard deviations of task, seed and noise:

===================================================  =========  =================================
5 task seeds x 5 seeds, all chance lies in           here       bare pigeonhole percentiles
===================================================  =========  =================================
the drawn task                                       94 %       84 %
task and seed, equally                               96 %       87 %
independent noise                                    98 %       99 %, twice as wide as needed
task 1, seed 1/2, noise 1                            94 %       92 %
the drawn task, log-normal (sigma 1)                 83 %       72 %
===================================================  =========  =================================

===================================================  =========
other designs, task 1, seed 1/2, noise 1             here
===================================================  =========
3 task seeds x 3 seeds                               94 %
2 task seeds x 2 seeds                               99 %
2 task seeds x 5 seeds                               91 %
2 pairs of a task seed and a seed                    95 %
5 pairs                                              94 %
5 task seeds with 5 seeds of their own each          95 %
===================================================  =========

Two rows are limits. Five draws from a heavy tail do not show the tail, and no method repairs that. Two task seeds
say little of how much tasks differ: where that is most of all chance (task 1, seed and noise 0.3), 2 x 5 runs
cover 88 %.
A design with an unequal number of runs per (task seed, seed), where runs failed or are missing, is treated by the
same formulas, for which they are then approximate. Where so many are missing that noise cannot be told from tasks and
seeds, the interval has the degrees of freedom of the fewer of both, and covers more.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from modbench.analysis.resampling import (
    CrossedRuns,
    interquartile_mean,
    iqm_influence,
    iqm_percentiles,
    mean_percentiles,
)

Statistic = Literal["mean", "iqm"]
LEVEL = 0.95


class Interval(NamedTuple):
    """An estimate with its interval: arrays of shape () for one quantity, (K,) for K of them.

    Attributes:
        estimate: the mean or interquartile mean; NaN without a run.
        low: lower bound; NaN where no interval can be had.
        high: upper bound; NaN where no interval can be had.
        num_runs: values behind the estimate.
        num_task_seeds: distinct task seeds among them.
        num_seeds: distinct seeds among them.
    """

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    num_runs: np.ndarray
    num_task_seeds: np.ndarray
    num_seeds: np.ndarray


def crossed_interval(
    values: ArrayLike,
    task_seeds: ArrayLike,
    seeds: ArrayLike,
    statistic: Statistic = "mean",
    level: float = LEVEL,
    bounds: tuple[ArrayLike, ArrayLike] = (-np.inf, np.inf),
) -> Interval:
    """Mean or interquartile mean of runs, with an interval that respects the crossed task seeds and seeds.

    Several runs may share a (task seed, seed), as the capacities that a figure pools do: they are resampled
    together. With a single task seed the interval speaks of seeds alone, and the other way round; with a
    single one of both no interval can be had and the bounds are NaN.

    Args:
        values: (n,) one number per run, or (n, K) for K quantities at once; what is not finite is left out.
        task_seeds: (n,) label of each run's task.
        seeds: (n,) label of each run's seed.
        statistic: `"mean"`, or `"iqm"`, the mean of the middle half.
        level: nominal coverage, in (0, 1).
        bounds: smallest and largest possible value, scalars or (K,); the interval is cut there.

    Returns:
        The interval, with arrays of shape () or (K,).

    Example:
        >>> interval = crossed_interval([1.0, 2.0, 3.0], task_seeds=[0, 1, 2], seeds=[0, 0, 0])
        >>> [round(float(x), 2) for x in (interval.estimate, interval.low, interval.high)]
        [2.0, -0.48, 4.48]
    """
    table = np.asarray(values, dtype=float)
    shape = table.shape[1:]
    table = table.reshape(len(table), int(np.prod(shape)))
    present = np.isfinite(table)
    task = np.unique(np.asarray(task_seeds), return_inverse=True)[1]
    seed = np.unique(np.asarray(seeds), return_inverse=True)[1]
    runs = CrossedRuns(np.where(present, table, 0.0), present, task, seed)
    counts = runs.cells(np.ones_like(table))
    num_runs = counts.sum((0, 1))
    num_task_seeds, num_seeds = (counts.sum(1) > 0).sum(0), (counts.sum(0) > 0).sum(0)
    runs = _untied(runs, counts)
    counts = runs.cells(np.ones_like(table))
    with np.errstate(invalid="ignore", divide="ignore"):
        if statistic == "mean":
            estimate = runs.values.sum(0) / num_runs
            influence = runs.values - estimate
            percentiles = mean_percentiles(runs.cells(runs.values), counts, estimate, level)
        else:
            estimate = interquartile_mean(runs.values, present)
            influence = iqm_influence(runs)
            percentiles = iqm_percentiles(runs, estimate, level)
        half_width = _half_width(runs.cells(influence), counts, level)
        below, above = np.maximum(estimate - percentiles[0], 0.0), np.maximum(percentiles[1] - estimate, 0.0)
        share = np.where(below + above > 0, 2 * below / (below + above), 1.0)
        low = np.clip(estimate - share * half_width, *bounds)
        high = np.clip(estimate + (2 - share) * half_width, *bounds)
    return Interval(*(np.asarray(result).reshape(shape) for result in (
        estimate, low, high, num_runs.astype(int), num_task_seeds, num_seeds)))  # fmt: skip


def probability_interval(
    outcomes: ArrayLike,
    task_seeds: ArrayLike,
    seeds: ArrayLike,
    level: float = LEVEL,
    num_trials: int | None = None,
) -> Interval:
    """A probability, from outcomes of crossed task seeds and seeds.

    Outcomes that all agree show no spread, which is not certainty: the interval is never narrower than the exact
    binomial one (Clopper and Pearson) of `num_trials` independent trials. Nominal 95 % intervals for one half, over 5
    task seeds x 5 seeds, cover it 99 % of the time where outcomes are independent, 93 % where the drawn task decides
    most: five tasks that happen to agree pass for 25 trials.

    Args:
        outcomes: (n,) numbers in 0..1, such as 1 for a win, 0.5 for a tie; or (n, K) for K questions at once.
        task_seeds: (n,) label of each outcome's task.
        seeds: (n,) label of each outcome's seed.
        level: nominal coverage, in (0, 1).
        num_trials: outcomes that can be taken for independent; the pairs of task seed and seed when None.

    Returns:
        The interval, cut to 0..1; NaN bounds where all outcomes share one task seed and one seed.
    """
    table = np.asarray(outcomes, dtype=float)
    # Many questions have the same answers, as those along an axis do: these are judged once.
    answers, which = np.unique(
        table.reshape(len(table), int(np.prod(table.shape[1:]))), axis=1, return_inverse=True
    )
    interval = crossed_interval(answers, task_seeds, seeds, level=level, bounds=(0.0, 1.0))
    pairs = zip(np.asarray(task_seeds).tolist(), np.asarray(seeds).tolist(), strict=True)
    trials = len(set(pairs)) if num_trials is None else num_trials
    won = interval.estimate * trials
    low = np.where(won > 0, special.betaincinv(won, trials - won + 1, 0.5 - level / 2), 0.0)
    high = np.where(won < trials, special.betaincinv(won + 1, trials - won, 0.5 + level / 2), 1.0)
    interval = interval._replace(low=np.minimum(interval.low, low), high=np.maximum(interval.high, high))
    return Interval(*(result[which.ravel()].reshape(table.shape[1:]) for result in interval))


def _untied(runs: CrossedRuns, counts: np.ndarray) -> CrossedRuns:
    """Runs with one of the two labels left out where the other decides it: then nothing is crossed.

    Args:
        runs: of task seeds and seeds.
        counts: (I, J, K) of their values.
    """
    task, seed = np.nonzero(counts.any(2))
    num_task_seeds, num_seeds = len(np.unique(task)), len(np.unique(seed))
    if num_task_seeds > 1 and len(task) == num_seeds:
        return runs._replace(seed=np.zeros_like(runs.seed))
    if num_seeds > 1 and len(task) == num_task_seeds:
        return runs._replace(task=np.zeros_like(runs.task))
    return runs


def _half_width(influence: np.ndarray, counts: np.ndarray, level: float) -> np.ndarray:
    """Half the width (K,) of a t interval from the two-way random-effects analysis of cell sums (I, J, K)."""
    rows, columns = counts.sum(1, keepdims=True), counts.sum(0, keepdims=True)
    I, J, occupied = (rows > 0).sum((0, 1)), (columns > 0).sum((0, 1)), (counts > 0).sum((0, 1))  # noqa: E741
    squared = counts.sum((0, 1)) ** 2
    of_tasks, of_seeds = influence.sum(1, keepdims=True), influence.sum(0, keepdims=True)
    additive = counts * (
        of_tasks / np.where(rows > 0, rows, 1) + of_seeds / np.where(columns > 0, columns, 1)
    )
    free = occupied - I - J + 1
    noise = ((influence - additive) ** 2).sum((0, 1)) * occupied / free / squared
    noise = np.where((I > 1) & (J > 1) & (free > 0), noise, 0.0)
    task = np.where(I > 1, (of_tasks**2).sum((0, 1)) * I / (I - 1) / squared, 0.0)
    seed = np.where(J > 1, (of_seeds**2).sum((0, 1)) * J / (J - 1) / squared, 0.0)
    parts = (np.maximum(task - noise, 0), np.maximum(seed - noise, 0), noise)
    variance = sum(parts)
    spread = sum(
        part**2 / np.maximum(degrees, 1) for part, degrees in zip(parts, (I - 1, J - 1, free), strict=True)
    )
    # Without any spread the degrees of freedom are 0 / 0, and the width is zero whatever they are.
    freedom = np.where(spread > 0, variance**2 / np.where(spread > 0, spread, 1), 1.0)
    # Too few runs to tell noise apart: it is in both parts, which do not vary independently then.
    freedom = np.where((I > 1) & (J > 1) & (free < 1), np.minimum(I, J) - 1, freedom)
    width = special.stdtrit(freedom, 0.5 + level / 2) * np.sqrt(variance)
    return np.where((I > 1) | (J > 1), width, np.nan)
