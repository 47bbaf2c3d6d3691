"""The worded parts of a report: header, technique, treatment, flags and checks not made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ncs_cb import flags
from ncs_cb.knowledge.anatomy import is_foreign
from ncs_cb.model import TreatmentCourse
from ncs_cb.review_file import applied
from ncs_cb.view.parts import Fact, FlagNote
from ncs_cb.view.reading import (
    Reading,
    Row,
    Series,
    is_silent,
    is_typed,
    series_of,
)
from ncs_cb.view.rounding import is_known, number, plain, with_unit
from ncs_cb.wording.catalog import capital
from ncs_cb.wording.checks import say


def header(r: Reading) -> tuple[Fact, ...]:
    """Give study, day and person without identity."""
    details, w = r.result.study.details, r.words
    person = [
        w("header.years", value=plain(details.age_years)) if is_known(details.age_years) else "",
        w.term("sex", details.sex) if details.sex else "",
        with_unit(plain(details.height_cm), "cm") if is_known(details.height_cm) else "",
    ]
    day = details.visit_date.isoformat() if details.visit_date else ""
    facts = {
        "study": r.result.study.study_id,
        "visit_date": day,
        "person": w.join(filter(None, person), weight="comma"),
        "review": _review(r),
    }
    return _facts(r, facts)


def technique(r: Reading) -> tuple[Fact, ...]:
    """Give temperature, filters, sampling, the sets applied, treatment, and doubts on reading."""
    temperature = [
        r.words(
            "header.limb",
            limb=r.words.term("limb", limb),
            value=with_unit(number(value, "°C"), "°C"),
        )
        for limb, value in r.result.study.details.limb_temperature_c.items()
    ]
    facts = {
        "temperature": r.words.join(temperature, weight="comma"),
        "filters": _filters(r),
        "sampling": _sampling(r),
        "criteria": r.words.join(map(r.set_title, r.sets), weight="comma"),
    }
    more = {"treatment": _treatment(r), "reading": _reading(r)}
    return _facts(r, facts | {key: text for key, text in more.items() if text})


def _reading(r: Reading) -> str:
    """Say what was read although it is not whole, and what was left out unread."""
    found = dict.fromkeys(d for d in r.result.provenance.decisions if d.topic == "salvage")
    told = [r.words("header.read_so", file=d.source, reason=d.reason) for d in found]
    return r.words.join(told, weight="heavy")


def _facts(r: Reading, facts: Mapping[str, str]) -> tuple[Fact, ...]:
    """Label facts; what is missing is said to be."""
    unknown = r.words("header.not_recorded")
    return tuple(Fact(r.words(f"header.{key}"), text or unknown) for key, text in facts.items())


def _review(r: Reading) -> str:
    """Say who reviewed the markers, and that nobody did."""
    held, _ = applied(r.result.study.corrections, r.result.provenance.decisions)
    names = dict.fromkeys(event.who for event in held)
    is_any = any("reviewed" in flags.split(row["quality_flags"] or "") for row in r.traces)
    if not is_any:
        return r.words("header.not_reviewed")
    who = r.words.join(names, weight="comma") or "study.toml"
    n = sum("reviewed" in flags.split(row["quality_flags"] or "") for row in r.traces)
    return r.words("header.reviewed", who=who, n=n, of=len(r.traces))


def _filters(r: Reading) -> str:
    """Give the filters of motor and of sensory recordings."""
    kinds: dict[str, dict[str, None]] = {}
    for row in r.traces:
        low, high = row["high_pass_hz"], row["low_pass_hz"]
        if is_known(low) or is_known(high):
            text = r.words("header.filter", low=_hertz(low), high=_hertz(high))
            kinds.setdefault("sensory" if row["kind"] == "sensory" else "motor", {})[text] = None
    if len(kinds) == 1:
        return r.words.join(next(iter(kinds.values())), weight="heavy")
    return r.words.join(
        (
            r.words(f"header.{kind}", text=r.words.join(found, weight="comma"))
            for kind, found in kinds.items()
        ),
        weight="heavy",
    )


def _hertz(value: object) -> str:
    if is_known(value) and float(value) >= 1e3:  # type: ignore[arg-type]
        return with_unit(plain(float(value) / 1e3), "kHz")  # type: ignore[arg-type]
    return with_unit(plain(value), "Hz")


def _sampling(r: Reading) -> str:
    rates = sorted(
        {row["sampling_rate_hz"] for row in r.traces if is_known(row["sampling_rate_hz"])}
    )
    return r.words.join((with_unit(plain(rate / 1e3), "kHz") for rate in rates), weight="comma")


def _treatment(r: Reading) -> str:
    courses = r.result.study.details.courses
    return r.words.join((course_text(r, course) for course in courses), weight="heavy")


def course_text(r: Reading, course: TreatmentCourse) -> str:
    """Word one course of treatment."""
    days = [d.isoformat() if d else "" for d in (course.start, course.end)]
    dose = with_unit(plain(course.dose_g_per_kg), "g/kg") if course.dose_g_per_kg else ""
    span = r.words("phrase.span", start=days[0], end=days[1]) if days[1] else days[0]
    return r.words.join(filter(None, [drug_word(r, course.drug), dose, span]), weight="comma")


def drug_word(r: Reading, drug: str) -> str:
    """Name a drug; what the catalog does not know stays as it was written."""
    return r.words.texts.get(f"drug.{drug.strip().lower().replace(' ', '_')}", drug)


def flag_notes(
    r: Reading, rows: Sequence[tuple[str, Row]], checks: Iterable[Row] = ()
) -> tuple[FlagNote, ...]:
    """Word the flags of some rows, each flag once with all the places it was raised at."""
    places: dict[str, list[str]] = {}
    for where, row in rows:
        for name in flags.split(row.get("quality_flags") or ""):
            places.setdefault(name, []).append(where)
    sums: dict[str, list[str]] = {}
    raised = [check for check in checks if check["state"] == "raised"]
    for check in raised:
        if text := arithmetic(r, check):
            sums.setdefault(str(check["flag"]), []).append(text)
    done = _done(rows, raised)
    return tuple(
        _flag_note(r, name, where, sums.get(name, ()), done.get(name, f"flag_action.{name}"))
        for name, where in sorted(places.items(), key=lambda item: _severity(item[0]))
    )


def _done(rows: Sequence[tuple[str, Row]], raised: Iterable[Row]) -> dict[str, str]:
    """Give the flags whose usual next step was taken already, with what is said instead."""
    found = {}
    for check in raised:
        numbers = check.get("numbers")
        at_most = str(check.get("case") or "").endswith("at_most")
        if isinstance(numbers, Mapping) and "crossing_mv" in numbers and not at_most:
            found[str(check["flag"])] = "phrase.crossing_recorded"
    for name in ("response_absent", "response_absent_at_site"):
        mine = [row for _, row in rows if name in flags.split(row.get("quality_flags") or "")]
        if mine and all(is_foreign(row["nerve"], str(row.get("muscle") or "")) for row in mine):
            found[name] = "phrase.absent_of_crossing"
    return found


def _flag_note(
    r: Reading, name: str, where: Sequence[str], sums: Iterable[str], action: str
) -> FlagNote:
    w = r.words
    places, numbers = w.join(where, weight="comma"), w.join(sums, weight="heavy")
    return FlagNote(
        name,
        flags.FLAGS[name].level,
        w("phrase.flag", name=capital(w.term("flag", name)), where=places),
        w.sentences([w.term("flag_meaning", name), w.term("flag_effect", name)]),
        w("phrase.next", action=w(action)),
        w("phrase.arithmetic", text=numbers) if numbers else "",
    )


def arithmetic(r: Reading, check: Row) -> str:
    """Give the sentence with the numbers of a check, in the reader's language."""
    case, numbers = check.get("case"), check.get("numbers")
    if r.words.lang != "en" and isinstance(case, str) and case and isinstance(numbers, Mapping):
        return say(str(check["flag"]), case, numbers, lang=r.words.lang)
    return str(check["arithmetic"] or "")


def _severity(name: str) -> tuple[int, int]:
    levels = ("invalid", "caution", "note")
    return levels.index(flags.FLAGS[name].level), list(flags.FLAGS).index(name)


def nerve_flags(r: Reading, series: Series, responses: Sequence[Row]) -> tuple[FlagNote, ...]:
    """Word the flags of one nerve's responses and segments."""
    rows = [(r.words.site(str(row["stimulation_site"])), row) for row in responses]
    rows += [(r.segment_title(row), _without_site(r, row)) for row in r.adjacent(series)]
    if is_typed(r, series):
        rows = [(where, _without_shape(row)) for where, row in rows]
    checks = [c for key, group in r.checks.items() if key[:3] == series for c in group]
    return flag_notes(r, rows, checks)


def _without_site(r: Reading, row: Row) -> Row:
    """Leave out that a segment is an entrapment site where nothing was found at it."""
    if not is_silent(r, row):
        return row
    kept = [n for n in flags.split(row["quality_flags"] or "") if n != "entrapment_site"]
    return row | {"quality_flags": ";".join(kept)}


def _without_shape(row: Row) -> Row:
    """Leave out what only says that numbers came without a waveform."""
    kept = [
        n
        for n in flags.split(row["quality_flags"] or "")
        if n != "first_phase_only" and flags.FLAGS[n].scope != "estimate"
    ]
    return row | {"quality_flags": ";".join(kept)}


# Why a check of a response could not be made; said once for all checks and sites.
_WITHOUT = ("no_waveform", "nothing_printed", "not_measured")


def not_examined(r: Reading, series: Series) -> tuple[Fact, ...]:
    """Name the checks that could not be made on one nerve, and what was missing; each once."""
    whole: dict[str, dict[str, None]] = {}
    single: dict[tuple[str, str], dict[str, None]] = {}
    typed = is_typed(r, series)
    for row in r.adjacent(series):
        for check in r.checks.get((*series, str(row["segment"])), ()):
            if check["state"] != "not_examined":
                continue
            flag, case = r.words.term("flag", str(check["flag"])), str(check.get("case") or "")
            if typed and case in (*_WITHOUT, "not_compared"):
                whole["no_waveform"] = {r.words("missing.shape"): None}
            elif case in _WITHOUT:
                whole.setdefault(case, {})[flag] = None
            else:
                key = (arithmetic(r, check), r.segment_title(row))
                single.setdefault(key, {})[flag] = None
    places: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (why, where), names in single.items():
        places.setdefault((why, tuple(names)), []).append(where)
    everywhere = {r.segment_title(row) for row in r.adjacent(series)}
    places = {key: [] if {*where} == everywhere else where for key, where in places.items()}
    join = r.words.join
    return (
        *(
            Fact(capital(r.words(f"missing.{case}")), join(names, weight="comma"))
            for case, names in whole.items()
        ),
        *(
            Fact(
                capital(join(names, weight="comma")),
                join(filter(None, [join(where, weight="comma"), why]), weight="colon"),
            )
            for (why, names), where in places.items()
        ),
    )


def trace_flags(r: Reading) -> tuple[FlagNote, ...]:
    """Word the flags of responses that belong to no motor nerve of the report."""
    rows = [(r.nerve_title(series_of(row)), row) for row in r.traces if row["kind"] == "sensory"]
    return flag_notes(r, rows)
