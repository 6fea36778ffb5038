"""MLP bodies: encode two numbers and the rule code, pass the modules, decode (PAPER section 3)."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from modbench.core import geometry
from modbench.core.spec import RunSpec
from modbench.models import sizing
from modbench.models.base import Model, Output, rule_code
from modbench.models.grouped import dispatch
from modbench.models.layers import FanOut, PerModule, TwoLayer
from modbench.models.products import leading_product
from modbench.models.routing import Modules, Router, Seen, Sizes


class _Ends(eqx.Module):
    """The encoder before and the decoder after every MLP body."""

    encode_number: TwoLayer
    encode_rule: TwoLayer
    decode: TwoLayer

    @classmethod
    def create(cls, random: np.random.Generator, spec: RunSpec) -> "_Ends":
        e, d = spec.model.encoder_width, spec.model.model_width
        return cls(
            TwoLayer.create(random, 1, e, e),
            TwoLayer.create(random, spec.task.num_rules, e, e),
            TwoLayer.create(random, d, e, 1),
        )

    def encode(
        self, inputs: Float[Array, "B 2"], code: Float[Array, "B R"]
    ) -> tuple[Float[Array, "2E+R B"], Float[Array, "R E"]]:
        """Both numbers by one shared encoder with the rule code as it is, and what each of the R codes is encoded as.

        A body reads [number, number, encoded rule]; `on_code` makes its first map one of the former.
        """
        numbers = self.encode_number.leading(inputs.T[None]).swapaxes(0, 1)
        return jnp.concatenate([numbers.reshape(-1, code.shape[0]), code.T]), self.encode_rule(
            jnp.eye(code.shape[1])
        )


class MlpMonolithic(Model):
    """One body: Linear(3E, D) ReLU Linear(D, D)."""

    ends: _Ends
    body: TwoLayer
    num_rules: int = eqx.field(static=True)

    @classmethod
    def create(cls, random: np.random.Generator, spec: RunSpec) -> "MlpMonolithic":
        """Draws the model."""
        e, d = spec.model.encoder_width, spec.model.model_width
        return cls(_Ends.create(random, spec), TwoLayer.create(random, 3 * e, d, d), spec.task.num_rules)

    def __call__(
        self,
        inputs: Float[Array, "B 2"],
        rule: Int[Array, " B"],
        *,
        key: Key[Array, ""] | None = None,
        length: Int[Array, ""] | None = None,
    ) -> Output:
        """See `Model`."""
        del key, length
        encoded, rules = self.ends.encode(inputs, rule_code(rule, self.num_rules))
        features = jax.nn.relu(self.body.first.on_code(rules).leading(encoded))
        out, decode = self.ends.decode.joined(self.body.second, features.shape[0], rule.size)
        return Output(decode(out.leading(features))[0], None)


class MlpModular(Model):
    """M modules Linear(3E, D//M) ReLU Linear(D//M, D), mixed by the router before the decoder."""

    ends: _Ends
    hidden: FanOut
    out: PerModule
    router: Router
    num_rules: int = eqx.field(static=True)

    @classmethod
    def create(cls, random: np.random.Generator, spec: RunSpec) -> "MlpModular":
        """Draws the model."""
        e, d, modules = spec.model.encoder_width, spec.model.model_width, spec.model.num_modules
        assert modules is not None
        width = geometry.mlp_hidden_width(d, modules)
        sizes = Sizes(
            rules=spec.task.num_rules,
            modules=modules,
            inputs=sizing.input_width(spec),
            features=width,
            outputs=d,
            hidden=e,
            joint_bias=True,
            rule_features=e,
            rule_hidden=None,
            rule_bias=True,
        )
        return cls(
            _Ends.create(random, spec),
            FanOut.create(random, 3 * e, modules, width),
            PerModule.create(random, modules, width, d),
            Router.create(random, spec.model, sizes),
            spec.task.num_rules,
        )

    def __call__(
        self,
        inputs: Float[Array, "B 2"],
        rule: Int[Array, " B"],
        *,
        key: Key[Array, ""] | None = None,
        length: Int[Array, ""] | None = None,
    ) -> Output:
        """See `Model`."""
        del length
        code = rule_code(rule, self.num_rules)
        encoded, rules = self.ends.encode(inputs, code)
        hidden = self.hidden.on_code(rules)
        modules, width, _ = self.out.weight.shape
        if self.router.selects_by_rule:
            plan = dispatch(rule, self.num_rules)
            features = jax.nn.relu(hidden.of_own_module(encoded, plan))
            out, decode = self.ends.decode.joined(self.out, width, rule.size, modules)
            return Output(decode(out.of_own_module(features, plan))[0], code)
        features = jax.nn.relu(hidden.leading(encoded))
        rule_features = leading_product(code.T, rules).T
        seen = Modules((features,), lambda: self.out.leading(features))
        gates = self.router(Seen(code, rule_features, inputs, seen), key)
        out, decode = self.ends.decode.joined(self.out, modules * width, rule.size)
        return Output(decode(out.mix(features, gates.T))[0], gates)
