"""The pigeonhole bootstrap (Owen, 2007): task seeds and seeds are drawn independently, with replacement.

Run (i, j) of a resample has the weight w_i v_j. Of few task seeds and seeds every possible resample is taken, as
often as it is likely: n labels can be drawn in (2n - 1)! / (n! (n - 1)!) ways, and the way with the counts c stands
for n! / (c_1! ... c_n!) of all n^n sequences. Three by three labels have 100 resamples. Of more than
`MOST_RESAMPLES` (five by five labels have 15,876) `DRAWS` are drawn, the same every time. That moves a bound of five
by five runs by up to 1.7 % of the interval's half width (root mean square over normal and log-normal studies, beside
all 15,876), and not at all where the drawn task is all chance, or the seed.
"""

import itertools
import math
import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np

MOST_RESAMPLES = 5000
"""Resamples up to which all are taken; four task seeds by five seeds are among these."""
MOST_WAYS = 500
"""Ways to draw up to which the labels are drawn evenly; six labels have 462."""
DRAWS = 4001
"""A prime, so that no usual level falls between two draws."""
_GENERATOR_SEED = 20_602_713
_BLOCK = 130_000
"""Numbers at once: what stays in a core's cache."""
_ALONE = 250_000
"""Multiplications of a product that BLAS does not cut up among threads, which wait for each other while they spin."""
_BITS = 8
_BASE = 1 << _BITS
_THREADS = min(4, os.cpu_count() or 1)


class CrossedRuns(NamedTuple):
    """Runs of crossed task seeds and seeds.

    Attributes:
        values: (n, K), absent ones zero.
        present: (n, K), which are there.
        task: (n,), each run's task seed as a position.
        seed: (n,), its seed as a position.
    """

    values: np.ndarray
    present: np.ndarray
    task: np.ndarray
    seed: np.ndarray

    def cells(self, values: np.ndarray) -> np.ndarray:
        """Sums (I, J, K) of the present values (n, K) over the runs of each task seed and seed."""
        I, J = self.task.max(initial=0) + 1, self.seed.max(initial=0) + 1  # noqa: E741
        cell = self.task * J + self.seed
        order = np.argsort(cell, kind="stable")
        occupied, first = np.unique(cell[order], return_index=True)
        table = np.zeros((I * J, values.shape[1]))
        if len(occupied):
            table[occupied] = np.add.reduceat(np.where(self.present, values, 0.0)[order], first, axis=0)
        return table.reshape(I, J, -1)


class _Resamples(NamedTuple):
    """How often task seeds and seeds are drawn.

    Attributes:
        of_tasks: (A, I) ways to draw the task seeds.
        of_seeds: (B, J) ways to draw the seeds.
        times: (A x B,) how often each resample counts where every way of the ones goes with every way of the others;
            (A,) where the first goes with the first and so on.
        drawn: None in the former case; in the latter the weights (I x J, A) of the cells.
    """

    of_tasks: np.ndarray
    of_seeds: np.ndarray
    times: np.ndarray
    drawn: np.ndarray | None

    def sums(self, cells: np.ndarray) -> np.ndarray:
        """Sums (K, resamples) over the runs of each resample, from those of each cell (K, I, J), all of float32."""
        if self.drawn is None:  # first over task seeds, then over seeds: less work than over both at once
            of_tasks, of_seeds = (ways.astype(np.float32) for ways in (self.of_tasks, self.of_seeds))
            return (of_tasks @ cells @ of_seeds.T).reshape(len(cells), -1)
        return _product(cells.reshape(len(cells), -1), self.drawn)

    def sum_at(self, cells: np.ndarray, places: np.ndarray) -> np.ndarray:
        """As `sums`, of one resample (K,) for each of the K, in double precision."""
        tasks, seeds = (places, places) if self.drawn is not None else np.divmod(places, len(self.of_seeds))
        return np.einsum("ki,kij,kj->k", self.of_tasks[tasks], cells, self.of_seeds[seeds])

    def weights(self, task: np.ndarray, seed: np.ndarray) -> np.ndarray:
        """Weights (resamples, n) of runs with these positions (n,)."""
        of_tasks, of_seeds = self.of_tasks[:, task], self.of_seeds[:, seed]
        if self.drawn is not None:
            return of_tasks * of_seeds
        return (of_tasks[:, None] * of_seeds).reshape(-1, len(task))


@lru_cache(maxsize=64)
def _resamples(num_task_seeds: int, num_seeds: int) -> _Resamples:
    """All resamples, or `DRAWS` where these are too many."""
    sizes = (num_task_seeds, num_seeds)
    if math.prod(map(_num_ways, sizes)) <= MOST_RESAMPLES:
        (of_tasks, often), (of_seeds, often_too) = map(_ways, sizes)
        return _Resamples(of_tasks, of_seeds, np.outer(often, often_too).ravel(), None)
    generator = np.random.default_rng(_GENERATOR_SEED)
    of_tasks, of_seeds = (generator.permutation(_drawn(n, generator)) for n in sizes)
    cells = of_tasks[:, :, None] * of_seeds[:, None, :]
    drawn = np.ascontiguousarray(cells.reshape(DRAWS, -1).T, np.float32)
    return _Resamples(of_tasks, of_seeds, np.ones(DRAWS), drawn)


def _drawn(n: int, generator: np.random.Generator) -> np.ndarray:
    """Counts (`DRAWS`, n) of n labels drawn n times: every way as often as it is likely, where the ways are few."""
    if _num_ways(n) > MOST_WAYS:
        return generator.multinomial(n, np.full(n, 1 / n), size=DRAWS).astype(float)
    ways, often = _ways(n)
    return ways[np.searchsorted(often.cumsum(), (np.arange(DRAWS) + 0.5) / DRAWS * n**n)]


def _num_ways(n: int) -> int:
    return math.comb(2 * n - 1, n)


def _ways(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Every way to draw n labels n times, as counts (ways, n), and how many of the n^n sequences are each (ways,)."""
    drawn = itertools.combinations_with_replacement(range(n), n)
    counts = np.array([np.bincount(way, minlength=n) for way in drawn])
    factorial = np.array([math.factorial(k) for k in range(n + 1)])
    return counts.astype(float), math.factorial(n) / factorial[counts].prod(1)


def mean_percentiles(sums: np.ndarray, counts: np.ndarray, estimate: np.ndarray, level: float) -> np.ndarray:
    """Percentiles (2, K) of the means of pigeonhole resamples.

    Args:
        sums: (I, J, K) of the values of each task seed and seed.
        counts: (I, J, K) of these values.
        estimate: (K,) what a resample without any run stands for.
        level: nominal coverage.
    """
    I, J, K = sums.shape  # noqa: E741
    resamples, found = _resamples(I, J), np.empty((2, K))
    # The place of a percentile is sought first. Deviations of 24 bits show it, and are half as much to read.
    deviations = sums - counts * estimate
    deviations /= np.maximum(np.abs(deviations).max((0, 1)), np.finfo(float).tiny)
    sums, counts, deviations = (
        np.ascontiguousarray(np.moveaxis(x, 2, 0)) for x in (sums, counts, deviations)
    )
    deviations, rough = deviations.astype(np.float32), counts.astype(np.float32)
    alike = bool((counts == counts[:1]).all())
    sizes = resamples.sums(rough[:1]) if alike and K else None  # one weighing does for all
    step = max(1, _BLOCK // len(resamples.times))

    def fill(first: int) -> None:
        part = slice(first, first + step)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = resamples.sums(deviations[part])
            means /= resamples.sums(rough[part]) if sizes is None else sizes
            for end, places in enumerate(_percentiles(means, resamples.times, level)):
                size = resamples.sum_at(counts[part], places)
                mean = resamples.sum_at(sums[part], places) / size
                found[end, part] = np.where(size > 0, mean, estimate[part])

    if step >= K:
        fill(0)
    else:  # products and counting leave Python's lock to the other threads
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(fill, range(0, K, step)))
    return found


def _product(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`rows @ weights`, in parts that BLAS leaves to the thread that asks."""
    few = max(1, _ALONE // max(1, weights.size))
    whole = len(rows) // few * few
    found = np.empty((len(rows), weights.shape[1]), rows.dtype)
    np.matmul(
        rows[:whole].reshape(-1, few, len(weights)),
        weights,
        out=found[:whole].reshape(-1, few, found.shape[1]),
    )
    np.matmul(rows[whole:], weights, out=found[whole:])
    return found


def _percentiles(deviations: np.ndarray, times: np.ndarray, level: float) -> list[np.ndarray]:
    """The places (K,), the lower's and the upper's, of the percentiles of statistics (K, B).

    A statistic is written as a number of two digits between the least of its row and the most; of those that are
    written alike, the first is taken. Sorting would take many times as long as counting digits does.

    Args:
        deviations: of the statistics from what one without any run, which is NaN, stands for.
        times: (B,) how often each counts.
        level: nominal coverage.
    """
    least, most = deviations.min(1), deviations.max(1)
    if np.isnan(least).any():
        deviations = np.nan_to_num(deviations)
        least, most = deviations.min(1), deviations.max(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(most > least, (_BASE**2 - 1) / (most - least), 0)
    written = deviations - least[:, None]
    written *= scale[:, None]
    written = written.astype(np.int32)
    firsts = written >> _BITS
    counted = np.cumsum([np.bincount(row, times, _BASE) for row in firsts], axis=1)
    total, tail = times.sum(), (0.5 - level / 2) * times.sum()
    rows, found = np.arange(len(written)), []
    for enough in (lambda count: count > tail, lambda count: count >= total - tail):
        first = enough(counted).argmax(1)
        row, place = np.nonzero(firsts == first[:, None])
        second = written[row, place] & _BASE - 1
        among = np.bincount(row * _BASE + second, times[place], len(rows) * _BASE).reshape(-1, _BASE)
        before = np.where(first > 0, counted[rows, first - 1], 0.0)
        among = np.cumsum(among, axis=1) + before[:, None]
        alike = second == enough(among).argmax(1)[row]
        found.append(place[alike][np.searchsorted(row[alike], rows)])
    return found


def interquartile_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of the middle half of the weight, a value that straddles a quartile counting in part.

    Args:
        values: (n, K).
        weights: non-negative, of a shape that broadcasts to (..., n, K).

    Returns:
        (..., K); NaN where no value has weight.
    """
    order = np.argsort(values, axis=0, kind="stable")
    weights = np.broadcast_to(weights, np.broadcast_shapes(np.shape(weights), values.shape)).astype(float)
    ranked = np.take_along_axis(weights, order.reshape((1,) * (weights.ndim - 2) + order.shape), axis=-2)
    upper = np.cumsum(ranked, axis=-2)
    total = upper[..., -1:, :]
    inside = np.minimum(upper, 0.75 * total) - np.maximum(upper - ranked, 0.25 * total)
    middle = np.maximum(inside, 0.0)
    return (middle * np.take_along_axis(values, order, axis=0)).sum(-2) / middle.sum(-2)


def iqm_percentiles(runs: CrossedRuns, estimate: np.ndarray, level: float) -> np.ndarray:
    """Percentiles (2, K) of the interquartile means of pigeonhole resamples."""
    resamples = _resamples(runs.task.max(initial=0) + 1, runs.seed.max(initial=0) + 1)
    weights = resamples.weights(runs.task, runs.seed)
    step = max(1, _BLOCK // max(1, runs.values.size))
    resampled = np.concatenate([
        interquartile_mean(runs.values, weights[b : b + step, :, None] * runs.present)
        for b in range(0, len(weights), step)
    ])  # fmt: skip
    resampled = np.where(np.isnan(resampled), estimate, resampled)
    order = np.argsort(resampled, axis=0)
    counted, total = np.cumsum(resamples.times[order], axis=0), resamples.times.sum()
    tail = (0.5 - level / 2) * total
    places = np.stack([(counted > tail).argmax(0), (counted >= total - tail).argmax(0)])
    return np.take_along_axis(resampled, np.take_along_axis(order, places, 0), 0)


def iqm_influence(runs: CrossedRuns) -> np.ndarray:
    """Influence (n, K) of each run on the interquartile mean: twice its winsorised deviation."""
    held = np.where(runs.present, runs.values, np.nan)
    quartiles = np.nanquantile(held, [0.25, 0.75], axis=0) if len(held) else np.zeros((2, held.shape[1]))
    winsorised = np.clip(held, *quartiles)
    return 2 * (winsorised - np.nanmean(winsorised, axis=0))
