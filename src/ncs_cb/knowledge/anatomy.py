"""Anatomy: nerves, muscles, stimulation sites, neighbors, entrapment sites and aliases.

Everything comes from ``tables/nerves.toml``. A nerve, site or alias is added there.
"""

from __future__ import annotations

import math
import re
import unicodedata
from functools import cache, lru_cache
from typing import Any, Literal, NamedTuple

from ncs_cb.errors import StudyError, TableError, did_you_mean
from ncs_cb.knowledge import datafile
from ncs_cb.model import Side

_FILE = "tables/nerves.toml"

SIDES: dict[str, Side] = {
    "r": "right",
    "rt": "right",
    "right": "right",
    "re": "right",
    "rechts": "right",
    "droit": "right",
    "droite": "right",
    "右": "right",
    "右侧": "right",
    "l": "left",
    "lt": "left",
    "left": "left",
    "li": "left",
    "links": "left",
    "gauche": "left",
    "左": "left",
    "左侧": "left",
}
"""Every spelling of a side."""


class Place(NamedTuple):
    """A stimulation site or a recording site (muscle or skin area)."""

    id: str
    label: str
    label_zh: str
    aliases: tuple[str, ...]
    short: str = ""
    near_other_nerves: bool = False
    """One stimulus here reaches median and ulnar nerve, or the whole plexus."""


class Span(NamedTuple):
    """A stretch of a limb that has a name of its own; without distal sites it begins anywhere."""

    name: str
    distal: tuple[str, ...]
    proximal: tuple[str, ...]


class Entrapment(NamedTuple):
    """A stretch of nerve in which entrapment or compression is common."""

    distal_site: str
    proximal_site: str
    name: str
    neuropathy: str = ""
    neuropathy_zh: str = ""
    name_zh: str = ""


class Nerve(NamedTuple):
    """One nerve: its sites are listed distal first.

    Attributes
    ----------
    routine_muscles : tuple of str
        What a routine study records from; one of them is meant where nobody names a muscle.
    routine_sites : tuple of str
        Where the distal response of a routine study is taken.
    course : tuple of (site, x, y)
        Its way over the drawing of the limb, distal first; bends bear no name. Empty for a nerve
        that is not drawn.
    name_at : tuple of float
        Where its name stands on the drawing.
    """

    id: str
    label: str
    label_zh: str
    aliases: tuple[str, ...]
    limb: Literal["arm", "leg"]
    muscles: tuple[str, ...]
    sensory_sites: tuple[str, ...]
    sites: tuple[str, ...]
    entrapments: tuple[Entrapment, ...]
    routine_muscles: tuple[str, ...] = ()
    routine_sites: tuple[str, ...] = ()
    course: tuple[tuple[str, float, float], ...] = ()
    name_at: tuple[float, float] = (0.0, 0.0)
    large_healthy_fall: str = ""
    """Source that says how far a healthy response of this nerve falls; empty for other nerves."""
    healthy_fall_pct: float = math.nan
    """Upper limit of that fall of amplitude."""
    branch_of: str = ""
    """Of a sensory nerve, the mixed nerve whose fibers it carries."""


class Anatomy(NamedTuple):
    """The whole anatomy table."""

    nerves: dict[str, Nerve]
    sites: dict[str, Place]
    muscles: dict[str, Place]
    stretches: tuple[Span, ...] = ()


def normalize(text: str) -> str:
    """Fold case, width, blanks, dots, underscores, hyphens and apostrophes away."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return re.sub(r"[\s._\-'\u2019`/]+", "", folded)


@cache
def anatomy() -> Anatomy:
    """Load and validate the anatomy table.

    Raises
    ------
    TableError
        If a key is missing or a nerve names an unknown site or muscle.
    """
    try:
        return build(datafile.table("nerves").raw)
    except KeyError as missing:
        raise TableError(f"missing key {missing}", source=_FILE) from None


def build(raw: dict[str, Any]) -> Anatomy:
    """Make the anatomy from a parsed table; see :func:`anatomy`."""
    sites = {key: _place(key, value) for key, value in raw["sites"].items()}
    muscles = {key: _place(key, value) for key, value in raw["muscles"].items()}
    nerves = {key: _nerve(key, value) for key, value in raw["nerves"].items()}
    for nerve in nerves.values():
        trunk = (nerve.branch_of,) if nerve.branch_of else ()
        _refuse_unknown(f"nerves.{nerve.id}.branch_of", trunk, nerves)
        _refuse_unknown(f"nerves.{nerve.id}.sites", nerve.sites, sites)
        _refuse_unknown(f"nerves.{nerve.id}.muscles", nerve.muscles, muscles)
        _refuse_unknown(f"nerves.{nerve.id}.routine_muscles", nerve.routine_muscles, nerve.muscles)
        _refuse_unknown(f"nerves.{nerve.id}.sensory_sites", nerve.sensory_sites, muscles)
        _refuse_unknown(f"nerves.{nerve.id}.routine_sites", nerve.routine_sites, nerve.sites)
        drawn = tuple(site for site, _, _ in nerve.course if site)
        _refuse_unknown(f"nerves.{nerve.id}.map", drawn, nerve.sites)
        for trap in nerve.entrapments:
            between = (trap.distal_site, trap.proximal_site)
            _refuse_unknown(f"nerves.{nerve.id}.entrapment", between, nerve.sites)
    stretches = tuple(
        Span(name, tuple(value.get("distal", ())), tuple(value["proximal"]))
        for name, value in raw.get("stretches", {}).items()
    )
    for one in stretches:
        _refuse_unknown(f"stretches.{one.name}", (*one.distal, *one.proximal), sites)
    for what, places in (("sites", sites), ("muscles", muscles), ("nerves", nerves)):
        _refuse_shared_aliases(what, places)
    return Anatomy(nerves, sites, muscles, stretches)


def _place(key: str, value: dict[str, Any]) -> Place:
    return Place(
        key,
        value["label"],
        value.get("label_zh", value["label"]),
        tuple(value["aliases"]),
        value.get("short", ""),
        bool(value.get("near_other_nerves", False)),
    )


def _nerve(key: str, value: dict[str, Any]) -> Nerve:
    traps = tuple(
        Entrapment(
            item["between"][0],
            item["between"][1],
            item["name"],
            item.get("neuropathy", item["name"]),
            item.get("neuropathy_zh", item["name"]),
            item.get("name_zh", item["name"]),
        )
        for item in value["entrapment"]
    )
    return Nerve(
        id=key,
        label=value["label"],
        label_zh=value.get("label_zh", value["label"]),
        aliases=tuple(value["aliases"]),
        limb=value["limb"],
        muscles=tuple(value["muscles"]),
        sensory_sites=tuple(value["sensory_sites"]),
        sites=tuple(value["sites"]),
        entrapments=traps,
        routine_muscles=tuple(value.get("routine_muscles", value["muscles"])),
        routine_sites=tuple(value.get("routine_sites", value["sites"][:1])),
        course=tuple((site, float(x), float(y)) for site, x, y in value.get("map", ())),
        name_at=(float(value["map_label"][0]), float(value["map_label"][1]))
        if "map" in value
        else (0.0, 0.0),
        large_healthy_fall=value.get("large_healthy_fall", ""),
        healthy_fall_pct=float(value.get("healthy_fall_pct", math.nan)),
        branch_of=value.get("branch_of", ""),
    )


def stretch_name(distal_site: str, proximal_site: str) -> str:
    """Give the key of the words for a stretch; empty for one that its two sites name."""
    for one in anatomy().stretches:
        if proximal_site in one.proximal and (not one.distal or distal_site in one.distal):
            return one.name
    return ""


def _refuse_unknown(key: str, names: tuple[str, ...], known: Any) -> None:
    for name in names:
        if name not in known:
            raise TableError(
                f"{key}: unknown name '{name}'; known: {', '.join(known)}."
                + did_you_mean(name, known),
                source=_FILE,
            )


def _refuse_shared_aliases(what: str, places: dict[str, Any]) -> None:
    owner: dict[str, str] = {}
    for key, place in places.items():
        for name in {normalize(n) for n in (key, place.label, *place.aliases)}:
            if owner.setdefault(name, key) != key:
                raise TableError(
                    f"{what}: '{name}' names both '{owner[name]}' and '{key}'", source=_FILE
                )


@cache
def _lookup(what: Literal["sites", "muscles", "nerves"]) -> dict[str, str]:
    places: dict[str, Any] = getattr(anatomy(), what)
    return {
        normalize(name): key
        for key, place in places.items()
        for name in (key, place.label, place.label_zh, *place.aliases, getattr(place, "short", ""))
        if name
    }


_TITLES = {
    "muscles": re.compile(r"^\s*(?:mm?\.\s*|musc\.\s*|mm?\s+|musculus\s+)", re.IGNORECASE),
    "nerves": re.compile(r"^\s*(?:n\.\s*|n\s+|nervus\s+)", re.IGNORECASE),
}


def find(what: Literal["sites", "muscles", "nerves"], text: str) -> str | None:
    """Give the id that `text` names, or None.

    Examples
    --------
    >>> find("sites", "B. Elbow"), find("nerves", "Median_Nerve"), find("muscles", "小指展肌")
    ('below_elbow', 'median', 'adm')
    """
    known = _lookup(what)
    found = known.get(normalize(text))
    title = _TITLES.get(what)
    if found is None and title is not None:
        # Latin names carry what they are: "M. abductor hallucis", "Nervus tibialis".
        found = known.get(normalize(title.sub("", text)))
    return found


def resolve(
    what: Literal["sites", "muscles", "nerves"], text: str, *, source: str | None = None
) -> str:
    """Give the id that `text` names.

    Raises
    ------
    StudyError
        If no entry of the anatomy table has that name; the message lists the known names.
    """
    found = find(what, text)
    if found is not None:
        return found
    word = {"sites": "stimulation site", "muscles": "muscle", "nerves": "nerve"}[what]
    known = list(getattr(anatomy(), what))
    nearest = did_you_mean(normalize(text), [*_lookup(what)])
    for alias, key in _lookup(what).items():
        nearest = nearest.replace(f"'{alias}'", f"'{key}'")
    raise StudyError(f"unknown {word} '{text}'; known: {', '.join(known)}.{nearest}", source=source)


@lru_cache(maxsize=4096)
def nerve_of_muscle(muscle: str) -> str | None:
    """Give the nerve that supplies `muscle`, or None for a skin area shared by nerves."""
    owners = [n.id for n in anatomy().nerves.values() if muscle in n.muscles]
    return owners[0] if len(owners) == 1 else None


def is_foreign(nerve: str, muscle: str) -> bool:
    """Tell whether a response of `nerve` is recorded from a muscle of another nerve."""
    return nerve_of_muscle(muscle) not in (None, nerve)


def routine_nerves() -> tuple[str, ...]:
    """Give the motor nerves that a study of MMN looks at, as the drawing shows them."""
    return tuple(n.id for n in anatomy().nerves.values() if n.muscles and n.course)


def usual_muscle(nerve: str) -> str | None:
    """Give the muscle that a nerve is usually recorded from; None where it has none."""
    return next(iter(anatomy().nerves[nerve].muscles), None)


@lru_cache(maxsize=4096)
def position(nerve: str, site: str) -> int:
    """Give the place of `site` along `nerve`, 0 for the most distal one.

    Raises
    ------
    StudyError
        If the nerve has no such site.
    """
    sites = anatomy().nerves[nerve].sites
    if site not in sites:
        raise StudyError(
            f"unknown stimulation site '{site}' for {nerve}; known: {', '.join(sites)}."
            + did_you_mean(site, sites)
        )
    return sites.index(site)


@lru_cache(maxsize=4096)
def entrapment_between(nerve: str, distal_site: str, proximal_site: str) -> Entrapment | None:
    """Give the entrapment site that lies within a segment, or None.

    A segment contains an entrapment site when the two stretches of nerve overlap, so that
    ``wrist-above_elbow`` contains the cubital tunnel, and so does ``elbow-above_elbow``.
    """
    low, high = position(nerve, distal_site), position(nerve, proximal_site)
    for trap in anatomy().nerves[nerve].entrapments:
        start, end = position(nerve, trap.distal_site), position(nerve, trap.proximal_site)
        if low < end and start < high:
            return trap
    return None
