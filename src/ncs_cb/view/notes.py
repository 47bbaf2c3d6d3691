"""The worded parts of a report: header, flags, diagnosis, features and provenance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ncs_cb import flags
from ncs_cb.knowledge.findings import findings
from ncs_cb.model import TreatmentCourse
from ncs_cb.review_file import applied
from ncs_cb.view import tables
from ncs_cb.view.parts import Cell, DiagnosisView, Fact, FeatureList, FlagNote, Table
from ncs_cb.view.reading import (
    Reading,
    Row,
    Series,
    is_healthy,
    is_normal,
    is_silent,
    is_typed,
    records,
    series_of,
)
from ncs_cb.view.rounding import is_known, number, plain, with_unit
from ncs_cb.wording.catalog import capital
from ncs_cb.wording.checks import say
from ncs_cb.wording.conclusions import Ask, Conclusion, Stretch, ask_text, explain

_LEVELS = ("primary", "secondary", "unchecked", "doubtful")


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
    for check in checks:
        if check["state"] == "raised" and (text := arithmetic(r, check)):
            sums.setdefault(str(check["flag"]), []).append(text)
    return tuple(
        _flag_note(r, name, where, sums.get(name, ()))
        for name, where in sorted(places.items(), key=lambda item: _severity(item[0]))
    )


def _flag_note(r: Reading, name: str, where: Sequence[str], sums: Iterable[str]) -> FlagNote:
    w = r.words
    places, numbers = w.join(where, weight="comma"), w.join(sums, weight="heavy")
    return FlagNote(
        name,
        flags.FLAGS[name].level,
        w("phrase.flag", name=capital(w.term("flag", name)), where=places),
        w.sentences([w.term("flag_meaning", name), w.term("flag_effect", name)]),
        w("phrase.next", action=w.term("flag_action", name)),
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


def diagnosis(r: Reading) -> tuple[DiagnosisView, ...]:
    """Word what each criteria set concludes, with what explains it and what would decide it."""
    views: list[DiagnosisView] = []
    if is_healthy(r):
        return ()
    for row in records(r.result.diagnosis):
        set_id, category, stronger = (
            str(row["criteria"]),
            str(row["category"]),
            row["not_excluded"],
        )
        is_open = isinstance(stronger, str) and stronger not in ("", category, "not_met")
        is_open = is_open and not is_normal(r)
        found = _conclusion(r, row)
        asks: tuple[str, ...] = ()
        explanation = "" if r.words.lang != "en" else str(row["explanation"] or "")
        if found is not None:
            explanation = explain(found, r.words.lang)
            asks = tuple(
                dict.fromkeys(ask_text(ask, found.criteria, r.words.lang) for ask in found.asks)
            )
        if is_normal(r):
            asks, explanation = (), ""
        views.append(
            DiagnosisView(
                set_id,
                r.set_title(set_id),
                category,
                category_word(r, set_id, category),
                category_word(r, set_id, str(stronger)) if is_open else "",
                tuple(clause_word(r, set_id, c) for c in _list(row["met"])),
                tuple(clause_word(r, set_id, c) for c in _list(row["not_met"])),
                tuple(clause_word(r, set_id, c, ask=not asks) for c in _list(row["missing"])),
                asks,
                explanation,
            )
        )
    return tuple(views)


def _conclusion(r: Reading, row: Row) -> Conclusion | None:
    """Put a conclusion together from the tables; None where the record holds no reasons."""
    own = r.set_words(str(row["criteria"]))
    reasons = [one for one in records(r.result.reasons) if one["criteria"] == row["criteria"]]
    if own is None or not reasons:
        return None
    asks = (one for one in records(r.result.asks) if one["criteria"] == row["criteria"])
    return Conclusion(
        r.result.study.study_id,
        own,
        str(row["category"]),
        str(row["not_excluded"] or ""),
        tuple(_list(row["met"])),
        tuple(_list(row["not_met"])),
        tuple(_list(row["missing"])),
        relevant=tuple(_list(reasons[0]["relevant"])),
        asks=tuple(
            Ask(**{name: one[name] for name in _ASK_TEXTS}, unknown=tuple(one["unknown"]))
            for one in asks
        ),
        block_found=reasons[0]["block_found"],
        unexamined=tuple(Stretch(**one) for one in reasons[0]["unexamined"]),
        is_suspected=reasons[0]["is_suspected"] is not False,
    )


_ASK_TEXTS = (
    "kind",
    "clause",
    "nerve",
    "side",
    "distal_site",
    "proximal_site",
    "text",
    "text_zh",
)


def _list(value: object) -> list[str]:
    """Read a cell of clause ids; an empty or unknown cell holds none."""
    if isinstance(value, str):
        return [value]
    return [str(item) for item in value] if isinstance(value, Iterable) else []


def category_word(r: Reading, set_id: str, category: str) -> str:
    """Name a category in its set's own words."""
    own = r.set_words(set_id)
    word = own.categories.get(category) if own else None
    return r.either(word.text, word.text_zh) if word else r.words.term("category", category)


def clause_word(r: Reading, set_id: str, clause: str, *, ask: bool = False) -> str:
    """Word a clause id, with `ask` also what would decide it; an unknown id stands as it is."""
    own = r.set_words(set_id)
    found = own.clauses.get(clause) if own else None
    if found is not None and found.text:
        text, question = r.either(found.text, found.text_zh), r.either(found.ask, found.ask_zh)
        return r.words("phrase.ask", clause=text, ask=question) if ask and question else text
    finding = findings().get(clause)
    if finding is not None:
        return r.either(finding.label, finding.label_zh)
    section = "flag" if f"flag.{clause}" in r.words.texts else "column"
    return r.words.term(section, clause)


def features(r: Reading) -> tuple[Table, tuple[FeatureList, ...]]:
    """List what speaks for and against MMN, one by one, and what else fits; never a score.

    Returns
    -------
    tuple of Table and FeatureList
        The features of MMN with their published frequency; per other disease what speaks for
        and against it.
    """
    if is_healthy(r):
        return tables.empty(), ()
    own, rest = records(r.result.features), records(r.result.differential)
    order = {bearing: n for n, bearing in enumerate(_BEARINGS)}
    own.sort(key=lambda row: order[str(row["bearing"])])
    heads = tables.word_heads(r, "bearing", "feature", "frequency", "source", "level")
    rows = tuple(_feature(r, row) for row in own if row["bearing"] != "unknown")
    unknown = [_own_words(r, row, "text") for row in own if row["bearing"] == "unknown"]
    names = r.words.join(unknown, weight="heavy")
    others: dict[str, list[Fact]] = {}
    for row in rest:
        entity = r.words("features.other", entity=_own_words(r, row, "entity_text"))
        others.setdefault(entity, []).append(_for_or_against(r, row))
    lists = tuple(FeatureList(name, tuple(found)) for name, found in others.items())
    note = r.words("note.unknown", items=names) if unknown else ""
    return Table(tuple(heads), rows, note=note), lists


_BEARINGS = ("supportive", "against", "neutral", "unknown")


def _own_words(r: Reading, row: Row, name: str) -> str:
    return r.either(str(row[name] or ""), str(row[f"{name}_zh"] or ""))


def _feature(r: Reading, row: Row) -> tuple[Cell, ...]:
    bearing = str(row["bearing"])
    return (
        Cell(r.words(f"features.{bearing}"), bearing),
        Cell(_own_words(r, row, "text")),
        Cell(_own_words(r, row, "frequency")),
        Cell(r.source(str(row["source"]))),
        Cell(r.words.term("level", str(row["verified"]))),
    )


def _for_or_against(r: Reading, row: Row) -> Fact:
    key = "features.for" if row["bearing"] == "supportive" else "features.contra"
    return Fact(r.words(key), _own_words(r, row, "text"))


def verification(r: Reading) -> tuple[Fact, ...]:
    """Say how well each set's limits are verified, and name those that are not."""
    seen: dict[str, dict[tuple[str, str], str]] = {}
    for group in r.verdicts.values():
        for verdict in group:
            for clause in verdict["evidence"] or ():
                key = (str(clause.get("clause")), str(clause.get("limit")))
                level = str(clause.get("verified") or "unchecked")
                seen.setdefault(str(verdict["criteria"]), {})[key] = level
    facts = []
    for set_id, clauses in seen.items():
        counts = Counter(clauses.values())
        parts = [
            r.words("phrase.count", word=r.words.term("level", level), n=counts[level])
            for level in _LEVELS
            if counts[level]
        ]
        facts.append(Fact(r.set_title(set_id), r.words.join(parts, weight="comma")))
    return tuple(facts)


def data_files(r: Reading) -> Table:
    """List the criteria and reference sets with revision and SHA-256."""
    provenance = r.result.provenance
    heads = tables.word_heads(r, "kind", "set", "revision", "sha256")
    rows = [
        (
            Cell(r.words(f"kind.{kind}")),
            Cell(r.set_title(f.id) if kind == "criteria" else r.reference_title(f.id)),
            Cell(str(f.revision)),
            Cell(f.sha256, "hash"),
        )
        for kind, group in (("criteria", provenance.criteria), ("reference", provenance.reference))
        for f in group
    ]
    return Table(tuple(heads), tuple(rows))


def rests_on(r: Reading) -> tuple[Fact, ...]:
    """Give the version and the settings."""
    provenance = r.result.provenance
    settings = [
        Fact(r.words.term("setting", key), r.setting(key, str(value)))
        for key, value in sorted(provenance.settings.items())
    ]
    return (Fact(r.words("label.version"), provenance.version), *settings)


def references(r: Reading) -> tuple[Fact, ...]:
    """Give the publication behind each criteria set."""
    facts = []
    for item in r.result.provenance.criteria:
        found = r.set_words(item.id)
        if found is not None and found.citation:
            doi = f" doi:{found.doi}" if found.doi else ""
            facts.append(Fact(r.set_title(item.id), f"{found.citation}{doi}"))
    return tuple(facts)


def sources(r: Reading) -> Table:
    """List the input files with the reader that took them and their SHA-256."""
    heads = tables.word_heads(r, "file", "reader", "sha256")
    rows = [
        (Cell(s.name), Cell(r.words.term("reader", s.reader)), Cell(s.sha256, "hash"))
        for s in r.result.provenance.sources
    ]
    return Table(tuple(heads), tuple(rows))


def decisions(r: Reading) -> Table:
    """List what the reader and later steps decided, and why."""
    heads = tables.word_heads(r, "file", "topic", "choice", "reason")
    found = dict.fromkeys(r.result.provenance.decisions)
    told = ((d.source, r.words.term("topic", d.topic), d.choice, d.reason) for d in found)
    rows = tuple(tuple(Cell(r.settled(text)) for text in one) for one in told)
    return Table(tuple(heads), rows)


def trace_flags(r: Reading) -> tuple[FlagNote, ...]:
    """Word the flags of responses that belong to no motor nerve of the report."""
    rows = [(r.nerve_title(series_of(row)), row) for row in r.traces if row["kind"] == "sensory"]
    return flag_notes(r, rows)
