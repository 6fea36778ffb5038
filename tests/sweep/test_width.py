from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_sweeps import spec

from modbench.core.spec import RunSpec
from modbench.models.sizing import num_parameters
from modbench.sweep.footprint import group_bytes
from modbench.sweep.memory import Place
from modbench.sweep.width import GROUP_WORK, WIDEST, choose_width, tokens_per_step


def test_tokens_per_step_counts_samples_or_tokens():
    assert tokens_per_step(spec("mlp")) == 256
    assert tokens_per_step(spec("mha")) == 2560
    assert tokens_per_step(spec("rnn", batch_size=8)) == 80


@pytest.mark.parametrize(
    ("runs", "width"),
    [(1, 1), (3, 3), (13, 13), (14, 7), (25, 13), (27, 9), (50, 10)],
)
def test_tiny_models_spread_evenly_under_the_widest(runs: int, width: int):
    assert choose_width([spec(encoder_width=8, seed=seed) for seed in range(runs)]) == width


@pytest.mark.parametrize(
    ("runs", "width"), [(1, 1), (5, 5), (8, 4), (9, 3), (12, 4), (17, 3), (25, 5), (70, 5)]
)
def test_small_models_fill_a_core_with_five(runs: int, width: int):
    assert 5 * num_parameters(spec()) * 256 < GROUP_WORK < 6 * num_parameters(spec()) * 256
    assert choose_width([spec(seed=seed) for seed in range(runs)]) == width


def test_large_models_train_alone():
    assert choose_width([spec(encoder_width=512, seed=seed) for seed in range(25)]) == 1


def test_the_cap_falls_with_the_size():
    widths = [
        choose_width([spec(encoder_width=e, seed=s) for s in range(24)]) for e in (32, 64, 128, 256, 512)
    ]
    assert all(a >= b for a, b in pairwise(widths))
    assert widths[0] > 1
    assert widths[-1] == 1


def test_on_an_accelerator_a_whole_setting_trains_at_once_as_far_as_memory_reaches():
    large = [spec("rnn", encoder_width=512, rules=32, seed=seed) for seed in range(25)]
    assert choose_width(large) == 1
    assert choose_width(large, Place(accelerator=True)) == 25
    assert choose_width(large, Place(group_bytes(large[0], 13), accelerator=True)) == 13
    assert choose_width([spec(seed=seed) for seed in range(1000)], Place(accelerator=True)) == 1000


@given(runs=st.integers(1, 200), encoder_width=st.sampled_from([32, 64, 128, 256]))
def test_width_wastes_less_than_a_place_per_group(runs: int, encoder_width: int):
    specs: list[RunSpec] = [spec(encoder_width=encoder_width)] * runs
    width = choose_width(specs)
    groups = -(-runs // width)
    assert 1 <= width <= min(WIDEST, runs)
    assert groups * width - runs < groups
