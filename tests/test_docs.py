"""What README and docs say is true: code runs, commands parse, links and trees lead somewhere, tables are complete.

The blocks of docs/metrics.md, which print, are tested in tests/metrics.
"""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

from modbench.core import names
from modbench.core.grid import load_sweep, parse_sweep
from modbench.core.quantities import QUANTITIES
from modbench.core.spec import EvaluationSpec, ModelSpec, RunSpec, TrainSpec
from modbench.core.task_spec import TASKS
from modbench.store.schema import TABLES

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
README, SWEEPS = ROOT / "README.md", ROOT / "docs" / "sweeps.md"
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


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)


def page_name(page: Path) -> str:
    return page.name


# --- code


@pytest.fixture
def small_runs(monkeypatch, tmp_path):
    """Makes every run tiny, trains in this process, and forgets routers that a page registers."""
    from modbench.models import routing
    from modbench.sweep import run
    from modbench.sweep.executors import Here

    parse = RunSpec.parse.__func__

    def parse_small(cls, data):
        task = {**data["task"], "num_rules": 2, "task_seed": 0}
        parts = {part: {**data.get(part, {}), **fields} for part, fields in SMALL.items()}
        if "num_modules" not in parts["model"]:  # not yet resolved
            parts["model"].pop("model_width", None)
        return parse(cls, {**data, "task": task, "seed": 0, **parts})

    monkeypatch.setattr(RunSpec, "parse", classmethod(parse_small))
    monkeypatch.setattr(run, "make_executor", Here)
    monkeypatch.chdir(tmp_path)
    registries = (names.GATES, names.SCORES, routing.GATE_CLASSES, routing.SCORE_CLASSES)
    before = [dict(registry) for registry in registries]
    yield tmp_path
    for registry, entries in zip(registries, before, strict=True):
        registry.clear()
        registry.update(entries)


def run_blocks(pages, folder):
    for page in pages:
        for code in blocks(page, "python"):
            exec(compile(code, str(page), "exec"), {"__name__": "__main__"})
    return folder


@pytest.mark.slow
def test_python_blocks_run(small_runs, capsys):
    # In this order: the page on sweeps reads the store that the README makes.
    run_blocks([README, SWEEPS, ROOT / "CONTRIBUTING.md", ROOT / "docs" / "architecture.md"], small_runs)
    shown = capsys.readouterr().out
    assert "gt-modular" in shown
    assert "error_ood" in shown
    assert "inverse_mutual_information" in shown
    assert {path.name for path in (small_runs / "results" / "sparsemax" / "figures").iterdir()} >= {
        "error.png",
        "metrics.png",
    }
    from modbench.store.table import load

    assert set(load("results/sparsemax").runs["model"]) == {"modular", "gt-modular", "joint+sparsemax"}


# --- commands


def shell_lines(page: Path) -> list[str]:
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


COMMANDS = [(page, line) for page in PAGES for line in shell_lines(page)]


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
        Path("mine.toml").write_text(blocks(SWEEPS, "toml")[0], "utf-8")
        assert load_sweep(given["sweep"], given["overrides"] or []).runs
    if given.get("only"):
        from modbench.figures import FIGURES

        assert set(given["only"]) <= set(FIGURES)


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


def test_the_demo_is_as_large_as_the_readme_says():
    (number,) = re.findall(r"trains the (\d+) runs of the sweep quick", README.read_text("utf-8"))
    assert int(number) == len(load_sweep("quick").runs)


# --- links and trees


def headings(page: Path) -> set[str]:
    """Anchors as code hosts make them: lower case, punctuation dropped, hyphens for spaces."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    titles = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in headings(target), link


def test_every_name_in_the_tree_exists():
    (tree,) = (block for block in blocks(README, "text") if "src/modbench/" in block)
    parents: list[tuple[int, Path]] = [(-1, ROOT)]
    listed = set()
    for line in tree.splitlines():
        indent = len(line) - len(line.lstrip())
        while parents[-1][0] >= indent:
            parents.pop()
        path = parents[-1][1] / line.split()[0]
        assert path.exists(), line
        assert path.is_dir() == line.split()[0].endswith("/"), line
        parents.append((indent, path))
        listed.add(path)
    package = ROOT / "src" / "modbench"
    layers = {path for path in package.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert layers <= listed
    assert set((ROOT / "docs").iterdir()) <= listed


def mentioned_files(page: Path) -> list[str]:
    """Files named in running text, as `folder/file.ext`."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    return re.findall(r"`((?:[\w.]+/)+[\w.]+\.(?:py|toml|md|csv|json))`", prose)


def test_the_files_that_the_recipes_name_exist():
    found = mentioned_files(ROOT / "CONTRIBUTING.md")
    assert len(found) > 40
    for name in found:
        assert (ROOT / name).exists() or (ROOT / "src" / "modbench" / name).exists(), name


# --- tables of docs/sweeps.md


def rows(section: str, page: Path = SWEEPS) -> list[list[str]]:
    """The cells of the first table under a heading."""
    text = page.read_text("utf-8").split(f"\n### {section}\n", 1)[1].split("\n#", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_field_is_documented():
    tasks = {f"task.{field}" for spec in TASKS.values() for field in spec.model_fields}
    for part, fields in {
        "task": tasks,
        "model": {"model.name", *(f"model.{field}" for field in ModelSpec.model_fields)},
        "train": {f"train.{field}" for field in TrainSpec.model_fields},
        "evaluation": {f"evaluation.{field}" for field in EvaluationSpec.model_fields},
        "seed": {"seed"},
    }.items():
        listed = [quoted(row[0])[0] for row in rows(part)]
        assert len(listed) == len(set(listed))
        assert set(listed) == fields
    for field, architectures, *_ in rows("task"):
        having = [
            a for a, spec in TASKS.items() if field.strip("`").removeprefix("task.") in spec.model_fields
        ]
        assert architectures == ("all" if len(having) == len(TASKS) else ", ".join(having)), field


def test_defaults_are_as_documented():
    specs = {"model": [ModelSpec], "train": [TrainSpec], "evaluation": [EvaluationSpec]}
    checked = 0
    for part, classes in {"task": list(TASKS.values()), **specs}.items():
        for row in rows(part):
            field, default = row[0].strip("`").removeprefix(f"{part}."), row[2 if part == "task" else 1]
            for spec in classes:
                known = spec.model_fields.get(field)
                if known is None:
                    continue
                if default.startswith("`") and field != "architecture":
                    value = tomllib.loads(f"x = {default.strip('`')}")["x"]
                    assert known.default == (tuple(value) if isinstance(value, list) else value), field
                    checked += 1
                elif default == "must be given":
                    assert known.is_required() or field == "architecture", field
                else:
                    assert known.is_required() or known.default is None, field
    assert checked >= 20


def test_names_are_as_documented():
    said = {
        row[0].strip("`"): set(re.findall(r'`"([^"`]+)"`', row[-1]))
        for row in [*rows("task"), *rows("model")]
    }
    assert said["model.name"] == set(names.MODELS)
    assert said["model.scores"] == set(names.SCORES)
    assert said["model.gates"] == set(names.GATES)
    assert said["task.architecture"] == set(names.ARCHITECTURES)
    assert said["task.kind"] == set(names.KINDS)
    assert said["task.variant"] == set(names.VARIANTS)
    (precisions,) = [quoted(row[-1]) for row in rows("train") if "train.precision" in row[0]]
    assert [name.strip('"') for name in precisions] == list(names.PRECISIONS)


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_documented(table):
    listed = [name for row in rows(f"{table}.parquet") for name in quoted(row[0])]
    columns = [name for name in TABLES[table].names if not name.startswith(("last_", "best_"))]
    extra = [name for name in ("best_step", "last_train_loss") if table == "runs"]
    wildcards = ["last_*", "best_*"] if table == "runs" else []
    assert sorted(listed) == sorted([*columns, *extra, *wildcards])
    if table == "runs":
        (quantities,) = [quoted(row[2]) for row in rows("runs.parquet") if "`last_*`" in row[0]]
        assert quantities == list(QUANTITIES)


def test_sweep_files_shown_are_sweeps():
    shown = blocks(SWEEPS, "toml")
    assert len(parse_sweep(tomllib.loads(shown[0])).runs) == 2 * 3 * 2 * 2 + 2 * 3 * 2
    for text in shown:
        parse_sweep(tomllib.loads(text))


def test_citation_names_the_version_and_the_paper():
    from modbench import __version__

    text = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"version: {__version__}\n" in text
    assert "2206.02713" in text
    assert tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"] == __version__
