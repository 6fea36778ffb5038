"""A Ray cluster of two nodes on this machine, made by Ray's own utility in a process of its own."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

TESTS = Path(__file__).parent
SCRIPT = """
import sys
from contextlib import suppress
from ray.cluster_utils import Cluster
import psutil  # Ray's own copy, found once Ray is imported

def remove(node):
    # Ray ends the raylet; its workers would notice that seconds later, and finish what they are at meanwhile.
    (raylet,) = node.all_processes["raylet"]
    orphans = psutil.Process(raylet.process.pid).children(recursive=True)
    cluster.remove_node(node, allow_graceful=False)
    for orphan in orphans:
        with suppress(psutil.NoSuchProcess):
            orphan.kill()
    psutil.wait_procs(orphans)

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
node = cluster.add_node(num_cpus=1)
print(cluster.address, flush=True)
for line in sys.stdin:
    if line == "remove\\n":
        remove(node)
    else:
        node = cluster.add_node(num_cpus=1)
    print("done", flush=True)
cluster.shutdown()
"""


class LocalCluster:
    """A head and another node, of one CPU each; nodes find the stand-ins for training of the tests.

    Attributes:
        address: of the cluster.
    """

    def __init__(self, **environment: str):
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end
        paths = os.pathsep.join([str(TESTS), *filter(None, sys.path)])
        settings = {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": paths, **environment}
        self._process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, **settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            process_group=0,
        )
        self.address = self._answer()

    def remove_node(self) -> None:
        """Kills every process of the node that is not the head."""
        self._tell("remove\n")

    def add_node(self) -> None:
        """Adds a node in place of the one that was removed."""
        self._tell("add\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(60)
        finally:
            self._process.kill()
            self._said.close()

    def _tell(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(command)
        self._process.stdin.flush()
        self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        if line := self._process.stdout.readline().strip():
            return line
        self._said.seek(0)
        raise RuntimeError(f"no Ray cluster: {self._said.read().decode()[-2000:]}")
