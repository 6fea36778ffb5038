"""Routers: scores, then gates. The place for a router of one's own.

A router is a score source times a gate function. Both are small classes that know nothing of the body around
them, so each works for all three architectures::

    @register_gates("sparsemax", "Euclidean projection onto the simplex")
    class Sparsemax(Gates):
        def __call__(self, scores, key):
            ...

Axes: leading axes are arbitrary (B examples; B, N tokens; B at one RNN step); M modules, R rules.
"""

import functools
import inspect
import itertools
import operator
from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from modbench.core.errors import RequestError
from modbench.core.names import GATES, OWN_GATE_OPTIONS, OWN_SCORE_OPTIONS, SCORES, RouterOption
from modbench.core.spec import ModelSpec, Option
from modbench.models.layers import Linear, PerModule, TwoLayer, add_leading_bias
from modbench.models.products import weighed_sums
from modbench.models.seam import as_gates, is_own


class Sizes(NamedTuple):
    """What a body tells its router: widths, and the form of the paper's scorer for that body.

    Attributes:
        rules: R.
        modules: M.
        inputs: features of the raw input without the rule code.
        features: features of each module that a joint scorer reads.
        outputs: width of each module's output.
        hidden: default hidden units of scorers that have a hidden layer.
        joint_bias: whether the joint scorer has a bias.
        rule_features: width of the body's encoded rule code, None where it has none.
        rule_hidden: hidden units of the rule scorer; None: one linear map on the encoded rule code.
        rule_bias: whether the rule scorer has biases.
    """

    rules: int
    modules: int
    inputs: int
    features: int
    outputs: int
    hidden: int
    joint_bias: bool
    rule_features: int | None
    rule_hidden: int | None
    rule_bias: bool


class Modules(NamedTuple):
    """The modules as a body has them, features leading and examples last.

    Attributes:
        features: what each module's joint score is read from, in parts that count as one after the other.
        outputs: makes the modules' outputs; only called when a scorer needs them.
    """

    features: tuple[Float[Array, "M f ..."], ...]
    outputs: Callable[[], Float[Array, "M o ..."]]


class Seen(NamedTuple):
    """What a router may look at.

    Attributes:
        rule_code: one-hot code of the rule.
        rule_features: the body's encoded rule code; None where it has none.
        inputs: the raw input without the rule code.
        modules: None unless the score source reads them, see `Scores.reads_modules`.
    """

    rule_code: Float[Array, "... R"]
    rule_features: Float[Array, "... e"] | None
    inputs: Float[Array, "... x"]
    modules: Modules | None = None

    @property
    def features(self) -> Float[Array, "... M f"]:
        """What each module's joint score is read from."""
        return jnp.concatenate(self._modules.features, axis=1).T.swapaxes(-1, -2)

    def outputs(self) -> Float[Array, "... M o"]:
        """The modules' outputs, which a body does not make unless they are asked for."""
        return self._modules.outputs().T.swapaxes(-1, -2)

    def weigh_features(
        self, weight: Float[Array, "M f"], bias: Float[Array, " M"] | None = None
    ) -> Float[Array, "... M"]:
        """Each module's weighted sum of its own features, and its bias."""
        parts = self._modules.features
        ends = list(itertools.accumulate(part.shape[1] for part in parts))
        own = jnp.split(weight, ends[:-1], axis=1)
        sums = [
            weighed_sums(part.reshape(*part.shape[:2], -1), w) for w, part in zip(own, parts, strict=True)
        ]
        total = functools.reduce(operator.add, sums).reshape(-1, *parts[0].shape[2:])
        return add_leading_bias(total, bias).T

    @property
    def _modules(self) -> Modules:
        assert self.modules is not None, "a score source that reads modules says so: reads_modules = True"
        return self.modules


class Scores(eqx.Module):
    """A score source: one number per module from what is seen."""

    reads_modules: ClassVar[bool] = False
    """Whether `Seen.features`, `outputs` or `weigh_features` are read; if not, gates are known before modules run."""

    @classmethod
    @abstractmethod
    def create(cls, random: np.random.Generator, sizes: Sizes, **options: Option) -> "Scores":
        """Draws the scorer's parameters; `options` are the model's `score_options`."""

    @abstractmethod
    def __call__(self, seen: Seen) -> Float[Array, "... M"]:
        """Scores, not normalised."""


class Gates(eqx.Module):
    """A gate function: scores to gates. Its fields are the model's `gate_options`."""

    @abstractmethod
    def __call__(self, scores: Float[Array, "... M"], key: Key[Array, ""] | None) -> Float[Array, "... M"]:
        """Gates of the shape of `scores`: not negative, sum 1 over modules, real numbers of any type.

        Equal arguments must give equal gates. `key` is None in evaluation, where nothing is random; what is drawn in
        training is drawn by the key.
        """


def _check_count(name: str, value: Option) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")


def _declared(made_by: Callable[..., object]) -> dict[str, RouterOption]:
    """The options that a router's class or `create` declares by a default or as `float`, by name."""
    options = {}
    for name, parameter in inspect.signature(made_by).parameters.items():
        default = parameter.default if isinstance(parameter.default, Option) else None
        # An annotation is a text where its module postpones the evaluation of annotations.
        if parameter.annotation in (float, "float"):
            options[name] = RouterOption(float, None if default is None else float(default))
        elif default is not None:
            options[name] = RouterOption(type(default), default)
    return options


SCORE_CLASSES: dict[str, type[Scores]] = {}
GATE_CLASSES: dict[str, type[Gates]] = {}


def register_scores(name: str, description: str) -> Callable[[type[Scores]], type[Scores]]:
    """Class decorator that makes a score source available as `model.scores = name`."""

    def register(cls: type[Scores]) -> type[Scores]:
        SCORE_CLASSES[name] = cls
        SCORES[name] = description
        OWN_SCORE_OPTIONS[name] = _declared(cls.create)
        return cls

    return register


def register_gates(name: str, description: str) -> Callable[[type[Gates]], type[Gates]]:
    """Class decorator that makes a gate function available as `model.gates = name`."""

    def register(cls: type[Gates]) -> type[Gates]:
        GATE_CLASSES[name] = cls
        GATES[name] = description
        OWN_GATE_OPTIONS[name] = _declared(cls)
        return cls

    return register


class Router(eqx.Module):
    """Scores times gates."""

    scores: Scores
    gates: Gates
    modules: int = eqx.field(static=True)

    @classmethod
    def create(cls, random: np.random.Generator, spec: ModelSpec, sizes: Sizes) -> "Router":
        """Builds the router that a model specification names.

        Raises:
            RequestError: an option is unknown to the score source or gate function, or has a bad value.
        """
        try:
            gates = GATE_CLASSES[spec.gates](**spec.gate_options)
        except (TypeError, ValueError) as error:
            raise RequestError(f"model.gate_options of {spec.gates!r}: {error}") from None
        try:
            scores = SCORE_CLASSES[spec.scores].create(random, sizes, **spec.score_options)
        except (TypeError, ValueError) as error:
            raise RequestError(f"model.score_options of {spec.scores!r}: {error}") from None
        return cls(scores, gates, sizes.modules)

    @property
    def reads_modules(self) -> bool:
        """Whether the modules must have run before the gates are known."""
        return type(self.scores).reads_modules

    @property
    def selects_by_rule(self) -> bool:
        """Whether each example has one module with gate 1, that of its rule: no other module needs to run."""
        return type(self.scores) is Oracle and type(self.gates) is Softmax

    @property
    def own_classes(self) -> tuple[type, ...]:
        """Its classes that come from outside modbench: nobody has tested that their gates are legal."""
        return tuple(cls for cls in (type(self.scores), type(self.gates)) if is_own(cls))

    @property
    def described(self) -> str:
        """Names what a user would have to mend: the classes of their own, or else the gate function."""
        names = {cls: f"scores {name!r}" for name, cls in SCORE_CLASSES.items()}
        names |= {cls: f"gates {name!r}" for name, cls in GATE_CLASSES.items()}
        classes = self.own_classes or (type(self.gates),)
        return " with ".join(f"{names.get(cls, 'router')} (class {cls.__name__})" for cls in classes)

    def __call__(self, seen: Seen, key: Key[Array, ""] | None = None) -> Float[Array, "... M"]:
        """The gates of what is seen.

        Raises:
            RequestError: a class of the user's returns no gates of the right shape and type.
        """
        shape = (*seen.rule_code.shape[:-1], self.modules)
        return as_gates(self.gates(self.scores(seen), key), shape, self.described)


@register_scores("joint", SCORES["joint"])
class Joint(Scores):
    """Each module scores itself: a linear map of its own features to one number (PAPER section 3)."""

    reads_modules: ClassVar[bool] = True
    layer: PerModule

    @classmethod
    def create(cls, random: np.random.Generator, sizes: Sizes) -> "Joint":
        """Draws the maps."""
        return cls(PerModule.create(random, sizes.modules, sizes.features, 1, sizes.joint_bias))

    def __call__(self, seen: Seen) -> Float[Array, "... M"]:
        """One number per module from its features."""
        bias = None if self.layer.bias is None else self.layer.bias[:, 0]
        return seen.weigh_features(self.layer.weight[:, :, 0], bias)


@register_scores("rule", SCORES["rule"])
class Rule(Scores):
    """A function of the rule alone: linear on its encoding, or two layers on its code, as the body says."""

    layer: Linear | TwoLayer
    encoded: bool = eqx.field(static=True)

    @classmethod
    def create(cls, random: np.random.Generator, sizes: Sizes, hidden: int | None = None) -> "Rule":
        """Draws the maps; `hidden` replaces the paper's number of hidden units."""
        hidden = sizes.rule_hidden if hidden is None else hidden
        encoded = sizes.rule_features is not None
        inputs = sizes.rules if sizes.rule_features is None else sizes.rule_features
        if hidden is None:
            return cls(Linear.create(random, inputs, sizes.modules, sizes.rule_bias), encoded)
        _check_count("hidden", hidden)
        return cls(TwoLayer.create(random, inputs, hidden, sizes.modules, sizes.rule_bias), encoded)

    def __call__(self, seen: Seen) -> Float[Array, "... M"]:
        """Scores from the rule."""
        if not self.encoded:
            return self.layer(seen.rule_code)
        assert seen.rule_features is not None
        return self.layer(seen.rule_features)


@register_scores("input", SCORES["input"])
class Input(Scores):
    """Two layers on the raw input without the rule code: what a router can do that is not told the rule."""

    layer: TwoLayer

    @classmethod
    def create(cls, random: np.random.Generator, sizes: Sizes, hidden: int | None = None) -> "Input":
        """Draws the maps."""
        hidden = sizes.hidden if hidden is None else hidden
        _check_count("hidden", hidden)
        return cls(TwoLayer.create(random, sizes.inputs, hidden, sizes.modules))

    def __call__(self, seen: Seen) -> Float[Array, "... M"]:
        """Scores from the input."""
        return self.layer(seen.inputs)


@register_scores("separate", SCORES["separate"])
class Separate(Scores):
    """One scorer shared by all modules, on [module output, raw input, rule code]."""

    reads_modules: ClassVar[bool] = True
    layer: TwoLayer

    @classmethod
    def create(cls, random: np.random.Generator, sizes: Sizes) -> "Separate":
        """Draws the maps."""
        return cls(TwoLayer.create(random, sizes.outputs + sizes.inputs + sizes.rules, sizes.hidden, 1))

    def __call__(self, seen: Seen) -> Float[Array, "... M"]:
        """Scores every module's output by the same map."""
        outputs = seen.outputs()
        raw = jnp.concatenate([seen.inputs, seen.rule_code], axis=-1)[..., None, :]
        raw = jnp.broadcast_to(raw, (*outputs.shape[:-1], raw.shape[-1]))
        return self.layer(jnp.concatenate([outputs, raw], axis=-1))[..., 0]


@register_scores("oracle", SCORES["oracle"])
class Oracle(Scores):
    """0 for the module of the true rule, minus infinity for the others: a softmax makes it the one-hot code."""

    @classmethod
    def create(cls, random: np.random.Generator, sizes: Sizes) -> "Oracle":
        """Has no parameters."""
        del random, sizes
        return cls()

    def __call__(self, seen: Seen) -> Float[Array, "... M"]:
        """Log p(true module)."""
        return jnp.where(seen.rule_code > 0, 0.0, -jnp.inf)


@register_gates("softmax", GATES["softmax"])
class Softmax(Gates):
    """softmax(scores / temperature)."""

    temperature: float = eqx.field(static=True, default=1.0)

    def __check_init__(self) -> None:
        if not isinstance(self.temperature, int | float) or not self.temperature > 0:
            raise ValueError(f"temperature must be positive, got {self.temperature!r}")

    def __call__(self, scores: Float[Array, "... M"], key: Key[Array, ""] | None) -> Float[Array, "... M"]:
        """Sums to 1 over modules."""
        del key
        # Modules first, as the bodies have them: turning back and forth cancels, and loops run along the batch.
        leading = scores.T if self.temperature == 1 else scores.T / self.temperature
        return jax.nn.softmax(leading, axis=0).T


@register_gates("top-k", GATES["top-k"])
class TopK(Gates):
    """Softmax over the k best scores; the others get no gate (Shazeer et al. 2017, without the noise)."""

    k: int = eqx.field(static=True, default=1)

    def __check_init__(self) -> None:
        _check_count("k", self.k)

    def __call__(self, scores: Float[Array, "... M"], key: Key[Array, ""] | None) -> Float[Array, "... M"]:
        """Sums to 1 over the k selected modules."""
        del key
        modules = scores.shape[-1]
        if self.k > modules:
            raise RequestError(
                f"model.gate_options.k: must be at most the number of modules, {modules}, got {self.k}"
            )
        _, best = jax.lax.top_k(scores, self.k)
        selected = jnp.any(jax.nn.one_hot(best, modules, dtype=bool), axis=-2)
        return jax.nn.softmax(scores, axis=-1, where=selected)
