import io
import json
import re
import subprocess
import sys
import tomllib
from types import SimpleNamespace

import pytest
from rich.console import Console

import synthetic_results
from modbench.cli import planning
from modbench.cli.results import results_table
from modbench.core.names import MODELS
from modbench.store.files import Store
from modbench.store.table import load
from modbench.sweep.cost import Probe
from sweep import fake_training


def words(text: str) -> str:
    """Output without its layout."""
    return re.sub(r"\s+", " ", text)


def test_help_starts_without_the_heavy_libraries():
    script = (
        "import sys\n"
        "from modbench.cli.app import main\n"
        "sys.argv = ['modbench', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'jax', 'numpy', 'pandas', 'pyarrow', 'matplotlib', 'scipy', 'pydantic', 'altair'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "status" in result.stdout
    assert result.stdout.endswith("[]\n")


def test_the_module_is_the_command():
    result = subprocess.run(
        [sys.executable, "-m", "modbench", "--version"], capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r"modbench \d+\.\d+\.\d+\n", result.stdout)


def test_list_shows_every_name(command):
    everything = words(command("list").stdout)
    for name in ("mlp", "fixed-ops", *MODELS, "joint", "top-k", "smoke", "quick", "paper", "collapse_worst"):
        assert name in everything
    presets = command("list", "presets")
    assert presets.exit_code == 0
    assert "quick" in presets.stdout
    assert "gt-modular" not in presets.stdout
    assert "From 0 to 1 - 1/M; lower is better." in words(command("list", "metrics").stdout)


def test_run_trains_and_shows_what_came_out(command, folder, training):
    result = command("run", "small.toml")
    assert result.exit_code == 0
    text = words(result.stdout)
    assert "small: 12 runs; 4 cohorts on 1 worker" in text
    # The fake's error is 1 / (1 + seed + R): means over seeds 0, 1, 2 of 1/3, 1/4, 1/5 and of 1/5, 1/6, 1/7.
    assert "2 Modular 3 0.2611 0.2611 0.261 0.261" in text
    assert "4 Modular 3 0.1698 0.1698 0.170 0.170" in text
    assert "results in results/small" in text
    assert "modbench figures results/small" in text
    assert "modbench report results/small" in text
    assert tomllib.loads((folder / "results/small/sweep.toml").read_text())["name"] == "small"


def test_80_columns_hold_a_long_setting_on_one_line(tmp_path):
    runs = synthetic_results.specs(
        rules=(2,),
        models=("modular", "gt-modular"),
        task_seeds=[0],
        train=({"learning_rate": 0.1}, {"learning_rate": 0.2}),
    )
    console = Console(width=80, file=io.StringIO())
    console.print(results_table(synthetic_results.tables(tmp_path / "store", runs, points=3)))
    lines = [line.strip() for line in console.file.getvalue().splitlines()]
    settings = [f"MLP regression · learning rate {rate}" for rate in (0.1, 0.2)]
    assert [line for line in lines if line.startswith("MLP")] == settings
    assert sum("Alignment" in line for line in lines) == 1
    assert sum("GT-Modular" in line for line in lines) == 2


def test_a_second_run_finds_nothing_to_do_and_starts_no_jax(small):
    script = (
        "import sys\n"
        "from modbench.cli.app import main\n"
        "sys.argv = ['modbench', 'run', 'small.toml']\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 0\n"
        "sys.exit('jax' in sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert "nothing left to run, the store has all 12 runs" in result.stdout
    assert "MLP regression" in result.stdout


def test_a_sweep_grows_in_its_folder(command, small, training):
    result = command("run", "small.toml", "--set", "seed=[0, 1, 2, 3]")
    assert "small: 16 runs, the store has 12; 4 cohorts on 1 worker" in words(result.stdout)
    assert len(load("results/small").runs) == 2 * 16


def test_quiet_says_nothing_when_all_is_well(command, training):
    result = command("run", "small.toml", "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("options", [[], ["--quiet"]])
def test_diverged_runs_are_listed_with_their_reason(command, training, options):
    override = ["--set", "train.learning_rate=[0.1, 1.0]", *options]
    for _ in range(2):
        result = command("run", "small.toml", *override)
        assert result.exit_code == 1
        lines = [line for line in result.stdout.splitlines() if line.startswith("failed: run")]
        assert len(lines) == 12
        assert "(MLP regression R=2 E=32 Modular, task seed 0, seed 0): diverged: the loss of update 3" in (
            "".join(lines)
        )
    if not options:
        # Runs under different protocols share no row, and so no mean.
        assert "MLP regression · learning rate 0.1" in words(result.stdout)
        assert "MLP regression · learning rate 1 " in words(result.stdout)
        assert "Modular 0 of 3" in words(result.stdout)


def test_cohorts_that_could_not_be_trained_are_named_with_one_traceback(command, training):
    training(fake_training.breaks_at_seed_1)
    result = command("run", "small.toml")
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("not trained: cohort ")]
    assert len(lines) == 4
    assert all(line.endswith("E=32 Modular, 3 runs): ValueError: no such luck") for line in lines[::2])
    assert result.stderr.count("Traceback") == 1


def test_a_full_disk_is_one_line_and_the_same_command_continues(command, training):
    training(fake_training.full_disk)
    result = command("run", "small.toml", "--quiet")
    assert result.exit_code == 1
    assert result.stderr == (
        "cannot publish: No space left on device; nothing is lost, the same command continues\n"
    )
    training()
    assert command("run", "small.toml", "--quiet").exit_code == 0


def test_a_damaged_file_is_named_and_its_runs_trained_again(command, folder, small, training):
    cohort = Store.open("results/small").published()[0]
    path = folder / "results/small/cohorts" / cohort / "runs.parquet"
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    result = command("run", "small.toml")
    assert result.exit_code == 0
    assert f"damaged: cohorts/{cohort}/runs.parquet" in result.stderr
    assert "12 runs, the store has 9; 1 cohort on 1 worker" in words(result.stdout)


def test_status_counts_and_writes_nothing(command, folder, training, snapshot):
    command("run", "small.toml", "--quiet", "--set", "train.learning_rate=[0.1, 1.0]")
    before = snapshot(folder)
    result = command("status", "results/small")
    assert result.exit_code == 0
    text = words(result.stdout)
    assert "24 runs: 12 done, 12 failed, 0 waiting" in text
    assert "Modular 6 - -" in text
    assert "Modular - 6 -" in text
    assert text.count("failed: run") == 12
    assert snapshot(folder) == before


def test_status_of_a_planned_sweep_waits(command, training):
    training(fake_training.full_disk)
    command("run", "small.toml", "--quiet")
    assert "12 runs: 0 done, 0 failed, 12 waiting" in words(command("status", "results/small").stdout)


def test_watching_ends_when_all_is_done(command, small):
    result = command("status", "results/small", "--watch")
    assert result.stdout == (
        "12 runs: 12 done, 0 failed, 0 waiting; 4 cohorts: 4 done, 0 running, 0 failed, 0 waiting\n"
    )


def test_plan_counts_and_writes_nothing(command, folder, small, snapshot):
    before = snapshot(folder)
    result = command("plan", "small.toml", "--no-probe", "--set", "seed=[0, 1, 2, 3]")
    assert result.exit_code == 0
    text = words(result.stdout)
    for line in (
        "runs 16 runs",
        "stored 12 in results/small",
        "to train 4 runs in 4 cohorts",
        "MLP regression 4 4 1 ",
    ):
        assert line in text
    assert "time about" not in text
    assert 'evaluation.preset = "short" makes evaluation about 24 times shorter' in text
    assert snapshot(folder) == before


def test_plan_turns_probes_into_time(command, folder, snapshot, monkeypatch):
    def measure(cohorts, on_probe):
        on_probe("something")
        spec = cohorts[0].runs[0]
        return [Probe(spec, 2.0, 30.0, 1.0)]

    monkeypatch.setattr(planning, "measure", measure)
    before = snapshot(folder)
    options = ["--set", "task.num_rules=2", "--set", "model.name=monolithic", "--workers", "1"]
    result = command("plan", "small.toml", *options)
    # 3 runs x (20 steps + 2 points x 20 batches / 3) x 2 s, and 3 x 30 s; the program is compiled by then.
    assert "time about 4 min 50 s with 1 worker" in words(result.stdout)
    assert "training 3 min 20 s, evaluating 1 min 30 s, compiling 0 s" in words(result.stdout)
    assert "estimated from 1 probe on this machine" in words(result.stdout)
    assert snapshot(folder) == before


def test_plan_of_a_finished_sweep_times_nothing(command, small, monkeypatch):
    monkeypatch.setattr(planning, "measure", None)
    result = command("plan", "small.toml")
    assert "to train 0 runs in 0 cohorts" in words(result.stdout)


def test_the_report_says_where(command, folder, small, monkeypatch):
    calls = {}

    def write_report(tables, path, provenance, checkpoint, processes):
        calls["report"] = (len(tables.runs), path, provenance, checkpoint)

    monkeypatch.setitem(sys.modules, "modbench.report", SimpleNamespace(write_report=write_report))
    store = folder / "results/small"
    result = command("report", str(store))
    assert result.stdout == f"report in {store / 'report.html'}\n"
    assert calls["report"][:2] == (24, store / "report.html")
    assert calls["report"][2]["sweep"] == "small"
    assert calls["report"][3] == "last"
    command("report", str(store), "--output", "page.html")
    assert str(calls["report"][1]) == "page.html"
    result = command("report", str(store), "--checkpoint", "best")
    assert result.stdout == f"report in {store / 'report-best.html'}\n"
    assert calls["report"][3] == "best"


def test_env_names_versions_and_the_cache(command, tmp_path, monkeypatch):
    monkeypatch.setenv("MODBENCH_CACHE", str(tmp_path / "cache"))
    result = command("env")
    assert result.exit_code == 0
    text = words(result.stdout)
    for name in ("modbench", "python", "jax", "devices", "cpu:0"):
        assert name in text
    assert f"{tmp_path / 'cache'} (0 files, 0 B; safe to delete)" in text


def test_results_of_many_rows_pool_the_rules(command, training):
    rules = json.dumps(list(range(2, 15)))
    result = command("run", "small.toml", "--set", f"task.num_rules={rules}")
    text = words(result.stdout)
    assert "better MLP regression " in text
    assert " model runs ID " in text  # no column of rules
    assert " Modular 39 " in text
