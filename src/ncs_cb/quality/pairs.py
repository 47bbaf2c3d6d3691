"""What a check sees: all adjacent segments as columns, their responses, the rest of the visit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

    Parameters
    ----------
    frame : DataFrame
    where : ndarray of bool, optional
        Rows that are left out are false; to cut the columns that are read is faster than to cut
        the frame.
    """

    def __init__(self, frame: pd.DataFrame, where: Bools | None = None) -> None:
        self._frame = frame
        self._where = np.ones(len(frame), dtype=bool) if where is None else where
        self._numbers: dict[str, Floats] = {}
        self._texts: dict[str, list[Any]] = {}
        self._has: dict[tuple[str, ...], Bools] = {}

    def number(self, name: str) -> Floats:
        """Values of a column; NaN when unknown."""
        if name not in self._numbers:
            column = self._frame[name]
            is_plain = column.dtype == np.float64
            values = column.to_numpy() if is_plain else column.to_numpy(np.float64, na_value=np.nan)
            self._numbers[name] = np.append(values[self._where], np.nan)
        return self._numbers[name]

    def texts(self, name: str) -> list[Any]:
        """Words of a column; None when unknown, so that they can be compared."""
        if name not in self._texts:
            self._texts[name] = self._read_texts(name)
        return self._texts[name]

    def _read_texts(self, name: str) -> list[Any]:
        if name not in self._frame:
            return [None] * (np.count_nonzero(self._where) + 1)
        given: NDArray[Any] = self._frame[name].to_numpy(dtype=object)
        return [None if one is pd.NA else one for one in (*given[self._where].tolist(), None)]

    def has(self, *names: str) -> Bools:
        """Tell which rows have one of these flags."""
        if names not in self._has:
            codes, texts = self._flags
            found = np.array([not one.isdisjoint(names) for one in texts], dtype=bool)
            self._has[names] = found[codes]
        return self._has[names]

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
    shape_correlation : ndarray of float
        Of the two responses after delay and dispersion; NaN when not compared.
    lower_limit_mv : tuple of ndarray of float
        Between these lies the lower limit of the distal amplitude; NaN when no set has one.
    """

    shape_correlation: Floats
    lower_limit_mv: tuple[Floats, Floats]

    def __init__(
        self,
        segments: Rows,
        traces: Responses,
        places: Mapping[Place, Ints],
        limbs: Mapping[tuple[str | None, str], int],
        details: Callable[[str | None], Details],
    ) -> None:
        self._table, self._places = segments, places
        study, side = (segments.texts(name)[:-1] for name in ("study_id", "side"))
        kinds = (segments.texts(name)[:-1] for name in _KIND)
        self._kind, self._kinds = _numbered(list(zip(*kinds, strict=True)))
        self.nerve, self.muscle, self.distal_site, self.proximal_site = (
            self._by_kind(lambda *kind, at=at: kind[at]) for at in range(len(_KIND))
        )
        self.side = _objects(side)
        own = [limbs.get(one, -1) for one in zip(study, side, strict=True)]
        self._limb = np.array(own, dtype=np.intp)
        series = zip(study, side, self._kind.tolist(), strict=True)
        self.series, _ = _numbered([(*one, *self._kinds[kind][:2]) for *one, kind in series])
        self._visit, visits = _numbered([(one,) for one in study])
        self._details = [details(one) for (one,) in visits]
        self.distal, self.proximal = (traces.at(self._own_rows(site)) for site in (2, 3))

    def _own_rows(self, site: int) -> Ints:
        rows: Ints = np.full(len(self), -1, dtype=np.intp)
        for number, kind in enumerate(self._kinds):
            place = self._places.get((kind[0], kind[1], kind[site]))
            if place is not None:
                own = self._kind == number
                rows[own] = place[self._limb[own]]
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
            lacking = self._lacks_rows
        answers.unexamined("no_rows", lacking, distal=self.distal_site, proximal=self.proximal_site)

    @cached_property
    def _lacks_rows(self) -> Bools:
        return ~(self.distal.is_given & self.proximal.is_given)

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
        return self._by_kind(lambda nerve, _, *sites: fact(nerve))

    def by_site(self, fact: Callable[[str, str, str], Any]) -> Texts:
        """Give a fact of anatomy about nerve, distal and proximal site of each segment."""
        return self._by_kind(lambda nerve, _, *sites: fact(nerve, *sites))

    @cached_property
    def owner(self) -> Texts:
        """The nerve that supplies the muscle; None for one shared by nerves."""
        return self._by_kind(lambda _, muscle, *sites: nerve_of_muscle(muscle))

    def _by_kind(self, fact: Callable[..., Any]) -> Texts:
        """Ask once for every nerve, muscle, distal and proximal site that occur together."""
        return _objects([fact(*kind) for kind in self._kinds])[self._kind]

    def by_visit(self, fact: Callable[[Details], float | None]) -> Floats:
        """Give a number that the visit of each segment has; NaN where it has none."""
        found: Floats = np.array([fact(one) for one in self._details], dtype=np.float64)
        return found[self._visit]

    def of_limb(self, nerve: str, muscle: str | None, *sites: str) -> Responses:
        """Give the response of a nerve at the first of some sites that has a known amplitude.

        In the limb of each segment, and recorded from its own muscle if not told from which.
        """
        rows, amplitude_mv = np.full(len(self), -1, dtype=np.intp), self.distal.told.amplitude_mv
        for one in dict.fromkeys(kind[1] for kind in self._kinds) if muscle is None else (muscle,):
            for site in sites:
                place = self._places.get((nerve, one, site))
                if place is not None:
                    found = place[self._limb]
                    is_new = (rows < 0) & known(amplitude_mv[found])
                    if muscle is None:
                        is_new &= self.muscle == one
                    rows = np.where(is_new, found, rows)
        return self.distal.at(rows)


_KIND = ("nerve", "muscle", "distal_site", "proximal_site")


def _objects(values: Sequence[Any]) -> Texts:
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _numbered(keys: Sequence[tuple[Any, ...]]) -> tuple[Ints, list[tuple[Any, ...]]]:
    """Number the different keys in the order in which they come, and give them."""
    numbers: dict[tuple[Any, ...], int] = {}
    found = [numbers.setdefault(key, len(numbers)) for key in keys]
    return np.array(found, dtype=np.intp), list(numbers)


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
