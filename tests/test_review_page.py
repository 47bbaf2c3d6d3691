"""The page of a review in a real browser, by mouse and by keys."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ncs_cb import analyze, read_study
from ncs_cb.review import append, events, serve
from review_visits import hump, response, time_axis, ulnar_visit, write_table

CHROMIUM = shutil.which("chromium")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: the page is not tried"
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: the page is not tried"),
]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(tmp_path):
    return ulnar_visit(tmp_path / "visit", heights=(10.0, 3.0, 3.0))


@pytest.fixture
def served(visit):
    opened = serve(visit, who="mt")
    yield opened
    opened.close()


@pytest.fixture
def page(browser, served):
    opened = browser.new_page(viewport={"width": 1400, "height": 1000})
    opened.set_default_timeout(20_000)
    problems = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    opened.goto(served.url)
    opened.locator("#plot .marker").first.wait_for()
    yield opened
    opened.close()
    # A refusal is told to the browser too; nothing else may go wrong.
    assert [p for p in problems if "409" not in p and "422" not in p] == []


def marker(page, name, site):
    return page.get_by_role("slider", name=f"{name}, {site}", exact=True)


def corrections(page, count):
    page.locator("#history li").nth(count - 1).wait_for()


def drag(page, made, by_px):
    box = made.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by_px / 2, y, steps=4)
    page.mouse.move(x + by_px, y, steps=4)
    page.mouse.up()


def test_a_marker_dragged_turns_a_block_into_none_and_undo_gives_it_back(page, visit):
    nerve = page.locator("#nerves button").first
    assert "definite" in nerve.inner_text()
    end = marker(page, "end of the negative phase", "wrist")
    before = float(end.get_attribute("aria-valuenow"))
    drag(page, end, -125)
    reason = page.get_by_label("reason")
    reason.wait_for()
    assert events(visit) == []
    reason.fill("<b>late</b> wave")
    page.locator("#why-ok").click()
    corrections(page, 1)
    assert "definite" not in nerve.inner_text()
    assert page.locator("#segments tr.changed").count() >= 1
    (event,) = events(visit)
    assert (event["action"], event["marker"], event["who"]) == ("move", "end", "mt")
    assert event["to_ms"] < before - 2.0
    assert event["why"] == "<b>late</b> wave"
    assert "<b>late</b> wave" in page.locator("#history").inner_text()
    page.reload()
    corrections(page, 1)
    after = float(marker(page, "end of the negative phase", "wrist").get_attribute("aria-valuenow"))
    assert after == pytest.approx(event["to_ms"], abs=0.01)
    page.locator("#undo").click()
    page.get_by_label("reason").fill("was right")
    page.locator("#why-ok").click()
    corrections(page, 2)
    assert "definite" in page.locator("#nerves button").first.inner_text()
    assert [e["action"] for e in events(visit)] == ["move", "undo"]


def test_a_change_of_grade_that_is_not_explained_is_not_made(page, visit):
    drag(page, marker(page, "end of the negative phase", "wrist"), -125)
    page.get_by_label("reason").wait_for()
    assert page.locator("#message").inner_text().startswith("Why?")
    page.locator("#why-cancel").click()
    page.get_by_text("Nothing was changed.").wait_for()
    assert events(visit) == []
    assert "definite" in page.locator("#nerves button").first.inner_text()


def test_everything_goes_by_keys_alone(page, visit):
    page.keyboard.press("ArrowUp")
    onset = marker(page, "onset", "below elbow")
    onset.focus()
    first = float(onset.get_attribute("aria-valuenow"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    corrections(page, 1)
    (event,) = events(visit)
    assert event["trace"]["site"] == "below_elbow"
    assert event["to_ms"] == pytest.approx(first + 0.55, abs=0.011)
    page.keyboard.press("Tab")
    assert page.locator(":focus").get_attribute("data-marker") == "peak"
    page.keyboard.press("ArrowUp")
    assert page.locator(":focus").get_attribute("aria-label") == "peak, axilla"
    page.keyboard.press("a")
    corrections(page, 2)
    page.keyboard.press("o")
    assert page.locator("#plot .curve.other").count() == 2
    page.keyboard.press("+")
    page.get_by_text("× 2").wait_for()
    page.keyboard.press("?")
    page.get_by_text("next response").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    corrections(page, 3)
    assert [e["action"] for e in events(visit)] == ["move", "accept", "undo"]


def test_an_onset_is_dragged_behind_the_bump_that_the_program_took_for_it(browser, tmp_path):
    far = response(13.0, 5.0, seed=4) + hump(time_axis(), 3.0, 6.0, 3.0)
    visit = tmp_path / "visit"
    traces = {"wrist": (response(3.0, 10.0), 70), "elbow": (far, 320)}
    write_table(visit, "median", traces, nerve="median", muscle="apb")
    opened = serve(visit, who="mt")
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.goto(opened.url)
    onset, other = marker(page, "onset", "elbow"), marker(page, "onset", "wrist")
    onset.wait_for()
    start = onset.bounding_box()["x"]
    per_ms = (marker(page, "peak", "wrist").bounding_box()["x"] - other.bounding_box()["x"]) / 3.0
    at = [float(one.get_attribute("aria-valuenow")) for one in (onset, other)]
    assert start - other.bounding_box()["x"] == pytest.approx((at[0] - at[1]) * per_ms, abs=8)
    drag(page, onset, (13.0 - at[0]) * per_ms)
    page.get_by_label("reason").wait_for()
    page.keyboard.type("a far-field bump")
    page.keyboard.press("Enter")
    corrections(page, 1)
    (event,) = events(visit)
    assert event["to_ms"] == pytest.approx(13.0, abs=0.4)
    assert event["why"] == "a far-field bump"
    now = [
        float(marker(page, name, "elbow").get_attribute("aria-valuenow"))
        for name in ("peak", "end of the negative phase")
    ]
    assert now == pytest.approx([16.0, 19.0], abs=0.2)
    page.close()
    opened.close()


def test_settings_are_corrected_in_place(page, visit):
    page.locator("#set-distance_mm").fill("80")
    page.locator("#set-distance_mm").press("Enter")
    corrections(page, 1)
    page.locator("#set-collision_used").select_option("yes")
    corrections(page, 2)
    assert [(e["key"], e["to"]) for e in events(visit)] == [
        ("distance_mm", 80),
        ("collision_used", True),
    ]
    traces = analyze(read_study(visit)).traces.set_index("stimulation_site")
    assert traces.loc["wrist", "distance_mm"] == 80.0


def test_what_cannot_be_is_said_and_not_made(page, visit):
    page.locator("#set-distance_mm").fill("99999")
    page.locator("#set-distance_mm").press("Enter")
    page.get_by_text("plausible: 0 to 2000").wait_for()
    assert events(visit) == []


def test_a_second_browser_sees_the_same(browser, page, served, visit):
    other = browser.new_page()
    other.goto(served.url)
    other.locator("#plot .marker").first.wait_for()
    append(visit, who="xy", action="accept", trace={"site": "wrist"})
    for one in (page, other):
        one.get_by_text("xy: wrist").wait_for()
    other.close()


def test_the_page_speaks_both_languages(page):
    page.locator("#language").click()
    page.get_by_text("撤销").first.wait_for()
    assert "复核" in page.locator("#study").inner_text()
    page.locator("#language").click()
    page.get_by_text("undo (u)").wait_for()


def test_the_report_that_is_saved_is_that_of_analyze(page, visit, tmp_path):
    from ncs_cb import write_report

    append(visit, who="mt", action="accept", trace={"site": "wrist"})
    page.get_by_text("mt: wrist").wait_for()
    with page.expect_download() as download:
        page.locator("#save").click()
    saved = Path(download.value.path()).read_bytes()
    write_report(analyze(read_study(visit)), tmp_path / "out", formats=["html"])
    assert saved == (tmp_path / "out" / "visit" / "report.html").read_bytes()
    assert sorted(p.name for p in visit.iterdir()) == [
        "review.jsonl",
        "ulnar_right.csv",
        "ulnar_right.json",
    ]


def test_read_only_shows_and_changes_nothing(browser, visit):
    opened = serve(visit, who="mt", read_only=True)
    page = browser.new_page()
    page.goto(opened.url)
    page.locator("#plot .marker").first.wait_for()
    assert page.locator("#accept").is_disabled()
    marker(page, "onset", "wrist").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("a")
    page.get_by_text("open for reading only").first.wait_for()
    assert not (visit / "review.jsonl").exists()
    page.close()
    opened.close()


def opened_on(browser, visit):
    served = serve(visit, who="mt")
    opened = browser.new_page(viewport={"width": 1400, "height": 1000})
    opened.set_default_timeout(20_000)
    opened.goto(served.url)
    opened.locator("#nerves button").first.wait_for()
    return served, opened


def test_a_stimulus_that_names_no_site_is_assigned_on_the_page(browser, tmp_path):
    from readers.handmade import WRIST, median_mnc, tal

    visit = tmp_path / "visit"
    unknown = tal("+10", "", "Reiz 2")
    median_mnc(tals=[tal("+0", "", WRIST), unknown]).write(visit / "median.edf")
    assert [one.text for one in read_study(visit).unassigned] == ["Reiz 2"]
    served, page = opened_on(browser, visit)
    form = page.locator("#unassigned label", has_text="Reiz 2")
    form.locator("select").select_option("elbow")
    page.locator("#why").fill("second sweep of the protocol")
    page.locator("#why-ok").click()
    corrections(page, 1)
    marker(page, "onset", "elbow").wait_for()
    assert page.locator("#unassigned label").count() == 0
    study = read_study(visit)
    assert study.unassigned == ()
    assert [t.site.stimulation_site for t in study.traces] == ["wrist", "elbow"]
    page.keyboard.press("u")
    page.locator("#why").fill("wrong after all")
    page.locator("#why-ok").click()
    corrections(page, 2)
    form.wait_for()
    assert [one.text for one in read_study(visit).unassigned] == ["Reiz 2"]
    page.close()
    served.close()


def test_printed_rows_are_shown_and_corrected_by_mouse_and_keys(browser, tmp_path):
    visit = tmp_path / "visit"
    visit.mkdir()
    (visit / "median.csv").write_text(
        "nerve,side,muscle,stimulation_site,distance_mm,onset_latency_ms,"
        "negative_peak_amplitude_mv\nmedian,right,apb,wrist,70,3.4,10.0\n"
        "median,right,apb,elbow,290,7.4,9.0\n"
    )
    served, page = opened_on(browser, visit)
    assert page.locator("#plot").is_hidden()
    page.locator("#rows button", has_text="elbow").click()
    assert page.locator("#set-polarity").count() == 0
    page.locator("#set-distance_mm").fill("300")
    page.locator("#set-distance_mm").press("Tab")
    corrections(page, 1)
    page.locator("#rows button", has_text="elbow").click()
    page.keyboard.press("s")
    corrections(page, 2)
    page.keyboard.press("x")
    page.locator("#why").fill("the electrode came off")
    page.locator("#why-ok").click()
    corrections(page, 3)
    assert "excluded" in page.locator("#rows button", has_text="elbow").inner_text()
    told = [(e["action"], e.get("key"), e.get("to")) for e in events(visit)]
    assert told == [
        ("set", "distance_mm", 300),
        ("set", "supramaximal", True),
        ("exclude", None, None),
    ]
    page.close()
    served.close()


def test_the_impression_stands_on_the_page_and_what_changed_in_it_is_marked(page, visit):
    lines = page.locator("#impression li")
    assert "block" in lines.all_inner_texts()[0] + lines.all_inner_texts()[1]
    assert page.locator("#impression li.changed").count() == 0
    append(visit, who="mt", action="exclude", trace={"site": "wrist"}, why="wrong electrode")
    page.locator("#impression li.changed").first.wait_for()


def test_what_is_chosen_is_marked_for_eye_and_screen_reader(page):
    assert page.locator("#nerves button").first.get_attribute("aria-current") == "true"
    overlay = page.locator("#overlay")
    assert overlay.get_attribute("aria-pressed") == "false"
    page.keyboard.press("o")
    assert overlay.get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="superimpose", pressed=True).wait_for()


def told(visit):
    return [(e["action"], e.get("marker") or e.get("key")) for e in events(visit)]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        (["a"], [("move", "onset"), ("accept", None)]),
        (["u"], [("move", "onset"), ("undo", None)]),
        (["s"], [("move", "onset"), ("set", "supramaximal")]),
        (["x"], [("move", "onset"), ("exclude", None)]),
        (["Tab", "ArrowRight"], [("move", "onset"), ("move", "peak")]),
        (["ArrowUp", "ArrowRight"], [("move", "onset"), ("move", "onset")]),
    ],
)
def test_a_marker_moved_by_keys_is_kept_whatever_key_follows(page, visit, after, expected):
    marker(page, "onset", "wrist").focus()
    for key in ("ArrowRight", *after):
        page.keyboard.press(key)
    for _ in expected[1:]:
        if expected[1][0] in ("set", "exclude"):
            page.get_by_label("reason").fill("so seen")
            page.locator("#why-ok").click()
    corrections(page, len(expected))
    assert told(visit) == expected
    assert events(visit)[-1].get("undoes") in (None, events(visit)[0]["id"])


def test_a_marker_moved_by_keys_outlives_another_nerve_and_the_end_of_the_page(browser, visit):
    traces = {"wrist": (response(3.5, 9.0), 70), "elbow": (response(7.5, 8.5), 290)}
    write_table(visit, "median_right", traces, nerve="median", muscle="apb")
    opened = serve(visit, who="mt")
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.goto(opened.url)
    page.locator("#nerve-ulnar-right-adm-motor").click()
    marker(page, "onset", "wrist").focus()
    page.keyboard.press("ArrowRight")
    page.locator("#nerve-median-right-apb-motor").click()
    corrections(page, 1)
    page.get_by_text("Done.").wait_for()
    marker(page, "onset", "elbow").focus()
    page.keyboard.press("ArrowRight")
    page.reload()
    corrections(page, 2)
    assert [e["trace"]["site"] for e in events(visit)] == ["wrist", "elbow"]
    page.close()
    opened.close()


def test_a_move_that_was_not_made_is_not_taken_back(page, visit):
    append(visit, who="xy", action="accept", trace={"site": "wrist"})
    page.get_by_text("xy: wrist").wait_for()
    end = marker(page, "end of the negative phase", "wrist")
    end.focus()
    for _ in range(6):
        page.keyboard.press("Shift+ArrowLeft")
    page.keyboard.press("u")
    page.get_by_label("reason").wait_for()
    page.locator("#why-cancel").click()
    page.get_by_text("Nothing was changed.").wait_for()
    page.wait_for_timeout(300)
    assert told(visit) == [("accept", None)]


def test_the_distal_response_is_superimposed_and_no_repeat_of_the_same_site(page, visit):
    page.keyboard.press("o")
    assert page.locator("#plot .curve.other").count() == 2
    append(visit, who="xy", action="exclude", trace={"site": "below_elbow"}, why="moved")
    page.get_by_text("xy: below elbow").wait_for()
    # The axilla is laid over the wrist then, and so is the row that was left out.
    assert page.locator("#plot .curve.other").count() == 2
    rows = page.locator("#plot g[data-place]:has(.curve.other)")
    first = [
        rows.nth(n).locator(".curve.other").get_attribute("d").count("L")
        for n in range(rows.count())
    ]
    assert min(first) > 50
    append(visit, who="xy", action="exclude", trace={"site": "wrist"}, why="moved")
    page.get_by_text("xy: wrist").wait_for()
    page.wait_for_timeout(200)
    assert page.locator("#plot .curve.other").count() == 0
