"""Steps to given targets and what becomes of routing, as a page shows them: tables per setting and number of rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from modbench.analysis import model_title, with_settings
from modbench.analysis.over_time import FATES, TARGETS, fates, times
from modbench.analysis.summary import groups
from modbench.core.quantities import error_unit
from modbench.figures.fates import TITLES
from modbench.figures.style import ModelStyle
from modbench.report.svg import marker_svg
from modbench.store.table import Tables


@dataclass(frozen=True)
class Shown:
    """A cell: the number, its interval or why there is none, and what it rests on; empty where it does not exist."""

    value: str = ""
    interval: str = ""
    basis: str = ""


@dataclass(frozen=True)
class Line:
    """A model: its name and marker, a cell per target, and a cell per fate."""

    title: str
    marker: Markup
    times: list[Shown]
    fates: list[Shown]


@dataclass(frozen=True)
class OverTime:
    """The tables of a setting and number of rules.

    Attributes:
        setting: its name.
        num_rules: R.
        targets: headings of times, with the bound of an error in its unit.
        fates: headings of fates.
        lines: a line per model; fates are empty where no model has a router.
    """

    setting: str
    num_rules: int
    targets: list[str]
    fates: list[tuple[str, str]]
    lines: list[Line]


def over_time(tables: Tables, styles: dict[str, ModelStyle]) -> list[OverTime]:
    """The tables of all settings and numbers of rules that have a run, in reporting order.

    Args:
        tables: as loaded.
        styles: of all its models.
    """
    tables = with_settings(tables)
    found, become = times(tables), fates(tables)
    kinds = tables.runs.drop_duplicates("setting").set_index("setting")["kind"].to_dict()
    made = []
    for key, part in groups(found, ["setting", "num_rules"]):
        if not part["num_runs"].any():
            continue
        # The page says once that routing was not recorded; a table of nothing else would say it in every cell.
        part = part[part.groupby("target", observed=True)["num_runs"].transform("sum") > 0]
        routed = become[(become["setting"] == key["setting"]) & (become["num_rules"] == key["num_rules"])]
        routed = routed if routed["num_runs"].any() else routed.iloc[:0]
        bounds = part.drop_duplicates("target").set_index("target")["bound"].to_dict()
        unit = error_unit(str(kinds[key["setting"]]))
        lines = []
        for model, rows in part.groupby("model", sort=False):
            at = {row["target"]: _time(row) for row in rows.to_dict("records")}
            own = routed[routed["model"] == model]
            of = {row["fate"]: _fate(row) for row in own.to_dict("records")}
            cells = [at.get(name, Shown()) for name in bounds]
            marker = marker_svg(styles[str(model)])
            lines.append(Line(model_title(str(model)), marker, cells, [of[name] for name in FATES if of]))
        made.append(
            OverTime(
                key["setting"],
                int(key["num_rules"]),
                [_heading(str(name), bound, unit) for name, bound in bounds.items()],
                [(TITLES[name], meaning) for name, meaning in FATES.items()],
                lines,
            )
        )
    return made


def recorded(tables: Tables) -> tuple[int, int]:
    """Finished runs of modular models: those with routing recorded along training, and those without."""
    routed = (tables.curves["status"] == "done") & (tables.curves["scores"] != "none")
    done = tables.curves.loc[routed, ["run_id", "alignment"]]
    known = done.groupby("run_id")["alignment"].count() > 0
    return int(known.sum()), int((~known).sum())


def _heading(name: str, bound: float, unit: str) -> str:
    target = TARGETS[name]
    if target.column != "error":
        return target.title
    return f"{target.title}, {bound:.1f} %" if unit == "%" else f"{target.title}, {bound:.2g}"


def _time(row: Mapping[Any, Any]) -> Shown:
    if not row["num_runs"]:
        return Shown("not recorded" if row["num_unrecorded"] else "no finished run")
    last = row["last_step"]
    basis = f"{row['num_reached']:,} of {row['num_runs']:,} runs"
    basis += f", {row['num_unrecorded']:,} not recorded" * bool(row["num_unrecorded"])
    if np.isnan(row["low"]):
        return Shown(_steps(row["steps"], last), "", basis)
    bounds = [_steps(row[name], last) for name in ("low", "high")]
    interval = bounds[0] if bounds[0] == bounds[1] else " to ".join(bounds)
    return Shown(_steps(row["steps"], last), interval, basis)


def _steps(steps: float, last: float) -> str:
    return f"over {last:,.0f}" if np.isinf(steps) else f"{steps:,.0f}"


def _fate(row: Mapping[Any, Any]) -> Shown:
    if not row["num_runs"]:
        return Shown("not recorded" if row["num_unrecorded"] else "no finished run")
    if not row["of"]:
        return Shown("none", "", "no run it could be a share of")
    bounded = np.isfinite(row["low"])
    interval = f"{100 * row['low']:.0f} to {100 * row['high']:.0f} %" if bounded else ""
    return Shown(f"{100 * row['share']:.0f} %", interval, f"{row['num_of']:,} of {row['of']:,} runs")
