"""The metrics are usable alone: what importing them brings in, what they offer, how fast they are."""

import subprocess
import sys
import time

import numpy as np

import modbench.metrics
from modbench.metrics import joint, routing_metrics


def test_importing_them_brings_in_numpy_and_scipy_only():
    program = (
        "import sys; import modbench.metrics; "
        "heavy = {'jax', 'equinox', 'optax', 'pandas', 'pyarrow', 'pydantic', 'matplotlib'} & set(sys.modules); "
        "ours = {m for m in sys.modules if m.startswith('modbench.') and not m.startswith('modbench.metrics')}; "
        "sys.exit(f'imported {heavy | ours}' if heavy | ours else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_everything_public_is_documented_and_sorted():
    names = modbench.metrics.__all__
    assert len(set(names)) == len(names)
    for name in names:
        thing = getattr(modbench.metrics, name)
        assert not callable(thing) or thing.__doc__


def test_a_whole_study_takes_seconds():
    rng = np.random.default_rng(0)
    matrices = [joint(rng.dirichlet(np.ones(32), 32)) for _ in range(300)]
    start = time.process_time()
    for J in matrices:
        routing_metrics(J)
    assert time.process_time() - start < 300 * 1e-3  # 15,000 in 15 s at the very worst; 2 s as measured
