"""A cohort, a duration and a large number in words that fit on a line."""

from modbench.core.names import MODEL_TITLES
from modbench.core.spec import RunSpec
from modbench.core.task_spec import MhaTask


def describe_cell(spec: RunSpec) -> str:
    """What the runs of a cohort share, such as `"MLP regression R=8 E=32 Modular"`."""
    return f"{describe_setting(spec)} {MODEL_TITLES.get(spec.model.name, spec.model.name)}"


def describe_setting(spec: RunSpec) -> str:
    """What models are compared under, such as `"MLP regression R=8 E=32"`."""
    task, model = spec.task, spec.model
    architecture = task.architecture.upper()
    if isinstance(task, MhaTask):
        architecture += f" v{task.search_version}"
    modules = f" M={model.num_modules}" if model.num_modules not in (None, task.num_rules) else ""
    return f"{architecture} {task.kind} R={task.num_rules}{modules} E={model.encoder_width}"


def describe_seconds(seconds: float) -> str:
    """A duration to two units, such as `"4 s"`, `"3 min 20 s"`, `"5 h 10 min"`, `"12 days 4 h"`."""
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(seconds / 3600)
    if hours < 2 * 8766:
        return f"{hours // 24:,} days {hours % 24} h"
    return f"{hours / 8766:,.1f} years"


def describe_bytes(size: float) -> str:
    """A size such as `"12.0 KB"` or `"1.3 GB"`, in powers of 1000."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def plural(count: int, noun: str) -> str:
    """A count with its noun, such as `"1 run"` or `"20,000 runs"`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def waiting_words(count: int) -> str:
    """How many runs are finished and not stored yet, such as `"12 more are finished, to be stored with …"`."""
    return f"{count:,} more {'is' if count == 1 else 'are'} finished, to be stored with the rest of a cohort"
