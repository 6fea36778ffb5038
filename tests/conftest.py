"""Settings of the whole test suite: JAX is set up as it is in a worker."""

import os
from pathlib import Path

import pytest

from modbench.sweep.environment import worker_variables

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("MODBENCH_CACHE", str(ROOT / ".pytest_cache" / "modbench"))
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.update(worker_variables())


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference results beside the checkout."""
    folder = ROOT.parent / "shared" / "reference"
    if not folder.is_dir():
        pytest.skip("the reference folder is not beside this checkout")
    return folder
