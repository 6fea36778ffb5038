"""`modbench claims`: every claim, its verdict, and the command that would decide it."""

import re


def test_claims_say_what_they_lack(command, small):
    result = command("claims", "results/small")
    assert result.exit_code == 0
    shown = " ".join(result.stdout.split())
    assert len(re.findall(r"\b[1-8]\. [A-Z]", shown)) == 8
    assert shown.count("too short") >= 8
    assert "undecided" not in shown
    assert 'claims at the "last" checkpoint' in shown
    lacking = "early training, 20 of 100,000 steps; no run of Monolithic; fewer than two task seeds"
    assert f"{lacking} modbench run results/small/sweep.toml" in shown
    assert """--set 'model.name=["monolithic", "modular", "gt-modular"]'""" in shown
    assert "--set 'task.task_seed=[0, 1, 2, 3, 4]'" in shown
    assert "--set train.steps=100000" in shown
    reason = (
        "MLP · regression: too short: early training, 20 of 100,000 steps; claims are judged from 25,000 on"
    )
    assert shown.startswith(reason)
    assert re.search(r"too short [\d, ]+: early training", shown)


def test_claims_are_of_the_checkpoint_that_was_asked_for(command, small):
    assert (
        'claims at the "best" checkpoint' in command("claims", "results/small", "--checkpoint", "best").stdout
    )
    result = command("claims", "results/small", "--checkpoint", "bets")
    assert result.exit_code == 2
    assert "Did you mean 'best'?" in result.stderr


def test_what_is_no_store_has_no_claims(command, folder):
    result = command("claims", "nowhere")
    assert result.exit_code == 2
    assert "no folder nowhere" in result.stderr


def test_reports_of_both_checkpoints_are_two_pages(command, folder, training):
    command("run", "small.toml", "--quiet", "--set", "seed=[0, 1]", "--set", "task.num_rules=2")
    for options, name, checkpoint in (
        ((), "report.html", "last"),
        (("--checkpoint", "best"), "report-best.html", "best"),
    ):
        assert command("report", "results/small", *options).exit_code == 0
        page = (folder / "results/small" / name).read_text("utf-8")
        assert f"<li>“{checkpoint}” checkpoint</li>" in page
        assert re.search(r"<dt>digest of the store</dt><dd>[0-9a-f]{64}</dd>", page)
        assert "modbench run results/small/sweep.toml --out results/small" in page
    assert command("report", "results/small", "--checkpoint", "first").exit_code == 2
