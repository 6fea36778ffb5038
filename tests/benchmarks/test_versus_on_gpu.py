"""The contest on a GPU that is made up: one process of each contender, as many runs side by side as wanted."""

import dataclasses
import json

import pytest
from made_up_contenders import SETTINGS, SHAPE, command, crew, held, launcher, paces, results

GPU = dataclasses.replace(SETTINGS, device="cuda", width=100, precision="tf32")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(crew, "PAUSE_SECONDS", 0.0)


def test_each_contender_has_the_device_in_one_process():
    log = []
    found = held(log, GPU)
    requests = [asked["request"] for _, asked in log if asked["do"] == "launch"]
    assert {(request["device"], request["precision"]) for request in requests} == {("cuda", "tf32")}
    assert {request["first"] for request in requests} == {0}
    assert found["at once"] == []
    environments = [
        asked["environment"] for name, asked in log if name == "modbench" and asked["do"] == "launch"
    ]
    # The device and no other, which is not taken in advance: PyTorch needs some of it.
    assert [e["JAX_PLATFORMS"] for e in environments] == ["cuda"]
    assert [e["XLA_PYTHON_CLIENT_PREALLOCATE"] for e in environments] == ["false"]
    assert all(len(variant.workers) == 1 for variants in found.values() for variant in variants)
    assert {asked["memory"] for _, asked in log if asked["do"] == "prepare"} == {None}


def test_ours_and_a_stack_have_the_width_that_was_asked_for():
    log = []
    row = results.result(SHAPE, held(log, GPU), GPU)
    (ours,) = row["contenders"]["modbench"]
    assert (ours["runs"], ours["counted"]) == (100, 100)
    # 10 ms a step and run, for as many at once; the original is at 100 ms with two threads.
    assert row["ratios"]["original"]["median"] == pytest.approx(10)
    assert (row["target"], row["device"], row["precision"], row["width_asked"]) == (200, "cuda", "tf32", 100)
    assert {asked["runs"] for name, asked in log if name == "stacked" and asked["do"] == "prepare"} >= {100}
    (request,) = {str(a["request"]["runs"]) for n, a in log if n == "modbench" and a["do"] == "launch"}
    assert request == "100"


def test_as_planned_is_a_whole_cohort():
    (ours,) = held(settings=dataclasses.replace(GPU, width=None))["modbench"]
    assert (ours.runs, ours.counted) == (25, 25)


def test_several_widths_are_rows_of_the_table(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "accelerated", lambda: True)
    file, log = tmp_path / "found.json", []
    arguments = ["--architecture", "mlp", "--device", "cuda", "--width", "25", "1000", "--no-stacked",
                 "--torch-python", "torch-python", "--seconds", "1", "--json", str(file)]  # fmt: skip
    assert command.main(arguments, launcher(log, paces()), lambda: None) == 0
    rows = json.loads(file.read_text())["shapes"]
    assert [row["contenders"]["modbench"][0]["runs"] for row in rows] == [25, 1000]
