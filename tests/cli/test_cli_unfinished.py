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


@pytest.mark.parametrize("subcommand", ["figures", "claims", "report"])
def test_nothing_finished_is_said_alike_and_is_no_error(command, folder, unfinished, subcommand):
    result = command(subcommand, "store")
    assert result.exit_code == 0
    assert f"no run has finished yet: {unfinished}" in result.stdout
    if subcommand == "figures":
        assert len(result.stdout.splitlines()) == 1
        assert not (folder / "store/figures").exists()
    if subcommand == "report":
        page = (folder / "store/report.html").read_text("utf-8")
        assert "No run has finished yet" in page
        assert "Monolithic, Modular" in page


def test_a_figure_that_is_asked_for_says_what_it_needs(command, unfinished):
    result = command("figures", "store", "--only", "profiles")
    assert result.exit_code == 2
    assert "figure 'profiles' needs finished runs" in result.stderr
