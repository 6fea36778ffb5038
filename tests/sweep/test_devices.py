"""A machine with several accelerators: each worker has one of its own. The accelerators are made up."""

import pytest
from fake_training import tells_device
from small_sweeps import sweep

from modbench.sweep import environment, memory
from modbench.sweep.environment import device_variables, devices, usable_workers
from modbench.sweep.processes import Processes
from modbench.sweep.run import run_sweep

GIB = 2**30


@pytest.fixture
def two_devices(tmp_path, monkeypatch):
    for module in (environment, memory):
        monkeypatch.setattr(module, "accelerated", lambda environ=None: True)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    monkeypatch.setattr(memory, "device_memory", lambda: 80 * GIB)


def test_devices_are_those_of_the_system_that_are_not_hidden(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "accelerated", lambda environ=None: True)
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert devices({}, tmp_path) == ("0", "1")
    assert devices({"CUDA_VISIBLE_DEVICES": "1, GPU-8932f937"}, tmp_path) == ("1", "GPU-8932f937")
    assert devices({}, tmp_path / "none") == ()
    monkeypatch.setattr(environment, "accelerated", lambda environ=None: False)
    assert devices({}, tmp_path) == ()
    assert device_variables(0) == {}


def test_workers_take_turns_on_devices_and_share_their_memory(two_devices):
    assert [device_variables(worker)["CUDA_VISIBLE_DEVICES"] for worker in range(3)] == ["4", "7", "4"]
    assert usable_workers() == 2
    assert memory.worker_share(2) == 80 * GIB
    assert memory.worker_share(3) == 40 * GIB
    assert Processes(2).place == (0.8 * 80 * GIB, True)


def test_every_local_worker_trains_on_its_own_device(tmp_path, monkeypatch, two_devices):
    monkeypatch.setenv("FAKE_MEMORY", str(tmp_path))
    outcome = run_sweep(sweep(["modular"], [2, 4], [0]), tmp_path / "store", Processes(2, tells_device))
    assert outcome.done == 2
    assert {path.name for path in tmp_path.glob("device-*")} == {"device-4", "device-7"}
