"""Checks of the technique: stimulus, electrode, filters, temperature, distances."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np

from ncs_cb import flags
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.thresholds import value as limit
from ncs_cb.measuring import segments
from ncs_cb.model import Details
from ncs_cb.quality.anastomosis import spans_forearm
from ncs_cb.quality.answers import Answers, Bools, Cells, Floats
from ncs_cb.quality.pairs import Pairs, Site, known, larger
from ncs_cb.vocabulary import DAYS_PER_MONTH, TOLERANCE

# Flags of a response that say why it has no amplitude.
_WHY_UNREAD = (
    *(flag.name for flag in flags.FLAGS.values() if flag.level == "invalid"),
    "sweep_cut",
    "sweep_starts_late",
)


def first_phase_only(pairs: Pairs) -> Answers:
    """Area or duration over all phases is missing at one of the sites."""
    answers = pairs.answers_of_both()
    total = ("total_negative_area_mv_ms", "total_negative_duration_ms")
    ends = [end.response for end in pairs.ends]
    near, far = (~known(*(one.number(name) for name in total)) for one in ends)
    site = np.where(near, pairs.distal_site, pairs.proximal_site)
    first = known(*(one.number("negative_peak_area_mv_ms") for one in ends))
    answers.cleared("known", ~(near | far))
    answers.raised("missing", first, site=site)
    answers.unexamined("no_area", site=site)
    return answers


def response_absent_at_site(pairs: Pairs) -> Answers:
    """One of the two sites gave no response."""
    answers = pairs.answers_of_both()
    distal, proximal = pairs.ends
    both = distal.response.is_absent & proximal.response.is_absent
    answers.raised("absent_at_both", both, distal=distal.name, proximal=proximal.name)
    for end in pairs.ends:
        answers.raised("absent", end.response.is_absent, site=end.name)
        _unread(answers, end)
    answers.cleared("present")
    return answers


def _unread(answers: Answers, end: Site) -> None:
    """Say that a response has no amplitude, and which flag of it says why."""
    unread = ~known(end.response.amplitude_mv)
    if not unread.any():
        return
    for name in _WHY_UNREAD:
        told = unread & end.response.has(name)
        answers.unexamined("no_amplitude", told, site=end.name, why=name)
    answers.unexamined("no_amplitude", unread, site=end.name)


def complete_block(pairs: Pairs) -> Answers:
    """The proximal response is absent although the stimulus there was supramaximal."""
    answers = pairs.answers_of_both()
    distal, proximal, site = pairs.distal, pairs.proximal, pairs.proximal_site
    amplitude_mv = distal.amplitude_mv
    answers.cleared("present", ~proximal.is_absent & known(proximal.amplitude_mv), site=site)
    answers.unexamined("no_amplitude", ~proximal.is_absent, site=site)
    nothing = ~known(amplitude_mv) | distal.is_absent
    answers.unexamined("no_amplitude", nothing, site=pairs.distal_site)
    answers.unexamined("denied", proximal.is_denied, site=site)
    answers.unexamined("not_attested", ~proximal.is_attested, site=site)
    answers.unexamined("small", distal_response_small(pairs).is_raised, site=site)
    recent = axonal_loss_recent(pairs)
    answers.unexamined("recent", recent.is_raised, site=site, days=recent.number("days"))
    answers.raised("complete", site=site, amplitude_mv=amplitude_mv)
    return answers


def distal_response_small(pairs: Pairs) -> Answers:
    """The distal response is at most 1 mV or at most 20 % of its lower limit."""
    answers = pairs.answers()
    amplitude_mv = pairs.number("distal_amplitude_mv")
    least_mv = limit("distal_response_small.minimum_mv")
    share = limit("distal_response_small.minimum_share_of_limit")
    low_mv, high_mv = pairs.lower_limit_mv
    numbers: dict[str, Cells] = {"amplitude_mv": amplitude_mv, "percent": 100.0 * share}
    answers.unexamined("no_amplitude", ~known(amplitude_mv), site=pairs.distal_site)
    below = amplitude_mv <= least_mv + TOLERANCE
    answers.raised("below", below, amplitude_mv=amplitude_mv, limit_mv=least_mv)
    has_limit = known(low_mv, high_mv)
    below = has_limit & (amplitude_mv <= share * low_mv + TOLERANCE)
    answers.raised("below_share", below, lower_mv=low_mv, gate_mv=share * low_mv, **numbers)
    above = has_limit & (amplitude_mv > share * high_mv + TOLERANCE)
    answers.cleared("above_share", above, lower_mv=high_mv, gate_mv=share * high_mv, **numbers)
    answers.unexamined("no_limit", amplitude_mv=amplitude_mv, limit_mv=least_mv)
    return answers


def proximal_larger(pairs: Pairs) -> Answers:
    """The proximal response is more than 10 % larger than the distal one."""
    answers = pairs.answers()
    gain_pct, most = pairs.gain_pct, limit("proximal_larger.maximum_gain_pct")
    answers.unexamined("no_change_known", ~known(gain_pct))
    answers.raised("larger", _is_larger(gain_pct), gain_pct=gain_pct, limit_pct=most)
    answers.cleared("not_larger", gain_pct=gain_pct, limit_pct=most)
    return answers


def _is_larger(gain_pct: Floats) -> Bools:
    return gain_pct > limit("proximal_larger.maximum_gain_pct") + TOLERANCE


# ------------------------------------------------------------------ strength of the stimulus


def _strength(answers: Answers, end: Site) -> None:
    """Answer what is said of one stimulus, where anything is."""
    stimulus, site = end.response, end.name
    # A series that still grows speaks against what was attested of all stimuli.
    by_series = stimulus.is_by_series
    answers.cleared("plateau", stimulus.is_attested & by_series, site=site)
    answers.cleared("attested", stimulus.is_attested, site=site)
    answers.raised("no_plateau", stimulus.is_denied & by_series, site=site)
    answers.raised("denied", stimulus.is_denied, site=site)


def submaximal_proximal(pairs: Pairs) -> Answers:
    """The proximal stimulus is attested or shown to be submaximal, or looks like it.

    Smaller, but of the same shape, duration and velocity, is what a weak stimulus gives.
    """
    answers = pairs.answers()
    _strength(answers, pairs.ends[1])
    amplitude_pct, area_pct = (-gain for gain in pairs.gains_pct)
    first, total = (pairs.number(f"{name}duration_increase_pct") for name in ("", "total_"))
    longer_pct = np.where(known(total), total, first)
    velocity = pairs.number("conduction_velocity_m_per_s")
    least = limit("submaximal_proximal.minimum_reduction_pct")
    numbers: dict[str, Cells] = {
        "amplitude_pct": amplitude_pct,
        "area_pct": area_pct,
        "limit_pct": least,
    }
    answers.unexamined("no_change_known", ~known(amplitude_pct, area_pct))
    is_small = np.maximum(amplitude_pct, area_pct) < least - TOLERANCE
    answers.cleared("small_fall", is_small, **numbers)
    answers.unexamined("pattern_unknown", ~known(longer_pct, velocity), **numbers)
    is_same = (
        (np.abs(amplitude_pct - area_pct) <= limit("submaximal_proximal.same_shape_difference_pct"))
        & (np.abs(longer_pct) <= limit("submaximal_proximal.same_duration_pct"))
        & (velocity >= pairs.limit("submaximal_proximal.normal_velocity_{limb}_m_per_s"))
        & ~(pairs.shape_correlation < _least_of_sample(pairs, "submaximal_proximal"))
    )
    numbers |= {"longer_pct": longer_pct, "velocity_m_per_s": velocity}
    answers.raised("pattern", is_same, **numbers)
    answers.unexamined("other_pattern", **numbers)
    return answers


def submaximal_distal(pairs: Pairs) -> Answers:
    """The distal stimulus is attested or shown to be submaximal, or looks like it."""
    answers = pairs.answers()
    _strength(answers, pairs.ends[0])
    amplitude_pct, area_pct = pairs.gains_pct
    answers.unexamined("no_change_known", ~known(amplitude_pct, area_pct))
    answers.raised(
        "pattern",
        _is_larger(np.minimum(amplitude_pct, area_pct)),
        amplitude_pct=amplitude_pct,
        area_pct=area_pct,
        limit_pct=limit("proximal_larger.maximum_gain_pct"),
    )
    answers.unexamined("not_attested", site=pairs.distal_site)
    return answers


def supramaximality_not_attested(pairs: Pairs) -> Answers:
    """Nothing says that both stimuli were supramaximal."""
    answers = pairs.answers_of_both()
    stimuli = (pairs.distal, pairs.proximal)
    near, far = (~(one.is_attested | one.is_denied) for one in stimuli)
    answers.raised("neither", near & far, distal=pairs.distal_site, proximal=pairs.proximal_site)
    answers.raised("one", near | far, site=np.where(near, pairs.distal_site, pairs.proximal_site))
    sayers = zip(*(one.sayer.tolist() for one in stimuli), strict=True)
    answers.cleared("said", by=np.array([";".join(dict.fromkeys(by)) for by in sayers], object))
    return answers


# ------------------------------------------------------------------ shape


def _losses_pct(pairs: Pairs) -> tuple[Floats, Floats]:
    """By how much amplitude and area are smaller at the proximal site, NaN when unknown."""
    amplitude, area = (np.where(known(gain), -gain, np.nan) for gain in pairs.gains_pct)
    return amplitude, area


def _least_of_sample(pairs: Pairs, name: str) -> Floats:
    """Lowest correlation of a response that lost fibers which still counts as the same shape.

    Fibers that block takes out of the response at random leave a sample of it, the rougher the
    fewer remain; the share of energy left unexplained grows as lost over retained.
    """
    amplitude, area = _losses_pct(pairs)
    loss = np.nan_to_num(np.where(np.isnan(area), amplitude, area))
    retained = 1.0 - np.clip(loss, 0.0, 95.0) / 100.0
    allowed = 1.0 - limit(f"{name}.minimum_correlation") ** 2
    allowed = allowed + limit(f"{name}.block_allowance") * (1.0 - retained) / retained
    least: Floats = np.sqrt(np.maximum(1.0 - allowed, 0.0))
    return least


def _least_correlation(pairs: Pairs) -> Floats:
    """Lowest correlation that a shifted electrode or a second nerve is not needed for.

    Where the size hardly changes a shift would explain nothing, and the limit is another one.
    """
    change = np.fmax(*map(np.abs, _losses_pct(pairs)))
    return np.where(
        change < limit("electrode_shift.change_that_matters_pct"),
        limit("electrode_shift.minimum_correlation_unchanged"),
        _least_of_sample(pairs, "electrode_shift"),
    )


def electrode_shift(pairs: Pairs) -> Answers:
    """The proximal response has another shape than the distal one, or repeats of one differ."""
    answers = pairs.answers()
    for end in pairs.ends:
        answers.raised("proven", end.response.is_unsteady, site=end.name)
    correlation, least = pairs.shape_correlation, _least_correlation(pairs)
    answers.unexamined("not_compared", ~known(correlation))
    answers.raised("changed", correlation < least, correlation=correlation, limit=least)
    answers.cleared("same", correlation=correlation, limit=least)
    return answers


def co_stimulation(pairs: Pairs) -> Answers:
    """The response changes shape in a way that suggests a second nerve was stimulated."""
    answers = pairs.answers_of_both()
    correlation, gain_pct = pairs.shape_correlation, pairs.gain_pct
    changed, larger = correlation < _least_correlation(pairs), _is_larger(gain_pct)
    near, far = (end.response.has("initial_positivity") for end in pairs.ends)
    positive = np.where(near, pairs.distal_site, pairs.proximal_site)
    numbers: dict[str, Cells] = {"correlation": correlation, "gain_pct": gain_pct}
    gross = correlation < limit("co_stimulation.gross_correlation")
    answers.raised("gross_change", gross, correlation=correlation)
    answers.raised(
        "changed_and_positive", changed & (near != far), site=positive, correlation=correlation
    )
    answers.raised("changed_and_larger", changed & larger, **numbers)
    answers.raised("positive_and_larger", larger & (near != far), site=positive, gain_pct=gain_pct)
    crowded = pairs.by_site(_near_other_nerves)
    answers.raised(
        "changed_near_nerves", changed & (crowded != ""), site=crowded, correlation=correlation
    )
    past = larger & pairs.distal.is_attested & ~pairs.by_site(spans_forearm).astype(bool)
    answers.raised("larger", past, site=pairs.distal_site, gain_pct=gain_pct)
    answers.unexamined("not_compared", ~known(correlation))
    answers.unexamined("no_change_known", ~known(gain_pct))
    at_erb = (pairs.proximal_site == "erb") & ~pairs.proximal.has_collision
    answers.unexamined("erb", at_erb, **numbers)
    answers.cleared("no_sign", **numbers)
    return answers


def _near_other_nerves(_: str, distal: str, proximal: str) -> str:
    """Give the first site of a segment where one stimulus reaches other nerves; "" for none."""
    known_sites = anatomy().sites
    return next((s for s in (distal, proximal) if known_sites[s].near_other_nerves), "")


# ------------------------------------------------------------------ settings and surroundings


def filter_mismatch(pairs: Pairs) -> Answers:
    """The two sites were recorded with different amplifier filters."""
    answers = pairs.answers_of_both()
    numbers: dict[str, Cells] = {}
    unknown = np.zeros(len(pairs), dtype=bool)
    for name in ("high_pass_hz", "low_pass_hz"):
        distal, proximal = (end.response.number(name) for end in pairs.ends)
        unknown |= ~known(distal, proximal)
        apart = np.abs(distal - proximal) > 1e-6 * np.maximum(np.abs(distal), np.abs(proximal))
        answers.raised(
            f"{name}_differs",
            known(distal, proximal) & apart,
            distal_hz=distal,
            proximal_hz=proximal,
        )
        numbers[name] = distal
    answers.unexamined("not_recorded", unknown)
    answers.cleared("same", **numbers)
    return answers


def erb_without_collision(pairs: Pairs) -> Answers:
    """The segment ends at Erb's point and no collision was recorded."""
    answers = pairs.answers()
    proximal, site = pairs.proximal, pairs.proximal_site
    answers.cleared("not_erb", site != "erb", site=site)
    pairs.leave_without_rows(answers, ~proximal.is_given)
    answers.cleared("collision", proximal.has_collision)
    answers.raised("no_collision", proximal.lacks_collision)
    answers.raised("not_recorded")
    return answers


def cold_limb(pairs: Pairs) -> Answers:
    """The hand was colder than 32, the foot colder than 30 degrees Celsius."""
    answers = pairs.answers()
    limb, side, least = pairs.limb, pairs.side, pairs.limit("cold_limb.minimum_{limb}_c")
    temperature_c = np.full(len(pairs), np.nan)
    for one in product(("right", "left"), ("arm", "leg")):
        told = pairs.by_visit(_temperature(*one))
        temperature_c = np.where((side == one[0]) & (limb == one[1]), told, temperature_c)
    numbers: dict[str, Cells] = {
        "side": side,
        "limb": limb,
        "temperature_c": temperature_c,
        "limit_c": least,
    }
    answers.unexamined("not_recorded", np.isnan(temperature_c), side=side, limb=limb)
    answers.raised("cold", temperature_c < least, **numbers)
    answers.cleared("warm", **numbers)
    return answers


def _temperature(side: str, limb: str) -> Callable[[Details], float | None]:
    return lambda visit: visit.limb_temperature_c.get(f"{side}_{limb}")


def length_implausible(pairs: Pairs) -> Answers:
    """The distances do not grow from distal to proximal."""
    answers = pairs.answers()
    length_mm = pairs.number("length_mm")
    answers.unexamined("no_length", ~known(length_mm))
    answers.raised("not_growing", length_mm <= 0.0, length_mm=length_mm)
    answers.cleared("growing", length_mm=length_mm)
    return answers


def velocity_implausible(pairs: Pairs) -> Answers:
    """The proximal latency is not longer than the distal one, or the velocity is no nerve's."""
    answers = pairs.answers()
    velocity = pairs.number("conduction_velocity_m_per_s")
    _by_speed(answers, velocity, known(velocity))
    pairs.leave_without_rows(answers)
    delay_ms, length_mm = pairs.delay_ms, pairs.number("length_mm")
    answers.unexamined("no_latency", ~known(delay_ms))
    answers.raised("not_later", delay_ms <= 0.0, delay_ms=delay_ms)
    answers.unexamined("no_length", ~(known(length_mm) & (length_mm > 0.0)))
    _by_speed(answers, length_mm / delay_ms, answers.is_open)
    return answers


def _by_speed(answers: Answers, velocity: Floats, where: Bools) -> None:
    fastest = limit("velocity_implausible.maximum_m_per_s")
    slowest = limit("velocity_implausible.minimum_m_per_s")
    too_fast, too_slow = where & (velocity > fastest), where & (velocity < slowest)
    answers.raised("too_fast", too_fast, velocity_m_per_s=velocity, limit_m_per_s=fastest)
    answers.raised("too_slow", too_slow, velocity_m_per_s=velocity, limit_m_per_s=slowest)
    answers.cleared("plausible", where, velocity_m_per_s=velocity, limit_m_per_s=fastest)


def distance_implausible(pairs: Pairs) -> Answers:
    """The distances look like centimetres, or like lengths of segments."""
    answers = pairs.answers_of_both()
    distal_mm, proximal_mm = (end.response.number("distance_mm") for end in pairs.ends)
    delay_ms, guess = pairs.delay_ms, pairs.distance_guess
    length_mm = proximal_mm - distal_mm
    numbers: dict[str, Cells] = {"distal_mm": distal_mm, "proximal_mm": proximal_mm}
    answers.unexamined("no_length", ~known(distal_mm, proximal_mm))
    answers.unexamined("no_latency", ~known(delay_ms))
    answers.cleared("plausible", guess == 0, **numbers)
    numbers["velocity_m_per_s"] = length_mm / delay_ms
    as_cm, as_lengths = 10.0 * length_mm / delay_ms, proximal_mm / delay_ms
    in_cm = guess == segments.CENTIMETRES
    answers.raised("centimetres", in_cm, **numbers, other_m_per_s=as_cm)
    answers.raised("segment_lengths", **numbers, other_m_per_s=as_lengths)
    return answers


# ------------------------------------------------------------------ time


def axonal_loss_recent(pairs: Pairs) -> Answers:
    """Symptoms began less than ten days before the study."""
    answers = pairs.answers()
    fall_pct = larger(*(pairs.number(f"{name}_reduction_pct") for name in ("amplitude", "area")))
    least = limit("submaximal_proximal.minimum_reduction_pct")
    is_gone = pairs.distal.is_given & pairs.proximal.is_absent
    no_fall = ~is_gone & (fall_pct < least - TOLERANCE)
    answers.cleared("no_fall", no_fall, fall_pct=fall_pct, limit_pct=least)
    days, fewest = pairs.by_visit(_days_since_onset), limit("axonal_loss_recent.minimum_days")
    answers.unexamined("no_dates", np.isnan(days))
    answers.raised("recent", days < fewest, days=days, limit_days=fewest)
    answers.cleared("not_recent", days=days, limit_days=fewest)
    return answers


def _days_since_onset(visit: Details) -> float | None:
    """Give the days from the first symptom to the visit, None without dates and duration."""
    if visit.visit_date is not None and visit.symptom_onset_date is not None:
        return float((visit.visit_date - visit.symptom_onset_date).days)
    months = visit.findings.get("clinical.weakness_duration_months")
    return None if months is None or isinstance(months, bool) else months * DAYS_PER_MONTH
