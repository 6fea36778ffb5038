"""What a run is: `RunSpec`, everything that changes a run's numbers and nothing else.

Fields left out take the paper's protocol for the architecture and kind at hand, so a resolved specification
is explicit and has one spelling: two specifications are equal exactly when they mean the same run.
"""

import math
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from modbench.core.errors import RequestError, first_problem, unknown
from modbench.core.names import GATE_OPTIONS, GATES, MODELS, SCORE_OPTIONS, SCORES, Precision, model_name
from modbench.core.protocol import fill_in
from modbench.core.spelling import neutral
from modbench.core.task_spec import (
    MOST,
    TASKS,
    MlpTask,
    NonNegative,
    Positive,
    Rate,
    Seed,
    Spec,
    TaskSpec,
    in_float32,
)

Option = int | float | str | bool
SHORTHANDS = {"model": ("name",), "evaluation": ("preset",)}
"""What may be given beside the fields, and stands for some of them."""


class ModelSpec(Spec):
    """Body x scores x gates. The body is the one made for the task's architecture.

    `name` may be given instead of `scores` and `gates`: one of `modbench.core.names.MODELS`.
    """

    scores: str = "joint"
    gates: str = "softmax"
    num_modules: Positive | None = None
    """M; filled in with the number of rules for a modular model, None for the monolithic one."""
    encoder_width: Positive = 32
    model_width: Positive
    """D; filled in with 4 times the encoder width."""
    score_options: dict[str, Option] = Field(default={})
    gate_options: dict[str, Option] = Field(default={})

    @field_validator("score_options", "gate_options", mode="before")
    @classmethod
    def _options(cls, options: Any) -> Any:
        for name, value in options.items() if isinstance(options, Mapping) else ():
            if not isinstance(name, str) or not name.isidentifier():
                raise ValueError(f"{name!r}: must be the name of an option")
            if not isinstance(value, Option) or (isinstance(value, float) and not math.isfinite(value)):
                raise ValueError(f"{name}: must be a finite number, a text, true or false, got {value!r}")
            if isinstance(value, int) and abs(value) > MOST:
                raise ValueError(f"{name}: must be at most {MOST} in size as an integer, got {value!r}")
            if isinstance(value, float):
                try:
                    in_float32(value)
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from None
        return options

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        data = dict(data)
        name = data.pop("name", None)
        if name is not None:
            if not isinstance(name, str) or name not in MODELS:
                raise unknown("model", name, MODELS)
            if "scores" in data or "gates" in data:
                raise RequestError(
                    f"model: give either name or scores and gates, got name {name!r} and one of them"
                )
            data |= {"scores": MODELS[name].scores, "gates": MODELS[name].gates}
        width = data.get("encoder_width", 32)
        if data.get("model_width") is None and isinstance(width, int):
            data["model_width"] = 4 * width
        return data

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.scores not in SCORES:
            raise unknown("scores", self.scores, SCORES)
        if self.gates not in GATES:
            raise unknown("gates", self.gates, GATES)
        for field, known in (
            ("score_options", SCORE_OPTIONS.get(self.scores)),
            ("gate_options", GATE_OPTIONS.get(self.gates)),
        ):
            for name, value in getattr(self, field).items() if known is not None else ():
                if not known:
                    raise ValueError(f"{field}: this router has none, got {name!r}")
                if name not in known:
                    raise unknown(f"model.{field}", name, known)
                real = known[name].kind is float and isinstance(value, float)
                if isinstance(value, bool) or not (real or isinstance(value, int)) or not value > 0:
                    what = (
                        "a number greater than 0" if known[name].kind is float else "an integer of at least 1"
                    )
                    raise ValueError(f"{field}.{name}: must be {what}, got {value!r}")
        if self.scores == "none" and self.num_modules is not None:
            raise ValueError("num_modules: a monolithic model has no modules; leave it out")
        if self.scores == "none" and (self.gates != "softmax" or self.gate_options or self.score_options):
            raise ValueError("gates: a monolithic model has no router; leave gates and options out")
        return self

    @property
    def name(self) -> str:
        """The paper's name of this point of scores x gates, or `scores+gates`."""
        return model_name(self.scores, self.gates)

    @property
    def modular(self) -> bool:
        """Whether the model has modules and a router."""
        return self.scores != "none"


class TrainSpec(Spec):
    """Optimisation: Adam with the paper's defaults."""

    steps: Positive
    """Filled in with 100,000 (MLP) or 500,000 (MHA, RNN)."""
    batch_size: Positive = 256
    learning_rate: Rate = 1e-4
    clip_norm: NonNegative
    """Largest global gradient norm; 0 does not clip. Filled in with 1 (RNN) or 0 (MLP, MHA)."""
    halve_learning_rate_at: tuple[Positive, ...] = ()
    """Steps at which the learning rate is halved."""
    precision: Precision = "float32"
    """Of the operands of products; their sums are float32. See `modbench.models.precision`."""


class EvaluationSpec(Spec):
    """Sample counts of everything that is measured (PAPER sections 4 and 5)."""

    curve_every: Positive = 5000
    """Steps between two points of the learning curve; each also offers a "best" checkpoint."""
    curve_batches: Positive = 10
    """Batches of the training size behind each point, and as many others behind each selection."""
    performance_batches: Positive = 100
    performance_batch_size: Positive
    """Filled in with 1000 (MLP, MHA classification) or 256 (MHA regression, RNN)."""
    lengths: tuple[Positive, ...]
    """Test lengths; filled in with 3, 5, 10, 20, 30 at training length 10, with 10, 20 … 50 at 20."""
    activation_samples: Positive
    """Samples or tokens behind the activation matrix; filled in with 1e6 (MLP, RNN) or 1e7 (MHA)."""
    adaptation_distributions: Positive = 100
    adaptation_samples: Positive = 10_000
    """Samples or sequences per rule distribution."""


class RunSpec(Spec):
    """One run: a task, a model, how it is trained, how it is measured, and its seed.

    Example:
        >>> spec = RunSpec.of(task={"architecture": "mlp", "num_rules": 4}, model={"name": "modular"}, seed=1)
        >>> spec.model.num_modules, spec.train.steps
        (4, 100000)
    """

    task: TaskSpec = Field(discriminator="architecture")
    model: ModelSpec
    train: TrainSpec
    evaluation: EvaluationSpec
    seed: Seed = 0

    @classmethod
    def of(
        cls,
        task: Mapping[str, Any],
        model: Mapping[str, Any] | None = None,
        train: Mapping[str, Any] | None = None,
        evaluation: Mapping[str, Any] | None = None,
        seed: int = 0,
    ) -> Self:
        """Builds a run from plain tables, filling in the paper's protocol.

        Args:
            task: fields of the task; `architecture` and `num_rules` are needed.
            model: fields of `ModelSpec`, or `name` of a named model.
            train: fields of `TrainSpec`.
            evaluation: fields of `EvaluationSpec`; `preset` stands for those of
                `modbench.core.protocol.EVALUATION_PRESETS` that are not named.
            seed: of initialisation and batches.

        Raises:
            RequestError: a field is unknown, of the wrong type or out of range; the message says which.
        """
        return cls.parse(
            {
                "task": task,
                "model": model or {},
                "train": train or {},
                "evaluation": evaluation or {},
                "seed": seed,
            }
        )

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """Like `of`, from one nested table."""
        return neutral(cls.as_spelled(data))

    @classmethod
    def as_spelled(cls, data: Mapping[str, Any]) -> Self:
        """Like `parse`, but keeps the spelling, which earlier versions made ids from (`ids_of_stored`)."""
        if not isinstance(data, Mapping):
            raise RequestError(f"a run must be a table of fields, got {type(data).__name__}")
        known = ("task", "model", "train", "evaluation", "seed")
        for name in data:
            if name not in known:
                raise unknown("field", name, known)
        tables = {name: _table(name, data.get(name, {})) for name in known[:4]}
        task = tables["task"]
        architecture = task.get("architecture")
        if architecture is None:
            raise RequestError(f"task.architecture must be given. Possible: {', '.join(TASKS)}.")
        if not isinstance(architecture, str) or architecture not in TASKS:
            raise unknown("architecture", architecture, TASKS)
        for name, spec in (
            ("task", TASKS[architecture]),
            ("model", ModelSpec),
            ("train", TrainSpec),
            ("evaluation", EvaluationSpec),
        ):
            possible = [*spec.model_fields, *SHORTHANDS.get(name, ())]
            for field in tables[name]:
                if field not in possible:
                    raise unknown(
                        f"{name} field" + (f" of {architecture}" if name == "task" else ""), field, possible
                    )
        fill_in(architecture, tables)
        try:
            return cls.model_validate({**tables, "seed": data.get("seed", 0)})
        except ValidationError as error:
            raise RequestError(first_problem(error, frozenset(TASKS))) from None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        modules, rules, width = self.model.num_modules, self.task.num_rules, self.model.model_width
        if self.model.modular:
            if modules is None or modules < 2:
                raise ValueError(f"model.num_modules: must be at least 2 for a modular model, got {modules}")
            if self.model.scores == "oracle" and modules != rules:
                raise ValueError(
                    "model.num_modules: gt-modular needs as many modules as rules, "
                    f"got {modules} modules and {rules} rules"
                )
            selected = self.model.gate_options.get("k", 1)
            if self.model.gates == "top-k" and isinstance(selected, int) and selected > modules:
                raise ValueError(
                    f"model.gate_options.k: must be at most the number of modules, {modules}, got {selected}"
                )
            heads = 2 if self.task.architecture == "mha" else 1
            if self.task.architecture != "rnn" and width < heads * modules:
                raise ValueError(
                    f"model.model_width: must be at least {heads} per module, "
                    f"got {width} for {modules} modules"
                )
            # The hidden width, floor of a root (PAPER section 3), is at least 1 where the polynomial of 1 fits.
            e = self.model.encoder_width
            if self.task.architecture == "rnn" and 4 * modules * (e + 1) + 2 > width * (
                5 * width + 4 * e + 1
            ):
                raise ValueError(
                    "model.model_width: must be large enough for a hidden unit in every module, "
                    f"got {width} for {modules} modules"
                )
        elif self.task.architecture == "mha" and width < 2 * rules:
            raise ValueError(f"model.model_width: must be at least 2 per rule, got {width} for {rules} rules")
        if self.evaluation.activation_samples < 20 * rules:
            raise ValueError(
                f"evaluation.activation_samples: must be at least 20 per rule, {20 * rules}, so that every rule "
                f"is seen, got {self.evaluation.activation_samples}"
            )
        if self.task.architecture == "mha" and min(self.evaluation.lengths) < 2:
            raise ValueError(
                "evaluation.lengths: must be at least 2 for mha, where a token retrieves from others, "
                f"got {min(self.evaluation.lengths)}"
            )
        if len(set(self.evaluation.lengths)) != len(self.evaluation.lengths):
            raise ValueError(
                f"evaluation.lengths: must differ from each other, got {list(self.evaluation.lengths)}"
            )
        if self.task.architecture == "mlp" and self.evaluation.lengths != (1,):
            raise ValueError("evaluation.lengths: mlp has no sequences; leave it out")
        return self

    @property
    def length(self) -> int:
        """Positions of a training example: 1 for the MLP."""
        return 1 if isinstance(self.task, MlpTask) else self.task.length


def _table(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, BaseModel):
        return value.model_dump()
    if not isinstance(value, Mapping):
        raise RequestError(f"{name} must be a table of fields, got {value!r}")
    return dict(value)
