"""Which shapes are compared, and with which targets."""

import json

import pytest
from made_up_contenders import shapes

from modbench.models.sizing import num_parameters


def test_targets():
    assert {(s.architecture, s.encoder_width): s.target() for s in shapes.target_shapes()} == {
        ("mlp", 32): 10, ("mlp", 128): 2.5, ("mlp", 512): 1.5,
        ("mha", 32): 5, ("mha", 128): 2, ("mha", 512): 1.3,
        ("rnn", 32): 4, ("rnn", 128): 1.7, ("rnn", 512): 1.2,
    }  # fmt: skip
    assert shapes.Shape("mlp", 32, model="monolithic").target() == 1
    assert shapes.Shape("mlp", 32, num_rules=32).target() == 1
    assert shapes.Shape("mlp", 64).target() == 1
    assert shapes.Shape("mha", 32, model="gt-modular").target("cuda") == 200
    assert shapes.Shape("mha", 128).target("cuda") == 1


def test_the_sample_has_the_extremes_and_repeats():
    drawn = shapes.sample(12)
    assert len(drawn) == len(set(drawn)) == 40 + 12
    for architecture in ("mlp", "mha", "rnn"):
        for model in ("monolithic", "modular"):
            assert shapes.Shape(architecture, 512, 32, model) in drawn
    assert drawn == shapes.sample(12)
    assert set(shapes.sample(0)) <= set(drawn)
    assert len(shapes.sample(10_000)) == len(shapes.grid()) == 500


@pytest.mark.parametrize("shape", [s for s in shapes.grid() if s.encoder_width == 32 and s.num_rules == 4])
def test_a_cohort_is_25_runs_of_the_shape(shape):
    cohort = shape.cohort()
    assert len({(spec.task.task_seed, spec.seed) for spec in cohort}) == 25
    plain = shapes.plain(cohort[0])
    assert (plain["model"], plain["batch_size"], plain["model_width"]) == (shape.model, 256, 128)
    assert plain["length"] == (1 if shape.architecture == "mlp" else 10)
    assert plain["state_width"] == (32 if shape.architecture == "rnn" else 0)
    assert json.loads(json.dumps(plain)) == plain
    wide = shape.cohort(1000, "tf32")
    assert len({(spec.task.task_seed, spec.seed) for spec in wide}) == 1000
    assert {spec.train.precision for spec in wide} == {"tf32"}


def test_hidden_widths_by_hand():
    width = {s: shapes.plain(shapes.Shape(s, 32).cohort()[0])["hidden_width"] for s in ("mlp", "mha", "rnn")}
    # 128 // 8; floor(64 (16 x 160 + 128) / (8 (384 + 512))); the root of 33 h^2 + 1025 h = 98432.
    assert width == {"mlp": 16, "mha": 24, "rnn": 41}
    spec = shapes.Shape("mlp", 32).cohort()[0]
    assert num_parameters(spec) == 36585
