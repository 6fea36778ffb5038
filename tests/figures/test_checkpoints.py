"""The checkpoints "last" and "best" are kept apart in the numbers, the pictures and the files."""

from dataclasses import replace

import pandas as pd
import pytest

import synthetic_results
from modbench.core.errors import RequestError
from modbench.core.quantities import QUANTITIES
from modbench.figures import FIGURES, save_figures


@pytest.mark.parametrize("name", [name for name, card in FIGURES.items() if card.at_checkpoint])
def test_checkpoints_are_never_pooled(two_checkpoints, name):
    card = FIGURES[name]
    for checkpoint in ("last", "best"):
        data = card.prepare(two_checkpoints, checkpoint)
        assert data.frame["checkpoint"].unique().tolist() == [checkpoint]
        assert data.checkpoint == checkpoint
        assert ('"best" checkpoint' in data.titled("Title")) == (checkpoint == "best")
        alone = card.prepare(_with_garbage(two_checkpoints, checkpoint), checkpoint)
        pd.testing.assert_frame_equal(data.frame, alone.frame)


@pytest.fixture(scope="module")
def two_checkpoints(tmp_path_factory):
    """RNN, one kind, cells of the diagonal: what every figure can show."""
    runs = synthetic_results.specs(
        synthetic_results.FAMILIES[3:], rules=(2, 4), widths=(32, 64), task_seeds=range(2)
    )
    return synthetic_results.tables(tmp_path_factory.mktemp("two") / "store", runs, points=3)


def _with_garbage(tables, kept):
    """The same, but all that belongs to the other checkpoint is doubled."""
    runs, shifts = tables.runs.copy(), tables.performance.copy()
    runs.loc[runs["checkpoint"] != kept, list(QUANTITIES)] *= 2
    shifts.loc[shifts["checkpoint"] != kept, "error"] *= 2
    matrices = [
        matrix if checkpoint == kept else matrix[::-1]
        for matrix, checkpoint in zip(
            tables.activations["matrix"], tables.activations["checkpoint"], strict=True
        )
    ]
    activations = tables.activations.assign(
        matrix=pd.Series(matrices, index=tables.activations.index, dtype=object)
    )
    return replace(tables, runs=runs, performance=shifts, activations=activations)


def test_learning_curves_have_no_checkpoint(two_checkpoints):
    data = FIGURES["curves"].prepare(two_checkpoints)
    assert "checkpoint" not in data.frame
    assert data.checkpoint is None


def test_files_say_which(two_checkpoints, tmp_path):
    last = save_figures(two_checkpoints, tmp_path, only=["error", "diagonal"], formats=["svg"]).paths
    best = save_figures(
        two_checkpoints, tmp_path, only=["error", "diagonal"], formats=["svg"], checkpoint="best"
    ).paths
    assert [path.name for path in last] == ["error.csv", "error.svg", "diagonal.csv", "diagonal.svg"]
    assert [path.name for path in best] == [
        "error-best.csv", "error-best.svg", "diagonal-best.csv", "diagonal-best.svg",
    ]  # fmt: skip
    assert len(list(tmp_path.iterdir())) == 8


def test_curves_are_of_neither(two_checkpoints, tmp_path):
    with pytest.raises(RequestError, match="it shows the training itself"):
        save_figures(two_checkpoints, tmp_path / "new", only=["curves"], checkpoint="best")
    with pytest.raises(RequestError, match="Did you mean 'best'"):
        save_figures(two_checkpoints, tmp_path / "new", only=["error"], checkpoint="bset")
    assert not (tmp_path / "new").exists()
