"""Where the original implementation keeps each parameter, and how it lays it out.

Linear weights are (out, in) there; grouped ones (module, in, out) with a joint score as the last output.
"""

from collections.abc import Mapping

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from modbench.core.spec import RunSpec
from modbench.models.bodies import make_model
from modbench.models.layers import FanOut, Linear, PerModule, TwoLayer
from modbench.models.routing import Joint, Rule

Weights = Mapping[str, np.ndarray]


def _linear(weights: Weights, name: str) -> Linear:
    bias = weights.get(f"{name}.bias")
    return Linear(jnp.asarray(weights[f"{name}.weight"].T), None if bias is None else jnp.asarray(bias))


def _two(weights: Weights, name: str) -> TwoLayer:
    return TwoLayer(_linear(weights, f"{name}.0"), _linear(weights, f"{name}.2"))


def _grouped(weights: Weights, name: str, outputs: int) -> tuple[PerModule, PerModule | None]:
    """The module maps, and the score maps where there is one output more."""
    w, b = jnp.asarray(weights[f"{name}.w"]), jnp.asarray(weights[f"{name}.b"][0])
    scores = PerModule(w[..., outputs:], b[:, outputs:]) if w.shape[-1] > outputs else None
    return PerModule(w[..., :outputs], b[:, :outputs]), scores


def from_original(spec: RunSpec, weights: Weights):
    """Our model with the original's parameters."""
    model = make_model(np.random.default_rng(0), spec)
    return {"mlp": _mlp, "mha": _mha, "rnn": _rnn}[spec.task.architecture](spec, model, weights)


def _router(model, scores):
    return eqx.tree_at(lambda m: m.router.scores, model, scores)


def _mlp(spec, model, weights):
    ends = [_two(weights, "encoder_digit"), _two(weights, "encoder_operation"), _two(weights, "decoder")]
    model = eqx.tree_at(lambda m: [m.ends.encode_number, m.ends.encode_rule, m.ends.decode], model, ends)
    if not spec.model.modular:
        return eqx.tree_at(lambda m: m.body, model, _two(weights, "MLP"))
    first, _ = _grouped(weights, "MLP.0", model.hidden.weight.shape[-1])
    out, joint = _grouped(weights, "MLP.2", spec.model.model_width)
    hidden = FanOut(first.weight.swapaxes(0, 1), first.bias)
    model = eqx.tree_at(lambda m: [m.hidden, m.out], model, [hidden, out])
    if joint is not None:
        model = _router(model, Joint(joint))
    if "scorer.weight" in weights:
        model = _router(model, Rule(_linear(weights, "scorer"), True))
    return model


def _mha(spec, model, weights):
    model = eqx.tree_at(
        lambda m: [m.ends.encode, m.ends.decode, m.attention.query, m.attention.key, m.attention.value],
        model,
        [_two(weights, "encoder"), _two(weights, "decoder")]
        + [_linear(weights, f"model.{name}_net") for name in ("query", "key", "value")],
    )
    itself = _linear(weights, "model.in_")
    if not spec.model.modular:
        return eqx.tree_at(lambda m: [m.itself, m.body], model, [itself, _two(weights, "model.out_proj")])
    modules = spec.model.num_modules
    fan = FanOut(itself.weight.reshape(itself.weight.shape[0], modules, -1), itself.bias.reshape(modules, -1))
    hidden, _ = _grouped(weights, "model.out_proj.0", model.hidden.weight.shape[-1])
    out, joint = _grouped(weights, "model.out_proj.2", spec.model.encoder_width)
    model = eqx.tree_at(lambda m: [m.itself, m.hidden, m.out], model, [fan, hidden, out])
    if joint is not None:
        model = _router(model, Joint(joint))
    if "model.scorer.0.weight" in weights:
        model = _router(model, Rule(_two(weights, "model.scorer"), False))
    return model


def _rnn(spec, model, weights):
    model = eqx.tree_at(
        lambda m: [m.ends.encode, m.ends.decode], model, [_two(weights, "encoder"), _two(weights, "decoder")]
    )
    if not spec.model.modular:
        width = spec.model.model_width

        def cell(name):  # PyTorch's order of the gate blocks is i, f, g, o; ours i, f, o, g
            weight = weights[f"rnn.weight_{name}"].T.reshape(-1, 4, width)[:, [0, 1, 3, 2]]
            bias = weights[f"rnn.bias_{name}"].reshape(4, width)[[0, 1, 3, 2]]
            return Linear(jnp.asarray(weight.reshape(-1, 4 * width)), jnp.asarray(bias.reshape(-1)))

        return eqx.tree_at(lambda m: [m.from_input, m.from_hidden], model, [cell("ih"), cell("hh")])

    def cells(name):
        return Linear(jnp.asarray(weights[f"rnn.{name}.weight"].T), None)

    model = eqx.tree_at(lambda m: [m.from_input, m.from_hidden], model, [cells("i2h"), cells("h2h")])
    if "rnn.scorer.1.w" in weights:
        model = _router(model, Joint(PerModule(jnp.asarray(weights["rnn.scorer.1.w"]), None)))
    if "rnn.scorer.0.weight" in weights:
        model = _router(model, Rule(_two(weights, "rnn.scorer"), False))
    return model
