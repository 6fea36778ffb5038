"""One run, one spelling: what a specification says in two ways is said in one, so that one run has one id.

The neutral spelling leaves out what equals its default: options of a router, and a uniform distribution over rules.
Numbers take the type that their option declares (1 and 1.0 are one temperature), a zero has no sign, and milestones
stand in order. Fields that merely have no effect on a run, such as a milestone after its last step, stay as they are:
they are other requests.
"""

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from modbench.core import geometry
from modbench.core.names import (
    GATE_OPTIONS,
    OWN_GATE_OPTIONS,
    OWN_SCORE_OPTIONS,
    SCORE_OPTIONS,
    RouterOption,
)

if TYPE_CHECKING:
    from modbench.core.spec import ModelSpec, RunSpec

_Run = TypeVar("_Run", bound="RunSpec")


def neutral(spec: _Run) -> _Run:
    """The neutral spelling of a run."""
    changes: dict[str, Any] = {}
    p = spec.task.rule_probabilities
    if p is not None:
        p = None if _is_uniform(p) else tuple(map(_unsigned, p))
        changes["task"] = spec.task.model_copy(update={"rule_probabilities": p})
    model, train = spec.model, spec.train
    if model.score_options or model.gate_options:
        scores = _neutral_options(model.score_options, _score_options(spec))
        known = _known(model.gates, GATE_OPTIONS, OWN_GATE_OPTIONS)
        gates = _neutral_options(model.gate_options, known)
        changes["model"] = model.model_copy(update={"score_options": scores, "gate_options": gates})
    if train.clip_norm == 0 or train.halve_learning_rate_at:
        milestones = tuple(sorted(train.halve_learning_rate_at))
        spelled = {"clip_norm": _unsigned(train.clip_norm), "halve_learning_rate_at": milestones}
        changes["train"] = train.model_copy(update=spelled)
    return spec.model_copy(update=changes) if changes else spec


def _neutral_options(given: Mapping[str, Any], known: Mapping[str, RouterOption]) -> dict[str, Any]:
    """Options in the types that they are declared with, without those that equal their defaults."""
    spelled = {}
    for name, value in given.items():
        option = known.get(name)
        if option and option.kind is float and type(value) is int:
            value = float(value)
        if type(value) is float:
            value = _unsigned(value)
        # The type counts: True equals 1.
        if option is None or type(value) is not type(option.default) or value != option.default:
            spelled[name] = value
    return spelled


def _known(
    name: str, built_in: Mapping[str, dict[str, RouterOption]], own: Mapping[str, dict[str, RouterOption]]
) -> Mapping[str, RouterOption]:
    return built_in.get(name) or own.get(name) or {}


def _score_options(spec: "RunSpec") -> Mapping[str, RouterOption]:
    """The options of the run's scores; the hidden units of a scorer have a default that depends on the body."""
    known = _known(spec.model.scores, SCORE_OPTIONS, OWN_SCORE_OPTIONS)
    if spec.model.scores not in ("rule", "input"):
        return known
    return {**known, "hidden": RouterOption(int, _default_hidden(spec.model, spec.task.architecture))}


def _default_hidden(model: "ModelSpec", architecture: str) -> int | None:
    """Hidden units of the scorer where the option is left out; None where it then has no hidden layer."""
    e, d, modules = model.encoder_width, model.model_width, model.num_modules
    assert modules is not None
    if model.scores == "input":
        return e
    match architecture:
        case "mha":
            return geometry.mha_head_width(d, 2 * modules)
        case "rnn":
            return geometry.rnn_hidden_width(e, d, modules)
    return None


def _unsigned(value: float) -> float:
    """The same number, but 0 for -0."""
    return value + 0.0


def _is_uniform(p: tuple[float, ...]) -> bool:
    """Whether a distribution is uniform to within the rounding of float32, which programs hold it in."""
    return len({_single(entry) for entry in (*p, 1 / len(p))}) == 1


def _single(value: float) -> float:
    """The float32 that is nearest to a number."""
    return struct.unpack("f", struct.pack("f", value))[0]
