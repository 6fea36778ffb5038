"""The evaluation of a group's checkpoint, a few batches at a time, so that the host can look in between."""

import functools
from collections.abc import Iterator

import jax
import numpy as np
from jaxtyping import PyTree

from modbench.evaluation.batches import evaluation_parts
from modbench.evaluation.chunks import Chunks
from modbench.evaluation.evaluate import Measured, measure_batches, nothing_measured
from modbench.training.cohort import CohortProgram
from modbench.training.trainer import RunData


class Evaluation:
    """What is measured of one checkpoint of a group.

    Args:
        program: of the group's cohort; its evaluation is compiled at the first call.
        params: of the checkpoint, for every replica.
        data: of the group.

    Attributes:
        parts: see `modbench.evaluation.batches.evaluation_parts`.
    """

    def __init__(self, program: CohortProgram, params: PyTree, data: RunData) -> None:
        self.parts = evaluation_parts(program.trainer.spec)
        self._program, self._params, self._data = program, params, data
        self._measured = program.repeated(nothing_measured(program.trainer))

    def measure(self, first: int, end: int) -> None:
        """Measures the batches `first` to `end - 1`; with none of them it only compiles."""
        function = functools.partial(measure_batches, self._program.trainer)
        bounds = np.int32(first), np.int32(end)
        args = (self._measured, self._params, self._data, *bounds)
        measured = self._program.call("evaluate", function, (0, 0, 0, None, None), *args, donate=True)
        self._measured = jax.block_until_ready(measured)

    def chunks(self) -> Iterator[int]:
        """Measures everything and yields, after every chunk, how many batches are done."""
        done = 0
        for part in self.parts:
            chunks, end = Chunks(), done + part.count  # a batch of another part takes another time
            while done < end:
                count = chunks.begin(end - done)
                self.measure(done, done + count)
                chunks.end()
                done += count
                yield done

    def result(self) -> Measured:
        """What is measured by now, on the host, with the replica axis."""
        return jax.device_get(self._measured)
