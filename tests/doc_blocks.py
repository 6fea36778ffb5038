"""The code blocks of the documentation, each with what is to be done with it."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[1]
README, SWEEPS = ROOT / "README.md", ROOT / "docs" / "sweeps.md"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
NEEDS = ("a checkout", "a cluster", "a GPU", "hours")
"""What a block may say it needs, in a comment right above it: `<!-- needs a GPU -->`. It is not run then."""
ELSEWHERE = ("python", "sh", "bash", "yaml")
"""Languages of what another machine may be needed for."""
SHOWN = ("text", "bibtex")


class Block(NamedTuple):
    """A block of code.

    Attributes:
        page: file.
        line: of the block in it, from 1 on.
        language: after the fence; None for an indented block, which can say nothing of itself.
        text: of the block.
        needs: one of `NEEDS`, or what else is said there; empty where nothing is.
        prints: what the page shows as its output: the block of text right behind it.
    """

    page: Path
    line: int
    language: str | None
    text: str
    needs: str
    prints: str | None = None

    @property
    def use(self) -> str | None:
        """What is done with it: run, parsed, shown, or what it needs; None where nobody knows."""
        if self.needs:
            return f"needs {self.needs}" if self.needs in NEEDS and self.language in ELSEWHERE else None
        if self.language in SHOWN:
            return "shown"
        return {"python": "run", "sh": "command", "toml": "sweep"}.get(self.language or "")


@cache
def blocks(page: Path) -> tuple[Block, ...]:
    """All blocks of a page, from top to bottom."""
    found: list[Block] = []
    tokens = MarkdownIt().parse(page.read_text("utf-8"))
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.type not in ("fence", "code_block"):
            continue
        language = token.info.strip() if token.type == "fence" else None
        said = (
            re.search(r"<!-- needs (.+?) -->\s*$", before.content)
            if before and before.type == "html_block"
            else None
        )
        if language == "text" and before and before.type == "fence" and before.info.strip() == "python":
            found[-1] = found[-1]._replace(prints=token.content)
        line = token.map[0] + 1 if token.map else 0
        found.append(Block(page, line, language, token.content, said[1] if said else ""))
    return tuple(found)


def of(page: Path, *uses: str) -> list[Block]:
    """The blocks of a page that have one of some uses."""
    return [block for block in blocks(page) if block.use in uses]


def shell_lines(page: Path) -> list[str]:
    """The command lines of a page, but for those that other machines are needed for; without what explains them."""
    return [line for block in of(page, "command") for line in lines_of(block)]


def lines_of(block: Block) -> list[str]:
    """The command lines of a block."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]
