"""The pigeonhole bootstrap (Owen, 2007): task seeds and seeds are drawn independently, with replacement.

Run (i, j) of a resample has the weight w_i v_j. The draws are the same every time.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np

RESAMPLES = 2000
_GENERATOR_SEED = 20_602_713
_BLOCK = 2_000_000
_ALONE = 250_000
"""Multiplications of a product that BLAS does not cut up among threads, which wait for each other while they spin."""
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


@lru_cache(maxsize=64)
def _weights(num_task_seeds: int, num_seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each task seed (B, I) and each seed (B, J) is drawn; the same draws every time."""
    generator = np.random.default_rng(_GENERATOR_SEED)
    return tuple(  # type: ignore[return-value]
        generator.multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(float)
        for n in (num_task_seeds, num_seeds)
    )


@lru_cache(maxsize=64)
def _cell_weights(num_task_seeds: int, num_seeds: int) -> np.ndarray:
    """How often each (task seed, seed) is drawn: (I x J, B)."""
    of_tasks, of_seeds = _weights(num_task_seeds, num_seeds)
    return np.ascontiguousarray((of_tasks[:, :, None] * of_seeds[:, None, :]).reshape(RESAMPLES, -1).T)


def mean_percentiles(sums: np.ndarray, counts: np.ndarray, estimate: np.ndarray, level: float) -> np.ndarray:
    """Percentiles (2, K) of the means of pigeonhole resamples.

    Args:
        sums: (I, J, K) of the values of each task seed and seed.
        counts: (I, J, K) of these values.
        estimate: (K,) what a resample without any run stands for.
        level: nominal coverage.
    """
    I, J, K = sums.shape  # noqa: E741
    weights, found = _cell_weights(I, J), np.empty((2, K))
    sums, counts = sums.reshape(I * J, K).T, counts.reshape(I * J, K).T
    alike = bool((counts == counts[:1]).all())
    if alike and K:  # of every quantity equally many values: one weighing does for all
        weights = weights / (counts[0] @ weights)
    step = max(1, _BLOCK // RESAMPLES)

    def fill(first: int) -> None:
        part = slice(first, first + step)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = _product(sums[part], weights)
            if not alike:
                means /= _product(counts[part], weights)
        found[:, part] = _percentiles(means, estimate[part], level)

    if step >= K:
        fill(0)
    else:  # products and sorting leave Python's lock to the other threads
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(fill, range(0, K, step)))
    return found


def _product(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """`rows @ weights`, in parts that BLAS leaves to the thread that asks."""
    few = max(1, _ALONE // max(1, weights.size))
    whole = len(rows) // few * few
    found = np.empty((len(rows), weights.shape[1]))
    np.matmul(
        rows[:whole].reshape(-1, few, len(weights)),
        weights,
        out=found[:whole].reshape(-1, few, found.shape[1]),
    )
    np.matmul(rows[whole:], weights, out=found[whole:])
    return found


def _percentiles(resampled: np.ndarray, estimate: np.ndarray, level: float) -> np.ndarray:
    """The bootstrap percentiles (2, K) of resampled statistics (K, B), which are partly sorted in place."""
    places = np.array([0.5 - level / 2, 0.5 + level / 2]) * (resampled.shape[1] - 1)
    first, last = (int(place) for place in places)
    # Not np.quantile, which takes ten times as long for rows as short as these, and not all of their order.
    resampled.partition(last, axis=1)
    above, after = resampled[:, last].copy(), resampled[:, last + 1 :].min(axis=1)
    silent = np.isnan(after) & np.isfinite(estimate)  # where a resample has no run: it says nothing
    if silent.any():
        return _percentiles(np.where(np.isnan(resampled), estimate[:, None], resampled), estimate, level)
    lower = resampled[:, : last + 1]
    lower.partition(first + 1, axis=1)
    low = np.stack([lower[:, : first + 1].max(axis=1), above])
    high = np.stack([lower[:, first + 1], after])
    return low + (high - low) * (places - np.floor(places))[:, None]


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
    of_tasks, of_seeds = _weights(runs.task.max(initial=0) + 1, runs.seed.max(initial=0) + 1)
    weights = of_tasks[:, runs.task] * of_seeds[:, runs.seed]
    step = max(1, _BLOCK // max(1, runs.values.size))
    resampled = np.concatenate([
        interquartile_mean(runs.values, weights[b : b + step, :, None] * runs.present)
        for b in range(0, RESAMPLES, step)
    ])  # fmt: skip
    return _percentiles(resampled.T, estimate, level)


def iqm_influence(runs: CrossedRuns) -> np.ndarray:
    """Influence (n, K) of each run on the interquartile mean: twice its winsorised deviation."""
    held = np.where(runs.present, runs.values, np.nan)
    quartiles = np.nanquantile(held, [0.25, 0.75], axis=0) if len(held) else np.zeros((2, held.shape[1]))
    winsorised = np.clip(held, *quartiles)
    return 2 * (winsorised - np.nanmean(winsorised, axis=0))
