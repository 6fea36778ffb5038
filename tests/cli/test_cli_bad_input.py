import json
import os
import re

import pytest

RUN = """
[[grid]]
task.architecture = "mlp"
task.num_rules = 4
"""

FIELDS = [
    ("task.architecture=mlpp", "Did you mean 'mlp'?"),
    ("task.kind=regresion", "task.kind: must be 'regression' or 'classification', got 'regresion'"),
    ("task.num_rule=3", "Did you mean 'num_rules'?"),
    ("task.num_rules=1", "task.num_rules: must be greater than or equal to 2, got 1"),
    ("task.num_rules=two", "task.num_rules: must be a valid integer, got 'two'"),
    ("task.num_rules=2.5", "task.num_rules: must be a valid integer, got 2.5"),
    ("task.search_version=1", "unknown task field of mlp 'search_version'."),
    ("task.variant=fixed", "task.variant: must be 'linear' or 'fixed-ops', got 'fixed'"),
    ("model.name=modulr", "Did you mean 'modular'?"),
    ("model.scores=jont", "Did you mean 'joint'?"),
    ("model.gates=softmx", "Did you mean 'softmax'?"),
    ("model.num_modules=1", "must be at least 2 for a modular model, got 1"),
    ("model.num_modules=0", "model.num_modules: must be greater than or equal to 1, got 0"),
    ("model.model_width=3", "must be at least 1 per module, got 3 for 4 modules"),
    ("model.encoder_width=-1", "model.encoder_width: must be greater than or equal to 1, got -1"),
    ("train.learning_rate=-0.1", "train.learning_rate: must be greater than 0, got -0.1"),
    ("train.learning_rate=nan", "train.learning_rate: must be"),
    ("train.step=3", "Did you mean 'steps'?"),
    ("train.steps=0", "train.steps: must be greater than or equal to 1, got 0"),
    ("train.steps=true", "train.steps: must be a valid integer, got True"),
    ("evaluation.lengths=[3]", "mlp has no sequences"),
    ("seed=-1", "seed: must be greater than or equal to 0, got -1"),
    ("seeds=1", "Did you mean 'seed'?"),
    ("seed=[]", "axis 'seed' must have at least one value"),
    ("train.steps", "an override must look like train.steps=2000, got 'train.steps'"),
    ("=3", "an override must look like"),
    ("task=3", "task"),
]
FILES = [
    ("name = ", "is not TOML"),
    ("", "a sweep must have at least one [[grid]] table"),
    ("grid = 3", "a sweep must have at least one [[grid]] table"),
    ("[[grdi]]", "Did you mean 'grid'?"),
    ("[[grid]]\nseed = 1", "task.architecture must be given"),
    ('[[grid]]\ntask.architecture = "mlp"', "task.num_rules must be given"),
    ('name = "../out"\n' + RUN, "sweep name must be letters, digits, '-', '_' and '.', got '../out'"),
    (
        RUN + 'model.name = "gt-modular"\nmodel.num_modules = 3',
        "needs as many modules as rules, got 3 modules and 4",
    ),
    (RUN.replace("mlp", "mha") + "task.search_version = 3", "task.search_version: must be 1 or 2, got 3"),
    (RUN.replace("mlp", "mha") + "task.length = 1", "task.length: must be greater than or equal to 2, got 1"),
    (RUN.replace("mlp", "mha") + "evaluation.lengths = [1, 10]", "must be at least 2 for mha"),
    (RUN + "task.rule_probabilities = [0.5, 0.5]", "must have num_rules = 4 entries, got 2"),
    (RUN + "task.rule_probabilities = [0.5, 0.5, 0.5, 0.5]", "must sum to 1, got a sum of 2"),
]


def one_red_line(result) -> str:
    """The only line that a refused request leaves."""
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize("subcommand", ["run", "plan"])
@pytest.mark.parametrize(("override", "message"), FIELDS, ids=[override for override, _ in FIELDS])
def test_a_wrong_field_is_one_line(command, folder, snapshot, subcommand, override, message):
    before = snapshot(folder)
    assert message in one_red_line(command(subcommand, "small.toml", "--set", override))
    assert snapshot(folder) == before


@pytest.mark.parametrize(("text", "message"), FILES, ids=[message for _, message in FILES])
def test_a_wrong_sweep_file_is_one_line(command, folder, snapshot, text, message):
    (folder / "wrong.toml").write_text(text)
    before = snapshot(folder)
    assert message in one_red_line(command("run", "wrong.toml"))
    assert snapshot(folder) == before


def test_a_sweep_file_that_is_no_text(command, folder, snapshot):
    (folder / "wrong.toml").write_bytes(b"\xff\xfe\x00")
    (folder / "folder.toml").mkdir()
    before = snapshot(folder)
    for name in ("wrong.toml", "folder.toml"):
        assert f"cannot read sweep file '{name}'" in one_red_line(command("run", name))
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "smok"], "unknown preset 'smok'. Did you mean 'smoke'?"),
        (["run", "none.toml"], "no sweep file 'none.toml'"),
        (["run", "small.toml", "--executor", "proceses"], "Did you mean 'processes'?"),
        (["run", "small.toml", "--workers", "0"], "workers: must be from 1 to 1024, got 0"),
        (["run", "small.toml", "--executor", "here", "--workers", "2"], "must be 1 for executor 'here', got 2"),
        (["plan", "small.toml", "--workers", "0"], "workers: must be from 1 to 1024, got 0"),
        (["list", "task"], "Did you mean 'tasks'?"),
        (["status", "nowhere"], "no folder nowhere"),
        (["figures", "nowhere"], "no folder nowhere"),
        (["report", "nowhere"], "no folder nowhere"),
        (["status", "small.toml"], "got the file small.toml, a sweep file"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_argument_is_one_line(command, folder, snapshot, arguments, message):
    before = snapshot(folder)
    assert message in one_red_line(command(*arguments))
    assert snapshot(folder) == before


READING = (["status"], ["figures"], ["report"], ["claims"], ["compare", "results/small"])


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_a_sweep_file_where_a_store_belongs_names_the_store(command, folder, small, snapshot, arguments):
    before = snapshot(folder)
    for name in ("small.toml", "small"):
        line = one_red_line(command(*arguments, name))
        assert "the store results/small was perhaps meant" in line
    assert "a store in it: results/small" in one_red_line(command(*arguments, "results"))
    assert snapshot(folder) == before


def test_merge_names_the_store_that_was_meant(command, folder, small):
    line = one_red_line(command("merge", "results/small", "small.toml", "--out", "both"))
    assert "the store results/small was perhaps meant" in line
    assert not (folder / "both").exists()


@pytest.mark.parametrize("subcommand", ["run", "plan"])
def test_a_store_where_a_sweep_belongs_is_told_its_command(command, folder, small, snapshot, subcommand):
    before = snapshot(folder)
    line = one_red_line(command(subcommand, "results/small"))
    assert line.endswith(f"modbench {subcommand} results/small/sweep.toml --out results/small")
    assert "got the folder ., in which there is small.toml" in one_red_line(command(subcommand, "."))
    (folder / "empty").mkdir()
    assert one_red_line(command(subcommand, "empty")).endswith("got the folder empty")
    (folder / "empty").rmdir()
    assert snapshot(folder) == before
    words = line.split("modbench ", 1)[1].split()
    assert command(*words, *(["--no-probe"] if subcommand == "plan" else [])).exit_code == 0


def test_a_preset_is_meant_where_a_folder_has_its_name(command, folder):
    (folder / "smoke").mkdir()
    assert command("plan", "smoke", "--no-probe").exit_code == 0


@pytest.mark.parametrize("subcommand", ["run", "plan"])
def test_an_output_folder_that_is_something_else(command, folder, snapshot, subcommand):
    (folder / "file").touch()
    (folder / "other").mkdir()
    (folder / "other" / "thesis.tex").touch()
    (folder / "newer").mkdir()
    (folder / "newer" / "store.json").write_text(json.dumps({"schema_version": 99}))
    before = snapshot(folder)
    for out, message in (
        ("file", "got the file file"),
        ("file/below", "file"),
        ("other", "got other"),
        ("newer", "schema version 99"),
    ):
        line = one_red_line(command(subcommand, "small.toml", "--out", out))
        assert message in line
    assert snapshot(folder) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_that_is_not_writable(command, folder):
    (folder / "locked").mkdir(mode=0o500)
    for out in ("locked", "locked/below"):
        assert "must be writable" in one_red_line(command("run", "small.toml", "--out", out))
    assert list((folder / "locked").iterdir()) == []


def test_a_store_without_plans_has_nothing_to_tell(command, folder, training):
    from modbench.store.files import Store

    Store.create(folder / "store", {"name": "empty", "grid": []})
    for subcommand in ("figures", "report", "claims"):
        line = one_red_line(command(subcommand, "store"))
        assert "must have runs or plans, got none" in line
        assert "modbench run store/sweep.toml --out store" in line


def test_a_report_does_not_replace_a_folder(command, small):
    assert "output: must be a regular file or a new one, got the folder ." in one_red_line(
        command("report", "results/small", "--output", ".")
    )


def test_control_characters_and_markup_are_shown_harmlessly(command):
    line = one_red_line(command("run", "[bold]\x1b[31m\nnew\nlines"))
    assert "\x1b" not in line
    assert "[bold]" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["rn"], "Did you mean 'run'?"), (["run", "x", "--outt", "y"], "--out"), (["run"], "SWEEP")],
)
def test_unknown_commands_and_options_exit_with_2(command, arguments, message):
    result = command(*arguments)
    assert result.exit_code == 2
    assert message in re.sub(r"\s+", " ", result.stderr)
