"""The body of an architecture, with or without modules."""

import numpy as np

from modbench.core.spec import RunSpec
from modbench.models.base import Model
from modbench.models.mha import MhaModular, MhaMonolithic
from modbench.models.mlp import MlpModular, MlpMonolithic
from modbench.models.rnn import RnnModular, RnnMonolithic

BODIES: dict[str, tuple[type, type]] = {
    "mlp": (MlpMonolithic, MlpModular),
    "mha": (MhaMonolithic, MhaModular),
    "rnn": (RnnMonolithic, RnnModular),
}


def make_model(random: np.random.Generator, spec: RunSpec) -> Model:
    """Draws the model that a run names.

    Args:
        random: the source of its first parameters.
        spec: the run.

    Raises:
        RequestError: an option of its router is unknown or has a bad value.
    """
    return BODIES[spec.task.architecture][spec.model.modular].create(random, spec)
