"""Rows of a foreign table to one recording per visit."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ncs_cb.discreet import without_quotes
from ncs_cb.errors import NcsError, StudyError
from ncs_cb.knowledge.anatomy import anatomy, nerve_of_muscle, position
from ncs_cb.knowledge.layouts import Layout
from ncs_cb.model import Decision, Details, PrintedSegment, TypedResponse
from ncs_cb.readers._shared.grid import Grid
from ncs_cb.readers._shared.reader import Input, Recording
from ncs_cb.readers._shared.tables import Table, is_identity, number
from ncs_cb.readers._shared.typed import Notes, limited, one_per_site, refuse_many, typed_response
from ncs_cb.readers._shared.words import named
from ncs_cb.readers.mapped_table.rows import Found, Row, take_rows
from ncs_cb.study_file import RANGES, build_study
from ncs_cb.units import FARTHEST_MM

_OURS = Table((), [], has_decimal_comma=False)
_NOT_OF_A_SITE_TABLE = frozenset(
    {
        "study_id",
        "recording",
        "segment",
        "distal_site",
        "proximal_site",
        "printed_velocity_m_per_s",
        "temperature_c",
    }
)
_PRINTED_LIMITS: dict[str, tuple[float, float]] = {
    "distance_mm": (0, FARTHEST_MM),
    "printed_velocity_m_per_s": RANGES["velocity_m_per_s"],
}
_PEAK_TO_PEAK = {"negative_peak_amplitude_mv": "peak_to_peak_amplitude_mv"}
_LEFT_OUT = (
    "values that belong to no motor table are not read: no line that 'group_row' of the layout "
    "fits names their nerve, or another header stands above them"
)
_SHOWN = 40
_LONGEST_ID = 200
_Series = tuple[str, str, str, str]


@dataclass(slots=True)
class _Visit:
    """What was found for one study id."""

    responses: list[TypedResponse] = field(default_factory=list)
    segments: list[PrintedSegment] = field(default_factory=list)
    patient: dict[str, object] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    printed: list[tuple[Row, TypedResponse]] = field(default_factory=list)
    problem: NcsError | None = None
    notes: Notes = field(default_factory=Notes)


def recordings(source: Input, grid: Grid, layout: Layout) -> dict[str, Recording | NcsError]:
    """Give one recording per study id of a table; the id is empty where the table names none.

    What is wrong with one visit stands in its place and leaves the others alone.

    Raises
    ------
    StudyError
        If the table holds no row of a nerve conduction study, or a row without a study id.
    """
    found = take_rows(grid, layout)
    with_id = any(r.cells.get("study_id") for r in found.rows)
    visits: dict[str, _Visit] = {}
    for row in found.rows:
        name = row.cells.get("study_id", "").strip()
        if with_id and not name:
            raise StudyError(
                f"{row.where} names no study id.", hint="Fill the column in every row."
            )
        if len(name) > _LONGEST_ID:
            raise StudyError(f"{row.where}: the study id has more than {_LONGEST_ID} characters.")
        visit = visits.setdefault(name, _Visit())
        try:
            if row.problem is not None:
                raise row.problem
            _take(visit, row, source, layout)
        except NcsError as problem:
            visit.problem = visit.problem or problem
    visits = {name: v for name, v in visits.items() if v.responses or v.patient or v.problem}
    if not any(v.responses or v.problem for v in visits.values()):
        raise StudyError(
            "no row of a nerve conduction study was found.",
            hint="'ncs-cb validate FILE --layout' shows what is seen in it.",
        )
    general = _decisions(source, grid, layout, found)
    return {name: _settled(name, v, source, layout, general) for name, v in visits.items()}


def _settled(
    name: str, visit: _Visit, source: Input, layout: Layout, general: tuple[Decision, ...]
) -> Recording | NcsError:
    """Give a visit, or what is wrong with it: that is no concern of the others."""
    try:
        return visit.problem or _recording(name, visit, source, layout, general)
    except NcsError as problem:
        return problem


# --------------------------------------------------------------------------- one row


def _take(visit: _Visit, row: Row, source: Input, layout: Layout) -> None:
    for key, value in row.patient.items():
        if visit.patient.setdefault(key, value) != value:
            raise StudyError(
                f"{row.where}: {key} differs from an earlier row of the same study.",
                hint="One study_id is one visit.",
            )
    refuse_many(len(visit.responses) + 1)
    site = row.cells.get("stimulation_site", "")
    if not site and not any(row.cells.get(k) for k in ("nerve", "muscle")):
        return
    cells = {k: v for k, v in row.cells.items() if k not in _NOT_OF_A_SITE_TABLE}
    try:
        _settle(cells, row, source, layout, visit)
        if layout.amplitude_basis == "peak_to_peak":
            cells = {_PEAK_TO_PEAK.get(k, k): v for k, v in cells.items()}
        if layout.distance == "segment" or _names_segment(row):
            cells.pop("distance_mm", None)
        response = typed_response(cells, _OURS, row.where, source, visit.notes)
    except NcsError as problem:
        raise _with_hint(problem, row) from None
    _refuse_contradiction(row, response)
    visit.responses.append(response)
    visit.printed.append((row, response))
    if "temperature_c" in row.cells:
        limb = f"{response.site.side}_{anatomy().nerves[response.site.nerve].limb}"
        text = re.sub(r"[^\d.,]", "", row.cells["temperature_c"]).replace(",", ".")
        found = number(text, _OURS, f"{row.where}, the temperature")
        if not math.isnan(found):
            visit.patient.setdefault(f"limb_temperature_c.{limb}", found)


def _with_hint(problem: NcsError, row: Row) -> NcsError:
    message = problem.message
    if not message.startswith(row.where):
        message = f"{row.where}: {message}"
    return type(problem)(message, source=problem.source, hint=problem.hint)


def _settle(cells: dict[str, str], row: Row, source: Input, layout: Layout, visit: _Visit) -> None:
    """Fill in nerve and muscle where one of them tells the other."""
    told = source.override
    if not cells.get("nerve") and told.nerve is None and cells.get("muscle"):
        nerve = nerve_of_muscle(named("muscles", cells["muscle"], source))
        if nerve is not None:
            cells["nerve"] = nerve
    if cells.get("muscle") or told.muscle is not None or not cells.get("nerve"):
        return
    nerve = named("nerves", cells["nerve"], source)
    own = {named("nerves", n, source): m for n, m in layout.muscles.items()}
    if nerve in own:
        cells["muscle"] = own[nerve]
        return
    known = anatomy().nerves[nerve]
    muscle = (known.muscles or known.sensory_sites)[0]
    cells["muscle"] = muscle
    decision = Decision(
        source.name,
        "muscle",
        muscle,
        f"the table names no muscle; the routine one of the {nerve} nerve is taken "
        "(muscles = { ... } in the layout says another)",
    )
    if decision not in visit.decisions:
        visit.decisions.append(decision)


def _refuse_contradiction(row: Row, response: TypedResponse) -> None:
    amplitude = response.values.get("negative_peak_amplitude_mv")
    if row.cells.get("response") == "absent" and amplitude is not None and amplitude > 0:
        raise StudyError(f"{row.where} says 'no response' and gives an amplitude.")


# --------------------------------------------------------------------------- segments


def _names_segment(row: Row) -> bool:
    return any(row.cells.get(k) for k in ("segment", "distal_site", "proximal_site"))


def _measured_from(
    visit: _Visit, source: Input, layout: Layout
) -> tuple[list[TypedResponse], list[PrintedSegment]]:
    """Turn what was printed for segments into distances and segments.

    A distance from the recording electrode is only written where the whole way is known; else
    the length stays with its segment.
    """
    series: dict[_Series, list[tuple[Row, TypedResponse]]] = {}
    for row, response in visit.printed:
        site = response.site
        series.setdefault((site.nerve, site.side, site.muscle, response.kind), []).append(
            (row, response)
        )
    responses, segments = [], []
    for rows in series.values():
        ordered = sorted(
            rows, key=lambda pair: position(pair[1].site.nerve, pair[1].site.stimulation_site)
        )
        own, lengths = _lengths(ordered, source, layout, visit.notes)
        known = _distances(ordered, own, lengths)
        far = {id(response): known.get(response.site.stimulation_site) for _, response in ordered}
        segments += lengths
        responses += [
            r
            if r.stimulus.distance_mm is not None
            else replace(r, stimulus=replace(r.stimulus, distance_mm=far[id(r)]))
            for _, r in rows
        ]
    return responses, segments


def _lengths(
    ordered: Sequence[tuple[Row, TypedResponse]], source: Input, layout: Layout, notes: Notes
) -> tuple[dict[str, float], list[PrintedSegment]]:
    """Give distances from the recording electrode that are printed, and the segments."""
    own: dict[str, float] = {}
    found: list[PrintedSegment] = []
    before: str | None = None
    for row, response in ordered:
        site = response.site
        velocity = _number(row, "printed_velocity_m_per_s", notes)
        # What was no segment's length was looked at, and counted, with the response.
        is_own = layout.distance != "segment" and not _names_segment(row)
        length = _number(row, "distance_mm", Notes() if is_own else notes)
        ends = _ends(row, site.stimulation_site, source)
        if ends is not None:
            if len(ends) == 1:
                if length is not None:
                    own[ends[0]] = length
            else:
                found.append(_segment(response, ends[0], ends[1], length, velocity))
        elif before is None:
            if length is not None:
                own[site.stimulation_site] = length
        else:
            apart = length if layout.distance == "segment" else None
            found.append(_segment(response, before, site.stimulation_site, apart, velocity))
        before = site.stimulation_site
    return own, [s for s in found if (s.length_mm, s.velocity_m_per_s) != (None, None)]


def _segment(
    response: TypedResponse,
    distal: str,
    proximal: str,
    length: float | None,
    velocity: float | None,
) -> PrintedSegment:
    site = response.site
    return PrintedSegment(site.nerve, site.side, site.muscle, distal, proximal, length, velocity)


def _number(row: Row, name: str, notes: Notes) -> float | None:
    return limited(row.cells, name, *_PRINTED_LIMITS[name], _OURS, row.where, notes)


def _ends(row: Row, site: str, source: Input) -> tuple[str, ...] | None:
    """Give the sites of the segment that a row names, distal first; one where it ends at a muscle.

    None where the row names no segment.
    """
    names = [row.cells.get("distal_site", ""), row.cells.get("proximal_site", "")]
    if row.cells.get("segment"):
        parts = re.split(r"\s*[-\u2013\u2014]\s*", row.cells["segment"], maxsplit=1)
        names = [*parts, ""][:2]
    if not any(names):
        return None
    found = [s for name in names if name and (s := _site_or_none(name, source)) is not None]
    nerve = (
        anatomy().nerves[named("nerves", row.cells["nerve"], source)]
        if (row.cells.get("nerve"))
        else None
    )
    order = nerve.sites if nerve is not None else ()
    known = sorted({s for s in found if s in order}, key=order.index)
    return tuple(known) if known else (site,)


def _site_or_none(text: str, source: Input) -> str | None:
    try:
        return named("sites", text, source)
    except StudyError:
        return None


def _distances(
    ordered: Sequence[tuple[Row, TypedResponse]],
    own: Mapping[str, float],
    lengths: Sequence[PrintedSegment],
) -> dict[str, float]:
    """Add the lengths up from a site whose distance is known."""
    known = dict(own)
    for _, response in ordered:
        if response.stimulus.distance_mm is not None:
            known[response.site.stimulation_site] = response.stimulus.distance_mm
    before = -1
    # Until nothing is added: once for each site at most, however many rows there are.
    while before < len(known):
        before = len(known)
        for s in lengths:
            if s.length_mm is None:
                continue
            if s.distal_site in known:
                known.setdefault(s.proximal_site, known[s.distal_site] + s.length_mm)
            elif s.proximal_site in known and known[s.proximal_site] > s.length_mm:
                known[s.distal_site] = known[s.proximal_site] - s.length_mm
    return known


# --------------------------------------------------------------------------- one visit


def _recording(
    name: str, visit: _Visit, source: Input, layout: Layout, general: tuple[Decision, ...]
) -> Recording:
    responses, segments = _measured_from(visit, source, layout)
    responses, twice = one_per_site(responses, source.name)
    return Recording(
        typed_responses=tuple(responses),
        printed_segments=tuple(segments),
        decisions=(*general, *visit.decisions, *twice, *visit.notes.decisions(source.name)),
        details=_details(visit.patient),
        study_id=name or None,
    )


def _details(patient: Mapping[str, object]) -> Details:
    raw: dict[str, dict[str, object]] = {}
    for key, value in patient.items():
        table, _, inner = key.partition(".")
        raw.setdefault(table, {})[inner] = value
    return build_study(raw).details


def _decisions(source: Input, grid: Grid, layout: Layout, found: Found) -> tuple[Decision, ...]:
    name = source.name
    # A sheet may be called like a person.
    shape = without_quotes(grid.shape, {str(layout.shape.sheet)})
    made = [
        Decision(name, "layout", layout.id, f"sha256 {layout.sha256}; read as {shape}"),
        Decision(name, "unit", "as stated", _listed(f"{h}: {u}" for h, u in found.units.items())),
    ]
    if grid.n_sheets_left_out:
        n = grid.n_sheets_left_out
        others = "another sheet that holds" if n == 1 else f"{n} other sheets that hold"
        why = f"{grid.shape} was read; left out: {others} cells (say sheet = 2 in the layout)"
        made.append(Decision(name, "salvage", "sheets left out", why))
    if layout.amplitude_basis == "peak_to_peak":
        why = "as the layout says; it enters no criterion that asks baseline to peak"
        made.append(Decision(name, "amplitude", "peak to peak", why))
    if layout.distance == "segment":
        made.append(Decision(name, "distance", "segment lengths", "as the layout says"))
    dropped = [h for h in found.unmapped if is_identity(h)]
    other = [h for h in found.unmapped if h not in dropped]
    if dropped:
        made.append(Decision(name, "identity", "dropped", f"{len(dropped)} columns name a person"))
    if other:
        made.append(Decision(name, "column", "not used", _listed(other)))
    if found.passed_over:
        why = f"rows {_listed(found.passed_over)} belong to no motor table"
        made.append(Decision(name, "row", "passed over", why))
    if found.lost:
        rows = _listed(found.lost)
        made.append(Decision(name, "rows left out", rows, f"{_LEFT_OUT} (rows {rows})"))
    return tuple(made)


def _listed(texts: object) -> str:
    shown = [str(t)[:_SHOWN] for t in texts]  # type: ignore[attr-defined]
    return ", ".join(shown)
