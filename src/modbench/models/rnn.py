"""RNN bodies: an LSTM, or M LSTM cells that share one state and are mixed at every step (PAPER section 3).

Axes: B sequences, N steps, M modules, h hidden width. The gate blocks of a cell are in the order i, f, o, g; a
cell map has blocks x modules x h outputs.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PyTree

from modbench.core.spec import RunSpec
from modbench.models import sizing
from modbench.models.base import Model, Output, rule_code
from modbench.models.layers import Linear, TwoLayer, add_bias, uniform
from modbench.models.recurrence import recur
from modbench.models.routing import Router, Seen, Sizes


class _Ends(eqx.Module):
    """The encoder before and the decoder after every RNN body, acting on each step."""

    encode: TwoLayer
    decode: TwoLayer
    scalar: bool = eqx.field(static=True)

    @classmethod
    def create(cls, random: np.random.Generator, spec: RunSpec, hidden: int) -> "_Ends":
        e, inputs = spec.model.encoder_width, sizing.input_width(spec)
        scalar = spec.task.kind == "classification"
        return cls(
            TwoLayer.create(random, inputs + spec.task.num_rules, e, e),
            TwoLayer.create(random, hidden, hidden, 1 if scalar else inputs),
            scalar,
        )

    def decode_steps(self, hidden: Float[Array, "N B h"]) -> Float[Array, "B N ..."]:
        prediction = self.decode(hidden).swapaxes(0, 1)
        return prediction[..., 0] if self.scalar else prediction


def _cell(
    blocks: Float[Array, "B 4 ..."], cell: Float[Array, "B ..."]
) -> tuple[Float[Array, "B ..."], Float[Array, "B ..."]]:
    """The LSTM equations: c' = f c + i g, h' = o tanh(c'). Blocks come first, so that each lies together."""
    i, f, o, g = (jnp.squeeze(block, 1) for block in jnp.split(blocks, 4, axis=1))
    cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(cell), cell


class RnnMonolithic(Model):
    """One LSTM cell of width D with both biases."""

    ends: _Ends
    from_input: Linear
    from_hidden: Linear
    num_rules: int = eqx.field(static=True)

    @classmethod
    def create(cls, random: np.random.Generator, spec: RunSpec) -> "RnnMonolithic":
        """Draws the model; every weight and bias of the cell starts as U(+-1/sqrt(D))."""
        e, d = spec.model.encoder_width, spec.model.model_width
        return cls(
            _Ends.create(random, spec, d),
            Linear(uniform(random, (e, 4 * d), d), uniform(random, (4 * d,), d)),
            Linear(uniform(random, (d, 4 * d), d), uniform(random, (4 * d,), d)),
            spec.task.num_rules,
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
        seen = jnp.concatenate([inputs, rule_code(rule, self.num_rules)], axis=-1)
        drive = self.from_input(self.ends.encode(seen.swapaxes(0, 1)))
        drive = add_bias(drive, self.from_hidden.bias)

        def step(params: None, drive: Array, given: None, recurrent: Array, cell: Array) -> tuple:
            del params, given
            hidden, cell = _cell((drive + recurrent).reshape(-1, 4, cell.shape[-1]), cell)
            return hidden, cell, None

        hidden, _ = recur(step, None, self.from_hidden.weight, drive, None)
        return Output(self.ends.decode_steps(hidden), None)


class RnnModular(Model):
    """M LSTM cells without biases reading the same (h, c); the new h and c are gate-weighted sums over them."""

    ends: _Ends
    from_input: Linear
    from_hidden: Linear
    router: Router
    num_rules: int = eqx.field(static=True)

    @classmethod
    def create(cls, random: np.random.Generator, spec: RunSpec) -> "RnnModular":
        """Draws the model."""
        e, modules = spec.model.encoder_width, spec.model.num_modules
        assert modules is not None
        hidden = sizing.rnn_hidden_width(e, spec.model.model_width, modules)
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
            Linear.create(random, e, 4 * modules * hidden, bias=False),
            Linear.create(random, hidden, 4 * modules * hidden, bias=False),
            Router.create(random, spec.model, sizes),
            spec.task.num_rules,
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
        inputs, code = inputs.swapaxes(0, 1), rule_code(rule.swapaxes(0, 1), self.num_rules)
        drive = self.from_input(self.ends.encode(jnp.concatenate([inputs, code], axis=-1)))
        known = None if self.router.reads_modules else self.router(Seen(code, None, inputs), key)
        keys = None if key is None or known is not None else jax.random.split(key, inputs.shape[0])
        params, router = eqx.partition(self.router, eqx.is_array)
        width = self.from_hidden.weight.shape[0]

        def step(params: PyTree, learned: tuple, given: tuple, recurrent: Array, cell: Array) -> tuple:
            (drive, gates), (code, inputs, key) = learned, given
            shape = (drive.shape[0], 4, -1, width)
            module_hidden, module_cell = _cell((drive + recurrent).reshape(shape), cell[:, None, :])
            if gates is None:
                both = jnp.concatenate([drive.reshape(shape), recurrent.reshape(shape)], axis=1)
                features = jax.nn.relu(both).swapaxes(1, 2).reshape(drive.shape[0], -1, 8 * width)
                seen = Seen(code, None, inputs, features, lambda: module_hidden)
                gates = eqx.combine(params, router)(seen, key)
            weights = gates[..., None]
            return (weights * module_hidden).sum(axis=1), (weights * module_cell).sum(axis=1), gates

        hidden, gates = recur(step, params, self.from_hidden.weight, (drive, known), (code, inputs, keys))
        return Output(self.ends.decode_steps(hidden), gates.swapaxes(0, 1))
