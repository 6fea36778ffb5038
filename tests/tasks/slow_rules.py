"""The rules of PAPER section 2 (Eq. 4-15) once more, one number at a time in double precision."""

import numpy as np

FIXED = (
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: min(a, b),
    lambda a, b: max(a, b),
)


def combine(variant, coefficients, rule, a, b):
    if variant == "fixed-ops":
        return FIXED[rule](a, b)
    alpha, beta = coefficients
    return float(alpha[rule]) * a + float(beta[rule]) * b


def mlp(variant, coefficients, inputs, rule):
    pairs = zip(inputs.tolist(), rule.tolist(), strict=True)
    return np.array([combine(variant, coefficients, r, x1, x2) for (x1, x2), r in pairs])


def mha_sequence(variant, version, coefficients, tokens, rule):
    """Targets of one sequence: tokens (N, F), rule (N,)."""
    width = 4 if version == 1 else 6
    targets = []
    for n, r in enumerate(rule.tolist()):
        blocks = [token[r * width : (r + 1) * width] for token in tokens.tolist()]
        values = []
        for search in (0, 1):
            best, found = -np.inf, None
            for i, block in enumerate(blocks):
                if i == n:
                    continue
                if version == 1:
                    nearness = -abs(block[search] - blocks[n][search])
                else:
                    mine, other = blocks[n][2 * search : 2 * search + 2], block[2 * search : 2 * search + 2]
                    nearness = mine[0] * other[0] + mine[1] * other[1]
                if nearness > best:
                    best, found = nearness, i
            values.append(blocks[found][width - 2 + search])
        targets.append(combine(variant, coefficients, r, *values))
    return np.array(targets)


def mha(variant, version, coefficients, inputs, rule):
    return np.stack(
        [mha_sequence(variant, version, coefficients, *one) for one in zip(inputs, rule, strict=True)]
    )


def rnn(coefficients, inputs, rule):
    """States (B, N, d) of inputs (B, N, d)."""
    A, B = np.float64(coefficients.A), np.float64(coefficients.B)
    order, d = A.shape[1], A.shape[2]
    states = np.zeros(inputs.shape)
    for b in range(len(inputs)):
        for n in range(inputs.shape[1]):
            r = rule[b, n]
            for j in range(d):
                total = sum(inputs[b, n, i] * B[r, i, j] for i in range(d))
                for lag in range(1, order + 1):
                    if n - lag >= 0:
                        total += sum(states[b, n - lag, i] * A[r, lag - 1, i, j] for i in range(d))
                states[b, n, j] = total
    return states
