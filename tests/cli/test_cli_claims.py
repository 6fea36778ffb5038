"""`modbench claims`: every claim, its verdict, and the command that would decide it."""

import re


def test_claims_say_what_they_lack(command, folder, training):
    command("run", "small.toml", "--quiet")
    result = command("claims", "results/small")
    assert result.exit_code == 0
    shown = " ".join(result.stdout.split())
    assert len(re.findall(r"\b[1-8]\. [A-Z]", shown)) == 8
    assert shown.count("undecided") >= 8
    assert "no run of Monolithic; fewer than two task seeds modbench run results/small/sweep.toml" in shown
    assert """--set 'model.name=["monolithic", "modular", "gt-modular"]'""" in shown
    assert "--set 'task.task_seed=[0, 1, 2, 3, 4]'" in shown
    assert "early training: MLP · regression: 20 of the paper's 100,000 steps" in shown


def test_what_is_no_store_has_no_claims(command, folder):
    result = command("claims", "nowhere")
    assert result.exit_code == 2
    assert "no folder nowhere" in result.stderr
