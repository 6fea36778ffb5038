"""Figures of stores that cannot show them: what they say is missing, and that the command they name would make it."""

import shlex
from dataclasses import replace

import numpy as np
import pytest

import synthetic_results
from modbench.analysis.summary import planned_runs
from modbench.core.errors import RequestError
from modbench.core.grid import parse_sweep
from modbench.core.quantities import CURVE_METRICS
from modbench.figures import FIGURES, save_figures

MLP = {"task": {"architecture": "mlp", "num_rules": 4}, "train": {"steps": 20}, "seed": [0, 1]}
RNN = {**MLP, "task": {"architecture": "rnn", "num_rules": 2}}


def grid(base=MLP, **model):
    return {**base, "model": {"name": "modular", **model}}


def planned_only(folder, *sweeps):
    """A store in which all runs of some sweeps are planned and none is there."""
    runs = {identity: spec for sweep in sweeps for identity, spec in sweep.runs.items()}
    return synthetic_results.tables(folder, list(runs.values()), missing=lambda spec: True)


CASES = {
    "a single model": ("ranking", grid(), "two or more models on the same tasks; the store has Modular alone"),
    "no baseline": (
        "improvement",
        grid(name=["modular-op", "gt-modular"]),
        "Monolithic or Modular, and another model, on the same tasks; the store has Modular-op and GT-Modular",
    ),
    "no metrics": ("metrics", grid(name="monolithic"), "a modular model; the store has Monolithic alone"),
    "no matrix": ("activation", grid(name="monolithic"), "a modular model; the store has Monolithic alone"),
    "nothing to pool": ("pooled", grid(), "two or more numbers of rules in one setting; the store has 4 alone"),
    "nothing to pool at all": ("pooled", grid(name="monolithic"), "a modular model"),
    "one capacity": ("capacity", grid(encoder_width=64), "the store has 64 alone"),
    "one size": ("parameters", grid(), "two or more encoder widths (model.encoder_width; the paper has 32, 64"),
    "no diagonal": ("diagonal", grid(), "(16, 256) and (32, 512) in one setting; the store has none"),
    "one cell": ("diagonal", grid(RNN), "in one setting; the store has (2, 32) alone"),
    "no sequences": ("length", grid(), "a task with sequences, mha or rnn; the store has mlp alone"),
    "rules in two settings": (
        "pooled",
        [grid(), grid({**RNN, "task": {"architecture": "rnn", "num_rules": 8}})],
        "two or more numbers of rules in one setting; the store has 4 and 8",
    ),
    "capacities in two settings": (
        "capacity",
        [grid(), grid(RNN, encoder_width=64)],
        "the store has 32 and 64",
    ),
    "models in two settings": (
        "ranking",
        [grid(), grid(RNN, name="gt-modular")],
        "two or more models on the same tasks; the store has Modular and GT-Modular",
    ),
    "one length": (
        "length",
        {**grid(RNN), "evaluation": {"lengths": [10]}},
        "runs tested at two or more lengths (evaluation.lengths); the store has 10 alone",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_command_that_is_named_makes_what_is_missing(tmp_path, case):
    name, tables, words = CASES[case]
    source = {"name": "little", "grid": tables if isinstance(tables, list) else [tables]}
    store = tmp_path / "a store"
    tables = planned_only(store, parse_sweep(source))
    with pytest.raises(RequestError) as caught:
        save_figures(tables, tmp_path / "figures", only=[name], store=str(store))
    message = str(caught.value)
    assert message.startswith(f"figure {name!r} needs ")
    assert words in message
    assert not (tmp_path / "figures").exists()
    command = shlex.split(message.partition("Least that would do: ")[2])
    assert command[:5] == ["modbench", "run", f"{store}/sweep.toml", "--out", str(store)]
    assert set(command[5::2]) == {"--set"}
    grown = parse_sweep(source, command[6::2])
    planned = planned_runs(planned_only(tmp_path / "grown", parse_sweep(source), grown))
    assert FIGURES[name].lack(planned) is None


def test_lengths_beside_an_mlp_take_more_than_a_command(tmp_path):
    short = {**grid(RNN), "evaluation": {"lengths": [10]}}
    tables = planned_only(tmp_path / "store", parse_sweep({"name": "both", "grid": [grid(), short]}))
    need = FIGURES["length"].lack(planned_runs(tables))
    assert need is not None
    assert need.command() is None


def test_planned_runs_that_are_missing_are_counted(tmp_path):
    tables = planned_only(tmp_path / "store", parse_sweep({"name": "little", "grid": [grid()]}))
    with pytest.raises(RequestError) as caught:
        save_figures(tables, tmp_path / "figures", only=["metrics"], store="results/x")
    assert str(caught.value) == (
        "figure 'metrics' needs finished runs; 2 planned runs are missing. "
        "Least that would do: modbench run results/x/sweep.toml --out results/x"
    )


def test_where_all_failed_no_command_helps(tmp_path):
    tables = synthetic_results.tables(
        tmp_path / "store", synthetic_results.specs(rules=(2,)), failed=lambda spec: True
    )
    with pytest.raises(RequestError) as caught:
        save_figures(tables, tmp_path / "figures", only=["error"])
    assert str(caught.value) == "figure 'error' needs finished runs side by side; 24 of 24 runs failed"


def test_unless_asked_for_such_figures_are_left_out(tmp_path):
    tables = synthetic_results.tables(
        tmp_path / "store", synthetic_results.specs(models=("monolithic",), rules=(2,))
    )
    saved = save_figures(tables, tmp_path / "figures", formats=["svg"])
    assert list(saved.left_out) == [
        "ranking", "improvement", "metrics", "pooled", "specialisation", "fates", "activation", "capacity",
        "parameters", "length", "diagonal",
    ]  # fmt: skip
    assert {path.stem for path in saved.paths} == {"error", "curves", "times", "profiles"}
    assert saved.left_out["metrics"] == "a modular model; the store has Monolithic alone"


@pytest.mark.parametrize("name", ["specialisation", "fates"])
def test_stores_from_before_routing_was_recorded_along_training_say_so(tmp_path, name):
    tables = synthetic_results.tables(tmp_path / "store", synthetic_results.specs(rules=(2,)))
    old = replace(tables, curves=tables.curves.assign(**dict.fromkeys(CURVE_METRICS, np.float32("nan"))))
    with pytest.raises(
        RequestError, match="needs routing recorded along training, and these runs were trained bef"
    ):
        save_figures(old, tmp_path / "figures", only=[name])


def test_every_figure_can_be_shown_of_the_papers_grid(tmp_path):
    runs = synthetic_results.specs(
        synthetic_results.FAMILIES, rules=(2, 4), widths=(32, 64), task_seeds=[0], seeds=[0]
    )
    planned = planned_runs(synthetic_results.tables(tmp_path / "store", runs, missing=lambda spec: True))
    assert {name: card.lack(planned) for name, card in FIGURES.items()} == dict.fromkeys(FIGURES)


def test_every_figure_of_the_paper_has_a_counterpart():
    shown = {card.paper for card in FIGURES.values()}
    assert {*(f"Fig. {number}" for number in range(2, 8)), "appendix"} <= shown
