"""Times a few programs on this machine, for the expected time of a plan."""

from collections.abc import Callable, Sequence

from modbench.store.plan import PlannedCohort
from modbench.sweep.cost import Probe, choose_probes
from modbench.sweep.describe import describe_cell
from modbench.sweep.executors import set_own_environment


def measure(
    cohorts: Sequence[PlannedCohort], on_probe: Callable[[str], None] = lambda words: None
) -> list[Probe]:
    """Compiles and times a handful of programs, chosen by `choose_probes`, as a worker would run them.

    Args:
        cohorts: what is to be estimated.
        on_probe: told in words what is about to be timed.

    Raises:
        RequestError: JAX runs in this process already with another number of threads than a worker has.
    """
    set_own_environment()
    from modbench.evaluation.probe import probe

    probes = []
    for cohort in choose_probes(cohorts):
        spec = cohort.runs[0]
        on_probe(describe_cell(spec))
        timing = probe(cohort.runs[: cohort.width])
        probes.append(Probe(spec, timing.seconds, timing.evaluation, timing.compiling))
    return probes
