import pytest

from modbench.core.names import GATES, MODELS, PAPER_MODELS, SCORES, model_name
from modbench.core.quantities import CURVE_METRICS, METRICS, PERFORMANCE, QUANTITIES, error_unit


@pytest.mark.parametrize(
    ("scores", "gates", "name"),
    [
        ("none", "softmax", "monolithic"),
        ("joint", "softmax", "modular"),
        ("rule", "softmax", "modular-op"),
        ("oracle", "softmax", "gt-modular"),
        ("separate", "softmax", "modular-separate"),
        ("input", "softmax", "input+softmax"),
        ("joint", "top-k", "joint+top-k"),
        ("oracle", "top-k", "oracle+top-k"),
    ],
)
def test_model_name(scores, gates, name):
    assert model_name(scores, gates) == name


def test_every_point_of_scores_and_gates_has_a_name_of_its_own():
    points = [(s, g) for s in SCORES if s != "none" for g in GATES]
    assert len({model_name(*point) for point in points}) == len(points)


def test_the_papers_models_in_its_order():
    assert PAPER_MODELS == ("monolithic", "modular", "modular-op", "gt-modular")
    assert set(PAPER_MODELS) < set(MODELS)


def test_the_five_metrics_and_the_four_performances():
    assert METRICS == (
        "collapse_avg",
        "collapse_worst",
        "alignment",
        "adaptation",
        "inverse_mutual_information",
    )
    assert PERFORMANCE == ("loss_id", "loss_ood", "error_id", "error_ood")
    assert tuple(QUANTITIES) == PERFORMANCE + METRICS
    estimated = ["adaptation_from_matrix" if name == "adaptation" else name for name in METRICS]
    assert list(CURVE_METRICS) == estimated
    assert (error_unit("regression"), error_unit("classification")) == ("L1", "%")
