"""The page: complete, self-contained, escaped, sensible with little in it, and written in one step."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import synthetic_results
from modbench.analysis import with_settings
from modbench.analysis.paired import paired
from modbench.core.errors import MachineError, RequestError
from modbench.core.quantities import CURVE_METRICS, METRICS
from modbench.figures import FIGURES
from modbench.figures.style import COLOURS
from modbench.metrics import fixed_routing_metrics, uniform_routing
from modbench.report import write_report
from modbench.report.conclusions import conclusions
from modbench.report.films import shown_films
from modbench.report.frame import DARK
from modbench.report.guide import FORMULAS, READINGS, examples
from modbench.report.page import EXPLORED

VOID = {"meta", "br", "input", "link", "img", "hr"}


class Page(HTMLParser):
    """Reads a page, checking that its tags nest and its ids differ."""

    def __init__(self, html: str):
        super().__init__()
        self.open, self.ids, self.attributes, self.text, self.tags = [], [], [], [], []
        self.feed(html)
        assert self.open == []
        assert len(set(self.ids)) == len(self.ids)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def without_scripts(html):
    """The page without what runs on it, which the browser's tests look after."""
    return re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return synthetic_results.tables(
        tmp_path_factory.mktemp("report") / "store",
        synthetic_results.specs(kinds=("regression", "classification"), rules=(2, 4), task_seeds=range(2)),
        failed=lambda s: s.seed == 1 and s.task.task_seed == 1 and s.model.name == "modular",
        missing=lambda s: s.model.name == "modular-op" and s.task.num_rules == 4,
        points=5,
    )


@pytest.fixture(scope="module")
def regression(tables):
    """The half of the tables that is about regression, whose page takes half as long to write."""
    names = ("runs", "curves", "snapshots", "performance", "activations", "missing")
    parts = {name: (part := getattr(tables, name))[part["kind"] == "regression"] for name in names}
    return replace(tables, **parts, measured=tables.measured.loc[parts["runs"].index])


@pytest.fixture(scope="module")
def html(tables, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "new" / "report.html"
    provenance = {"title": "Quick", "Command": "modbench run quick", "Odd": "<script>alert(1)</script>"}
    assert write_report(tables, path, provenance) == path
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]
    return path.read_text(encoding="utf-8")


def test_sections_come_in_the_order_of_a_reader(html):
    page = Page(html)
    sections = [value for tag, name, value in page.attributes if tag == "section" and name == "id"]
    assert sections == [
        "run", "answer", "claims", "confounds", "explore", "activations", "forming", "learning", "distribution",
        "figures", "read", "provenance",
    ]  # fmt: skip
    figures = [value for tag, name, value in page.attributes if tag == "figure" and name == "id"]
    assert figures == [
        card.name for card in FIGURES.values() if card.paper != "appendix" and card.name not in EXPLORED
    ]


def test_the_page_needs_nothing_but_itself(html):
    page = Page(html)
    assert not {"link", "iframe", "img", "object"} & set(page.tags)
    for tag, name, value in page.attributes:
        if name in ("src", "href", "xlink:href"):
            assert value.startswith(("#", "data:image/png;base64,")), (tag, name, value[:60])
    markup = re.sub(
        r"<script>.*?</script>", "", html, flags=re.DOTALL
    )  # the browser's tests see what scripts do
    assert not re.search(r"@import|url\((?!#)", markup)
    assert "$schema" in markup
    assert set(re.findall(r"https?://[^\s\"'<)]+", markup)) <= {
        "https://vega.github.io/schema/vega-lite/v6.4.1.json",  # the name of a format
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_every_reference_inside_a_figure_leads_somewhere(html):
    ids = set(Page(html).ids)
    used = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', without_scripts(html))
    assert used
    assert {one or other for one, other in used} <= ids


def test_counts_failures_and_gaps_are_said_first(html):
    head = html[: html.index('id="answer"')]
    assert "<b>52</b> runs finished" in head
    assert "<b>4</b> failed" in head
    assert "<b>8</b> missing" in head
    assert "the loss became NaN at step 700" in head


def test_the_score_table_has_models_random_and_intervals(html):
    answer = html[html.index('id="answer"') : html.index('id="claims"')]
    assert answer.count('<table class="scores"') == 4  # two kinds, two numbers of rules
    for name in ("Monolithic", "Modular", "Modular-op", "GT-Modular", "Random"):
        assert answer.count(f'"name">{name}</span>') == 4
    assert "no finished run" in answer
    assert re.search(r"<small>\d+\.\d+ to \d+\.\d+</small>", answer)
    assert "1.00" in answer


def test_sentences_say_what_the_numbers_show(tables):
    said = conclusions(with_settings(tables))
    assert set(said) == {(f"MLP · {kind}", R) for kind in ("regression", "classification") for R in (2, 4)}
    rows = paired(with_settings(tables), "gt-modular", "modular", ["error_id"], ("setting", "num_rules"))
    (row,) = rows.query("setting == 'MLP · regression' and num_rules == 4").to_dict("records")
    told, against, routing = said["MLP · regression", 4]
    assert told.startswith("GT-Modular, which is told which module serves which rule, has")
    interval = f"95 % interval {row['low']:.2f} to {row['high']:.2f}: {row['verdict']}"
    assert f"has {row['mean']:.2f} times Modular's error in distribution ({interval})" in told
    assert against.startswith("Modular has ")
    assert re.search(
        r"alignment is 0.\d\d \(0.\d\d to [01].\d\d\), (better than|not told apart from) Random's 0.75",
        routing,
    )


def test_sentences_without_pairs_or_intervals_say_so(tmp_path):
    few = synthetic_results.specs(rules=(2,), task_seeds=[0], seeds=[0])
    for name, missing, expected in (
        ("one seed", (), "(no interval: undecided)"),
        ("no counterpart", ("gt-modular",), "GT-Modular and Modular cannot be compared"),
    ):
        tables = synthetic_results.tables(
            tmp_path / name, few, missing=lambda s, gone=missing: s.model.name in gone
        )
        (sentences,) = conclusions(with_settings(tables)).values()
        assert expected in sentences[0]
        assert "(no interval), not told apart from Random's" in sentences[-1]


def test_a_page_opens_where_runs_have_finished(tmp_path):
    runs = synthetic_results.specs(
        kinds=("regression", "classification"), rules=(2, 4, 8), models=("modular",)
    )
    tables = synthetic_results.tables(
        tmp_path / "store", runs, missing=lambda s: s.task.kind == "regression" or s.task.num_rules == 8
    )
    html = write_report(tables, tmp_path / "report.html").read_text(encoding="utf-8")
    checked = dict(re.findall(r'name="(\w+)" value="([^"]*)" checked', html))
    assert (checked["kind"], checked["rules"]) == ("classification", "4")


def test_provenance_is_shown_and_everything_is_escaped(html):
    assert "<h1>Quick</h1>" in html
    assert "modbench run quick" in html
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_names_with_markup_are_text(regression, tmp_path):
    name = "<b onload=x>&amp;'\"</b>+softmax"
    swap = {"modular-op": name}

    def renamed(table):
        return table.assign(model=table["model"].astype(str).replace(swap))

    odd = replace(regression, **{part: renamed(getattr(regression, part)) for part in (
        "runs", "curves", "performance", "activations", "missing")})  # fmt: skip
    page = write_report(odd, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<b onload" not in page
    assert name in "".join(Page(page).text)


def test_colours_follow_the_page(html):
    figures = html[html.index('id="figures"') : html.index('id="read"')]
    assert not set(re.findall(r"#[0-9a-f]{6}\b", figures)) & set(COLOURS.values())
    assert "var(--vermillion)" in figures
    assert DARK.keys() == COLOURS.keys()
    assert "prefers-color-scheme: dark" in html


def test_numbers_in_the_texts_of_figures_are_not_rounded():
    from modbench.figures.frame import Heading, Margins, frame
    from modbench.figures.style import look
    from modbench.report.svg import inline_svg

    with look():
        figure, (axes,) = frame(1, 1, (3, 2), Margins(), Heading("0.00512 & <more>", ""))
        axes.set_xticks([])
    svg = inline_svg(figure, "x", 'a "label"')
    assert "0.00512 &amp; &lt;more&gt;" in svg
    assert 'aria-label="a &#34;label&#34;"' in svg


def test_all_claims_are_judged_with_their_numbers(html):
    claims = html[html.index('id="claims"') : html.index('id="confounds"')]
    for number in range(1, 9):
        assert f'id="claim{number}"' in claims
    shown = re.findall(r'<summary><h3><span class="verdict ([\w-]+)">', claims)
    assert len(shown) == 8
    assert set(shown) == {"too-short"}
    reason = "too short: early training, 2,000 of 100,000 steps; claims are judged from 25,000 on"
    assert f"<li>MLP · regression, MLP · classification: {reason}</li>" in claims
    assert "<code>modbench run DIR/sweep.toml --out DIR --set train.steps=100000</code>" in claims
    assert re.search(r"\d+ runs in \d+ pairs, \d+ left out; \S+ has [\d.]+ times \S+ parameters", claims)
    assert claims.count("Setting by setting") == 8


def cells(table):
    """A table's rows as texts."""
    return [
        [
            re.sub(r"<[^>]+>", " ", cell).split()
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)
        ]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", table, re.DOTALL)
    ]


def test_best_and_last_stand_side_by_side_and_are_never_pooled(regression, tmp_path):
    runs = regression.runs.copy()
    best = runs["checkpoint"] == "best"
    runs.loc[best, ["error_id", "error_ood"]] = 77.0
    runs.loc[~best, ["error_id", "error_ood"]] = 11.0
    changed, figures = replace(regression, runs=runs), {}
    for checkpoint, own, other in (("last", "11", "77"), ("best", "77", "11")):
        path = write_report(changed, tmp_path / "report.html", checkpoint=checkpoint)
        page = path.read_text(encoding="utf-8")
        assert f"<li>“{checkpoint}” checkpoint</li>" in page
        answer = page[page.index('id="answer"') : page.index('id="claims"')]
        for card in answer.split('<div class="card score')[1:]:
            main, beside = card.split("<details>")
            assert set(re.findall(r'class="value">(\d\d)(?:\.0)?<', main)) == {own}
            shown = cells(beside)
            assert shown[0][0][-1] == ("“best”" if checkpoint == "last" else "“last”")
            assert {row[1][0].rstrip("0").rstrip(".") for row in shown[1:] if row[1][0] != "no"} == {other}
        figures[checkpoint] = {
            name: page[page.index(f'<figure class="card" id="{name}"') :].split("</figure>")[0]
            for name in ("profiles",)
        }
    assert figures["last"]["profiles"] != figures["best"]["profiles"]


def test_an_unknown_checkpoint_is_refused(tables, tmp_path):
    with pytest.raises(RequestError, match="checkpoint"):
        write_report(tables, tmp_path / "report.html", checkpoint="first")
    assert not list(tmp_path.iterdir())


def test_confounds_are_measured_on_the_runs(tmp_path):
    mha = {"architecture": "mha", "search_version": 1}
    wide = {"name": "modular-op", "score_options": {"hidden": 8}}
    runs = [
        *synthetic_results.specs([{"architecture": "mlp"}, mha], rules=(4, 16), task_seeds=range(2)),
        *synthetic_results.specs([mha], rules=(16,), models=(wide,), task_seeds=range(2)),
    ]
    tables = synthetic_results.tables(tmp_path / "store", runs, points=3)
    sizes = tables.runs["num_parameters"].where(tables.runs["model"] != "modular", 6000).astype(int)
    changed = replace(tables, runs=tables.runs.assign(num_parameters=sizes))
    html = write_report(changed, tmp_path / "report.html").read_text(encoding="utf-8")
    found = html[html.index('id="confounds"') : html.index('id="explore"')]
    assert "the same number of parameters" in found
    assert "D/(2M) hidden units" in found
    mlp, with_attention = found.split('<div class="card')[1:]
    (agreement,) = tables.runs.query("architecture == 'mlp' and num_rules == 16")["rule_agreement"].unique()
    row = next(row for row in cells(mlp) if row[0] == ["16"])
    assert row[1:4] == [["1.07"], ["1.00"], ["1.00"]]  # 6000 / 5592
    assert row[4][:2] == [f"{100 * agreement:.0f}", "%"]
    assert row[5] == ["2"]
    assert "mixtures of modules can solve this" in mlp
    assert "mixtures of modules can solve this" not in with_attention
    # E = 32, D = 128: 128 // (2 * 16) units, and the 8 that were asked for.
    widths = [
        row[2]
        for row in cells(with_attention[with_attention.index("width of its scorer") :])
        if row[0] == ["16"]
    ]
    assert widths[:2] == [["4", "(the", "paper&#39;s)"], ["8"]]
    assert "The sweep <code>router-width</code>" not in found


def test_times_and_fates_stand_in_tables_with_intervals_and_what_they_rest_on(html):
    forming = html[html.index('id="forming"') : html.index('id="learning"')]
    times, fates = forming.split('<table class="facts times stack')[1:3]
    assert [" ".join(cell) for cell in cells(times)[0]][1:4:2] == [
        "Error halved, 0.4", "Error down to a tenth, 0.079"]  # fmt: skip
    shown = {row[0][0]: row[1:] for row in cells(times)[1:]}
    assert set(shown) == {"Monolithic", "Modular", "Modular-op", "GT-Modular"}
    assert all(re.fullmatch(r"[\d,]+ .*4 of 4 runs", " ".join(shown["Monolithic"][k])) for k in range(3))
    assert shown["Monolithic"][3:] == [["\u2013"]] * 3
    assert shown["GT-Modular"][3][0] == "0"
    assert " ".join(shown["GT-Modular"][5]).startswith("over 2,000")
    assert "3 of 3 runs" in " ".join(shown["Modular"][0])  # one failed
    lasting = {row[0][0]: [" ".join(cell) for cell in row[1:]] for row in cells(fates)[1:]}
    assert "Monolithic" not in lasting
    assert lasting["GT-Modular"][0].startswith("100 %")
    assert lasting["GT-Modular"][3] == "none no run it could be a share of"
    assert "no finished run" in forming


def test_a_store_from_before_routing_was_recorded_along_training_says_so_and_has_times_to_errors(tmp_path):
    runs = synthetic_results.specs(
        rules=(2,), task_seeds=range(2), models=("monolithic", "modular", "gt-modular")
    )
    tables = synthetic_results.tables(tmp_path / "store", runs, points=3)
    blank = dict.fromkeys(CURVE_METRICS, np.float32("nan"))
    old = replace(tables, curves=tables.curves.assign(**blank), snapshots=tables.snapshots.iloc[:0])
    html = write_report(old, tmp_path / "report.html").read_text(encoding="utf-8")
    forming = html[html.index('id="forming"') : html.index('id="learning"')]
    assert "Routing along training: not recorded. These 8 modular runs" in forming
    assert 'id="cinema"' not in forming
    first = {row[0][0]: row[1:] for row in cells(forming.split('<table class="facts times stack')[1])[1:]}
    assert first["Modular"][0][0] == "1,000"
    assert len(first["Modular"]) == 3  # errors alone
    assert forming.count("not recorded") == 1
    partly = tables.curves.assign(
        **{n: tables.curves[n].where(tables.curves["model"] != "modular") for n in blank}
    )
    html = write_report(replace(tables, curves=partly), tmp_path / "report.html").read_text(encoding="utf-8")
    assert "4 of 8 modular runs have not recorded it" in html


def test_a_page_with_no_room_for_all_films_shows_the_first_run_of_each_kind(tables, monkeypatch):
    shots = with_settings(tables).snapshots
    assert len(shown_films(shots)) == len(shots)
    wide = shots.assign(encoder_width=64, run_id=shots["run_id"].astype(str) + "w")
    both = pd.concat([wide, shots])
    for room, widths in ((len(both) * 8, {32, 64}), (1, {32})):
        monkeypatch.setattr("modbench.report.films.ROOM", room)
        few = shown_films(both).drop_duplicates("run_id")
        assert len(few) == len(shots.drop_duplicates(["setting", "num_rules", "model"])) * len(widths)
        assert set(few["encoder_width"]) == widths
        assert set(zip(few["task_seed"], few["seed"], strict=True)) == {(0, 0)}


def test_stores_that_do_not_know_their_rules_have_the_other_confounds(regression, tmp_path):
    old = replace(regression, runs=regression.runs.drop(columns=["rule_agreement", "rule_rank"]))
    html = write_report(old, tmp_path / "report.html").read_text(encoding="utf-8")
    found = html[html.index('id="confounds"') : html.index('id="explore"')]
    assert "Rules alike" not in found
    assert "Number of parameters over Monolithic" in found


def test_figures_that_a_store_cannot_show_are_named_with_what_they_need(little):
    html = little("one model").read_text("utf-8")
    lacking = html[html.index("Figures that these runs cannot show") : html.index('id="read"')]
    assert re.search(r"<dd>needs [^<]+</dd>", lacking)


@pytest.mark.parametrize("case", ["empty", "failed", "missing", "one model", "one run"])
def test_stores_with_little_in_them(little, case):
    html = without_scripts(little(case).read_text(encoding="utf-8"))
    text = " ".join("".join(Page(html).text).split())
    if case in ("empty", "failed", "missing"):
        assert "nothing to compare" in text
        assert "there is no figure" in text
        assert "no claim can be judged" in text
    if case == "one run":
        assert "no interval" in text
        assert "no intervals: a single task seed and seed" in text
    if case == "empty":
        assert "holds no run and no plan" in text
    assert not re.search(r"\bnan\b", text.replace("became NaN", "").lower())


def test_a_page_is_replaced_in_one_step(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")
    tables = synthetic_results.tables(tmp_path / "store", [])

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(MachineError, match="No space left"):
        write_report(tables, path)
    assert path.read_text() == "old"
    assert {file.name for file in tmp_path.iterdir()} == {"report.html", "store"}


def test_a_page_of_many_runs_is_made_by_several_processes_to_the_same_bytes(tables, tmp_path, monkeypatch):
    monkeypatch.setattr("modbench.report.page.MANY_RUNS", 1)
    one, two = (
        write_report(tables, tmp_path / str(processes), processes=processes).read_bytes()
        for processes in (1, 2)
    )
    assert one == two


def test_a_folder_is_refused(tables, tmp_path):
    with pytest.raises(RequestError, match="output: must be a regular file or a new one, got the folder"):
        write_report(tables, tmp_path)


def test_every_metric_has_a_formula_and_the_examples_are_right():
    assert set(FORMULAS) == set(METRICS)
    perfect, mixed, uniform, collapsed = (
        dict(zip(METRICS, example.values, strict=True)) for example in examples()
    )
    assert set(perfect.values()) == {0}
    assert mixed["collapse_avg"] == pytest.approx(1 / 3)
    assert mixed["alignment"] == pytest.approx(0.2625)
    assert (uniform["alignment"], uniform["inverse_mutual_information"]) == pytest.approx((0.75, 1))
    assert (collapsed["collapse_avg"], collapsed["collapse_worst"]) == pytest.approx((1, 1))


def test_what_the_guide_says_of_random_and_collapsed_adaptation_is_computed_so():
    rules, told = (2, 4, 8, 16, 32), READINGS["adaptation"]
    for text, routing in ((told.uniform, uniform_routing), (told.collapsed, lambda R: np.eye(R)[[0] * R])):
        values = [fixed_routing_metrics(routing(R))["adaptation"] for R in rules]
        assert ", ".join(f"{value:.2f}" for value in values) in text


def test_alignment_is_said_to_end_below_1(html):
    assert READINGS["alignment"].ends == "0 to 1 &minus; 1/<i>M</i>"
    assert "From 0 to 1 &minus; 1/<i>M</i>" in html
    assert "run from 0, the best, to 1" not in html
