"""A run's numbers are its own: not its companions', the chunking's, the width's or a global seed's."""

import itertools
import random
from dataclasses import replace

import jax
import numpy as np
import pytest

from modbench.evaluation.batches import batches_in_all
from modbench.evaluation.group import Progress, Stopped, run_group
from modbench.evaluation.measuring import Evaluation
from modbench.training.cohort import CohortProgram, replica
from tiny_runs import tiny

pytestmark = pytest.mark.released_programs

ARCHITECTURES = ["mlp", "mha", "rnn"]


def runs(architecture, seeds=(0, 1, 2), **fields):
    return [tiny(architecture, seed=seed, task={"task_seed": 10 + seed}, **fields) for seed in seeds]


def trained(specs, width, chunks=(20,)):
    """Each run's state after the chunks, by position."""
    program = CohortProgram(specs[0], width)
    data, state, step = program.data(specs), program.init(specs), 0
    for count in chunks:
        state = program.advance(state, data, step, count)
        step += count
    return [jax.device_get(replica(state, index)) for index in range(len(specs))]


def assert_same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
class TestCompanions:
    def test_absent_permuted_or_cut_up_differently(self, architecture):
        first, second, third = runs(architecture)
        together = trained([first, second, third], 3)
        assert_same(together[0], trained([first], 3)[0])
        permuted = trained([third, first, second], 3, chunks=(1, 7, 12))
        for here, there in ((0, 1), (1, 2), (2, 0)):
            assert_same(together[here], permuted[there])

    def test_a_diverged_one_is_frozen_and_harms_nobody(self, architecture):
        first, second, third = runs(architecture)
        wild = third.model_copy(update={"train": third.train.model_copy(update={"learning_rate": 1e30})})
        alone, beside = trained([first, second, third], 3), trained([first, second, wild], 3)
        assert_same(alone[0], beside[0])
        assert_same(alone[1], beside[1])
        assert alone[2].diverged_at == -1
        assert 0 < beside[2].diverged_at < 20
        longer = trained([first, second, wild], 3, chunks=(20, 10))
        assert_same(beside[2].params, longer[2].params)
        assert beside[2].diverged_at == longer[2].diverged_at

    def test_other_widths_agree_to_float_tolerance_over_20_steps(self, architecture):
        first, second, third = runs(architecture)
        wide, alone = trained([first, second, third], 3)[0], trained([first], 1)[0]
        leaves = jax.tree_util.tree_leaves_with_path(jax.tree.map(np.subtract, wide.params, alone.params))
        apart = {jax.tree_util.keystr(path): np.abs(leaf).ravel() for path, leaf in leaves}
        assert max(leaf.max() for leaf in apart.values()) < 0.1 * first.train.learning_rate
        # A key's bias adds the same to all logits of a token, so its gradient is nothing but rounding, of which Adam
        # makes part of a step. Few of the other weights have such a gradient.
        apart.pop(".attention.key.bias", None)
        assert np.quantile(np.concatenate([*apart.values()]), 0.99) < 1e-5


def without_seconds(results):
    return [replace(result, seconds={}) for result in results]


def assert_equal_results(ours, theirs):
    for a, b in zip(without_seconds(ours), without_seconds(theirs), strict=True):
        assert repr(a) == repr(b)


def test_equal_specs_give_equal_results_whatever_the_global_seeds():
    specs = runs("mlp", seeds=(0, 1))
    before = run_group(specs, 2)
    random.seed(1)
    np.random.seed(1)
    assert_equal_results(before, run_group(specs, 2))


def test_results_do_not_depend_on_companions_through_evaluation():
    first, second, third = runs("mlp")
    whole = run_group([first, second, third], 3)
    assert_equal_results(whole[1:2], run_group([second], 3))


def test_different_seeds_and_task_seeds_give_different_runs():
    base = tiny()
    others = [tiny(seed=1), tiny(task={"task_seed": 1})]
    results = run_group([base, *others], 3)
    losses = {result.checkpoints["last"].quantities["error_id"] for result in results}
    assert len(losses) == 3


def test_a_diverged_run_is_recorded_with_its_reason_and_no_number():
    good, bad = tiny(), tiny(train={"learning_rate": 1e30})
    sound, diverged = run_group([good, bad], 2)
    assert (sound.status, sound.reason, sound.diverged_at) == ("done", None, None)
    assert diverged.status == "failed"
    assert f"update {diverged.diverged_at}" in diverged.reason
    for checkpoint in diverged.checkpoints.values():
        measured = [value for value in checkpoint.quantities.values() if value is not None]
        assert measured
        assert np.isnan(measured).all()
    assert all(point.step <= diverged.diverged_at for point in diverged.curve)
    assert np.isfinite(list(sound.checkpoints["last"].quantities.values())).all()


def test_a_group_stops_between_chunks_and_reports_on_the_way():
    seen: list[Progress] = []

    with pytest.raises(Stopped):
        run_group([tiny(steps=1000)], 1, seen.append, lambda: len(seen) > 2)
    assert seen[0].phase == "compile"
    assert seen[-1].phase == "train"
    assert 0 < seen[-1].step < 1000
    assert seen[-1].loss > 0


def test_a_group_stops_between_batches_of_evaluation_and_reports_them():
    seen: list[Progress] = []
    spec = tiny("mha", evaluation={"performance_batches": 100})

    with pytest.raises(Stopped):
        run_group([spec], 1, seen.append, lambda: seen[-1].phase == "evaluate")
    assert [progress.phase for progress in seen[-2:]] == ["compile", "evaluate"]
    # 100 batches under 10 shifts; 400 tokens in batches of 50 sequences, and 4 distributions: of two checkpoints.
    assert (seen[-1].batch, seen[-1].batches) == (1, 2 * (1000 + 1 + 4))
    assert run_group([spec], 1, seen.append)[0].status == "done"
    assert seen[-1].batch == seen[-1].batches


def test_a_stop_that_is_heard_at_the_very_end_loses_nothing():
    seen: list[Progress] = []
    (result,) = run_group(
        [tiny()], 1, seen.append, lambda: seen[-1].batch > 0 and seen[-1].batch == seen[-1].batches
    )
    assert result.status == "done"


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_how_evaluation_is_cut_changes_no_bit(architecture, width):
    specs = runs(architecture, seeds=range(width))
    program = CohortProgram(specs[0], width)
    params, data = program.init(specs).params, program.data(specs)
    count = batches_in_all(specs[0]) // 2
    measured = []
    for cuts in ([0, count], [0, 1, 4, 5, count - 1, count]):
        evaluation = Evaluation(program, params, data)
        for first, end in itertools.pairwise(cuts):
            evaluation.measure(first, end)
        measured.append(evaluation.result())
    assert_same(*measured)
    assert all(np.asarray(leaf).any() for leaf in jax.tree.leaves(measured[0]))


def test_a_group_must_be_of_one_cohort_and_fit():
    with pytest.raises(ValueError, match="2 cohorts"):
        run_group([tiny(), tiny(steps=30)], 2)
    with pytest.raises(ValueError, match="1 to 1 runs"):
        run_group([tiny(), tiny(seed=1)], 1)
