"""Files that a command is asked to write: an older one is replaced, anything else stays what it is."""

import os
from pathlib import Path

import pytest

from modbench.core.errors import RequestError
from modbench.figures import save_figures
from modbench.report import write_report
from modbench.store.output import write_output
from modbench.store.table import load
from store.irregular import KINDS


def make_link_to_a_file(path: Path) -> None:
    path.with_name("theirs").write_text("precious")
    path.symlink_to("theirs")


MAKERS = {
    **KINDS,
    "link to a file": make_link_to_a_file,
    "link to nothing": lambda path: path.symlink_to("absent"),
}
FIGURES = ["figures", "store", "--only", "ranking", "--format", "svg"]
COMMANDS = {
    "page.html": ["report", "store", "--output", "page.html"],
    "store/report.html": ["report", "store"],
    "store/report-best.html": ["report", "store", "--checkpoint", "best"],
    "store/figures/ranking.csv": FIGURES,
    "store/figures/ranking.svg": FIGURES,
    "bench.json": ["bench", "--json", "bench.json"],
}


def state(folder: Path) -> dict[str, tuple]:
    """What lies in a folder; a file's content, of other things which thing it is."""
    found = {}
    for path in folder.rglob("*"):
        about = path.lstat()
        found[str(path)] = (about.st_mode, about.st_ino, about.st_rdev, path.is_file() and path.read_bytes())
    return found


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("place", COMMANDS)
def test_what_is_no_regular_file_is_refused_in_one_line_and_stays(folder, small, command, place, kind):
    small.rename(folder / "store")
    (folder / place).parent.mkdir(exist_ok=True)
    MAKERS[kind](folder / place)
    before = state(folder)
    result = command(*COMMANDS[place])
    assert result.exit_code == 2
    name = "json" if place.endswith("json") else "output"
    expected = f"{name}: must be a regular file or a new one, got the {kind.split(' to ')[0]} {place}\n"
    assert result.stderr == expected
    assert {path: about for path, about in state(folder).items() if path in before} == before
    assert not list(folder.rglob(".*"))  # nothing half-written


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/stderr", "/dev/null", "/dev/fd/1"])
def test_standard_output_is_no_file(folder, small, command, name):
    if not Path(name).exists():
        pytest.skip("a system without such names")
    for arguments in (["report", "results/small", "--output", name], ["bench", "--json", name]):
        result = command(*arguments)
        assert result.exit_code == 2
        assert (
            f"must be a regular file or a new one, got the {'device' if name == '/dev/null' else 'link'}"
            in result.stderr
        )


@pytest.mark.parametrize("where", ["figures", "figures/neurips"])
@pytest.mark.parametrize("kind", [kind for kind in MAKERS if kind != "folder"])
def test_figures_go_into_no_folder_but_the_stores_own(folder, small, command, where, kind):
    (small / where).parent.mkdir(exist_ok=True)
    if kind == "link to a file":
        (folder / "paper").mkdir()
        (small / where).symlink_to(folder / "paper")
    else:
        MAKERS[kind](small / where)
    before = state(folder)
    style = ["--style", "neurips"] if where.endswith("neurips") else []
    result = command("figures", "results/small", *style)
    assert result.exit_code == 2
    assert f"of a store must be a folder that lies in it, got the {kind.split(' to ')[0]} " in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert state(folder) == before


@pytest.mark.parametrize("kind", MAKERS)
def test_a_store_is_made_of_no_such_thing(folder, small, command, kind):
    if kind == "folder":
        return
    MAKERS[kind](folder / "thing")
    before = state(folder)
    for arguments in (["run", "small.toml", "--out", "thing"], ["merge", "results/small", "--out", "thing"]):
        result = command(*arguments)
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1
        assert state(folder) == before


def test_an_older_file_is_replaced_and_a_folder_may_be_a_link(folder, small, command):
    (folder / "pages").mkdir()
    (folder / "linked").symlink_to("pages")
    (folder / "pages" / "page.html").write_text("older")
    assert command("report", "results/small", "--output", "linked/page.html").exit_code == 0
    assert (folder / "pages" / "page.html").read_text().startswith("<!DOCTYPE html>")
    assert list((folder / "pages").iterdir()) == [folder / "pages" / "page.html"]


@pytest.mark.parametrize("kind", MAKERS)
def test_from_python_too(folder, small, kind):
    tables = load(small)
    MAKERS[kind](folder / "page.html")
    (folder / "drawn").mkdir()
    MAKERS[kind](folder / "drawn" / "ranking.csv")
    before = state(folder)
    with pytest.raises(RequestError, match="output: must be a regular file or a new one, got the"):
        write_report(tables, folder / "page.html")
    with pytest.raises(RequestError, match="output: must be a regular file or a new one, got the"):
        save_figures(tables, folder / "drawn", only=["ranking"], formats=["svg"])
    assert {path: about for path, about in state(folder).items() if path in before} == before


def test_what_comes_while_the_file_is_written_stays_too(folder):
    def write(beside: Path) -> None:
        beside.write_text("new")
        os.mkfifo(folder / "page.html")

    with pytest.raises(RequestError, match="got the named pipe"):
        write_output(folder / "page.html", write)
    assert sorted(path.name for path in folder.iterdir()) == ["page.html", "small.toml"]
