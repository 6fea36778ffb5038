"""Settings of the whole test suite: one XLA thread, as a worker has, and strict shapes and types."""

import os
from pathlib import Path

os.environ.setdefault("NPROC", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "reference"


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of reference results beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the reference folder is not beside this checkout")
    return SHARED
