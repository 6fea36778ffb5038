"""What README and docs say is true: links and trees lead somewhere, tables are complete. Code: test_docs_code.py."""

import re
import tomllib
from pathlib import Path

import pytest

from doc_blocks import PAGES, README, ROOT, SWEEPS, blocks
from modbench.core import names
from modbench.core.protocol import EVALUATION_PRESETS
from modbench.core.quantities import QUANTITIES
from modbench.core.spec import EvaluationSpec, ModelSpec, TrainSpec
from modbench.core.task_spec import TASKS
from modbench.store.schema import TABLES


def page_name(page: Path) -> str:
    return page.name


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
    (tree,) = (block.text for block in blocks(README) if "src/modbench/\n" in block.text)
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
    made = {ROOT / "docs" / name for name in ("_build", "made")}  # by make docs
    recipes = set((ROOT / "docs").glob("add-a-*.md"))  # one line for all
    assert set((ROOT / "docs").iterdir()) - made - recipes <= listed


def test_the_front_page_leads_to_all_pages():
    text = (ROOT / "docs" / "index.md").read_text("utf-8")
    linked = set(re.findall(r"\]\(([\w-]+\.md)[^)]*\)", text))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"} <= linked


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


def test_the_short_evaluation_is_as_documented():
    table = SWEEPS.read_text("utf-8").split("\n## A short evaluation\n", 1)[1].split("\n## ", 1)[0]
    lines = [line.strip("|").split(" | ") for line in table.splitlines() if line.startswith("| `")]
    listed = {quoted(field)[0]: int(short.replace(",", "")) for field, _, short in lines}
    assert listed == {f"evaluation.{name}": value for name, value in EVALUATION_PRESETS["short"].items()}


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


def test_citation_names_the_version_and_the_paper():
    from modbench import __version__

    text = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"version: {__version__}\n" in text
    assert "2206.02713" in text
    assert tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"] == __version__
