"""The benchmark's vocabulary: every name that a sweep file may use, with a line on what it means.

Scores and gates are open: `modbench.models.routing` adds a router of one's own to `SCORES` or `GATES`
when its class is registered. Everything else is closed.
"""

from typing import Literal, NamedTuple, get_args

Architecture = Literal["mlp", "mha", "rnn"]
Kind = Literal["regression", "classification"]
Precision = Literal["float32", "tf32", "bfloat16"]
Checkpoint = Literal["last", "best"]

ARCHITECTURES: dict[str, str] = {
    "mlp": "two numbers and a rule code; the rule is a linear (or fixed) operation on them",
    "mha": "sequences of tokens; the rule picks which other tokens to retrieve, and how to combine them",
    "rnn": "a linear dynamical system whose transition is switched by the rule at every step",
}
KINDS: tuple[str, ...] = get_args(Kind)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
CHECKPOINTS: tuple[str, ...] = get_args(Checkpoint)
VARIANTS: dict[str, str] = {
    "linear": "rule r is alpha_r a + beta_r b, coefficients drawn from the task seed",
    "fixed-ops": "rule r is the r-th of sum, difference, product, minimum, maximum (at most 5 rules)",
}
SCORES: dict[str, str] = {
    "none": "no router: one monolithic body",
    "joint": "each module scores itself from its own features",
    "rule": "from the rule code alone",
    "input": "from the input without the rule code",
    "separate": "one scorer shared by all modules, from module output and raw input",
    "oracle": "the true rule: module r takes rule r (needs as many modules as rules)",
}
GATES: dict[str, str] = {
    "softmax": "softmax over modules (option temperature > 0, default 1)",
    "top-k": "softmax over the k best scores, zero elsewhere (option k >= 1, default 1)",
}


class RouterOption(NamedTuple):
    """An option of a router.

    Attributes:
        kind: its type; an integer that is given for a `float` means the number of that type.
        default: the value that means the same as leaving the option out; None where that depends on the body.
    """

    kind: type
    default: int | float | str | bool | None = None


SCORE_OPTIONS: dict[str, dict[str, RouterOption]] = {
    "none": {},
    "joint": {},
    "rule": {"hidden": RouterOption(int)},
    "input": {"hidden": RouterOption(int)},
    "separate": {},
    "oracle": {},
}
GATE_OPTIONS: dict[str, dict[str, RouterOption]] = {
    "softmax": {"temperature": RouterOption(float, 1.0)},
    "top-k": {"k": RouterOption(int, 1)},
}
"""The options of the built-in scores and gates, all positive. A router of one's own checks its options itself."""
OWN_SCORE_OPTIONS: dict[str, dict[str, RouterOption]] = {}
OWN_GATE_OPTIONS: dict[str, dict[str, RouterOption]] = {}
"""The options that a router of one's own declares, filled in when its class is registered."""


class NamedModel(NamedTuple):
    """One of the named points of scores x gates."""

    scores: str
    gates: str
    description: str


MODELS: dict[str, NamedModel] = {
    "monolithic": NamedModel("none", "softmax", "one body, no modules"),
    "modular": NamedModel("joint", "softmax", "modules score themselves; the routing the field uses most"),
    "modular-op": NamedModel("rule", "softmax", "routing sees the rule code only"),
    "gt-modular": NamedModel("oracle", "softmax", "routing is given: the upper bound of specialisation"),
    "modular-separate": NamedModel("separate", "softmax", "one scorer shared by all modules"),
}
PAPER_MODELS = ("monolithic", "modular", "modular-op", "gt-modular")
MODEL_TITLES = {
    "monolithic": "Monolithic",
    "modular": "Modular",
    "modular-op": "Modular-op",
    "gt-modular": "GT-Modular",
    "modular-separate": "Modular-separate",
}


def model_name(scores: str, gates: str) -> str:
    """Names a point of scores x gates: the paper's name where it has one, else `scores+gates`."""
    for name, model in MODELS.items():
        if (model.scores, model.gates) == (scores, gates) or scores == model.scores == "none":
            return name
    return f"{scores}+{gates}"
