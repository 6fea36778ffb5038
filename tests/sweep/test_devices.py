"""A machine with several accelerators: each worker has one of its own. The accelerators are made up."""

import pytest
from fake_training import tells_device
from small_sweeps import sweep

from modbench.sweep import environment, executors, memory
from modbench.sweep.environment import (
    accelerated,
    device_variables,
    devices,
    usable_workers,
    worker_variables,
)
from modbench.sweep.processes import Processes
from modbench.sweep.run import run_sweep

GIB = 2**30


@pytest.fixture
def two_devices(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "devices", lambda environ=None: ("4", "7"))
    monkeypatch.setattr(memory, "devices", lambda: ("4", "7"))
    monkeypatch.delenv("JAX_PLATFORMS", raising=False)
    monkeypatch.setattr(memory, "device_memory", lambda: 80 * GIB)


@pytest.fixture
def plugin(monkeypatch):
    monkeypatch.setattr(environment.util, "find_spec", lambda name: name == "jax_cuda13_plugin" or None)


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        ({}, ("0", "1")),
        ({"CUDA_VISIBLE_DEVICES": "1, GPU-8932f937"}, ("1", "GPU-8932f937")),
        ({"CUDA_VISIBLE_DEVICES": ""}, ()),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, ()),
        ({"CUDA_VISIBLE_DEVICES": "1,-1,0"}, ("1",)),
        ({"JAX_PLATFORMS": "cpu"}, ()),
        ({"JAX_PLATFORMS": "cuda,cpu"}, ("0", "1")),
    ],
)
def test_devices_are_those_of_the_system_that_are_not_hidden(tmp_path, plugin, variables, names):
    for name in ("nvidia3", "nvidia5", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / name).touch()
    assert devices(variables, tmp_path) == names
    assert devices(variables, tmp_path / "none") == ()


def test_without_a_plugin_there_are_none(tmp_path, monkeypatch):
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(environment.util, "find_spec", lambda name: None)
    assert devices({}, tmp_path) == ()
    assert not accelerated({})
    assert device_variables(0, {}) == {}


def test_hidden_devices_leave_a_worker_of_the_cpu(monkeypatch):
    monkeypatch.setattr(
        environment, "devices", lambda environ: () if "CUDA_VISIBLE_DEVICES" in environ else ("0",)
    )
    on_device, on_cpu = worker_variables({}), worker_variables({"CUDA_VISIBLE_DEVICES": ""})
    assert "optimization_level" in on_cpu["XLA_FLAGS"]
    assert "optimization_level" not in on_device["XLA_FLAGS"]
    assert on_device["XLA_PYTHON_CLIENT_MEM_FRACTION"] == "0.9"
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION" not in on_cpu
    assert "XLA_PYTHON_CLIENT_MEM_FRACTION" not in worker_variables({"XLA_CLIENT_MEM_FRACTION": "0.5"})


def test_workers_take_turns_on_devices_and_share_their_memory(two_devices):
    assert [device_variables(worker)["CUDA_VISIBLE_DEVICES"] for worker in range(3)] == ["4", "7", "4"]
    assert usable_workers() == 2
    assert memory.worker_share(2) == 80 * GIB
    assert memory.worker_share(3) == 40 * GIB
    assert Processes(2).place == (0.8 * 80 * GIB, True)


def test_this_process_trains_on_the_first_device_alone(two_devices, monkeypatch):
    monkeypatch.setattr(executors.os, "environ", {})
    executors.set_own_environment()
    assert executors.os.environ["CUDA_VISIBLE_DEVICES"] == "4"


def test_every_local_worker_trains_on_its_own_device(tmp_path, monkeypatch, two_devices):
    monkeypatch.setenv("FAKE_MEMORY", str(tmp_path))
    outcome = run_sweep(sweep(["modular"], [2, 4], [0]), tmp_path / "store", Processes(2, tells_device))
    assert outcome.done == 2
    assert {path.name for path in tmp_path.glob("device-*")} == {"device-4", "device-7"}
