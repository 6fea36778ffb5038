"""The built site must need no network: a page that would fetch anything from another host fails the build."""

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

FETCHED = re.compile(r"<(?:script|img|iframe|link|source)\b[^>]*?\b(?:src|href)=\"((?:https?:)?//[^\"]+)\"")
IMPORTED = re.compile(r"(?:@import|url\()\s*[\"']?((?:https?:)?//[^\"')]+)")
log = logging.getLogger(__name__)


def check(app: Sphinx, failure: Exception | None) -> None:
    """Warns of every page or style sheet that names what it would fetch elsewhere."""
    if failure is not None or app.builder.name != "html":
        return
    for pattern, ending in ((FETCHED, "html"), (IMPORTED, "css")):
        for path in Path(app.outdir).rglob(f"*.{ending}"):
            if "_downloads" not in path.parts and (found := pattern.search(path.read_text("utf-8"))):
                log.warning("%s fetches %s", path.relative_to(app.outdir), found[1], type="offline")


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers it."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
