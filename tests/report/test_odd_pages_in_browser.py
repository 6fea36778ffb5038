"""Pages of stores with little or odd content in a real browser, and what keeps foreign content from running."""

import re
from dataclasses import replace

import pytest

import synthetic_results
from modbench.report import write_report
from modbench.report.frame import content_policy, json_script
from report.browser import BARS, marks, opened

MARKUP = "<img src=x onerror=alert(1)></script><script>alert(2)</script>" + 60 * "long "


def odd(case, folder):
    """Writes the page of a store that is odd in one way."""
    runs = {
        "one seed": synthetic_results.specs(rules=(2, 4), task_seeds=[0], seeds=[0]),
        "most missing": synthetic_results.specs(rules=(2, 4), task_seeds=range(5), seeds=range(5)),
    }.get(case, synthetic_results.specs(rules=(2,)))
    tables = synthetic_results.tables(
        folder / "store",
        runs,
        missing=lambda s: (
            case == "most missing" and (s.seed, s.task.task_seed, s.model.name) != (0, 0, "modular")
        ),
        points=3,
    )
    if case == "markup":
        renamed = {
            part: getattr(tables, part).assign(
                model=getattr(tables, part)["model"].astype(str).replace({"modular-op": MARKUP})
            )
            for part in ("runs", "curves", "performance", "activations", "missing")
        }
        tables = replace(tables, **renamed)
    return write_report(tables, folder / "report.html", {"title": MARKUP} if case == "markup" else None)


@pytest.mark.parametrize("case", ["empty", "failed", "one model", "one seed", "most missing", "markup"])
def test_stores_with_little_or_odd_content(chromium, little, tmp_path, case):
    path = little(case) if case in ("empty", "failed", "one model") else odd(case, tmp_path)
    with opened(chromium, path, width=400) as seen:
        if case != "empty":
            seen.settled()
        assert seen.complaints == []
        assert seen.requests == [path.as_uri()]
        page = seen.page
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        if case == "empty":
            assert page.locator("#choose").count() == 0
        if case == "failed":
            assert page.locator("#explore").count() == 0
        if case == "one model":
            assert page.get_by_text("No finished run of a modular model to show.").is_visible()
            assert {re.search(r"Model: ([^;]+)", label)[1] for label in marks(page, "rules", 0)} == {
                "Monolithic"
            }
        if case == "one seed":
            assert all("Interval: none: one task seed and seed" in label for label in marks(page, "rules", 0))
            assert len(marks(page, "rules", 0)) == 8
            assert page.locator(BARS).count() == 0
        if case == "most missing":
            assert any("1 run, 24 missing" in label for label in marks(page, "rules", 0, "Modular"))
        if case == "markup":
            assert MARKUP.strip() in " ".join(page.locator("h1").inner_text().split())
            assert any(MARKUP[:40] in label for label in marks(page, "rules", 0))
            assert page.locator("img").count() == 0


def test_no_other_script_may_run_and_data_cannot_end_its_element():
    assert "unsafe-eval" not in content_policy(["a"])
    assert "'sha256-ypeBEsobvcr6wjGzmiPcTaeG7/gUfE5yuYB3ha/uSLs='" in content_policy(["a"])
    assert json_script("x", ["</script><!--"]).count("<") == 2
