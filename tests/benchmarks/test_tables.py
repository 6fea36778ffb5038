"""The bench's file as Markdown tables."""

import json
import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "tables.py"


def row(rules, model, width, ms, share, **more):
    return {
        "status": "measured",
        "architecture": "rnn",
        "kind": "regression",
        "num_rules": rules,
        "model": model,
        "encoder_width": width,
        "ms_per_step_and_run": ms,
        "share_of_peak": share,
    } | more


def test_rules_and_models_down_encoder_widths_across(tmp_path):
    document = {
        "command": "modbench bench",
        "date": "2026-01-02T03:04:05+00:00",
        "machine": {"processor": "Abacus", "cores": 2, "device": "cpu (x86_64)"},
        "versions": {"modbench": "0.1.0", "jax": "0.10.2"},
        "peak_flops_per_second": 2.34e11,
        "shapes_asked": 5,
        "complete": False,
        "rows": [
            row(2, "modular", 32, 0.12345, 0.256),
            row(2, "modular", 512, 12345.6, 1.0),
            row(2, "gt-modular", 32, 12.345, 0.5),
            row(8, "modular", 512, None, None, status="failed", reason="out of memory"),
        ],
    }
    (tmp_path / "bench.json").write_text(json.dumps(document))
    shown = subprocess.run(
        [sys.executable, FILE, tmp_path / "bench.json"], capture_output=True, text=True, check=True
    ).stdout
    assert shown.splitlines() == [
        "`modbench bench` on 2026-01-02: Abacus, 2 cores, cpu (x86_64), matrix product 234 GFLOP/s; "
        "modbench 0.1.0, JAX 0.10.2, 4 of 5 shapes.",
        "",
        "**RNN, regression**",
        "",
        "| R | model | E=32 | E=512 |",
        "|---|---|---:|---:|",
        "| 2 | Modular | 0.123 (26 %) | 12,346 (100 %) |",
        "| 2 | GT-Modular | 12.3 (50 %) |  |",
        "| 8 | Modular |  | failed |",
    ]
