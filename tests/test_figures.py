"""Figures: one geometry, painted for the page and for the notebook."""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest

import ncs_cb
from ncs_cb import display, figures, view
from ncs_cb.figures import arm, measured, room, style, traces
from ncs_cb.figures.curves import ticks
from ncs_cb.figures.drawing import (
    FAINT,
    INK,
    Disc,
    Drawing,
    Line,
    Text,
    plain_shapes,
    to_matplotlib,
    to_svg,
)
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.model import Site, Stimulus, Study, Trace
from readers.handmade import cmap
from reports import example

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def result():
    return example.result()


@pytest.fixture(scope="module")
def built(result):
    return view.build(result)


@pytest.fixture(scope="module")
def ulnar(built):
    return next(n for n in built.nerves if n.id == "ulnar-right-adm")


@pytest.fixture(scope="module")
def drawing(result, built, ulnar):
    return traces.draw(result, built, ulnar)


def texts(drawing):
    return [s.text for s in plain_shapes(drawing.shapes) if isinstance(s, Text)]


def text_at(drawing, words):
    return next(s for s in plain_shapes(drawing.shapes) if isinstance(s, Text) and s.text == words)


# ------------------------------------------------------------------ painting


def test_page_and_notebook_paint_the_same_points(drawing):
    root = ET.fromstring(to_svg(drawing))
    lines = [s for s in plain_shapes(drawing.shapes) if isinstance(s, Line) and s.fill == "none"]
    painted = to_matplotlib(drawing).axes[0].lines
    assert len(painted) == len(lines)
    paths = [p.get("d") for p in root.iter(f"{SVG}path") if p.get("fill") == "none"]
    for line, path, own in zip(lines, paths, painted, strict=True):
        np.testing.assert_array_equal(own.get_xdata(), line.x)
        numbers = np.array([float(x) for x in re.findall(r"-?[\d.]+", path.rsplit("M")[-1])])
        end = np.cumsum(numbers.reshape(-1, 2), axis=0)[-1]
        # Steps of a tenth of a point are written exactly, so that the path never drifts.
        np.testing.assert_allclose(end, [line.x[-1], line.y[-1]], atol=0.051)


def test_svg_breaks_a_line_where_a_sample_is_missing():
    sheet = Drawing(10.0, 10.0, "gap")
    y = np.array([1.0, 2.0, np.nan, 4.0, 5.0])
    sheet.add(Line(np.arange(5.0), y))
    path = ET.fromstring(to_svg(sheet)).find(f"{SVG}path").get("d")
    assert path == "M0 1l1 1M3 4l1 1"


def test_svg_escapes_every_text():
    sheet = Drawing(10.0, 10.0, "<script>")
    sheet.add(Text(1.0, 1.0, "<b>&\"'"))
    painted = to_svg(sheet)
    assert "<script>" not in painted
    assert ET.fromstring(painted).find(f"{SVG}text").text == "<b>&\"'"


def test_a_dollar_sign_is_no_formula_in_matplotlib():
    sheet = Drawing(50.0, 20.0, "money")
    sheet.add(Text(1.0, 10.0, "$x_1$"))
    figure = to_matplotlib(sheet)
    figure.canvas.draw()
    assert figure.axes[0].texts[0].get_text() == r"\$x_1\$"


def test_figures_leave_pyplot_alone():
    code = (
        "import sys; sys.path.insert(0, 'tests')\nfrom reports import example\n"
        "from ncs_cb import figures\n"
        "figures.nerve_figure(example.result(), 'ulnar', 'right').canvas.draw()\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_drawing_for_a_page_needs_no_matplotlib():
    code = (
        "import sys; sys.path.insert(0, 'tests')\nfrom reports import example\n"
        "from ncs_cb.reports import html\nhtml.render(example.result())\n"
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ------------------------------------------------------------------ stacked traces


def test_distal_is_at_the_bottom(drawing, ulnar):
    heights = [text_at(drawing, site.label).y for site in ulnar.responses]
    assert heights == sorted(heights, reverse=True)
    assert [s.site for s in ulnar.responses] == ["wrist", "below_elbow", "above_elbow", "axilla"]


def test_negative_is_up_and_the_gain_is_common(drawing, ulnar, result):
    peaks = [s for s in plain_shapes(drawing.shapes) if isinstance(s, Disc) and s.radius == 2.6]
    assert len(peaks) == 4
    heights = []
    for peak, site in zip(peaks, ulnar.responses, strict=True):
        base = text_at(drawing, site.label).y + 1.0
        heights.append(base - peak.y)
    amplitudes = result.traces["negative_peak_amplitude_mv"].to_numpy()[:4]
    assert min(heights) > 0
    np.testing.assert_allclose(np.array(heights) / amplitudes, heights[0] / amplitudes[0])


def test_all_sites_are_aligned_at_the_stimulus(drawing, result):
    """The onset markers lie one above the other at the spacing of the latencies."""
    triangles = [s for s in plain_shapes(drawing.shapes) if isinstance(s, Line) and len(s.x) == 3]
    onsets = np.array([t.x[0] for t in triangles if t.fill != "none"])
    latencies = result.traces["onset_latency_ms"].to_numpy()[:4]
    stimulus = text_at(drawing, "stimulus").x
    points_per_ms = (onsets - stimulus) / latencies
    np.testing.assert_allclose(points_per_ms, points_per_ms[0])


def test_the_distal_response_is_ghosted_under_each_proximal_one(drawing, result):
    ghosts = [
        s
        for s in plain_shapes(drawing.shapes)
        if isinstance(s, Line) and s.width == 1.6 and s.stroke == "#b9c0c8"
    ]
    assert len(ghosts) == 3
    solid = [s for s in plain_shapes(drawing.shapes) if isinstance(s, Line) and s.width == 1.3]
    for ghost, (distal, _) in zip(ghosts, pairwise(solid), strict=True):
        tallest = ghost.y.max() - ghost.y.min()
        from_onset = distal.y[distal.x >= distal.x[0] + 24]
        assert tallest == pytest.approx(from_onset.max() - from_onset.min(), rel=0.25)


def test_each_verdict_stands_between_the_traces_it_is_about(drawing, ulnar):
    for segment in (s for s in ulnar.segments if not s.is_silent):
        word = [
            s
            for s in plain_shapes(drawing.shapes)
            if isinstance(s, Text) and s.text == segment.word
        ]
        labels = {s.site: text_at(drawing, s.label).y for s in ulnar.responses}
        low, high = labels[segment.distal_site], labels[segment.proximal_site]
        assert any(high < w.y < low for w in word)


def ends_of(text):
    """Estimate where a line of text starts and ends: a Chinese character is 1 em wide."""
    ems = sum(1.0 if ord(letter) >= 0x2E80 else 0.5 for letter in text.text)
    back = {"start": 0.0, "middle": 0.5, "end": 1.0}[text.anchor]
    return text.x - back * ems * text.size, text.x + (1.0 - back) * ems * text.size


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_text_ends_outside_its_sheet(result, lang):
    v = view.build(result, lang=lang)
    sheets = [traces.draw(result, v, nerve) for nerve in v.nerves]
    written = [
        (sheet, s)
        for sheet in sheets
        if sheet is not None
        for s in plain_shapes(sheet.shapes)
        if isinstance(s, Text)
    ]
    assert len(written) > 20
    for sheet, text in written:
        start, end = ends_of(text)
        assert start >= 0.0, text.text
        assert end <= sheet.width, text.text


def with_traces(result, change):
    """The result with every waveform changed."""
    changed = (
        one if one.trace is None else replace(one, trace=change(one.trace))
        for one in result.responses
    )
    return replace(result, responses=tuple(changed))


def test_the_stimulus_artefact_stays_within_its_row(result, built, ulnar):
    def louder(item: Trace) -> Trace:
        samples = item.samples_mv.copy()
        samples[item.stimulus_index : item.stimulus_index + 3] = (900.0, -900.0, 500.0)
        return replace(item, samples_mv=samples)

    sheet = traces.draw(with_traces(result, louder), built, ulnar)
    lines = [s for s in plain_shapes(sheet.shapes) if isinstance(s, Line) and s.width == 1.3]
    assert all(np.nanmax(line.y) - np.nanmin(line.y) <= 1.9 * 70 for line in lines)
    assert all(np.nanmax(line.y) < sheet.height for line in lines)


def test_a_nerve_of_numbers_only_has_no_figure(result, built):
    typed = next(n for n in built.nerves if n.id == "ulnar-left-adm")
    assert traces.draw(result, built, typed) is None


def test_an_absent_response_is_drawn_without_markers_and_named(result, built, ulnar):
    columns = ["onset_latency_ms", "negative_peak_latency_ms", "negative_peak_amplitude_mv"]
    silent = result.traces.copy()
    silent.loc[3, columns] = np.nan
    quiet = replace(result, traces=silent)
    sheet = traces.draw(quiet, view.build(quiet), ulnar)
    assert "no response measured" in texts(sheet)
    peaks = [s for s in plain_shapes(sheet.shapes) if isinstance(s, Disc) and s.radius == 2.6]
    assert len(peaks) == 3


@pytest.mark.parametrize("early_ms", [0.0, 0.6, 1.2])
def test_markers_lie_on_a_trace_whose_latencies_are_counted_from_the_artefact(
    result, built, ulnar, early_ms
):
    def marked(item: Trace) -> Trace:
        early = round(early_ms * item.sampling_rate_hz / 1000.0)
        return replace(item, stimulus_index=item.stimulus_index - early)

    table = result.traces.assign(quality_flags="stimulus_realigned")
    sheet = traces.draw(with_traces(replace(result, traces=table), marked), built, ulnar)
    peaks = [s for s in plain_shapes(sheet.shapes) if isinstance(s, Disc) and s.radius == 2.6]
    lines = [s for s in plain_shapes(sheet.shapes) if isinstance(s, Line) and s.width == 1.3]
    assert len(peaks) == 4
    for peak in peaks:
        # Half a point: a sample of these traces is a fifth of one.
        assert min(np.nanmin(np.hypot(line.x - peak.x, line.y - peak.y)) for line in lines) < 0.8


def test_missing_samples_are_drawn_as_a_gap(result, built, ulnar):
    def holed(item: Trace) -> Trace:
        samples = item.samples_mv.copy()
        samples[300:320] = np.nan
        return replace(item, samples_mv=samples)

    sheet = traces.draw(with_traces(result, holed), built, ulnar)
    assert to_svg(sheet).count("M") > to_svg(traces.draw(result, built, ulnar)).count("M")


def test_thinning_a_long_trace_keeps_its_extremes(result, built, ulnar):
    def dense(item: Trace) -> Trace:
        old = np.arange(len(item.samples_mv))
        new = np.linspace(0, len(old) - 1, 12 * len(old) - 11)
        return replace(
            item,
            samples_mv=np.interp(new, old, item.samples_mv),
            sampling_rate_hz=item.sampling_rate_hz * 12,
            stimulus_index=item.stimulus_index * 12,
        )

    plain, thinned = (
        [
            s
            for s in plain_shapes(traces.draw(r, built, ulnar).shapes)
            if isinstance(s, Line) and s.width == 1.3
        ]
        for r in (result, with_traces(result, dense))
    )
    for a, b in zip(plain, thinned, strict=True):
        assert len(b.x) <= 1000
        assert np.nanmin(b.y) == pytest.approx(np.nanmin(a.y), abs=0.3)
        assert np.nanmax(b.y) == pytest.approx(np.nanmax(a.y), abs=0.3)


# ------------------------------------------------------------------ map


def test_the_right_side_of_the_patient_is_on_the_left_of_the_page(built):
    sheet = arm.draw(built)
    assert text_at(sheet, "right").x < sheet.width / 2 < text_at(sheet, "left").x


def test_every_segment_on_the_map_carries_its_letter_and_links_to_its_evidence(result, built):
    root = ET.fromstring(to_svg(arm.draw(built)))
    links = [a.get("href") for a in root.iter(f"{SVG}a")]
    anchors = {f"#{s.id}" for n in built.nerves for s in n.segments}
    assert set(links) == anchors
    letters = [t.text for a in root.iter(f"{SVG}a") for t in a.iter(f"{SVG}text")]
    spoken = [s for n in built.nerves for s in n.segments if not s.is_silent]
    assert sorted(letters) == sorted(s.short for s in spoken)


def test_a_normal_elbow_bears_no_letter_on_the_map_and_none_beside_the_traces(result, built, ulnar):
    (elbow,) = (s for s in ulnar.segments if s.is_silent)
    assert elbow.short in {s.short for s in (*built.stretches,)}
    assert elbow.short not in {item.short for item in built.legend}
    for sheet in (arm.draw(built), traces.draw(result, built, ulnar)):
        assert elbow.short not in {t.strip() for t in texts(sheet)}


def test_every_site_of_every_nerve_has_a_place_on_the_map():
    for nerve in anatomy().nerves.values():
        places = arm.places(nerve.id)
        if not nerve.course:
            assert places == {}
            continue
        steps = [places[site] for site in nerve.sites]
        assert steps == sorted(steps)
        assert len(set(steps)) == len(steps)


def test_legs_are_drawn_only_when_they_were_tested(result, built):
    leg = (built.stretches[0],)
    knee = {"distal_site": "ankle", "proximal_site": "popliteal_fossa"}
    tested = leg[0]._replace(nerve="tibial", **knee)
    assert arm.draw(replace(built, stretches=(tested,))).height > arm.draw(built).height


def luminance(color: str) -> float:
    red, green, blue = (int(color[n : n + 2], 16) / 255 for n in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_grades_are_told_apart_without_color():
    grades = ["definite", "probable", "possible"]
    grays = [luminance(style.look(g).color) for g in grades]
    assert grays == sorted(grays)
    assert min(b - a for a, b in pairwise(grays)) > 0.08
    looks = [style.look(g) for g in (*grades, "none", "excluded", "undetermined", "not_covered")]
    assert len({(s.width, s.dash, bool(s.core)) for s in looks}) == len(looks)


# ------------------------------------------------------------------ curves and the registry


def test_ticks_are_round_and_few():
    assert ticks(0.0, 26.0) == [0, 5, 10, 15, 20, 25]
    assert ticks(0.0, 0.5) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert len(ticks(0.0, 1234.0)) <= 7


def test_the_focal_step_is_filled_and_the_others_are_not(result, built, ulnar):
    sheet = figures.FIGURES["short_steps"].draw(result, built, ulnar)
    fills = [s.fill for s in plain_shapes(sheet.shapes) if isinstance(s, Line) and len(s.x) == 5]
    assert [fill == "#9e1b1b" for fill in fills] == [False, False, True, False, False]


def test_the_intensity_series_shows_every_step(result, built, ulnar):
    sheet = figures.FIGURES["intensity_series"].draw(result, built, ulnar)
    dots = [s for s in plain_shapes(sheet.shapes) if isinstance(s, Disc)]
    assert len(dots) == len(result.recruitment)


def test_the_block_estimate_is_drawn_where_a_set_sees_block(result, built):
    drawn = figures.draw_all(result, built).segment
    assert [f.name for f in drawn["ulnar-right-adm-wrist-below_elbow"]] == ["block_estimate"]
    assert drawn["median-right-apb-wrist-elbow"] == ()
    assert "59 % (55 to 64 %)" in drawn["ulnar-right-adm-wrist-below_elbow"][0].svg


@pytest.mark.parametrize("name", list(figures.FIGURES))
def test_every_figure_gives_nothing_rather_than_an_error_on_an_empty_study(name):
    empty = example.empty_result()
    built = view.build(empty)
    kind = figures.FIGURES[name]
    if kind.per == "study":
        assert kind.draw(empty, built) is None
    drawn = figures.draw_all(empty, built)
    assert (drawn.study, drawn.nerve, drawn.segment) == ((), {}, {})


def test_the_public_figures_are_matplotlib_figures(result):
    made = [
        figures.nerve_figure(result, "ulnar", "right"),
        figures.nerve_figure(result, "ulnar", "right", muscle="adm", lang="zh"),
        figures.recruitment_figure(result, "ulnar", "right"),
        figures.inching_figure(result, "ulnar", "right"),
        figures.estimate_figure(result, "ulnar", "right", "wrist-below_elbow"),
        figures.arm_map(result),
    ]
    for figure in made:
        assert isinstance(figure, mpl.figure.Figure)
        figure.canvas.draw()


def test_result_plot_draws_the_nerve(result):
    display.attach()  # as the first public name that is used does
    assert isinstance(result.plot("ulnar", "right"), mpl.figure.Figure)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ulnar", "middle"), "no waveform of middle ulnar; it holds: right median"),
        (("ulnar", "left"), "no waveform of left ulnar"),
    ],
)
def test_a_nerve_that_is_not_there_is_named_with_those_that_are(result, arguments, message):
    with pytest.raises(ValueError, match=message):
        figures.nerve_figure(result, *arguments)


def test_what_stands_on_the_limit_of_the_amplifier_is_shaded():
    time_ms = np.arange(1000) / 20 - 2
    noise = np.random.default_rng(8).normal(0.0, 0.004, 1000)
    sites = {
        "wrist": cmap(time_ms, 4.0, 8.0) + noise,
        "below_elbow": cmap(time_ms, 7.5, 7.8) + noise,
    }
    plain = _drawn(sites)
    sites["wrist"] = np.where((time_ms >= 0) & (time_ms < 2.0), 20.0, sites["wrist"])
    railed = _drawn(sites)
    assert _shaded(plain) == []
    ((left, right),) = _shaded(railed)
    stimulus = next(s for s in plain_shapes(railed.shapes) if isinstance(s, Line) and s.dash)
    onset = next(s for s in plain_shapes(railed.shapes) if isinstance(s, Line) and s.fill == INK)
    assert left == pytest.approx(stimulus.x[0], abs=0.5)
    assert (right - left) / (onset.x[0] - left) == pytest.approx(2.0 / 4.0, abs=0.03)


def _drawn(sites):
    motor = (
        Trace(y, 20_000.0, 40, Site("ulnar", "right", "adm", site), "u.edf", "motor", Stimulus())
        for site, y in sites.items()
    )
    found = ncs_cb.analyze(Study("s", tuple(motor)))
    built = view.build(found)
    return traces.draw(found, built, built.nerves[0])


def _shaded(sheet):
    shapes = plain_shapes(sheet.shapes)
    return [(s.x.min(), s.x.max()) for s in shapes if isinstance(s, Line) and s.fill == FAINT]


# ------------------------------------------------------------------ nothing of a response is cut


def mixed():
    """Responses whose positive phase is deeper, and less deep, than the negative one is tall."""
    time_ms = np.arange(1000) / 20 - 2
    noise = np.random.default_rng(8).normal(0.0, 0.004, 1000)
    return {
        "wrist": cmap(time_ms, 4.0, 6.0, tail=0.75) + noise,
        "below_elbow": cmap(time_ms, 7.5, 5.5, tail=1.4) + noise,
        "above_elbow": cmap(time_ms, 9.5, 1.0, tail=0.3) + noise,
    }


def depths(sheet, width):
    """How far each trace goes below its end, which lies on the baseline."""
    lines = [s for s in plain_shapes(sheet.shapes) if isinstance(s, Line) and s.width == width]
    return [np.nanmax(line.y) - line.y[-1] for line in lines]


def edges_are_apart(sheet, width):
    lines = [s for s in plain_shapes(sheet.shapes) if isinstance(s, Line) and s.width == width]
    lines = sorted(lines, key=lambda line: line.y[-1])
    return all(np.nanmax(a.y) < np.nanmin(b.y) for a, b in pairwise(lines))


def measured_sheet(sites):
    y = np.array(list(sites.values()))
    table = ncs_cb.measure_traces(y, sampling_rate_hz=20_000.0, stimulus_index=40)
    assert table["onset_latency_ms"].notna().all()
    return measured.draw(y, table, 20_000.0, 40)


@pytest.mark.parametrize(("draw", "width"), [(_drawn, 1.3), (measured_sheet, 1.2)])
def test_the_line_holds_the_lowest_sample_of_a_response(draw, width):
    sites = mixed()
    sheet = draw(sites)
    lowest = np.array([-y.min() for y in sites.values()])
    drawn = np.array(depths(sheet, width))
    np.testing.assert_allclose(drawn / drawn[1], lowest / lowest[1], atol=0.01)
    assert edges_are_apart(sheet, width)
    assert not arrowheads(sheet)
    assert sheet.height < 3 * 4 * 56


@pytest.mark.parametrize(("draw", "width"), [(_drawn, 1.3), (measured_sheet, 1.2)])
def test_an_artefact_that_leaves_its_row_is_cut_and_says_so(draw, width):
    sites = mixed()
    sites["wrist"][40:44] += (60.0, 40.0, -50.0, -20.0)
    sheet = draw(sites)
    lines = [s for s in plain_shapes(sheet.shapes) if isinstance(s, Line) and s.width == width]
    cut = next(line for line in lines if np.isnan(line.y).any())
    heads = arrowheads(sheet)
    # Up and down again on either side; the line never runs along the edge of its row.
    assert len(heads) == 4
    assert {round(float(h.x[1]), 6) for h in heads} <= {round(float(x), 6) for x in cut.x}
    artefact = cut.y[: np.flatnonzero(np.isnan(cut.y))[-1] + 2]
    assert np.sum(np.abs(artefact - np.nanmin(artefact)) < 1e-9) == 2
    assert edges_are_apart(sheet, width)


def arrowheads(sheet):
    lines = (s for s in plain_shapes(sheet.shapes) if isinstance(s, Line))
    return [s for s in lines if len(s.x) == 3 and s.width == 0.8 and s.fill == "none"]


@pytest.mark.parametrize("onset_ms", [5.0, np.nan])
def test_a_response_far_deeper_than_it_is_tall_makes_the_gain_smaller(onset_ms):
    time_ms = np.arange(1000) / 20 - 2
    y = cmap(time_ms, 5.0, 1.0, tail=30.0)
    found = room.reach(time_ms, y, onset_ms, 40.0)
    gain = room.points_per_mv([found], 50.0)
    own = room.room(found, gain)
    sheet = Drawing(100.0, 400.0, "deep")
    room.add_trace(sheet, time_ms, y * gain, 100.0, own, stroke=INK, width=1.0)
    is_marked = not np.isnan(onset_ms)
    assert (gain < 50.0) == is_marked
    # Without a marked response one gain stays for all, and the cut is shown.
    assert (own.depth == pytest.approx(-y.min() * gain)) == is_marked
    assert bool(arrowheads(sheet)) != is_marked
    assert own.rise + own.depth < 4 * room.PITCH


def test_a_trace_of_which_nothing_lies_in_the_window_draws_nothing():
    sheet = Drawing(100.0, 100.0, "empty")
    own = room.Room(30.0, 10.0)
    room.add_trace(sheet, np.empty(0), np.empty(0), 50.0, own, stroke=INK, width=1.0)
    assert sheet.shapes == []
