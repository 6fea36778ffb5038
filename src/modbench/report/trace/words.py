"""Numbers and names as the page writes them."""

from collections.abc import Sequence

from modbench.trace.names import Name

SPACE = "\N{NO-BREAK SPACE}"
"""Between a number and its unit, which stay on one line."""


def digits(value: float | None) -> str:
    """A measure's value, whole numbers without a point; nothing where there is none."""
    if value is None:
        return ""
    if abs(value) >= 100 or value == round(value):
        return f"{value:,.0f}"
    text = f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
    return text.replace("-0.000", "0.000")


def percent(share: float) -> str:
    """A share in percent: two digits, and more where it is close to 0."""
    places = 0 if share >= 0.1 else 1 if share >= 0.01 else 2
    return f"{100 * share:.{places}f}{SPACE}%"


def probability(p: float | None) -> str:
    """A p-value; nothing where there is none."""
    return "" if p is None else f"{p:.2g}"


def interval(low: float | None, high: float | None) -> str:
    """The two ends of an interval; nothing where there is none."""
    return "" if low is None or high is None else f"{digits(low)} to {digits(high)}"


def named_layers(layers: Sequence[Name], of: int) -> str:
    """Some layers of `of` in words, at most eight of them by name."""
    if len(layers) == of:
        return f"all {of} layers" if of > 1 else f"layer {layers[0]}"
    names = [str(layer) for layer in layers]
    if len(names) == 1:
        return f"layer {names[0]}"
    if len(names) > 8:
        return f"{len(names)} of {of} layers ({', '.join(names[:8])} and more)"
    return f"layers {', '.join(names[:-1])} and {names[-1]}"
