"""Processes that draw: in them or without them the same comes out, and nothing is left running."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from modbench.core.errors import MachineError
from modbench.figures.drawers import drawers


def square(number):
    return number**2


def slow(folder, name):
    (folder / name).touch()
    time.sleep(0.5)


def killed():
    os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)


@pytest.mark.parametrize("count", [0, 2])
def test_what_is_submitted_comes_out(count):
    with drawers(count) as pool:
        futures = [pool.submit(square, number) for number in range(5)]
        assert [future.result() for future in futures] == [0, 1, 4, 9, 16]


def interrupted(folder):
    with drawers(1) as pool:
        for name in "abcdefgh":
            pool.submit(slow, folder, name)
        while not (folder / "a").exists():
            time.sleep(0.01)
        raise KeyboardInterrupt


def test_an_interruption_drops_what_has_not_begun_and_ends_the_processes(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path)
    assert multiprocessing.active_children() == []
    # One is being done, and one or two were dealt already.
    assert len(list(tmp_path.iterdir())) < 5


def is_gone(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


SCRIPT = """
import sys, time
from pathlib import Path
from modbench.figures.drawers import drawers

def write(folder, name):
    beside = folder / ("." + name)
    beside.touch()
    try:
        time.sleep(60)
    finally:
        beside.unlink()

if __name__ == "__main__":
    try:
        with drawers(2) as pool:
            for future in [pool.submit(write, Path(sys.argv[1]), name) for name in "ab"]:
                future.result()
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.skipif(os.name != "posix", reason="a terminal's Ctrl-C is a signal to a group of processes")
def test_ctrl_c_ends_all_processes_at_once_and_leaves_no_half_a_file(tmp_path):
    script, folder = tmp_path / "script.py", tmp_path / "files"
    script.write_text(SCRIPT)
    folder.mkdir()
    command = subprocess.Popen(
        [sys.executable, str(script), str(folder)], start_new_session=True, stderr=subprocess.PIPE, text=True
    )
    while len(list(folder.iterdir())) < 2:
        assert command.poll() is None
        time.sleep(0.05)
    os.killpg(command.pid, signal.SIGINT)
    _, said = command.communicate(timeout=20)
    assert (command.returncode, said) == (130, "")
    assert list(folder.iterdir()) == []
    # What tracks the pool's semaphores sees a moment later that it is alone.
    deadline = time.monotonic() + 10
    while not is_gone(command.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert is_gone(command.pid)


def interrupt_own_process(_):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)


def test_a_process_that_hears_ctrl_c_before_we_do_is_no_process_that_was_killed():
    with pytest.raises(KeyboardInterrupt), drawers(1) as pool:
        pool.submit(interrupt_own_process, None).result()


def test_a_process_that_is_killed_is_told():
    with pytest.raises(MachineError, match="was killed"), drawers(1) as pool:
        pool.submit(killed).result()
