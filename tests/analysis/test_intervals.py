import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from modbench.analysis import crossed_interval, probability_interval
from modbench.analysis.resampling import interquartile_mean, mean_percentiles

TASKS, SEEDS = (labels.ravel() for labels in np.meshgrid(range(5), range(5), indexing="ij"))


def studies(
    task: float, seed: float, noise: float, count: int = 1000, draw=np.random.Generator.standard_normal
):
    """Values (25, count): many studies of 5 task seeds x 5 seeds whose true mean is zero."""
    generator = np.random.default_rng(7)
    parts = (
        size * draw(generator, shape)
        for size, shape in ((task, (5, 1, count)), (seed, (1, 5, count)), (noise, (5, 5, count)))
    )
    return sum(parts).reshape(25, count)


def log_normal(generator: np.random.Generator, shape):
    return generator.lognormal(size=shape) - np.exp(0.5)


@pytest.mark.parametrize(
    ("task", "seed", "noise", "draw", "least", "most"),
    [
        (1, 0, 0, np.random.Generator.standard_normal, 0.935, 0.965),
        (1, 1, 0, np.random.Generator.standard_normal, 0.935, 0.97),
        (0, 0, 1, np.random.Generator.standard_normal, 0.96, 0.99),
        (1, 0.5, 1, np.random.Generator.standard_normal, 0.92, 0.96),
        (1, 0, 0, log_normal, 0.80, 0.88),
    ],
)
def test_coverage_at_five_by_five_is_what_the_docstring_says(task, seed, noise, draw, least, most):
    interval = crossed_interval(studies(task, seed, noise, draw=draw), TASKS, SEEDS)
    covered = np.mean((interval.low <= 0) & (interval.high >= 0))
    assert least < covered < most


@pytest.mark.parametrize(
    ("task", "seed", "noise", "draw", "expected"),
    [
        (1, 0, 0, np.random.Generator.standard_normal, 0.84),
        (1, 1, 0, np.random.Generator.standard_normal, 0.87),
        (0, 0, 1, np.random.Generator.standard_normal, 0.99),
        (1, 0.5, 1, np.random.Generator.standard_normal, 0.92),
        (1, 0, 0, log_normal, 0.72),
    ],
)
def test_percentiles_of_a_bootstrap_over_five_clusters_cover_less(task, seed, noise, draw, expected):
    """The docstring's other column: the pigeonhole bootstrap written out, with nothing of ours in it."""
    values = studies(task, seed, noise, draw=draw).reshape(5, 5, -1)
    generator = np.random.default_rng(11)
    means = []
    for _ in range(1000):
        rows, columns = generator.integers(0, 5, 5), generator.integers(0, 5, 5)
        means.append(values[rows][:, columns].mean((0, 1)))
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(expected, abs=0.03)


def test_intervals_of_a_probability_cover_at_five_by_five():
    """How often a run is below 0 where it is so in half of all cases, for mixtures of what decides it."""
    for parts, least in (((1, 0, 0.3), 0.905), ((1, 0.5, 1), 0.915), ((0, 0, 1), 0.97)):
        interval = probability_interval(studies(*parts) < 0, TASKS, SEEDS)
        assert np.mean((interval.low <= 0.5) & (interval.high >= 0.5)) > least


def study_of(cells, task: float, seed: float, noise: float, count: int = 2000):
    """Labels (n,) and values (n, count) of many studies with runs at these pairs of labels; the true mean is zero."""
    generator = np.random.default_rng(7)
    tasks, seeds = np.array(cells).T
    values = (
        task * generator.standard_normal((tasks.max() + 1, count))[tasks]
        + seed * generator.standard_normal((seeds.max() + 1, count))[seeds]
        + noise * generator.standard_normal((len(tasks), count))
    )
    return tasks, seeds, values


PAIRS = {n: [(i, i) for i in range(n)] for n in (2, 3, 5)}
OWN_SEEDS = [(i, 5 * i + j) for i in range(5) for j in range(5)]


@pytest.mark.parametrize("parts", [(1, 0, 0), (0, 1, 0), (1, 0.5, 1)])
@pytest.mark.parametrize(
    ("cells", "least", "most"),
    [
        (PAIRS[2], 0.935, 0.965),
        (PAIRS[3], 0.935, 0.965),
        (PAIRS[5], 0.93, 0.965),
        (OWN_SEEDS, 0.935, 0.965),
        ([(j, i) for i, j in OWN_SEEDS], 0.935, 0.965),
        ([(0, 0), (0, 1), (1, 1)], 0.92, 1),
        ([(i, j) for i in range(3) for j in range(3)], 0.93, 0.965),
        ([(i, j) for i in range(2) for j in range(5)], 0.89, 0.96),
    ],
)
def test_coverage_of_other_designs_is_what_the_docstring_says(cells, least, most, parts):
    tasks, seeds, values = study_of(cells, *parts)
    interval = crossed_interval(values, tasks, seeds)
    assert least < np.mean((interval.low <= 0) & (interval.high >= 0)) < most


def test_seeds_tied_to_task_seeds_are_pairs_by_hand():
    # differences 1, 2, 6: mean 3, standard error of it sqrt(7 / 3) = 1.5275, t of 2 degrees of freedom 4.3027
    interval = crossed_interval([1.0, 2.0, 6.0], [0, 1, 2], [7, 8, 9])
    assert (interval.num_task_seeds, interval.num_seeds) == (3, 3)
    assert interval.high - interval.low == pytest.approx(2 * 4.30265 * 1.52753, rel=1e-5)
    two = crossed_interval([1.0, 3.0], [0, 1], [0, 1])  # standard error 1, t of 1 degree of freedom 12.706
    assert (two.low, two.high) == pytest.approx((2 - 12.7062, 2 + 12.7062), abs=1e-4)


def test_task_seeds_with_seeds_of_their_own_count_as_their_means():
    values = np.random.default_rng(4).normal(size=(4, 3))
    tasks = np.repeat(range(4), 3)
    nested = crossed_interval(values.ravel(), tasks, range(12))
    of_means = crossed_interval(values.mean(1), range(4), [0] * 4)
    np.testing.assert_allclose(nested[:3], of_means[:3], rtol=1e-6)
    turned = crossed_interval(values.ravel(), range(12), tasks)
    np.testing.assert_allclose(turned[:3], nested[:3], rtol=1e-6)


def test_a_single_task_seed_still_has_an_interval_over_its_seeds():
    assert np.isfinite(crossed_interval([1.0, 2.0, 4.0], [3, 3, 3], [0, 1, 2]).low)


def all_resamples(table: np.ndarray) -> np.ndarray:
    """The mean of every pair of sequences of rows and of columns drawn with replacement: all equally likely."""
    I, J = table.shape  # noqa: E741
    rows, columns = (list(itertools.product(range(n), repeat=n)) for n in (I, J))
    return np.array([table[np.ix_(r, c)].mean() for r in rows for c in columns])


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (1, 5), (4, 1)])
@pytest.mark.parametrize("seed", range(3))
def test_percentiles_of_few_labels_are_those_of_all_resamples(shape, seed):
    table = np.random.default_rng(seed).lognormal(size=shape)
    means = np.sort(all_resamples(table))
    tail = int(0.025 * len(means))  # the first of which more than 2.5 % are not larger
    found = mean_percentiles(table[..., None], np.ones((*shape, 1)), np.array([table.mean()]), 0.95)
    spread = means[-1] - means[0]
    assert found[:, 0] == pytest.approx([means[tail], means[-1 - tail]], abs=1e-4 * spread)


def test_a_resample_without_a_run_stands_for_the_estimate():
    # One task seed has both runs: of two seeds and two task seeds, a quarter of the resamples have no run at all.
    sums = np.array([[1.0, 3.0], [0.0, 0.0]])[..., None]
    counts = np.array([[1.0, 1.0], [0.0, 0.0]])[..., None]
    assert mean_percentiles(sums, counts, np.array([2.0]), 0.95)[:, 0].tolist() == [1, 3]
    assert mean_percentiles(sums, counts, np.array([2.0]), 0.4)[:, 0].tolist() == [2, 2]


@pytest.mark.parametrize("n", [3, 4])
def test_other_names_of_seeds_move_no_bound_of_few_labels(n):
    values = np.random.default_rng(n).lognormal(size=(n, n))
    tasks, seeds = np.divmod(np.arange(n * n), n)
    plain = crossed_interval(values.ravel(), tasks, seeds)
    renamed = crossed_interval(values[::-1, ::-1].ravel(), tasks, seeds)
    np.testing.assert_allclose(renamed[:3], plain[:3], rtol=1e-4)


def test_draws_of_many_labels_hardly_move_a_bound():
    """Noise alone is the worst case: 1.7 % of the half width for one naming of the labels, sqrt(2) of that for two."""
    values = studies(0, 0, 1, count=40)
    plain = crossed_interval(values, TASKS, SEEDS)
    renamed = crossed_interval(values.reshape(5, 5, -1)[::-1, ::-1].reshape(25, -1), TASKS, SEEDS)
    moved = np.abs(renamed.low - plain.low) / (plain.high - plain.low) * 2
    assert np.sqrt(np.mean(moved**2)) < 0.035
    assert moved.max() < 0.1


def test_draws_move_no_bound_where_all_chance_lies_in_the_task():
    values = studies(1, 0, 0, count=10)
    plain = crossed_interval(values, TASKS, SEEDS)
    renamed = crossed_interval(values.reshape(5, 5, -1)[::-1].reshape(25, -1), TASKS, SEEDS)
    np.testing.assert_allclose(renamed.low, plain.low, rtol=1e-4)


def test_a_wrong_kind_of_interval_would_not_cover():
    values = studies(1, 0, 0.2)
    naive = stats.t.interval(0.95, 24, values.mean(0), stats.sem(values, axis=0))
    assert np.mean((naive[0] <= 0) & (naive[1] >= 0)) < 0.7


def test_one_seed_per_task_by_hand():
    # mean 2, variance of the mean 1/3, t of 2 degrees of freedom 4.3027; symmetric values, symmetric interval
    interval = crossed_interval([1.0, 2.0, 3.0], [0, 1, 2], [4, 4, 4])
    assert (interval.estimate, interval.low, interval.high) == pytest.approx(
        (2, 2 - 2.48414, 2 + 2.48414), abs=1e-4
    )
    assert (interval.num_runs, interval.num_task_seeds, interval.num_seeds) == (3, 3, 1)


def test_width_is_the_random_effects_width_with_an_independent_oracle():
    values = studies(1.0, 0.7, 0.5, count=1)[:, 0]
    table = values.reshape(5, 5)
    grand, rows, columns = table.mean(), table.mean(1), table.mean(0)
    of_task = 5 * sum((r - grand) ** 2 for r in rows) / 4
    of_seed = 5 * sum((c - grand) ** 2 for c in columns) / 4
    noise = sum((table[i, j] - rows[i] - columns[j] + grand) ** 2 for i in range(5) for j in range(5)) / 16
    parts = [max(of_task - noise, 0), max(of_seed - noise, 0), noise]
    freedom = sum(parts) ** 2 / sum(part**2 / n for part, n in zip(parts, (4, 4, 16), strict=True))
    width = 2 * stats.t.ppf(0.975, freedom) * np.sqrt(sum(parts) / 25)
    interval = crossed_interval(values, TASKS, SEEDS)
    assert interval.high - interval.low == pytest.approx(width)


def test_one_run_has_an_estimate_and_no_interval():
    interval = crossed_interval([0.5], [3], [1])
    assert (interval.estimate, interval.num_runs) == (0.5, 1)
    assert np.isnan(interval.low)
    assert np.isnan(interval.high)


def test_capacities_of_one_task_seed_and_seed_are_no_sample():
    assert np.isnan(crossed_interval([0.5, 0.7, 0.9], [3, 3, 3], [1, 1, 1]).low)


def test_no_run_at_all():
    interval = crossed_interval(np.empty((0, 2)), [], [])
    assert np.isnan(interval.estimate).all()
    assert np.isnan(interval.low).all()
    assert interval.num_runs.tolist() == [0, 0]


def test_what_is_not_finite_is_left_out():
    full = crossed_interval([1.0, 2.0, 4.0], [0, 1, 2], [0, 0, 0])
    holed = crossed_interval([1.0, np.nan, 2.0, 4.0, np.inf], [0, 0, 1, 2, 3], [0, 1, 0, 0, 0])
    assert (holed.estimate, holed.num_runs, holed.num_task_seeds) == (full.estimate, 3, 3)
    assert [float(holed.low), float(holed.high)] == pytest.approx(
        [float(full.low), float(full.high)], rel=0.05
    )


def test_equal_values_leave_no_width():
    interval = crossed_interval([0.25] * 4, [0, 0, 1, 1], [0, 1, 0, 1])
    assert (interval.low, interval.high) == (0.25, 0.25)


def test_a_long_tail_makes_the_interval_lopsided_towards_it():
    interval = crossed_interval([1.0, 1.1, 1.2, 1.3, 5.0], range(5), [0] * 5)
    assert interval.high - interval.estimate > 1.5 * (interval.estimate - interval.low)


def test_bounds_cut_the_interval():
    interval = crossed_interval([0.0, 0.5, 1.0], [0, 1, 2], [0, 0, 0], bounds=(0.0, 1.0))
    assert (interval.low, interval.high) == (0, 1)


def test_columns_do_not_see_each_other():
    values = studies(1, 1, 1, count=6)
    values[3, 2] = np.nan
    together = crossed_interval(values, TASKS, SEEDS, bounds=(np.full(6, -1.0), np.full(6, 1.0)))
    for k in range(6):
        alone = crossed_interval(values[:, k], TASKS, SEEDS, bounds=(-1.0, 1.0))
        assert alone.estimate == pytest.approx(together.estimate[k])
        assert alone.low == pytest.approx(together.low[k])
        assert alone.high == pytest.approx(together.high[k])


@settings(max_examples=25)
@given(st.integers(0, 1000), st.floats(0.1, 10), st.floats(-5, 5))
def test_shifting_scaling_and_relabelling(seed, factor, shift):
    values = np.random.default_rng(seed).normal(size=12)
    tasks, seeds = np.repeat(range(4), 3), np.tile(range(3), 4)
    plain = crossed_interval(values, tasks, seeds)
    moved = crossed_interval(factor * values + shift, tasks + 100, np.array(["a", "b", "c"])[seeds])
    for name in ("estimate", "low", "high"):
        assert getattr(moved, name) == pytest.approx(factor * getattr(plain, name) + shift, abs=1e-6)


def test_global_random_state_has_no_part_in_it():
    np.random.seed(0)
    first = crossed_interval([1.0, 2.0, 4.0], [0, 1, 2], [0, 0, 0])
    np.random.seed(1)
    assert crossed_interval([1.0, 2.0, 4.0], [0, 1, 2], [0, 0, 0]) == first


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=12), st.integers(1, 3))
def test_interquartile_mean_equals_the_trimmed_mean_of_repeated_values(values, times):
    weights = np.full((len(values), 1), float(times))
    repeated = np.repeat(sorted(values), 4)  # so that quarters fall between values
    middle = repeated[len(repeated) // 4 : len(repeated) - len(repeated) // 4]
    assert interquartile_mean(np.array(values)[:, None], weights) == pytest.approx(middle.mean(), abs=1e-9)


@given(st.integers(1, 6), st.integers(0, 1000))
def test_interquartile_mean_is_scipys_where_quarters_are_whole(quarter, seed):
    values = np.random.default_rng(seed).lognormal(size=(4 * quarter, 2))
    expected = stats.trim_mean(values, 0.25)
    assert interquartile_mean(values, np.ones((4 * quarter, 1))) == pytest.approx(expected)
    tasks = range(4 * quarter)
    assert crossed_interval(values, tasks, [0] * len(tasks), statistic="iqm").estimate == pytest.approx(
        expected
    )


def test_interquartile_mean_is_not_moved_by_an_outlier():
    values = np.array([1.0, 2, 3, 4, 5, 6, 7, 1e6])
    interval = crossed_interval(values, range(8), [0] * 8, statistic="iqm")
    assert interval.estimate == pytest.approx(4.5)
    assert 0 < interval.low < 4.5 < interval.high < 12


def test_interquartile_interval_covers():
    values = studies(1, 0.5, 0.5, count=60)
    interval = crossed_interval(values, TASKS, SEEDS, statistic="iqm")
    assert np.mean((interval.low <= 0) & (interval.high >= 0)) > 0.85


def test_probability_of_unanimous_outcomes_is_no_certainty():
    tasks, seeds = zip(*itertools.product(range(4), range(2)), strict=True)
    interval = probability_interval([1.0] * 8, tasks, seeds)
    assert (interval.estimate, interval.high) == (1, 1)
    assert interval.low == pytest.approx(0.025 ** (1 / 8))  # the exact bound of 8 successes in 8
    assert probability_interval([0.0] * 8, tasks, seeds).high == pytest.approx(1 - 0.025 ** (1 / 8))


def test_probability_that_depends_on_the_task_alone_is_wider_than_binomial():
    interval = probability_interval([1.0] * 15 + [0.0] * 10, TASKS, SEEDS)
    binomial = stats.binomtest(15, 25).proportion_ci()
    assert interval.low < binomial.low - 0.1
    assert interval.high > binomial.high + 0.1


def test_a_single_outcome_has_no_interval():
    interval = probability_interval([1.0], [0], [0])
    assert interval.estimate == 1
    assert np.isnan(interval.low)


def test_very_many_quantities_have_the_intervals_that_each_has_alone():
    values = np.random.default_rng(5).lognormal(size=(9, 2500))
    values[2, ::3] = np.nan
    task_seeds, seeds = np.divmod(np.arange(9), 3)
    together = crossed_interval(values, task_seeds, seeds)
    for k in (0, 1, 999, 1000, 2499):
        alone = crossed_interval(values[:, k], task_seeds, seeds)
        for name, found in alone._asdict().items():
            np.testing.assert_allclose(getattr(together, name)[k], found, rtol=1e-12)


def test_questions_with_the_same_answers_have_the_same_interval():
    outcomes = np.random.default_rng(6).integers(0, 2, size=(9, 3))[:, [0, 1, 0, 2, 1]]
    task_seeds, seeds = np.divmod(np.arange(9), 3)
    together = probability_interval(outcomes, task_seeds, seeds)
    for k, answers in enumerate(outcomes.T):
        alone = probability_interval(answers, task_seeds, seeds)
        assert alone.low.shape == ()
        for name, found in alone._asdict().items():
            np.testing.assert_allclose(getattr(together, name)[k], found, rtol=1e-12)
