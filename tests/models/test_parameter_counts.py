"""Parameter counts against the reference table: in arithmetic, and of models really built."""

import csv
from pathlib import Path

import equinox as eqx
import jax
import numpy as np
import pytest

from modbench.core.spec import RunSpec
from modbench.models.bodies import make_model
from modbench.models.sizing import (
    mha_module_hidden,
    mlp_hidden_width,
    num_parameters,
    rnn_hidden_width,
)

TABLE = Path(__file__).parents[1] / "data" / "original" / "parameter_counts.csv"
ROWS = list(csv.DictReader(TABLE.read_text().splitlines()))
MODELS = ("monolithic", "modular", "modular-op", "gt-modular", "modular-separate")
LARGEST = {"encoder_width": "512", "num_rules": "32"}


def specifications(row):
    """(spec, expected count) of every model in a row; without a kind in the row, of both kinds."""
    task = {"architecture": row["architecture"], "num_rules": int(row["num_rules"])}
    if row["search_version"]:
        task["search_version"] = int(row["search_version"])
    for kind in (row["kind"],) if row["kind"] else ("regression", "classification"):
        for model in MODELS:
            if count := row[model.replace("-", "_")]:
                widths = {field: int(row[field]) for field in ("encoder_width", "model_width")}
                yield RunSpec.of(task | {"kind": kind}, {"name": model, **widths}), int(count)


def built(spec):
    model = make_model(np.random.default_rng(0), spec)
    return sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(model, eqx.is_array_like)))


def name(row):
    return "-".join(row[k] for k in ("architecture", "kind", "search_version", "encoder_width", "num_rules"))


def test_the_table_is_whole():
    assert len(ROWS) == 125
    assert sum(1 for row in ROWS for _ in specifications(row)) == 25 * 2 * 5 + 50 * 2 * 4 + 50 * 4


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_arithmetic(row):
    for spec, count in specifications(row):
        assert num_parameters(spec) == count, spec.model.name


@pytest.mark.parametrize("row", [row for row in ROWS if row["encoder_width"] in ("32", "64")], ids=name)
def test_built_models(row):
    for spec, count in specifications(row):
        assert built(spec) == count, spec.model.name


@pytest.mark.parametrize("row", [row for row in ROWS if LARGEST.items() <= row.items()][::2], ids=name)
def test_a_large_built_model(row):
    spec, count = list(specifications(row))[1]
    assert built(spec) == count


@pytest.mark.parametrize("architecture", ["mlp", "mha", "rnn"])
@pytest.mark.parametrize(
    "model",
    [
        {"scores": "joint", "gates": "top-k", "gate_options": {"k": 2}},
        {"scores": "rule", "score_options": {"hidden": 7}},
        {"scores": "input"},
        {"scores": "input", "score_options": {"hidden": 7}},
        {"scores": "separate", "num_modules": 5},
        {"scores": "joint", "num_modules": 2},
    ],
    ids=str,
)
def test_other_routers_and_numbers_of_modules_are_counted_right(architecture, model):
    spec = RunSpec.of({"architecture": architecture, "num_rules": 3}, {"encoder_width": 8, **model})
    assert num_parameters(spec) == built(spec)


@pytest.mark.parametrize(("width", "modules", "hidden"), [(128, 2, 64), (128, 32, 4), (100, 3, 33)])
def test_mlp_hidden_width(width, modules, hidden):
    assert mlp_hidden_width(width, modules) == hidden


def test_hidden_widths_of_the_paper():
    """At E = 32, R = 32 (PAPER section 7, item 12)."""
    assert mha_module_hidden(32, 128, 32) == 8
    assert rnn_hidden_width(32, 128, 32) == 15


def test_rnn_width_is_the_floor_of_the_positive_root():
    random = np.random.default_rng(0)
    for e, d, m in random.integers(1, 600, (200, 3)).tolist():
        h = rnn_hidden_width(e, d, m)

        def needs(h, m=m, e=e):
            return (4 * m + 1) * h * h + (4 * m * e + 1) * h

        assert needs(h) <= 5 * d * d + d * (4 * e + 1) < needs(h + 1)


def test_mha_hidden_width_is_the_stated_floor():
    random = np.random.default_rng(1)
    for e, d, m in random.integers(1, 600, (200, 3)).tolist():
        hidden = 2 * e * (m * 2 * (d + e) + d) / (m * (d * 3 + m * 2 * e))
        assert mha_module_hidden(e, d, m) == int(np.floor(hidden + 1e-9))
        if d >= 2 * m:  # the smallest that a specification allows
            assert hidden >= 1
