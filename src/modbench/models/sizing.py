"""Parameter counts of every model, in plain arithmetic (PAPER section 3).

E encoder width, D model width, R rules, M modules. Needs no JAX, so a plan can count without building models.
"""

from modbench.core.geometry import mha_head_width, mha_module_hidden, mlp_hidden_width, rnn_hidden_width
from modbench.core.spec import RunSpec
from modbench.core.task_spec import MhaTask, MlpTask, RnnTask


def input_width(spec: RunSpec) -> int:
    """Numbers per example, token or step, without the rule code."""
    match spec.task:
        case MlpTask():
            return 2
        case MhaTask():
            return spec.task.token_features
        case RnnTask():
            return spec.task.state_width


def linear(inputs: int, outputs: int, bias: bool = True) -> int:
    """Parameters of a linear map."""
    return inputs * outputs + (outputs if bias else 0)


def num_parameters(spec: RunSpec) -> int:
    """Trainable parameters of a run's model with the built-in routers; a custom router's own are not counted."""
    match spec.task:
        case MlpTask():
            return _mlp(spec)
        case MhaTask():
            return _mha(spec)
        case RnnTask():
            return _rnn(spec)


def _mlp(spec: RunSpec) -> int:
    e, d, r, m = spec.model.encoder_width, spec.model.model_width, spec.task.num_rules, spec.model.num_modules
    around = linear(1, e) + linear(r, e) + 2 * linear(e, e) + linear(d, e) + linear(e, 1)
    if m is None:
        return around + linear(3 * e, d) + linear(d, d)
    hidden = mlp_hidden_width(d, m)
    return around + m * (linear(3 * e, hidden) + linear(hidden, d)) + _scorer(spec, hidden, d, True, None, e)


def _mha(spec: RunSpec) -> int:
    e, d, r, m = spec.model.encoder_width, spec.model.model_width, spec.task.num_rules, spec.model.num_modules
    around = linear(input_width(spec) + r, e) + 2 * linear(e, e) + linear(e, 1)
    heads = 2 * (r if m is None else m)
    width = mha_head_width(d, heads)
    attention = 3 * linear(e, heads * width)
    if m is None:
        return around + attention + linear(e, width) + linear(width * (heads + 1), 2 * e) + linear(2 * e, e)
    hidden = mha_module_hidden(e, d, m)
    module = linear(e, width) + linear(3 * width, hidden) + linear(hidden, e)
    return around + attention + m * module + _scorer(spec, hidden, e, True, width, r)


def _rnn(spec: RunSpec) -> int:
    e, d, r, m = spec.model.encoder_width, spec.model.model_width, spec.task.num_rules, spec.model.num_modules
    hidden = d if m is None else rnn_hidden_width(e, d, m)
    outputs = input_width(spec) if spec.task.kind == "regression" else 1
    around = (
        linear(input_width(spec) + r, e) + linear(e, e) + linear(hidden, hidden) + linear(hidden, outputs)
    )
    if m is None:
        return around + linear(e, 4 * d) + linear(d, 4 * d)
    cells = m * 4 * hidden * (e + hidden)
    return around + cells + _scorer(spec, 8 * hidden, hidden, False, hidden, r)


def _scorer(
    spec: RunSpec, features: int, outputs: int, bias: bool, rule_hidden: int | None, rule_width: int
) -> int:
    """Parameters of a built-in scorer; arguments as the fields of `modbench.models.routing.Sizes`."""
    modules, rules, inputs = spec.model.num_modules or 0, spec.task.num_rules, input_width(spec)
    e, options = spec.model.encoder_width, spec.model.score_options
    match spec.model.scores:
        case "joint":
            return modules * linear(features, 1, bias)
        case "rule" if rule_hidden is None and "hidden" not in options:
            return linear(rule_width, modules, bias)
        case "rule":
            hidden = int(options.get("hidden", rule_hidden or 0))
            return linear(rule_width, hidden, bias) + linear(hidden, modules, bias)
        case "input":
            hidden = int(options.get("hidden", e))
            return linear(inputs, hidden) + linear(hidden, modules)
        case "separate":
            return linear(outputs + inputs + rules, e) + linear(e, 1)
    return 0
