"""What a task is: a family of rules, and the seed that draws one task from it (PAPER section 2)."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from modbench.core.names import Kind

SMALLEST, LARGEST = 2.0**-126, (2 - 2.0**-23) * 2.0**127
"""Sizes of float32's normal numbers. Programs compute in float32, where what is smaller counts as 0."""
MOST = 2**31 - 1
"""The largest integer of a program."""


def in_float32(value: float) -> float:
    """The number itself. Raises `ValueError` for one that is not 0 and not near any normal number of float32."""
    if value != 0 and not SMALLEST <= abs(value) <= LARGEST:
        raise ValueError(
            f"must be from {SMALLEST:.8g} to {LARGEST:.8g} in size, as float32 can hold it, got {value!r}"
        )
    return value


Seed = Annotated[int, Field(ge=0, lt=2**32)]
Positive = Annotated[int, Field(ge=1, le=MOST)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False), AfterValidator(in_float32)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(in_float32)]


class Spec(BaseModel):
    """A frozen table of fields that refuses unknown ones and converts nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Task(Spec):
    kind: Kind = "regression"
    num_rules: int = Field(ge=2, le=1024)
    task_seed: Seed = 0
    rule_probabilities: tuple[NonNegative, ...] | None = None
    """Training distribution over rules; None is uniform."""

    @model_validator(mode="after")
    def _distribution(self) -> Self:
        p = self.rule_probabilities
        if p is not None:
            if len(p) != self.num_rules:
                raise ValueError(
                    f"rule_probabilities: must have num_rules = {self.num_rules} entries, got {len(p)}"
                )
            if abs(sum(p) - 1) > 1e-6:
                raise ValueError(f"rule_probabilities: must sum to 1, got a sum of {sum(p):.6g}")
        if getattr(self, "variant", "linear") == "fixed-ops" and self.num_rules > 5:
            raise ValueError(f"num_rules: must be at most 5 with variant 'fixed-ops', got {self.num_rules}")
        return self


class MlpTask(_Task):
    """y = alpha_c x1 + beta_c x2 (PAPER Eq. 4-6)."""

    architecture: Literal["mlp"] = "mlp"
    variant: Literal["linear", "fixed-ops"] = "linear"


class MhaTask(_Task):
    """Retrieval of the nearest other tokens under the token's rule (PAPER Eq. 7-11)."""

    architecture: Literal["mha"] = "mha"
    variant: Literal["linear", "fixed-ops"] = "linear"
    search_version: Literal[1, 2] = 1
    length: int = Field(default=10, ge=2, le=4096)

    @property
    def token_features(self) -> int:
        """Numbers a token has beside its rule code: (q, q', v, v') per rule; queries are pairs in version 2."""
        return (4 if self.search_version == 1 else 6) * self.num_rules


class RnnTask(_Task):
    """A switched linear dynamical system (PAPER Eq. 12-15)."""

    architecture: Literal["rnn"] = "rnn"
    order: Positive = 1
    state_width: Positive = 32
    length: int = Field(default=10, ge=1, le=4096)


TaskSpec = MlpTask | MhaTask | RnnTask
TASKS: dict[str, type[MlpTask] | type[MhaTask] | type[RnnTask]] = {
    "mlp": MlpTask,
    "mha": MhaTask,
    "rnn": RnnTask,
}
