from small_sweeps import sweep

from modbench.sweep.advice import evaluation_advice, expected_share, preset_advice
from modbench.sweep.plan import make_plan


def advice_on(**fields):
    cohorts = make_plan(sweep(["modular"], [4], [0], "mha", **fields).runs).pending
    return evaluation_advice(cohorts, expected_share(cohorts))


def test_short_training_with_the_papers_evaluation_is_told_of_the_preset():
    advice = advice_on(steps=150)
    assert advice.startswith("evaluation takes about 98% of the time; evaluation.performance_batches, ")
    # 7.7 + 20 million tokens against 0.77 + 0.25 million.
    assert advice.endswith('evaluation.preset = "short" makes evaluation about 27 times shorter')


def test_nothing_is_said_where_training_takes_longer():
    assert advice_on(steps=500_000) is None
    assert evaluation_advice((), expected_share(())) is None


def test_the_preset_is_not_recommended_where_it_is_there_already():
    advice = advice_on(steps=50, evaluation__preset="short")
    assert "evaluation.lengths" in advice
    assert "preset" not in advice


def test_run_recommends_the_preset_alone():
    def on(**fields):
        return preset_advice(make_plan(sweep(["modular"], [4], [0], "mha", **fields).runs).pending)

    assert on(steps=150) == 'evaluation.preset = "short" makes evaluation about 27 times shorter'
    assert on(steps=500_000) is None
    assert on(steps=50, evaluation__preset="short") is None
