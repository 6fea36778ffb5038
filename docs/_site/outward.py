"""Links as a code host follows them, made links of the site: to modules, and to pages that lie beside `docs/`."""

import re
from os.path import relpath
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
BESIDE = {ROOT / "CONTRIBUTING.md": "contributing", ROOT / "CHANGELOG.md": "changelog"}
"""Pages beside `docs/`, and what they are called in the site."""
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def bring_pages(app: Sphinx) -> None:
    """Copies the pages that lie beside `docs/` into the sources, where they have changed."""
    for page, name in BESIDE.items():
        copy, text = DOCS / "made" / f"{name}.md", page.read_text("utf-8")
        if not copy.exists() or copy.read_text("utf-8") != text:
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(text, "utf-8")


def site_link(text: str, target: Path, anchor: str, page: Path) -> str:
    """A link of the site.

    Args:
        text: of the link.
        target: file or folder that it leads to on a code host.
        anchor: within it, with its `#`, or empty.
        page: that has the link, as the site has it.
    """
    if target.is_relative_to(ROOT / "src"):
        module = target.relative_to(ROOT / "src").with_suffix("")
        module = module.parent if module.name == "__init__" else module
        if (ROOT / "src" / module).is_dir() or target.suffix == ".py":
            return f"{{py:mod}}`{text.replace('`', '')} <{'.'.join(module.parts)}>`"
    if target == ROOT / "README.md":
        target, anchor = DOCS / "index.md", ""
    elif target in BESIDE:
        target = DOCS / "made" / f"{BESIDE[target]}.md"
    elif target.is_dir() or (target.suffix == ".md" and not target.is_relative_to(DOCS)):
        return text  # a folder or a page of the repository, which the site has no page for
    return f"[{text}]({relpath(target, page.parent)}{anchor})"


def rewrite(app: Sphinx, docname: str, source: list[str]) -> None:
    """Rewrites the links of a Markdown page, outside its code."""
    page = Path(app.env.doc2path(docname))
    if page.suffix != ".md":
        return
    written_in = ROOT if docname.startswith("made/") else page.parent

    def replace(link: re.Match[str]) -> str:
        if link[2].startswith(("http://", "https://")):
            return link[0]
        return site_link(link[1], (written_in / link[2]).resolve(), link[3] or "", page)

    parts = FENCED.split(source[0])
    source[0] = "".join(part if part.startswith("```") else LINK.sub(replace, part) for part in parts)


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers both, before pages are looked for."""
    app.connect("builder-inited", bring_pages, priority=100)
    app.connect("source-read", rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
