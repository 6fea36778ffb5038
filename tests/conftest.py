"""Settings of the whole test suite: JAX is set up as it is in a worker."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from modbench.sweep.environment import worker_variables

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("MODBENCH_CACHE", str(ROOT / ".pytest_cache" / "modbench"))
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.update(worker_variables())

from compiling import quick_programs  # noqa: E402 - imports JAX, which reads the environment

# How long an example takes says nothing on a machine that is shared.
settings.register_profile("modbench", deadline=None)
settings.load_profile("modbench")


def pytest_collection_finish() -> None:
    """Keeps the garbage collector from what was made so far, which stays: modbench calls it after every cohort."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def _compiling(request: pytest.FixtureRequest) -> Iterator[None]:
    """See `compiling`."""
    if request.node.get_closest_marker("released_programs"):
        yield
    else:
        with quick_programs():
            yield
