"""The time left, on sweeps that are played to a display with made-up times: by hand, and of very unlike cost."""

import heapq
from collections.abc import Iterator, Sequence
from math import ceil

import pytest
from clockwork import compiling, play, started
from small_sweeps import sweep

from modbench.core.spec import RunSpec
from modbench.evaluation.batches import batches_in_all
from modbench.store.plan import PlannedCohort
from modbench.sweep.cost import curve_steps, evaluation_steps, step_work
from modbench.sweep.events import Advanced, Elsewhere, Event, Published, Started
from modbench.sweep.forecast import makespan
from modbench.sweep.plan import make_plan
from modbench.sweep.progress import SweepProgress

STEP = {
    "mlp": {32: 0.39, 64: 1.66, 128: 6.5},
    "mha": {32: 12.0, 64: 28.3, 128: 85.0},
    "rnn": {32: 32.8, 64: 82.4, 128: 313.0},
}
"""Milliseconds of a step of Modular with 8 rules, by encoder width: docs/images/growth.csv."""
RULES = {
    "mlp": {2: 1.1, 8: 1.0, 32: 1.4},
    "mha": {2: 0.76, 8: 1.0, 32: 1.6},
    "rnn": {2: 0.8, 8: 1.0, 32: 1.3},
}
MODEL = {"monolithic": 0.8, "modular": 1.0, "modular-op": 0.9, "gt-modular": 0.85}
COMPILING = {"monolithic": 4.0, "modular": 7.0, "modular-op": 7.0, "gt-modular": 8.0}
EVALUATION = {"mlp": 0.54, "mha": 2.1, "rnn": 0.75}
"""Time of evaluation in times of `evaluation_steps` training steps: averages of `studies/small`."""
IMPORTING = 4.0


def chance(index: int) -> float:
    """A number in -1..1 that has no pattern, the same every time."""
    return 2 * ((index * 0.754877666 + 0.3) % 1) - 1


def step_seconds(spec: RunSpec) -> float:
    architecture, model = spec.task.architecture, spec.model
    quick = 0.6 if architecture == "rnn" and model.name != "modular" else 1.0
    rules = 1 + (RULES[architecture][spec.task.num_rules] - 1) * (32 / model.encoder_width) ** 0.4
    return STEP[architecture][model.encoder_width] / 1000 * rules * MODEL[model.name] * quick


def story(worker: int, index: int, cohort: PlannedCohort) -> Iterator[tuple[float, Event]]:
    """What a worker tells of a cohort, with the seconds before it."""
    spec, identity = cohort.runs[0], cohort.cohort_id
    groups, steps = ceil(len(cohort.runs) / cohort.width), cohort.runs[0].train.steps
    weather = 1 + 0.15 * chance(index)  # a shared machine is not always as fast
    training = weather * step_seconds(spec) * cohort.width * steps
    steps_alike = EVALUATION[spec.task.architecture] * evaluation_steps(spec)
    evaluation = weather * step_seconds(spec) * cohort.width * steps_alike
    compiling = weather * COMPILING[spec.model.name]

    batches = batches_in_all(spec)

    def told(group: int, phase: str, step: int, batch: int = 0) -> Event:
        return Advanced(worker, identity, group, phase, step, steps, 0.5, batch, batches)

    yield 0.2, Started(worker, identity)
    for group in range(groups):
        first = group == 0
        yield 0.2, told(group, "compile", 0)
        yield 0.7 * compiling if first else 0.0, told(group, "train", 0)
        for part in range(1, 51):
            yield training / 50, told(group, "train", steps * part // 50)
        yield 0.0, told(group, "compile", steps)
        yield 0.3 * compiling if first else 0.0, told(group, "evaluate", steps)
        for part in range(1, 21):
            share = evaluation_steps(spec, batches * part // 20) - evaluation_steps(
                spec, batches * (part - 1) // 20
            )
            yield (
                evaluation * share / evaluation_steps(spec),
                told(group, "evaluate", steps, batches * part // 20),
            )
        yield (
            0.0,
            told(group + 1, "compile", 0)
            if group + 1 < groups
            else Published(worker, identity, len(cohort.runs), 0),
        )


def played(cohorts: Sequence[PlannedCohort], workers: int) -> list[tuple[float, Event]]:
    """A sweep's events with their times."""
    waiting = enumerate(cohorts)
    told: list[tuple[float, Event]] = []
    ahead: list[tuple[float, int, Event, Iterator[tuple[float, Event]]]] = []

    def go_on(worker: int, now: float, tale: Iterator[tuple[float, Event]]) -> None:
        step = next(tale, None)
        if step is None:
            index, cohort = next(waiting, (0, None))
            if cohort is not None:
                go_on(worker, now, story(worker, index, cohort))
        else:
            heapq.heappush(ahead, (now + step[0], worker, step[1], tale))

    for worker in range(workers):
        go_on(worker, IMPORTING, iter(()))
    while ahead:
        now, worker, event, tale = heapq.heappop(ahead)
        told.append((now, event))
        go_on(worker, now, tale)
    return told


def estimates(cohorts: Sequence[PlannedCohort], workers: int) -> list[tuple[float, float, float]]:
    """Moments of a sweep: share of its time that is over, seconds since the beginning, estimate / truth."""
    now = 0.0
    progress = SweepProgress(cohorts, sum(len(c.runs) for c in cohorts), 0, workers, lambda: now)
    told = played(cohorts, workers)
    end = told[-1][0]
    found = []
    for index, (moment, event) in enumerate(told):
        now = moment
        progress.apply(event)
        if index % (len(told) // 300):
            continue
        left = progress.seconds_left()
        if left is not None and moment < end:
            found.append((moment / end, moment, left / (end - moment)))
    return found


MODELS = ["monolithic", "modular", "modular-op", "gt-modular"]
STEPS = {"mlp": 40_000, "mha": 1000, "rnn": 500}


def cohorts_of(architectures: Sequence[str], widths: Sequence[int]) -> list[PlannedCohort]:
    """The cohorts of four models under 2, 8 and 32 rules and both kinds."""
    runs: dict[str, RunSpec] = {}
    for architecture in architectures:
        runs |= sweep(
            MODELS,
            [2, 8, 32],
            architecture=architecture,
            steps=STEPS[architecture],
            task__kind=["regression", "classification"],
            model__encoder_width=list(widths),
            evaluation__preset="short",
        ).runs
    return list(make_plan(runs).pending)


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize(
    ("architectures", "widths"),
    [
        (["mlp"], [32]),
        (["mha"], [32, 64, 128]),
        (["mlp", "mha", "rnn"], [32]),
        (["mlp", "mha", "rnn"], [32, 64, 128]),
    ],
)
def test_time_left_is_right_within_a_quarter(architectures: list[str], widths: list[int], workers: int):
    """After two minutes or a tenth of the time, whichever is later, until a twentieth is left."""
    found = estimates(cohorts_of(architectures, widths), workers)
    ratios = [ratio for share, seconds, ratio in found if 0.1 <= share <= 0.95 and seconds >= 120]
    assert len(ratios) > 10
    assert min(ratios) >= 0.75
    assert max(ratios) <= 1.25


def test_cohorts_go_to_the_worker_that_is_free_first():
    assert makespan([], [3, 2, 2, 4], workers=2) == 7  # 3 + 4 and 2 + 2
    assert makespan([5, 1], [2, 1], workers=2) == 5
    assert makespan([5.0], [], workers=3) == 5
    assert makespan([], [], workers=1) == 0


def test_time_left_keeps_phases_apart():
    progress, clock, (a, b) = started()
    play(
        progress,
        clock,
        *compiling(a),
    )
    assert progress.seconds_left() is None
    # 7 s of compilation until the first chunk is done, then 50 steps in 10 s. Until evaluation was seen, its passes
    # are expected to take the time of training's, and its program that of training's program.
    play(
        progress,
        clock,
        (7, Advanced(0, a.cohort_id, 0, "train", 0, 100, 0.5)),
        (10, Advanced(0, a.cohort_id, 0, "train", 50, 100, 0.5)),
    )
    ratio = step_work(b.runs[0]) / step_work(a.runs[0])
    passes = [0.2 * evaluation_steps(c.runs[0]) / (1 + curve_steps(c.runs[0]) / 100) for c in (a, b)]
    training = 10 + 20 * ratio
    assert progress.seconds_left() == pytest.approx(training + 7 + 2 * 7 + passes[0] + ratio * passes[1])
    # 10 s for the rest, 3 s until evaluation could begin, and 4 s for 86 examples on both checkpoints; the other
    # cohort will need all that too, and has as many examples to be evaluated.
    batches = batches_in_all(a.runs[0])
    play(
        progress,
        clock,
        (10, Advanced(0, a.cohort_id, 0, "compile", 100, 100, 0.5)),
        (3, Advanced(0, a.cohort_id, 0, "evaluate", 100, 100, 0.5, 0, batches)),
        (2, Advanced(0, a.cohort_id, 0, "evaluate", 100, 100, 0.5, batches // 2, batches)),
    )
    assert progress.seconds_left() == pytest.approx(2 + 7 + 20 * ratio + 3 + 4)
    play(
        progress,
        clock,
        (2, Advanced(0, a.cohort_id, 0, "evaluate", 100, 100, 0.5, batches, batches)),
        (0, Published(0, a.cohort_id, 3, 0)),
    )
    assert progress.seconds_left() == pytest.approx(7 + 20 * ratio + 3 + 4)


def test_a_whole_cohort_tells_the_time_left_however_short_its_training():
    progress, clock, (a, b) = started()
    batches = batches_in_all(a.runs[0])
    play(
        progress,
        clock,
        *compiling(a),
        (7, Advanced(0, a.cohort_id, 0, "train", 0, 100, 0.5)),
        (0.2, Advanced(0, a.cohort_id, 0, "evaluate", 100, 100, 0.5, 0, batches)),
        (0.6, Advanced(0, a.cohort_id, 0, "evaluate", 100, 100, 0.5, batches, batches)),
    )
    assert progress.seconds_left() is None
    play(progress, clock, (0, Published(0, a.cohort_id, 3, 0)))
    ratio = step_work(b.runs[0]) / step_work(a.runs[0])
    assert progress.seconds_left() == pytest.approx(7 + 7 + 0.2 * ratio + 0.6)


def test_more_workers_do_not_shorten_the_longest_cohort():
    progress, clock, (a, b) = started(workers=8)
    play(
        progress,
        clock,
        (0, Started(0, a.cohort_id)),
        (0, Advanced(0, a.cohort_id, 0, "train", 0, 100, 0.5)),
        (10, Advanced(0, a.cohort_id, 0, "train", 50, 100, 0.5)),
    )
    assert progress.seconds_left() == pytest.approx(seconds_of(b, a, 0.2))


def seconds_of(cohort: PlannedCohort, seen: PlannedCohort, step: float) -> float:
    """Expected seconds of a cohort whose like trains at some seconds a step; nothing was compiled."""
    spec = cohort.runs[0]
    ratio = step_work(spec) / step_work(seen.runs[0])
    steps = spec.train.steps
    return step * ratio * (steps + evaluation_steps(spec) / (1 + curve_steps(spec) / steps))


def test_whoever_trains_a_cohort_elsewhere_shares_the_work():
    progress, clock, (a, b) = started()
    play(
        progress,
        clock,
        (0, Elsewhere(0, b.cohort_id)),
        (0, Started(0, a.cohort_id)),
        (0, Advanced(0, a.cohort_id, 0, "train", 0, 100, 0.5)),
        (10, Advanced(0, a.cohort_id, 0, "train", 50, 100, 0.5)),
    )
    assert progress.seconds_left() == pytest.approx(seconds_of(b, a, 0.2))
