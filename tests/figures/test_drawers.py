"""Processes that draw: in them or without them the same comes out, and nothing is left running."""

import multiprocessing
import os
import signal
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


def test_a_process_that_is_killed_is_told():
    with pytest.raises(MachineError, match="was killed"), drawers(1) as pool:
        pool.submit(killed).result()
