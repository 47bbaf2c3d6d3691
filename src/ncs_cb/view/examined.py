"""What was examined beside nerve conduction: strength and needle EMG, of one visit or several."""

from __future__ import annotations

from collections.abc import Sequence

from ncs_cb.model import Details, NeedleValue, StrengthValue
from ncs_cb.view.parts import Cell, Head, Table
from ncs_cb.view.reading import Reading
from ncs_cb.view.rounding import NOTHING, is_known, plain, with_unit
from ncs_cb.view.tables import dash_note, empty, word_heads, yes_no
from ncs_cb.wording.catalog import capital

_NEWTON = "N"


def strength(r: Reading) -> Table:
    """Lay out the strength of one visit: movement, MRC grade, force."""
    rows = r.result.study.details.strength
    if not rows:
        return empty()
    heads = [*word_heads(r, "movement")]
    has_mrc = any(is_known(v.mrc) for v in rows)
    has_force = any(is_known(v.force_n) for v in rows)
    heads += [Head(r.words("head.mrc"), is_number=True)] * has_mrc
    heads += [Head(r.words("head.force"), _NEWTON, is_number=True)] * has_force
    body = [
        (
            Cell(_movement(r, v)),
            *[Cell(plain(v.mrc))] * has_mrc,
            *[Cell(plain(v.force_n))] * has_force,
        )
        for v in rows
    ]
    return Table(tuple(heads), tuple(body), note=dash_note(r, body))


def needle_emg(r: Reading) -> Table:
    """Lay out the needle EMG of one visit, muscle by muscle."""
    rows = r.result.study.details.needle_emg
    if not rows:
        return empty()
    heads = word_heads(r, "muscle", "fibrillations", "motor_units")
    body = [
        (Cell(_muscle(r, v)), Cell(yes_no(r, v.fibrillations)), Cell(_units(r, v))) for v in rows
    ]
    return Table(tuple(heads), tuple(body), note=dash_note(r, body))


def strength_over(r: Reading, visits: Sequence[tuple[str, Details]]) -> Table:
    """Lay out strength over visits: a line per movement, a column per visit."""
    return _over(
        r,
        "movement",
        [
            (name, [(_movement(r, v), _strength_text(r, v)) for v in details.strength])
            for name, details in visits
        ],
    )


def needle_over(r: Reading, visits: Sequence[tuple[str, Details]]) -> Table:
    """Lay out needle EMG over visits: a line per muscle, a column per visit."""
    return _over(
        r,
        "muscle",
        [
            (name, [(_muscle(r, v), _needle_text(r, v)) for v in details.needle_emg])
            for name, details in visits
        ],
    )


def _over(r: Reading, what: str, visits: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> Table:
    names = list(dict.fromkeys(name for _, found in visits for name, _ in found))
    if not names:
        return empty()
    heads = [*word_heads(r, what), *(Head(visit) for visit, _ in visits)]
    body = [
        (Cell(name), *(Cell(_said_of(r, name, found)) for _, found in visits)) for name in names
    ]
    return Table(tuple(heads), tuple(body), note=dash_note(r, body))


def _said_of(r: Reading, name: str, found: Sequence[tuple[str, str]]) -> str:
    """Give all that a visit says of one movement or muscle: what is said twice stands twice."""
    return r.words.join((text for one, text in found if one == name), weight="heavy") or NOTHING


def _movement(r: Reading, v: StrengthValue) -> str:
    side = r.words.term("side", v.side)
    # A movement is named freely; the catalog knows the usual ones.
    key = "_".join(v.movement.lower().split())
    what = r.words.texts.get(f"movement.{key}", v.movement)
    return capital(r.words("phrase.sided", side=side, what=what))


def _muscle(r: Reading, v: NeedleValue) -> str:
    side = r.words.term("side", v.side)
    return capital(r.words("phrase.sided", side=side, what=r.words.muscle(v.muscle)))


def _units(r: Reading, v: NeedleValue) -> str:
    return r.words(f"motor_units.{v.motor_unit_changes}")


def _strength_text(r: Reading, v: StrengthValue) -> str:
    parts = []
    if is_known(v.mrc):
        parts.append(r.words("phrase.mrc", grade=plain(v.mrc)))
    if is_known(v.force_n):
        parts.append(with_unit(plain(v.force_n), _NEWTON))
    return r.words.join(parts, weight="comma") or NOTHING


def _needle_text(r: Reading, v: NeedleValue) -> str:
    seen = {True: "present", False: "absent"}.get(v.fibrillations, "unknown")  # type: ignore[arg-type]
    return r.words.join(
        [r.words(f"fibrillations.{seen}"), r.words("phrase.motor_units", changes=_units(r, v))],
        weight="comma",
    )
