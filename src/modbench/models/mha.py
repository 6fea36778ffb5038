"""MHA bodies: one attention layer whose modules share it out among their heads (PAPER section 3).

No residual, no normalisation, no positions; a token attends to the other tokens only. Features lead and sequences
come last. Axes: B sequences, N tokens, H heads, h head width, M modules.
"""

from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from modbench.core import geometry
from modbench.core.spec import RunSpec
from modbench.core.task_spec import MhaTask
from modbench.models import sizing
from modbench.models.attention import attend
from modbench.models.base import Model, Output, rule_code
from modbench.models.layers import FanOut, Linear, PerModule, TwoLayer, saves_work
from modbench.models.routing import Modules, Router, Seen, Sizes

HEADS_PER_MODULE = 2

Itself = TypeVar("Itself", Linear, FanOut)
"""What a token sees of itself, by one map or by one of every module."""


class _Attention(eqx.Module):
    """Heads that look at the other tokens."""

    query: Linear
    key: Linear
    value: Linear
    heads: int = eqx.field(static=True)

    @classmethod
    def create(cls, random: np.random.Generator, inputs: int, heads: int, width: int) -> "_Attention":
        return cls(*(Linear.create(random, inputs, heads * width) for _ in range(3)), heads=heads)

    def after(self, before: Linear) -> "_Attention":
        """The same on what another map makes of the tokens."""
        return _Attention(
            self.query.after(before), self.key.after(before), self.value.after(before), self.heads
        )

    def __call__(
        self, tokens: Float[Array, "E N B"], length: Int[Array, ""] | None
    ) -> Float[Array, "H h N B"]:
        query, key, value = (
            layer.leading(tokens).reshape(self.heads, -1, *tokens.shape[1:])
            for layer in (self.query, self.key, self.value)
        )
        hidden = jnp.eye(tokens.shape[1], dtype=bool)
        if length is not None:
            hidden = hidden | (jnp.arange(tokens.shape[1]) >= length)[None, :]
        return attend(query, key, value, hidden)


class _Ends(eqx.Module):
    """The token encoder before and the decoder after every MHA body."""

    encode: TwoLayer
    decode: TwoLayer

    @classmethod
    def create(cls, random: np.random.Generator, spec: RunSpec) -> "_Ends":
        e = spec.model.encoder_width
        return cls(
            TwoLayer.create(random, sizing.input_width(spec) + spec.task.num_rules, e, e),
            TwoLayer.create(random, e, e, 1),
        )

    def encode_tokens(
        self,
        inputs: Float[Array, "B N F"],
        code: Float[Array, "B N R"],
        attention: _Attention,
        itself: Itself,
    ) -> tuple[Float[Array, "E N B"], _Attention, Itself]:
        """Encoded tokens and the maps that read them: the encoder's last layer goes into these if that saves work."""
        hidden = self.encode.turned_hidden(jnp.concatenate([inputs, code], axis=-1))
        last = self.encode.second
        width = last.weight.shape[0]
        outputs = 3 * attention.query.weight.shape[1] + itself.weight.size // width
        if saves_work(width, width, outputs, hidden[0].size):
            return hidden, attention.after(last), itself.after(last)
        return last.leading(hidden), attention, itself


class MhaMonolithic(Model):
    """2R heads and the token itself, then Linear ReLU Linear."""

    ends: _Ends
    attention: _Attention
    itself: Linear
    body: TwoLayer
    num_rules: int = eqx.field(static=True)

    @classmethod
    def create(cls, random: np.random.Generator, spec: RunSpec) -> "MhaMonolithic":
        """Draws the model."""
        e, rules = spec.model.encoder_width, spec.task.num_rules
        heads = HEADS_PER_MODULE * rules
        width = geometry.mha_head_width(spec.model.model_width, heads)
        return cls(
            _Ends.create(random, spec),
            _Attention.create(random, e, heads, width),
            Linear.create(random, e, width),
            TwoLayer.create(random, width * (heads + 1), 2 * e, e),
            rules,
        )

    def __call__(
        self,
        inputs: Float[Array, "B N F"],
        rule: Int[Array, "B N"],
        *,
        key: Key[Array, ""] | None = None,
        length: Int[Array, ""] | None = None,
    ) -> Output:
        """See `Model`."""
        del key
        code = rule_code(rule, self.num_rules)
        tokens, attention, itself = self.ends.encode_tokens(inputs, code, self.attention, self.itself)
        found = attention(tokens, length).reshape(-1, *tokens.shape[1:])
        found = jnp.concatenate([found, itself.leading(tokens)])
        features = jax.nn.relu(self.body.first.leading(found))
        out, decode = self.ends.decode.joined(self.body.second, features.shape[0], rule.size)
        return Output(decode(out.leading(features))[0].T, None)


class MhaModular(Model):
    """M modules of 2 heads and their own view of the token; their E-wide outputs are mixed before the decoder."""

    ends: _Ends
    attention: _Attention
    itself: FanOut
    hidden: PerModule
    out: PerModule
    router: Router
    num_rules: int = eqx.field(static=True)

    @classmethod
    def create(cls, random: np.random.Generator, spec: RunSpec) -> "MhaModular":
        """Draws the model."""
        assert isinstance(spec.task, MhaTask)
        e, d, modules = spec.model.encoder_width, spec.model.model_width, spec.model.num_modules
        assert modules is not None
        heads = HEADS_PER_MODULE * modules
        width = geometry.mha_head_width(d, heads)
        hidden = geometry.mha_module_hidden(e, d, modules)
        sizes = Sizes(
            rules=spec.task.num_rules,
            modules=modules,
            inputs=sizing.input_width(spec),
            features=hidden,
            outputs=e,
            hidden=e,
            joint_bias=True,
            rule_features=None,
            rule_hidden=width,
            rule_bias=True,
        )
        return cls(
            _Ends.create(random, spec),
            _Attention.create(random, e, heads, width),
            FanOut.create(random, e, modules, width),
            PerModule.create(random, modules, (HEADS_PER_MODULE + 1) * width, hidden),
            PerModule.create(random, modules, hidden, e),
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
        """See `Model`."""
        code = rule_code(rule, self.num_rules)
        tokens, attention, itself = self.ends.encode_tokens(inputs, code, self.attention, self.itself)
        modules, width, _ = self.out.weight.shape
        found = attention(tokens, length).reshape(modules, -1, *tokens.shape[1:])
        found = jnp.concatenate([found, itself.leading(tokens)], axis=1)
        features = jax.nn.relu(self.hidden.leading(found.reshape(modules, -1, rule.size)))
        features = features.reshape(modules, width, *tokens.shape[1:])
        seen = Modules((features,), lambda: self.out.leading(features))
        gates = self.router(Seen(code, None, inputs, seen), key)
        out, decode = self.ends.decode.joined(self.out, modules * width, rule.size)
        return Output(decode(out.mix(features, gates.T))[0].T, gates)
