"""`merge`, `compare` and the cohorts of `status`, and stores in places that fail us."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from modbench.store.claims import Claims
from modbench.store.files import Store
from sweep import fake_training


def words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def one_line(result) -> str:
    """The one line on standard error of a command that was refused."""
    assert "Traceback" not in result.stderr
    (line,) = result.stderr.strip().splitlines()
    return line


@pytest.fixture
def halves(folder, trained, training):
    """Two stores, each with half of the runs of `small.toml`, and one with all of them."""
    for name in ("a", "b", "whole"):
        shutil.copytree(trained / name, folder / name)


def test_halves_are_merged_compared_and_continued(command, halves):
    result = command("merge", "a", "b", "--out", "merged store")
    assert result.exit_code == 0
    assert result.stdout == (
        "8 cohorts copied, 8 plans copied\n12 runs in merged store\nnext: modbench status 'merged store'\n"
    )
    same = command("compare", "whole", "merged store")
    assert same.exit_code == 0
    assert "stored in both: 12 runs, 12 of them with equal numbers" in same.stdout
    assert same.stdout.endswith("equal, exactly\n")
    again = command("run", "merged store/sweep.toml", "--out", "merged store")
    assert "nothing left to run, the store has all 12 runs" in again.stdout
    result = command("merge", "whole", "--out", "merged store")
    assert "4 cohorts copied, 4 plans copied" in result.stdout
    assert "12 runs in merged store; 12 of them stored more than once and counted once" in words(
        result.stdout
    )
    assert command("compare", "whole", "merged store").exit_code == 0


def test_what_differs_is_named_and_is_exit_code_1(command, halves):
    result = command("compare", "a", "whole")
    assert result.exit_code == 1
    assert "stored in both: 8 runs" in result.stdout
    assert re.search(r"stored in B only: 4 runs: MLP · regression, .*, seed", result.stdout)
    assert "planned in B only: 4 runs: " in result.stdout
    assert result.stdout.endswith("different\n")
    assert "must be a number of 0 or more, got -1.0" in one_line(
        command("compare", "a", "b", "--tolerance", "-1")
    )
    assert "got nan" in one_line(command("compare", "a", "b", "--tolerance", "nan"))
    assert command("compare", "a", "nowhere").exit_code == 2


def test_numbers_that_differ_are_shown_and_a_tolerance_lets_them_pass(command, halves, training, monkeypatch):
    original = fake_training.result

    def nudged(spec):
        result = original(spec)
        result.checkpoints["last"].quantities["error_id"] += 1e-7
        return result

    monkeypatch.setattr(fake_training, "result", nudged)
    command("run", "small.toml", "--out", "other", "--quiet")
    result = command("compare", "whole", "other")
    assert result.exit_code == 1
    assert re.search(
        r"last_error_id +12 +1e-07 +[0-9a-f]{16} +MLP · regression, (GT-)?Modular", result.stdout
    )
    assert command("compare", "whole", "other", "--tolerance", "1e-6").exit_code == 0


def test_what_cannot_be_merged_is_one_line_and_nothing_is_written(command, halves, folder, snapshot):
    (path,) = sorted(Path("b").glob("cohorts/*/curves.parquet"))[:1]
    path.write_bytes(path.read_bytes()[:-3])
    shutil.copytree("a", "newer")
    Path("newer/store.json").write_text('{"schema_version": 9}')
    before = snapshot(folder)
    for sources, message in (
        (["a", "b"], f"but {path} is damaged"),
        (["a", "newer"], "schema version 9, this modbench knows up to 1; use a newer modbench"),
        (["a", "nowhere"], "no folder nowhere"),
    ):
        result = command("merge", *sources, "--out", "c")
        assert result.exit_code == 2
        assert message in one_line(result)
    assert snapshot(folder) == before


def test_status_tells_of_every_cohort(command, training, folder):
    command("run", "small.toml", "--quiet", "--out", "store", "--set", "seed=0")
    command("run", "small.toml", "--quiet", "--out", "store", "--set", "train.learning_rate=1.0")
    training(fake_training.breaks_at_seed_1)
    command("run", "small.toml", "--quiet", "--out", "store", "--set", "seed=[0, 1]")
    training(fake_training.full_disk)
    command("run", "small.toml", "--quiet", "--out", "store", "--set", "seed=3")
    store = Store.open("store")
    waiting = sorted(
        plan.cohort_id
        for plan in store.plans()
        if plan.cohort_id not in {*store.published(), *Claims(store.folder).failures()}
    )
    assert len(waiting) == 4
    claim = Claims(store.folder).take(waiting[0])
    assert claim is not None
    path = folder / "store" / "claims" / f"{waiting[0]}.json"
    table = {**json.loads(path.read_text()), "host": "[red]node7", "group": 2, "phase": "train", "step": 1200,
             "steps": 2000, "seconds": 65.0, "started": "2026-01-02T03:04:05+00:00"}  # fmt: skip
    path.write_text(json.dumps(table))
    result = command("status", "store")
    text = words(result.stdout)
    assert "16 cohorts: 8 done, 1 running, 4 failed, 3 waiting" in text
    assert (
        f"{waiting[0]} running 1 MLP regression R=2 E=32 GT-Modular [red]node7, process {os.getpid()}, since "
        "2026-01-02 03:04 UTC (1 min 05 s): group 3, step 1,200 of 2,000"
    ) in text.replace("R=4", "R=2").replace("E=32 Modular", "E=32 GT-Modular")
    assert text.count("ValueError: no such luck") == 4
    assert " waiting 1 MLP" not in text
    everything = words(command("status", "store", "--all").stdout)
    assert (everything.count(" waiting 1 MLP"), everything.count(" done 1 MLP")) == (3, 4)
    assert everything.count("3 runs failed") == 4
    only = words(command("status", "store", "--only", "waiting").stdout)
    assert "no such luck" not in only
    assert only.count(" waiting 1 MLP") == 3
    assert "unknown state 'waitin'. Did you mean 'waiting'?" in one_line(
        command("status", "store", "--only", "waitin")
    )


@pytest.fixture
def mounted(tmp_path):
    """Mounts things under the test's folder, where that is permitted."""
    places = []

    def mount(*arguments: str) -> None:
        if shutil.which("mount") is None or subprocess.run(["mount", *arguments], check=False).returncode:
            pytest.skip("mounting is not permitted")
        places.append(arguments[-1])

    yield mount
    for place in places:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_read_only_store_is_read_and_not_written(command, training, folder, mounted, snapshot):
    command("run", "small.toml", "--quiet", "--out", "store", "--set", "seed=[0, 1]")
    Claims(folder / "store").take("0" * 16)
    mounted("--bind", str(folder / "store"), str(folder / "store"))
    subprocess.run(["mount", "-o", "remount,ro,bind", str(folder / "store")], check=True)
    before = snapshot(folder)
    assert "8 runs: 8 done" in words(command("status", "store").stdout)
    assert command("compare", "store", "store").exit_code == 0
    for arguments in (
        ["run", "small.toml", "--out", "store"],
        ["run", "small.toml", "--out", "store/below"],
        ["merge", "store", "--out", "store/below"],
    ):
        result = command(*arguments)
        assert result.exit_code == 2
        assert "must be writable" in one_line(result)
    assert snapshot(folder) == before
    assert command("merge", "store", "--out", "copy").exit_code == 0
    assert command("compare", "store", "copy").exit_code == 0


def test_a_small_disk_fills_in_one_line_and_the_same_command_continues(command, training, folder, mounted):
    (folder / "disk").mkdir()
    mounted("-t", "tmpfs", "-o", "size=80k", "tmpfs", str(folder / "disk"))
    arguments = ["run", "small.toml", "--quiet", "--out", "disk/store"]
    result = command(*arguments)
    assert result.exit_code == 1
    line = one_line(result)
    assert line.startswith("cannot publish disk/store/cohorts/")
    assert line.endswith("No space left on device; nothing is lost, the same command continues")
    store = Store.open("disk/store")
    assert 0 < len(store.published()) < 4
    assert list(Path("disk/store/tmp").iterdir()) == store.set_damaged_aside() == []
    subprocess.run(["mount", "-o", "remount,size=8m", str(folder / "disk")], check=True)
    assert command(*arguments).exit_code == 0
    command("run", "small.toml", "--quiet", "--out", "whole")
    assert command("compare", "disk/store", "whole").exit_code == 0


def test_a_folder_that_vanishes_in_mid_sweep_is_one_line(command, training, folder):
    def vanishing(specs, width, report, should_stop, keeper):
        if (folder / "store").exists() and len(Store.open("store").published()) == 2:
            (folder / "store").rename(folder / "elsewhere")
        return fake_training.quick(specs, width, report, should_stop, keeper)

    training(vanishing)
    result = command("run", "small.toml", "--quiet", "--out", "store")
    assert result.exit_code == 1
    assert "store store has vanished: store.json is not there any more" in one_line(result)
    assert not (folder / "store").exists()
    (folder / "elsewhere").rename(folder / "store")
    for claim in (folder / "store" / "claims").glob("*.json"):
        claim.unlink()  # that command's process is gone in earnest, and its claims lapse with it
    training()
    assert command("run", "small.toml", "--quiet", "--out", "store").exit_code == 0


MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>&amp;'\""


def test_markup_in_a_store_is_text_in_the_report(command, training, folder, monkeypatch):
    original = fake_training.result

    def odd(spec):
        result = original(spec)
        return replace(result, reason=MARKUP) if result.status == "failed" else result

    monkeypatch.setattr(fake_training, "result", odd)
    name = "<b>store</b> & '\"co"
    sweep = (folder / "small.toml").read_text()
    description = json.dumps(MARKUP)
    (folder / "small.toml").write_text(
        re.sub(r"description = .*", lambda _: f"description = {description}", sweep)
    )
    few = ("--set", "seed=0", "--set", "task.num_rules=2", "--set", "train.learning_rate=[0.1, 1.0]")
    command("run", "small.toml", "--quiet", "--out", name, *few)
    source = folder / name / "sweep.toml"
    source.write_text(
        re.sub(r"^name = .*", lambda _: f"name = {description}", source.read_text(), flags=re.M)
    )
    assert command("report", name).exit_code == 0
    page = (folder / name / "report.html").read_text()
    assert "alert(1)" in page  # it is there, as text
    assert not re.search(r"<script>\s*alert|<img src=x|<b>store", page)
    assert command("status", name).exit_code == 0


def test_names_do_not_lead_out_of_the_output_folder(command, training, folder, snapshot):
    sweep = (folder / "small.toml").read_text()
    (folder / "within").mkdir()
    os.chdir(folder / "within")
    for name in ("../x", "/tmp/x", "..", ".", "a/b", "a\\b", ".hidden", "", "a\nb", "a\u0000b", "x" * 300):
        (folder / "within" / "odd.toml").write_text(sweep.replace('"small"', json.dumps(name)))
        before = snapshot(folder)
        result = command("run", "odd.toml")
        assert result.exit_code == 2, name
        one_line(result)
        assert {path for path in snapshot(folder) if not path.startswith("within:")} == {
            path for path in before if not path.startswith("within:")
        }
    for name in ("../small", "../presets/smoke", "/etc/passwd"):
        assert "unknown preset" in one_line(command("run", name))


def test_links_and_spaces_in_paths_work(command, training, folder):
    (folder / "a folder").mkdir()
    (folder / "a folder" / "my sweep.toml").write_text((folder / "small.toml").read_text())
    (folder / "a link.toml").symlink_to(folder / "a folder" / "my sweep.toml")
    (folder / "there").symlink_to(folder / "a folder")
    few = ("--set", "seed=0", "--set", "task.num_rules=2")
    assert command("run", "a link.toml", "--quiet", "--out", "there/my store", *few).exit_code == 0
    assert command("status", "a folder/my store").exit_code == 0
    assert command("merge", "there/my store", "--out", "there/my other store").exit_code == 0
    assert command("compare", "a folder/my other store", "there/my store").exit_code == 0
    assert command("report", "there/my store").exit_code == 0
