"""`modbench bench` on the command line: its lines, its file, what it refuses, and how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench import fake_worker
from modbench.bench import crew
from modbench.cli.app import app

TINY = ["--architecture", "mlp", "--encoder-width", "4", "--batch-size", "8", "--workers", "1"]
FAKE = ["--architecture", "mlp", "--encoder-width", "4", "--model", "monolithic", "--seconds", "0.5"]
BAD = fake_worker.Misbehaviour()


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs `modbench bench` in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, ["bench", *arguments], prog_name="modbench")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch):
    """Workers whose times are made up."""
    monkeypatch.setattr(crew, "WORKER", fake_worker.__name__)


def test_a_real_shape_end_to_end(command):
    result = command(*TINY, "--rules", "2", "--model", "modular", "--seconds", "0.2", "--json", "out.json")
    assert result.exit_code == 0, result.output
    assert re.search(r"MLP regression R=2 E=4 Modular +13 +[\d.,]+ +[\d., to]+", result.stdout)
    assert "peak on cpu" in result.stdout
    found = json.loads(Path("out.json").read_text())
    assert found["complete"]
    assert found["versions"]["jax"] != "not installed"
    (row,) = found["rows"]
    assert row["ms_quartiles"][0] <= row["ms_per_step_and_run"] <= row["ms_quartiles"][1]
    assert row["run_steps_per_second"] == pytest.approx(1000 / row["ms_per_step_and_run"])
    assert row["ms_per_step_and_run"] == pytest.approx(row["core_ms_per_step_and_run"])  # one worker
    assert 0 < row["share_of_peak"] < 1.5
    assert row["peak_flops_per_second"] > 1e9
    assert row["memory_bytes_per_second"] > 1e8
    assert 100 < row["peak_memory_mb"] < 10_000
    assert row["compiled_from_cache"] or row["compile_seconds"] > 0.05


def test_workers_measure_at_the_same_time(command, fake):
    result = command(*FAKE, "--rules", "2", "--rules", "3", "--workers", "2", "--json", "out.json")
    assert result.exit_code == 0, result.output
    rows = json.loads(Path("out.json").read_text())["rows"]
    assert [row["num_rules"] for row in rows] == [2, 3]
    for row in rows:
        steps, width = row["steps_per_round"], row["width"]
        assert row["round_seconds"] == [[fake_worker.STEP_SECONDS * steps] * 2] * len(row["round_seconds"])
        assert row["run_steps_per_second"] == pytest.approx(2 * width / fake_worker.STEP_SECONDS)
        assert row["peak_flops_per_second"] == 8e9


def test_a_shape_that_fails_is_a_row_and_the_others_go_on(command, fake):
    rules = [2, BAD.out_of_memory, BAD.killed, 3]
    arguments = [text for number in rules for text in ("--rules", str(number))]
    result = command(*FAKE, *arguments, "--workers", "2", "--json", "out.json")
    assert result.exit_code == 1
    assert "failed: RuntimeError: out of memory\n" in result.stdout
    assert "failed: killed by SIGKILL (out of memory?)\n" in result.stdout
    found = json.loads(Path("out.json").read_text())
    assert found["complete"]
    assert [row["status"] for row in found["rows"]] == ["measured", "failed", "failed", "measured"]
    assert found["rows"][1]["reason"] == "RuntimeError: out of memory"


SCRIPT = """
from modbench.bench import crew
crew.WORKER = "bench.fake_worker"
from modbench.cli.app import main
main()
"""


def test_an_interrupted_bench_keeps_what_it_has(tmp_path):
    rules = ["--rules", "2", "--rules", str(BAD.deaf), "--rules", "3"]
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "bench", *FAKE, *rules, "--workers", "2", "--json", "out.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "out.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to every process of the group
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert stderr == "interrupted, 1 of 3 shapes measured\n"
    assert "peak on abacus" in stdout
    found = json.loads((tmp_path / "out.json").read_text())
    assert (len(found["rows"]), found["shapes_asked"], found["complete"]) == (1, 3, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--architecture", "mlpp"], "unknown architecture 'mlpp'. Did you mean 'mlp'?"),
        (["--model", "modulr"], "Did you mean 'modular'?"),
        (["--kind", "regresion"], "task.kind: must be 'regression' or 'classification', got 'regresion'"),
        (["--rules", "1"], "task.num_rules: must be greater than or equal to 2, got 1"),
        (["--encoder-width", "0"], "model.encoder_width: must be greater than or equal to 1, got 0"),
        (["--length", "1"], "task.length: must be greater than or equal to 2, got 1"),
        (["--architecture", "mlp", "--length", "5"], "length: mlp has no sequences; leave it out, got 5"),
        (["--batch-size", "0"], "train.batch_size: must be greater than or equal to 1, got 0"),
        (["--set", "train.stps=3"], "Did you mean 'steps'?"),
        (["--width", "0"], "width: must be from 1 to 10,000, got 0"),
        (["--workers", "0"], "workers: must be from 1 to 1024, got 0"),
        (["--seconds", "0"], "seconds: must be greater than 0 and at most 3600, got 0"),
        (["--seconds", "nan"], "seconds: must be greater than 0 and at most 3600, got nan"),
        (["--json", "nowhere/out.json"], "must lie in a folder that exists, got nowhere/out.json"),
        (["--json", "."], "json: must be a regular file or a new one, got the folder ."),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_request_is_one_line_and_measures_nothing(command, fake, arguments, message):
    result = command(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert message in line
    assert list(Path().iterdir()) == []


def test_help_and_bad_input_need_no_jax():
    code = (
        "import sys\nfrom modbench.cli.app import app\n"
        "try:\n    app(sys.argv[1:], prog_name='modbench')\n"
        "finally:\n    assert 'jax' not in sys.modules\n"
    )
    for arguments, status in ((["bench", "--help"], 0), (["bench", "--rules", "1"], 2)):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
        assert done.returncode == status, done.stderr
