"""From slices to a table: ratios of each round, their median and spread, and what they were measured on."""

import math
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

from modbench.sweep.environment import installed
from versus.contest import Contest, Settings
from versus.crew import Variant
from versus.shapes import Shape

PARAMETERS_AGREE = 1e-3
"""Largest relative difference: the original's RNN has a bias per module that it never uses."""


class Spread(NamedTuple):
    """A ratio over rounds: how many times as long the other takes."""

    median: float
    low: float
    high: float
    quartiles: tuple[float, float]
    rounds: int

    def __str__(self) -> str:
        """Median and range."""
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def spread(ours: Sequence[float], other: Sequence[float]) -> Spread:
    """The ratio other / ours of each round, summed up.

    Args:
        ours: milliseconds per step and run in each round.
        other: the same of another; rounds that only one of them has, because the other failed, are left out.
    """
    ratios = [b / a for a, b in zip(ours, other, strict=False)]
    if len(ratios) == 1:
        return Spread(ratios[0], ratios[0], ratios[0], (ratios[0], ratios[0]), 1)
    first, _, third = quantiles(ratios, n=4, method="inclusive")
    return Spread(median(ratios), min(ratios), max(ratios), (first, third), len(ratios))


def best(variants: Sequence[Variant]) -> Variant | None:
    """The variant with the least median time among those that were measured; None without one."""
    measured = [variant for variant in variants if variant.ms]
    return min(measured, key=lambda variant: median(variant.ms)) if measured else None


def result(shape: Shape, found: Contest, settings: Settings) -> dict[str, Any]:
    """A shape's results, as they are written to JSON.

    Args:
        shape: what was trained.
        found: what was measured.
        settings: where and how.

    Returns:
        The shape, its target, every variant with all its slices, and by contender the ratio to ours: of the original
        its best number of threads, and of as many processes as cores. A ratio is missing where one of the two failed.
    """
    ours = best(found["modbench"])
    ratios = {}
    for name, variants in found.items():
        other = best(variants)
        if name != "modbench" and ours is not None and other is not None:
            ratios[name] = spread(ours.ms, other.ms)._asdict()
    return {
        "shape": str(shape),
        "device": settings.device,
        "precision": settings.precision,
        "width_asked": settings.width,
        **vars(shape),
        "target": shape.target(settings.device),
        "ratios": ratios,
        "contenders": {name: [_variant(v) for v in variants] for name, variants in found.items()},
        "remarks": remarks(found),
    }


def _variant(variant: Variant) -> dict[str, Any]:
    return {
        "how": str(variant),
        "processes": len(variant.workers),
        "threads": variant.threads,
        "runs": variant.runs,
        "counted": variant.counted,
        "steps_per_slice": variant.steps,
        "median_ms": median(variant.ms) if variant.ms else None,
        "ms": variant.ms,
        "failure": variant.failure,
        **variant.facts,
    }


def remarks(found: Contest) -> list[str]:
    """What makes numbers doubtful: models of other sizes than ours, losses that are no numbers."""
    said = []
    ours = found["modbench"][0].facts.get("parameters")
    for name, variants in found.items():
        theirs = variants[0].facts.get("parameters") if variants else None
        if ours and theirs and abs(theirs / ours - 1) > PARAMETERS_AGREE:
            said.append(f"{name} has {theirs:,} parameters, modbench {ours:,}")
        if any(variant.loss is not None and not math.isfinite(variant.loss) for variant in variants):
            said.append(f"the loss of {name} is not finite")
    return said


HEAD = (
    "shape",
    "modbench ms",
    "original ms",
    "ratio",
    "target",
    "at once ms",
    "ratio ",
    "stacked ms",
    "ratio  ",
)


def cells(row: dict[str, Any]) -> list[str]:
    """A row of the table from `result`: failed contenders say why."""
    line = [row["shape"], _time(row, "modbench")]
    for name in ("original", "at once", "stacked"):
        ratio = row["ratios"].get(name)
        line += [_time(row, name), str(Spread(**ratio)) if ratio else ""]
        if name == "original":
            line.append(f"{row['target']:g}{_verdict(ratio, row['target'])}")
    return line


def _verdict(ratio: dict[str, Any] | None, target: float) -> str:
    if ratio is None:
        return ""
    return " met" if ratio["median"] >= target else " MISSED"


def _time(row: dict[str, Any], name: str) -> str:
    variants = row["contenders"].get(name, [])
    measured = [v for v in variants if v["median_ms"] is not None]
    if not measured:
        return variants[0]["failure"] or "" if variants else ""
    fastest = min(measured, key=lambda v: v["median_ms"])
    return f"{fastest['median_ms']:.3g} ({fastest['how']})"


def markdown(rows: Sequence[dict[str, Any]], machine: dict[str, Any]) -> str:
    """The table and what it was measured on."""
    lines = ["| " + " | ".join(HEAD) + " |", "|---" * len(HEAD) + "|"]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in rows]
    lines += [
        "",
        "Milliseconds per step and run, medians; ratios: median (range) over rounds. " + _said(machine),
    ]
    lines += [f"- {row['shape']}: {remark}" for row in rows for remark in row["remarks"]]
    return "\n".join(lines)


def _said(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    busy = machine["busy_share"]
    others = "" if busy is None else f" Others kept its cores {100 * busy:.0f} % busy at most."
    precision = "" if machine["precision"] == "float32" else f" Products in {machine['precision']}."
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['date']}; {versions}.{others}{precision}"


def describe(rows: Sequence[dict[str, Any]], cores: int, busy: float | None) -> dict[str, Any]:
    """The machine, the date, and the versions that the workers named.

    Args:
        rows: results.
        cores: that were used.
        busy: largest share of them that other processes kept busy before a shape; None if unknown.
    """
    versions: dict[str, str] = {"jaxlib": installed("jaxlib")}
    for row in rows:
        for name, variants in row["contenders"].items():
            for variant in variants:
                for package, version in variant.get("versions", {}).items():
                    own = package != "python" or name == "modbench"
                    versions[package if own else "python of torch"] = version
    return {
        "cpu": cpu_model(),
        "cores": cores,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "versions": versions,
        "precision": rows[0]["precision"] if rows else "float32",
        "busy_share": busy,
    }


def cpu_model() -> str:
    """The processor's name."""
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def cpu_ticks() -> tuple[int, int] | None:
    """(busy, all) ticks of all cores since the machine started; None where it is not told."""
    listed = Path("/proc/stat")
    if not listed.exists():
        return None
    numbers = [int(word) for word in listed.read_text("utf-8").split("\n", 1)[0].split()[1:9]]
    idle = numbers[3] + numbers[4]
    return sum(numbers) - idle, sum(numbers)


def free_memory() -> int:
    """Bytes that can be had without anything being moved out; all memory where that is not told."""
    listed = Path("/proc/meminfo")
    if listed.exists():
        for line in listed.read_text("utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
