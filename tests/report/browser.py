"""A real browser for the page's tests: Debian's Chromium, driven by Playwright; tests are skipped where it is not."""

import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Error, sync_playwright

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--no-first-run"]  # fmt: skip
PATIENCE = 60_000
"""Milliseconds: how long a busy machine may take."""

BARS = '.slot[data-along="rules"] svg .mark-rule.role-mark line'
"""Bars of intervals in the charts along rules."""
CHOSEN = """() => Object.fromEntries(
  [...document.querySelectorAll("input[form=choose]:checked")].map(input => [input.name, input.value])
)"""
CHOOSE = """wanted => {
  const inputs = document.querySelectorAll("input[form=choose]");
  for (const input of inputs) input.checked = wanted[input.name] === input.value;
  inputs[0].dispatchEvent(new Event("change", { bubbles: true }));
}"""


@dataclass
class Seen:
    """An open page, and what it did that it should not."""

    page: object
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    _first: dict[str, str] | None = None

    def settled(self):
        """Waits until every chart is drawn."""
        self.page.wait_for_selector('html[data-ready="true"]', state="attached", timeout=PATIENCE)
        return self.page

    def choose(self, name, value):
        """Presses one of the page's controls, as a reader does."""
        self.page.locator(f'label:has(input[name="{name}"][value="{value}"])').click()
        return self.settled()

    def begin(self, **choices):
        """Brings the controls and the legend of a page that others have used back to what it began with.

        Args:
            choices: what else is chosen, by the name of the control.
        """
        page = self.settled()
        if self._first is None:
            self._first = page.evaluate(CHOSEN)
        else:
            self.complaints.clear()  # those who were before have looked at theirs
        for button in page.locator('#legend button[aria-pressed="false"]').all():
            button.click()
        wanted = self._first | {name: str(value) for name, value in choices.items()}
        if page.evaluate(CHOSEN) != wanted:
            page.evaluate(CHOOSE, wanted)
        assert self.settled().evaluate(CHOSEN) == wanted
        page.mouse.move(0, 0)
        return self


@contextmanager
def browser():
    """Starts Chromium; skips the test where there is none."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium, or set CHROMIUM)")
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        except Error as error:
            pytest.skip(f"Chromium does not start here: {str(error).splitlines()[0]}")
        try:
            yield started
        finally:
            started.close()


@contextmanager
def opened(chromium, path: Path, *, width=1280, height=900, scheme="light"):
    """Opens a page that was written."""
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    seen = Seen(page)
    page.on("console", lambda message: seen.complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: seen.complaints.append(f"error: {error}"))
    page.on("request", lambda request: seen.requests.append(request.url))
    try:
        page.goto(path.as_uri(), timeout=PATIENCE)
        yield seen
    finally:
        context.close()


def marks(page, along, which, model=None):
    """The texts of the marks of a chart, from their labels: one per model and place."""
    slot = page.locator(f'.slot[data-along="{along}"][data-which="{which}"]')
    labels = slot.locator("svg .mark-symbol path[aria-label]").evaluate_all(
        "paths => paths.map(path => path.getAttribute('aria-label'))"
    )
    return [label for label in labels if model is None or f"Model: {model};" in f"{label};"]
