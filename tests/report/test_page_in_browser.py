"""The page in a real browser: quiet, alone, quick to show itself, and every control changes what it should."""

import re
from contextlib import ExitStack
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from playwright.sync_api import expect

import synthetic_results
from modbench.figures.style import COLOURS, heat
from modbench.report import write_report
from report.browser import BARS, marks, opened


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A page of two architectures, both kinds, and two capacities of one of them; some runs failed or missing.

    The parameters of the least error have an error of 0.5 and one module for all rules, which no others have.
    """
    mlp = synthetic_results.specs(
        kinds=("regression", "classification"), rules=(2, 4), task_seeds=range(2), widths=(32, 64)
    )
    rnn = synthetic_results.specs(synthetic_results.FAMILIES[3:], rules=(2,), task_seeds=range(2))
    tables = synthetic_results.tables(
        tmp_path_factory.mktemp("page") / "store",
        [*mlp, *rnn],
        failed=lambda s: s.seed == 1 and s.task.task_seed == 1 and s.model.name == "modular",
        missing=lambda s: s.model.name == "modular-op" and s.task.num_rules == 4,
        points=5,
    )
    runs = tables.runs.copy()
    runs.loc[(runs["checkpoint"] == "best") & (runs["status"] == "done"), "error_id"] = 0.5
    activations = tables.activations.copy()
    for row in activations.index[activations["checkpoint"] == "best"]:
        activations.at[row, "matrix"] = np.eye(activations.at[row, "num_modules"])[
            [0] * activations.at[row, "num_rules"]
        ]
    return write_report(
        replace(tables, runs=runs, activations=activations), tmp_path_factory.mktemp("page") / "report.html"
    )


@pytest.fixture(scope="module")
def opening(chromium, path):
    """Opens the page at a width and in a colour scheme, once: drawing its charts takes longer than most tests."""
    with ExitStack() as stack:
        yield cache(
            lambda width, scheme: stack.enter_context(opened(chromium, path, width=width, scheme=scheme))
        )


@pytest.fixture
def seen(request, opening, path):
    """The page as it was when it was opened, but for what was done in its matrices and films.

    A parameter names what else is chosen: the charts are drawn again for each choice, if it is not made already.
    """
    found = opening(1280, "light").begin(**getattr(request, "param", {}))
    yield found
    assert found.complaints == []
    assert set(found.requests) == {path.as_uri()}


STRENGTHS = (
    "canvas => [...canvas.getContext('2d').getImageData(0, 0, 2, 2).data].filter((_, k) => k % 4 === 3)"
)
"""How strong the colours of the first two rules and modules are, from 0 to 255."""
two_rules = pytest.mark.parametrize("seen", [{"rules": 2}], indirect=True, ids=["two rules"])


def test_the_first_view_is_there_within_three_seconds(seen):
    painted = "performance.getEntriesByType('paint').map(entry => entry.startTime)"
    times = seen.page.evaluate(painted)
    assert times
    if max(times) >= 3000:  # on a machine that had something else to do, perhaps
        seen.page.reload()
        times = seen.settled().evaluate(painted)
    assert max(times) < 3000
    assert seen.page.locator("h1").is_visible()


def test_a_mark_says_its_value_interval_and_runs(seen):
    (label,) = [text for text in marks(seen.page, "rules", 0, "Modular") if "rules: 2;" in text]
    assert seen.page.locator(BARS).count() > 0
    value, low, high = re.search(r"Value: ([\d.]+); Interval: ([\d.]+) to ([\d.]+) \(95 %\)", label).groups()
    assert float(low) < float(value) < float(high)
    assert "Runs: 6 runs, 2 failed; 2 task seeds x 2 seeds" in label
    assert label.startswith("Model: Modular; rules: 2; Value: ")  # and nothing of what the chart is made with
    slot = seen.page.locator('.slot[data-along="rules"][data-which="0"]')
    slot.scroll_into_view_if_needed()
    slot.locator("svg .mark-symbol path").first.hover()
    tooltip = seen.page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    assert "Interval" in tooltip.inner_text()


def test_controls_choose_what_the_charts_show(seen):
    page = seen.page
    before = marks(page, "rules", 0)
    seen.choose("capacity", 64)
    narrow = marks(page, "rules", 0)
    assert len(narrow) == len(before)
    assert narrow != before
    seen.choose("kind", "classification")
    assert all(" %" in label for label in marks(page, "rules", 0))
    seen.choose("rules", 2)
    assert {re.search(r"Model: ([^;]+)", label)[1] for label in marks(page, "runs", 0)} == {
        "Monolithic", "Modular", "Modular-op", "GT-Modular",
    }  # fmt: skip
    seen.choose("rules", 4)
    assert not marks(page, "runs", 0, "Modular-op")  # its runs with four rules are missing
    assert page.locator('.slot[data-along="length"]').first.is_hidden()
    assert page.locator('fieldset[data-name="length"]').is_hidden()


def test_what_another_architecture_lacks_cannot_be_chosen_and_lengths_can(seen):
    page = seen.choose("family", "RNN")
    assert page.locator('fieldset[data-name="kind"]').is_hidden()
    assert page.locator('fieldset[data-name="capacity"]').is_hidden()
    assert marks(page, "length", 1.0)
    reported = marks(page, "rules", 1)
    seen.choose("length", 10)
    assert marks(page, "rules", 1) != reported
    assert page.locator(".score:visible h3").all_inner_texts() == ["RNN · regression, 2 rules"]


def test_the_last_of_two_quick_choices_is_shown(seen):
    seen.page.evaluate("""() => {
      for (const value of ["RNN", "MLP", "RNN"]) {
        const input = document.querySelector(`input[name="family"][value="${value}"]`);
        input.checked = true;
        input.dispatchEvent(new Event("change", { bubbles: true }));
      }
    }""")
    page = seen.settled()
    assert page.locator(".score:visible h3").all_inner_texts() == ["RNN · regression, 2 rules"]
    assert marks(page, "length", 1.0)


def test_the_checkpoint_can_be_chosen(seen):
    page = seen.page
    assert not any("Value: 0.500" in label for label in marks(page, "rules", 0))
    seen.choose("checkpoint", 1)
    assert marks(page, "rules", 0)
    assert all("Value: 0.500" in label for label in marks(page, "rules", 0))


def test_the_legend_hides_a_model_and_shows_it_again(seen):
    page, button = seen.page, seen.page.locator('#legend button[data-model="1"]')
    assert marks(page, "rules", 0, "Modular")
    button.focus()
    page.keyboard.press("Enter")
    seen.settled()
    assert button.get_attribute("aria-pressed") == "false"
    assert not marks(page, "rules", 0, "Modular")
    assert marks(page, "rules", 0, "Modular-op")
    assert "Modular" not in page.locator("#browser h4").all_inner_texts()
    button.click()
    seen.settled()
    assert marks(page, "rules", 0, "Modular")


def test_the_keyboard_chooses(seen):
    page = seen.page
    page.locator('input[name="rules"]:checked').focus()
    page.keyboard.press("ArrowLeft")
    seen.settled()
    assert page.locator('input[name="rules"]:checked').get_attribute("value") == "2"
    assert page.locator(".score:visible h3").inner_text().endswith("2 rules")


@two_rules
def test_matrices_can_be_leafed_through(seen):
    page = seen.page
    cards = page.locator(".matrix-card")
    expect(page.locator("#browser h4")).to_have_text(["Modular", "Modular-op", "GT-Modular"])
    given = cards.nth(2)
    assert given.locator("dd").all_inner_texts()[2:] == ["0.00"] * 3 + given.locator("dd").all_inner_texts()[
        5:6
    ] + ["0.00"]
    assert given.locator("canvas.large").evaluate(STRENGTHS) == [255, 0, 0, 255]  # a perfect diagonal
    label = cards.first.locator("canvas.large").get_attribute("aria-label")
    assert label.startswith("Modular, task seed 0, seed 0: Error, in distribution")
    page.locator("#run-after").click()
    page.locator('canvas.large[aria-label^="Modular, task seed 0, seed 1:"]').wait_for()
    page.select_option("#run-task", "1")
    page.get_by_text("No matrix of task seed 1, seed 1").wait_for()  # that run of Modular failed
    page.locator('[data-run="2-0-0"]').click()
    page.locator('canvas.large[aria-label^="Modular-op, task seed 0, seed 0:"]').wait_for()
    assert page.locator('[data-run="2-0-0"]').get_attribute("aria-pressed") == "true"


@two_rules
def test_matrices_and_their_numbers_are_of_the_chosen_checkpoint(seen):
    page = seen.page
    canvas = page.locator("#browser .matrix-card").nth(2).locator("canvas.large")
    assert "0.500" not in canvas.get_attribute("aria-label")
    seen.choose("checkpoint", 1)
    expect(page.locator("#activations .shows")).to_contain_text("2 rules · “best” checkpoint")
    page.locator('#browser[data-shown$=",2,1"]').wait_for(state="attached")
    assert canvas.evaluate(STRENGTHS) == [255, 0, 255, 0]
    assert "Error, in distribution 0.500" in canvas.get_attribute("aria-label")


@two_rules
def test_an_entry_of_a_matrix_is_told_to_the_pointer_and_the_keyboard(seen):
    page = seen.page
    given = page.locator("#browser .matrix-card").nth(2)
    canvas, note = given.locator("canvas.large"), given.locator(".pointed")
    side = canvas.bounding_box()["width"]
    canvas.hover(position={"x": 0.9 * side, "y": 0.1 * side})
    assert note.inner_text() == "rule 0, module 1: p = 0.000"
    page.mouse.move(0, 0)
    assert note.inner_text() == "2 rules down, 2 modules across"
    page.locator("#run-after").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    first = page.locator("#browser .pointed").first
    assert first.inner_text().startswith("rule 1, module 0: p = ")
    assert page.locator("#browser .heat").first.locator(".down i").all_inner_texts() == ["0", "1"]


def test_matrices_are_drawn_for_the_theme_and_for_paper(opening):
    page = opening(768, "dark").settled()
    canvas = page.locator("#browser canvas.large").last
    pixel = "canvas => [...canvas.getContext('2d').getImageData(0, 0, 1, 1).data].slice(0, 3)"
    theme = "getComputedStyle(document.documentElement).getPropertyValue('--heat').trim()"

    def colour():
        return "#" + bytes(canvas.evaluate(pixel)).hex()

    page.locator('#browser canvas[aria-label^="GT-Modular"]').wait_for()
    shown = [colour()]
    assert shown[-1] == page.evaluate(theme)
    page.emulate_media(media="print")
    page.wait_for_function("getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 254)'")
    shown.append(colour())
    assert shown[-1] == page.evaluate(theme) != shown[0]
    page.emulate_media(media="screen")


def test_a_share_has_the_colour_that_it_has_in_a_figure(seen):
    page = seen.page
    card = page.locator("#browser .matrix-card").filter(has=page.locator('canvas[aria-label^="Modular,"]'))
    canvas, note = card.locator("canvas.large"), card.locator(".pointed")
    first_row = """canvas => {
      const copy = new OffscreenCanvas(canvas.width, 1).getContext("2d", { willReadFrequently: true });
      copy.drawImage(canvas, 0, 0);
      const bytes = [...copy.getImageData(0, 0, canvas.width, 1).data];
      return Array.from({ length: canvas.width }, (_, cell) => bytes.slice(4 * cell, 4 * cell + 4));
    }"""
    paper, shares = bytes.fromhex(COLOURS["paper"][1:]), []
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    across, down = canvas.evaluate("canvas => [canvas.width, canvas.height]")
    for cell, (*ink, alpha) in enumerate(canvas.evaluate(first_row)):
        canvas.hover(position={"x": (cell + 0.5) * box["width"] / across, "y": 0.5 * box["height"] / down})
        shares.append(float(re.search(rf"rule 0, module {cell}: p = ([\d.]+)", note.inner_text())[1]))
        mixed = [(i * alpha + p * (255 - alpha)) / 255 for i, p in zip(ink, paper, strict=True)]
        assert mixed == pytest.approx(list(bytes.fromhex(heat(shares[-1])[1:])), abs=2)
    assert len(set(shares)) > 2


def test_axes_of_errors_say_their_unit_and_scale(seen):
    def said(along):
        slots = seen.page.locator(f'.slot[data-along="{along}"]:has(svg)').filter(visible=True)
        titles = slots.locator("svg .role-axis-title text").all_text_contents()
        return {title for title in titles if title.startswith("error")}

    assert said("rules") == said("steps") == {"error, L1, log scale"}
    for along in ("capacity", "runs"):
        assert {title.removesuffix(", log scale") for title in said(along)} == {"error, L1"}
    assert not said("course")
    seen.choose("kind", "classification")
    for along in ("rules", "steps", "capacity", "runs"):
        assert {title.removesuffix(", log scale") for title in said(along)} == {"error, %"}


def test_on_a_phone_no_table_is_cut_and_every_number_has_its_heading(opening):
    page = opening(390, "light").settled()
    page.evaluate("for (const part of document.querySelectorAll('main details')) part.open = true")
    tables = "[...document.querySelectorAll('main table')].filter((table) => table.offsetParent)"
    assert page.evaluate(f"{tables}.length") > 8
    assert not page.evaluate(
        f"{tables}.filter((one) => one.scrollWidth > one.parentElement.clientWidth).map((one) => one.className)"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    parameters = page.locator("#confounds table").filter(visible=True).first.locator("tbody tr").first
    assert parameters.locator("td").first.evaluate("cell => getComputedStyle(cell, '::before').content") == (
        '"Parameters, Modular / Monolithic"'
    )
    bare = f"{tables}.flatMap((table) => [...table.querySelectorAll('td:not([data-label])')]).length"
    assert page.evaluate(bare) == page.locator(".effects td:not([data-label])").filter(visible=True).count()


@two_rules
def test_every_run_stands_beside_random_and_models_without_a_metric_take_no_room(seen):
    page = seen.page
    slot = page.locator('.slot[data-along="runs"][data-which="4"]')
    assert slot.locator("svg .mark-rule.role-mark line").count() == 1
    assert (
        "Value: 0.00; Run: task seed 0, seed 0, encoder width 32" in marks(page, "runs", 4, "GT-Modular")[0]
    )
    chart, first = (slot.locator(f"svg{part}").first.bounding_box() for part in ("", " .mark-symbol path"))
    assert first["x"] - chart["x"] < 0.3 * chart["width"]
    ticks = page.locator('.slot[data-along="course"] svg .role-axis-label text').all_text_contents()
    assert {"500", "1k"} <= set(ticks)


@two_rules
def test_courses_of_routing_have_random_beside_them_and_follow_the_choices(seen):
    page = seen.page
    first = marks(page, "course", 2, "Modular")
    assert len(first) == 5  # evaluations
    assert "step: 0;" in first[0]
    assert "Value: 0.50;" in first[0]  # alignment of uniform routing of two rules
    assert not marks(page, "course", 2, "Monolithic")
    assert page.locator('.slot[data-along="course"][data-which="2"] svg .mark-line path').count() > 2
    seen.choose("capacity", 64)
    assert marks(page, "course", 2, "Modular") != first


@two_rules
def test_a_slider_shows_matrices_as_they_form(seen):
    page = seen.page
    expect(page.locator("#cinema h4")).to_have_text(["Modular", "Modular-op", "GT-Modular"])
    slider, told = page.locator("#film-step"), page.locator("#film-at")
    canvas = page.locator("#cinema .matrix-card").first.locator("canvas")
    picture = "canvas => canvas.toDataURL()"
    assert told.inner_text() == "after 2,000 steps"
    label = canvas.get_attribute("aria-label")
    assert label.startswith("Modular, task seed 0, seed 0, after 2,000 steps: Collapse-Avg ")
    formed = canvas.evaluate(picture)
    slider.focus()
    page.keyboard.press("Home")
    assert told.inner_text() == slider.get_attribute("aria-valuetext") == "after 0 steps"
    assert canvas.evaluate(picture) != formed
    assert "Alignment 0.50" in canvas.get_attribute("aria-label")
    page.keyboard.press("ArrowRight")
    assert told.inner_text() == "after 500 steps"
    page.locator("#film-play").press("Enter")
    page.get_by_text("after 2,000 steps", exact=True).wait_for()
    assert canvas.evaluate(picture) == formed
    page.select_option("#film-seed", "1")
    page.locator('#cinema canvas[aria-label^="Modular-op, task seed 0, seed 1, after 2,000"]').wait_for()
    page.locator('#legend button[data-model="1"]').click()
    expect(page.locator("#cinema h4")).to_have_text(["Modular-op", "GT-Modular"])


def test_the_numbers_can_be_read_as_a_table(seen):
    details = seen.page.locator("#explore details.numbers").first
    details.locator("summary").click()
    rows = details.locator("tr")
    assert rows.first.inner_text().split("\t")[:4] == ["Figure", "Model", "At", "Value"]
    assert rows.count() > 8


UNCOVERED = """id => {
  const heading = document.querySelector(`#${id} h2`).getBoundingClientRect().top;
  const line = document.querySelector(matchMedia("(max-width: 46rem)").matches ? "#menu summary" : "#menu");
  return heading >= line.getBoundingClientRect().bottom && heading < innerHeight / 2;
}"""
"""Whether a section's heading stands at the top of the screen, below what stays there."""


def test_the_table_of_contents_leads_to_every_section_and_none_lands_below_the_menu(seen):
    page = seen.page
    links = page.locator("nav a")
    ids = page.locator("main > section").evaluate_all("sections => sections.map(section => section.id)")
    assert links.evaluate_all("links => links.map(link => link.hash.slice(1))") == ids
    links.nth(ids.index("distribution")).press("Enter")
    page.wait_for_function(UNCOVERED, arg="distribution")
    page.locator('nav a[aria-current="true"][href="#distribution"]').wait_for()
    page.locator('.slot[data-along="runs"][data-which="2"] svg .mark-symbol path').last.click()
    page.wait_for_function(UNCOVERED, arg="activations")


def test_on_a_phone_a_line_stays_that_opens_sections_and_choices(opening):
    page = opening(360, "light").settled()
    summary, panel = page.locator("#menu summary"), page.locator("#choose")
    page.evaluate("scrollTo(0, 5000)")
    page.wait_for_function(
        "scrollY > 4000 && document.querySelector('#menu').getBoundingClientRect().top === 0"
    )
    assert panel.is_hidden()
    summary.press("Enter")
    page.locator('label:has(input[name="rules"][value="2"])').click()
    expect(summary).to_contain_text("MLP · regression · 2 rules")
    page.locator('nav a[href="#forming"]').click()
    page.wait_for_function(UNCOVERED, arg="forming")
    assert panel.is_hidden()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 768)])
def test_the_page_follows_the_system_and_its_switch(opening, scheme, width):
    paper = {"light": "rgb(255, 255, 254)", "dark": "rgb(20, 24, 29)"}
    page = opening(width, scheme).settled()
    colour = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(colour) == paper[scheme]
    shown = [scheme]
    for _ in range(3):
        page.locator("#theme").click()
        shown.append(next(name for name, value in paper.items() if value == page.evaluate(colour)))
    assert shown == [scheme, "light", "dark", scheme]
    fill = page.locator("svg .mark-symbol path").first.evaluate("mark => getComputedStyle(mark).fill")
    assert fill != "none"
    page.emulate_media(media="print")
    assert page.evaluate(colour) == paper["light"]
    page.emulate_media(media="screen")


@two_rules
def test_paper_has_what_was_chosen_in_words_and_no_controls(seen):
    page = seen.page
    page.emulate_media(media="print")
    assert page.locator(".score:visible h3").all_inner_texts() == ["MLP · regression, 2 rules"]
    assert not page.locator("#menu, #theme, fieldset, #film-play").filter(visible=True).count()
    said = "MLP · regression · 2 rules · all encoder widths · “last” checkpoint"
    assert (
        page.locator("#explore .shows").inner_text()
        == page.locator("#distribution .shows").inner_text()
        == said
    )
    assert page.locator("#explore .legend").is_visible()
    dot = page.locator(".score:visible .bar .dot").first
    assert dot.evaluate("dot => getComputedStyle(dot).printColorAdjust") == "exact"
    page.emulate_media(media="screen")


@pytest.mark.parametrize(("scheme", "width"), [("light", 360), ("dark", 768), ("light", 1440)])
def test_nothing_sticks_out_at_any_width(opening, scheme, width):
    page = opening(width, scheme).settled()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert all(
        box["width"] <= width
        for box in (one.bounding_box() for one in page.locator(".plot svg").all())
        if box
    )
