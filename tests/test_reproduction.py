"""What docs/reproduction.md says of presets, parameters and rules is so, and the files that it names exist."""

import re
from pathlib import Path

from modbench.core.grid import preset_names
from preset_sweeps import preset

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "reproduction.md").read_text("utf-8")
SHORT = {"quick", "small", "smoke"}
"""Presets that are not the paper's protocol."""


def test_the_table_of_presets():
    section = TEXT.split("\n## Variants\n")[1].split("\n## ")[0]
    said = dict(re.findall(r"^\| `([\w-]+)` \| ([\d,]+)", section, re.M))
    assert set(said) == set(preset_names()) - SHORT
    for name, number in said.items():
        assert int(number.replace(",", "")) == len(preset(name).runs), name


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
