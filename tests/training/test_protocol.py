"""The training protocol against the same steps written out one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from modbench.evaluation.group import run_group
from modbench.training.cohort import CohortProgram, curve_steps, replica
from modbench.training.streams import Purpose, stream
from modbench.training.trainer import Trainer
from tiny_runs import tiny


def plain(spec, steps):
    """Parameters after training without replicas, loops or our update rule: optax, step by step."""
    trainer = Trainer(spec)
    data, params = jax.tree.map(jnp.asarray, (trainer.data(spec), trainer.params(spec)))
    milestones = dict.fromkeys(spec.train.halve_learning_rate_at, 0.5)
    rate = optax.piecewise_constant_schedule(spec.train.learning_rate, milestones)
    clip = optax.clip_by_global_norm(spec.train.clip_norm) if spec.train.clip_norm else optax.identity()
    optimiser = optax.chain(clip, optax.scale_by_adam(), optax.scale_by_learning_rate(rate))
    state = optimiser.init(params)

    @jax.jit
    def update(params, state, step):
        batch, routing = (stream(data.seeds, p, step) for p in (Purpose.BATCHES, Purpose.ROUTING))
        gradient = jax.grad(trainer.loss)(params, data, batch, routing)
        updates, state = optimiser.update(gradient, state)
        return optax.apply_updates(params, updates), state, optax.tree.norm(gradient)

    norms = []
    for step in range(steps):
        params, state, norm = update(params, state, step)
        norms.append(float(norm))
    return params, norms


@pytest.mark.parametrize(
    ("architecture", "train"),
    [
        ("mlp", {}),
        ("mlp", {"halve_learning_rate_at": [3, 6]}),
        ("mha", {}),
        ("rnn", {"clip_norm": 0.01}),
    ],
)
def test_training_is_the_plain_loop(architecture, train):
    spec = tiny(architecture, train=train)
    program = CohortProgram(spec, 2)
    runs = [tiny(architecture, train=train, seed=7), spec]
    ours = replica(program.advance(program.init(runs), program.data(runs), 0, 10), 1)
    theirs, norms = plain(spec, 10)
    for x, y in zip(jax.tree.leaves(ours.params), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-4)
    if "clip_norm" in train:
        assert max(norms) > train["clip_norm"], "the case must clip, or it tests nothing"


def test_a_milestone_halves_the_rate_of_the_update_with_that_number():
    trainer = Trainer(tiny(train={"halve_learning_rate_at": [3, 6]}))
    factors = [float(trainer._schedule(jnp.int32(step))) for step in (0, 2, 3, 5, 6, 100)]
    assert factors == [1, 1, 0.5, 0.5, 0.25, 0.25]


def test_the_curve_starts_before_training_and_always_ends_with_it():
    assert curve_steps(100_000, 5_000) == list(range(0, 100_001, 5_000))
    assert len(curve_steps(100_000, 5_000)) == 21
    assert curve_steps(25, 10) == [0, 10, 20, 25]
    assert curve_steps(5, 10) == [0, 5]


@pytest.mark.parametrize("kind", ["regression", "classification"])
def test_best_is_the_first_checkpoint_with_the_best_selection_score(kind):
    spec = tiny(kind=kind, steps=60, evaluation={"curve_every": 5}, train={"learning_rate": 0.05})
    result = run_group([spec], 1)[0]
    assert [point.step for point in result.curve] == list(range(0, 61, 5))
    score = "selection_loss" if kind == "regression" else "selection_error"
    scores = [getattr(point, score) for point in result.curve]
    assert result.checkpoints["best"].step == result.curve[int(np.argmin(scores))].step
    assert result.checkpoints["last"].step == 60
    first = result.curve[0]
    assert first.loss != first.selection_loss, "curve and selection use samples of their own"
    assert len({point.metrics["alignment"] for point in result.curve}) == len(result.curve)


def test_the_streams_of_a_run_are_shared_by_what_must_be_paired():
    base = tiny("mha", num_rules=2)
    paired = [
        tiny("mha", "monolithic"),
        tiny("mha", kind="classification"),
        tiny("mha", task={"task_seed": 3}),
        tiny("mha", model_width=32),
    ]
    apart = [
        tiny("mha", seed=1),
        tiny("mha", num_rules=4),
        tiny("rnn"),
        tiny("mha", task={"search_version": 2}),
    ]
    seeds = Trainer(base).data(base).seeds
    assert len({tuple(words) for words in np.asarray(seeds)}) == len(Purpose)
    for other in paired:
        np.testing.assert_array_equal(seeds, Trainer(other).data(other).seeds)
    for other in apart:
        assert not np.intersect1d(seeds, Trainer(other).data(other).seeds).size
