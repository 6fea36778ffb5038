"""A rule router alone, towards the identity map: what the benchmark trains, measures and prints."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "router_width.py"


def module():
    spec = importlib.util.spec_from_file_location("router_width", FILE)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


router_width = module()


def plain_adam(hidden, rules, seed, steps, rate):
    """The same training in NumPy, in double precision, on the expected batch: every rule equally often."""
    random = np.random.default_rng(seed)

    def draw(inputs, outputs):
        bound = 1 / np.sqrt(inputs)
        return [
            bound * (2 * random.random(shape, np.float32) - 1) for shape in ((inputs, outputs), (outputs,))
        ]

    params = [np.float64(p) for p in [*draw(rules, hidden), *draw(hidden, rules)]]
    first, second = [np.zeros_like(p) for p in params], [np.zeros_like(p) for p in params]
    for step in range(1, steps + 1):
        w1, b1, w2, b2 = params
        pre = w1 + b1
        scores = np.maximum(pre, 0) @ w2 + b2
        gates = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        error = (gates - np.eye(rules)) / rules
        back = (error @ w2.T) * (pre > 0)
        gradients = [back, back.sum(axis=0), np.maximum(pre, 0).T @ error, error.sum(axis=0)]
        for i, g in enumerate(gradients):
            first[i] = 0.9 * first[i] + 0.1 * g
            second[i] = 0.999 * second[i] + 0.001 * g**2
            change = first[i] / (1 - 0.9**step) / (np.sqrt(second[i] / (1 - 0.999**step)) + 1e-8)
            params[i] = params[i] - rate * change
    w1, b1, w2, b2 = params
    scores = np.maximum(w1 + b1, 0) @ w2 + b2
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


def test_it_trains_as_written_out_in_numpy():
    # In a batch this large each of three rules has its share, to about one in a thousand.
    gates = router_width.train(4, 3, [5], [30], learning_rate=0.05, batch_size=400_000)
    np.testing.assert_allclose(gates[0, 0], plain_adam(4, 3, 5, 30, 0.05), atol=0.01)


def test_enough_units_learn_the_map_and_seeds_differ():
    gates = router_width.train(16, 4, [0, 1], [1, 400], learning_rate=0.02)
    assert gates.shape == (2, 2, 4, 4)
    np.testing.assert_allclose(gates.sum(axis=-1), 1, rtol=1e-5)
    early, late = router_width.alignments(gates).T
    assert (early > 0.5).all()
    assert (late < 0.1).all()
    assert (router_width.alignments(router_width.likeliest(gates))[:, 1] == 0).all()
    assert np.abs(gates[0] - gates[1]).max() > 1e-3


def test_when_gates_are_read_changes_nothing():
    at_once = router_width.train(2, 3, [0], [20], learning_rate=0.01)
    on_the_way = router_width.train(2, 3, [0], [5, 20], learning_rate=0.01)
    np.testing.assert_array_equal(at_once[:, -1], on_the_way[:, -1])


def test_alignments_by_hand():
    gates = np.array([[[0.6, 0.4], [0.2, 0.8]], [[0.5, 0.5], [0.5, 0.5]]])
    np.testing.assert_allclose(router_width.alignments(gates), [1 - 0.7, 0.5])
    np.testing.assert_allclose(router_width.alignments(router_width.likeliest(gates)), [0, 0.5])


def test_the_table():
    gates = np.array([np.eye(2), np.full((2, 2), 0.5)])[:, None]
    assert router_width.table({2: gates}, [1000]).splitlines() == [
        "| hidden units | alignment of | 1,000 steps |",
        "|---|---|---|",
        "| 2 | the gates | 0.25 (0.00 to 0.50) |",
        "| 2 | the likeliest module | 0.25 (0.00 to 0.50) |",
    ]


def test_the_command():
    def run(*arguments):
        return subprocess.run([sys.executable, FILE, *arguments], capture_output=True, text=True, check=False)

    shown = run("--rules", "4", "--hidden", "2", "--seeds", "2", "--steps", "20", "10")
    assert shown.returncode == 0, shown.stderr
    assert "| 10 steps | 20 steps |" in shown.stdout
    wrong = run("--rules", "1")
    assert wrong.returncode == 2
    assert "--rules must be at least 2" in wrong.stderr
