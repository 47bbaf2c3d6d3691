"""The finding: one paragraph in plain words that a physician could sign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ncs_cb import flags
from ncs_cb.knowledge.anatomy import anatomy, routine_nerves
from ncs_cb.view.conclusions import category_word
from ncs_cb.view.parts import Fact
from ncs_cb.view.reading import (
    Reading,
    Row,
    Series,
    is_block,
    is_healthy,
    is_normal,
    is_silent,
    series_of,
    strength,
)
from ncs_cb.view.rounding import is_known, signed
from ncs_cb.view.studies import sensory_segment


def sentences(r: Reading) -> tuple[Fact, ...]:
    """Give the finding sentence by sentence, each labelled ``block`` or ``plain``.

    "No block" is said only of segments whose verdict is ``none``: looked for, nothing left open.
    What is undetermined, excluded or not covered is named as such, and so is what was not
    tested. The absence of block is never read as the absence of the disease.
    """
    if not r.segments:
        return _labelled("plain", [r.words("finding.nothing"), *_not_tested(r)])
    if not r.sets:
        return _labelled("plain", [r.words("finding.no_sets"), *_sensory(r), *_not_tested(r)])
    steps = (
        _extrapolated,
        _unexamined,
        _undetermined,
        _no_block,
        _excluded,
        _dispersion,
        _other_sets,
        _sensory,
        _categories,
        _not_excluded,
        _not_tested,
    )
    plain = [line for step in steps for line in step(r)]
    return (*_labelled("block", [*_blocks(r), *_cautions(r)]), *_labelled("plain", plain))


def _labelled(kind: str, lines: Iterable[str]) -> tuple[Fact, ...]:
    return tuple(Fact(kind, line) for line in lines if line)


def key_numbers(r: Reading, row: Row) -> str:
    """Give the numbers that matter for block: area, amplitude and duration."""
    pairs = {
        "area": ("total_area_reduction_pct", "area_reduction_pct"),
        "amplitude": ("amplitude_reduction_pct",),
        "duration": ("total_duration_increase_pct", "duration_increase_pct"),
    }
    parts = []
    for key, names in pairs.items():
        name = next((n for n in names if is_known(row.get(n))), None)
        if name is not None:
            change = signed(r.value(row, name), falls=key != "duration")
            parts.append(r.words(f"number.{key}", value=change))
    return r.words.join(parts, weight="comma") if parts else r.words("number.nothing")


def _with_grade(r: Reading, grade: str) -> list[Row]:
    return [row for row in r.adjacent() if r.grade(row) == grade]


def _place(r: Reading, row: Row) -> str:
    where = r.nerve_title(series_of(row))
    return r.words("phrase.place", nerve=where, segment=r.segment_title(row))


def _places(r: Reading, rows: Iterable[Row]) -> str:
    """Name segments nerve by nerve: ``right median nerve (wrist to elbow, elbow to axilla)``."""
    grouped: dict[str, list[str]] = {}
    for row in rows:
        grouped.setdefault(r.nerve_title(series_of(row)), []).append(r.segment_title(row))
    return _grouped(r, grouped)


def _grouped(r: Reading, places: Mapping[str, Sequence[str]]) -> str:
    return r.words.join(
        [
            r.words(
                "phrase.nerve_segments", nerve=nerve, segments=r.words.join(parts, weight="comma")
            )
            for nerve, parts in places.items()
        ],
        weight="heavy",
    )


def _blocks(r: Reading) -> list[str]:
    grades = sorted({r.grade(row) for row in r.adjacent()}, key=strength)
    lines = []
    for grade in filter(is_block, grades):
        items = [
            r.words("finding.block_item", place=_place(r, row), numbers=key_numbers(r, row))
            for row in _with_grade(r, grade)
        ]
        lines.append(
            r.words(
                "finding.block",
                grade=r.words.term("grade_in_text", grade),
                segments=r.words.join(items, weight="heavy"),
                criteria=r.set_title(r.lead),
            )
        )
    return lines


def _extrapolated(r: Reading) -> list[str]:
    rows = [row for row in _blocked(r) if (r.verdict(row) or {}).get("extrapolated") is True]
    if not rows:
        return []
    title = r.set_title(r.lead)
    return [r.words("finding.extrapolated", segments=_places(r, rows), criteria=title)]


def _undetermined(r: Reading) -> list[str]:
    rows = _with_grade(r, "undetermined")
    return [r.words("finding.undetermined", segments=_places(r, rows))] if rows else []


def _excluded(r: Reading) -> list[str]:
    """Name what the set does not judge: entrapment sites, other exclusions, no rule."""
    excluded = [row for row in _with_grade(r, "excluded") if not is_silent(r, row)]
    trapped = [row for row in excluded if row["is_entrapment_site"] is True]
    groups = {
        "excluded_entrapment": trapped,
        "excluded": [row for row in excluded if row not in trapped],
        "not_covered": _with_grade(r, "not_covered"),
    }
    title = r.set_title(r.lead)
    return [
        r.words(f"finding.{key}", segments=_places(r, rows), criteria=title)
        for key, rows in groups.items()
        if rows
    ]


def _no_block(r: Reading) -> list[str]:
    rows = _with_grade(r, "none")
    if not rows:
        return []
    everywhere = len(rows) == len(r.adjacent())
    key = "finding.none_anywhere" if everywhere else "finding.none"
    return [r.words(key, segments=_places(r, rows), criteria=r.set_title(r.lead))]


def _dispersion(r: Reading) -> list[str]:
    judged = [(row, v["temporal_dispersion"]) for row in r.adjacent() if (v := r.verdict(row))]
    found = [row for row, dispersed in judged if dispersed is True]
    if found:
        return [r.words("finding.dispersion", segments=_places(r, found))]
    if judged and all(dispersed is False for _, dispersed in judged):
        return [r.words("finding.no_dispersion", criteria=r.set_title(r.lead))]
    return []


def _other_sets(r: Reading) -> list[str]:
    """Say where another set's answer to "block or not" differs from the leading one's."""
    lines = []
    for other in r.sets:
        if other == r.lead:
            continue
        differing: dict[str, list[Row]] = {}
        for row in r.adjacent():
            verdict = r.verdict(row, other)
            grade = str(verdict["conduction_block"]) if verdict else "not_covered"
            if {is_block(grade), is_block(r.grade(row))} == {True, False} and (
                is_block(grade) or grade == "none"
            ):
                differing.setdefault(grade, []).append(row)
        parts = [
            r.words(
                "finding.other_item",
                grade=r.words.term("verdict_in_text", grade),
                segments=_places(r, rows),
            )
            for grade, rows in sorted(differing.items(), key=lambda item: strength(item[0]))
        ]
        if parts:
            lines.append(
                r.words(
                    "finding.other_set",
                    criteria=r.set_title(other),
                    items=r.words.join(parts, weight="heavy"),
                )
            )
    return lines


def _blocked(r: Reading) -> list[Row]:
    return [row for row in r.adjacent() if is_block(r.grade(row))]


def _cautions(r: Reading) -> list[str]:
    """Name what else could explain a block: it belongs right behind the block itself."""
    found = {
        name: None
        for row in _blocked(r)
        for name in flags.split(row["quality_flags"] or "")
        if flags.FLAGS[name].level != "note" and flags.FLAGS[name].scope != "estimate"
    }
    return _named(r, "finding.mimics_raised", found)


def _unexamined(r: Reading) -> list[str]:
    """Name the mimics of block that could not be looked for where block was found."""
    found = {
        str(check["flag"]): None
        for row in _blocked(r)
        for check in r.checks.get((*series_of(row), str(row["segment"])), ())
        if check["state"] == "not_examined" and flags.FLAGS[check["flag"]].scope == "segment"
    }
    return _named(r, "finding.mimics_not_examined", found)


def _named(r: Reading, key: str, names: Iterable[str]) -> list[str]:
    words = r.words.join(r.words.term("flag", name) for name in names)
    return [r.words(key, flags=words)] if words else []


def _sensory(r: Reading) -> list[str]:
    """Say which sensory studies are normal, as read by the physician or by the limits."""
    studies = r.tables["sensory"]
    judged = [
        (
            r.nerve_title((str(one["nerve"]), str(one["side"]), "")),
            sensory_segment(r, one["segment"]),
            bool(one["is_normal"]),
        )
        for one in studies
        if one["is_normal"] is not None
    ]
    if not judged:
        return [r.words("finding.sensory_unread" if studies else "finding.sensory_missing")]
    mixed = {nerve for nerve, _, reading in judged if not reading}
    lines = []
    for wanted, key in ((True, "finding.sensory_normal"), (False, "finding.sensory_abnormal")):
        places: dict[str, list[str]] = {}
        for nerve, segment, reading in judged:
            if reading is wanted:
                places.setdefault(nerve, []).append(segment)
        if places:
            # Segments are named only where they differ within a nerve.
            named = [_grouped(r, {n: p}) if n in mixed else n for n, p in places.items()]
            lines.append(r.words(key, nerves=r.words.join(named, weight="heavy")))
    return lines


def _categories(r: Reading) -> list[str]:
    """Give the leading set's category, and those of other sets that are met."""
    lines: list[str] = []
    if is_healthy(r):
        return lines
    for row in r.tables["diagnosis"]:
        category = str(row["category"])
        stronger = row["not_excluded"]
        if row["criteria"] != r.lead and category in ("not_met", "undetermined"):
            continue
        text = r.words(
            "finding.category",
            criteria=r.set_title(str(row["criteria"])),
            category=_category(r, row, category),
        )
        is_open = isinstance(stronger, str) and stronger not in (category, "not_met", "")
        if is_open and not is_normal(r):
            text += r.words("finding.category_open", category=_category(r, row, str(stronger)))
        lines.append(text + r.words("list.stop"))
    return lines


def _category(r: Reading, row: Row, category: str) -> str:
    """Name a category in running text; ``not_met`` and ``undetermined`` are no categories."""
    if category in ("not_met", "undetermined"):
        return r.words(f"category_in_text.{category}")
    return category_word(r, str(row["criteria"]), category)


def _not_excluded(r: Reading) -> list[str]:
    grades = [r.grade(row) for row in r.adjacent()]
    if is_normal(r) or any(is_block(grade) for grade in grades):
        return []
    return [r.words("finding.not_excluded")]


def _not_tested(r: Reading) -> list[str]:
    """Name the nerves, sides and proximal stretches in which nobody looked."""
    known = anatomy().nerves
    arms = [name for name in routine_nerves() if known[name].limb == "arm"]
    studied = {series_of(row)[:2] for row in r.traces if flags.is_done(row.get("response"))}
    items = []
    for side in ("right", "left"):
        missing = [n for n in arms if (n, side) not in studied]
        word = r.words.term("side", side)
        if len(missing) == len(arms):
            items.append(r.words("finding.whole_arm", side=word))
        elif missing:
            items.append(_nerves_of_side(r, side, missing))
    if not any(known[n].limb == "leg" for n, _ in studied if n in known):
        items.append(r.words("finding.legs"))
    items += _proximal_gaps(r)
    items += _not_done(r)
    if r.result.study.unassigned:
        texts = dict.fromkeys(one.text or one.recording for one in r.result.study.unassigned)
        n = len(r.result.study.unassigned)
        items.append(r.words("finding.unassigned", n=n, texts=r.words.join(texts, weight="comma")))
    items += [
        r.words("finding.rows_left_out", rows=one.choice)
        for one in r.result.study.decisions
        if one.topic == "rows left out"
    ]
    items.append(r.words("finding.roots"))
    return [r.words("finding.not_tested", items=r.words.join(items, weight="heavy"))]


def _not_done(r: Reading) -> list[str]:
    """Name the sites of studied nerves that were written down as not stimulated."""
    sites: dict[Series, list[str]] = {}
    for row in r.traces:
        if not flags.is_done(row.get("response")):
            site = r.words.site(str(row["stimulation_site"]))
            sites.setdefault(series_of(row), []).append(site)
    return [
        r.words("finding.not_done", nerve=r.nerve_short(series), sites=r.words.join(names))
        for series, names in sites.items()
    ]


def _nerves_of_side(r: Reading, side: str, names: list[str]) -> str:
    nerves_text = r.words.join(r.words.nerve(n) for n in names)
    key = "phrase.nerve" if len(names) == 1 else "phrase.nerves"
    return r.words(key, side=r.words.term("side", side), nerve=nerves_text)


def _proximal_gaps(r: Reading) -> list[str]:
    """Name, per nerve, the most proximal site reached when it is not the last one known."""
    reached: dict[tuple[str, str], list[str]] = {}
    for series in r.series:
        known = anatomy().nerves.get(series[0])
        rows = [row for row in r.adjacent(series) if known and row["proximal_site"] in known.sites]
        if not rows or known is None or known.limb != "arm":
            continue
        last = max((str(row["proximal_site"]) for row in rows), key=known.sites.index)
        if last != known.sites[-1]:
            reached.setdefault((series[1], last), []).append(series[0])
    return [
        r.words(
            "finding.proximal_to",
            site=r.words.site(site),
            nerves=_nerves_of_side(r, side, list(dict.fromkeys(names))),
        )
        for (side, site), names in reached.items()
    ]
