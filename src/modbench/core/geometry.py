"""Widths inside the models, in plain arithmetic (PAPER section 3).

E encoder width, D model width, M modules.
"""

import math


def mlp_hidden_width(model_width: int, num_modules: int) -> int:
    """Hidden units of one MLP module: D // M."""
    return model_width // num_modules


def mha_head_width(model_width: int, num_heads: int) -> int:
    """Width of one attention head: D // heads."""
    return model_width // num_heads


def mha_module_hidden(encoder_width: int, model_width: int, num_modules: int) -> int:
    """I, the hidden units of one MHA module's output map, which match the monolithic body's parameters.

    I = floor( 2E [M H (D + E) + D] / ( M [D (H + 1) + M H E] ) ) with H = 2 heads per module.
    """
    width, modules, heads = model_width, num_modules, 2
    above = 2 * encoder_width * (modules * heads * (width + encoder_width) + width)
    below = modules * (width * (heads + 1) + modules * heads * encoder_width)
    return above // below


def rnn_hidden_width(encoder_width: int, model_width: int, num_modules: int) -> int:
    """H of the modular RNN: floor of the positive root of (4M+1) h^2 + (4ME+1) h = 5 D^2 + D (4E+1)."""
    a = 4 * num_modules + 1
    b = 4 * num_modules * encoder_width + 1
    c = 5 * model_width**2 + model_width * (4 * encoder_width + 1)
    return (math.isqrt(b * b + 4 * a * c) - b) // (2 * a)
