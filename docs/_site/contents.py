"""The table of contents. Pages stay free of it, since a code host would show it as text."""

from sphinx.application import Sphinx

SECTIONS: dict[str, list[str]] = {
    "Begin": ["quick-start", "idea", "questions", "glossary"],
    "What is measured": ["tasks", "models", "metrics"],
    "Use": ["sweeps", "python", "report", "scale-out", "performance"],
    "Evidence": ["reproduction"],
    "Extend": ["architecture", "add-a-task", "add-a-router", "add-a-metric", "add-a-figure"],
    "Reference": ["made/api/modbench", "made/contributing", "made/changelog"],
}
"""Captions and pages, in order. A page that no list names stands at the end of `Use`."""


def toctrees(pages: set[str]) -> str:
    """The hidden toctrees of the pages that there are."""
    listed = {page for names in SECTIONS.values() for page in names} | {"index"}
    rest = sorted(page for page in pages - listed if not page.startswith("made/"))
    blocks = []
    for caption, names in SECTIONS.items():
        shown = [page for page in [*names, *(rest if caption == "Use" else [])] if page in pages]
        blocks.append("\n".join([":::{toctree}", ":hidden:", f":caption: {caption}", "", *shown, ":::"]))
    return "\n\n".join(blocks)


def add_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    """Puts the toctrees at the end of the front page."""
    if docname == "index":
        source[0] += "\n\n" + toctrees(app.env.found_docs)


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers it."""
    app.connect("source-read", add_contents)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
