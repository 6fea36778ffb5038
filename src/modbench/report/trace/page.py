"""The trace's page: everything put together, rendered, and written at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from modbench import __version__
from modbench.core.text import harmless
from modbench.figures.style import COLOURS, HEAT_POWER
from modbench.report.frame import (
    DARK,
    content_policy,
    json_script,
    own_script,
    packed_script,
    template,
    write_page,
)
from modbench.report.trace.charts import HEIGHT, LEFT, RIGHT, WIDTH
from modbench.report.trace.comparison import Compared, compared_in_words, comparison
from modbench.report.trace.experts import MILLION, LayerView, layer_data, layer_views
from modbench.report.trace.sentences import conclusions, first_layer, limits
from modbench.report.trace.tables import axes, glance
from modbench.trace import Measures, RoutingCounts

SCRIPTS = ("frame.js", "heat.js", "trace/page.js", "start.js")
MOST_OPEN = 16
"""Layers whose table stands open: of more, it is longer than two screens."""
TESTS = {
    "groups": "labels shuffled over documents or sequences, {shuffles:,} times",
    "tokens": "tokens taken as independent, drawn {shuffles:,} times",
    "none": "none",
}


def write_trace_page(
    measures: Measures,
    counts: RoutingCounts,
    path: str | Path,
    compare: Compared | None = None,
    source: Mapping[str, Any] | None = None,
) -> Path:
    """Writes one HTML page about a trace: no other file, no network.

    Args:
        measures: as `modbench.trace.measure` gives them.
        counts: that they were measured from.
        path: of the page; a file that is there is replaced, in one step.
        compare: another trace that this one is compared with.
        source: what the page shall say about where the trace comes from, such as the file and the command; name ->
            value, shown as given. `"title"` becomes the page's headline.

    Returns:
        The path.

    Raises:
        RequestError: the path is a folder or anything else that is no regular file, or measures and counts differ.
        MachineError: the page cannot be written.
    """
    return write_page(path, "the page", lambda: render(measures, counts, compare, source or {}))


def render(
    measures: Measures, counts: RoutingCounts, compare: Compared | None, source: Mapping[str, Any]
) -> str:
    """The page's HTML; see `write_trace_page`."""
    views = layer_views(measures, counts)
    layers = [view.name for view in views]
    said = dict(source)
    script = own_script(SCRIPTS)
    fair = 1 / counts.num_experts
    top = max(float(view.A.max()) for view in views)
    return template("trace/page.html.j2").render(
        title=str(said.pop("title", "Routing trace")),
        version=__version__,
        policy=content_policy([script]),
        script=Markup(script),
        light=COLOURS,
        dark=DARK,
        contents=_contents(compare is not None, len(counts.labels) > 1, counts.pairs is not None),
        chips=_chips(counts, views),
        says=conclusions(measures, counts, views),
        limits=limits(measures, counts, views),
        notes=measures.notes,
        glance=glance(measures),
        most_open=MOST_OPEN,
        axes=axes(measures, layers, None if compare is None else compare.measures),
        frame={"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT},
        tested=measures.shuffles > 0,
        layers=[harmless(layer) for layer in layers],
        labels=counts.labels,
        fair=fair,
        top=top,
        marks=[(share / fair, share / top) for share in _marks(fair, top)],
        heat_power=HEAT_POWER,
        paired=counts.pairs is not None,
        compare=compare,
        comparison=None if compare is None else comparison(measures, compare),
        compared=[] if compare is None else compared_in_words(measures, compare),
        provenance={**said, **_provenance(measures, counts, views)},
        shared=json_script("store", _shared(measures, counts, views, top)),
        of_layers=[packed_script(f"layer{at}", layer_data(view)) for at, view in enumerate(views)],
    )


def _shared(measures: Measures, counts: RoutingCounts, views: list[LayerView], top: float) -> dict[str, Any]:
    """What the script knows of all layers."""
    return {
        "layers": [harmless(view.name) for view in views],
        "labels": [harmless(label) for label in counts.labels],
        "num_experts": counts.num_experts,
        "million": MILLION,
        "top": top,
        "first": first_layer(measures, views),
        "heat_power": HEAT_POWER,
    }


def _marks(fair: float, top: float) -> list[float]:
    """Shares that the colour scale marks: none, a fair one, and its doubles."""
    marks, share = [0.0], fair
    while share <= top:
        marks.append(share)
        share *= 2 if fair * 8 > top else 4
    return marks


def _contents(compared: bool, labelled: bool, paired: bool) -> list[tuple[str, str]]:
    """The page's sections: id and what the table of contents calls them."""
    sections = [("answer", "Answer"), ("limits", "Limits"), ("layers", "Layers")]
    sections += [("experts", "Experts and labels" if labelled else "Experts")]
    sections += [("together", "Experts together")] if paired else []
    sections += [("comparison", "Comparison")] if compared else []
    return [*sections, ("read", "How to read"), ("provenance", "Source")]


def _chips(counts: RoutingCounts, views: list[LayerView]) -> list[tuple[str, str]]:
    """The size of the trace: numbers and what they count."""
    tokens = int(counts.sums["tokens"].sum(axis=1).max())
    sizes = [
        (len(views), "layer"),
        (counts.num_experts, "expert"),
        (len(counts.labels), "label"),
        (tokens, "token"),
    ]
    if counts.units is not None:
        groups = len(set(counts.units.group.tolist()))
        sizes.append((groups, "sampled group" if counts.sampled else "group"))
    return [(f"{count:,}", what + ("" if count == 1 else "s")) for count, what in sizes]


def _provenance(measures: Measures, counts: RoutingCounts, views: list[LayerView]) -> dict[str, str]:
    slots = sum(view.slots for view in views) / max(1, int(counts.sums["served"].sum()))
    return {
        "Size": ", ".join(f"{count} {what}" for count, what in _chips(counts, views)),
        "Experts of a token": f"{slots:.3g}",
        "Test": TESTS[measures.chance].format(shuffles=measures.shuffles),
        "Seed of the shuffles": str(measures.seed),
    }
