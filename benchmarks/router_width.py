"""How fast can a narrow rule router learn the one-hot map, when it is told what to learn?

Modular-op of the MHA family routes by Linear(R, h) ReLU Linear(h, M) on the rule code, where h is the width of an
attention head, D // (2 M): 2 units at E=32 and R=32. Here that router is alone, and is trained by cross-entropy
towards "rule r takes module r" with the benchmark's optimiser. What it does not reach under this direct supervision,
it cannot be expected to reach through the loss of a task.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np

STEPS = (60_000, 100_000, 200_000, 500_000)
WIDTHS = (2, 4, 8)
LEARNING_RATE = 1e-4
BATCH_SIZE = 256


def train(
    hidden: int,
    num_rules: int,
    seeds: Sequence[int],
    steps: Sequence[int],
    learning_rate: float = LEARNING_RATE,
    batch_size: int = BATCH_SIZE,
) -> np.ndarray:
    """Trains the router towards the identity map of R rules to as many modules, with Adam, for several seeds at once.

    Args:
        hidden: hidden units, h.
        num_rules: R, and the number of modules.
        seeds: each draws first parameters and rules of its own.
        steps: numbers of updates after which gates are read, increasing.
        learning_rate: of Adam.
        batch_size: rules drawn uniformly for an update.

    Returns:
        (seeds, steps, R, M) gates of every rule, softmax of its scores.
    """
    import jax
    import jax.numpy as jnp
    import optax
    from jaxtyping import PyTree

    from modbench.models.layers import TwoLayer

    codes = jnp.eye(num_rules)
    adam = optax.adam(learning_rate)

    def loss(router: PyTree, counts: jax.Array) -> jax.Array:
        # All rules at once: a rule's loss counts as often as it is in the batch.
        return -(counts * jnp.diagonal(jax.nn.log_softmax(router(codes)))).sum() / batch_size

    def update(step: jax.Array, state: tuple) -> tuple:
        router, moments, key = state
        drawn = jax.random.randint(jax.random.fold_in(key, step), (batch_size,), 0, num_rules)
        gradient = jax.grad(loss)(router, (drawn[:, None] == jnp.arange(num_rules)).sum(axis=0))
        change, moments = adam.update(gradient, moments)
        return optax.apply_updates(router, change), moments, key

    @jax.jit
    @jax.vmap
    def run(router: PyTree, key: jax.Array) -> jax.Array:
        state, start, gates = (router, adam.init(router), key), 0, []
        for stop in steps:
            state = jax.lax.fori_loop(start, stop, update, state)
            gates.append(jax.nn.softmax(state[0](codes)))
            start = stop
        return jnp.stack(gates)

    routers = [TwoLayer.create(np.random.default_rng(seed), num_rules, hidden, num_rules) for seed in seeds]
    stacked = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *routers)
    return np.asarray(run(stacked, jnp.stack([jax.random.key(seed) for seed in seeds])))


def likeliest(gates: np.ndarray) -> np.ndarray:
    """Gates (..., M) with 1 at the largest and 0 elsewhere: the routing without its softness."""
    return np.eye(gates.shape[-1])[gates.argmax(axis=-1)]


def alignments(gates: np.ndarray) -> np.ndarray:
    """Alignment (Eq. 18) of gates (..., R, M) under uniform rules.

    Returns:
        (...) from 0, every rule has a module of its own, to 1 - 1/R, none has.
    """
    from modbench.metrics import alignment, joint

    *shape, num_rules, modules = gates.shape
    return np.array([alignment(joint(A)) for A in gates.reshape(-1, num_rules, modules)]).reshape(shape)


def table(found: dict[int, np.ndarray], steps: Sequence[int]) -> str:
    """A Markdown table from hidden units -> gates (seeds, steps, R, M): mean alignments, their range in brackets."""
    lines = ["| hidden units | alignment of | " + " | ".join(f"{step:,} steps" for step in steps) + " |"]
    lines.append("|---" * (len(steps) + 2) + "|")
    for hidden, gates in found.items():
        for what, routing in (("the gates", gates), ("the likeliest module", likeliest(gates))):
            cells = [f"{v.mean():.2f} ({v.min():.2f} to {v.max():.2f})" for v in alignments(routing).T]
            lines.append(f"| {hidden} | {what} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Trains every width and prints the table."""
    parser = argparse.ArgumentParser(
        description="Alignment of a rule router alone, trained towards the identity map."
    )
    parser.add_argument("--rules", type=int, default=32, metavar="R", help="rules and modules [default: 32]")
    parser.add_argument("--hidden", type=int, nargs="+", default=WIDTHS, metavar="h", help="[default: 2 4 8]")
    parser.add_argument("--seeds", type=int, default=8, metavar="N", help="routers per width [default: 8]")
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS, metavar="n",
                        help="[default: 60000 100000 200000 500000]")  # fmt: skip
    given = parser.parse_args(arguments)
    if min(given.rules - 1, given.seeds, *given.hidden, *given.steps) < 1:
        parser.error("--rules must be at least 2, everything else at least 1")

    from modbench.sweep.executors import set_own_environment

    set_own_environment()
    steps = sorted(set(given.steps))
    found = {}
    for hidden in given.hidden:
        found[hidden] = train(hidden, given.rules, range(given.seeds), steps)
        print(f"{hidden} hidden units done", file=sys.stderr)
    print(table(found, steps))
    return 0


if __name__ == "__main__":
    sys.exit(main())
