"""Annotation texts of motor nerve conduction: stimuli, responses and XML notes.

The grammar is that of the EDF+ specification's own example (section 3.7), read tolerantly:

    Stimulus right wrist 0.2ms x 8.2mA at 6.5cm from recording site
    Response 7.2mV at 7.8ms (55.0m/s)

A plain site name is a stimulus too. Any other text is a free annotation: never a site.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from ncs_cb.errors import StudyError
from ncs_cb.knowledge.anatomy import anatomy, find, normalize
from ncs_cb.model import MachineValues, Side
from ncs_cb.readers._shared.names import take_nerve, take_side

if TYPE_CHECKING:
    import numpy as np

LONGEST_TEXT = 500
# Closer than for a word that must be a name: most free texts are remarks.
_LIKENESS = 0.8
NUMBER = r"(\d{1,9}(?:[.,]\d{1,15})?)"
_QUANTITY = re.compile(
    # Not the end of what is no number: 7.0.1cm is not 1 mm.
    r"(?<!\d)(?<!\d[.,])" + NUMBER + r"\s*(ms|us|\u00b5s|\u03bcs|ma|v|cm|mm)\b"
    r"(?:\s+from\s+(?:the\s+)?recording(?:\s+(?:site|electrode))?)?",
    re.IGNORECASE,
)
_MINUS = re.compile(r"(?:\bat|@|=)\s*-$", re.IGNORECASE)
LEAD = re.compile(
    r"^\s*(?:(?:stim(?:ulus|ulation|\.)?|reiz(?:ung|ort)?)(?=[\s_:.])|\u523a\u6fc0)[\s_:.\uff1a]*",
    re.IGNORECASE,
)
# Chinese says it behind the place, without a blank: \u8155\u90e8\u523a\u6fc0.
_BEHIND = re.compile(r"\u523a\u6fc0(?=[\s\d(\uff08]|$)")
_NOISE_WORDS = frozenset(
    {
        "x",
        "\u00d7",
        "*",
        "at",
        "@",
        "the",
        "of",
        "site",
        "stim",
        "stimulus",
        "stimulation",
        "reiz",
        "reizung",
        "am",
        "an",
        "des",
        "der",
        "dem",
        "den",
        "vom",
        "\u523a\u6fc0",
    }
)
# How often a setting was given, or that it was given again: no part of where.
_COUNT = re.compile(r"[x\u00d7]\d{1,3}|\d{1,3}[x\u00d7]|repeat(?:ed)?|rep\.?", re.IGNORECASE)
_NUMBERED = re.compile(r"#?\d{1,3}[.:]?")
_IN_BRACKETS = re.compile(r"[(\[\uff08][^()\[\]\uff08\uff09]*[)\]\uff09]")
_TRIGGER = re.compile(r"(?:s|trigger|code|sti|ttl)?[\s_]*0*(\d{1,5})", re.IGNORECASE)
# The kind of a marker, as BrainVision files put it before the text.
_MARKER = re.compile(r"^\s*(?:comment|stimulus|response|marker)/\s*", re.IGNORECASE)
_SERIES = re.compile(r",\s*series\s+(\d{1,6})\s*$", re.IGNORECASE)
_RESPONSE = re.compile(
    r"^\s*response\s+"
    + NUMBER
    + r"\s*(mv|uv|\u00b5v|\u03bcv)\s+at\s+"
    + NUMBER
    + r"\s*ms(?:\s*\(\s*"
    + NUMBER
    + r"\s*m\s*/\s*s\s*\))?\s*$",
    re.IGNORECASE,
)
_ATTRIBUTES: dict[str, tuple[str, bool]] = {
    **dict.fromkeys(
        (
            "supramaximal",
            "supramax",
            "supra",
            "supramaximale",
            "\u8d85\u5f3a",
            "\u8d85\u5f3a\u523a\u6fc0",
        ),
        ("supramaximal", True),
    ),
    **dict.fromkeys(("submaximal", "submax"), ("supramaximal", False)),
    **dict.fromkeys(("collision", "kollision"), ("collision_used", True)),
}


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one annotation says of a stimulus.

    ``site`` is an id, or None when ``site_text`` names no known place. ``series`` keeps
    stimuli apart that are otherwise described alike.
    """

    site: str | None
    site_text: str
    side: Side | None = None
    duration_ms: float | None = None
    intensity_ma: float | None = None
    distance_mm: float | None = None
    supramaximal: bool | None = None
    collision_used: bool | None = None
    series: int | None = None
    is_explicit: bool = False
    nerve: str | None = None
    intensity_v: float | None = None

    @property
    def key(self) -> str:
        """The stimulus in words: equal for repeats of one stimulus, and only for these.

        EDF+ 2.2.4: the same stimulus has the same, unique annotation text.
        """
        facts = (
            (self.duration_ms, "ms"),
            (self.intensity_ma, "mA"),
            (self.distance_mm, "mm"),
            (self.intensity_v, "V"),
            (self.series, " (series)"),
        )
        said = (f"{value:.10g}{unit}" for value, unit in facts if value is not None)
        return " ".join([*([self.nerve] if self.nerve else []), self.site_text, *said])


@lru_cache(maxsize=8192)
def stimulus(text: str) -> Spoken | None:
    """Read a stimulus annotation or a plain site name; None for any other text.

    Examples
    --------
    >>> spoken = stimulus("Stimulus right wrist 0.2ms x 8.2mA at 6.5cm from recording site")
    >>> spoken.site, spoken.side, spoken.intensity_ma, spoken.distance_mm
    ('wrist', 'right', 8.2, 65.0)
    """
    if len(text) > LONGEST_TEXT:
        return None
    said = _stimulus(text)
    if said is not None and said.site is not None:
        return said
    # What stands in brackets may be a remark; without it the rest may name a site.
    bare = _IN_BRACKETS.sub(" ", text)
    again = _stimulus(bare) if bare != text and bare.strip() else None
    return again if again is not None and again.site is not None else said


def _stimulus(text: str) -> Spoken | None:
    lead = LEAD.match(text)
    rest = text[lead.end() :] if lead else _BEHIND.sub("", text)
    series = _SERIES.search(rest)
    if series:
        rest = rest[: series.start()]
    values: dict[str, float] = {}
    bare = _QUANTITY.sub(lambda found: _take_quantity(found, values), rest)
    parts = [w for part in re.split(r"[\s_,;:]+", bare) if (w := part.strip("()-\u2013\u2014"))]
    parts = [w for w in parts if w.casefold() not in _NOISE_WORDS and not _COUNT.fullmatch(w)]
    attributes = {a[0]: a[1] for w in parts if (a := _ATTRIBUTES.get(w.casefold()))}
    parts = [w for w in parts if w.casefold() not in _ATTRIBUTES]
    site, side, nerve, site_text = _place(parts)
    is_explicit = bool(lead) and (
        text.lstrip()[:8].casefold() == "stimulus" or bool(values) or side is not None
    )
    if site is None and not (is_explicit and site_text):
        return None
    return Spoken(
        site,
        site or site_text[:40],
        side,
        values.get("duration_ms"),
        values.get("intensity_ma"),
        values.get("distance_mm"),
        attributes.get("supramaximal"),
        attributes.get("collision_used"),
        int(series[1]) if series else None,
        is_explicit,
        nerve,
        values.get("intensity_v"),
    )


def setting(text: str) -> Spoken | None:
    """Read a text that gives only the setting of a stimulus, such as ``stim 20 mA``.

    Its site is said elsewhere in the same record; ``site`` is None.
    """
    if len(text) > LONGEST_TEXT:
        return None
    values: dict[str, float] = {}
    bare = _QUANTITY.sub(lambda found: _take_quantity(found, values), text)
    words = [w.strip("()-.:").casefold() for w in re.split(r"[\s_,;:]+", bare)]
    rest = [w for w in words if w and w not in _NOISE_WORDS and w not in _ATTRIBUTES]
    if not values or rest:
        return None
    return Spoken(
        None,
        "",
        None,
        values.get("duration_ms"),
        values.get("intensity_ma"),
        values.get("distance_mm"),
        intensity_v=values.get("intensity_v"),
    )


def _place(parts: list[str]) -> tuple[str | None, Side | None, str | None, str]:
    """Give (site, side, nerve, the words of the site): ``right ulnar nerve below elbow``."""
    side, parts = take_side(parts)
    site = _site(parts)
    if site is not None:
        return site, side, None, " ".join(parts)
    nerve, others = take_nerve(parts)
    second, others = take_side(others)
    site = _site(others) if nerve else None
    if site is None:
        return None, side, None, " ".join(parts)
    return site, side or second, nerve, " ".join(others)


def _site(parts: Sequence[str]) -> str | None:
    """Find the site that words name, the German genitive too (``des Ellenbogens``)."""
    text = " ".join(parts)
    if not text:
        return None
    site = find("sites", text) or find("sites", text.removesuffix("s"))
    # A number before or behind a name counts the sweeps, where it is no part of the name.
    bare = " ".join(word for word in parts if not _NUMBERED.fullmatch(word))
    return site or (find("sites", bare) if bare else None)


def assigned(text: str, site: str) -> Spoken:
    """Give the stimulus of a text whose site ``study.toml`` names; its quantities are kept."""
    values: dict[str, float] = {}
    rest = _QUANTITY.sub(lambda found: _take_quantity(found, values), text[:LONGEST_TEXT])
    side, _ = take_side(rest.split())
    return Spoken(
        site,
        site,
        side,
        values.get("duration_ms"),
        values.get("intensity_ma"),
        values.get("distance_mm"),
        is_explicit=True,
        intensity_v=values.get("intensity_v"),
    )


def plain(text: str) -> str:
    """Fold an annotation or trigger code, so that what ``study.toml`` says finds it.

    Examples
    --------
    >>> plain("Reiz  2"), plain("Stimulus/S  1"), plain("S 1"), plain("1")
    ('reiz 2', 's1', 's1', 's1')
    """
    text = unmarked(text)
    trigger = _TRIGGER.fullmatch(text.strip())
    return f"s{trigger[1]}" if trigger else " ".join(text.split()).casefold()


def named_by(sites: Mapping[str, str], texts: Iterable[str]) -> dict[str, str]:
    """Give the site of each text that ``study.toml`` names one for.

    Raises
    ------
    StudyError
        If it names a text that is not there.
    """
    held = {plain(text): text for text in texts}
    made = {}
    for text, site in sites.items():
        if plain(text) not in held:
            raise StudyError(
                f"sites: no stimulus is called '{text[:60]}'.",
                source="study.toml",
                hint="'ncs-cb validate' lists the texts that name no site.",
            )
        made[held[plain(text)]] = site
    return made


def unmarked(text: str) -> str:
    """Take off the kind of marker that BrainVision files put before a text."""
    return _MARKER.sub("", text)


def looks_given(text: str) -> bool:
    """Tell whether a text speaks of a stimulus or is a trigger code, whatever its site."""
    if LEAD.match(text) or _BEHIND.search(text) or _TRIGGER.fullmatch(text.strip()):
        return True
    return setting(text) is not None or bool(nearly_site(text))


def is_plain_stimulus(text: str) -> bool:
    """Tell whether a stimulus text holds nothing but the grammar: no word that could be a name."""
    spoken = stimulus(text)
    if spoken is None or spoken.site is None:
        return False
    # The site must have consumed every word; a tail such as ", series 2" was taken off before.
    return "(" not in text and "<" not in text


def _take_quantity(found: re.Match[str], values: dict[str, float]) -> str:
    number, unit = as_number(found[1]), found[2].casefold()
    if unit == "ms":
        values["duration_ms"] = number
    elif unit in ("us", "\u00b5s", "\u03bcs"):
        values["duration_ms"] = number / 1000.0
    elif unit == "ma":
        values["intensity_ma"] = number
    elif unit in ("cm", "mm"):
        # A sign is kept, so that it is refused where limits are; a dash after a site is none.
        number *= -1.0 if _MINUS.search(found.string[: found.start()]) else 1.0
        # Rounded, so that 28.7 cm is 287 mm and not 286.99999999999994.
        values["distance_mm"] = round(number * (10.0 if unit == "cm" else 1.0), 6)
    else:
        values["intensity_v"] = number
    return " "


def as_number(text: str) -> float:
    """Read a number whose decimal mark is a point or a comma."""
    return float(text.replace(",", "."))


@lru_cache(maxsize=8192)
def response(text: str) -> MachineValues | None:
    """Read the machine's own values; None when the text is no ``Response``.

    Examples
    --------
    >>> response("Response 7.2mV at 7.8ms (55.0m/s)")
    MachineValues(onset_latency_ms=7.8, amplitude_mv=7.2, conduction_velocity_m_per_s=55.0)
    """
    found = _RESPONSE.match(text) if len(text) <= LONGEST_TEXT else None
    if found is None:
        return None
    factor = 1.0 if found[2].casefold() == "mv" else 1e-3
    velocity = as_number(found[4]) if found[4] else None
    return MachineValues(as_number(found[3]), as_number(found[1]) * factor, velocity)


def attribute(text: str) -> tuple[str, bool] | None:
    """Read ``Supramaximal``, ``Submaximal`` or ``Collision``, an annotation beside a stimulus."""
    return _ATTRIBUTES.get(text.strip().casefold())


def with_attribute(spoken: Spoken, said: tuple[str, bool]) -> Spoken:
    """Give a stimulus with what :func:`attribute` read beside it."""
    name, value = said
    if name == "supramaximal":
        return replace(spoken, supramaximal=value)
    return replace(spoken, collision_used=value)


def completed(told: Spoken, more: Spoken) -> Spoken:
    """Fill in what one text leaves open from another text on the same stimulus."""
    return replace(
        told,
        side=told.side or more.side,
        duration_ms=_first(told.duration_ms, more.duration_ms),
        intensity_ma=_first(told.intensity_ma, more.intensity_ma),
        distance_mm=_first(told.distance_mm, more.distance_mm),
        supramaximal=more.supramaximal if told.supramaximal is None else told.supramaximal,
    )


def _first(one: float | None, other: float | None) -> float | None:
    return other if one is None else one


@lru_cache(maxsize=1)
def _long_names() -> tuple[str, ...]:
    names = (normalize(n) for p in anatomy().sites.values() for n in (p.id, *p.aliases))
    return tuple(name for name in names if len(name) > 3)


def resembles_site(text: str) -> str:
    """Give ``" Did you mean 'elbow'?"`` when a short text is nearly a site name, else nothing."""
    site = nearly_site(text)
    return f" Did you mean '{site}'?" if site else ""


def nearly_site(text: str) -> str:
    """Give the site whose name a short text nearly is, beside words of a stimulus; else ""."""
    text = _QUANTITY.sub(" ", text[: LONGEST_TEXT + 1])
    lead = LEAD.match(text)
    text = " ".join((text[lead.end() :] if lead else _BEHIND.sub("", text)).split())
    if len(text) > 40:
        return ""
    _, parts = take_side(text.split())
    plain = normalize(" ".join(parts))
    if len(plain) < 3:
        return ""
    nearest = difflib.get_close_matches(plain, _sharing_letters(plain), n=1, cutoff=_LIKENESS)
    return (find("sites", nearest[0]) or "") if nearest else ""


def _sharing_letters(word: str) -> list[str]:
    """Give the names that share so many letters with a word that they may be alike.

    No two words are more alike than their letters in any order. difflib knows that too, but looks
    at one name after the other: a file of thousands of remarks would take a minute.
    """
    import numpy as np  # only here: listing the formats must stay light

    columns, counts, lengths = _letters()
    here = np.zeros(len(columns), dtype=counts.dtype)
    for letter in word:
        if letter in columns:
            here[columns[letter]] += 1
    shared = np.minimum(counts, here).sum(axis=1)
    alike = 2.0 * shared >= _LIKENESS * (lengths + len(word))
    return [_long_names()[i] for i in np.flatnonzero(alike)]


@lru_cache(maxsize=1)
def _letters() -> tuple[dict[str, int], np.ndarray, np.ndarray]:
    """Give a column for each letter, how often each long name holds it, and their lengths."""
    import numpy as np

    names = _long_names()
    columns = {letter: i for i, letter in enumerate(sorted(set("".join(names))))}
    counts = np.zeros((len(names), len(columns)), dtype=np.intp)
    for row, name in zip(counts, names, strict=True):
        for letter in name:
            row[columns[letter]] += 1
    return columns, counts, np.array([len(name) for name in names])
