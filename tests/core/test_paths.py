"""`~` is the home folder in every path that Python or the command line takes."""

from pathlib import Path
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest

import modbench
from modbench.cli.app import app
from modbench.core.errors import RequestError
from modbench.core.grid import load_sweep
from modbench.core.paths import given_path
from modbench.figures import save_figures
from modbench.report import write_report
from modbench.store.files import Store
from modbench.store.merge import merge_stores
from modbench.store.params import load_params

SOURCE = {"name": "x", "grid": []}


@pytest.fixture
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    folder.mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.chdir(tmp_path / "work")
    yield folder
    assert list((tmp_path / "work").iterdir()) == []


def test_a_path_is_expanded_at_its_beginning_alone(home):
    assert given_path("~/x") == given_path(Path("~/x")) == home / "x"
    assert given_path("~") == home
    assert given_path("a/~") == Path("a/~")
    with pytest.raises(RequestError, match="must begin with the home folder of a user"):
        given_path("~no-such-user/x")


def test_stores_and_sweep_files(home):
    assert Store.create("~/store", SOURCE).folder == home / "store"
    assert Store.open("~/store").folder == home / "store"
    assert modbench.load("~/store").folder == home / "store"
    with pytest.raises(RequestError, match="has parameters of 0 runs"):
        load_params("~/store", "0" * 16)
    merge_stores(["~/store"], "~/merged")
    assert (home / "merged" / "store.json").exists()
    (home / "x.toml").write_text('[[grid]]\ntask.architecture = "mlp"\ntask.num_rules = 2\n')
    assert load_sweep("~/x.toml").name == "x"


def test_pictures_and_pages(home):
    tables = modbench.load(Store.create("~/store", SOURCE).folder).tables
    assert write_report(tables, "~/page.html") == home / "page.html"
    save_figures(tables, "~/figures")
    assert (home / "figures").is_dir()


def test_every_path_of_the_command_line(home):
    """A parameter that holds a path expands it; a new one that does not fails here."""
    found = 0
    for command in app.registered_commands:
        for name, hint in get_type_hints(command.callback, include_extras=True).items():
            if get_origin(hint) is Annotated and "Path" in str(get_args(hint)[0]):
                found += 1
                expand = get_args(hint)[1].callback
                assert expand(Path("~/x")) == home / "x", (command.callback, name)
                assert expand([Path("~/x")]) == [home / "x"]
                assert expand(None) is None
    assert found >= 12
