import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from small_sweeps import spec, sweep

from modbench.core.grid import parse_sweep
from modbench.core.identity import run_id, static_key
from modbench.core.names import PAPER_MODELS
from modbench.store.plan import MOST_RUNS
from modbench.sweep.plan import Plan, make_plan


def ids(plan: Plan) -> list[str]:
    return [cohort.cohort_id for cohort in plan.pending]


def planned_runs(plan: Plan) -> Counter[str]:
    return Counter(run_id(spec) for cohort in plan.pending for spec in cohort.runs)


def test_runs_of_one_program_form_one_cohort():
    runs = sweep(models=["modular", "gt-modular"], rules=[2, 4], seeds=[0, 1, 2]).runs
    plan = make_plan(runs)
    assert len(plan.pending) == 4
    assert plan.missing == 12
    assert plan.new == set(ids(plan))
    assert planned_runs(plan) == Counter(dict.fromkeys(runs, 1))
    for cohort in plan.pending:
        assert len({static_key(spec) for spec in cohort.runs}) == 1
        assert [spec.seed for spec in cohort.runs] == [0, 1, 2]


def test_learning_rates_and_task_seeds_share_a_cohort():
    table = sweep(models=["modular"], rules=[2], train__learning_rate=[1e-4, 1e-3], task__task_seed=[0, 1])
    assert [len(cohort.runs) for cohort in make_plan(table.runs).pending] == [12]


def test_equal_sweeps_give_equal_plans():
    assert make_plan(sweep().runs) == make_plan(sweep().runs)


def test_nothing_is_planned_when_all_is_recorded():
    runs = sweep().runs
    first = make_plan(runs)
    plan = make_plan(runs, recorded=runs, planned=first.pending, published=first.new)
    assert plan == Plan((), frozenset(), 0)


def test_a_planned_cohort_is_resumed_as_it_was_planned():
    runs = sweep(seeds=[0, 1, 2]).runs
    first = make_plan(runs)
    done = first.pending[0]
    plan = make_plan(runs, {run_id(s) for s in done.runs}, first.pending, {done.cohort_id})
    assert plan.new == frozenset()
    assert plan.pending == first.pending[1:]
    assert plan.missing == 9


def test_growth_by_seeds_keeps_widths_and_adds_only_new_cohorts():
    few = sweep(models=["modular"], rules=[2, 4], seeds=list(range(10))).runs
    first = make_plan(few)
    assert [cohort.width for cohort in first.pending] == [5, 5]
    published = first.pending[0]
    more = sweep(models=["modular"], rules=[2, 4], seeds=list(range(12))).runs
    plan = make_plan(more, {run_id(s) for s in published.runs}, first.pending, {published.cohort_id})
    assert first.pending[1] in plan.pending
    new = [cohort for cohort in plan.pending if cohort.cohort_id in plan.new]
    assert [(cohort.width, [s.seed for s in cohort.runs]) for cohort in new] == [(2, [10, 11])] * 2
    assert plan.missing == 14


def test_a_planned_cohort_of_another_sweep_is_left_alone():
    other = make_plan(sweep(models=["monolithic"]).runs)
    plan = make_plan(sweep(models=["modular"]).runs, planned=other.pending)
    assert not set(ids(plan)) & set(ids(other))


def test_two_plans_for_the_same_runs_train_them_once():
    runs = sweep(models=["modular"], rules=[2], seeds=[0, 1, 2]).runs
    wide = make_plan(runs)
    narrow = make_plan(dict(list(runs.items())[:1]))
    plan = make_plan(runs, planned=[*wide.pending, *narrow.pending])
    assert plan.pending == wide.pending


def test_cheap_settings_come_first_and_models_of_a_setting_together():
    table = sweep(models=list(reversed(PAPER_MODELS)), rules=[32, 2], model__encoder_width=[64, 32])
    settings = [
        (c.runs[0].model.encoder_width, c.runs[0].task.num_rules, c.runs[0].model.name)
        for c in make_plan(table.runs).pending
    ]
    assert settings == [(e, r, m) for e in (32, 64) for r in (2, 32) for m in PAPER_MODELS]


def test_many_seeds_are_cut_between_groups_into_cohorts():
    runs = sweep(models=["modular"], rules=[2], seeds=list(range(70))).runs
    assert MOST_RUNS == 32
    plan = make_plan(runs)
    # 70 runs are 14 groups of 5; six such groups fit into a cohort, so three cohorts of five, five and four.
    assert [(cohort.width, len(cohort.runs)) for cohort in plan.pending] == [(5, 25), (5, 25), (5, 20)]
    assert planned_runs(plan) == Counter(dict.fromkeys(runs, 1))


def test_the_papers_settings_stay_whole():
    runs = {run_id(s): s for s in [spec(seed=seed, encoder_width=512) for seed in range(25)]}
    assert [(cohort.width, len(cohort.runs)) for cohort in make_plan(runs).pending] == [(1, 25)]


@given(st.randoms(), st.integers(0, 12))
def test_every_missing_run_is_planned_exactly_once(rng: random.Random, cut: int):
    runs = sweep(models=["modular"], rules=[2], seeds=list(range(12))).runs
    recorded = set(rng.sample(sorted(runs), cut))
    some = {identity: runs[identity] for identity in rng.sample(sorted(runs), 5)}
    earlier = make_plan(some).pending
    plan = make_plan(runs, recorded, earlier)
    counts = planned_runs(plan)
    assert runs.keys() - recorded <= counts.keys() <= runs.keys()
    assert set(counts.values()) <= {1}
    assert plan.missing == 12 - cut


def test_a_sweep_file_in_another_order_plans_the_same_runs():
    grid = {
        "task": {"architecture": "mlp", "num_rules": 2},
        "model": {"name": "modular"},
        "train": {"steps": 5},
    }
    one = parse_sweep({"grid": [{**grid, "seed": [0, 1]}]})
    other = parse_sweep({"grid": [{**grid, "seed": [1, 0]}]})
    assert one.runs.keys() == other.runs.keys()
    first = make_plan(one.runs)
    assert make_plan(other.runs, planned=first.pending).pending == first.pending
