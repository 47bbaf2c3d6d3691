"""Normal limits as data: by nerve, muscle, age, sex and height where they were published.

A set is one TOML file in ``tables/reference`` or a laboratory's own. The set used is named in
the call and in every result; where it has no value, ``aanem_2016`` and then ``preston_shapiro``
answer, and the answer says which set it came from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.datafile import VERIFIED, Block, is_path, read, shipped
from ncs_cb.model import Details

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DEFAULT = "aanem_2016"
FALLBACK = ("aanem_2016", "preston_shapiro", "upper_limb_means")
"""Sets that answer, in this order, where the named set has no value."""

ITEMS: dict[str, tuple[str, ...]] = {
    "motor": ("distal_latency_ms", "latency_ms", "amplitude_mv", "velocity_m_per_s"),
    "sensory": (
        "onset_latency_ms",
        "peak_latency_ms",
        "amplitude_uv",
        "peak_to_peak_amplitude_uv",
        "velocity_m_per_s",
    ),
    "f_wave": ("minimum_latency_ms", "persistence_pct", "chronodispersion_ms"),
}
"""What a set may limit, by kind of study."""

_What = tuple[str, str, str | None, str]
"""Study, nerve, muscle and item."""
_Who = tuple[float | None, str | None, float | None]
"""Age, sex and height."""
_MOST_KNOWN = 4096

_KEYS = (
    "study",
    "nerve",
    "muscle",
    "item",
    "direction",
    "value",
    "mean",
    "sd",
    "site",
    "segment",
    "distance_mm",
    "age_from",
    "age_to",
    "sex",
    "height_from_cm",
    "height_to_cm",
    "source",
    "verified",
    "note",
)


class Limit(NamedTuple):
    """One limit of normal: a value is outside when it lies beyond it.

    Attributes
    ----------
    value : float
        In the unit that ends the item's name.
    direction : str
        ``lower``: values below are low; ``upper``: values above are high.
    source : str
        Table or page.
    verified : str
        ``primary``, ``secondary``, ``unchecked`` or ``doubtful``.
    set_id : str
        The reference set it comes from.
    distance_mm : float or None
        Distance at which a latency limit holds.
    site : str
        Stimulation site to which it belongs; empty when it is not tied to one.
    """

    value: float
    direction: Literal["lower", "upper"]
    source: str
    verified: str
    set_id: str
    distance_mm: float | None = None
    site: str = ""


class Norm(NamedTuple):
    """A published mean and standard deviation: context for a reader, never used as a limit."""

    study: str
    nerve: str
    muscle: str
    item: str
    mean: float
    sd: float | None
    source: str
    verified: str
    note: str


class _Entry(NamedTuple):
    study: str
    nerve: str
    muscle: str
    item: str
    segment: str
    age: tuple[float, float] | None
    sex: str
    height: tuple[float, float] | None
    limit: Limit

    @property
    def is_personal(self) -> bool:
        """Whether it is for some persons and not for others."""
        return self.age is not None or bool(self.sex) or self.height is not None

    def fit(
        self, segment: str | None, age: float | None, sex: str | None, height: float | None
    ) -> int | None:
        """Count the conditions that are known to hold; None when one is not."""
        score = 0
        for asked, holds in (
            (bool(self.segment), self.segment == segment),
            (self.age is not None, _within(age, self.age)),
            (bool(self.sex), self.sex == sex),
            (self.height is not None, _within(height, self.height)),
        ):
            if asked and not holds:
                return None
            score += asked
        return score


def _within(value: float | None, span: tuple[float, float] | None) -> bool:
    return value is not None and span is not None and span[0] <= value < span[1]


@dataclass(frozen=True, slots=True)
class ReferenceSet:
    """One set of normal limits, as loaded.

    ``id``, ``revision`` and ``sha256`` are what a result quotes; ``norms`` are published means;
    ``personal`` names what it limits by age, sex or height.
    ``age_from`` is the age of the youngest persons measured; the set has no limit for younger ones.
    """

    id: str
    title: str
    title_zh: str
    revision: int
    sha256: str
    citation: str
    doi: str
    text: str
    text_zh: str
    age_from: float
    norms: tuple[Norm, ...]
    entries: tuple[_Entry, ...]
    index: Mapping[_What, tuple[_Entry, ...]]
    personal: frozenset[_What]
    known: dict[tuple[_What, _Who, str | None, str | None], Limit | None] = field(
        default_factory=dict, repr=False, compare=False
    )
    """Limits that were looked for before."""

    def limit(
        self,
        study: str,
        nerve: str,
        muscle: str | None,
        item: str,
        age_years: float | None = None,
        sex: str | None = None,
        height_cm: float | None = None,
        *,
        segment: str | None = None,
        site: str | None = None,
    ) -> Limit | None:
        """Give the limit that fits the person best, or None when the set has none.

        Parameters
        ----------
        study : str
            ``motor``, ``sensory`` or ``f_wave``.
        nerve, muscle : str
            Ids of the anatomy; for sensory studies the recording site stands in `muscle`. With
            no muscle, the nerve's only entry is taken, or none when there are several.
        item : str
            One of :data:`ITEMS`, such as ``amplitude_mv``.
        age_years, sex, height_cm : optional
            A stratum is used only when it is known to apply; else the limit for all adults. A
            person known to be younger than anybody measured has no limit.
        segment : str, optional
            For velocities that are limited segment by segment.
        site : str, optional
            Only a limit for this stimulation site, or for any.
        """
        if age_years is not None and age_years < self.age_from:
            return None
        if muscle is None:
            muscle = self._only_muscle(study, nerve, item)
        what = (study, nerve, muscle, item)
        # Most limits are the same for everybody, and nearly all are asked for again and again.
        who = (age_years, sex, height_cm) if what in self.personal else (None, None, None)
        key = (what, who, segment, site)
        if key not in self.known:
            if len(self.known) >= _MOST_KNOWN:
                self.known.clear()
            self.known[key] = self._best(what, who, segment, site)
        return self.known[key]

    def _only_muscle(self, study: str, nerve: str, item: str) -> str | None:
        found = {
            e.muscle for e in self.entries if (e.study, e.nerve, e.item) == (study, nerve, item)
        }
        return found.pop() if len(found) == 1 else None

    def _best(self, what: _What, who: _Who, segment: str | None, site: str | None) -> Limit | None:
        best: tuple[int, Limit] | None = None
        for entry in self.index.get(what, ()):
            if site is not None and entry.limit.site not in ("", site):
                continue
            score = entry.fit(segment, *who)
            if score is not None and (best is None or score > best[0]):
                best = (score, entry.limit)
        return None if best is None else best[1]


def available() -> list[str]:
    """Give the ids of the shipped reference sets."""
    return shipped("reference")


def load(id_or_path: str | Path | ReferenceSet) -> ReferenceSet:
    """Load a shipped set by its id, or a laboratory's own by its path.

    Raises
    ------
    TableError
        If there is no such set, or the file is malformed; the message names file, key, reason
        and the nearest valid name.
    """
    if isinstance(id_or_path, ReferenceSet):
        return id_or_path
    return _read(id_or_path) if is_path(id_or_path) else _cached(id_or_path)


@cache
def _cached(id_: str | Path) -> ReferenceSet:
    return _read(id_)


def _read(id_or_path: str | Path) -> ReferenceSet:
    data = read("reference", id_or_path)
    top = Block(data.raw, data.name)
    words = ("id", "title", "title_zh", "revision", "text", "text_zh", "source")
    top.only(*words, "age_from", "limit", "norm")
    origin = top.block("source")
    origin.only("citation", "doi")
    id_ = top.text("id")
    entries = tuple(e for b in top.blocks("limit") if (e := _entry(b, id_)) is not None)
    index: dict[_What, list[_Entry]] = {}
    for entry in entries:
        index.setdefault((entry.study, entry.nerve, entry.muscle, entry.item), []).append(entry)
    return ReferenceSet(
        id_,
        top.text("title"),
        top.maybe_text("title_zh"),
        top.whole("revision"),
        data.sha256,
        origin.text("citation"),
        origin.maybe_text("doi"),
        top.maybe_text("text"),
        top.maybe_text("text_zh"),
        -math.inf if (youngest := top.number("age_from", needed=False)) is None else youngest,
        tuple(map(_norm, top.blocks("norm"))),
        entries,
        {key: tuple(value) for key, value in index.items()},
        frozenset(key for key, value in index.items() if any(e.is_personal for e in value)),
    )


def _what(block: Block) -> tuple[str, str, str, str]:
    block.only(*_KEYS)
    study = block.choice("study", ITEMS)
    nerve = block.choice("nerve", anatomy().nerves)
    muscle = block.choice("muscle", anatomy().muscles)
    return study, nerve, muscle, block.choice("item", ITEMS[study])


def _entry(block: Block, set_id: str) -> _Entry | None:
    """Read one limit; an unset one is checked and left out, so that no number is invented."""
    study, nerve, muscle, item = _what(block)
    direction = block.choice("direction", ("lower", "upper"))
    value = block.number("value")
    source, verified = block.text("source"), block.choice("verified", VERIFIED)
    sex = block.choice("sex", ("female", "male")) if "sex" in block.raw else ""
    site = block.choice("site", anatomy().nerves[nerve].sites) if "site" in block.raw else ""
    # Published age groups are whole years, so that "to 39" holds until the fortieth birthday.
    age = _span(block, "age_from", "age_to", 1.0)
    height = _span(block, "height_from_cm", "height_to_cm", 1.0)
    if value is None or verified == "doubtful":
        return None
    limit = Limit(
        value,
        "lower" if direction == "lower" else "upper",
        source,
        verified,
        set_id,
        block.number("distance_mm", needed=False),
        site,
    )
    return _Entry(study, nerve, muscle, item, block.maybe_text("segment"), age, sex, height, limit)


def _span(block: Block, low: str, high: str, step: float) -> tuple[float, float] | None:
    if low not in block.raw and high not in block.raw:
        return None
    start, end = block.number(low, needed=False), block.number(high, needed=False)
    return (-math.inf if start is None else start, math.inf if end is None else end + step)


def _norm(block: Block) -> Norm:
    study, nerve, muscle, item = _what(block)
    mean = block.number("mean")
    if mean is None:
        raise block.wrong("mean", "a norm without a mean says nothing; leave it out")
    return Norm(
        study,
        nerve,
        muscle,
        item,
        mean,
        block.number("sd", needed=False),
        block.text("source"),
        block.choice("verified", VERIFIED),
        block.maybe_text("note"),
    )


def chain(reference: str | Path | ReferenceSet) -> tuple[ReferenceSet, ...]:
    """Give the named set and those that answer where it has no value, in order."""
    sets: dict[str, ReferenceSet] = {}
    for one in (load(reference), *map(load, FALLBACK)):
        sets.setdefault(one.id, one)
    return tuple(sets.values())


def first_limit(
    sets: Iterable[ReferenceSet],
    study: str,
    nerve: str,
    muscle: str | None,
    item: str,
    person: Details | None = None,
    *,
    segment: str | None = None,
    site: str | None = None,
) -> Limit | None:
    """Give the limit of the first of `sets` that has one for this person, or None."""
    who = person or Details()
    for one in sets:
        found = one.limit(
            study,
            nerve,
            muscle,
            item,
            who.age_years,
            who.sex,
            who.height_cm,
            segment=segment,
            site=site,
        )
        if found is not None:
            return found
    return None


class LowerLimits(NamedTuple):
    """Between which numbers the lower limit of each distal amplitude lies, and whose it is."""

    low: Floats
    high: Floats
    set_id: list[str]


def lower_amplitude_limits(
    rows: Mapping[str, Sequence[str | None]],
    reference: str | Path | ReferenceSet = DEFAULT,
    person: Mapping[str, Details] | None = None,
) -> LowerLimits:
    """Give the lower limit of the distal motor amplitude for every row of a table.

    Where no set limits the muscle, ``low`` is 0 and ``high`` is the highest lower limit that the
    sets hold for any muscle, with an empty ``set_id``: a response above the share asked of
    that one is above the share asked of its own, whatever that is. All else stays unknown.

    Parameters
    ----------
    rows : mapping of str to sequence of str
        The columns ``nerve`` and, where they are known, ``study_id`` and ``muscle``; None for an
        unknown cell.
    person : mapping of study id to Details, optional
        For limits by age, sex and height.
    """
    import numpy as np

    sets, known = chain(reference), person or {}
    nothing = [None] * len(rows["nerve"])
    columns = (rows.get(name, nothing) for name in ("study_id", "nerve", "muscle"))
    keys = list(zip(*columns, strict=True))
    spans = {
        (study, nerve, muscle): _span_of_muscles(sets, nerve, muscle, known.get(study))
        for study, nerve, muscle in set(keys)
    }
    low, high = (np.array([spans[key][at] for key in keys], dtype=float) for at in (0, 1))
    unknown = np.isnan(high)
    highest = max(
        entry.limit.value
        for one in sets
        for entry in one.entries
        if entry.study == "motor" and entry.item == "amplitude_mv"
    )
    set_ids = [spans[key][2] for key in keys]
    return LowerLimits(np.where(unknown, 0.0, low), np.where(unknown, highest, high), set_ids)


def _span_of_muscles(
    sets: tuple[ReferenceSet, ...], nerve: str, muscle: str | None, person: Details | None
) -> tuple[float, float, str]:
    """Give the limit of one muscle, or the span of the limits of all muscles of the nerve."""
    muscles = (muscle,) if muscle is not None else anatomy().nerves[nerve].routine_muscles
    found = [
        one
        for name in muscles
        if (one := first_limit(sets, "motor", nerve, name, "amplitude_mv", person)) is not None
    ]
    # One muscle without a limit, and the span of the others says nothing about it.
    if len(found) < len(muscles):
        return math.nan, math.nan, ""
    values = [one.value for one in found]
    return min(values), max(values), found[0].set_id
