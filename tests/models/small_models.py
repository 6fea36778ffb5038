"""Models of a few units, each compiled once."""

import functools
import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from compiling import quick_jit
from modbench.core.spec import RunSpec
from modbench.models.bodies import make_model
from modbench.models.sizing import input_width

RULES, EXAMPLES, POSITIONS = 3, 6, 4


def specification(architecture, kind="regression", **model):
    task = {"architecture": architecture, "kind": kind, "num_rules": RULES}
    if architecture == "rnn":
        task["state_width"] = 4
    return RunSpec.of(task, {"encoder_width": 4, "model_width": 12, **model})


def examples(architecture, seed=0, positions=POSITIONS):
    """Inputs, and rules of which every one occurs at every position."""
    random = np.random.default_rng(seed)
    shape = (EXAMPLES,) if architecture == "mlp" else (EXAMPLES, positions)
    features = input_width(specification(architecture))
    rule = sum(np.indices(shape)) % RULES
    return jnp.asarray(random.standard_normal((*shape, features)), jnp.float32), jnp.asarray(rule, jnp.int32)


class Small:
    """A model taken apart: `params`, and `call(params, inputs, rule, key, length)`, compiled."""

    def __init__(self, spec, seed=0):
        self.spec = spec
        model = make_model(np.random.default_rng(seed), spec)
        params, self.skeleton = eqx.partition(model, eqx.is_array_like)
        self.params = jax.tree.map(jnp.asarray, params)
        self.call = quick_jit(self.plainly)

    def plainly(self, params, inputs, rule, key=None, length=None):
        return eqx.combine(params, self.skeleton)(inputs, rule, key=key, length=length)

    def __call__(self, inputs, rule, key=None, length=None):
        return self.call(self.params, inputs, rule, key, length)


@functools.cache
def _small(text):
    architecture, model = json.loads(text)
    return Small(specification(architecture, **model))


def small(architecture, **model):
    return _small(json.dumps([architecture, model], sort_keys=True))
