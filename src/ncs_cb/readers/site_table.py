"""Site tables: machines that print numbers but export no waveform."""

from __future__ import annotations

from ncs_cb.errors import NcsError, ReadError, StudyError, did_you_mean
from ncs_cb.model import Decision
from ncs_cb.readers._shared.reader import Input, Reader, Recording
from ncs_cb.readers._shared.tables import Table, first_lines, is_identity, parse_table
from ncs_cb.readers._shared.typed import (
    KNOWN,
    NEEDED,
    Notes,
    is_site_table,
    one_per_site,
    refuse_many,
    typed_response,
)

_SUFFIXES = (".csv", ".tsv", ".txt")


def _claims(source: Input) -> bool:
    if source.path.suffix.lower() not in _SUFFIXES:
        return False
    lines = first_lines(source.data)
    return any(is_site_table(cells) for cells in lines) or _is_turned(lines)


def _is_turned(lines: list[list[str]]) -> bool:
    """Tell whether the names of the columns stand in the first column."""
    return is_site_table([cells[0] for cells in lines if cells])


def read(source: Input) -> Recording:
    """Read a site table of one visit; see :func:`visits`.

    Raises
    ------
    StudyError
        If its rows name more than one study.
    """
    found = visits(source)
    if len(found) > 1:
        raise StudyError(f"the table holds {len(found)} studies (study_id).")
    (only,) = found.values()
    if isinstance(only, NcsError):
        raise only
    return only


def visits(source: Input) -> dict[str, Recording | NcsError]:
    """Read a site table: one row per stimulated site, one column per value.

    Returns
    -------
    dict of str to Recording or NcsError
        By study id (empty where none is named), the visit or what is wrong with it.

    Raises
    ------
    ReadError
        If the table is malformed or has rows of unequal length.
    StudyError
        If a column is unknown.
    """
    lines = first_lines(source.data)
    if _is_turned(lines) and not any(is_site_table(cells) for cells in lines):
        raise ReadError(
            "the table looks transposed: its first column holds the names of columns.",
            hint="Turn it, so that each row is one stimulated site.",
        )
    table = parse_table(source.data, is_site_table)
    names = [name.casefold() for name in table.columns]
    dropped = [name for name in names if name not in KNOWN and is_identity(name)]
    for name in names:
        if name not in KNOWN and name not in dropped:
            raise StudyError(
                f"unknown column '{name[:80]}'; known: {', '.join(KNOWN)}."
                + did_you_mean(name[:80], KNOWN),
                hint="'ncs-cb formats site_table' says what each column holds.",
            )
    missing = [n for n in NEEDED if n not in names and getattr(source.override, n, None) is None]
    if missing:
        raise StudyError(f"missing column: {', '.join(missing)}.")
    if not table.rows:
        raise ReadError("the table has no row.")
    cells = [dict(zip(names, row, strict=True)) for row in table.rows]
    general = _decisions(table, dropped, source)
    parts: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for number_, c in enumerate(cells, start=2 + table.titles):
        parts.setdefault(c.get("study_id", "").strip(), []).append((number_, c))
    found: dict[str, Recording | NcsError] = {}
    for name, part in parts.items():
        try:
            found[name] = _visit(name, part, table, source, general)
        except NcsError as problem:
            found[name] = problem
    return found


def _visit(
    name: str,
    part: list[tuple[int, dict[str, str]]],
    table: Table,
    source: Input,
    general: list[Decision],
) -> Recording:
    refuse_many(len(part))
    notes = Notes()
    rows = [typed_response(c, table, f"row {at}", source, notes) for at, c in part]
    rows, twice = one_per_site(rows, source.name)
    decisions = (general[0], *twice, *notes.decisions(source.name), *general[1:])
    return Recording(typed_responses=tuple(rows), decisions=decisions, study_id=name or None)


def _decisions(table: Table, dropped: list[str], source: Input) -> list[Decision]:
    decisions = [Decision(source.name, "unit", "mV, ms, mm", "as the column names say")]
    if table.titles:
        decisions.append(
            Decision(source.name, "titles", "left out", f"{table.titles} lines above the header")
        )
    if table.encoding != "utf-8":
        decisions.append(Decision(source.name, "encoding", table.encoding, "from its first bytes"))
    if dropped:
        decisions.append(
            Decision(source.name, "identity", "dropped", f"{len(dropped)} columns name a person")
        )
    return decisions


_NEEDS = """\
One row per stimulated site. Needed columns: nerve, side, muscle, stimulation_site.
Welcome: response (present, absent, not_done; NR in a measured cell is absent), distance_mm,
onset_latency_ms, negative_peak_amplitude_mv, negative_peak_area_mv_ms, negative_peak_duration_ms,
stimulus_ma, supramaximal, collision_used, kind; study_id makes one file many visits.
An empty cell is unknown, never absent.
  nerve,side,muscle,stimulation_site,distance_mm,onset_latency_ms,negative_peak_amplitude_mv
  ulnar,right,adm,wrist,70,2.8,8.1
Tables with other headers: 'ncs-cb formats mapped_table'.
"""

READER = Reader(
    "site_table",
    _SUFFIXES,
    _claims,
    read,
    label="site table: CSV of printed values, one row per stimulated site",
    visits=visits,
    needs=_NEEDS,
)
