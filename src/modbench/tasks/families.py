"""The family of rule tasks of an architecture."""

from modbench.core.task_spec import MhaTask, MlpTask, TaskSpec
from modbench.tasks.base import Task
from modbench.tasks.mha import Mha
from modbench.tasks.mlp import Mlp
from modbench.tasks.rnn import Rnn


def make_task(spec: TaskSpec) -> Task:
    """The task that a specification names."""
    match spec:
        case MlpTask():
            return Mlp(spec)
        case MhaTask():
            return Mha(spec)
        case _:
            return Rnn(spec)
