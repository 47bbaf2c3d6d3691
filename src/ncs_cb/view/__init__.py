"""The one place that rounds and words: a result becomes a view that writers only lay out."""

from __future__ import annotations

from typing import Any

from ncs_cb import flags
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.model import Result
from ncs_cb.view import (
    conclusions,
    examined,
    finding,
    front,
    grounds,
    motor,
    notes,
    sides,
    studies,
    tables,
)
from ncs_cb.view.parts import (
    Cell,
    DiagnosisView,
    Fact,
    FeatureList,
    FlagNote,
    Head,
    Legend,
    Letterhead,
    NerveView,
    SegmentView,
    SetVerdict,
    SiteView,
    Stretch,
    Table,
    View,
)
from ncs_cb.view.reading import (
    Reading,
    Row,
    Series,
    is_block,
    is_silent,
    overall,
    read,
    series_of,
    strength,
)
from ncs_cb.view.rounding import NOTHING, number, with_unit
from ncs_cb.wording.catalog import Words, capital, languages, load

__all__ = [
    "Cell",
    "DiagnosisView",
    "Fact",
    "FeatureList",
    "FlagNote",
    "Head",
    "Legend",
    "Letterhead",
    "NerveView",
    "SegmentView",
    "SetVerdict",
    "SiteView",
    "Stretch",
    "Table",
    "View",
    "Words",
    "build",
    "is_block",
    "languages",
    "load",
]


def build(
    result: Result,
    *,
    lang: str = "en",
) -> View:
    """Word and round a result for reading; nothing in it is changed.

    Parameters
    ----------
    result : Result
    lang : str
        Language of the words, one of :func:`languages`.

    Returns
    -------
    View
        Frozen plain data. A value near a limit has as many decimals as it takes to stay on its
        side of it; what is not measurable is a dash.

    Raises
    ------
    ReportError
        If there is no catalog for `lang`.
    """
    words = load(lang)
    r = read(result, words)
    lines = finding.sentences(r)
    features, differential = conclusions.features(r)
    return View(
        lang=lang,
        title=words("page.title", study=result.study.study_id),
        study_id=result.study.study_id,
        lead=r.set_title(r.lead),
        letterhead=front.letterhead(r),
        status=front.status(r),
        refused=front.refused(r),
        header=notes.header(r),
        question=r.result.study.details.clinical_question or "",
        technique=notes.technique(r),
        impression=front.impression(r),
        finding=lines,
        finding_text=words.sentences(line.text for line in lines),
        motor=motor.motor(r, [(s, _nerve_heading(r, s), _used(r, s)) for s in r.series]),
        sides=sides.sides(r),
        corrections=front.corrections(r),
        stretches=_stretches(r),
        legend=_legend(r),
        nerves=tuple(_nerve(r, series) for series in r.series),
        comparison=tables.comparison(r),
        diagnosis=conclusions.diagnosis(r),
        features=features,
        differential=differential,
        sensory=studies.sensory(r),
        f_waves=studies.f_waves(r),
        needle_emg=examined.needle_emg(r),
        strength=examined.strength(r),
        trace_flags=notes.trace_flags(r),
        **_rests_on(r),
        notes=result.study.notes,
        disclaimer=words("page.disclaimer"),
        labels=_labels(words, r.set_title(r.lead)),
    )


def _rests_on(r: Reading) -> dict[str, Any]:
    """Give what the numbers and grades rest on."""
    return {
        "data_files": grounds.data_files(r),
        "verification": grounds.verification(r),
        "sources": grounds.sources(r),
        "decisions": grounds.decisions(r),
        "rests_on": grounds.rests_on(r),
        "references": grounds.references(r),
    }


def series_id(series: Series) -> str:
    """Give the anchor of a nerve on the page."""
    return "-".join(series)


def _nerve_heading(r: Reading, series: Series) -> str:
    nerve, muscle = r.nerve_title((*series[:2], "")), r.words.muscle(series[2])
    return capital(r.words("phrase.nerve_muscle", nerve=nerve, muscle=muscle))


def _used(r: Reading, series: Series) -> list[Row]:
    """Give the motor responses of one nerve that count, distal first."""
    rows = (r.traces[place] for place in _responses(r, series))
    return [row for row in rows if row["kind"] == "motor" and flags.is_used(row["quality_flags"])]


def _nerve(r: Reading, series: Series) -> NerveView:
    responses = _responses(r, series)
    rows = [r.traces[place] | {"machine": _printed(r, place)} for place in responses]
    adjacent = r.adjacent(series)
    grade = overall(r.grade(row) for row in adjacent)
    return NerveView(
        id=series_id(series),
        title=_nerve_heading(r, series),
        nerve=series[0],
        side=series[1],
        muscle=series[2],
        grade=grade,
        word=r.words.term("grade", grade),
        responses=tuple(_site(r, place) for place in responses),
        sites=tables.sites(r, rows),
        changes=tables.changes(r, series),
        segments=tuple(_segment(r, row) for row in adjacent),
        flags=notes.nerve_flags(r, series, rows),
        not_examined=notes.not_examined(r, series),
        recruitment=studies.recruitment(r, series),
        inching=studies.inching(r, series),
    )


def _printed(r: Reading, place: int) -> str:
    """Give what the recording machine printed for a response; empty when it printed nothing."""
    machine = r.result.responses[place].machine
    values = (
        (machine.amplitude_mv, "mV"),
        (machine.onset_latency_ms, "ms"),
        (machine.conduction_velocity_m_per_s, "m/s"),
    )
    return r.words.join(
        (with_unit(number(v, unit), unit) for v, unit in values if v is not None), weight="comma"
    )


def _responses(r: Reading, series: Series) -> list[int]:
    """Give the places in ``result.traces`` of one nerve's responses, distal first."""
    known = anatomy().nerves.get(series[0])
    order = known.sites if known else ()

    def place(item: tuple[int, Row]) -> tuple[int, int]:
        site = str(item[1]["stimulation_site"])
        return (order.index(site) if site in order else len(order), item[0])

    found = [
        (n, row)
        for n, row in enumerate(r.traces)
        if row["kind"] != "sensory" and series_of(row) == series
    ]
    return [n for n, _ in sorted(found, key=place)]


def _site(r: Reading, place: int) -> SiteView:
    row = r.traces[place]
    site = str(row["stimulation_site"])
    caption = r.words(
        "phrase.response",
        amplitude=r.value(row, "negative_peak_amplitude_mv", unit=True),
        latency=r.value(row, "onset_latency_ms", unit=True),
    )
    return SiteView(place, site, r.words.site(site), caption)


def _segment(r: Reading, row: Row) -> SegmentView:
    grade = r.grade(row)
    sets = tuple(
        _set_verdict(r, v) for v in r.verdicts.get((*series_of(row), str(row["segment"])), ())
    )
    return SegmentView(
        id=tables.segment_row_key(row),
        title=r.segment_title(row),
        distal_site=str(row["distal_site"]),
        proximal_site=str(row["proximal_site"]),
        grade=grade,
        word=r.words.term("grade", grade),
        short=r.words.term("grade_short", grade),
        numbers=_numbers(r, row),
        is_silent=is_silent(r, row),
        share=_share(r, row),
        estimate=_estimate(r, row),
        heads=tables.evidence_heads(r),
        sets=sets,
    )


def _set_verdict(r: Reading, verdict: Row) -> SetVerdict:
    grade = str(verdict["conduction_block"])
    return SetVerdict(
        str(verdict["criteria"]),
        r.set_title(str(verdict["criteria"])),
        grade,
        r.words.term("grade", grade),
        tuple(tables.remarks_of(r, verdict)),
        tables.evidence(r, verdict),
    )


def _estimate(r: Reading, row: Row) -> str:
    parts = tables.blocked_parts(row)
    if parts["value"] == NOTHING:
        return ""
    dispersion = r.value(row, "added_dispersion_ms", unit=True)
    return r.words("sentence.estimate", dispersion=dispersion, **parts)


def _numbers(r: Reading, row: Row) -> str:
    """Give the numbers of a segment, with the dispersion that stands beside its grade."""
    dispersed = (r.verdict(row) or {}).get("temporal_dispersion") is True
    remark = [r.words("remark.dispersion")] if dispersed else []
    return r.words.join([finding.key_numbers(r, row), *remark], weight="comma")


def _share(r: Reading, row: Row) -> str:
    parts = tables.blocked_parts(row)
    return "" if parts["value"] == NOTHING else r.words("phrase.share", **parts)


def _stretches(r: Reading) -> tuple[Stretch, ...]:
    """Give the stretches of the map, the strongest last, so that nothing covers it.

    Where one stretch was recorded from several muscles, the strongest verdict stands for it; an
    open question is never covered by "no block".
    """
    found: dict[tuple[str, ...], Stretch] = {}
    for row in sorted(r.adjacent(), key=lambda row: strength(r.grade(row)), reverse=True):
        one = _stretch(r, row)
        found[one.nerve, one.side, one.distal_site, one.proximal_site] = one
    return tuple(found.values())


def _stretch(r: Reading, row: Row) -> Stretch:
    grade = r.grade(row)
    title = r.words(
        "phrase.map_title",
        nerve=r.nerve_title(series_of(row)),
        segment=r.segment_title(row),
        grade=r.words.term("grade", "entrapment_free" if is_silent(r, row) else grade),
        numbers=finding.key_numbers(r, row),
    )
    return Stretch(
        str(row["nerve"]),
        str(row["side"]),
        str(row["distal_site"]),
        str(row["proximal_site"]),
        grade,
        r.words.term("grade_short", grade),
        title,
        tables.segment_row_key(row),
        is_silent(r, row),
    )


def _legend(r: Reading) -> tuple[Legend, ...]:
    grades = sorted({r.grade(row) for row in r.adjacent() if not is_silent(r, row)}, key=strength)
    w = r.words
    return tuple(Legend(g, w.term("grade_short", g), w.term("grade", g)) for g in grades)


def _labels(words: Words, lead: str) -> dict[str, str]:
    """Give the fixed words a writer or a figure needs, with the names of the anatomy."""
    known = anatomy()
    return (
        words.section("label")
        | {"map_caption": words("label.map_caption", lead=lead)}
        | {
            "between": words("list.sentence"),
            "comma": words("list.comma"),
            "colon": words("list.colon"),
        }
        | {f"nerve_{name}": words.nerve(name) for name in known.nerves}
        | {f"site_{name}": words.site(name) for name in known.sites}
        | {f"short_{name}": text for name, text in words.section("grade_short").items()}
    )
