"""`modbench list`: the words of a sweep file, and the figures."""

import tomllib
from importlib import resources

from rich.table import Table

from modbench.cli.console import output
from modbench.core.errors import unknown
from modbench.core.grid import preset_names
from modbench.core.names import ARCHITECTURES, GATES, KINDS, MODELS, SCORES, VARIANTS
from modbench.core.quantities import QUANTITIES


def show_names(what: str | None) -> None:
    """Prints names with a line on each.

    Args:
        what: `"tasks"`, `"models"`, `"presets"`, `"metrics"`, `"figures"`, or None for all.

    Raises:
        RequestError: there is no such list.
    """
    lists = {
        "tasks": _tasks,
        "models": _models,
        "presets": _presets,
        "metrics": _metrics,
        "figures": _figures,
    }
    if what is not None and what not in lists:
        raise unknown("list", what, lists)
    console = output()
    for make in lists.values() if what is None else [lists[what]]:
        for table in make():
            console.print(table)


def _table(title: str, rows: dict[str, str]) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, show_header=False, padding=(0, 2)
    )
    table.add_column(no_wrap=True, style="cyan")
    table.add_column()
    for name, meaning in rows.items():
        table.add_row(name, meaning)
    table.add_row()
    return table


def _tasks() -> list[Table]:
    return [
        _table("task.architecture", ARCHITECTURES),
        _table("task.kind", dict.fromkeys(KINDS, "")),
        _table("task.variant (mlp, mha)", VARIANTS),
    ]


def _models() -> list[Table]:
    named = {
        name: f"{model.description} (scores {model.scores}, gates {model.gates})"
        for name, model in MODELS.items()
    }
    return [_table("model.name", named), _table("model.scores", SCORES), _table("model.gates", GATES)]


def _presets() -> list[Table]:
    folder = resources.files("modbench.presets")
    rows = {}
    for name in preset_names():
        rows[name] = tomllib.loads((folder / f"{name}.toml").read_text("utf-8")).get("description", "")
    return [_table("presets", rows)]


def _metrics() -> list[Table]:
    rows = {}
    for name, card in QUANTITIES.items():
        unit = f" in {card.unit}" if card.unit else ""
        high = "" if card.high is None else f" to {card.top or f'{card.high:g}'}"
        rows[name] = f"{card.meaning} From {card.low:g}{high}{unit}; lower is better."
    return [_table("reported quantities", rows)]


def _figures() -> list[Table]:
    from modbench.figures import FIGURES

    rows = {
        name: f"{card.title}{f' ({card.paper} of the paper)' * bool(card.paper)}"
        for name, card in FIGURES.items()
    }
    return [_table("figures", rows)]
