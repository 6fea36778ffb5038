"""Linear maps against loops over modules, gradients included; where parameters start."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from modbench.core.spec import RunSpec
from modbench.models.bodies import make_model
from modbench.models.layers import FanOut, Linear, PerModule, TwoLayer, saves_work, uniform
from modbench.models.products import chained, leading_product, product, weighed_sums

MODULES, INPUTS, OUTPUTS = 3, 4, 5


@pytest.fixture
def random():
    return np.random.default_rng(0)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(), (7,), (2, 3)])
def test_linear_maps_against_loops(random, bias, shape):
    x = np.float32(random.standard_normal((*shape, INPUTS)))
    each = np.float32(random.standard_normal((*shape, MODULES, INPUTS)))
    linear = Linear.create(random, INPUTS, OUTPUTS, bias)
    expected = x @ linear.weight + (linear.bias if bias else 0)
    close(linear(x), expected)
    close(linear.leading(x.T).T, expected)
    fan = FanOut.create(random, INPUTS, MODULES, OUTPUTS, bias)
    own = PerModule.create(random, MODULES, INPUTS, OUTPUTS, bias)
    fanned, owned, led = fan.leading(x.T), own(each), own.leading(each.T.swapaxes(0, 1))
    assert (linear.bias is None, fan.bias is None, own.bias is None) == (not bias,) * 3
    assert fanned.shape == led.shape == (MODULES, OUTPUTS, *shape[::-1])
    assert owned.shape == (*shape, MODULES, OUTPUTS)
    for m in range(MODULES):
        close(fanned[m].T, x @ fan.weight[:, m] + (fan.bias[m] if bias else 0))
        close(owned[..., m, :], each[..., m, :] @ own.weight[m] + (own.bias[m] if bias else 0))
        close(led[m].T, owned[..., m, :])


def test_two_layers(random):
    two = TwoLayer.create(random, INPUTS, 6, OUTPUTS)
    x = np.float32(random.standard_normal((7, INPUTS)))
    expected = np.maximum(x @ two.first.weight + two.first.bias, 0) @ two.second.weight + two.second.bias
    close(two(x), expected)
    close(two.leading(x.T).T, expected)


@pytest.mark.parametrize("bias", [True, False])
def test_a_map_of_an_encoded_code_is_one_of_the_code(random, bias):
    """The last inputs are a row of a table: the map on the one-hot code of the row, and its gradients."""
    rules, encoded = 2, 3
    others = np.float32(random.standard_normal((INPUTS - encoded, 7)))
    table = np.float32(random.standard_normal((rules, encoded)))
    code = jax.nn.one_hot(np.array([0, 1, 1, 0, 0, 1, 0]), rules)
    for layer in (
        Linear.create(random, INPUTS, OUTPUTS, bias),
        FanOut.create(random, INPUTS, MODULES, OUTPUTS, bias),
    ):

        def on_code(layer, table):
            return layer.on_code(table).leading(jnp.concatenate([others, code.T]))

        def on_rows(layer, table):
            return layer.leading(jnp.concatenate([others, table.T @ code.T]))

        equal_with_gradients(on_code, on_rows, layer, table)


def test_a_map_after_another_is_one(random):
    x = np.float32(random.standard_normal((INPUTS, 7)))
    before = Linear.create(random, INPUTS, 6)
    for layer in (Linear.create(random, 6, OUTPUTS), FanOut.create(random, 6, MODULES, OUTPUTS)):
        equal_with_gradients(
            lambda before, layer: layer.after(before).leading(x),
            lambda before, layer: layer.leading(before.leading(x)),
            before,
            layer,
        )


@pytest.mark.parametrize("examples", [1, 1000])
def test_a_decoder_takes_the_map_before_it_in_where_that_saves_work(random, examples):
    """With few examples the maps stay apart; the numbers are the same."""
    decode = TwoLayer.create(random, OUTPUTS, 6, 2)
    x = np.float32(random.standard_normal((MODULES, INPUTS, 7)))
    gates = np.float32(random.random((MODULES, 7)))

    def joined(own, decode):
        out, rest = decode.joined(own, MODULES * INPUTS, examples)
        assert (out is own) == (examples == 1)
        return rest(out.mix(x, gates))

    own = PerModule.create(random, MODULES, INPUTS, OUTPUTS)
    equal_with_gradients(joined, lambda own, decode: decode.leading(own.mix(x, gates)), own, decode)

    def single(linear, decode):
        out, rest = decode.joined(linear, INPUTS, examples)
        return rest(out.leading(x[0]))

    linear = Linear.create(random, INPUTS, OUTPUTS)
    equal_with_gradients(single, lambda linear, decode: decode.leading(linear.leading(x[0])), linear, decode)


def test_work_saved_by_one_map_for_two():
    """2 -> 3 -> 4: 24 multiplications put them together, 8 an example instead of 18."""
    assert not saves_work(2, 3, 4, examples=2)
    assert saves_work(2, 3, 4, examples=3)
    assert not saves_work(2, 3, 4, examples=3, maps=2)


def test_weights_in_a_row(random):
    first = np.float32(random.standard_normal((MODULES, INPUTS, 6)))
    second = np.float32(random.standard_normal((6, OUTPUTS)))
    equal_with_gradients(chained, lambda first, second: first @ second, first, second)


def test_weighed_sums(random):
    x = np.float32(random.standard_normal((MODULES, INPUTS, 7)))
    weight = np.float32(random.standard_normal((MODULES, INPUTS)))
    equal_with_gradients(weighed_sums, lambda x, weight: (weight[:, :, None] * x).sum(axis=1), x, weight)


def equal_with_gradients(found, expected, *args):
    """Two functions of pytrees with equal values, and equal gradients of a sum with weights."""
    close(found(*args), expected(*args))
    weights = np.random.default_rng(1).standard_normal(expected(*args).shape).astype(np.float32)
    gradients = [jax.grad(lambda args, f=f: (weights * f(*args)).sum())(args) for f in (found, expected)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), *gradients)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(7,), (2, 3)])
def test_mixing_is_the_sum_of_gated_outputs(random, bias, shape):
    """Also its gradients, by the map that stores every module's output."""
    own = PerModule.create(random, MODULES, INPUTS, OUTPUTS, bias)
    x = np.float32(random.standard_normal((MODULES, INPUTS, *shape)))
    gates = np.float32(random.random((MODULES, *shape)))

    def slowly(own, x, gates):
        outputs = own(x.T.swapaxes(-1, -2))
        return sum(gates[m].T[..., None] * outputs[..., m, :] for m in range(MODULES)).T

    def length(mix):
        return lambda *args: (mix(*args) ** 2).sum()

    close(PerModule.mix(own, x, gates), slowly(own, x, gates))
    ours, theirs = (
        jax.grad(length(mix), argnums=(0, 1, 2))(own, x, gates) for mix in (PerModule.mix, slowly)
    )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), ours, theirs)


def plain_leading(x, weight):
    return jnp.einsum("i...,io->o...", x, weight)


@pytest.mark.parametrize("shape", [(), (7,), (2, 3)])
@pytest.mark.parametrize(("ours", "plainly"), [(product, jnp.matmul), (leading_product, plain_leading)])
def test_gradient_of_a_product(random, ours, plainly, shape):
    """The hand-written gradient is the one JAX would have taken."""
    first, last = ((INPUTS,), shape) if ours is leading_product else (shape, (INPUTS,))
    x = np.float32(random.standard_normal((*first, *last)))
    weight = np.float32(random.standard_normal((INPUTS, OUTPUTS)))
    y, pull = jax.vjp(ours, x, weight)
    expected, plain = jax.vjp(plainly, x, weight)
    close(y, expected)
    toward = np.float32(random.standard_normal(y.shape))
    for found, expected in zip(pull(toward), plain(toward), strict=True):
        assert found.shape == expected.shape
        close(found, expected)


def test_uniform_fills_its_range(random):
    draw = uniform(random, (100, 100), 25)
    assert draw.dtype == np.float32
    assert np.abs(draw).max() <= np.float32(0.2)
    assert np.abs(draw).max() > 0.199
    assert abs(draw.mean()) < 5 * 0.2 / np.sqrt(3) / 100
    assert abs(draw.std() / (0.2 / np.sqrt(3)) - 1) < 0.03


# Fan-in of every parameter by PAPER section 3, at R = M = 4, E = 16, D = 64; a layer's bias starts as its weight.
# MLP: D // M = 16 hidden units. MHA: heads of D // (2M) = 8, I = 17 hidden units. RNN: h = 31.
E, D, R = 16, 64, 4
MLP = {
    "ends.encode_number.first": 1,
    "ends.encode_number.second": E,
    "ends.encode_rule.first": R,
    "ends.encode_rule.second": E,
    "ends.decode.first": D,
    "ends.decode.second": E,
}
MHA = {
    "ends.encode.first": 5 * R,
    "ends.encode.second": E,
    "ends.decode.first": E,
    "ends.decode.second": E,
    "attention.query": E,
    "attention.key": E,
    "attention.value": E,
    "itself": E,
}
RNN = {"ends.encode.first": 32 + R, "ends.encode.second": E}
RNN_MODULAR = RNN | {"ends.decode.first": 31, "ends.decode.second": 31, "from_input": E, "from_hidden": 31}
FAN_IN = {
    ("mlp", "monolithic"): MLP | {"body.first": 3 * E, "body.second": D},
    ("mlp", "gt-modular"): MLP | {"hidden": 3 * E, "out": 16},
    ("mlp", "modular"): MLP | {"hidden": 3 * E, "out": 16, "router.scores.layer": 16},
    ("mlp", "modular-op"): MLP | {"hidden": 3 * E, "out": 16, "router.scores.layer": E},
    ("mlp", "modular-separate"): MLP
    | {"hidden": 3 * E, "out": 16, "router.scores.layer.first": D + R + 2, "router.scores.layer.second": E},
    ("mha", "monolithic"): MHA | {"body.first": 8 * 9, "body.second": 2 * E},
    ("mha", "gt-modular"): MHA | {"hidden": 24, "out": 17},
    ("mha", "modular"): MHA | {"hidden": 24, "out": 17, "router.scores.layer": 17},
    ("mha", "modular-op"): MHA
    | {"hidden": 24, "out": 17, "router.scores.layer.first": R, "router.scores.layer.second": 8},
    ("rnn", "monolithic"): RNN
    | {"ends.decode.first": D, "ends.decode.second": D, "from_input": D, "from_hidden": D},
    ("rnn", "gt-modular"): RNN_MODULAR,
    ("rnn", "modular"): RNN_MODULAR | {"router.scores.layer": 8 * 31},
    ("rnn", "modular-op"): RNN_MODULAR | {"router.scores.layer.first": R, "router.scores.layer.second": 31},
}


def parameters(architecture, name, seed=0):
    spec = RunSpec.of(
        {"architecture": architecture, "num_rules": R}, {"name": name, "encoder_width": E, "model_width": D}
    )
    leaves = jax.tree.leaves_with_path(make_model(np.random.default_rng(seed), spec))
    return {jax.tree_util.keystr(path, simple=True, separator="."): np.asarray(leaf) for path, leaf in leaves}


@pytest.mark.parametrize(("architecture", "name"), FAN_IN)
def test_every_parameter_starts_uniform_in_its_range(architecture, name):
    fan_in, found = FAN_IN[architecture, name], parameters(architecture, name)
    assert {path.rpartition(".")[0] for path in found} == set(fan_in)
    for path, values in found.items():
        bound = 1 / np.sqrt(fan_in[path.rpartition(".")[0]])
        assert values.dtype == np.float32, path
        assert np.abs(values).max() <= bound * (1 + 1e-6), path
        if values.size >= 100:
            assert np.abs(values).max() > 0.9 * bound, path
            assert abs(values.mean()) < 5 * bound / np.sqrt(3 * values.size), path
            assert abs(values.std() - bound / np.sqrt(3)) < bound / np.sqrt(values.size), path


@pytest.mark.parametrize("architecture", ["mlp", "mha", "rnn"])
def test_modules_start_different(architecture):
    found = parameters(architecture, "modular")
    for path, values in found.items():
        if "hidden" in path or path.startswith(("out", "from_", "router")):
            assert len(np.unique(values)) > 0.99 * values.size, path


def test_the_seed_alone_decides():
    first, again, other = (parameters("rnn", "modular", seed) for seed in (3, 3, 4))
    for path, values in first.items():
        np.testing.assert_array_equal(values, again[path])
        assert not np.array_equal(values, other[path])
