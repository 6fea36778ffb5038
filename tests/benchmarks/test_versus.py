"""Ours against others by turns: arithmetic, order, failures, arguments. Workers are made up: nothing is trained."""

import dataclasses
import json
import subprocess
import sys

import pytest
from made_up_contenders import (
    FOLDER,
    SETTINGS,
    SHAPE,
    Fake,
    command,
    contest,
    crew,
    held,
    launcher,
    paces,
    results,
    shapes,
    worker,
)

from modbench.core.errors import RequestError
from modbench.models.sizing import num_parameters


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    """Made-up workers have no threads that spin."""
    monkeypatch.setattr(crew, "PAUSE_SECONDS", 0.0)


# --- arithmetic


def test_ms_per_step_and_run_of_processes_side_by_side():
    fast, slow = (Fake("modbench", [], lambda runs, threads, s=s: s) for s in (0.2, 0.26))
    variant = crew.Variant([fast, slow], threads=1, runs=13, counted=12.5, steps=4)
    variant.prepare(None)
    # The slower worker decides: 0.26 s a step for 2 x 12.5 runs that count.
    assert variant.slice() == pytest.approx(1000 * 0.26 / 25)
    assert variant.seconds == pytest.approx(0.26)


def test_a_slice_has_as_many_steps_as_fit_and_at_least_one():
    for step, expected in ((0.001, 500), (0.2, 2), (7.0, 1)):
        log = []
        variant = crew.Variant([Fake("x", log, lambda runs, threads, step=step: step)], 1, 1, 1.0)
        variant.prepare(None)
        assert variant.calibrate(0.5) == pytest.approx(1000 * step)
        assert variant.steps == expected
    # A step of seconds is not repeated to find that out.
    assert [asked["do"] for _, asked in log] == ["prepare", "steps"]


def test_rounds_fill_the_time_within_bounds():
    settings = dataclasses.replace(SETTINGS, shape_seconds=20, least_rounds=3, most_rounds=6)
    assert [contest.rounds(seconds, settings) for seconds in (50.0, 6.0, 5.0, 4.0, 0.0)] == [3, 3, 4, 5, 6]


def test_ratios_are_taken_round_by_round():
    found = results.spread([1.0, 2.0, 4.0, 1.0, 2.0], [3.0, 4.0, 4.0, 5.0, 8.0])
    assert (found.median, found.low, found.high, found.rounds) == (3.0, 1.0, 5.0, 5)
    assert found.quartiles == (2.0, 4.0)
    assert str(found) == "3.00 (1.00 to 5.00)"
    # A contender that fails after two rounds is compared in those.
    assert results.spread([1.0, 2.0, 4.0], [2.0, 2.0]).rounds == 2
    assert results.spread([2.0], [3.0]) == (1.5, 1.5, 1.5, (1.5, 1.5), 1)


# --- a contest


def test_the_best_use_of_each_is_compared():
    row = results.result(SHAPE, held(), SETTINGS)
    # 25 runs fit the width exactly, each worker takes 10 ms a step and run, and there are two.
    assert row["contenders"]["modbench"][0]["median_ms"] == pytest.approx(5)
    assert [v["median_ms"] for v in row["contenders"]["original"]] == pytest.approx([200, 100])
    assert row["contenders"]["at once"][0]["median_ms"] == pytest.approx(100)
    assert row["ratios"]["original"]["median"] == pytest.approx(20)
    assert row["ratios"]["at once"]["median"] == pytest.approx(20)
    stacked, second = row["contenders"]["stacked"]
    assert (second["runs"], second["processes"]) == (25, 1)
    assert (stacked["runs"], stacked["processes"], stacked["threads"]) == (25, 2, 1)
    assert stacked["median_ms"] == pytest.approx(1000 * 0.35 / 50)


def test_slices_alternate():
    log = []
    held(log)
    last = [name for name, asked in log if asked["do"] == "steps"][-27:]
    # Two of ours, one of the original with 1 and with 2 threads, two at once, a stack in two and one in one process.
    turn = ["modbench"] * 2 + ["original"] * 4 + ["stacked"] * 3
    assert last == turn * 3


def test_ours_runs_as_a_sweep_does():
    log = []
    held(log)
    launched = [asked for name, asked in log if name == "modbench" and asked["do"] == "launch"]
    assert [asked["request"]["first"] for asked in launched] == [0, 1]
    assert {asked["python"] for asked in launched} == {sys.executable}
    assert all(asked["environment"]["NPROC"] == "1" for asked in launched)
    others = [asked for name, asked in log if name != "modbench" and asked["do"] == "launch"]
    assert {asked["python"] for asked in others} == {"torch-python"}


def test_copies_that_pad_a_group_do_not_count(monkeypatch):
    monkeypatch.setattr(contest, "choose_width", lambda cohort, place: 13)
    ours = held()["modbench"][0]
    assert (ours.runs, ours.counted) == (13, 12.5)


def test_memory_is_shared_and_a_stack_that_does_not_fit_gives_way():
    log = []

    def fails(asked, runs):
        return "out of memory" if asked["do"] == "prepare" and runs == 25 else None

    found = held(log, fails=fails, failing="stacked")
    assert found["stacked"][0].runs == 5
    assert len(found["stacked"][0].ms) == 3
    asked = [asked for name, asked in log if name == "stacked" and asked["do"] == "prepare"]
    # Nine tenths of what is free; two processes share it.
    assert {command["memory"] for command in asked} == {900, 450}


def test_stacks_with_endless_steps_are_not_tried():
    log = []
    held(log, pace=paces(stacked=lambda runs, threads: 3.0 * runs))
    assert {asked["runs"] for name, asked in log if name == "stacked" and asked["do"] == "prepare"} == {1, 5}


def test_a_contender_that_cannot_is_a_cell_that_says_so():
    found = held(fails=lambda asked, runs: "no such model", failing="original")
    row = results.result(SHAPE, found, SETTINGS)
    assert set(row["ratios"]) == {"stacked"}
    assert results.cells(row)[2:6] == ["no such model", "", "10", "no such model"]
    ours = results.result(SHAPE, held(fails=lambda asked, runs: "broken", failing="modbench"), SETTINGS)
    assert ours["ratios"] == {}
    assert results.cells(ours)[1] == "broken"


def test_one_that_fails_on_the_way_leaves_its_numbers():
    def fails(asked, runs):
        fails.count += asked["do"] == "steps"
        return "killed" if fails.count > 4 else None

    fails.count = 0
    log = []
    settings = contest.Settings(None, "torch-python", True, 1, 1.0, 1.0, 3, 4, lambda: 1000)
    found = contest.contest(SHAPE, settings, launcher(log, paces(), fails, "modbench"), lambda text: None)
    assert found["modbench"][0].failure == "killed"
    assert len(found["modbench"][0].ms) == 2
    assert len(found["stacked"][0].ms) == 3
    assert "original" not in found


def test_stacked_pytorch_can_be_left_out():
    log = []
    settings = dataclasses.replace(SETTINGS, stacked=False)
    found = contest.contest(SHAPE, settings, launcher(log, paces()), lambda text: None)
    assert set(found) == {"modbench", "original", "at once"}
    assert not any(name == "stacked" for name, _ in log)
    assert results.cells(results.result(SHAPE, found, SETTINGS))[-2:] == ["", ""]


def test_every_worker_is_closed():
    log = []
    held(log)
    launched = sum(asked["do"] == "launch" for _, asked in log)
    assert sum(asked["do"] == "close" for _, asked in log) >= launched


def test_models_of_other_sizes_and_bad_losses_are_remarked():
    assert results.remarks(held()) == []
    said = results.remarks(held(original=1001, stacked=1100))
    assert said == ["stacked has 1,100 parameters, modbench 1,000"]
    found = held()
    found["original"][1].loss = float("nan")
    assert results.remarks(found) == ["the loss of original is not finite"]


# --- the command


def run(tmp_path, *arguments, busy=0.25):
    log = []
    code = command.main(["--torch-python", "torch-python", *arguments], launcher(log, paces()), lambda: busy)
    return code, log


@pytest.fixture
def checkout(tmp_path):
    for folder in ("MLP", "MHA", "RNN"):
        (tmp_path / folder / "Regression").mkdir(parents=True)
        (tmp_path / folder / "Regression" / "model.py").touch()
    return str(tmp_path)


def test_the_table_and_the_file(tmp_path, checkout, capsys):
    file, page = tmp_path / "found.json", tmp_path / "found.md"
    code, _ = run(
        tmp_path, "--original", checkout, "--architecture", "mlp", "rnn", "--json", str(file),
        "--markdown", str(page), "--seconds", "1",
    )  # fmt: skip
    assert code == 0
    table = capsys.readouterr().out
    assert page.read_text() == table
    mlp, rnn = [line for line in table.splitlines() if "regression" in line]
    assert "20.00 (20.00 to 20.00) | 10 met |" in mlp
    assert "| 4 met |" in rnn
    assert "Others kept its cores 25 % busy at most." in table
    written = json.loads(file.read_text())
    assert [row["shape"] for row in written["shapes"]] == [
        "MLP regression modular E=32 R=8",
        "RNN regression modular E=32 R=8",
    ]
    assert written["machine"]["versions"]["torch"] == "9"
    assert len(written["shapes"][0]["contenders"]["original"][0]["ms"]) == 3


def test_a_missed_target_is_said():
    row = results.result(SHAPE, held(pace=paces(modbench=lambda runs, threads: 0.03 * runs)), SETTINGS)
    assert row["ratios"]["original"]["median"] == pytest.approx(100 / 15)
    assert results.cells(row)[4] == "10 MISSED"


def test_without_the_original_the_rest_is_measured(tmp_path, capsys):
    code, log = run(tmp_path, "--architecture", "mlp", "--seconds", "1")
    assert code == 0
    assert {name for name, _ in log} == {"modbench", "stacked"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--original", "nowhere"], "--original: must be a checkout"),
        (["--rules", "1"], "task.num_rules: must be greater than or equal to 2, got 1"),
        (["--cores", "0"], "--cores: must be from 1 to"),
        (
            ["--precision", "tf32"],
            "--precision: must be float32 on a CPU, where PyTorch has no other, got tf32",
        ),
        (["--device", "cuda"], "--device: must be cpu where JAX finds no GPU, got cuda"),
        (["--width", "25", "0"], "--width: must be from 1 to 10,000, got 25 0"),
        (["--slice", "0"], "must be greater than 0"),
        (["--least-rounds", "20"], "at most --most-rounds"),
        (["--sample", "-1"], "--sample: must be at least 0, got -1"),
    ],
)
def test_wrong_requests(tmp_path, capsys, monkeypatch, arguments, said):
    monkeypatch.setattr(command, "accelerated", lambda: False)
    code, log = run(tmp_path, *arguments)
    assert (code, log) == (2, [])
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1


def test_which_shapes():
    def asked(*arguments):
        return command.chosen(command.parser().parse_args(arguments))

    assert asked("--targets") == shapes.target_shapes()
    assert {s.architecture for s in asked("--sample", "--architecture", "rnn")} == {"rnn"}
    several = asked("--architecture", "mlp", "mha", "--search-version", "1", "2", "--rules", "2", "8")
    assert [str(s) for s in several] == [
        "MLP regression modular E=32 R=2", "MLP regression modular E=32 R=8",
        "MHA v1 regression modular E=32 R=2", "MHA v2 regression modular E=32 R=2",
        "MHA v1 regression modular E=32 R=8", "MHA v2 regression modular E=32 R=8",
    ]  # fmt: skip
    with pytest.raises(RequestError, match="model_width"):
        asked("--architecture", "mha", "--rules", "512")


# --- processes


def test_a_real_worker_answers_fails_and_dies(tmp_path):
    # No such contender: the answer is a failure, and the process goes on.
    process = crew.Worker(sys.executable, {"contender": "nobody"}, {})
    with pytest.raises(crew.Failed, match="KeyError"):
        crew.ask([process], {"do": "prepare", "runs": 1, "memory": None})
    with pytest.raises(crew.Failed):
        crew.ask([process], {"do": "steps", "count": 1, "threads": 1})
    process.close()
    ended = tmp_path / "python"
    ended.write_text("#!/bin/sh\nexit 3\n")
    ended.chmod(0o755)
    process = crew.Worker(str(ended), {}, {})
    with pytest.raises(crew.Failed, match="exit code 3"):
        crew.ask([process], {"do": "prepare", "runs": 1, "memory": None})
    process.close()


def test_running_out_of_memory_is_recognised():
    torchs = RuntimeError(
        "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried"
    )
    assert worker.one_line(torchs) == "out of memory"
    assert worker.one_line(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.")) == "out of memory"
    assert worker.one_line(MemoryError()) == "out of memory"
    assert worker.one_line(ValueError("first\nsecond")) == "ValueError: first"


def test_ours_trains_in_a_worker():
    fields = {"architecture": "mlp", "encoder_width": 4, "num_rules": 2, "model": "modular"}
    process = crew.Worker(
        sys.executable,
        {"contender": "modbench", "shape": fields, "runs": 25, "precision": "float32", "first": 1},
        {"NPROC": "1"},
    )
    facts = crew.ask([process], {"do": "prepare", "runs": 2, "memory": None})[0]
    assert facts["parameters"] == num_parameters(shapes.Shape(**fields).cohort()[0])
    first = crew.ask([process], {"do": "steps", "count": 3, "threads": 1})[0]
    assert first["seconds"] > 0
    assert 0 < first["loss"] < 10
    process.close()


def test_it_is_started_as_a_folder():
    shown = subprocess.run(
        [sys.executable, FOLDER / "versus", "--help"], capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    assert "--torch-python" in shown.stdout
