"""What the sweeps that ship with modbench contain."""

import itertools
import re
import tomllib
from collections import Counter
from importlib import resources

import pytest

from modbench.core.grid import load_sweep, preset_names
from modbench.core.identity import run_id, static_key
from modbench.core.names import PAPER_MODELS
from modbench.core.spec import RunSpec
from preset_sweeps import preset


@pytest.fixture(scope="module")
def paper():
    return list(preset("paper").runs.values())


def test_paper_is_the_papers_grid(paper):
    assert len(paper) == 20_000
    searches = [("mlp", None), ("mha", 1), ("mha", 2), ("rnn", None)]
    expected = itertools.product(
        searches,
        ("regression", "classification"),
        PAPER_MODELS,
        (2, 4, 8, 16, 32),
        ((32, 128), (64, 256), (128, 512), (256, 1024), (512, 2048)),
        range(5),
        range(5),
    )
    found = Counter(
        (
            (spec.task.architecture, getattr(spec.task, "search_version", None)),
            spec.task.kind,
            spec.model.name,
            spec.task.num_rules,
            (spec.model.encoder_width, spec.model.model_width),
            spec.task.task_seed,
            spec.seed,
        )
        for spec in paper
    )
    assert found == Counter(expected)


def test_paper_runs_under_the_papers_protocol(paper):
    assert {(spec.task.architecture, spec.train.steps) for spec in paper} == {
        ("mlp", 100_000),
        ("mha", 500_000),
        ("rnn", 500_000),
    }
    assert all(spec.model.num_modules in (None, spec.task.num_rules) for spec in paper)
    # About 8e9 optimiser steps.
    assert sum(spec.train.steps for spec in paper) == 8_000_000_000


def test_paper_has_cohorts_of_25(paper):
    cohorts = Counter(static_key(spec) for spec in paper)
    assert len(cohorts) == 800
    assert set(cohorts.values()) == {25}


def test_smoke_runs_everything_once():
    runs = list(load_sweep("smoke").runs.values())
    found = {
        (
            spec.task.architecture,
            getattr(spec.task, "search_version", None),
            spec.task.kind,
            spec.model.name,
        )
        for spec in runs
    }
    searches = [("mlp", None), ("mha", 1), ("mha", 2), ("rnn", None)]
    everything = {
        (*search, kind, model)
        for search in searches
        for kind in ("regression", "classification")
        for model in PAPER_MODELS
    }
    assert everything <= found
    assert max(spec.train.steps for spec in runs) <= 100


def test_quick_can_show_both_of_its_findings():
    runs = list(load_sweep("quick").runs.values())
    assert {spec.task.architecture for spec in runs} == {"mlp"}
    assert {spec.task.num_rules for spec in runs} == {2, 8}
    assert {spec.model.name for spec in runs} == set(PAPER_MODELS)
    assert min(spec.train.steps for spec in runs) >= 2000
    assert len({spec.task.task_seed for spec in runs}) > 1
    assert len({spec.seed for spec in runs}) > 1


# --- the rest of the protocol: each preset is the paper's grid but for one thing

LENGTHS = (10, 20, 30, 40, 50)
AS_THE_PAPER = {
    "schedule": {"train": {"halve_learning_rate_at": ()}},
    "length-20": {"task": {"length": 10}, "evaluation": {"lengths": (3, 5, 10, 20, 30)}},
    "order-2": {"task": {"order": 1}},
    "separate": {"model": {"scores": "joint"}},
    "router-width": {"model": {"score_options": {}}},
    "few-modules": {"model": {"num_modules": None}},
    "diagonal": {},
}


def specs(name):
    return list(preset(name).runs.values())


def table(name):
    return tomllib.loads((resources.files("modbench.presets") / f"{name}.toml").read_text("utf-8"))


@pytest.fixture(scope="module")
def papers_ids(paper):
    return {run_id(spec) for spec in paper}


def undone(spec, changes):
    """The specification with what makes its preset different taken back."""
    fields = spec.model_dump()
    for part, values in changes.items():
        fields[part] |= values
    return RunSpec.parse(fields)


@pytest.mark.parametrize("preset", AS_THE_PAPER)
def test_a_variant_is_the_papers_run_but_for_what_its_name_says(preset, papers_ids):
    runs = specs(preset)
    assert {run_id(undone(spec, AS_THE_PAPER[preset])) for spec in runs} <= papers_ids
    assert set(Counter(map(static_key, runs)).values()) == {25}


@pytest.mark.parametrize("preset", [*AS_THE_PAPER, "fixed-ops"])
def test_a_description_says_how_many_runs(preset):
    (number,) = re.findall(r": ([\d,]+) (?:of the paper's )?runs\.$", table(preset)["description"])
    assert int(number.replace(",", "")) == len(specs(preset))


@pytest.mark.parametrize("preset", preset_names())
def test_a_description_is_a_line(preset):
    assert table(preset)["name"] == preset
    assert 20 <= len(table(preset)["description"]) <= 140
    assert "\n" not in table(preset)["description"]


def test_schedule_halves_where_the_released_flags_do():
    assert {(s.task.architecture, s.train.halve_learning_rate_at) for s in specs("schedule")} == {
        ("mlp", (25_000, 50_000, 75_000)),
        ("mha", (50_000, 100_000, 150_000)),
    }


def test_length_20_is_tested_on_10_to_50():
    runs = specs("length-20")
    assert {spec.task.architecture for spec in runs} == {"mha", "rnn"}
    assert {(spec.length, spec.evaluation.lengths) for spec in runs} == {(20, LENGTHS)}


def test_order_2_is_every_rnn_at_the_smallest_capacity(paper):
    runs = specs("order-2")
    smallest = [s for s in paper if s.task.architecture == "rnn" and s.model.encoder_width == 32]
    assert {run_id(undone(s, AS_THE_PAPER["order-2"])) for s in runs} == set(map(run_id, smallest))
    assert {spec.task.order for spec in runs} == {2}


def test_fixed_ops_have_up_to_five_rules_and_nothing_to_draw():
    runs = specs("fixed-ops")
    assert {(s.task.architecture, s.task.num_rules) for s in runs} == {
        (architecture, rules) for architecture in ("mlp", "mha") for rules in (2, 3, 4, 5)
    }
    assert {(spec.task.variant, spec.task.task_seed) for spec in runs} == {("fixed-ops", 0)}
    assert set(Counter(map(static_key, runs)).values()) == {10}


def test_separate_stands_beside_modular():
    assert Counter(s.model.name for s in specs("separate")) == {"modular": 250, "modular-separate": 250}


def test_diagonal_is_the_papers_own_cells(paper):
    cells = {(2, 32), (4, 64), (8, 128), (16, 256), (32, 512)}
    wanted = {run_id(s) for s in paper if (s.task.num_rules, s.model.encoder_width) in cells}
    assert set(load_sweep("diagonal").runs) == wanted


def test_router_width_is_the_papers_and_wider_ones():
    found = Counter((s.task.num_rules, s.model.score_options.get("hidden")) for s in specs("router-width"))
    assert found == dict.fromkeys([(r, h) for r in (16, 32) for h in (None, 8, 32)], 100)


def test_few_modules_are_two_and_three_beside_one_per_rule():
    found = {(spec.task.num_rules, spec.model.num_modules) for spec in specs("few-modules")}
    assert found == {(8, 2), (8, 3), (8, 8), (32, 2), (32, 3), (32, 32)}
