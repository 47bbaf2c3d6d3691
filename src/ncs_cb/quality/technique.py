"""Checks of the technique: stimulus, electrode, filters, temperature, distances."""

from __future__ import annotations

import math

from ncs_cb import flags
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.thresholds import value as limit
from ncs_cb.measuring import segments
from ncs_cb.measuring.attested import IN_GENERAL
from ncs_cb.quality.pair import (
    Finding,
    Number,
    Pair,
    Response,
    cleared,
    known,
    no_rows,
    raised,
    spans_forearm,
    unexamined,
)
from ncs_cb.vocabulary import DAYS_PER_MONTH, TOLERANCE

# Flags of a response that say why it has no amplitude.
_WHY_UNREAD = (
    *(flag.name for flag in flags.FLAGS.values() if flag.level == "invalid"),
    "sweep_cut",
    "sweep_starts_late",
)


def first_phase_only(pair: Pair) -> Finding:
    """Area or duration over all phases is missing at one of the sites."""
    both = pair.both()
    if both is None:
        return no_rows(pair)
    first = ("negative_peak_area_mv_ms", "negative_peak_duration_ms")
    total = ("total_negative_area_mv_ms", "total_negative_duration_ms")
    missing = [
        site
        for site, response in zip(pair.sites, both, strict=True)
        if not known(*map(response.number, total))
    ]
    if not missing:
        return cleared("known")
    if all(known(r.number(a)) for r in both for a in first[:1]):
        return raised("missing", site=missing[0])
    return unexamined("no_area", site=missing[0])


def response_absent_at_site(pair: Pair) -> Finding:
    """One of the two sites gave no response."""
    both = pair.both()
    if both is None:
        return no_rows(pair)
    if all(response.is_absent for response in both):
        return raised("absent_at_both", distal=pair.sites[0], proximal=pair.sites[1])
    for site, response in zip(pair.sites, both, strict=True):
        if response.is_absent:
            return raised("absent", site=site)
        if not known(response.amplitude_mv):
            return _unread(response, site)
    return cleared("present")


def _unread(response: Response, site: str) -> Finding:
    """Say that a response has no amplitude, and which flag of it says why."""
    told = [name for name in _WHY_UNREAD if name in response.flags]
    return unexamined("no_amplitude", site=site, **({"why": told[0]} if told else {}))


def complete_block(pair: Pair) -> Finding:
    """The proximal response is absent although the stimulus there was supramaximal."""
    both = pair.both()
    if both is None:
        return no_rows(pair)
    distal, proximal = both
    site = pair.sites[1]
    if not proximal.is_absent:
        amplitude = known(proximal.amplitude_mv)
        return cleared("present", site=site) if amplitude else unexamined("no_amplitude", site=site)
    if not known(distal.amplitude_mv) or distal.is_absent:
        return unexamined("no_amplitude", site=pair.sites[0])
    attested = _attestation(proximal)
    if attested is not True:
        return unexamined("not_attested" if attested is None else "denied", site=site)
    if distal_response_small(pair).state == "raised":
        return unexamined("small", site=site)
    recent = axonal_loss_recent(pair)
    if recent.state == "raised":
        return unexamined("recent", site=site, days=recent.numbers["days"])
    return raised("complete", site=site, amplitude_mv=distal.amplitude_mv)


def distal_response_small(pair: Pair) -> Finding:
    """The distal response is at most 1 mV or at most 20 % of its lower limit."""
    amplitude_mv = pair.number("distal_amplitude_mv")
    if not known(amplitude_mv):
        return unexamined("no_amplitude", site=pair.sites[0])
    least_mv = limit("distal_response_small.minimum_mv")
    share = limit("distal_response_small.minimum_share_of_limit")
    low_mv, high_mv = pair.lower_limit_mv
    if amplitude_mv <= least_mv + TOLERANCE:
        return raised("below", amplitude_mv=amplitude_mv, limit_mv=least_mv)
    if not known(low_mv, high_mv):
        return unexamined("no_limit", amplitude_mv=amplitude_mv, limit_mv=least_mv)
    numbers: dict[str, Number] = {"amplitude_mv": amplitude_mv, "percent": 100.0 * share}
    if amplitude_mv <= share * low_mv + TOLERANCE:
        return raised("below_share", lower_mv=low_mv, gate_mv=share * low_mv, **numbers)
    if amplitude_mv > share * high_mv + TOLERANCE:
        return cleared("above_share", lower_mv=high_mv, gate_mv=share * high_mv, **numbers)
    return unexamined("no_limit", amplitude_mv=amplitude_mv, limit_mv=least_mv)


def _gains_pct(pair: Pair) -> tuple[float, float]:
    """By how much amplitude and area are larger at the proximal site."""
    first = pair.number("area_reduction_pct")
    total = pair.number("total_area_reduction_pct")
    area = -first if not known(total) else float(segments.agreed_gain_pct(-first, -total))
    return -pair.number("amplitude_reduction_pct"), area


def proximal_larger(pair: Pair) -> Finding:
    """The proximal response is more than 10 % larger than the distal one."""
    gains = [gain for gain in _gains_pct(pair) if known(gain)]
    if not gains:
        return unexamined("no_change_known")
    most = limit("proximal_larger.maximum_gain_pct")
    if max(gains) > most + TOLERANCE:
        return raised("larger", gain_pct=max(gains), limit_pct=most)
    return cleared("not_larger", gain_pct=max(gains), limit_pct=most)


# ------------------------------------------------------------------ strength of the stimulus


def _attestation(response: Response) -> bool | None:
    """Supramaximal or not, as attested or as an intensity series showed; None when unknown."""
    if response.is_supramaximal is False or "supramaximality_denied" in response.flags:
        return False
    if response.reaches_plateau is False:
        return False
    if response.reaches_plateau:
        return True
    # A response that still grew speaks against all but what is attested of its own stimulus.
    is_attested = bool(response.is_supramaximal)
    if response.is_growing and (not is_attested or response.supramaximal_by in IN_GENERAL):
        return False
    return True if is_attested else None


def _strength(response: Response | None, site: str) -> Finding | None:
    """What is said of one stimulus; None when nothing is."""
    if response is None:
        return None
    attested = _attestation(response)
    if attested is None:
        return None
    # A series that still grows speaks against what was attested of all stimuli.
    by_series = response.is_supramaximal is not attested
    if attested:
        return cleared("plateau" if by_series else "attested", site=site)
    return raised("no_plateau" if by_series else "denied", site=site)


def _looks_submaximal(pair: Pair) -> Finding:
    """Smaller, but of the same shape, duration and velocity, as a weak proximal stimulus gives."""
    amplitude_pct, area_pct = (-gain for gain in _gains_pct(pair))
    longer_pct = pair.number("total_duration_increase_pct")
    if not known(longer_pct):
        longer_pct = pair.number("duration_increase_pct")
    velocity = pair.number("conduction_velocity_m_per_s")
    if not known(amplitude_pct, area_pct):
        return unexamined("no_change_known")
    least = limit("submaximal_proximal.minimum_reduction_pct")
    fall: dict[str, Number] = {
        "amplitude_pct": amplitude_pct,
        "area_pct": area_pct,
        "limit_pct": least,
    }
    if max(amplitude_pct, area_pct) < least - TOLERANCE:
        return cleared("small_fall", **fall)
    if not known(longer_pct, velocity):
        return unexamined("pattern_unknown", **fall)
    limb = anatomy().nerves[pair.row["nerve"]].limb
    slowest = limit(f"submaximal_proximal.normal_velocity_{limb}_m_per_s")
    is_same = (
        abs(amplitude_pct - area_pct) <= limit("submaximal_proximal.same_shape_difference_pct")
        and abs(longer_pct) <= limit("submaximal_proximal.same_duration_pct")
        and velocity >= slowest
        and not pair.shape_correlation < _least_of_sample(pair, "submaximal_proximal")
    )
    details: dict[str, Number] = {**fall, "longer_pct": longer_pct, "velocity_m_per_s": velocity}
    return raised("pattern", **details) if is_same else unexamined("other_pattern", **details)


def submaximal_proximal(pair: Pair) -> Finding:
    """The proximal stimulus is attested or shown to be submaximal, or looks like it."""
    return _strength(pair.proximal, pair.sites[1]) or _looks_submaximal(pair)


def submaximal_distal(pair: Pair) -> Finding:
    """The distal stimulus is attested or shown to be submaximal, or looks like it."""
    said = _strength(pair.distal, pair.sites[0])
    if said is not None:
        return said
    gains = _gains_pct(pair)
    if not known(*gains):
        return unexamined("no_change_known")
    most = limit("proximal_larger.maximum_gain_pct")
    if min(gains) > most + TOLERANCE:
        return raised("pattern", amplitude_pct=gains[0], area_pct=gains[1], limit_pct=most)
    return unexamined("not_attested", site=pair.sites[0])


def supramaximality_not_attested(pair: Pair) -> Finding:
    """Nothing says that both stimuli were supramaximal."""
    both = pair.both()
    if both is None:
        return no_rows(pair)
    unknown = [
        site
        for site, response in zip(pair.sites, both, strict=True)
        if _attestation(response) is None
    ]
    if len(unknown) == 2:
        return raised("neither", distal=unknown[0], proximal=unknown[1])
    if unknown:
        return raised("one", site=unknown[0])
    return cleared("said", by=";".join(dict.fromkeys(map(_sayer, both))))


def _sayer(response: Response) -> str:
    """Who attested or denied a stimulus; "" when that is not known."""
    if response.is_supramaximal is not _attestation(response):
        return "plateau"
    return response.supramaximal_by or ""


# ------------------------------------------------------------------ shape


def _losses_pct(pair: Pair) -> list[float]:
    return [-gain for gain in _gains_pct(pair) if known(gain)]


def _least_of_sample(pair: Pair, name: str) -> float:
    """Lowest correlation of a response that lost fibers which still counts as the same shape.

    Fibers that block takes out of the response at random leave a sample of it, the rougher the
    fewer remain; the share of energy left unexplained grows as lost over retained.
    """
    losses = _losses_pct(pair)
    retained = 1.0 - min(max(losses[-1] if losses else 0.0, 0.0), 95.0) / 100.0
    allowed = 1.0 - limit(f"{name}.minimum_correlation") ** 2
    allowed += limit(f"{name}.block_allowance") * (1.0 - retained) / retained
    return math.sqrt(max(1.0 - allowed, 0.0))


def _least_correlation(pair: Pair) -> float:
    """Lowest correlation that a shifted electrode or a second nerve is not needed for.

    Where the size hardly changes a shift would explain nothing, and the limit is another one.
    """
    losses = _losses_pct(pair)
    if losses and max(map(abs, losses)) < limit("electrode_shift.change_that_matters_pct"):
        return limit("electrode_shift.minimum_correlation_unchanged")
    return _least_of_sample(pair, "electrode_shift")


def electrode_shift(pair: Pair) -> Finding:
    """The proximal response has another shape than the distal one, or repeats of one differ."""
    for site, response in zip(pair.sites, (pair.distal, pair.proximal), strict=True):
        if response is not None and response.is_unsteady:
            return raised("proven", site=site)
    correlation, least = pair.shape_correlation, _least_correlation(pair)
    if not known(correlation):
        return unexamined("not_compared")
    numbers: dict[str, Number] = {"correlation": correlation, "limit": least}
    return raised("changed", **numbers) if correlation < least else cleared("same", **numbers)


def co_stimulation(pair: Pair) -> Finding:
    """The response changes shape in a way that suggests a second nerve was stimulated."""
    both = pair.both()
    if both is None:
        return no_rows(pair)
    correlation = pair.shape_correlation
    positive = [
        site
        for site, response in zip(pair.sites, both, strict=True)
        if "initial_positivity" in response.flags
    ]
    gain_pct = max((gain for gain in _gains_pct(pair) if known(gain)), default=math.nan)
    larger = gain_pct > limit("proximal_larger.maximum_gain_pct") + TOLERANCE
    changed = correlation < _least_correlation(pair)
    numbers: dict[str, Number] = {"correlation": correlation, "gain_pct": gain_pct}
    if correlation < limit("co_stimulation.gross_correlation"):
        return raised("gross_change", correlation=correlation)
    if changed and len(positive) == 1:
        return raised("changed_and_positive", site=positive[0], correlation=correlation)
    if changed and larger:
        return raised("changed_and_larger", **numbers)
    if larger and len(positive) == 1:
        return raised("positive_and_larger", site=positive[0], gain_pct=gain_pct)
    near = [site for site in pair.sites if anatomy().sites[site].near_other_nerves]
    if changed and near:
        return raised("changed_near_nerves", site=near[0], correlation=correlation)
    if larger and _attestation(both[0]) and not spans_forearm(pair.row["nerve"], pair.sites):
        return raised("larger", site=pair.sites[0], gain_pct=gain_pct)
    if not known(correlation):
        return unexamined("not_compared")
    if not known(gain_pct):
        return unexamined("no_change_known")
    if pair.sites[1] == "erb" and not both[1].collision_used:
        return unexamined("erb", **numbers)
    return cleared("no_sign", **numbers)


# ------------------------------------------------------------------ settings and surroundings


def filter_mismatch(pair: Pair) -> Finding:
    """The two sites were recorded with different amplifier filters."""
    both = pair.both()
    if both is None:
        return no_rows(pair)
    unknown = False
    numbers: dict[str, Number] = {}
    for name in ("high_pass_hz", "low_pass_hz"):
        distal, proximal = (response.number(name) for response in both)
        if not known(distal, proximal):
            unknown = True
        elif not math.isclose(distal, proximal, rel_tol=1e-6):
            return raised(f"{name}_differs", distal_hz=distal, proximal_hz=proximal)
        else:
            numbers[name] = distal
    return unexamined("not_recorded") if unknown else cleared("same", **numbers)


def erb_without_collision(pair: Pair) -> Finding:
    """The segment ends at Erb's point and no collision was recorded."""
    if pair.sites[1] != "erb":
        return cleared("not_erb", site=pair.sites[1])
    if pair.proximal is None:
        return no_rows(pair)
    used = pair.proximal.collision_used
    if used is None:
        return raised("not_recorded")
    return cleared("collision") if used else raised("no_collision")


def cold_limb(pair: Pair) -> Finding:
    """The hand was colder than 32, the foot colder than 30 degrees Celsius."""
    limb, side = anatomy().nerves[pair.row["nerve"]].limb, pair.row["side"]
    temperature_c = pair.visit.details.limb_temperature_c.get(f"{side}_{limb}")
    if temperature_c is None:
        return unexamined("not_recorded", side=side, limb=limb)
    least = limit(f"cold_limb.minimum_{limb}_c")
    numbers: dict[str, Number] = {
        "side": side,
        "limb": limb,
        "temperature_c": temperature_c,
        "limit_c": least,
    }
    return raised("cold", **numbers) if temperature_c < least else cleared("warm", **numbers)


def length_implausible(pair: Pair) -> Finding:
    """The distances do not grow from distal to proximal."""
    length_mm = pair.number("length_mm")
    if not known(length_mm):
        return unexamined("no_length")
    if length_mm <= 0.0:
        return raised("not_growing", length_mm=length_mm)
    return cleared("growing", length_mm=length_mm)


def velocity_implausible(pair: Pair) -> Finding:
    """The proximal latency is not longer than the distal one, or the velocity is no nerve's."""
    velocity = pair.number("conduction_velocity_m_per_s")
    if known(velocity):
        return _by_speed(velocity)
    both = pair.both()
    if both is None:
        return no_rows(pair)
    delay_ms = both[1].number("onset_latency_ms") - both[0].number("onset_latency_ms")
    if not known(delay_ms):
        return unexamined("no_latency")
    if delay_ms <= 0.0:
        return raised("not_later", delay_ms=delay_ms)
    length_mm = pair.number("length_mm")
    if not known(length_mm) or length_mm <= 0.0:
        return unexamined("no_length")
    return _by_speed(length_mm / delay_ms)


def _by_speed(velocity: float) -> Finding:
    fastest = limit("velocity_implausible.maximum_m_per_s")
    slowest = limit("velocity_implausible.minimum_m_per_s")
    if velocity > fastest:
        return raised("too_fast", velocity_m_per_s=velocity, limit_m_per_s=fastest)
    if velocity < slowest:
        return raised("too_slow", velocity_m_per_s=velocity, limit_m_per_s=slowest)
    return cleared("plausible", velocity_m_per_s=velocity, limit_m_per_s=fastest)


def distance_implausible(pair: Pair) -> Finding:
    """The distances look like centimetres, or like lengths of segments."""
    both = pair.both()
    if both is None:
        return no_rows(pair)
    distal_mm, proximal_mm = (r.number("distance_mm") for r in both)
    delay_ms = both[1].number("onset_latency_ms") - both[0].number("onset_latency_ms")
    if not known(distal_mm, proximal_mm):
        return unexamined("no_length")
    numbers: dict[str, Number] = {"distal_mm": distal_mm, "proximal_mm": proximal_mm}
    if not known(delay_ms):
        return unexamined("no_latency")
    if pair.distance_guess == 0:
        return cleared("plausible", **numbers)
    length_mm = proximal_mm - distal_mm
    numbers["velocity_m_per_s"] = length_mm / delay_ms
    if pair.distance_guess == segments.CENTIMETRES:
        return raised("centimetres", **numbers, other_m_per_s=10.0 * length_mm / delay_ms)
    return raised("segment_lengths", **numbers, other_m_per_s=proximal_mm / delay_ms)


# ------------------------------------------------------------------ time


def axonal_loss_recent(pair: Pair) -> Finding:
    """Symptoms began less than ten days before the study."""
    gone = pair.both()
    changes = (pair.number(f"{name}_reduction_pct") for name in ("amplitude", "area"))
    falls = [fall for fall in changes if known(fall)]
    least = limit("submaximal_proximal.minimum_reduction_pct")
    if falls and not (gone and gone[1].is_absent) and max(falls) < least - TOLERANCE:
        return cleared("no_fall", fall_pct=max(falls), limit_pct=least)
    details = pair.visit.details
    least = limit("axonal_loss_recent.minimum_days")
    if details.visit_date is not None and details.symptom_onset_date is not None:
        days = float((details.visit_date - details.symptom_onset_date).days)
    else:
        months = details.findings.get("clinical.weakness_duration_months")
        if months is None or isinstance(months, bool):
            return unexamined("no_dates")
        days = months * DAYS_PER_MONTH
    numbers: dict[str, Number] = {"days": days, "limit_days": least}
    return raised("recent", **numbers) if days < least else cleared("not_recent", **numbers)
