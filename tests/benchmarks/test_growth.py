"""The growth measurement: what it measures, where stacking stops paying, and its figure from numbers."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest

from modbench.core.identity import run_id
from modbench.sweep.width import choose_width

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "growth.py"


def module():
    spec = importlib.util.spec_from_file_location("growth", FILE)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


growth = module()


def test_every_line_crosses_the_others():
    points = growth.points(growth.AXES, "modular")
    for architecture in growth.LOOKS:
        shown = [point for point in points if point.spec.task.architecture == architecture]
        crossing = {
            point.axis
            for point in shown
            if (point.spec.task.num_rules, point.spec.model.encoder_width) == (8, 32)
            and point.spec.length in (10, 1)
        }
        assert crossing == set(growth.AXES) - ({"length"} if architecture == "mlp" else set())
        for axis, values in growth.AXES.items():
            for size in growth.SIZES if axis == growth.STACKED else [""]:
                found = [point.value for point in shown if (point.axis, point.size) == (axis, size)]
                assert found == ([] if (architecture, axis) == ("mlp", "length") else list(values))


@pytest.mark.parametrize(
    ("milliseconds", "width"),
    [
        ([10, 5, 3, 2], 25),
        ([10, 10, 12, 15], 1),
        ([10, 9, 8, 12], 5),
        ([10, 9.9, 9.8, 9.75], 1),  # a gain of less than 3 % is none
        ([10, 8.1, 8.0, 9.0], 2),
    ],
)
def test_where_stacking_stops_paying(milliseconds, width):
    assert growth.stops_paying([1, 2, 5, 25], milliseconds) == width


def numbers(**changed):
    rows = []
    for point in growth.points(growth.QUICK, "modular"):
        task, model = point.spec.task, point.spec.model
        ms = 0.1 * model.encoder_width * task.num_rules * (1 + 0.01 * (point.width or 0))
        rows.append(
            {
                "axis": point.axis,
                "value": point.value,
                "size": point.size,
                "architecture": task.architecture,
                "model": "modular",
                "kind": "regression",
                "batch_size": 256,
                "width": point.width or choose_width([point.spec]),
                "ms_per_step_and_run": ms,
                "ms_low": 0.9 * ms,
                "ms_high": 1.1 * ms,
                "workers": 2,
                "processor": "Abacus",
                "device": "cpu (x86_64)",
                "date": "2026-01-02T03:04:05+00:00",
                "modbench": "0.1.0",
                "jax": "0.10.2",
            }
            | changed
        )
    return pd.DataFrame(rows)


def texts(figure):
    return [text.get_text() for text in figure.texts]


def test_the_figure_says_where_its_numbers_come_from():
    figure = growth.draw(numbers())
    assert any("2 workers on Abacus" in text.replace("\n", " ") for text in texts(figure))
    rules, _, length, small, medium = figure.axes
    drawn = [line.get_ydata() for line in rules.lines if line.get_marker() == "o"]
    assert list(drawn[0]) == pytest.approx([0.1 * 32 * rules for rules in (2, 8, 32)])
    assert len([line for line in length.lines if line.get_linestyle() == "-"]) == 2  # MLP has no length
    for axes in (small, medium):
        relative = [list(line.get_ydata()) for line in axes.lines if line.get_marker() == "s"]
        assert relative == [pytest.approx([1, 1.05 / 1.01, 1.25 / 1.01])]


def test_a_figure_of_part_of_the_numbers():
    whole = numbers()
    growth.draw(whole[whole["axis"] == "rules"])
    growth.draw(whole[whole["axis"] != "rules"])
    growth.draw(whole.head(1).assign(ms_low=float("nan"), ms_high=float("nan")))


def test_equal_shapes_are_measured_once_and_failures_are_left_out(monkeypatch, capsys):
    measured = []

    class FakeCrew:
        def __init__(self, runs, workers, should_stop):
            if runs[0].model.encoder_width == 64:
                raise growth.ShapeError("out of memory")
            measured.append((run_id(runs[0]), len(runs)))
            self.ask = None

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

    from modbench.bench.measure import Timings
    from modbench.bench.worker import Prepared

    prepared = [Prepared(1.0, False, 0.1, 100.0, {"env_device": "abacus"})]
    monkeypatch.setattr(growth, "Crew", FakeCrew)
    monkeypatch.setattr(
        growth, "measure", lambda ask, seconds: Timings(1, [[0.5]], [[1e9]] * 2, [[1e9]] * 2, prepared)
    )
    points = growth.points(growth.QUICK, "modular")
    head = {
        "machine": {"processor": "Abacus"},
        "date": "2026-01-02",
        "versions": {"modbench": "0", "jax": "0"},
    }
    found = growth.time_points(points, 1.0, lambda: False, head)
    assert len(measured) == len(set(measured)) < len(found) == len(points) - 3
    assert 64 not in set(found["encoder_width"])
    assert capsys.readouterr().err.count("failed, out of memory") == 3
