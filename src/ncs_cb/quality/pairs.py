"""What a check sees: all adjacent segments as columns, their responses, the rest of the visit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncs_cb import flags
from ncs_cb.knowledge import thresholds
from ncs_cb.knowledge.anatomy import anatomy, nerve_of_muscle
from ncs_cb.measuring import segments
from ncs_cb.model import Details
from ncs_cb.quality.answers import Answers, Bools, Floats, Ints

Texts = NDArray[np.object_]
Place = tuple[str, str, str]
"""Nerve, muscle and stimulation site; side and study are those of a limb."""


class Rows:
    """A table by its columns, each read once, with a row of which nothing is known behind the last.

    The number of that row, -1, stands for what the table does not have.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame
        self._numbers: dict[str, Floats] = {}

    def number(self, name: str) -> Floats:
        """Values of a column; NaN when unknown."""
        if name not in self._numbers:
            values = self._frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
            self._numbers[name] = np.append(values, np.nan)
        return self._numbers[name]

    def texts(self, name: str) -> list[Any]:
        """Words of a column; None when unknown, so that they can be compared."""
        given = self._frame[name].tolist() if name in self._frame else [None] * len(self._frame)
        return [*(one if isinstance(one, str) else None for one in given), None]

    def has(self, *names: str) -> Bools:
        """Tell which rows have one of these flags."""
        codes, texts = self._flags
        wanted = frozenset(names)
        found: Bools = np.array([not wanted.isdisjoint(one) for one in texts], dtype=bool)[codes]
        return found

    @cached_property
    def _flags(self) -> tuple[Ints, list[frozenset[str]]]:
        """Few cells differ: the number of each row's flags among the different ones."""
        codes, known = pd.factorize(np.array(self.texts("quality_flags"), dtype=object))
        # An unknown cell has the code -1, and so the last of the sets, which is empty.
        return codes, [*(flags.names(text) for text in known), frozenset()]


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """What stands behind the rows of table ``traces``, and behind the one of no response.

    Attributes
    ----------
    amplitude_mv : ndarray of float [mV]
        0 where the response was looked for and is absent, NaN when unknown.
    is_absent : ndarray of bool
        A response was looked for and none was there: neither unknown nor not done.
    has_waveform, has_machine_values : ndarray of bool
        A trace was measured; the machine printed its own values beside it.
    is_attested, is_denied : ndarray of bool
        The stimulus was supramaximal or was not, as was said of it or as an intensity series
        showed; neither where nobody knows.
    is_by_series : ndarray of bool
        What holds of the stimulus is not what was said of it: a series showed it.
    sayer : ndarray of str
        Who attested or denied it; "" when that is not known.
    has_collision, lacks_collision : ndarray of bool
        A collision was used, or was not; neither where nobody said.
    is_unsteady : ndarray of bool
        Another answer to the same stimulus at this site differs by more than repeats do.
    """

    amplitude_mv: Floats
    is_absent: Bools
    has_waveform: Bools
    has_machine_values: Bools
    is_attested: Bools
    is_denied: Bools
    is_by_series: Bools
    sayer: Texts
    has_collision: Bools
    lacks_collision: Bools
    is_unsteady: Bools


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """One response of every segment: rows of table ``traces``, -1 where it has none.

    Every fact of :class:`Told` is a column of it.
    """

    table: Rows
    told: Told
    rows: Ints

    def __getattr__(self, name: str) -> NDArray[Any]:
        column: NDArray[Any] = getattr(self.told, name)[self.rows]
        return column

    @property
    def is_given(self) -> Bools:
        """Whether the table has a row of it."""
        return self.rows >= 0

    def number(self, name: str) -> Floats:
        """Values of a column of ``traces``; NaN when unknown."""
        values: Floats = self.table.number(name)[self.rows]
        return values

    def has(self, *names: str) -> Bools:
        """Tell which responses have one of these flags."""
        found: Bools = self.table.has(*names)[self.rows]
        return found

    def at(self, rows: Ints) -> Responses:
        """Give other rows of the same table."""
        return Responses(self.table, self.told, rows)


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One end of every segment: its name and its response."""

    name: Texts
    response: Responses


class Pairs:
    """All adjacent segments, one row each.

    Attributes
    ----------
    nerve, side, muscle : ndarray of str
    distal, proximal : Responses
        Of which nothing is known where ``traces`` has no such row (a typed-in segments table).
    distal_site, proximal_site : ndarray of str
    series : ndarray of int
        Segments with one number are of one study, nerve, side and muscle.
    details : list of Details
        Of the visit of each segment.
    shape_correlation : ndarray of float
        Of the two responses after delay and dispersion; NaN when not compared.
    lower_limit_mv : tuple of ndarray of float
        Between these lies the lower limit of the distal amplitude; NaN when no set has one.
    """

    shape_correlation: Floats
    lower_limit_mv: tuple[Floats, Floats]

    def __init__(
        self,
        adjacent: pd.DataFrame,
        traces: Responses,
        places: Mapping[Place, Ints],
        limbs: Mapping[tuple[str | None, str], int],
        details: Callable[[str | None], Details],
    ) -> None:
        self._table, self._places = Rows(adjacent), places
        names = ("study_id", "nerve", "side", "muscle", "distal_site", "proximal_site")
        texts = {name: self._table.texts(name)[:-1] for name in names}
        study, side = texts["study_id"], texts["side"]
        limb = [limbs.get(one, -1) for one in zip(study, side, strict=True)]
        self._limb = np.array(limb, dtype=np.intp)
        keys = zip(*(texts[name] for name in names[:4]), strict=True)
        self.series = _numbered(list(keys))
        self.details = [details(one) for one in study]
        self.nerve, self.side, self.muscle, self.distal_site, self.proximal_site = (
            np.array(texts[name], dtype=object) for name in names[1:]
        )
        self._muscles = tuple(dict.fromkeys(texts["muscle"]))
        self.distal, self.proximal = (
            traces.at(self._own_rows(zip(texts["nerve"], texts["muscle"], texts[end], strict=True)))
            for end in names[4:]
        )

    def _own_rows(self, places: Iterable[Place]) -> Ints:
        rows: Ints = np.full(len(self), -1, dtype=np.intp)
        numbers: dict[Place, list[int]] = {}
        for at, place in enumerate(places):
            numbers.setdefault(place, []).append(at)
        for place, own in numbers.items():
            if place in self._places:
                rows[own] = self._places[place][self._limb[own]]
        return rows

    def __len__(self) -> int:
        return len(self._limb)

    def number(self, name: str) -> Floats:
        """Values of a column of ``segments``; NaN when unknown."""
        return self._table.number(name)[:-1]

    def truth(self, name: str) -> tuple[Bools, Bools]:
        """Tell where a column of ``segments`` is true and where it is false."""
        value = self.number(name)
        return value == 1.0, value == 0.0

    def has(self, *names: str) -> Bools:
        """Tell which segments have one of these flags already."""
        return self._table.has(*names)[:-1]

    # -------------------------------------------------------------- answers

    def answers(self) -> Answers:
        """Begin the answers of a check: all segments are open."""
        return Answers(len(self))

    def answers_of_both(self) -> Answers:
        """Begin the answers of a check of both responses: segments with both are open."""
        answers = self.answers()
        self.leave_without_rows(answers)
        return answers

    def leave_without_rows(self, answers: Answers, lacking: Bools | None = None) -> None:
        """Leave segments unexamined whose responses are not in the ``traces`` table."""
        if lacking is None:
            lacking = ~(self.distal.is_given & self.proximal.is_given)
        answers.unexamined("no_rows", lacking, distal=self.distal_site, proximal=self.proximal_site)

    # -------------------------------------------------------------- what many checks ask

    @property
    def ends(self) -> tuple[Site, Site]:
        """Distal and proximal end."""
        return Site(self.distal_site, self.distal), Site(self.proximal_site, self.proximal)

    @property
    def delay_ms(self) -> Floats:
        """By how much the proximal latency is longer."""
        far, near = (one.number("onset_latency_ms") for one in (self.proximal, self.distal))
        return far - near

    @cached_property
    def gains_pct(self) -> tuple[Floats, Floats]:
        """By how much amplitude and area are larger at the proximal site."""
        first = self.number("area_reduction_pct")
        total = self.number("total_area_reduction_pct")
        area = np.where(known(total), segments.agreed_gain_pct(-first, -total), -first)
        return -self.number("amplitude_reduction_pct"), area

    @cached_property
    def gain_pct(self) -> Floats:
        """The larger of both gains; NaN where none is known."""
        return larger(*self.gains_pct)

    @cached_property
    def distance_guess(self) -> NDArray[np.int8]:
        """What its distances look like; see :func:`ncs_cb.measuring.segments.guess_distances`."""
        near, far = (one.number("distance_mm") for one in (self.distal, self.proximal))
        return segments.guess_distances(near, far, self.delay_ms, self.limb == "leg")

    @cached_property
    def limb(self) -> Texts:
        """``arm`` or ``leg``."""
        nerves = anatomy().nerves
        return self.by_nerve(lambda nerve: nerves[nerve].limb)

    def limit(self, name: str) -> Floats:
        """Give a limit of ``tables/quality.toml`` that differs for ``{limb}``."""
        arm, leg = (thresholds.value(name.format(limb=limb)) for limb in ("arm", "leg"))
        return np.where(self.limb == "leg", leg, arm)

    def by_nerve(self, fact: Callable[[str], Any]) -> Texts:
        """Give a fact of anatomy about the nerve of each segment."""
        return _each(fact, self.nerve)

    def by_site(self, fact: Callable[[str, str, str], Any]) -> Texts:
        """Give a fact of anatomy about nerve, distal and proximal site of each segment."""
        return _each(fact, self.nerve, self.distal_site, self.proximal_site)

    @cached_property
    def owner(self) -> Texts:
        """The nerve that supplies the muscle; None for one shared by nerves."""
        return _each(nerve_of_muscle, self.muscle)

    def of_limb(self, nerve: str, muscle: str | None, site: str) -> Responses:
        """Give another response in the limb of each segment, of its own muscle if not told."""
        rows = np.full(len(self), -1, dtype=np.intp)
        for one in self._muscles if muscle is None else (muscle,):
            place = self._places.get((nerve, one, site))
            if place is not None:
                found = place[self._limb]
                rows = found if muscle is not None else np.where(self.muscle == one, found, rows)
        return self.distal.at(rows)


def _each(fact: Callable[..., Any], *columns: Texts) -> Texts:
    """Ask for a fact once per different row of some columns."""
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    facts = {row: fact(*row) for row in set(rows)}
    found = np.empty(len(rows), dtype=object)
    found[:] = [facts[row] for row in rows]
    return found


def _numbered(keys: Sequence[tuple[Any, ...]]) -> Ints:
    """Number the different keys in the order in which they come."""
    numbers: dict[tuple[Any, ...], int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.intp)


def known(*values: Floats) -> Bools:
    """Tell where every value is a number."""
    found: Bools = np.isfinite(values[0])
    for value in values[1:]:
        found = found & np.isfinite(value)
    return found


def larger(one: Floats, other: Floats) -> Floats:
    """Give the larger of two values, the known one where one is unknown."""
    one, other = (np.where(known(value), value, np.nan) for value in (one, other))
    return np.where(np.isnan(one) | (other > one), other, one)
