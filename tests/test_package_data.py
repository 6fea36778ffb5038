"""A wheel has every file of the package, not code alone: setuptools leaves out what `pyproject.toml` does not name."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE_DATA = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"][
    "package-data"
]
FILES = [
    path.relative_to(ROOT / "src")
    for path in sorted((ROOT / "src" / "modbench").rglob("*"))
    if path.is_file() and path.parent.name != "__pycache__" and not path.name.startswith(".")
]
DATA = [path for path in FILES if path.suffix != ".py"]


def package(path):
    return ".".join(path.parent.parts)


@pytest.mark.parametrize("path", DATA, ids=str)
def test_data_goes_into_the_wheel(path):
    patterns = PACKAGE_DATA.get(package(path), [])
    assert any(fnmatch(path.name, pattern) for pattern in patterns), patterns


def test_each_pattern_names_something_and_each_folder_is_a_package():
    for name, patterns in PACKAGE_DATA.items():
        for pattern in patterns:
            assert any(fnmatch(path.name, pattern) for path in DATA if package(path) == name), pattern
    assert {path.parent / "__init__.py" for path in FILES} <= set(FILES)
    assert {"py.typed", "page.html.j2", "page.css", "page.js", "smoke.toml"} <= {path.name for path in DATA}
