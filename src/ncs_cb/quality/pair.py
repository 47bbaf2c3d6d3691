"""What a check sees: one adjacent segment, its two responses, and the rest of the visit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from ncs_cb import flags
from ncs_cb.columns import as_number
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.model import Details, Trace

State = Literal["raised", "cleared", "not_examined"]
Number = float | int | str


class Finding(NamedTuple):
    """What a check found: its state, the case that words it, and the numbers it rests on."""

    state: State
    case: str
    numbers: Mapping[str, Number]


def raised(case: str, **numbers: Number) -> Finding:
    """The doubt holds."""
    return Finding("raised", case, numbers)


def cleared(case: str, **numbers: Number) -> Finding:
    """The doubt was looked into and does not hold."""
    return Finding("cleared", case, numbers)


def unexamined(case: str, **numbers: Number) -> Finding:
    """Something is missing; the doubt stays open."""
    return Finding("not_examined", case, numbers)


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """One row of the ``traces`` table and what stands behind it.

    Attributes
    ----------
    row : mapping
        Columns of the row; NaN and NA are unknown.
    trace : Trace or None
        None for a row that was typed in.
    is_supramaximal : bool or None
        Attested by the recording or by ``study.toml``; None when nobody said.
    reaches_plateau : bool or None
        What an intensity series of this site showed.
    collision_used : bool or None
    supramaximal_by : str or None
        Who attested or denied that the stimulus was supramaximal.
    is_growing : bool
        The last of several stimuli at this site still raised the response.
    is_unsteady : bool
        Another answer to the same stimulus at this site differs by more than repeats do.
    """

    row: Mapping[str, Any]
    trace: Trace | None
    is_supramaximal: bool | None
    reaches_plateau: bool | None
    collision_used: bool | None
    supramaximal_by: str | None = None
    is_growing: bool = False
    is_unsteady: bool = False

    @property
    def flags(self) -> frozenset[str]:
        """Names of the flags raised on this response."""
        return flags.names(self.row["quality_flags"])

    def number(self, name: str) -> float:
        """Value of a column; NaN when unknown."""
        return as_number(self.row[name])

    @property
    def is_absent(self) -> bool:
        """Whether a response was looked for and none was there: neither unknown nor not done."""
        said = self.row.get("response")
        if isinstance(said, str) and said != "present":
            return said == "absent"
        return "response_absent" in self.flags or self.number("negative_peak_amplitude_mv") == 0.0

    @property
    def amplitude_mv(self) -> float:
        """Amplitude; 0 where the response was looked for and is absent, NaN when unknown."""
        if self.is_absent:
            return 0.0
        return self.number("negative_peak_amplitude_mv")


@dataclass(slots=True, eq=False)
class Visit:
    """Everything known of one study."""

    details: Details
    responses: dict[tuple[str, str, str, str], Response] = field(default_factory=dict)
    """By nerve, side, muscle and stimulation site."""
    segments: dict[tuple[str, str, str], list[Mapping[str, Any]]] = field(default_factory=dict)
    """Adjacent segments by nerve, side and muscle, distal first."""


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """One adjacent segment.

    Attributes
    ----------
    row : mapping
        The row of the ``segments`` table.
    distal, proximal : Response or None
        None when the ``traces`` table has no such row (a typed-in segments table).
    visit : Visit
    shape_correlation : float
        Of the two responses after delay and dispersion; NaN when not compared.
    lower_limit_mv : tuple of float
        Between these lies the lower limit of the distal amplitude; NaN when no set has one.
    distance_guess : int
        What its distances look like; see :func:`ncs_cb.measuring.segments.guess_distances`.
    """

    row: Mapping[str, Any]
    distal: Response | None
    proximal: Response | None
    visit: Visit
    shape_correlation: float = math.nan
    lower_limit_mv: tuple[float, float] = (math.nan, math.nan)
    distance_guess: int = 0

    def number(self, name: str) -> float:
        """Value of a column of the segment; NaN when unknown."""
        return as_number(self.row[name])

    @property
    def flags(self) -> frozenset[str]:
        """Names of the flags already raised on this segment."""
        return flags.names(self.row["quality_flags"])

    @property
    def series(self) -> tuple[str, str, str]:
        """Nerve, side and muscle."""
        return self.row["nerve"], self.row["side"], self.row["muscle"]

    @property
    def sites(self) -> tuple[str, str]:
        """Distal and proximal site."""
        return self.row["distal_site"], self.row["proximal_site"]

    def both(self) -> tuple[Response, Response] | None:
        """The two responses, or None when one has no row."""
        if self.distal is None or self.proximal is None:
            return None
        return self.distal, self.proximal


Check = Callable[[Pair], Finding]
"""A check looks at one segment and answers; its function bears the name of its flag."""


def known(*values: float) -> bool:
    """Tell whether every value is a number."""
    return all(math.isfinite(value) for value in values)


def no_rows(pair: Pair) -> Finding:
    """Answer for a segment whose responses are not in the ``traces`` table."""
    distal, proximal = pair.sites
    return unexamined("no_rows", distal=distal, proximal=proximal)


def spans_elbow(nerve: str, sites: tuple[str, str]) -> bool:
    """Tell whether a segment begins at the elbow of a nerve with sites on both sides of it."""
    order = anatomy().nerves[nerve].sites
    around = [site for site in order if "elbow" in site]
    return len(around) > 1 and sites[0] == around[0]


def spans_forearm(nerve: str, sites: tuple[str, str]) -> bool:
    """Tell whether a segment of the median or ulnar nerve runs through the forearm.

    Fibers cross between the two nerves there; no other nerve has such a stretch.
    """
    if nerve not in ("median", "ulnar"):
        return False
    order = anatomy().nerves[nerve].sites
    elbow = next(n for n, site in enumerate(order) if "elbow" in site)
    distal, proximal = (order.index(site) for site in sites)
    return distal < elbow and proximal > order.index("wrist")
