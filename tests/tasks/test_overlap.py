"""What the rules of a task have in common."""

import numpy as np
import pytest

from modbench.core.task_spec import MhaTask, MlpTask, RnnTask
from modbench.tasks.mlp import Mlp
from modbench.tasks.overlap import rule_overlap


@pytest.mark.parametrize("num_rules", [2, 8, 32])
def test_two_linear_rules_agree_where_the_input_lies_on_one_side_of_both(num_rules: int) -> None:
    spec = MlpTask(num_rules=num_rules, task_seed=3)
    alpha, beta = Mlp(spec).coefficients()
    angles = np.arctan2(beta, alpha)
    nearest = []
    for r in range(num_rules):
        between = [
            abs((angles[r] - angles[s] + np.pi) % (2 * np.pi) - np.pi) for s in range(num_rules) if s != r
        ]
        nearest.append(1 - min(between) / np.pi)
    assert rule_overlap(spec).agreement == pytest.approx(np.mean(nearest), abs=0.01)


def test_many_mlp_rules_hardly_differ_in_their_labels() -> None:
    agreement = [rule_overlap(MlpTask(num_rules=32, task_seed=seed)).agreement for seed in range(5)]
    assert np.mean(agreement) == pytest.approx(0.97, abs=0.01)  # PAPER section 7


@pytest.mark.parametrize("num_rules", [2, 4, 16])
def test_mlp_rules_span_two_dimensions_however_many_they_are(num_rules: int) -> None:
    assert rule_overlap(MlpTask(num_rules=num_rules)).rank == 2


def test_fixed_operations_are_all_different_but_the_minimum_and_maximum_sum_to_the_sum() -> None:
    assert rule_overlap(MlpTask(num_rules=5, variant="fixed-ops")).rank == 4


@pytest.mark.parametrize(
    "task",
    [
        MhaTask(num_rules=4),
        MhaTask(num_rules=4, search_version=2, length=5),
        RnnTask(num_rules=4),
        RnnTask(num_rules=3, order=2),
    ],
)
def test_rules_of_sequences_span_as_many_dimensions_as_they_are(task: MhaTask | RnnTask) -> None:
    overlap = rule_overlap(task)
    assert overlap.rank == task.num_rules
    assert (
        0.4 < overlap.agreement < 0.8
    )  # rules that read other features, or drive other states, agree by chance


def test_a_task_has_one_overlap_whatever_its_kind_and_its_distribution_over_rules() -> None:
    task = MlpTask(num_rules=2, task_seed=1)
    other = MlpTask(num_rules=2, task_seed=1, kind="classification", rule_probabilities=(0.9, 0.1))
    assert rule_overlap(task) == rule_overlap(other)
    assert rule_overlap(task) != rule_overlap(MlpTask(num_rules=2, task_seed=2))
