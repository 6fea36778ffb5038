"""A worker process: builds one contender and trains it for a few steps whenever it is told to.

Commands come as JSON, a line each, on standard input; answers go out in the same way. Only the standard library is
imported here: the process may belong to a Python that has PyTorch and nothing of ours.
"""

import importlib
import json
import os
import platform
import resource
import sys
from typing import Any, Protocol

CONTENDERS = {"modbench": "versus.ours", "original": "versus.original", "stacked": "versus.stacked"}
"""The module of each contender; its `make(request)` returns a `Contender`."""


class Contender(Protocol):
    """What trains."""

    def prepare(self, runs: int) -> dict[str, Any]:
        """Builds this many runs, trained side by side, and takes one step.

        Returns:
            `parameters` of one run and `versions` of what it is built with.
        """
        ...

    def steps(self, count: int, threads: int) -> dict[str, float]:
        """Trains.

        Returns:
            `seconds` that the steps took, and the last `loss`.
        """
        ...


def limit_memory(limit: int) -> None:
    """Makes allocations beyond so many bytes fail, which can be reported, where the kernel would kill the process."""
    resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def one_line(error: BaseException) -> str:
    """What went wrong, as a cell of a table can hold it."""
    said = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
    out_of_memory = isinstance(error, MemoryError) or any(
        sign in str(error).lower()
        for sign in ("can't allocate memory", "resource_exhausted", "out of memory")
    )
    return "out of memory" if out_of_memory else text[:200]


def main() -> None:
    """Serves until standard input closes."""
    request = json.loads(sys.argv[1])
    # What libraries print must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    contender: Contender | None = None
    for line in sys.stdin:
        command = json.loads(line)
        try:
            if command["do"] == "prepare":
                if command["memory"] is not None:
                    limit_memory(command["memory"])
                if contender is None:
                    contender = importlib.import_module(CONTENDERS[request["contender"]]).make(request)
                answer = contender.prepare(command["runs"])
                answer["versions"]["python"] = platform.python_version()
            else:
                assert contender is not None
                # Not counted: what lay idle has lost its caches, and on some machines its memory's pages.
                contender.steps(1, command["threads"])
                answer = contender.steps(command["count"], command["threads"])
        except Exception as error:
            answer = {"error": one_line(error)}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
