"""Hypothesis strategies for routing matrices, shared by the tests of this folder."""

import numpy as np
from hypothesis import strategies as st

weights = st.one_of(st.just(0.0), st.floats(1e-6, 1.0), st.integers(0, 3).map(float))


@st.composite
def rows(draw, num_rows, num_columns):
    """Matrices whose rows are distributions, with many exact zeros, ties and corners among them."""
    matrix = np.array(draw(st.lists(st.lists(weights, min_size=num_columns, max_size=num_columns),
                                    min_size=num_rows, max_size=num_rows)))  # fmt: skip
    empty = matrix.sum(axis=1) == 0
    matrix[empty, 0] = 1.0
    return matrix / matrix.sum(axis=1, keepdims=True)


@st.composite
def activations(draw, most=5, square=False):
    """p(module | rule), R and M from 2 to `most`."""
    R = draw(st.integers(2, most))
    M = R if square else draw(st.integers(2, most))
    return draw(rows(R, M))


@st.composite
def joints(draw, most=5):
    """p(rule, module) under any rule distribution; rules that never occur are among them."""
    A = draw(activations(most))
    return draw(rows(1, len(A)))[0][:, None] * A
