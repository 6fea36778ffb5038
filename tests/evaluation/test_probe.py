from modbench.evaluation.probe import probe
from tiny_runs import tiny


def test_a_probe_times_steps_evaluation_and_compilation():
    few, many = (
        probe([tiny(evaluation={"performance_batches": batches})], seconds=0.02) for batches in (2, 20_000)
    )
    assert few.seconds > 0
    assert few.compiling > 0
    assert 0 < few.evaluation < many.evaluation
