"""Code blocks of README and docs run, or say what they need; commands are commands, and the cheap ones are run."""

import contextlib
import io
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from doc_blocks import NEEDS, PAGES, README, ROOT, SWEEPS, Block, blocks, lines_of, of, shell_lines
from modbench.core import names
from modbench.core.grid import load_sweep, parse_sweep
from modbench.core.identity import run_id
from modbench.core.spec import RunSpec
from preset_sweeps import preset
from synthetic_results import fill, specs

SMALL = {
    "model": {"encoder_width": 4},
    "train": {"steps": 4, "batch_size": 8},
    "evaluation": {
        "curve_batches": 1,
        "performance_batches": 1,
        "performance_batch_size": 16,
        "activation_samples": 200,
        "adaptation_distributions": 4,
        "adaptation_samples": 20,
    },
}
BLOCKS = [block for page in PAGES for block in blocks(page)]
WITH_CODE = [page for page in PAGES if of(page, "run")]
TRAINING = [page for page in WITH_CODE if any("results/" in block.text for block in of(page, "run"))]
# The README makes the store that other pages read.
TRAINING.sort(key=lambda page: page != README)


def place(block: Block) -> str:
    return f"{block.page.name}:{block.line}"


def test_every_block_is_classified():
    for block in BLOCKS:
        known = "python, sh, toml, text or bibtex, the first two perhaps below <!-- needs ... -->"
        assert block.use, f"{place(block)}: is none of {known} with one of {NEEDS}"


# --- Python


@pytest.fixture
def small_runs(monkeypatch, tmp_path):
    """Makes every run tiny, trains each once and in this process, and forgets routers that a page registers."""
    from modbench.api import requests
    from modbench.models import routing
    from modbench.sweep import run
    from modbench.sweep.executors import Here
    from modbench.sweep.worker import train_group

    results = {}

    def once(specs, width, report, should_stop, keeper):
        key = (width, keeper.params, *map(run_id, specs))
        if key not in results:
            results[key] = train_group(specs, width, report, should_stop, keeper)
        return results[key]

    parse = RunSpec.parse.__func__

    def parse_small(cls, data):
        task = {**data["task"], "num_rules": 2, "task_seed": 0}
        parts = {part: {**data.get(part, {}), **fields} for part, fields in SMALL.items()}
        if "num_modules" not in parts["model"]:  # not yet resolved
            parts["model"].pop("model_width", None)
        return parse(cls, {**data, "task": task, "seed": 0, **parts})

    monkeypatch.setattr(RunSpec, "parse", classmethod(parse_small))
    monkeypatch.setattr(run, "make_executor", lambda: Here(once))
    monkeypatch.setattr(requests, "make_executor", lambda name, workers: Here(once))
    monkeypatch.chdir(tmp_path)
    registries = (names.GATES, names.SCORES, routing.GATE_CLASSES, routing.SCORE_CLASSES)
    before = [dict(registry) for registry in registries]
    yield tmp_path
    for registry, entries in zip(registries, before, strict=True):
        registry.clear()
        registry.update(entries)


def run_page(page: Path) -> str:
    """Runs the blocks of a page from top to bottom in one namespace; what the page shows as printed must be printed."""
    space, everything = {"__name__": "__main__"}, ""
    for block in of(page, "run"):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block.text, place(block), "exec"), space)
        assert block.prints in (None, printed.getvalue()), place(block)
        everything += printed.getvalue()
    return everything


@pytest.mark.slow
def test_pages_that_train_run_in_small(small_runs):
    printed = {page.name: run_page(page) for page in TRAINING}
    assert "gt-modular" in printed["README.md"]
    assert "error_ood" in printed["README.md"]
    assert "inverse_mutual_information" in printed["README.md"]
    assert "joint+sparsemax" in printed["README.md"]
    assert {path.name for path in small_runs.iterdir()} >= {"error.png", "metrics.png", "curves.html"}
    from modbench.store.table import load

    assert set(load("results/sparsemax").runs["model"]) == {"modular", "gt-modular", "joint+sparsemax"}
    assert set(load("results/table").runs["model"]) == {"modular", "gt-modular", "table+softmax"}


@pytest.mark.parametrize(
    "page", [page for page in WITH_CODE if page not in TRAINING], ids=lambda page: page.name
)
def test_pages_run_and_print_what_they_show(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_page(page)


def test_what_needs_another_machine_is_python_all_the_same():
    for block in BLOCKS:
        if block.language == "python":
            compile(block.text, place(block), "exec")


# --- sweep files


def test_sweep_files_shown_are_sweeps():
    for page in PAGES:
        for block in of(page, "sweep"):
            assert parse_sweep(tomllib.loads(block.text)).runs, place(block)
    first = tomllib.loads(of(SWEEPS, "sweep")[0].text)
    assert len(parse_sweep(first).runs) == 2 * 3 * 2 * 2 + 2 * 3 * 2


def test_the_numbers_of_runs_that_pages_name():
    (demo,) = re.findall(r"trains the (\d+) runs of the sweep quick", README.read_text("utf-8"))
    start = ROOT / "docs" / "quick-start.md"
    (same,) = re.findall(r"trains the (\d+) runs of the sweep quick", start.read_text("utf-8"))
    assert int(demo) == int(same) == len(load_sweep("quick").runs)
    (first,) = re.findall(r"# (\d+) runs; Ctrl-C", start.read_text("utf-8"))
    assert int(first) == len(parse_sweep(tomllib.loads(of(start, "sweep")[0].text)).runs)


# --- commands

COMMANDS = [
    (page, line)
    for page in PAGES
    for block in blocks(page)
    if block.language == "sh"
    for line in lines_of(block)
    if not block.needs or line.startswith("modbench ")
]
NEEDING = [
    (block, line) for block in BLOCKS if block.language == "sh" and block.needs for line in lines_of(block)
]


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=[f"{page.name}: {line}" for page, line in COMMANDS])
def test_commands_parse(page, line, tmp_path, monkeypatch):
    from modbench.cli.app import app

    program, *arguments = shlex.split(line, comments=True)
    if program == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
        assert set(arguments) <= set(targets)
        return
    assert program == "modbench"
    group = typer.main.get_command(app)
    command = group.commands[arguments[0]]
    with command.make_context(arguments[0], arguments[1:]) as context:
        given = context.params
    if "sweep" in given:
        monkeypatch.chdir(tmp_path)
        sweep = next(block.text for block in [*of(page, "sweep"), *of(SWEEPS, "sweep")])
        Path("mine.toml").write_text(sweep, "utf-8")
        overrides = tuple(given["overrides"] or [])
        assert (load_sweep if given["sweep"] == "mine.toml" else preset)(given["sweep"], overrides).runs
    if given.get("only"):
        from modbench.figures import FIGURES

        assert set(given["only"]) <= set(FIGURES)


def is_cheap(line: str) -> bool:
    """Whether a command answers within a second or two, given stores to read."""
    words = shlex.split(line)
    if words[0] != "modbench" or {"--watch", "--style"} & set(words):
        return False
    reads = {"list", "env", "status", "compare", "merge", "claims"}
    return words[1] in reads or "--no-probe" in words or {"figures", "--only"} <= set(words)


def test_cheap_commands_run(tmp_path, monkeypatch):
    from modbench.cli.app import app

    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(of(SWEEPS, "sweep")[0].text, "utf-8")
    for number, store in enumerate(("quick", "short", "mine", "one", "two")):
        fill(Path("results") / store, specs(task_seeds=[0, 1], seeds=[number], rules=(2,)))
    (Path("studies")).symlink_to(ROOT / "studies")
    done = {line for page in PAGES for line in shell_lines(page) if is_cheap(line)}
    # Merging makes what is compared then.
    for line in sorted(done, key=lambda line: " merge " not in line):
        result = CliRunner().invoke(app, shlex.split(line)[1:])
        differs = " compare " in line and result.exit_code == 1
        assert result.exit_code == 0 or differs, f"{line}\n{result.output}"
    assert len(done) > 15


@pytest.mark.parametrize(
    ("block", "line"), NEEDING, ids=[f"{place(block)} {line}" for block, line in NEEDING]
)
def test_scripts_of_a_checkout_are_there_and_have_these_options(block, line):
    program, *arguments = shlex.split(line, comments=True)
    if program == "modbench" or block.needs == "a cluster":
        return
    assert program == "python"
    script = ROOT / arguments[0]
    code = "".join(
        path.read_text("utf-8") for path in ([script] if script.is_file() else script.glob("*.py"))
    )
    assert code
    for option in arguments[1:]:
        assert not option.startswith("--") or f'"{option}"' in code, option


def test_a_resolved_sweep_is_a_sweep(tmp_path):
    import tomli_w

    sweep = load_sweep("smoke", ["train.steps=7"])
    path = tmp_path / "sweep.toml"
    path.write_text(tomli_w.dumps(sweep.source), "utf-8")
    assert load_sweep(str(path)).runs == sweep.runs


def test_the_commands_at_a_glance_are_all_there_are():
    from modbench.cli.app import app

    shown = {
        shlex.split(line, comments=True)[1] for line in shell_lines(README) if line.startswith("modbench")
    }
    assert shown == set(typer.main.get_command(app).commands)
