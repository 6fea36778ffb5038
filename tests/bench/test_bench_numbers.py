"""From timings to numbers, worked out by hand; and how rounds are cut."""

import pytest

from modbench.bench.measure import ROUNDS, Timings, measure
from modbench.bench.result import Row, Spread
from modbench.bench.worker import Prepared
from modbench.core.spec import RunSpec

SPEC = RunSpec.of({"architecture": "mlp", "num_rules": 2}, {"name": "monolithic"}, {"batch_size": 100})
PARAMETERS = 35_361
MACHINE = {"env_device": "abacus"}


def timings(rounds, products=((1e9, 2e9), (2e9, 3e9)), steps=10, passes=((1e9, 3e9), (2e9, 4e9))):
    prepared = [Prepared(2.0, True, 0.1, 300.0, MACHINE), Prepared(3.0, False, 0.1, 200.0, MACHINE)]
    return Timings(
        steps, [list(r) for r in rounds], [list(p) for p in products], [list(p) for p in passes], prepared
    )


def test_a_row_by_hand():
    # 10 steps of 5 runs in 0.5 s and in 0.25 s: 100 + 200 runs x steps a second.
    row = Row(SPEC, 5, 2, timings([(0.5, 0.25)]))
    assert row.rates == [300]
    assert row.run_steps_per_second == pytest.approx(300)
    assert row.milliseconds == Spread(pytest.approx(1000 / 300), None, None)
    # One worker took 10 ms a step and run, the other 5.
    assert row.core_milliseconds == Spread(7.5, None, None)
    assert row.flops_per_second == pytest.approx(300 * 6 * PARAMETERS * 100)
    assert row.peak == 4e9  # 3e9 before, 5e9 after
    assert row.share == pytest.approx(300 * 6 * PARAMETERS * 100 / 4e9)
    assert row.bandwidth == 5e9  # 4e9 before, 6e9 after
    assert (row.compile_seconds, row.from_cache, row.memory_mb) == (3.0, False, 300.0)


def test_workers_of_equal_speed_share_the_work():
    alone = Row(SPEC, 5, 1, timings([(0.5,)]))
    both = Row(SPEC, 5, 2, timings([(0.5, 0.5)]))
    assert both.milliseconds.median == pytest.approx(alone.milliseconds.median / 2)
    assert both.core_milliseconds == alone.core_milliseconds
    assert alone.milliseconds == alone.core_milliseconds


def test_quartiles_lie_between_values():
    assert Spread.of([4, 1, 3, 2]) == (2.5, 1.75, 3.25)
    assert Spread.of([5, 1, 2, 3, 4]) == (3, 2, 4)
    assert Spread.of([1, 2]) == (1.5, None, None)
    assert Spread.of([1]) == (1, None, None)


def test_one_slow_round_moves_no_median():
    row = Row(SPEC, 1, 1, timings([(1.0,), (1.0,), (9.0,), (1.0,), (1.0,)]))
    assert row.milliseconds == Spread(100, 100, 100)


def test_a_record_says_all_of_it():
    record = Row(SPEC, 5, 2, timings([(0.5, 0.25), (0.5, 0.25), (0.5, 0.5)])).record()
    assert record["ms_per_step_and_run"] == pytest.approx(1000 / 300)
    assert record["ms_quartiles"] == pytest.approx([1000 / 300, (1000 / 300 + 1000 / 200) / 2])
    assert record["memory_bytes_per_second"] == 5e9
    # Four words are read and three are written.
    assert record["adam_share_of_memory"] == pytest.approx(300 * 7 * 4 * record["num_parameters"] / 5e9)
    assert record["share_of_peak"] == pytest.approx(300 * record["flops_per_step"] / 4e9)
    assert record["flops_per_step"] == 6 * record["num_parameters"] * record["batch_size"]
    assert (record["status"], record["width"], record["workers"]) == ("measured", 5, 2)
    assert record["round_seconds"] == [[0.5, 0.25], [0.5, 0.25], [0.5, 0.5]]


def test_a_failed_row_has_its_reason_and_no_numbers():
    record = Row(SPEC, 5, 2, None, "out of memory").record()
    assert (record["status"], record["reason"]) == ("failed", "out of memory")
    assert "ms_per_step_and_run" not in record


class FakeWorkers:
    """Two workers, the second a little slower; a step takes `pace` seconds."""

    def __init__(self, pace):
        self.pace = pace
        self.asked = []

    def ask(self, question, *arguments):
        self.asked.append((question, *arguments))
        match question:
            case "prepare":
                return [Prepared(1.0, False, 3 * self.pace, 100.0, MACHINE)] * 2
            case "product" | "memory_pass":
                return [1e9, 1e9]
            case _:
                return [self.pace * arguments[0], 1.1 * self.pace * arguments[0]]

    def rounds(self):
        first, last = (i for i, asked in enumerate(self.asked) if asked[0] == "product")
        return self.asked[first + 2 : last]


def test_a_quick_shape_is_timed_in_several_equal_rounds():
    workers = FakeWorkers(0.001)
    found = measure(workers.ask, seconds=2.0)
    assert len(found.rounds) in (ROUNDS, ROUNDS + 1)
    assert workers.rounds() == [("advance", found.steps)] * len(found.rounds)
    assert sum(slow for _, slow in found.rounds) == pytest.approx(2.0, rel=0.2)
    assert workers.asked[0] == ("prepare",)
    assert workers.asked[-2:] == [("product",), ("memory_pass",)]


def test_a_slow_shape_is_timed_for_one_step_after_a_warm_one():
    workers = FakeWorkers(20.0)
    found = measure(workers.ask, seconds=3.0)
    around = [("product",), ("memory_pass",)]
    assert workers.asked == [("prepare",), *around, ("advance", 1), *around]
    assert found.rounds == [[20.0, 22.0]]
