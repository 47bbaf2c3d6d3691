"""The tables of what was studied beside the motor segments: sensory, F waves, series, steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.view.parts import Cell, Table
from ncs_cb.view.reading import Reading, Row, Series, series_of
from ncs_cb.view.rounding import NOTHING, is_known
from ncs_cb.view.tables import (
    column_head,
    dash_note,
    empty,
    flag_names,
    limited,
    nerve_name,
    outside_note,
    word_heads,
    yes_no,
)


def from_rows(
    r: Reading, rows: Sequence[Row], words: Sequence[str], names: Iterable[str], *, limits: str = ""
) -> Table:
    """Lay out any table: `words` are its worded columns, `names` its quantities.

    `limits` names the table of the result whose rows these are where its values have limits.
    """
    if not rows:
        return empty()
    shown = [n for n in names if any(is_known(row.get(n)) for row in rows)]
    heads = [*word_heads(r, *words), *(column_head(r, n) for n in shown)]
    body, outside = [], set[str]()
    for place, row in enumerate(rows):
        cells, sets = limited(r, limits, row | {"row": place}, shown)
        outside |= sets
        body.append((*(Cell(str(row[w])) for w in words), *cells))
    note = r.words.sentences(filter(None, [dash_note(r, body), outside_note(r, outside)]))
    return Table(tuple(heads), tuple(body), note=note)


def rows_of(rows: Iterable[Row], series: Series) -> list[Row]:
    """Give the rows of one nerve, side and muscle."""
    return [row for row in rows if series_of(row) == series]


def f_waves(r: Reading) -> Table:
    """Lay out the F waves, recorded and typed in."""
    names = (
        "n_stimuli",
        "minimum_latency_ms",
        "mean_latency_ms",
        "maximum_latency_ms",
        "chronodispersion_ms",
        "persistence_pct",
    )
    rows = [
        row
        | {
            "nerve": nerve_name(r, series_of(row)),
            "origin": r.words("origin.recorded"),
            "flags": flag_names(r, row),
        }
        for row in r.tables["f_waves"]
    ]
    for f in r.result.study.details.f_waves:
        values = {n: getattr(f, n, None) for n in names}
        rows.append(
            values
            | {
                "nerve": nerve_name(r, (f.nerve, f.side, "")),
                "flags": "",
                "origin": r.words("origin.typed"),
            }
        )
    return from_rows(r, rows, ("nerve", "origin", "flags"), names)


def sensory(r: Reading) -> Table:
    """Lay out the sensory studies, recorded and typed in; amplitudes in microvolts."""
    rows = [
        row
        | {
            "nerve": nerve_name(r, (str(row["nerve"]), str(row["side"]), "")),
            "segment": sensory_segment(r, row["segment"]),
            "reading": _reading(r, row),
            "origin": r.words(f"origin.{row['origin']}"),
        }
        for row in r.tables["sensory"]
    ]
    words = ("nerve", "segment", "reading", "origin")
    return from_rows(r, rows, words, (*_SENSORY, "peak_latency_ms"), limits="sensory")


_SENSORY = ("amplitude_uv", "velocity_m_per_s", "onset_latency_ms")


def _reading(r: Reading, row: Row) -> str:
    """Say whether a sensory study is normal and who says so."""
    if row["is_normal"] is None:
        is_bare = any(is_known(row.get(n)) for n in _SENSORY) and not row["reason"]
        return r.words("reading.no_limit" if is_bare else "reading.unread")
    by = "reading" if row["judged_by"] == "reading" else "limits"
    return r.words(f"reading.{'normal' if row['is_normal'] else 'abnormal'}_{by}")


def sensory_segment(r: Reading, segment: str | None) -> str:
    """Name a sensory segment such as ``digit5-wrist``; text of another form stays as it is."""
    ends = (segment or "").split("-")
    known = anatomy()
    if len(ends) != 2 or not all(e in known.sites or e in known.muscles for e in ends):
        return segment or NOTHING
    distal, proximal = (
        r.words.site(e) if e in known.sites else r.words.recording_site(e) for e in ends
    )
    return r.words("phrase.segment", distal=distal, proximal=proximal)


def recruitment(r: Reading, series: Series) -> Table:
    """Lay out the intensity series of one nerve."""
    rows = [
        row
        | {
            "site": r.words.site(str(row["stimulation_site"])),
            "supramaximal": yes_no(r, row["is_supramaximal"]),
        }
        for row in rows_of(r.tables["recruitment"], series)
    ]
    names = ("stimulus_ma", "negative_peak_amplitude_mv", "relative_amplitude_pct")
    return from_rows(r, rows, ("site", "supramaximal"), names)


def inching(r: Reading, series: Series) -> Table:
    """Lay out the short steps of one nerve."""
    rows = [
        row | {"step": row["step"], "focal": yes_no(r, row["is_focal"])}
        for row in rows_of(r.tables["inching"], series)
    ]
    names = (
        "distal_distance_mm",
        "proximal_distance_mm",
        "length_mm",
        "latency_change_ms",
        "amplitude_reduction_pct",
        "total_area_reduction_pct",
    )
    return from_rows(r, rows, ("step", "focal"), names)
