"""From table ``traces`` to what checks see: which row answers for a site, what is told of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ncs_cb import flags
from ncs_cb.knowledge import reference, thresholds
from ncs_cb.knowledge.reference import ReferenceSet
from ncs_cb.measuring import sweeps
from ncs_cb.measuring.absence import is_absent
from ncs_cb.measuring.attested import IN_GENERAL
from ncs_cb.measuring.unlike import is_one_shape
from ncs_cb.model import Details, Stimulus, Trace
from ncs_cb.quality import shape
from ncs_cb.quality.answers import Bools, Floats, Ints
from ncs_cb.quality.pairs import Pairs, Place, Responses, Rows, Texts, Told, known

_SITE = ("study_id", "nerve", "side", "muscle", "stimulation_site")
Key = tuple[Any, ...]
Persons = Callable[[str | None], Details]


@dataclass(frozen=True, slots=True, eq=False)
class Stimuli:
    """What is said of the stimulus of each row of ``traces``: True, False, or None by nobody."""

    is_supramaximal: NDArray[np.object_]
    supramaximal_by: NDArray[np.object_]
    collision_used: NDArray[np.object_]


@dataclass(frozen=True, slots=True, eq=False)
class Used:
    """Which row of ``traces`` answers for each site.

    Attributes
    ----------
    places : dict of place to ndarray of int
        By limb, the row that answers; -1 for none, and behind the last limb.
    limbs : dict of study and side to int
        The number of each limb.
    keys : list of tuple
        Study, nerve, side, muscle and site of each row.
    unlike : list of (int, int)
        The row that answers for a site, and another one that is no repeat of it.
    """

    places: dict[Place, Ints]
    limbs: dict[tuple[str | None, str], int]
    keys: list[Key]
    unlike: list[tuple[int, int]]


def pair_up(
    segments: pd.DataFrame,
    is_adjacent: Bools,
    traces: pd.DataFrame,
    details: Mapping[str, Details],
    waveforms: Sequence[Trace | None],
    stimuli: Sequence[Stimulus | None],
    recruitment: pd.DataFrame,
    limits: str | ReferenceSet,
) -> Pairs:
    """Give all adjacent segments with their responses; see :func:`ncs_cb.quality.ask`."""
    nobody = Details()

    def person(study: str | None) -> Details:
        return details.get(str(study), nobody)

    table = Rows(traces)
    used = _used(table)
    said = _said(table, stimuli, person)
    told = _told(traces, table, used, said, waveforms, recruitment)
    none = Responses(table, told, np.zeros(0, dtype=np.intp))
    rows = Rows(segments, is_adjacent)
    pairs = Pairs(rows, none, used.places, used.limbs, person)
    named = {name: rows.texts(name)[:-1] for name in ("study_id", "nerve", "muscle")}
    pairs.lower_limit_mv = reference.lower_amplitude_limits(named, limits, details)[:2]
    pairs.shape_correlation = _correlations(pairs, _comparable(table, waveforms))
    return pairs


def _used(table: Rows) -> Used:
    """Find the first row of every site that stands, and those that are set aside as no repeats."""
    keys = list(zip(*(table.texts(name)[:-1] for name in _SITE), strict=True))
    names = ("kind", "response", "quality_flags")
    rows = zip(keys, *(table.texts(name)[:-1] for name in names), strict=True)
    found: dict[Place, dict[int, int]] = {}
    limbs: dict[tuple[str | None, str], int] = {}
    aside = []
    for row, ((study, nerve, side, muscle, site), kind, response, text) in enumerate(rows):
        if kind != "motor":
            continue
        place = found.setdefault((nerve, muscle, site), {})
        limb = limbs.setdefault((study, side), len(limbs))
        if flags.stands(response, text):
            place.setdefault(limb, row)
        elif text is not None and "repeats_differ" in flags.names(text):
            aside.append((place, limb, row))
    unlike = [(place[limb], row) for place, limb, row in aside if limb in place]
    return Used(_by_limb(found, len(limbs)), limbs, keys, unlike)


def _by_limb(found: Mapping[Place, Mapping[int, int]], n_limbs: int) -> dict[Place, Ints]:
    places = {}
    for place, rows in found.items():
        places[place] = np.full(n_limbs + 1, -1, dtype=np.intp)
        places[place][list(rows)] = list(rows.values())
    return places


def _said(table: Rows, stimuli: Sequence[Stimulus | None], person: Persons) -> Stimuli:
    """Gather what is attested of each stimulus; ``study.toml`` speaks for rows without a trace."""
    nothing = Stimulus()
    names = ("study_id", "recording")
    rows = zip(*(table.texts(name)[:-1] for name in names), stimuli, strict=True)
    found = []
    for study, recording, stimulus in rows:
        one = stimulus or nothing
        supramaximal, collision = one.is_supramaximal, one.collision_used
        by: str | None = one.supramaximal_by
        own = person(study).recordings.get(str(recording))
        if own is not None and supramaximal is None:
            supramaximal, by = own.supramaximal, "study.toml"
        if own is not None and collision is None:
            collision = own.collision_used
        found.append((supramaximal, by, collision))
    columns = np.empty((3, len(found) + 1), dtype=object)
    columns[:, -1] = None
    columns[:, :-1] = np.array(found, dtype=object).reshape(-1, 3).T
    return Stimuli(*columns)


def _told(
    traces: pd.DataFrame,
    table: Rows,
    used: Used,
    said: Stimuli,
    waveforms: Sequence[Trace | None],
    recruitment: pd.DataFrame,
) -> Told:
    gone = np.append(is_absent(traces), False)
    amplitude_mv = np.where(gone, 0.0, table.number("negative_peak_amplitude_mv"))
    growing = sweeps.still_growing(traces)
    is_growing = np.array([*(key in growing for key in used.keys), False], dtype=bool)
    attested, denied = _attested(table, used, said, is_growing, recruitment)
    is_by_series = (attested & (said.is_supramaximal != True)) | (  # noqa: E712 - an array
        denied & (said.is_supramaximal != False)  # noqa: E712 - an array
    )
    machines = [None if one is None else one.machine for one in (*waveforms, None)]
    return Told(
        amplitude_mv=amplitude_mv,
        is_absent=gone,
        has_waveform=np.array([one is not None for one in machines], dtype=bool),
        has_machine_values=np.array(
            [
                one is not None
                and (one.onset_latency_ms is not None or one.amplitude_mv is not None)
                for one in machines
            ],
            dtype=bool,
        ),
        is_attested=attested,
        is_denied=denied,
        is_by_series=is_by_series,
        sayer=_sayers(said, is_by_series),
        has_collision=said.collision_used == True,  # noqa: E712 - an array
        lacks_collision=said.collision_used == False,  # noqa: E712 - an array
        is_unsteady=_unsteady(table, used, said, is_growing, amplitude_mv, waveforms),
    )


def _sayers(said: Stimuli, is_by_series: Bools) -> Texts:
    """Say who attested or denied each stimulus; "" when that is not known."""
    nobody = np.array([by is None for by in said.supramaximal_by.tolist()], dtype=bool)
    named = np.where(nobody, "", said.supramaximal_by)
    return np.where(is_by_series, "plateau", named).astype(object)


def _attested(
    table: Rows, used: Used, said: Stimuli, is_growing: Bools, recruitment: pd.DataFrame
) -> tuple[Bools, Bools]:
    """Tell which stimuli were supramaximal and which were not, as said or as a series showed."""
    plateaus = _plateaus(recruitment)
    plateau = np.array([*(plateaus.get(key) for key in used.keys), None], dtype=object)
    named, refused = said.is_supramaximal == True, said.is_supramaximal == False  # noqa: E712
    denied = refused | table.has("supramaximality_denied") | (plateau == False)  # noqa: E712
    attested = (plateau == True) & ~denied  # noqa: E712 - an array
    # A response that still grew speaks against all but what is attested of its own stimulus.
    in_general = np.array([by in IN_GENERAL for by in said.supramaximal_by.tolist()], dtype=bool)
    denied |= ~attested & is_growing & (~named | in_general)
    return attested | (named & ~denied), denied


def _plateaus(recruitment: pd.DataFrame) -> dict[Hashable, bool]:
    if recruitment.empty:
        return {}
    rows = Rows(recruitment)
    keys = zip(*(rows.texts(name)[:-1] for name in _SITE), strict=True)
    reached = rows.number("is_supramaximal")[:-1].tolist()
    # Of two series at one site that differ, the one that begins later speaks.
    pairs = dict.fromkeys(zip(keys, reached, strict=True))
    return {key: bool(top) for key, top in pairs if not math.isnan(top)}


def _unsteady(
    table: Rows,
    used: Used,
    said: Stimuli,
    is_growing: Bools,
    amplitude_mv: Floats,
    waveforms: Sequence[Trace | None],
) -> Bools:
    """Tell which responses another answer to the same stimulus differs from."""
    unsteady = np.zeros(amplitude_mv.size, dtype=bool)
    if not used.unlike:
        return unsteady
    current, told = table.number("stimulus_ma"), table.has("repeats_differ")
    named = said.is_supramaximal == True  # noqa: E712 - an array
    for one, other in used.unlike:
        # Without a word on this stimulus itself, rising answers are those to a rising current.
        if not told[one] or (is_growing[one] and not named[one]):
            continue
        # Two answers must be alike where the current is one, or both are supramaximal.
        both = current[one], current[other]
        is_same = (
            math.isclose(*both) if all(map(math.isfinite, both)) else named[one] & named[other]
        )
        sizes = float(amplitude_mv[one]), float(amplitude_mv[other])
        if is_same and not _is_later(sizes, waveforms[one], waveforms[other]):
            unsteady[one] = True
    return unsteady


def _is_later(sizes: tuple[float, float], one: Trace | None, other: Trace | None) -> bool:
    """Tell whether two answers are one response that comes at two times: neither has moved."""
    if one is None or other is None:
        return False
    share = thresholds.value("sweeps.repeat_amplitude_share")
    if not all(map(math.isfinite, sizes)) or abs(sizes[0] - sizes[1]) > share * max(sizes):
        return False
    return is_one_shape(one, other)


# ------------------------------------------------------------------ comparison of shapes

_UNCOMPARABLE = ("artifact_overlaps_onset", "polarity_uncertain")


def _comparable(table: Rows, waveforms: Sequence[Trace | None]) -> list[shape.Measured | None]:
    """Give what was measured of each response, or None where comparing it would mislead."""
    onset_ms, baseline_mv = table.number("onset_latency_ms"), table.number("baseline_mv")
    noise_mv = table.number("baseline_noise_mv")
    is_clear = known(onset_ms, baseline_mv) & ~table.has(*_UNCOMPARABLE)
    rows = zip(
        (*waveforms, None),
        is_clear.tolist(),
        onset_ms.tolist(),
        baseline_mv.tolist(),
        np.where(np.isnan(noise_mv), 0.0, noise_mv).tolist(),
        strict=True,
    )
    return [
        shape.Measured(trace, *own) if is_clear and trace is not None else None
        for trace, is_clear, *own in rows
    ]


def _correlations(pairs: Pairs, measured: Sequence[shape.Measured | None]) -> Floats:
    """Correlate the shapes of each pair; where they differ, also with the most distal response.

    When block takes some of the groups out of a response that is dispersed already, the rest is
    no dispersed copy of it. It still is one of the compact response nearer to the muscle.
    """
    near, far = pairs.distal.rows, pairs.proximal.rows
    alike = shape.correlations(list(_alike_recorded(measured, near, far)))
    least = thresholds.value("submaximal_proximal.minimum_correlation")
    odd = np.flatnonzero(alike < least)
    if odd.size:
        _, first = np.unique(pairs.series, return_index=True)
        most_distal = near[first[pairs.series[odd]]]
        farther = shape.correlations(list(_alike_recorded(measured, most_distal, far[odd])))
        alike[odd] = np.fmax(alike[odd], farther)
    return alike


def _alike_recorded(
    measured: Sequence[shape.Measured | None], distal: Ints, proximal: Ints
) -> Iterator[tuple[shape.Measured, shape.Measured] | None]:
    """Give both responses of each pair where they were recorded with the same filters."""
    for at in zip(distal.tolist(), proximal.tolist(), strict=True):
        near, far = (measured[row] for row in at)
        if near is None or far is None or _filters(near) != _filters(far):
            yield None
        else:
            yield near, far


def _filters(one: shape.Measured) -> tuple[float | None, float | None]:
    return one.trace.high_pass_hz, one.trace.low_pass_hz
