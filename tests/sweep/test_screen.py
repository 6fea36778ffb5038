"""All that people read passes through one console, which hands on nothing that a terminal would obey."""

import ast
import io
from pathlib import Path

import pytest
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

import modbench
from modbench.sweep.display import NotebookDisplay, make_display
from modbench.sweep.events import CohortFailed
from modbench.sweep.plan import make_plan
from modbench.sweep.progress import progress_of
from modbench.sweep.screen import Screen
from sweep.small_sweeps import sweep

HOSTILE = "evil\x1b]0;owned\x07\x9b\x00\u202e\udcff[red]x[/red]:smile:"
OBEYED = set("\x1b\x07\x9b\x00\u202e\udcff")


def screen(encoding: str = "utf-8", **options) -> Screen:
    return Screen(file=io.TextIOWrapper(io.BytesIO(), encoding), width=200, **options)


def written(console: Console) -> str:
    console.file.flush()
    return console.file.buffer.getvalue().decode(console.file.encoding)


def table() -> Table:
    made = Table(HOSTILE, title=HOSTILE, caption=HOSTILE, box=box.SIMPLE_HEAD)
    made.add_row(HOSTILE)
    made.add_row(Text(HOSTILE, "red"))
    return made


@pytest.mark.parametrize("shown", [HOSTILE, Text(HOSTILE, "green"), table()])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_no_text_reaches_the_output_raw(shown, encoding):
    console = screen(encoding)
    console.print(shown)
    text = written(console)
    assert not OBEYED & set(text)
    assert "evil" in text
    assert "[red]x[/red]:smile:" in text


def test_the_terminals_own_sequences_pass():
    console = screen(force_terminal=True, color_system="standard", _environ={"TERM": "xterm"})
    console.say("red\nline", "red")
    assert written(console) == "\x1b[31mred line\x1b[0m\n"


@pytest.mark.parametrize("terminal", [False, True])
def test_a_display_shows_reasons_and_names_harmlessly_on_a_line(terminal):
    runs = sweep().runs
    plan = make_plan(runs)
    console = screen(force_terminal=terminal, color_system=None, _environ={"TERM": "xterm"})
    with make_display(progress_of(len(runs), plan, 1), False, console) as display:
        display.update(CohortFailed(0, plan.pending[0].cohort_id, "first\n\x1b]0;owned\x07second", ""))
    text = written(console)
    assert "first \ufffd]0;owned" in text
    assert "\x1b]" not in text


def test_a_notebook_shows_reasons_harmlessly():
    plan = make_plan(sweep().runs)
    display = NotebookDisplay(progress_of(4, plan, 1))
    display._troubles.append("<script>\x1b]0;owned\x07")
    html = display._html()
    assert "&lt;script&gt;\ufffd]0;owned" in html
    assert not {"\x1b", "\x07"} & set(html)


def test_nothing_else_writes_for_people():
    """Rich's console is made in one place, `print` is called nowhere, and no text is taken for markup."""
    package = Path(modbench.__file__).parent
    found = []
    for path in sorted(package.rglob("*.py")):
        name = str(path.relative_to(package))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            text = node.args and not (
                isinstance(node.args[0], ast.Call) and ast.unparse(node.args[0].func) == "Text"
            )
            if called in ("Console", "from_markup") or (
                called == "print" and isinstance(node.func, ast.Name)
            ):
                found.append(f"{name}: {called}")
            if called == "status" and text:  # rich.status takes a plain str for markup
                found.append(f"{name}: {ast.unparse(node)}")
    assert found == []
