"""The file of `modbench bench --json` as Markdown tables, for docs/performance.md: python benchmarks/tables.py FILE."""

import json
import sys
from pathlib import Path
from typing import Any

MODELS = {
    "monolithic": "Monolithic",
    "modular": "Modular",
    "modular-op": "Modular-op",
    "gt-modular": "GT-Modular",
}


def tables(document: dict[str, Any]) -> str:
    """A table per architecture and kind: rules and models down, encoder widths across.

    Args:
        document: as `modbench bench` writes it.

    Returns:
        Markdown; a cell is milliseconds per step and run of the whole machine, and the share of the peak.
    """
    rows = document["rows"]
    parts = [provenance(document)]
    for architecture, kind in dict.fromkeys((row["architecture"], row["kind"]) for row in rows):
        shown = [row for row in rows if (row["architecture"], row["kind"]) == (architecture, kind)]
        widths = sorted({row["encoder_width"] for row in shown})
        parts.append(f"**{architecture.upper()}, {kind}**")
        lines = ["| R | model | " + " | ".join(f"E={width}" for width in widths) + " |"]
        lines.append("|---|---|" + "---:|" * len(widths))
        for rules, model in dict.fromkeys((row["num_rules"], row["model"]) for row in shown):
            cells = {
                row["encoder_width"]: _cell(row)
                for row in shown
                if (row["num_rules"], row["model"]) == (rules, model)
            }
            texts = " | ".join(cells.get(width, "") for width in widths)
            lines.append(f"| {rules} | {MODELS.get(model, model)} | {texts} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def provenance(document: dict[str, Any]) -> str:
    """What was measured on what, when and with what, as a sentence."""
    machine, versions = document["machine"], document["versions"]
    peak = document["peak_flops_per_second"]
    said = "" if peak is None else f", matrix product {peak / 1e9:,.0f} GFLOP/s"
    some = "" if document["complete"] else f", {len(document['rows'])} of {document['shapes_asked']} shapes"
    return (
        f"`{document['command']}` on {document['date'][:10]}: {machine['processor']}, {machine['cores']} cores, "
        f"{machine['device']}{said}; modbench {versions['modbench']}, JAX {versions['jax']}{some}."
    )


def _cell(row: dict[str, Any]) -> str:
    if row["status"] != "measured":
        return "failed"
    ms = row["ms_per_step_and_run"]
    decimals = 0 if ms >= 100 else 1 if ms >= 10 else 2 if ms >= 1 else 3
    return f"{ms:,.{decimals}f} ({100 * row['share_of_peak']:.0f} %)"


if __name__ == "__main__":
    print(tables(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
