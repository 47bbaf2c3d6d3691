"""The map: a line drawing of the limbs with each segment of nerve drawn as its verdict."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ncs_cb.figures import style
from ncs_cb.figures.drawing import PAPER, SOFT, Disc, Drawing, Floats, Line, Link, Shape, Text
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.view import Stretch, View

# Sketch coordinates: x grows from the middle of the body outward, y from the shoulder (or knee)
# downward. They show neighborhood, not scale: the nerves keep clear of each other so that their
# strokes stay apart. A nerve runs distal first through its sites and through unnamed bends.
_SKIN, _EDGE = "#f5f6f8", "#c9cfd6"
_Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class _Limb:
    outline: _Points
    nerves: dict[str, tuple[tuple[str, float, float], ...]]
    names: dict[str, tuple[float, float]]
    levels: dict[str, float]
    height: float


_ARM = _Limb(
    outline=(
        (7, -9), (7.5, -1), (12, 4), (26, 8), (45, 11), (59, 16), (66, 27), (68, 39), (67, 50),
        (68.5, 57), (68, 67), (64, 81), (60.5, 93), (61, 98), (66, 104), (71.5, 113), (70, 117),
        (64.5, 113), (61.5, 111.5), (61, 122), (58, 130), (51, 132.5), (43.5, 130), (40, 120),
        (40, 108), (43, 96), (40.5, 84), (38, 70), (39, 57), (38.5, 46), (36, 36), (33, 31),
        (30.5, 37), (29.5, 50), (28, 66), (28, 80),
    ),
    nerves={
        "ulnar": (("palm", 44, 108), ("wrist", 46.5, 96), ("forearm", 44.5, 79),
                  ("below_elbow", 43.4, 62), ("elbow", 42, 56), ("above_elbow", 43, 50),
                  ("upper_arm", 43.2, 40), ("axilla", 41.5, 29.5), ("", 33, 21), ("erb", 20, 17)),
        "median": (("palm", 52.5, 108), ("wrist", 52, 96), ("forearm", 51.5, 79),
                   ("elbow", 50.5, 56), ("upper_arm", 49.3, 40), ("axilla", 48, 28),
                   ("", 39, 18.5), ("erb", 21.5, 13.6)),
        "musculocutaneous": (("upper_arm", 56, 44), ("axilla", 54, 27), ("", 45, 16.5),
                             ("erb", 23, 10.4)),
        "radial": (("forearm", 58.5, 79), ("elbow", 63, 57), ("spiral_groove", 63.3, 42),
                   ("upper_arm", 62, 34), ("axilla", 59.5, 26), ("", 50, 15), ("erb", 24.5, 7.2)),
    },
    names={"ulnar": (42, 141), "median": (56, 141), "musculocutaneous": (72, 44),
           "radial": (70, 79)},
    levels={"erb": 14, "axilla": 28.5, "elbow": 56, "wrist": 96},
    height=146,
)  # fmt: skip

_LEG = _Limb(
    outline=((44, 0), (45, 20), (41, 40), (44, 60), (45, 78), (41, 92), (43, 97), (56, 98.5),
             (75, 98), (77, 94), (64, 88), (59, 78), (64, 58), (68, 40), (65, 20), (66, 0)),
    nerves={
        "tibial": (("ankle", 48.5, 84), ("", 50, 50), ("popliteal_fossa", 51, 12)),
        "peroneal": (("ankle", 57.5, 84), ("", 61, 50), ("below_fibula", 63, 27),
                     ("popliteal_fossa", 58.5, 11)),
    },
    names={"tibial": (40, 66), "peroneal": (73, 62)},
    levels={"popliteal_fossa": 13, "ankle": 84},
    height=108,
)  # fmt: skip
_SCALE, _HALF_WIDTH, _TOP, _LEGEND = 2.35, 110.0, 40.0, 36.0


def draw(view: View) -> Drawing:
    """Draw both arms, and both legs when a leg nerve was tested."""
    limbs = [_ARM]
    if any(s.nerve in _LEG.nerves for s in view.stretches):
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
    tested = [s for s in view.stretches if s.side == side and s.nerve in limb.nerves]
    for nerve in limb.nerves:
        course = place(_course(limb, nerve))
        sheet.add(Line(*course, style.NOT_TESTED.color, style.NOT_TESTED.width))
        _name(sheet, view, limb, nerve, place)
    badges: list[Shape] = []
    for stretch in tested:
        badges += _stretch(sheet, limb, stretch, place)
    sheet.add(*badges)


def _name(sheet: Drawing, view: View, limb: _Limb, nerve: str, place: object) -> None:
    x, y = place(np.array([limb.names[nerve]]))  # type: ignore[operator]
    anchor = (
        "middle" if limb.names[nerve][1] > 100 else ("end" if x[0] < sheet.width / 2 else "start")
    )
    text = view.labels.get(f"nerve_{nerve}", nerve)
    sheet.add(Text(float(x[0]), float(y[0]), text, 8.5, anchor, SOFT))  # type: ignore[arg-type]


def _stretch(sheet: Drawing, limb: _Limb, stretch: Stretch, place: object) -> list[Shape]:
    """Draw one segment between its two sites; give its badge, to be put on top of all."""
    points = _between(limb, stretch)
    if points is None:
        return []
    x, y = place(points)  # type: ignore[operator]
    middle = len(x) // 2
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
    entries = [*((item.word, item.grade, item.short) for item in view.legend),
               (view.labels["not_tested"], "", "")]  # fmt: skip
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


def _course(limb: _Limb, nerve: str) -> Floats:
    return _smooth(tuple((x, y) for _, x, y in limb.nerves[nerve]))


@cache
def _places(nerve: str, is_arm: bool) -> dict[str, int]:
    """Give where along its course each site of a nerve lies; sites not drawn lie in between."""
    drawn = [name for name, _, _ in (_ARM if is_arm else _LEG).nerves[nerve]]
    sites = anatomy().nerves[nerve].sites
    known = [n for n, site in enumerate(sites) if site in drawn]
    steps = np.interp(range(len(sites)), known, [drawn.index(sites[n]) * _STEPS for n in known])
    return dict(zip(sites, np.rint(steps).astype(int).tolist(), strict=True))


def _between(limb: _Limb, stretch: Stretch) -> Floats | None:
    places = _places(stretch.nerve, limb is _ARM)
    if stretch.distal_site not in places or stretch.proximal_site not in places:
        return None
    start, stop = places[stretch.distal_site], places[stretch.proximal_site]
    return _course(limb, stretch.nerve)[start : stop + 1]


_STEPS = 10


@cache
def _smooth(points: _Points) -> Floats:
    """Run a Catmull-Rom curve through the points, ``_STEPS`` steps from one to the next."""
    given = np.array(points, dtype=np.float64)
    padded = np.vstack([2 * given[0] - given[1], given, 2 * given[-1] - given[-2]])
    t = np.linspace(0.0, 1.0, _STEPS, endpoint=False)[:, None]
    pieces = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
               + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False)
    ]  # fmt: skip
    return np.vstack([*pieces, given[-1:]])
