"""Which cohorts are left to train: what a sweep asks for, less what the store has."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from math import ceil
from typing import NamedTuple

from modbench.core.identity import canonical, run_id, static_fields, static_key
from modbench.core.names import MODELS
from modbench.core.spec import RunSpec
from modbench.store.plan import MOST_RUNS, PlannedCohort
from modbench.sweep.cost import flops
from modbench.sweep.memory import ANYWHERE, Place
from modbench.sweep.width import choose_width


class Plan(NamedTuple):
    """What a sweep still needs.

    Attributes:
        pending: cohorts to train, in order: cheap first, the models of one setting together.
        new: ids of those among them whose plan is not in the store yet.
        missing: number of the sweep's runs that are not recorded; pending cohorts can hold others besides.
    """

    pending: tuple[PlannedCohort, ...]
    new: frozenset[str]
    missing: int


def make_plan(
    runs: Mapping[str, RunSpec],
    recorded: Collection[str] = (),
    planned: Sequence[PlannedCohort] = (),
    published: Collection[str] = (),
    place: Place = ANYWHERE,
) -> Plan:
    """Plans the runs of a sweep that are not recorded.

    A cohort that is planned already keeps its runs and its width; the runs that are in none form new ones.

    Args:
        runs: run_id -> specification, everything the sweep asks for.
        recorded: ids of the runs that the store has, failed ones included; without those that are to be tried again.
        planned: the cohorts that the store has planned, published or not.
        published: ids of the cohorts that are published.
        place: where new cohorts will train, which sets their width.

    Returns:
        The cohorts to train. Equal arguments give equal plans.
    """
    missing = {identity: spec for identity, spec in runs.items() if identity not in recorded}
    pending: list[PlannedCohort] = []
    uncovered = dict(missing)
    for cohort in planned:
        identities = [run_id(spec) for spec in cohort.runs]
        if cohort.cohort_id not in published and any(identity in uncovered for identity in identities):
            pending.append(cohort)
            for identity in identities:
                uncovered.pop(identity, None)
    by_program: dict[str, list[RunSpec]] = defaultdict(list)
    for spec in uncovered.values():
        by_program[static_key(spec)].append(spec)
    new = [cohort for specs in by_program.values() for cohort in _cohorts(specs, place, published)]
    return Plan(
        tuple(_ordered([*pending, *new])), frozenset(cohort.cohort_id for cohort in new), len(missing)
    )


def _cohorts(specs: Sequence[RunSpec], place: Place, published: Collection[str]) -> list[PlannedCohort]:
    """Cuts runs of one program into cohorts of whole groups of one width; the cut changes no number."""
    width = choose_width(specs, place)
    groups = ceil(len(specs) / width)
    most = max(1, MOST_RUNS // width)
    cohorts = ceil(groups / most)
    size = ceil(groups / cohorts) * width
    return [
        _unpublished(specs[start : start + size], width, published) for start in range(0, len(specs), size)
    ]


def _unpublished(specs: Sequence[RunSpec], width: int, published: Collection[str]) -> PlannedCohort:
    """A cohort that is not published: the very same may be, with runs that did not fit into memory then."""
    attempts = (PlannedCohort.of(specs, width, attempt) for attempt in count())
    return next(cohort for cohort in attempts if cohort.cohort_id not in published)


def _ordered(cohorts: Sequence[PlannedCohort]) -> list[PlannedCohort]:
    """Cheap settings first, so that results come early; within a setting the models follow each other."""
    settings: dict[str, list[PlannedCohort]] = defaultdict(list)
    for cohort in cohorts:
        settings[_setting(cohort.runs[0])].append(cohort)
    order = list(MODELS)

    def cost(setting: Sequence[PlannedCohort]) -> float:
        return sum(flops(cohort.runs[0]) for cohort in setting) / len(setting)

    def rank(cohort: PlannedCohort) -> tuple[int, str]:
        name = cohort.runs[0].model.name
        return (order.index(name) if name in order else len(order), name)

    cheap_first = sorted(settings.values(), key=cost)
    return [cohort for setting in cheap_first for cohort in sorted(setting, key=rank)]


def _setting(spec: RunSpec) -> str:
    """What models are compared under: the static fields without the router."""
    fields = static_fields(spec)
    fields["model"] = {name: fields["model"][name] for name in ("encoder_width", "model_width")}
    return canonical(fields)
