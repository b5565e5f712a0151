"""The page: self-contained, safe against whatever a name holds, the same in Markdown, and drawn as told."""

import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from dta_bench.report.document.report import Report
from dta_bench.report.html.charts.bars import ClassBars, class_bars
from dta_bench.report.html.charts.colours import SIDE_COLOURS, other_look, other_turn
from dta_bench.report.html.charts.differences import differences
from dta_bench.report.html.charts.drawing import Scale
from dta_bench.report.html.charts.heat import confusion
from dta_bench.report.html.charts.intervals import Dot, intervals
from dta_bench.report.html.charts.lines import Axes, Series, lines
from dta_bench.report.html.charts.parallel import Line, parallel
from dta_bench.report.html.charts.row_interval import row_interval, row_scale
from dta_bench.report.html.charts.scatter import Mark, front, scatter
from dta_bench.report.html.page import Cell, Figure, Page, Section, Table, html, markdown
from dta_bench.report.html.sections.links import run_page

NASTY = '<script>alert("x")</script> & <b>'


def page_with(text: str) -> Page:
    """A page that says ``text`` wherever a page can say something."""
    drawn = intervals([Dot(text, 1, 0, 2, 1, f"http://127.0.0.1/{text}")], text, text)
    section = Section(
        "one", text, [text], [Table([text], [[Cell(text, "http://127.0.0.1/")]], text)],
        [Figure(drawn, text, [(text, "http://127.0.0.1/")])], [text],
    )  # fmt: skip
    return Page(text, text, text, [(text, text, text)], [text], [section])


class Elements(HTMLParser):
    """What a browser would see: elements with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_a_name_is_text_and_never_markup() -> None:
    kinds = [tag for tag, _ in Elements(html(page_with(NASTY))).found]
    assert kinds.count("script") == 1  # the page's own, which no name reaches
    assert "alert" not in html(page_with(NASTY)).partition("<script>")[2]
    assert "b" not in kinds
    assert html(page_with(NASTY)).count("&lt;script&gt;") >= 10


def test_the_page_asks_nothing_of_the_network() -> None:
    for tag, attributes in Elements(html(page_with("plain"))).found:
        assert tag not in ("img", "iframe", "object", "embed")
        assert tag != "script" or not attributes
        if tag == "link":
            assert attributes["href"] == "data:,"
    assert "@import" not in html(page_with("plain"))
    assert "url(" not in html(page_with("plain"))


def test_the_page_knows_light_dark_and_print() -> None:
    text = html(page_with("plain"))
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_paper_has_nothing_to_click_and_no_link_to_this_machine() -> None:
    on_paper = html(page_with("plain")).partition("@media print {")[2]
    assert ".tools, fieldset, .runs { display: none; }" in on_paper


def test_the_lines_of_a_table_stay_under_its_sticky_cells() -> None:
    assert "border-collapse: separate" in html(page_with("plain"))  # a cell that sticks covers collapsed ones


def colours(text: str, block: str) -> dict[str, str]:
    """The colours that a part of the style sheet sets."""
    start = text.index(block)
    return dict(re.findall(r"--(\w[\w-]*): (#[0-9a-f]{6})", text[start : text.index("}", start)]))


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.1)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return float(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])


@pytest.mark.parametrize("block", [":root {", "prefers-color-scheme: dark"])
def test_text_and_lines_stand_out_from_the_paper(block: str) -> None:
    found = colours(html(page_with("plain")), block)

    def contrast(one: str) -> float:
        bright, dim = sorted((luminance(found[one]), luminance(found["paper"])), reverse=True)
        return (bright + 0.05) / (dim + 0.05)

    assert all(contrast(name) >= 4.5 for name in ("ink", "soft", "link"))  # WCAG AA for text
    assert all(contrast(f"c{i}") >= 3 for i in range(1, 7))  # and for graphics


def test_markdown_has_every_word_and_cell_of_the_page() -> None:
    page = Page("title", "kicker", "the answer", warnings=["mind this"], sections=[
        Section("s", "a section", ["a word"], [Table(["h1", "h2"], [[Cell("x"), Cell("1.0", number=True)]], "cap")],
                commands=["dta-bench list"]),
    ])  # fmt: skip
    text = markdown(page)
    for said in ("# title", "the answer", "* mind this", "## a section", "a word", "cap", "dta-bench list"):
        assert said in text
    assert "| h1 | h2 |\n| --- | ---: |\n| x | 1.0 |" in text


def test_what_is_folded_on_the_page_is_folded_in_markdown() -> None:
    page = Page(
        "t", "k", "a", sections=[Section("s", "s", tables=[Table(["a"], [[Cell("x")]], folded="1 more <row>")])]
    )
    assert "<details><summary>1 more &lt;row&gt;</summary>\n\n| a |\n| --- |\n| x |\n\n</details>" in markdown(page)


def test_rows_that_wait_for_a_click_are_all_on_the_page_and_folded_in_markdown() -> None:
    table = Table(["a"], [[Cell(str(i), key=float(i))] for i in range(5)], open_rows=2, sortable=True)
    page = Page("t", "k", "a", sections=[Section("s", "s", tables=[table])])
    cells = [attributes for tag, attributes in Elements(html(page)).found if tag == "td"]
    assert [cell["data-key"] for cell in cells] == ["0.0", "1.0", "2.0", "3.0", "4.0"]
    assert not any("hidden" in attributes for tag, attributes in Elements(html(page)).found if tag == "tr")
    assert "<details><summary>3 more rows</summary>" in markdown(page)
    assert markdown(page).index("| 1 |") < markdown(page).index("<details>") < markdown(page).index("| 2 |")


def test_a_row_shows_its_interval_on_the_scale_that_all_rows_share() -> None:
    scale = row_scale([(60.0, 80.0), (50.5, 70.0)], 75.0)
    assert scale is not None
    assert (scale.low, scale.high) == (50, 80)
    svg = row_interval(70, (60.0, 80.0), scale, 1)
    whisker = next(line for line in elements(svg, "line") if line.get("class") == "s1")
    (mark,) = elements(svg, "circle")
    low, high, at = (float(value or 0) for value in (whisker.get("x1"), whisker.get("x2"), mark.get("cx")))
    assert (at - low) / (high - low) == pytest.approx(1 / 2, abs=0.01)
    assert row_scale([], None) is None


@given(st.lists(st.tuples(st.floats(0.1, 100), st.floats(0, 100)), min_size=1, max_size=12))
def test_the_front_holds_exactly_those_that_no_other_beats(points: list[tuple[float, float]]) -> None:
    marks = [Mark(str(i), cost, score, score, score, 1) for i, (cost, score) in enumerate(points)]

    def beaten(mark: Mark) -> bool:
        return any(o.cost <= mark.cost and o.score >= mark.score and (o.cost, o.score) != (mark.cost, mark.score)
                   for o in marks)  # fmt: skip

    assert {(m.cost, m.score) for m in front(marks)} == {(m.cost, m.score) for m in marks if not beaten(m)}


def test_a_cost_plot_names_its_marks() -> None:
    marks = [Mark("dta", 1.0, 80.0, 78, 82, 1), Mark("shot", 10.0, 90.0, 88, 92, 1)]
    assert {"dta", "shot", "cost"} <= set(texts(scatter(marks, "t", "cost", "score")))


def test_a_name_of_a_cost_plot_is_whole_and_lies_over_no_mark() -> None:
    marks = [Mark("dta_feature_vat", 1.0, 80.0, 78, 82, 1), *(Mark(n, 60.0, 90.0, 88, 92, 1) for n in ("mcc", "knn"))]
    assert "dta_feature_vat" in texts(scatter(marks, "t", "cost", "score"))
    close = [Mark("dta", 1.0, 80.0, 78, 82, 1), Mark("shot", 1.1, 80.1, 78, 82, 1), Mark("far", 99.0, 60, 58, 62, 1)]
    assert "dta" not in texts(scatter(close, "t", "cost", "score"))  # shot's mark is where its name would be


@given(st.integers(0, 40))
def test_no_other_method_has_the_colour_of_the_winner_or_of_source_only(number: int) -> None:
    assert other_look(number) not in (SIDE_COLOURS["selected"], SIDE_COLOURS["source_only"])


def test_methods_that_share_a_colour_differ_in_their_turn() -> None:
    assert len({(other_look(number), other_turn(number)) for number in range(24)}) == 24


def test_a_table_stands_beside_an_odd_figure_once() -> None:
    beside = Table(["class"], [[Cell("zero")]], beside=True)
    for figures, expected in ((1, True), (2, False)):
        section = Section("s", "s", tables=[beside], figures=[Figure(Markup("<svg/>"), "f")] * figures, beside=True)
        text = html(Page("t", "k", "a", sections=[section]))
        assert text.count("<td>zero</td>") == 1
        assert bool(re.search(r'<div>\s*<div class="wide">', text)) is expected


def test_rows_that_wait_for_a_click_are_there_on_paper() -> None:
    text = html(page_with("t"))
    assert "@media screen { .later { display: none; } }" in text
    assert 'toggle("later"' in text


def test_a_curve_that_waits_for_its_name_is_hidden_and_has_no_name_beside_its_end() -> None:
    shown, waits = (
        Series("dta", [1, 2], [1, 2], 1, group="dta"),
        Series("mcc", [1, 2], [2, 1], 2, group="mcc", hidden=True),
    )
    groups = [g for g in elements(lines([shown, waits], Axes("t", "x", "y")), "g") if g.get("data-series")]
    assert {(g.get("data-series"), g.get("hidden") is not None) for g in groups} == {("dta", False), ("mcc", True)}
    assert "mcc" not in texts(lines([shown, waits], Axes("t", "x", "y")))  # its name stands where it is chosen


def test_a_difference_is_written_with_its_sign_and_an_absent_class_is_empty() -> None:
    svg = differences({"dta": [12.4, -3.0, None]}, ["cat", "dog", "cow"], "t")
    assert {"+12", "-3"} <= set(texts(svg))
    assert sum(rect.get("class") == "band" for rect in elements(svg, "rect")) == 3


def test_a_bar_in_a_cell_does_not_end_it_in_markdown() -> None:
    text = markdown(Page("t", "k", "a", sections=[Section("s", "s", tables=[Table(["a|b"], [[Cell("c|d\ne")]])])]))
    assert "| c\\|d e |" in text


def elements(svg: Markup, kind: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(str(svg)).iter(kind))


def texts(svg: Markup) -> list[str]:
    return [element.text or "" for element in elements(svg, "text")]


def test_bars_are_as_long_as_their_percentage() -> None:
    drawn = class_bars(["a", "b"], [ClassBars("x", [50.0, 100.0], 1), ClassBars("y", [None, 25.0], 2)], "t")
    bars = {rect[0].text: float(rect.get("width") or 0) for rect in elements(drawn, "rect") if len(rect)}
    assert bars == {"a, x: 50.0 %": 50.0, "b, x: 100.0 %": 100.0, "b, y: 25.0 %": 25.0}  # the absent one has none


def test_the_bars_of_a_method_and_its_legend_wait_for_its_name_together() -> None:
    methods = [ClassBars("dta", [50.0, 60.0], 1), ClassBars("mcc", [40.0, 70.0], 4, hidden=True)]
    parts = [
        one
        for one in ElementTree.fromstring(str(class_bars(["a", "b"], methods, "t"))).iter()
        if "data-series" in one.attrib
    ]
    waiting = [(one.tag, one.get("data-series"), one.get("hidden") is not None) for one in parts]
    assert waiting == [
        ("span", "dta", False), ("span", "mcc", True),
        *[("svg", "dta", False), ("svg", "mcc", True)] * 2,
    ]  # fmt: skip


def test_a_whisker_goes_from_low_to_high_around_its_mark_and_leads_to_its_run() -> None:
    svg = intervals([Dot("m", 60, 50, 80, 1, "http://127.0.0.1/run")], "t", "x")
    whisker = next(line for line in elements(svg, "line") if line.get("stroke-width"))
    (mark,) = elements(svg, "circle")
    low, high, at = (float(value or 0) for value in (whisker.get("x1"), whisker.get("x2"), mark.get("cx")))
    assert (at - low) / (high - low) == pytest.approx(1 / 3, abs=0.01)
    assert elements(svg, "a")[0].get("href") == "http://127.0.0.1/run"


def test_a_confusion_cell_says_its_share_of_the_true_class() -> None:
    svg = confusion([[3, 1], [0, 0]], ["cat", "dog"], "t")
    assert {"75", "25"} <= set(texts(svg))
    assert any("cat predicted as dog: 1 (25.0 %)" in (title.text or "") for title in elements(svg, "title"))


def test_curves_leave_out_what_is_not_finite() -> None:
    svg = lines([Series("loss", [1, 2, 3], [1.0, float("nan"), 3.0], 1)], Axes("t", "epoch", "loss"))
    (curve,) = [path for path in elements(svg, "path") if "curve" in (path.get("class") or "")]
    assert "nan" not in (curve.get("d") or "")
    assert (curve.get("d") or "").count("L") == 1


def test_the_ramp_is_shaded_up_to_the_last_epoch_that_is_shown() -> None:
    axes = Axes("t", "epoch", "y", span=(1, 30), span_name="ramp")
    svg = lines([Series("a", [1, 10, 20], [1.0, 2.0, 3.0], 1)], axes)
    (band,) = elements(svg, "rect")
    curve = next(path for path in elements(svg, "path"))
    last_x = float((curve.get("d") or "").split("L")[-1].split()[0])
    assert float(band.get("x") or 0) + float(band.get("width") or 0) == pytest.approx(last_x, abs=0.2)
    assert "ramp" in texts(svg)


def test_a_run_that_was_stopped_ends_in_a_mark() -> None:
    alone, named = (
        lines([Series("a", [1, 2], [1.0, 2.0], 1, ends="stopped", named=named)], Axes("t", "epoch", "y"))
        for named in (False, True)
    )
    assert len(elements(alone, "circle")) == 1
    assert len(elements(named, "circle")) == 2  # and beside its name
    assert any("stopped" in (title.text or "") for title in elements(alone, "title"))


def test_what_is_counted_has_no_halves_on_its_axis() -> None:
    svg = lines([Series("a", [1, 2, 3], [9.0, 10.0, 10.0], 1)], Axes("t", "epoch", "classes in use"))
    assert {"9", "10"} <= set(texts(svg))
    assert not any("." in said for said in texts(svg))


def test_parallel_coordinates_draw_the_chosen_line_last_and_skip_what_a_line_lacks() -> None:
    found = [
        Line("best", [0.1, "ones"], 90.0, "http://127.0.0.1/1", chosen=True),
        Line("other", [0.2, None], 50.0, "http://127.0.0.1/2"),
    ]
    svg = parallel(["delta_c", "start"], found, "t", "score")
    drawn = elements(svg, "path")
    assert [path.get("class") for path in drawn] == ["curve s1", "curve s2"]
    assert [(path.get("d") or "").count("L") for path in drawn] == [1, 2]
    assert {"delta_c", "start", "score", "0.1", "0.2", "ones"} <= set(texts(svg))


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 10))
def test_ticks_lie_within_the_scale_in_order(low: float, span: float, count: int) -> None:
    scale = Scale(low, low + span, 0, 100)
    ticks = scale.ticks(count)
    assert ticks == sorted(ticks)
    assert all(-0.01 <= scale(tick) <= 100.01 for tick in ticks)


def test_an_even_set_of_values_still_has_a_picture() -> None:
    flat: list[Any] = [Line("a", [1], 50.0), Line("b", [1], 50.0)]
    assert "NaN" not in str(parallel(["delta_c"], flat, "t", "score")).replace("nan", "NaN")
    assert elements(lines([Series("a", [1], [5.0], 1)], Axes("t", "x", "y")), "circle")


def test_no_text_becomes_html_code_or_a_link_in_markdown() -> None:
    text = markdown(page_with("<img src=x> `a` [b](http://c) &lt; d|e\n# f"))
    shown = "&lt;img src=x> \\`a\\` [b]\\(http://c) &amp;lt; d\\|e # f"
    assert text.count(shown) == text.count("img src=x") - 1  # the command stands as it is, in a block of code
    assert "\n# f" not in text.replace("```\n<img src=x> `a` [b](http://c) &lt; d|e\n# f\n```", "")


def test_no_command_ends_its_block_of_code() -> None:
    text = markdown(Page("t", "k", "a", sections=[Section("s", "s", commands=["a ``` b"])]))
    assert "````\na ``` b\n````" in text


def test_links_to_runs_lead_to_the_view_that_the_reports_link_leads_to() -> None:
    base = "http://127.0.0.1:5000/#/experiments/1/runs"
    shared = Report.model_construct(link=f"{base}?viewStateShareKey=dta-bench&workflowType=machine_learning")
    assert run_page(shared, "abc") == f"{base}/abc?workflowType=machine_learning"
    assert run_page(Report.model_construct(link=base), "abc") == f"{base}/abc"
    assert run_page(Report.model_construct(link=None), "abc") is None
