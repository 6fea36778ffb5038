"""What commands write, where the output is no ordinary one, or the store's texts are none."""

import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from modbench.cli.app import main
from modbench.store.files import Store

HOSTILE = "a\x1b]0;owned\x07\x9b\u202eb[red]c"
COMMANDS = [
    "list",
    "plan small.toml --no-probe",
    "run small.toml",
    "status results/small --all",
    "claims results/small",
    "compare results/small results/small",
    "merge results/small --out merged",
    "figures results/small --only error --format svg",
    "report results/small",
    "--help",
    "run --help",
    "--version",
    "nope",
    "status nowhere",
]


class Written(io.TextIOWrapper):
    """A stream of bytes that are looked at afterwards."""

    def __init__(self, encoding: str):
        super().__init__(io.BytesIO(), encoding, errors="strict")

    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


def ended(monkeypatch: pytest.MonkeyPatch, line: str, encoding: str) -> tuple[int, str]:
    """The exit code of a command line, and what it wrote on outputs of an encoding."""
    streams = Written(encoding), Written(encoding)
    monkeypatch.setattr(sys, "argv", ["modbench", *shlex.split(line)])
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    with pytest.raises(SystemExit) as end:
        main()
    return end.value.code or 0, "".join(stream.text() for stream in streams)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_letter_that_the_output_lacks_changes_no_exit_code(small, training, monkeypatch, line):
    whole, text = ended(monkeypatch, line, "utf-8")
    assert "\ufffd" not in text
    assert ended(monkeypatch, line, "ascii")[0] == whole


def process(command: str, **variables: str) -> subprocess.CompletedProcess:
    """Runs a line of a shell, in which `modbench` is the command."""
    script = f'modbench() {{ "{sys.executable}" -m modbench "$@"; }}; {command}'
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **variables}
    return subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=False
    )


def test_a_locale_without_letters(small):
    no_utf8 = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    result = process("modbench claims results/small", **no_utf8)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("line", ["list", "--help"])
def test_an_output_that_is_full_is_one_line(line):
    result = process(f"modbench {line} > /dev/full")
    assert result.returncode == 1
    assert result.stderr == "cannot write to standard output: No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_the_work_of_a_command_whose_output_is_full_is_done(small, monkeypatch):
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        errors = Written("utf-8")
        monkeypatch.setattr(sys, "stdout", full)
        monkeypatch.setattr(sys, "stderr", errors)
        monkeypatch.setattr(sys, "argv", ["modbench", "merge", "results/small", "--out", "merged"])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code == 1
        assert errors.text() == "cannot write to standard output: No space left on device\n"
    assert Store.open("merged").published() == Store.open("results/small").published()


def test_a_reader_that_has_gone_away_is_no_failure():
    result = process("modbench list | head -n 1; exit ${PIPESTATUS[0]}")
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 1


@pytest.fixture
def hostile(folder, small):
    """A store and a sweep file whose texts would be obeyed by a terminal, in a folder that no UTF-8 names."""
    store = Store.open(small)
    cohort_id = store.published()[0]
    (small / "cohorts" / cohort_id / "curves.parquet").write_bytes(b"")
    (small / "claims").mkdir(exist_ok=True)
    reason = f"first\nsecond {HOSTILE}"
    (small / "claims" / f"{cohort_id}.failed.json").write_text(json.dumps({"reason": reason}))
    (small / "plan" / f"{HOSTILE}.json").write_text("{}")
    text = Path("small.toml").read_text("utf-8")
    grid = text[text.index("[[grid]]") :]
    Path("small.toml").write_text(f"name = 'small'\ndescription = {json.dumps(HOSTILE)}\n{grid}", "utf-8")
    place = os.fsdecode(b"results/\xff\x1b]0;owned\x07")
    try:
        return Path(small.rename(place))
    except OSError:
        return small  # a file system that wants UTF-8


@pytest.mark.parametrize("line", [
    "status {0} --all", "plan small.toml --no-probe --out {0}", "run small.toml --out {0}", "claims {0}",
    "compare {0} {0}", "merge {0} --out merged", "figures {0} --only error --format svg", "report {0}",
])  # fmt: skip
def test_no_text_of_a_store_or_a_file_reaches_a_terminal_raw(hostile, training, monkeypatch, line):
    _, text = ended(monkeypatch, line.format(shlex.quote(str(hostile))), "utf-8")
    assert text.strip()
    assert all(letter.isprintable() for letter in text.replace("\n", ""))
    assert "second" not in text.splitlines()
