"""What the sweeps that ship with modbench contain."""

import itertools
from collections import Counter

import pytest

from modbench.core.grid import load_sweep
from modbench.core.identity import static_key
from modbench.core.names import PAPER_MODELS


@pytest.fixture(scope="module")
def paper():
    return list(load_sweep("paper").runs.values())


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
