"""`import modbench` costs nothing, and everyone agrees on what it offers."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import modbench


def test_importing_is_light_and_names_come_when_they_are_used():
    script = (
        "import sys\n"
        "import modbench as mb\n"
        "heavy = {'jax', 'numpy', 'pandas', 'pyarrow', 'matplotlib', 'scipy', 'pydantic', 'altair', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)), 'load' in dir(mb))\n"
        "mb.load, mb.run\n"
        "print('jax' in sys.modules)\n"
        "mb.register_gates\n"
        "import os\n"
        "print('jax' in sys.modules, os.environ['NPROC'])\n"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["[] True", "False", "True 1"]


def test_type_checkers_see_the_same_names():
    stub = Path(modbench.__file__).with_suffix(".pyi")
    homes = {
        node.names[0].asname: node.module
        for node in ast.parse(stub.read_text("utf-8")).body
        if isinstance(node, ast.ImportFrom)
    }
    assert homes == modbench._HOME
    assert stub.with_name("py.typed").exists()


@pytest.mark.parametrize("name", [name for name in dir(modbench) if not name.startswith("_")])
def test_every_name_is_there_and_says_what_it_is(name):
    found = getattr(modbench, name)
    assert found is getattr(import_module(modbench._HOME[name]), name)
    assert found.__doc__


def test_a_wrong_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'modbench' has no attribute 'lod'"):
        modbench.lod  # noqa: B018
