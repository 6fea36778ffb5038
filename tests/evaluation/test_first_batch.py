"""A router of one's own that gives no legal gates: refused on its first batches, or recorded as failed."""

import functools
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from modbench.core.errors import RequestError
from modbench.core.names import GATES, SCORES
from modbench.evaluation import group
from modbench.evaluation.first_batch import check_router
from modbench.evaluation.group import run_group
from modbench.models.routing import (
    GATE_CLASSES,
    SCORE_CLASSES,
    Gates,
    Scores,
    Softmax,
    register_gates,
    register_scores,
)
from modbench.training.cohort import CohortProgram
from modbench.training.trainer import Trainer
from tiny_runs import tiny

ARCHITECTURES = ("mlp", "mha", "rnn")
soft = functools.partial(jax.nn.softmax, axis=-1)
calls = itertools.count()


@jax.jit
def jitted_noise(scores):
    return soft(scores + np.random.default_rng(next(calls)).normal(size=scores.shape[-1]).astype(np.float32))


def noisy(scores):
    return soft(scores + np.random.normal(size=scores.shape[-1]).astype(np.float32))


def called_back(scores):
    def draw(scores):
        return np.asarray(scores) + np.random.default_rng(next(calls)).normal(size=1).astype(np.float32)

    first = jax.pure_callback(
        draw, jax.ShapeDtypeStruct(scores[..., :1].shape, jnp.float32), jax.lax.stop_gradient(scores[..., :1])
    )
    return soft(jnp.concatenate([first, scores[..., 1:]], axis=-1))


def wave(scores):
    """Sums to 1 and lies in -0.2 .. 1.2, so that means are legal and single examples are not."""
    first = 0.5 + 0.7 * jnp.sin(2000 * (scores[..., :1] - scores[..., 1:2]))
    return jnp.concatenate([first, 1 - first], axis=-1)


WRONG = {
    "integers": (lambda s, key: jnp.ones(s.shape, int), "gates must be real numbers such as float32, got dtype int32"),
    "booleans": (lambda s, key: s > 0, "gates must be real numbers such as float32, got dtype bool"),
    "complex": (lambda s, key: soft(s) + 0j, "gates must be real numbers such as float32, got dtype complex64"),
    "none": (lambda s, key: None, "gates must be an array, got NoneType"),
    "pair": (lambda s, key: (soft(s), s), "gates must be an array, got tuple"),
    "transposed": (lambda s, key: soft(s).T, "gates must have a number per example and module, shape ("),
    "fewer": (lambda s, key: soft(s)[..., :1], "gates must have a number per example and module, shape ("),
    "negative": (lambda s, key: wave(s), "gates must be non-negative, got gates["),
    "large": (lambda s, key: jax.nn.sigmoid(s), "every row of gates must sum to 1 within 0.001, got "),
    "infinite": (lambda s, key: soft(s) / 0, "gates must be finite, got gates["),
    "not numbers": (lambda s, key: soft(s * jnp.nan), "gates must be finite, got gates["),
    "half, large": (lambda s, key: 2 * soft(s.astype(jnp.bfloat16)), "every row of gates must sum to 1"),
    "training": (lambda s, key: soft(s) if key is None else 2 * soft(s), "in the first training batch"),
    "evaluation": (lambda s, key: 2 * soft(s) if key is None else soft(s), "in the first evaluation batch"),
    "NumPy": (lambda s, key: noisy(s), "must be the same each time"),
    "NumPy in evaluation": (lambda s, key: noisy(s) if key is None else soft(s), "of the same evaluation batch must"),
    "NumPy in training": (lambda s, key: soft(s) if key is None else noisy(s), "of the same training batch must"),
    "NumPy under jit": (lambda s, key: jitted_noise(s), "must be the same each time"),
    "NumPy while it runs": (lambda s, key: called_back(s), "must be the same each time"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def registered():
    """What a test registers is forgotten afterwards."""
    registries = (GATES, SCORES, GATE_CLASSES, SCORE_CLASSES)
    before = [dict(registry) for registry in registries]
    yield
    for registry, entries in zip(registries, before, strict=True):
        registry.clear()
        registry.update(entries)


def own(function, architecture="mlp", **fields):
    """A run whose gates are those of the function."""

    @register_gates("mine", "of a test")
    class Mine(Gates):
        def __call__(self, scores, key):
            return function(scores, key)

    return tiny(architecture, {"scores": "joint", "gates": "mine"}, **fields)


@pytest.mark.parametrize("wrong", WRONG)
def test_illegal_gates_are_refused_before_anything_is_trained(wrong, monkeypatch):
    monkeypatch.setattr(group, "_train", lambda *args: pytest.fail("trained"))
    function, message = WRONG[wrong]
    with pytest.raises(RequestError) as refused:
        run_group([own(function)], 1)
    text = str(refused.value)
    assert text.startswith("gates 'mine' (class Mine): ")
    assert message in text
    assert "\n" not in text


@pytest.mark.parametrize("architecture", ["mha", "rnn"])
@pytest.mark.parametrize("wrong", ["integers", "transposed", "negative", "NumPy"])
def test_in_the_other_architectures(architecture, wrong):
    function, message = WRONG[wrong]
    spec = own(function, architecture)
    with pytest.raises(RequestError) as refused:
        check_router(Trainer(spec), spec)
    assert message in str(refused.value)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_legal_gates_pass(architecture):
    """Noise by the key, a callback that computes, one-hot gates, a constant drawn from a fixed generator."""
    fixed = np.random.default_rng(0).normal(size=2).astype(np.float32)

    def function(scores, key):
        if key is not None:
            scores = scores + jax.random.normal(key, scores.shape)
        shape = jax.ShapeDtypeStruct(scores.shape, jnp.float32)
        kept = jax.lax.stop_gradient(scores)
        same = jax.pure_callback(np.asarray, shape, kept, vmap_method="sequential") - kept
        return jax.nn.one_hot(jnp.argmax(scores + same + fixed, axis=-1), 2)

    spec = own(function, architecture)
    check_router(Trainer(spec), spec)


def test_scores_of_ones_own_are_asked_too():
    @register_scores("drawn", "parameters from elsewhere")
    class Drawn(Scores):
        table: jax.Array

        @classmethod
        def create(cls, random, sizes):
            return cls(np.random.normal(size=(sizes.rules, sizes.modules)).astype(np.float32))

        def __call__(self, seen):
            return seen.rule_code @ self.table

    spec = tiny(model={"scores": "drawn", "gates": "softmax"})
    with pytest.raises(
        RequestError, match=r"^scores 'drawn' \(class Drawn\): first parameters must be drawn by"
    ):
        check_router(Trainer(spec), spec)


def test_modbenchs_own_routers_are_not_asked(monkeypatch):
    monkeypatch.setattr(Trainer, "params", lambda *args: pytest.fail("asked"))
    for model in ("monolithic", "modular", "gt-modular"):
        spec = tiny(model=model)
        trainer = Trainer(spec)
        check_router(trainer, spec)
        assert not trainer.watches_gates


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gates_of_fewer_bits_are_trained(architecture, dtype):
    """Of three modules with equal gates bfloat16 makes a sum of 1.002, which the metrics would refuse."""
    function = lambda scores, key: soft((0 * scores).astype(dtype))  # noqa: E731
    spec = own(function, architecture, num_rules=3, steps=2)
    check_router(Trainer(spec), spec)
    if architecture == "mlp":
        (result,) = run_group([spec], 1)
        assert result.status == "done"
        np.testing.assert_allclose(result.checkpoints["last"].activation, np.full((3, 3), 1 / 3), rtol=1e-5)


def test_a_softmax_of_ones_own_is_asked_where_the_rule_is_known():
    """GT-Modular's short cut is for modbench's own softmax: a subclass has another answer."""

    @register_gates("mine", "not the rule's module alone")
    class Mine(Softmax):
        def __call__(self, scores, key):
            return 0.5 * super().__call__(scores, key) + 0.25

    for architecture in ("mlp", "rnn"):
        spec = tiny(architecture, {"scores": "oracle", "gates": "mine"})
        trainer = Trainer(spec)
        data = trainer.data(spec)
        batch = trainer.task.batch(data.coefficients, *trainer.task.draw(jax.random.key(0), 4, spec.length))
        gates = trainer.model(trainer.params(spec))(batch.inputs, batch.rule).gates
        np.testing.assert_allclose(gates, 0.25 + 0.5 * np.eye(2)[batch.rule])


def test_a_name_that_is_registered_again_stands_for_the_new_class():
    for share in (0.25, 0.75):
        gates = lambda scores, key, share=share: 0 * scores + jnp.array([share, 1 - share])  # noqa: E731
        (result,) = run_group([own(gates, steps=2)], 1)
        np.testing.assert_allclose(result.checkpoints["last"].activation, [[share, 1 - share]] * 2, rtol=1e-5)


# --- gates that become illegal while the run trains


def late(scores, key):
    """Legal on the first batches, as the check is left out; the means are legal throughout."""
    return wave(scores)


def test_gates_found_illegal_later_are_a_failed_run(monkeypatch):
    monkeypatch.setattr(group, "check_router", lambda *args: None)
    first, second = run_group([own(late, seed=seed, steps=2) for seed in (0, 1)], 2)
    for result in (first, second):
        assert result.status == "failed"
        assert result.reason.startswith("router 'joint' with gates 'mine', after ")
        assert re.search(r"gates must not be negative, got -0\.(2|199\d*) in an example$", result.reason)
        assert result.checkpoints == {}
        assert result.curve == []


def test_sums_found_illegal_later_are_a_failed_run(monkeypatch):
    monkeypatch.setattr(group, "check_router", lambda *args: None)
    (result,) = run_group([own(lambda scores, key: 0.9 * soft(scores), steps=2)], 1)
    assert result.status == "failed"
    assert "gates must sum to 1 within 0.001, got a sum that is 0.1 off" in result.reason


def test_single_positions_are_watched_at_every_point_of_the_curve():
    spec = own(late)
    program = CohortProgram(spec, 1)
    _, point = program.measure(program.init([spec]), program.data([spec]), 0)
    below, apart = np.asarray(point.gates.excess)[0]
    assert below == pytest.approx(0.2, abs=0.01)
    assert apart < 1e-6
    assert (np.asarray(point.gates.mass) > 0).all()


def test_the_programs_of_modbenchs_own_routers_measure_nothing_more():
    spec = tiny()
    program = CohortProgram(spec, 1)
    _, point = program.measure(program.init([spec]), program.data([spec]), 0)
    assert point.gates.excess is None
