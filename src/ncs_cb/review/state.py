"""What the page of a review shows, as plain data; words and rounding come from ``view``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ncs_cb import flags, view
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.measuring import edits
from ncs_cb.measuring.between import corrected, marker_times
from ncs_cb.model import Correction, Result, Trace
from ncs_cb.review.machines import differences
from ncs_cb.review.standing import settings_of
from ncs_cb.view.rounding import number

_SERIES = ("nerve", "side", "muscle")
_SHOWN = (
    "onset_latency_ms",
    "negative_peak_latency_ms",
    "negative_peak_amplitude_mv",
    "total_negative_duration_ms",
    "total_negative_area_mv_ms",
)
# More points than a screen has are drawn as the lowest and highest of each stretch.
_MOST_POINTS = 6000


def grades_of(result: Result) -> dict[tuple[str, ...], str]:
    """Give every grade by segment and set, and every category by set."""
    columns = ["nerve", "side", "muscle", "segment", "criteria", "conduction_block"]
    rows = result.verdicts[columns].astype("string").fillna("").itertuples(index=False, name=None)
    found = {tuple(row[:-1]): str(row[-1]) for row in rows}
    concluded = result.diagnosis[["criteria", "category"]].astype("string").fillna("")
    for criteria, category in concluded.itertuples(index=False, name=None):
        found["", "", "", "", str(criteria)] = str(category)
    return found


def change_text(key: tuple[str, ...], before: str, after: str, lang: str) -> str:
    """Say in words what became of one grade or category of :func:`grades_of`."""
    words = view.load(lang)
    nerve, side, muscle, segment, criteria = key
    section, where = "category", []
    if segment:
        section = "grade"
        ends = [words.site(site) for site in segment.split("-")]
        where = [words.term("side", side), words.nerve(nerve), words.muscle(muscle)]
        where.append(" \u2013 ".join(ends))
    place = words.join([*where, words.term("criteria", criteria)], weight="comma")
    old, new = (words.term(section, v) if v else "\u2013" for v in (before, after))
    return words.join([place, f"{old} \u2192 {new}"], weight="colon")


def describe(
    result: Result,
    events: Sequence[Correction],
    before: Mapping[tuple[str, ...], str],
    lang: str,
) -> dict[str, Any]:
    """Give the state of a review in the words of one language.

    Parameters
    ----------
    result : Result
    events : sequence of Correction
        Every event of the log.
    before : mapping
        The grades before the last event, as of :func:`grades_of`; empty at the start.
    lang : str
    """
    words = view.load(lang)
    built = view.build(result, lang=lang)
    review = edits.replay(result.study)
    refused = {event.id: why for event, why in review.refused}
    return {
        "lang": lang,
        "languages": list(view.languages()),
        "words": words.section("review"),
        "study_id": result.study.study_id,
        "lead": built.lead,
        "impression_title": built.labels["impression"],
        "impression": [{"text": fact.text} for fact in built.impression],
        "finding": [line.text for line in built.finding],
        "diagnosis": [
            {
                "title": d.title,
                "word": d.word,
                "is_changed": bool(before)
                and before.get(("", "", "", "", d.criteria), "") != d.category,
            }
            for d in built.diagnosis
        ],
        "disclaimer": built.disclaimer,
        "nerves": _nerves(result, review, built, before, words),
        "unassigned": [
            {"recording": u.recording, "text": u.text, "sweep": u.sweep}
            for u in {(u.recording, u.text): u for u in result.study.unassigned}.values()
        ],
        "all_sites": [{"id": s, "label": words.site(s)} for s in anatomy().sites],
        "differences": _differences(result, words),
        "events": [_event(e, review, refused, words) for e in events],
    }


def _nerves(
    result: Result,
    review: edits.Review,
    built: view.View,
    before: Mapping[tuple[str, ...], str],
    words: Any,
) -> list[dict[str, Any]]:
    """Give every series with its responses and segments."""
    by_series: dict[tuple[str, ...], Any] = {(n.nerve, n.side, n.muscle): n for n in built.nerves}
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    numbers = _numbers(result)
    for place, row in enumerate(result.traces.to_dict("records")):
        key = (*(str(row[name]) for name in _SERIES), str(row["kind"]))
        shown = _response(result, review, (place, numbers[place]), row, words)
        groups.setdefault(key, []).append(shown)
    nerves = []
    for key, responses in groups.items():
        one = by_series.get(key[:3]) if key[3] == "motor" else None
        responses.sort(key=lambda r: r["order"])
        nerves.append(
            {
                "id": "-".join(key),
                "title": _title(words, key),
                "kind": key[3],
                "grade": one.grade if one else "",
                "word": one.word if one else "",
                "sites": [
                    {"id": s, "label": words.site(s)} for s in anatomy().nerves[key[0]].sites
                ],
                "responses": responses,
                "segments": [_segment(s, key, before) for s in one.segments] if one else [],
            }
        )
    return nerves


def _differences(result: Result, words: Any) -> list[dict[str, Any]]:
    """List where the machine's own markers and ours differ, the largest first."""
    found = []
    for row in differences([result]).to_dict("records"):
        key, name = (*(str(row[part]) for part in _SERIES), str(row["kind"])), str(row["measure"])
        title = [_title(words, key), words.site(str(row["stimulation_site"]))]
        found.append(
            {
                "place": row["place"],
                "nerve": "-".join(key),
                "title": words.join(title, weight="comma"),
                "name": words.term("column", name),
                "unit": _unit(name),
                "ours": _rounded(row["program"], name),
                "theirs": _rounded(row["machine"], name),
            }
        )
    return found


def _title(words: Any, key: tuple[str, ...]) -> str:
    nerve, side, muscle, kind = key
    parts = [words.term("side", side), words.nerve(nerve), words.muscle(muscle)]
    if kind != "motor":
        parts.append(words("review.sensory"))
    return words.join(parts, weight="comma")  # type: ignore[no-any-return]


def _numbers(result: Result) -> list[int]:
    """Give the number by which each response is called in its recording: its sweep, or its row."""
    seen: Counter[str] = Counter()
    numbers = []
    for response in result.responses:
        if response.trace is not None:
            numbers.append(response.trace.sweep)
            continue
        numbers.append(seen[response.recording])
        seen[response.recording] += 1
    return numbers


def _response(
    result: Result,
    review: edits.Review,
    at: tuple[int, int],
    row: Mapping[Any, Any],
    words: Any,
) -> dict[str, Any]:
    place, sweep = at
    response = result.responses[place]
    trace = response.trace
    names = flags.split(str(row["quality_flags"]))
    sites = anatomy().nerves[str(row["nerve"])].sites
    site = str(row["stimulation_site"])
    shown = {
        "place": place,
        "site": site,
        "title": words.site(site),
        "order": sites.index(site) if site in sites else len(sites),
        "recording": str(row["recording"]),
        "sweep": sweep,
        "side": str(row["side"]),
        "has_curve": trace is not None,
        "is_used": flags.is_used(row["quality_flags"]),
        "is_reviewed": "reviewed" in names,
        "flags": [words.term("flag", name) for name in names],
        "values": [_value(row, name, words) for name in _SHOWN],
    }
    edit = review.edits.get((str(row["recording"]), sweep)) if trace is None else review.of(trace)
    edit = edit or edits.Edit()
    shown |= {
        "is_excluded": edit.is_excluded,
        "is_chosen": edit.is_chosen,
        "settings": settings_of(response),
        "moved_by": {name: event.who for name, event in edit.markers.items()},
    }
    if trace is not None:
        shown |= _markers(trace, edit, row)
        polarity = edit.settings.get("polarity")
        told = "negative_up" if polarity is None else polarity.to_value
        shown["settings"] = {**shown["settings"], "polarity": told}
    return shown


def _value(row: Mapping[Any, Any], name: str, words: Any) -> dict[str, Any]:
    return {
        "name": words.term("column", name),
        "now": _rounded(row[name], name),
        "is_known": not math.isnan(row[name]),
        "automatic": _rounded(row[f"automatic_{name}"], name),
        "unit": _unit(name),
    }


def _rounded(value: float, name: str) -> str:
    # A marker moves in steps of 0.05 ms, which a report would round away.
    if _unit(name) == "ms" and not math.isnan(value):
        return f"{value:.2f}"
    return number(value, _unit(name))


def _unit(name: str) -> str:
    from ncs_cb.units import unit_of

    return unit_of(name)


def _markers(trace: Trace, edit: edits.Edit, row: Mapping[Any, Any]) -> dict[str, Any]:
    times: dict[str, float] = marker_times(row)
    baseline = edit.markers.get("baseline")
    times["baseline"] = math.nan if baseline is None else float(baseline.to_value or 0.0)
    automatic = marker_times({n: row.get(f"automatic_{n}", v) for n, v in row.items()})
    return {
        "markers": {name: _known(value) for name, value in times.items()},
        "automatic": {name: _known(value) for name, value in automatic.items()},
        "baseline_mv": _known(float(row["baseline_mv"])),
        "machine": {
            "onset_latency_ms": trace.machine.onset_latency_ms,
            "amplitude_mv": trace.machine.amplitude_mv,
        },
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _segment(
    one: Any, key: tuple[str, ...], before: Mapping[tuple[str, ...], str]
) -> dict[str, Any]:
    segment = f"{one.distal_site}-{one.proximal_site}"
    changed = {
        s.criteria: bool(before) and before.get((*key[:3], segment, s.criteria), "") != s.grade
        for s in one.sets
    }
    return {
        "title": one.title,
        "grade": one.grade,
        "word": one.word,
        "numbers": one.numbers,
        "sets": [
            {"title": s.title, "word": s.word, "is_changed": changed[s.criteria]} for s in one.sets
        ],
        "is_changed": any(changed.values()),
    }


def _event(
    event: Correction, review: edits.Review, refused: Mapping[str, str], words: Any
) -> dict[str, Any]:
    return {
        "id": event.id,
        "at": event.at,
        "who": event.who,
        "text": _event_text(event, words),
        "why": event.why,
        "is_undone": event.id in review.undone,
        "refused": refused.get(event.id, ""),
        "action": event.action,
    }


def _event_text(event: Correction, words: Any) -> str:
    what = words(f"review.action_{event.action}")
    name = event.marker or event.key
    if name is not None:
        what = words.join([what, words(f"review.{name}")], weight="colon")
    if event.action in ("move", "set"):
        values = [_value_text(event, v, words) for v in (event.from_value, event.to_value)]
        what = f"{what} {values[0]} \u2192 {values[1]}"
    place = words.site(event.site) if event.site else event.text
    return words.join(filter(None, [place, what]), weight="comma")  # type: ignore[no-any-return]


def _value_text(event: Correction, value: Any, words: Any) -> str:
    if value is None:
        return words("review.unknown")  # type: ignore[no-any-return]
    if isinstance(value, bool):
        return words("review.yes" if value else "review.no")  # type: ignore[no-any-return]
    if isinstance(value, str):
        return words.site(value) if event.key == "site" else words(f"review.{value}")  # type: ignore[no-any-return]
    return f"{value:.2f} ms" if event.action == "move" else f"{value:g} mm"


def samples_of(result: Result) -> dict[str, Any]:
    """Give the curve of each response: first time and step in ms, and its samples in mV."""
    return {
        str(place): _curve(one.trace)
        for place, one in enumerate(result.responses)
        if one.trace is not None
    }


def _curve(trace: Trace) -> dict[str, Any]:
    samples = np.asarray(trace.samples_mv, dtype=np.float64)
    step = 1000.0 / trace.sampling_rate_hz
    # Latencies count from the artefact where the program counted from it, and so does the curve.
    _, zero = corrected(trace)
    first = -zero * step
    if samples.size > _MOST_POINTS:
        width = -(-samples.size // (_MOST_POINTS // 2))
        whole = samples[: samples.size // width * width].reshape(-1, width)
        samples = np.stack([whole.min(axis=1), whole.max(axis=1)], axis=1).ravel()
        step *= width / 2
    values = [round(v, 6) if math.isfinite(v) else None for v in samples.tolist()]
    return {"first_ms": first, "step_ms": step, "mv": values}
