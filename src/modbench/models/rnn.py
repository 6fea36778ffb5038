"""RNN bodies: an LSTM, or M LSTM cells that share one state and are mixed at every step (PAPER section 3).

Features lead and examples come last, as `recurrence` wants them. Axes: B sequences, N steps, M modules, h hidden
width. The gate blocks of a cell are in the order i, f, o, g; a cell map has modules x blocks x h outputs.
"""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from modbench.core import geometry
from modbench.core.spec import RunSpec
from modbench.models import sizing
from modbench.models.base import Model, Output, rule_code
from modbench.models.grouped import dispatch
from modbench.models.layers import Linear, TwoLayer, uniform
from modbench.models.products import add_modules
from modbench.models.recurrence import Weights, recur
from modbench.models.routing import Modules, Router, Seen, Sizes

BLOCKS = 4


class _Ends(eqx.Module):
    """The encoder before and the decoder after every RNN body, acting on each step."""

    encode: TwoLayer
    decode: TwoLayer
    rules: int = eqx.field(static=True)
    scalar: bool = eqx.field(static=True)

    @classmethod
    def create(cls, random: np.random.Generator, spec: RunSpec, hidden: int) -> "_Ends":
        e, inputs, rules = spec.model.encoder_width, sizing.input_width(spec), spec.task.num_rules
        scalar = spec.task.kind == "classification"
        return cls(
            TwoLayer.create(random, inputs + rules, e, e),
            TwoLayer.create(random, hidden, hidden, 1 if scalar else inputs),
            rules,
            scalar,
        )

    def encode_steps(self, inputs: Float[Array, "B N F"], rule: Int[Array, "B N"]) -> Float[Array, "N E B"]:
        seen = jnp.concatenate([inputs, rule_code(rule, self.rules)], axis=-1)
        return self.encode.turning(seen).swapaxes(0, 1)

    def decode_steps(self, hidden: Float[Array, "N h B"]) -> Float[Array, "B N ..."]:
        prediction = self.decode.leading(hidden.swapaxes(0, 1)).T
        return prediction[..., 0] if self.scalar else prediction


def _sigmoid(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """The logistic function; through tanh it costs XLA half of what it does through exp and a division."""
    return 0.5 * jnp.tanh(0.5 * x) + 0.5


def _cell(
    blocks: Float[Array, "... 4 h B"], cell: Float[Array, "h B"]
) -> tuple[Float[Array, "... h B"], Float[Array, "... h B"]]:
    """The LSTM equations: c' = f c + i g, h' = o tanh(c')."""
    # Split, not indexed: the gradient is then one array put together, where indexing pads and adds four.
    i, f, o, g = (jnp.squeeze(block, -3) for block in jnp.split(blocks, BLOCKS, axis=-3))
    i, f, o = _sigmoid(i), _sigmoid(f), _sigmoid(o)
    if f.ndim > cell.ndim:
        cell = _shared(cell, f.shape[0])
    cell = f * cell + i * jnp.tanh(g)
    return o * jnp.tanh(cell), cell


def _cell_map(random: np.random.Generator, inputs: int, modules: int, hidden: int) -> Linear:
    """The cells' maps side by side. They are drawn blocks first, as they always were: equal seeds, equal weights."""
    weight = Linear.create(random, inputs, BLOCKS * modules * hidden, bias=False).weight
    by_module = weight.reshape(inputs, BLOCKS, modules, hidden).swapaxes(1, 2)
    return Linear(by_module.reshape(inputs, -1), None)


class RnnMonolithic(Model):
    """One LSTM cell of width D with both biases."""

    ends: _Ends
    from_input: Linear
    from_hidden: Linear

    @classmethod
    def create(cls, random: np.random.Generator, spec: RunSpec) -> "RnnMonolithic":
        """Draws the model; every weight and bias of the cell starts as U(+-1/sqrt(D))."""
        e, d = spec.model.encoder_width, spec.model.model_width
        return cls(
            _Ends.create(random, spec, d),
            Linear(uniform(random, (e, 4 * d), d), uniform(random, (4 * d,), d)),
            Linear(uniform(random, (d, 4 * d), d), uniform(random, (4 * d,), d)),
        )

    def __call__(
        self,
        inputs: Float[Array, "B N F"],
        rule: Int[Array, "B N"],
        *,
        key: Key[Array, ""] | None = None,
        length: Int[Array, ""] | None = None,
    ) -> Output:
        """See `Model`; a step depends on the past alone, so `length` changes nothing."""
        del key, length

        def step(bias: Array, drives: tuple[Array], cell: Array, learned: None, given: None) -> tuple:
            del learned, given
            hidden, cell = _cell((drives[0] + bias[:, None]).reshape(BLOCKS, *cell.shape), cell)
            return hidden, cell, None

        assert self.from_input.bias is not None
        assert self.from_hidden.bias is not None
        weights = Weights(self.from_input.weight, self.from_hidden.weight)
        bias = self.from_input.bias + self.from_hidden.bias
        hidden, _ = recur(step, bias, weights, self.ends.encode_steps(inputs, rule))
        return Output(self.ends.decode_steps(hidden), None)


class RnnModular(Model):
    """M LSTM cells without biases reading the same (h, c); the new h and c are gate-weighted sums over them."""

    ends: _Ends
    from_input: Linear
    from_hidden: Linear
    router: Router

    @classmethod
    def create(cls, random: np.random.Generator, spec: RunSpec) -> "RnnModular":
        """Draws the model."""
        e, modules = spec.model.encoder_width, spec.model.num_modules
        assert modules is not None
        hidden = geometry.rnn_hidden_width(e, spec.model.model_width, modules)
        sizes = Sizes(
            rules=spec.task.num_rules,
            modules=modules,
            inputs=sizing.input_width(spec),
            features=8 * hidden,
            outputs=hidden,
            hidden=e,
            joint_bias=False,
            rule_features=None,
            rule_hidden=hidden,
            rule_bias=False,
        )
        return cls(
            _Ends.create(random, spec, hidden),
            _cell_map(random, e, modules, hidden),
            _cell_map(random, hidden, modules, hidden),
            Router.create(random, spec.model, sizes),
        )

    def __call__(
        self,
        inputs: Float[Array, "B N F"],
        rule: Int[Array, "B N"],
        *,
        key: Key[Array, ""] | None = None,
        length: Int[Array, ""] | None = None,
    ) -> Output:
        """See `Model`; a step depends on the past alone, so `length` changes nothing."""
        del length
        code = rule_code(rule.T, self.ends.rules)
        seen = Seen(code, None, inputs.swapaxes(0, 1))
        weights = Weights(self.from_input.weight, self.from_hidden.weight)
        encoded = self.ends.encode_steps(inputs, rule)
        if self.router.selects_by_rule:
            return Output(
                self.ends.decode_steps(self._run_own_module(weights, encoded, rule)), code.swapaxes(0, 1)
            )
        run = self._run_then_route if self.router.reads_modules else self._route_then_run
        hidden, gates = run(weights, encoded, seen, key)
        return Output(self.ends.decode_steps(hidden), gates.swapaxes(0, 1))

    def _run_own_module(
        self, weights: Weights, encoded: Float[Array, "N E B"], rule: Int[Array, "B N"]
    ) -> Float[Array, "N h B"]:
        """Each example runs the cell of its rule alone."""
        rules = self.ends.rules
        plan = jax.vmap(dispatch, in_axes=(0, None))(rule.T, rules)
        own = Weights(*(weight.reshape(weight.shape[0], rules, -1).swapaxes(0, 1) for weight in weights))

        def step(params: None, drives: tuple[Array], cell: Array, learned: None, given: None) -> tuple:
            del params, learned, given
            return *_cell(drives[0].reshape(BLOCKS, *cell.shape), cell), None

        return recur(step, None, own, encoded, plan=plan)[0]

    def _route_then_run(
        self, weights: Weights, encoded: Float[Array, "N E B"], seen: Seen, key: Key[Array, ""] | None
    ) -> tuple[Float[Array, "N h B"], Float[Array, "N B M"]]:
        """Gates that depend on what is given alone are known before the first step."""
        gates = self.router(seen, key)

        def step(params: None, drives: tuple[Array], cell: Array, gates: Array, given: None) -> tuple:
            del params, given
            return *_mixed(*_cell(drives[0].reshape(-1, BLOCKS, *cell.shape), cell), gates), None

        hidden, _ = recur(step, None, weights, encoded, gates.swapaxes(1, 2))
        return hidden, gates

    def _run_then_route(
        self, weights: Weights, encoded: Float[Array, "N E B"], seen: Seen, key: Key[Array, ""] | None
    ) -> tuple[Float[Array, "N h B"], Float[Array, "N B M"]]:
        """The router looks at the modules of each step, at both of their products."""
        params, router = eqx.partition(self.router, eqx.is_array)
        keys = None if key is None else jax.random.split(key, encoded.shape[0])

        def step(
            params: PyTree, drives: tuple[Array, Array], cell: Array, learned: None, given: tuple
        ) -> tuple:
            del learned
            code, inputs, key = given
            hidden, new_cell = _cell((drives[0] + drives[1]).reshape(-1, BLOCKS, *cell.shape), cell)
            # Of every module the blocks of the one product, then those of the other.
            features = tuple(
                jax.nn.relu(drive.reshape(hidden.shape[0], -1, drive.shape[-1])) for drive in drives
            )
            seen = Seen(code, None, inputs, Modules(features, lambda: hidden))
            gates = eqx.combine(params, router)(seen, key)
            return *_mixed(hidden, new_cell, gates.T), gates

        given = (seen.rule_code, seen.inputs, keys)
        return recur(step, params, weights, encoded, given=given, apart=True)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _shared(cell: Float[Array, "h B"], modules: int) -> Float[Array, "M h B"]:
    """The cell state that every module reads."""
    return jnp.broadcast_to(cell, (modules, *cell.shape))


def _shared_forward(cell: Array, modules: int) -> tuple[Array, None]:
    return _shared(cell, modules), None


def _shared_backward(modules: int, remembered: None, gradient: Array) -> tuple[Array]:
    del modules, remembered
    return (add_modules(gradient),)


_shared.defvjp(_shared_forward, _shared_backward)


@jax.custom_vjp
def _mixed(
    hidden: Float[Array, "M h B"], cell: Float[Array, "M h B"], gates: Float[Array, "M B"]
) -> tuple[Float[Array, "h B"], Float[Array, "h B"]]:
    """The gate-weighted sums over modules."""
    weights = jnp.broadcast_to(gates[:, None], hidden.shape)
    return add_modules(weights * hidden), add_modules(weights * cell)


def _mixed_forward(hidden: Array, cell: Array, gates: Array) -> tuple[tuple[Array, Array], tuple[Array, ...]]:
    return _mixed(hidden, cell, gates), (hidden, cell, gates)


def _mixed_backward(modules: tuple[Array, ...], gradients: tuple[Array, Array]) -> tuple[Array, ...]:
    hidden, cell, gates = modules
    d_hidden, d_cell = (jnp.broadcast_to(gradient, hidden.shape) for gradient in gradients)
    weights = gates[:, None]
    return weights * d_hidden, weights * d_cell, (d_hidden * hidden + d_cell * cell).sum(axis=1)


_mixed.defvjp(_mixed_forward, _mixed_backward)
