"""The page: everything put together, rendered, and written at once."""

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from modbench import __version__
from modbench.analysis import model_title, settings_in_order, with_settings
from modbench.analysis.best import RULE
from modbench.analysis.intervals import LEVEL
from modbench.analysis.summary import planned_runs
from modbench.core.names import CHECKPOINTS
from modbench.core.quantities import METRICS, QUANTITIES
from modbench.figures import FIGURES, FigureCard, FigureData, model_styles
from modbench.figures.drawers import MANY_RUNS, drawers
from modbench.figures.style import COLOURS, HEAT_MARKS, HEAT_POWER, HEAT_RULE
from modbench.report.conclusions import conclusions
from modbench.report.confounds import confounds
from modbench.report.explore import (
    Named,
    named_settings,
    scripts,
    setting_data,
    shared_data,
    slots,
)
from modbench.report.facts import MOST_LISTED, failures, families, gaps, machine, totals
from modbench.report.frame import DARK, content_policy, json_script, packed_script, template, write_page
from modbench.report.guide import FORMULAS, examples
from modbench.report.numbers import EVERY
from modbench.report.over_time import over_time, recorded
from modbench.report.scores import learning_speed, scores
from modbench.report.svg import inline_svg, marker_svg
from modbench.report.verdicts import short_training, shown_claims
from modbench.store.table import Tables

APART = "appendix"
"""What a figure's card says that is too much for one page: there, panels by capacity and length would outweigh all
else."""
EXPLORED = ("error", "metrics", "curves", "activation", "specialisation", "times", "fates")
"""Figures that the page has in a form that can be explored, or as tables."""
MOST_OPEN = 3
"""Settings whose facts stand open: of more, the answer would be off the first screen."""
CHOSEN_BY_RULES = ("profiles",)
"""Figures of which the page shows one number of rules at a time; others have few panels, and show all."""


@dataclass(frozen=True)
class Panel:
    """One drawing of a figure: for which setting and number of rules it is shown, None for all."""

    svg: Markup
    setting: int | None
    num_rules: int | None


@dataclass(frozen=True)
class Section:
    """A figure of the page: its card, its panels, what it rests on, and whether markers have a legend."""

    card: FigureCard
    panels: list[Panel]
    basis: str


def write_report(
    tables: Tables,
    path: str | Path,
    provenance: Mapping[str, Any] | None = None,
    checkpoint: str = "last",
    processes: int = 1,
) -> Path:
    """Writes one HTML page that holds everything: no other file, no network.

    Args:
        tables: as loaded.
        path: of the page; a file that is there is replaced, in one step.
        provenance: what else the page shall say about where its numbers come from, such as the command; name ->
            value, shown as given. `"title"` becomes the page's headline.
        checkpoint: `"last"` or `"best"`: which parameters of each run the page is about. Its score tables show the
            other too, apart.
        processes: that may share the work, if there are very many runs; see `modbench.figures.save_figures`.

    Returns:
        The path.

    Raises:
        RequestError: the path is a folder or anything else that is no regular file, or the checkpoint is unknown.
        MachineError: the page cannot be written, or a process that draws was killed.
    """
    return write_page(path, "the report", lambda: render(tables, provenance or {}, checkpoint, processes))


def render(
    tables: Tables, provenance: Mapping[str, Any], checkpoint: str = "last", processes: int = 1
) -> str:
    """The page's HTML; see `write_report`."""
    tables = with_settings(tables)
    many = len(planned_runs(tables, checkpoint)) >= MANY_RUNS
    # This process is busy too, with all that is not drawn.
    with drawers(processes - 1 if many else 0) as pool:
        return template("page.html.j2").render(_content(tables, provenance, checkpoint, pool))


def _content(
    tables: Tables, provenance: Mapping[str, Any], checkpoint: str, pool: Executor
) -> dict[str, Any]:
    """All that the page shows."""
    planned = planned_runs(tables, checkpoint)
    settings = settings_in_order(planned)
    rules = sorted(int(R) for R in planned["num_rules"].unique())
    named = named_settings(planned, settings)
    styles = model_styles(planned["model"])
    said = dict(provenance)
    drawable = FIGURES.values() if (planned["state"] == "done").any() else ()
    needs = {card.name: card.lack(planned) for card in drawable}
    shown = [card for card in drawable if not needs[card.name] and card.name not in EXPLORED]
    drawn = [_section(card, tables, settings, checkpoint, pool) for card in shown if card.paper != APART]
    claims = shown_claims(tables, shlex.quote(str(said.get("store", "DIR"))), checkpoint)
    (other,) = (name for name in CHECKPOINTS if name != checkpoint)
    run, speed = scripts(), learning_speed(tables)
    return {
        "title": str(said.pop("title", "modbench report")),
        "version": __version__,
        "settings": settings,
        "rules": rules,
        "named": named,
        "contents": _contents(bool((planned["state"] == "done").any())),
        "opening": _opening(planned, named),
        "several_widths": planned["encoder_width"].nunique() > 1,
        "rule_of_bold": RULE,
        **_offered(tables, planned, named, rules),
        "checkpoint_place": CHECKPOINTS.index(checkpoint),
        "slots": slots(rules),
        "policy": content_policy(run),
        "scripts": [Markup(text) for text in run],
        "shared": json_script("store", shared_data(tables, planned, named, styles, checkpoint)),
        "of_settings": [
            packed_script(f"setting{place}", data) for place, data in enumerate(setting_data(tables, named))
        ],
        "totals": totals(tables),
        "families": families(tables),
        "most_open": MOST_OPEN,
        "failures": failures(tables).to_dict("records"),
        "gaps": gaps(tables).to_dict("records"),
        "most_listed": MOST_LISTED,
        "damaged": [str(getattr(damage, "file", damage)) for damage in tables.damaged],
        "retired": set(tables.retired) - set(chain.from_iterable(tables.unknown_routers.values())),
        "unknown_routers": tables.unknown_routers,
        "legend": [(model_title(model), marker_svg(style)) for model, style in styles.items()],
        "checkpoint": checkpoint,
        "other": other,
        "scores": zip(*(scores(tables, styles, speed, name) for name in (checkpoint, other)), strict=True),
        "conclusions": conclusions(tables, checkpoint),
        "claims": claims,
        "short": short_training(claims),
        "confounds": confounds(tables, checkpoint),
        "recorded": recorded(tables),
        "over_time": over_time(tables, styles),
        "sections": [section() for section in drawn],
        "apart": [card.title for card in shown if card.paper == APART],
        "lacking": [(card.title, need.text) for card in drawable if (need := needs[card.name])],
        "level": f"{100 * LEVEL:.0f}",
        "quantities": [QUANTITIES[name] for name in METRICS],
        "formulas": FORMULAS,
        "examples": examples(),
        "machine": machine(tables),
        "provenance": said,
        "model_title": model_title,
        "heat_marks": HEAT_MARKS,
        "heat_power": HEAT_POWER,
        "heat_rule": HEAT_RULE,
        "light": COLOURS,
        "dark": DARK,
    }


def _contents(explored: bool) -> list[tuple[str, str]]:
    """The page's sections: id and what the table of contents calls them."""
    first = [("run", "Runs"), ("answer", "Answer"), ("claims", "Claims"), ("confounds", "Keep in mind")]
    middle = [("explore", "Explore"), ("activations", "Matrices"), ("forming", "Over training"),
              ("learning", "Learning"), ("distribution", "Every run")]  # fmt: skip
    last = [("figures", "Figures"), ("read", "How to read"), ("provenance", "Source")]
    return [*first, *(middle if explored else []), *last]


def _opening(planned: pd.DataFrame, named: Sequence[Named]) -> dict[str, Any]:
    """What the page's controls begin with: the first setting that has a finished run, and its most rules that have."""
    done = planned[planned["state"] == "done"]
    shown = done if len(done) else planned
    (setting, *_) = [one for one in named if one.name in set(shown["setting"])] or [None]
    if setting is None:
        return {}
    rules = int(shown.loc[shown["setting"] == setting.name, "num_rules"].max())
    return {"family": setting.family, "kind": setting.kind, "rest": setting.rest, "rules": rules}


def _offered(
    tables: Tables, planned: pd.DataFrame, named: Sequence[Named], rules: Sequence[int]
) -> dict[str, list[tuple[Any, str]]]:
    """What the page's controls offer: (value, label) of each choice; the script greys out what a setting lacks."""
    widths = sorted(int(width) for width in planned["encoder_width"].unique())
    tested = tables.performance.loc[tables.performance["architecture"] != "mlp", "length"]
    every = [(EVERY, "all")] if len(widths) > 1 else []
    return {
        "families_offered": [(family, family) for family in dict.fromkeys(one.family for one in named)],
        "kinds_offered": [(kind, kind) for kind in dict.fromkeys(one.kind for one in named)],
        "rests_offered": [(rest, rest or "the paper's") for rest in dict.fromkeys(one.rest for one in named)],
        "rules_offered": [(R, str(R)) for R in rules],
        "capacities_offered": every + [(width, str(width)) for width in widths],
        "lengths_offered": [(0, "as reported")] + [(int(n), str(n)) for n in sorted(tested.unique())],
        "checkpoints_offered": [(place, name) for place, name in enumerate(CHECKPOINTS)],
    }


def _section(
    card: FigureCard, tables: Tables, settings: list[str], checkpoint: str, pool: Executor
) -> Callable[[], Section]:
    """Has a figure drawn; what it gives waits for that."""
    data = card.prepare(tables, checkpoint) if card.at_checkpoint else card.prepare(tables)
    drawn = []
    for index, (where, part) in enumerate(_parts(card, data)):
        label = ", ".join([card.title, *(str(value) for value in where.values())])
        setting = where.get("setting")
        drawn.append((
            pool.submit(_drawing, card.name, part, f"{card.name}{index}", label),
            None if setting is None else settings.index(setting),
            int(where["num_rules"]) if card.name in CHOSEN_BY_RULES else None,
        ))  # fmt: skip
    footer = data.footer(intervals=card.name not in ("ranking", "activation"))
    return lambda: Section(card, [Panel(svg.result(), *shown_for) for svg, *shown_for in drawn], footer)


def _drawing(name: str, part: FigureData, prefix: str, label: str) -> Markup:
    return inline_svg(FIGURES[name].draw(part, compact=True), prefix, label)


def _parts(card: FigureCard, data: FigureData) -> Iterator[tuple[dict[str, Any], FigureData]]:
    """The parts of a figure's data that have something to show, with what they are parts of."""

    def split(
        where: dict[str, Any], part: FigureData, columns: tuple[str, ...]
    ) -> Iterator[tuple[dict, FigureData]]:
        if not columns:
            yield where, part
            return
        for value in part.present(columns[0]):
            yield from split({**where, columns[0]: value}, part.only(**{columns[0]: value}), columns[1:])

    yield from split({}, data, card.panels)
