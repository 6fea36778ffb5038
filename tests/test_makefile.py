"""The Makefile with stand-ins for the programs that it runs: a dry run runs none of them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TARGETS = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.M)[1].split()
STAND_IN = (
    '#!/bin/sh\necho "$(basename "$0") $*" >> called\ntest "$1" != run || mkdir -p results/quick/cohorts\n'
)


@pytest.fixture
def checkout(tmp_path):
    """A folder with the Makefile and an environment whose programs write down how they were called."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    for name in ("python", "modbench", "pytest", "ruff", "pyright", "lint-imports", "sphinx-build"):
        program = tmp_path / ".venv" / "bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(STAND_IN)
        program.chmod(0o755)
    for stamp in ("run", "dev", "docs"):
        (tmp_path / ".venv" / ".stamps").mkdir(exist_ok=True)
        (tmp_path / ".venv" / ".stamps" / stamp).touch()
    return tmp_path


def make(folder: Path, *arguments: str) -> None:
    subprocess.run(["make", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("target", TARGETS)
def test_a_dry_run_runs_nothing(checkout, target):
    before = {path: path.stat().st_mtime_ns for path in checkout.rglob("*")}
    make(checkout, "-n", target)
    assert {path: path.stat().st_mtime_ns for path in checkout.rglob("*")} == before


def test_the_demo_trains_draws_and_reports(checkout):
    make(checkout, "demo")
    assert (checkout / "called").read_text().splitlines() == [
        "modbench run quick --out results/quick",
        "modbench figures results/quick",
        "modbench report results/quick",
    ]
