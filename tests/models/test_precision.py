"""Products in fewer bits: rounded operands forward and backward in every body, sums in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import Literal
from small_models import examples, small

from modbench.core.names import PRECISIONS
from modbench.models.grouped import dispatch, grouped_product
from modbench.models.layers import PerModule
from modbench.models.precision import matmul, products_in
from modbench.models.products import leading_product, product

BITS = {"float32": 23, "tf32": 10, "bfloat16": 7}
MOVES = {"transpose", "reshape", "broadcast_in_dim", "squeeze", "optimization_barrier"}


def rounded(x, precision):
    """To nearest even by integer arithmetic on the bits of float32."""
    cut = 23 - BITS[precision]
    if cut == 0:
        return np.float32(x)
    bits = np.float32(x).view(np.uint32).astype(np.uint64)
    bits = bits + (1 << (cut - 1)) - 1 + ((bits >> np.uint64(cut)) & np.uint64(1))
    return ((bits >> np.uint64(cut)) << np.uint64(cut)).astype(np.uint32).view(np.float32)


def exact(a, b, precision):
    """The product of rounded operands in double precision."""
    return np.float64(rounded(a, precision)) @ np.float64(rounded(b, precision))


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_operands_are_rounded_to_nearest_even(precision):
    bits = BITS[precision]
    # Between 1 and its neighbour; half way down and half way up, to even; less than half way.
    x = 1 + np.float32([0.75, 0.5, 1.5, 0.25]) * np.float32(2.0**-bits)
    with products_in(precision):
        found = matmul(jnp.diag(x), jnp.eye(4))
    expected = x if precision == "float32" else 1 + np.float32([1, 0, 2, 0]) * np.float32(2.0**-bits)
    np.testing.assert_array_equal(np.diag(found), expected)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_terms_are_added_up_in_float32(precision):
    with products_in(precision):
        found = matmul(jnp.ones((1, 4097)), jnp.ones((4097, 1)))
    assert found.dtype == jnp.float32
    assert found.item() == 4097


@pytest.mark.parametrize(
    ("precision", "operand"), [("float32", "f32"), ("tf32", "f32"), ("bfloat16", "bf16")]
)
def test_an_accelerator_is_given_what_its_matrix_unit_wants(random, monkeypatch, precision, operand):
    a, b = (np.float32(random.standard_normal(shape)) for shape in ((3, 8), (8, 5)))
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    with products_in(precision):
        program = jax.jit(matmul).trace(a, b).lower(lowering_platforms=("cuda",)).as_text()
        found = matmul(jnp.asarray(a), jnp.asarray(b))
    (line,) = [line for line in program.splitlines() if "stablehlo.dot_general" in line]
    level = {"float32": "HIGHEST", "tf32": "HIGH", "bfloat16": "DEFAULT"}[precision]
    assert f"precision = [{level}, {level}]" in line
    assert f"(tensor<3x8x{operand}>, tensor<8x5x{operand}>) -> tensor<3x5xf32>" in line
    close(found, exact(a, b, precision))


def test_a_compiled_function_is_compiled_anew_for_another_precision():
    x, compiled, found = jnp.full((1, 1), 1 + 2.0**-12), jax.jit(matmul), []
    for precision in ("bfloat16", "float32", "tf32"):
        with products_in(precision):
            found.append(compiled(x, jnp.ones((1, 1))).item())
    assert [*found, compiled(x, jnp.ones((1, 1))).item()] == [1, 1 + 2.0**-12, 1, 1 + 2.0**-12]


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("shape", [(5, 4), (4, 5)])
def test_products_and_their_gradients_against_numpy(random, precision, shape):
    weight = np.float32(random.standard_normal(shape))
    x, d_y = (np.float32(random.standard_normal((9, width))) for width in shape)
    with products_in(precision):
        y, pull = jax.vjp(product, x, weight)
        led, pull_led = jax.vjp(lambda x, w: leading_product(x.T, w).T, x, weight)
        gradients, gradients_led = pull(d_y), pull_led(d_y)
    for found in ((y, *gradients), (led, *gradients_led)):
        close(found[0], exact(x, weight, precision))
        close(found[1], exact(d_y, weight.T, precision))
        close(found[2], exact(x.T, d_y, precision))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_products_of_modules_against_numpy(random, precision):
    weight = np.float32(random.standard_normal((3, 4, 5)))
    x, d_y = (np.float32(random.standard_normal((3, width, 9))) for width in (4, 5))
    module = np.repeat(np.arange(3), 9)
    plan = dispatch(jnp.asarray(module), 3)
    with products_in(precision):
        y, pull = jax.vjp(lambda x, w: PerModule(w, None).leading(x), x, weight)
        sides = np.concatenate(x, axis=1), np.concatenate(d_y, axis=1)
        own, pull_own = jax.vjp(
            lambda x, w: grouped_product(x, w, plan), *map(jnp.asarray, (sides[0], weight))
        )
        gradients, gradients_own = pull(d_y), pull_own(jnp.asarray(sides[1]))
    for m in range(3):
        mine = module == m
        for found in ((y[m], gradients[0][m], gradients[1][m]),
                      (own[:, mine], gradients_own[0][:, mine], gradients_own[1][m])):  # fmt: skip
            close(found[0], exact(weight[m].T, x[m], precision))
            close(found[1], exact(weight[m], d_y[m], precision))
            close(found[2], exact(x[m], d_y[m].T, precision))


def dots(jaxpr, known=()):
    """(precision, whether both operands are rounded to TF32) of every product in a program, loops included."""
    fine = set(known)
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        is_fine = [not isinstance(v, Literal) and v in fine for v in equation.invars]
        if name == "reduce_precision":
            assert equation.params["mantissa_bits"] == BITS["tf32"]
            fine.update(equation.outvars)
        elif name in MOVES and all(is_fine):
            fine.update(equation.outvars)
        elif name == "dot_general":
            yield equation.params["precision"], all(is_fine)
        for value in jax.tree.leaves(list(equation.params.values()), is_leaf=lambda p: hasattr(p, "eqns")):
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                # Only a plain call hands its operands on one by one.
                given = zip(inner.invars, is_fine, strict=True) if name in ("pjit", "jit") else ()
                yield from dots(inner, [v for v, handed in given if handed])


@pytest.mark.parametrize("architecture", ["mlp", "mha", "rnn"])
@pytest.mark.parametrize("model", ["monolithic", "modular", "modular-op", "gt-modular", "modular-separate"])
def test_every_product_of_a_body_and_its_gradient_is_rounded(architecture, model):
    body, batch = small(architecture, name=model), examples(architecture)

    def loss(params):
        return (body.plainly(params, *batch).prediction ** 2).sum()

    with products_in("tf32"):
        program = jax.make_jaxpr(jax.value_and_grad(loss))(body.params)
    found = list(dots(program.jaxpr))
    scores = [fine for precision, fine in found if set(precision) == {jax.lax.Precision.HIGHEST}]
    products = [fine for precision, fine in found if set(precision) == {jax.lax.Precision.HIGH}]
    assert len(found) == len(scores) + len(products)
    assert len(products) >= 6
    assert all(products)
    # The scores of a joint router are sums in float32, as those of attention are.
    assert bool(scores) == (model == "modular")


@pytest.mark.parametrize("architecture", ["mlp", "mha", "rnn"])
def test_predictions_are_near_those_of_float32(architecture):
    body, batch = small(architecture, name="modular"), examples(architecture)
    found = {}
    for precision in PRECISIONS:
        with products_in(precision):
            found[precision] = np.asarray(body(*batch).prediction)
    size = np.abs(found["float32"]).mean()
    errors = {name: np.abs(values - found["float32"]).mean() / size for name, values in found.items()}
    np.testing.assert_array_equal(body(*batch).prediction, found["float32"])
    assert 0 < errors["tf32"] < 2e-3
    assert errors["tf32"] < errors["bfloat16"] < 2e-2
