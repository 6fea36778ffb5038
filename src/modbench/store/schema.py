"""The Arrow schemas of a published cohort: explicit, so that a column that is all null keeps its type.

Version 1. A reader fills a nullable column that an older file lacks with null, so adding one (a quantity is
one line in `modbench.core.quantities`) keeps the version; a changed type or meaning raises it.
"""

import pyarrow as pa

from modbench.core.names import CHECKPOINTS
from modbench.core.quantities import CURVE_METRICS, QUANTITIES

SCHEMA_VERSION = 1
VERSION_KEY = b"modbench_schema_version"


def _field(name: str, kind: pa.DataType) -> pa.Field:
    """A column that always has a value."""
    return pa.field(name, kind, nullable=False)


def _maybe(name: str, kind: pa.DataType) -> pa.Field:
    """A column that may be null: it does not apply, or was not measured."""
    return pa.field(name, kind, nullable=True)


_SPEC = (
    _field("architecture", pa.string()),
    _field("kind", pa.string()),
    _maybe("search_version", pa.int32()),
    _field("num_rules", pa.int32()),
    _maybe("num_modules", pa.int32()),
    _field("task_seed", pa.int64()),
    _field("seed", pa.int64()),
    _field("model", pa.string()),
    _field("scores", pa.string()),
    _field("gates", pa.string()),
    _field("encoder_width", pa.int32()),
    _field("model_width", pa.int32()),
    _field("steps", pa.int64()),
    _field("batch_size", pa.int32()),
    _field("learning_rate", pa.float64()),
    _field("length", pa.int32()),
    _maybe("variant", pa.string()),
    _maybe("order", pa.int32()),
    _maybe("precision", pa.string()),
)
SPEC_COLUMNS = tuple(field.name for field in _SPEC)
"""The fields of a specification that have a column of their own, in order; column `spec` has all of them."""

_ENV = (
    _field("env_seconds_train", pa.float64()),
    _field("env_seconds_compile", pa.float64()),
    _field("env_seconds_evaluate", pa.float64()),
    _field("env_started", pa.string()),
    _field("env_host", pa.string()),
    _field("env_device", pa.string()),
    _field("env_modbench", pa.string()),
    _field("env_jax", pa.string()),
    _field("env_python", pa.string()),
    _maybe("env_peak_memory_mb", pa.float64()),
    _maybe("env_memory_mb", pa.float64()),
    _maybe("env_settings", pa.string()),
)
ENV_COLUMNS = tuple(field.name for field in _ENV)
"""What depends on the machine and not on the specification."""


NO_ROOM = "out of memory"
"""How the reason of a run begins that was never trained, since it did not fit into its worker's memory."""


def is_untrained(status: str, reason: str | None) -> bool:
    """Whether a row stands for a run that did not fit into memory; a row of the same run that did comes first."""
    return status == "failed" and (reason or "").startswith(NO_ROOM)


def quantity_column(checkpoint: str, quantity: str) -> str:
    """Name of a quantity's column in `runs.parquet`, such as `last_error_id`."""
    return f"{checkpoint}_{quantity}"


def _schema(*fields: pa.Field) -> pa.Schema:
    return pa.schema(fields, metadata={VERSION_KEY: str(SCHEMA_VERSION).encode()})


RUNS = _schema(
    _field("run_id", pa.string()),
    _field("cohort_id", pa.string()),
    _field("status", pa.string()),
    _maybe("reason", pa.string()),
    *_SPEC,
    _field("num_parameters", pa.int64()),
    _maybe("rule_agreement", pa.float64()),
    _maybe("rule_rank", pa.int32()),
    _field("width", pa.int32()),
    _maybe("diverged_at", pa.int64()),
    _field("spec", pa.string()),
    *(_maybe(quantity_column(c, q), pa.float64()) for c in CHECKPOINTS for q in QUANTITIES),
    _maybe("best_step", pa.int64()),
    _maybe("last_train_loss", pa.float64()),
    *_ENV,
)
"""One row a run. A quantity is null where it was not measured and NaN where the run diverged."""

CURVES = _schema(
    _field("run_id", pa.string()),
    _field("step", pa.int64()),
    *(_field(name, pa.float64()) for name in ("loss", "error", "selection_loss", "selection_error")),
    *(_maybe(name, pa.float32()) for name in CURVE_METRICS),
    _maybe("matrix", pa.binary()),
)
"""One row per run and evaluation during training. Errors: L1 (regression) or % (classification).

Metrics are null for models without modules and in files from before they were measured along training. `matrix` is A
(R x M) row by row, an entry p(module | rule) as the byte round(255 p); null but for the few runs of a cohort whose
matrices are kept.
"""

PERFORMANCE = _schema(
    _field("run_id", pa.string()),
    _field("checkpoint", pa.string()),
    _field("scale", pa.float64()),
    _field("length", pa.int32()),
    _field("loss", pa.float64()),
    _field("error", pa.float64()),
)
"""One row per run, checkpoint and shift: inputs times `scale`, tested at `length`."""

ACTIVATIONS = _schema(
    _field("run_id", pa.string()),
    _field("checkpoint", pa.string()),
    _field("num_rules", pa.int32()),
    _field("num_modules", pa.int32()),
    _field("matrix", pa.list_(pa.float64())),
)
"""One row per run and checkpoint of a modular model: `matrix` is A (R x M) row by row, p(module | rule)."""

TABLES: dict[str, pa.Schema] = {
    "runs": RUNS,
    "curves": CURVES,
    "performance": PERFORMANCE,
    "activations": ACTIVATIONS,
}
"""The tables of a cohort; each is the file `<name>.parquet`."""
