"""Which shapes are measured, and which runs stand for them."""

import pytest

from modbench.bench.shapes import COHORT, group, select
from modbench.core.identity import run_id, static_key
from modbench.sweep.width import choose_width


def cell(spec):
    return spec.task.architecture, spec.model.name, spec.model.encoder_width, spec.task.num_rules


def test_the_default_grid():
    specs = select()
    assert len({cell(spec) for spec in specs}) == len(specs) == 3 * 4 * 3 * 3
    assert {spec.task.kind for spec in specs} == {"regression"}
    assert {spec.train.batch_size for spec in specs} == {256}
    assert {spec.length for spec in specs if spec.task.architecture != "mlp"} == {10}
    assert cell(specs[0]) == ("mlp", "monolithic", 32, 2)


def test_filters_leave_what_was_asked_for():
    specs = select(["rnn", "mlp"], ["modular"], [8, 16], [3], ["classification"], length=4, batch_size=32)
    assert [cell(spec) for spec in specs] == [
        (architecture, "modular", width, 3) for architecture in ("rnn", "mlp") for width in (8, 16)
    ]
    assert [spec.length for spec in specs] == [4, 4, 1, 1]
    assert {(spec.task.kind, spec.train.batch_size) for spec in specs} == {("classification", 32)}


def test_a_shape_is_measured_once():
    assert len(select(["mlp"], ["modular", "modular"], [8], [2, 2], overrides=["seed=[0, 1]"])) == 1


def test_overrides_reach_every_shape():
    specs = select(["mha"], ["modular"], [8], [2, 4], overrides=["task.search_version=2"])
    assert [spec.task.search_version for spec in specs] == [2, 2]


def test_a_group_is_the_first_of_its_cohort():
    (spec,) = select(["mlp"], ["modular"], [32], [2])
    runs = group(spec)
    assert 1 < len(runs) == choose_width(group(spec, COHORT))
    assert {static_key(run) for run in runs} == {static_key(spec)}
    assert len({run_id(run) for run in runs}) == len(runs)
    assert [run.seed for run in runs] == list(range(len(runs)))
    assert {run.task.task_seed for run in runs} == {0}


@pytest.mark.parametrize("width", [1, 25, 26, 103])
def test_a_group_has_the_width_that_is_asked_for(width):
    (spec,) = select(["mlp"], ["modular"], [32], [2])
    runs = group(spec, width)
    assert len({run_id(run) for run in runs}) == width
    assert len({run.task.task_seed for run in group(spec, 100)}) == 5
