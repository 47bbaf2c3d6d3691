"""The map: a line drawing of the limbs with each segment of nerve drawn as its verdict."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from ncs_cb.figures import style
from ncs_cb.figures.drawing import PAPER, SOFT, Disc, Drawing, Floats, Line, Link, Shape, Text
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.view import Stretch, View

# Sketch coordinates: x grows from the middle of the body outward, y from the shoulder (or knee)
# downward. They show neighborhood, not scale: the nerves keep clear of each other so that their
# strokes stay apart. The courses of the nerves stand in the anatomy table.
_SKIN, _EDGE = "#f5f6f8", "#c9cfd6"
_Points = tuple[tuple[float, float], ...]


class _Limb(NamedTuple):
    id: str
    outline: _Points
    levels: dict[str, float]
    height: float


_ARM = _Limb(
    id="arm",
    outline=(
        (7, -9),
        (7.5, -1),
        (12, 4),
        (26, 8),
        (45, 11),
        (59, 16),
        (66, 27),
        (68, 39),
        (67, 50),
        (68.5, 57),
        (68, 67),
        (64, 81),
        (60.5, 93),
        (61, 98),
        (66, 104),
        (71.5, 113),
        (70, 117),
        (64.5, 113),
        (61.5, 111.5),
        (61, 122),
        (58, 130),
        (51, 132.5),
        (43.5, 130),
        (40, 120),
        (40, 108),
        (43, 96),
        (40.5, 84),
        (38, 70),
        (39, 57),
        (38.5, 46),
        (36, 36),
        (33, 31),
        (30.5, 37),
        (29.5, 50),
        (28, 66),
        (28, 80),
    ),
    levels={"erb": 14, "axilla": 28.5, "elbow": 56, "wrist": 96},
    height=146,
)

_LEG = _Limb(
    id="leg",
    outline=(
        (44, 0),
        (45, 20),
        (41, 40),
        (44, 60),
        (45, 78),
        (41, 92),
        (43, 97),
        (56, 98.5),
        (75, 98),
        (77, 94),
        (64, 88),
        (59, 78),
        (64, 58),
        (68, 40),
        (65, 20),
        (66, 0),
    ),
    levels={"popliteal_fossa": 13, "ankle": 84},
    height=108,
)
_SCALE, _HALF_WIDTH, _TOP, _LEGEND = 2.35, 110.0, 40.0, 36.0


def draw(view: View) -> Drawing:
    """Draw both arms, and both legs when a leg nerve was tested."""
    limbs = [_ARM]
    if any(s.nerve in _drawn(_LEG.id) for s in view.stretches):
        limbs.append(_LEG)
    height = _TOP + sum(limb.height for limb in limbs) * _SCALE + _LEGEND
    sheet = Drawing(2 * _HALF_WIDTH * _SCALE, height, view.labels["map"])
    top = _TOP
    for limb in limbs:
        _body(sheet, limb, top)
        for side in ("right", "left"):
            _side(sheet, view, limb, side, top)
        _levels(sheet, view, limb, top)
        top += limb.height * _SCALE
    _legend(sheet, view)
    return sheet


def _body(sheet: Drawing, limb: _Limb, top: float) -> None:
    """Draw the soft shape behind the nerves; the trunk and the neck run out of the picture."""
    half = _smooth(limb.outline)
    middle, y = sheet.width / 2, top + half[:, 1] * _SCALE
    halves = [middle + sign * half[:, 0] * _SCALE for sign in (-1.0, 1.0)]
    if limb is _ARM:
        around = np.concatenate([halves[0], halves[1][::-1]])
        sheet.add(Line(around, np.concatenate([y, y[::-1]]), "none", 0.0, (), _SKIN))
    for x in halves:
        sheet.add(Line(x, y, _EDGE, 1.1, (), "none" if limb is _ARM else _SKIN))


def _side(sheet: Drawing, view: View, limb: _Limb, side: str, top: float) -> None:
    """Draw one side; the patient faces the reader, so the right side is on the left."""
    sign = -1.0 if side == "right" else 1.0

    def place(points: Floats) -> tuple[Floats, Floats]:
        return sheet.width / 2 + sign * points[:, 0] * _SCALE, top + points[:, 1] * _SCALE

    if limb is _ARM:
        x = sheet.width / 2 + sign * 62 * _SCALE
        sheet.add(Text(x, top - 2, view.labels[side], 11, "middle", SOFT, is_bold=True))
    tested = [s for s in view.stretches if s.side == side and s.nerve in _drawn(limb.id)]
    for nerve in _drawn(limb.id):
        course = place(_course(nerve))
        sheet.add(Line(*course, style.NOT_TESTED.color, style.NOT_TESTED.width))
        _name(sheet, view, nerve, place)
    badges: list[Shape] = []
    for stretch in tested:
        badges += _stretch(sheet, stretch, place)
    sheet.add(*badges)


def _name(sheet: Drawing, view: View, nerve: str, place: object) -> None:
    at = anatomy().nerves[nerve].name_at
    x, y = place(np.array([at]))  # type: ignore[operator]
    anchor = "middle" if at[1] > 100 else ("end" if x[0] < sheet.width / 2 else "start")
    text = view.labels.get(f"nerve_{nerve}", nerve)
    sheet.add(Text(float(x[0]), float(y[0]), text, 8.5, anchor, SOFT))  # type: ignore[arg-type]


def _stretch(sheet: Drawing, stretch: Stretch, place: object) -> list[Shape]:
    """Draw one segment between its two sites; give its badge, to be put on top of all."""
    points = _between(stretch)
    if points is None:
        return []
    x, y = place(points)  # type: ignore[operator]
    middle = len(x) // 2
    if stretch.is_silent:
        line = Line(x, y, SOFT, style.NOT_TESTED.width * 2.0)
        sheet.add(Link((line,), stretch.title, stretch.anchor))
        return []
    lines = style.stroke(x, y, style.look(stretch.grade))
    sheet.add(Link(tuple(lines), stretch.title, stretch.anchor))
    ends = [Disc(float(x[n]), float(y[n]), 2.1, PAPER, "#39434e", 1.0) for n in (0, -1)]
    letter = style.badge(
        float(x[middle]), float(y[middle]), stretch.short, stretch.grade, radius=5.6
    )
    return [*ends, Link(tuple(letter), stretch.title, stretch.anchor)]  # type: ignore[arg-type]


def _levels(sheet: Drawing, view: View, limb: _Limb, top: float) -> None:
    middle = sheet.width / 2
    for site, level in limb.levels.items():
        y = top + level * _SCALE
        sheet.add(Text(middle, y + 3, view.labels.get(f"site_{site}", site), 8.5, "middle", SOFT))


def _legend(sheet: Drawing, view: View) -> None:
    """List the looks that occur, and the thin line of what was not tested."""
    entries = [
        *((item.word, item.grade, item.short) for item in view.legend),
        (view.labels["not_tested"], "", ""),
    ]
    widths = [max(40.0, 4.1 * _letters(word) + 14.0) for word, _, _ in entries]
    x, y = (sheet.width - sum(widths)) / 2 + 5.0, sheet.height - 20.0
    for (word, grade, short), width in zip(entries, widths, strict=True):
        ends = np.array([x, x + 26.0]), np.array([y, y])
        if grade:
            sheet.add(*style.stroke(*ends, style.look(grade)))
            sheet.add(*style.badge(x + 13.0, y, short, grade, radius=5.6))
        else:
            sheet.add(Line(*ends, style.NOT_TESTED.color, 1.6))
        sheet.add(Text(x, y + 15.0, word, 7.5, "start", SOFT))
        x += width


def _letters(word: str) -> int:
    """Count letters as wide as a Latin one; a Chinese character takes two."""
    return sum(2 if ord(letter) >= 0x2E80 else 1 for letter in word)


@cache
def _drawn(limb: str) -> tuple[str, ...]:
    """Give the nerves that the drawing of a limb shows, the innermost first."""
    shown = [n for n in anatomy().nerves.values() if n.limb == limb and n.course]
    return tuple(n.id for n in sorted(shown, key=lambda one: one.course[0][1]))


def _course(nerve: str) -> Floats:
    return _smooth(tuple((x, y) for _, x, y in anatomy().nerves[nerve].course))


@cache
def places(nerve: str) -> dict[str, int]:
    """Give where along its course each site of a nerve lies; sites not drawn lie in between.

    A nerve without a course on the map has no places.
    """
    known = anatomy().nerves[nerve]
    drawn = [name for name, _, _ in known.course]
    there = [n for n, site in enumerate(known.sites) if site in drawn]
    if not there:
        return {}
    at = [drawn.index(known.sites[n]) * _STEPS for n in there]
    steps = np.interp(range(len(known.sites)), there, at)
    return dict(zip(known.sites, np.rint(steps).astype(int).tolist(), strict=True))


def _between(stretch: Stretch) -> Floats | None:
    at = places(stretch.nerve)
    if stretch.distal_site not in at or stretch.proximal_site not in at:
        return None
    start, stop = at[stretch.distal_site], at[stretch.proximal_site]
    return _course(stretch.nerve)[start : stop + 1]


_STEPS = 10


@cache
def _smooth(points: _Points) -> Floats:
    """Run a Catmull-Rom curve through the points, ``_STEPS`` steps from one to the next."""
    given = np.array(points, dtype=np.float64)
    padded = np.vstack([2 * given[0] - given[1], given, 2 * given[-1] - given[-2]])
    t = np.linspace(0.0, 1.0, _STEPS, endpoint=False)[:, None]
    pieces = [
        0.5
        * (
            2 * b
            + (c - a) * t
            + (2 * a - 5 * b + 4 * c - d) * t**2
            + (3 * b - a - 3 * c + d) * t**3
        )
        for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False)
    ]
    return np.vstack([*pieces, given[-1:]])
