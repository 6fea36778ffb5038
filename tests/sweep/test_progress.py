import io
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from clockwork import Clock, play, started
from small_sweeps import spec, sweep

from modbench.evaluation.batches import batches_in_all
from modbench.sweep.cost import evaluation_steps
from modbench.sweep.describe import describe_bytes, describe_cell, describe_seconds, plural
from modbench.sweep.display import LiveDisplay, Plain, Silent, make_display, summary_line
from modbench.sweep.events import (
    Advanced,
    CohortFailed,
    GivenBack,
    Noted,
    Published,
    Resumed,
    Started,
)
from modbench.sweep.picture import activity, picture
from modbench.sweep.plan import make_plan
from modbench.sweep.progress import SweepProgress
from modbench.sweep.screen import Screen
from modbench.sweep.traces import sparkline


def test_runs_are_counted_as_they_are_published():
    progress, clock, (a, b) = started()
    assert (progress.done, progress.total) == (4, 10)
    play(progress, clock, (0, Started(0, a.cohort_id)), (1, Published(0, a.cohort_id, done=2, failed=1)))
    assert (progress.done, progress.runs_failed) == (7, 1)
    play(progress, clock, (0, Started(0, b.cohort_id)), (1, CohortFailed(0, b.cohort_id, "no luck")))
    assert progress.done == 7
    assert progress.active == {}
    assert progress.seconds_left() == 0


def test_steps_per_second_sums_over_the_runs_of_a_group():
    progress, clock, (a, _) = started()
    play(
        progress, clock, (0, Started(0, a.cohort_id)), (2, Advanced(0, a.cohort_id, 0, "train", 40, 100, 0.5))
    )
    assert progress.steps_per_second() == pytest.approx(3 * 40 / 2)


def test_what_was_done_before_a_checkpoint_is_no_work_of_this_command():
    progress, clock, (a, _) = started()
    play(
        progress,
        clock,
        (0, Started(0, a.cohort_id)),
        (0, Noted(0, a.cohort_id, "nothing")),
        (0, Resumed(0, a.cohort_id, 0, 0, 80, 3)),
        (1, Advanced(0, a.cohort_id, 0, "compile", 80, 100, None)),
        (2, Advanced(0, a.cohort_id, 0, "train", 90, 100, 0.5)),
    )
    assert progress.steps_per_second() == pytest.approx(3 * 10 / 3)
    assert progress.active[0].step == 90


def test_the_step_rate_forgets_what_is_long_ago():
    progress, clock, (a, _) = started()
    play(progress, clock, (0, Started(0, a.cohort_id)))
    for step in range(1, 61):
        play(progress, clock, (10 if step <= 30 else 1, Advanced(0, a.cohort_id, 0, "train", step, 100, 0.5)))
    assert progress.steps_per_second() == pytest.approx(3, rel=0.1)


def test_a_cohort_that_is_given_back_starts_anew():
    progress, clock, (a, _) = started()
    play(
        progress,
        clock,
        (0, Started(0, a.cohort_id)),
        (5, Advanced(0, a.cohort_id, 0, "train", 50, 100, 0.5)),
        (1, GivenBack(0, a.cohort_id, "killed by SIGKILL")),
        (1, Started(1, a.cohort_id)),
        (5, Advanced(1, a.cohort_id, 0, "train", 10, 100, 0.5)),
    )
    assert progress.active[1].step == 10
    assert list(progress.active) == [1]
    assert a.cohort_id in progress.unfinished


def test_plain_output_is_a_line_every_five_seconds_and_one_for_trouble():
    progress, clock, (a, b) = started()
    lines: list[str] = []
    with Plain(progress, lines.append, clock) as display:
        display.update(Started(0, a.cohort_id))
        for step in range(0, 101, 10):
            clock.now += 1.0
            display.update(Advanced(0, a.cohort_id, 0, "train", step, 100, 0.25))
        assert len(lines) == 2
        assert lines[0].startswith("4/10 runs, ")
        assert lines[0].endswith("MLP regression R=2 E=32 Modular step 40/100 loss 0.25")
        display.update(Published(0, a.cohort_id, 2, 1, "the loss became NaN at step 7"))
        display.update(Started(0, b.cohort_id))
        display.update(CohortFailed(0, b.cohort_id, "ValueError: no luck"))
        display.stopping()
        display.stopping()
    assert lines[2:] == [
        f"cohort {a.cohort_id} (MLP regression R=2 E=32 Modular): 1 of 3 runs failed: the loss became NaN at step 7",
        f"cohort {b.cohort_id} ({describe_cell(b.runs[0])}) failed: ValueError: no luck",
        "stopping at the next chunk; Ctrl-C again leaves at once",
        "7/10 runs, 1 failed, took 11 s",
    ]
    assert not any("\x1b" in line for line in lines)


def test_the_live_display_shows_the_bar_and_every_worker():
    progress, clock, (a, b) = started(workers=2)
    console = Screen(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    display = LiveDisplay(progress, console)
    progress.apply(Started(0, a.cohort_id))
    progress.apply(Started(1, b.cohort_id))
    clock.now += 2
    progress.apply(Advanced(0, a.cohort_id, 0, "train", 40, 100, 0.125))
    progress.apply(Advanced(1, b.cohort_id, 0, "compile", 0, 100, None))
    display.stopping()
    console.print(display.render())
    output = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert "4/10 runs, 60 steps/s, time left: measuring" in output
    assert re.search(r"MLP regression R=2 E=32 Modular +━+╸? +step 40/100 loss 0.125", output)
    assert re.search(r"MLP regression R=2 E=32 Modular +compiling", output)
    assert "stopping at the next chunk" in output


def test_names_and_losses_are_whole_in_a_terminal_of_80_columns():
    runs = sweep(
        ["gt-modular"], [32], architecture="mha", task__kind="classification", task__search_version=2
    ).runs
    (cohort,), clock = make_plan(runs).pending, Clock()
    progress = SweepProgress([cohort], 3, 0, 1, clock)
    play(progress, clock, (0, Started(0, cohort.cohort_id)))
    play(progress, clock, (1, Advanced(0, cohort.cohort_id, 2, "train", 900, 1000, 0.01234)))
    for charts in (True, False):
        console = Screen(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
        console.print(picture(progress, charts=charts, width=80))
        shown = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
        if charts:
            assert "…" not in shown
            assert re.search(
                r"  MHA v2 classification R=32 E=32 GT-Modular +━\S* +group 3/3 step 900/1,000 *\n", shown
            )
            assert re.search(r"  GT-Modular .* 0.01234  MHA v2 classification R=32 E=32 *\n", shown)
        else:
            assert "loss" in shown


def test_the_display_suits_the_output():
    progress, _, _ = started()
    assert isinstance(make_display(progress, True, Screen(force_terminal=True)), Silent)
    assert isinstance(make_display(progress, False, Screen(file=io.StringIO())), Plain)
    terminal = Screen(file=io.StringIO(), force_terminal=True, _environ={"TERM": "xterm"})
    assert isinstance(make_display(progress, False, terminal), LiveDisplay)


def test_a_finished_sweep_says_how_long_it_took():
    progress = SweepProgress([], total=3, recorded=3, workers=1, clock=Clock())
    assert summary_line(progress) == "3/3 runs, took 0 s"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3600, "1 h 00 min"),
        (18_600, "5 h 10 min"), (100 * 3600, "4 days 4 h"), (3 * 8766 * 3600, "3.0 years"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str):
    assert describe_seconds(seconds) == text


def test_words_for_cells_sizes_and_counts():
    assert describe_cell(spec("mha", "gt-modular", 8)) == "MHA v1 regression R=8 E=32 GT-Modular"
    assert describe_cell(spec("rnn")) == "RNN regression R=2 E=32 Monolithic"
    assert [describe_bytes(size) for size in (0, 999, 12_000, 1.3e9, 2e15)] == [
        "0 B", "999 B", "12.0 KB", "1.3 GB", "2000.0 TB",
    ]  # fmt: skip
    assert [plural(1, "run"), plural(20_000, "run")] == ["1 run", "20,000 runs"]


STOPPABLE = """
import os, sys, time
from modbench.sweep.stopping import StopRequest
with StopRequest(on_leaving=lambda: print("leaving", flush=True)) as stop:
    print("ready", flush=True)
    while not stop.requested():
        time.sleep(0.01)
    print("heard", flush=True)
    if sys.argv[1] == "polite":
        sys.exit(130)
    time.sleep(30)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_only_sets_a_flag(number: signal.Signals):
    with subprocess.Popen(
        [sys.executable, "-c", STOPPABLE, "polite"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == "heard\n"
        assert process.wait(10) == 130


def test_the_second_signal_leaves_at_once(tmp_path: Path):
    with subprocess.Popen(
        [sys.executable, "-c", STOPPABLE, "stubborn"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "heard\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "leaving\n"
        assert process.wait(10) == 130
    assert time.monotonic() - begun < 20


# --- losses as small charts


def test_a_small_chart_falls_with_the_loss():
    assert sparkline([8.0, 4.0, 2.0, 1.0]) == "█▆▃▁"
    assert sparkline([1.0, None, 0.0]) == "██▁"
    assert sparkline([None, 2.0, float("nan"), 2.0]) == " ▁ ▁"
    assert sparkline([]) == ""
    assert sparkline([float("inf")]) == " "


def test_each_model_has_a_chart_of_the_group_that_was_begun_last():
    progress, clock, (a, b) = started(workers=2)
    play(progress, clock, (0, Started(0, a.cohort_id)), (0, Started(1, b.cohort_id)))
    for step, loss in ((0, 0.8), (50, 0.4), (100, 0.1)):
        play(progress, clock, (1, Advanced(0, a.cohort_id, 0, "train", step, 100, loss)))
    (trace,) = progress.traces.values()
    assert trace.cohort_id == a.cohort_id
    assert [loss for loss in trace.losses if loss] == [0.8, 0.4, 0.1]
    assert trace.losses.index(0.4) == 12
    play(progress, clock, (1, Advanced(1, b.cohort_id, 0, "train", 50, 100, 0.7)))
    play(progress, clock, (1, Advanced(0, a.cohort_id, 0, "train", 100, 100, 0.05)))
    (trace,) = progress.traces.values()
    assert (trace.cohort_id, trace.last) == (b.cohort_id, 0.7)
    console = Screen(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    console.print(picture(progress))
    shown = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert re.search(r"Modular +▁+ +0.7 +MLP regression R=2 E=32\s", shown)
    console = Screen(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    console.print(picture(progress, charts=False))
    assert "▁" not in console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    whole = [100 + evaluation_steps(cohort.runs[0]) for cohort in (a, b)]
    assert progress.active[0].share == pytest.approx(100 / whole[0])
    assert progress.active[1].share == pytest.approx(50 / whole[1])


def test_evaluation_shows_its_batches_and_fills_the_bar():
    progress, clock, (a, _) = started()
    batches = batches_in_all(a.runs[0])
    play(progress, clock, (0, Started(0, a.cohort_id)))
    play(progress, clock, (1, Advanced(0, a.cohort_id, 0, "evaluate", 100, 100, 0.5, 3, batches)))
    assert batches == 2 * (2 + 40 + 1)
    assert activity(progress.active[0]) == "evaluating batch 3/86 loss 0.5"
    share = progress.active[0].share
    play(progress, clock, (1, Advanced(0, a.cohort_id, 0, "evaluate", 100, 100, 0.5, batches, batches)))
    assert share < progress.active[0].share == pytest.approx(1)
