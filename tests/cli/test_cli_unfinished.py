"""Stores in which no run has finished: planned alone, or failed. All that read results agree on what to say."""

import pytest

import synthetic_results

SPECS = synthetic_results.specs(rules=(2,), models=("monolithic", "modular"), task_seeds=[0], seeds=[0, 1])
STATES = {"missing": "0 failed, 4 missing", "failed": "4 failed, 0 missing"}


@pytest.fixture(params=STATES)
def unfinished(request, folder):
    """A store in the present folder, and how many of its runs failed or are missing, in words."""
    synthetic_results.fill(folder / "store", SPECS, points=3, **{request.param: lambda spec: True})
    return STATES[request.param]


LACKING = "it lacks 2 runs of Monolithic (MLP regression), 2 runs of Modular (MLP regression)"
TO_TRAIN = "to train: modbench run store/sweep.toml --out store"


@pytest.mark.parametrize("subcommand", ["figures", "claims", "report"])
def test_nothing_finished_is_said_alike(command, folder, unfinished, subcommand):
    result = command(subcommand, "store")
    said = result.stderr if subcommand == "figures" else result.stdout
    assert f"no run has finished yet: {unfinished}; {LACKING}" in said
    assert (TO_TRAIN in said) == ("0 missing" not in unfinished)
    if subcommand == "figures":  # nothing was drawn, and a script must hear of that
        assert result.exit_code == 2
        assert len(said.splitlines()) == 1
        assert said.startswith("nothing to draw: ")
        assert not (folder / "store/figures").exists()
    else:
        assert result.exit_code == 0
    if subcommand == "report":
        page = (folder / "store/report.html").read_text("utf-8")
        assert "No run has finished yet" in page
        assert "Monolithic, Modular" in page


def test_a_figure_that_is_asked_for_says_what_it_needs(command, unfinished):
    result = command("figures", "store", "--only", "profiles")
    assert result.exit_code == 2
    assert "figure 'profiles' needs finished runs" in result.stderr
