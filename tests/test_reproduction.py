"""What docs/reproduction.md says of presets, parameters and rules is so, and the files that it names exist."""

import contextlib
import io
import re
from pathlib import Path

from modbench.core.grid import load_sweep, preset_names

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "reproduction.md").read_text("utf-8")
SHORT = {"quick", "small", "smoke"}
"""Presets that are not the paper's protocol."""


def test_the_blocks_run_and_print_what_the_page_says():
    blocks = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", TEXT, re.M | re.S)
    assert len(blocks) == TEXT.count("```python") == 2
    for code, expected in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "reproduction.md", "exec"), {})
        assert printed.getvalue() == expected


def test_the_table_of_presets():
    section = TEXT.split("\n## Variants\n")[1].split("\n## ")[0]
    said = dict(re.findall(r"^\| `([\w-]+)` \| ([\d,]+)", section, re.M))
    assert set(said) == set(preset_names()) - SHORT
    for name, number in said.items():
        assert int(number.replace(",", "")) == len(load_sweep(name).runs), name


def test_the_files_that_it_names_exist():
    named = set(re.findall(r"`((?:\w+/)+\w+\.py)`", TEXT))
    assert len(named) > 15
    for name in named:
        assert (ROOT / name).exists() or (ROOT / "src" / "modbench" / name).exists(), name


def test_the_figures_that_it_names_exist():
    from modbench.figures import FIGURES

    section = TEXT.split("\n### Figures\n")[1].split("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", section)) - {"DIR", "NAME"}
    assert len(named) >= 8
    assert named <= set(FIGURES)
