"""`modbench figures`, and the list of what it draws."""

import re

import pandas as pd
import pytest

from modbench.figures import FIGURES
from modbench.store.files import Store
from store import synthetic_store


@pytest.fixture
def store(folder):
    """Modular alone, with two task seeds and seeds; two runs are planned but not there."""
    store = Store.create(folder / "a store", {"name": "x", "grid": []})
    synthetic_store.fill(store, [synthetic_store.cohort()])
    store.add_plan(synthetic_store.cohort(task_seeds=(2,)))
    return store.folder


def test_files_and_gaps_are_named(command, store):
    result = command("figures", str(store), "--only", "error", "--only", "metrics", "--format", "svg")
    assert result.exit_code == 0
    names = ["error.csv", "error.svg", "metrics.csv", "metrics.svg"]
    *paths, gap = result.stdout.splitlines()
    assert paths == [str(store / "figures" / name) for name in names]
    assert gap == f"2 planned runs not there yet: modbench run '{store}/sweep.toml' --out '{store}'"
    assert sorted(path.name for path in (store / "figures").iterdir()) == names
    assert set(pd.read_csv(store / "figures" / "error.csv")["checkpoint"]) == {"last"}


def test_what_cannot_be_shown_is_left_out_with_a_line(command, store):
    result = command("figures", str(store), "--format", "svg")
    assert result.exit_code == 0
    left_out = re.findall(r"^left out: (\w+) needs .+; the store has .+$", result.stdout, re.MULTILINE)
    assert left_out == ["ranking", "improvement", "pooled", "capacity", "parameters", "length", "diagonal"]
    assert f"modbench figures '{store}' --only NAME tells what would make one" in result.stdout
    drawn = {path.stem for path in (store / "figures").iterdir()}
    assert drawn == {
        "error", "metrics", "curves", "times", "specialisation", "fates", "profiles", "activation",
    }  # fmt: skip


def test_asked_for_it_is_an_error_with_the_command(command, store, snapshot):
    before = snapshot(store)
    result = command("figures", str(store), "--only", "error", "--only", "capacity")
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("figure 'capacity' needs two or more encoder widths")
    assert line.endswith(
        f"the store has 32 alone. Least that would do: modbench run '{store}/sweep.toml' --out '{store}' "
        "--set 'model.encoder_width=[32, 64]'"
    )
    assert snapshot(store) == before


def test_best_goes_into_files_of_its_own(command, store):
    result = command("figures", str(store), "--only", "error", "--checkpoint", "best", "--format", "svg")
    assert result.exit_code == 0
    assert {path.name for path in (store / "figures").iterdir()} == {"error-best.csv", "error-best.svg"}
    assert set(pd.read_csv(store / "figures" / "error-best.csv")["checkpoint"]) == {"best"}
    result = command("figures", str(store), "--only", "error", "--checkpoint", "worst")
    assert result.exit_code == 2
    assert "Possible: best, last." in result.stderr


def test_figures_for_print_have_a_folder_of_their_own_and_tables(command, store):
    result = command("figures", str(store), "--style", "neurips")
    assert result.exit_code == 0
    names = {path.name for path in (store / "figures" / "neurips").iterdir()}
    assert {"error.pdf", "error.csv", "table-mlp-regression.tex", "table-mlp-regression.csv"} <= names
    assert not [name for name in names if name.endswith(".png")]
    result = command("figures", str(store), "--style", "nips")
    assert result.exit_code == 2
    assert "neurips" in result.stderr


def test_figures_are_listed_with_those_of_the_paper(command):
    text = command("list", "figures").stdout
    for name, card in FIGURES.items():
        (line,) = (line for line in text.splitlines() if line.split()[:1] == [name])
        assert card.title in line
        assert card.paper in line
