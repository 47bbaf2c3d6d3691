"""The oracle of the checks: one segment at a time, in plain Python, from what each check means.

``answer(flag, segment)`` gives state and case; the package answers all segments with columns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from ncs_cb import flags
from ncs_cb.knowledge.anatomy import anatomy, entrapment_between, nerve_of_muscle
from ncs_cb.knowledge.thresholds import value as limit
from ncs_cb.model import Details, Stimulus

GRACE = 1e-9
AREA, TOTAL_AREA = "negative_peak_area_mv_ms", "total_negative_area_mv_ms"


@dataclass
class Response:
    row: dict[str, Any]
    stimulus: Stimulus | None
    has_waveform: bool

    def __getitem__(self, name):
        value = self.row[name]
        return math.nan if value is None else value

    @property
    def flags(self):
        return set(flags.split(self.row["quality_flags"]))

    @property
    def is_absent(self):
        if self.row["response"] not in (None, "present"):
            return self.row["response"] == "absent"
        return "response_absent" in self.flags or self["negative_peak_amplitude_mv"] == 0.0

    @property
    def size(self):
        return 0.0 if self.is_absent else self["negative_peak_amplitude_mv"]

    @property
    def supramaximal(self):
        """True, False or None, without intensity series (the tables of the test have none)."""
        said = None if self.stimulus is None else self.stimulus.is_supramaximal
        return False if "supramaximality_denied" in self.flags else said


@dataclass
class Segment:
    row: dict[str, Any]
    distal: Response
    proximal: Response
    details: Details
    lower_limit_mv: tuple[float, float]
    limb: dict[tuple[str, str, str], Response] = field(default_factory=dict)
    series: list[dict[str, Any]] = field(default_factory=list)

    def __getitem__(self, name):
        value = self.row[name]
        return math.nan if value is None else value

    @property
    def sites(self):
        return self.row["distal_site"], self.row["proximal_site"]

    def falls(self):
        """How much amplitude and area fall; a gain of area is what both areas agree on."""
        first, total = self["area_reduction_pct"], self["total_area_reduction_pct"]
        area = total if known(total) else first
        if known(total) and total < 0.0 and first > total:
            area = min(first, 0.0)
        return [self["amplitude_reduction_pct"], area]


def known(*values):
    return all(math.isfinite(value) for value in values)


def answer(flag, one: Segment):
    already = flag in flags.split(one.row["quality_flags"])
    state, case = CHECKS[flag](one)
    return ("raised", "already") if already and state != "raised" else (state, case)


def absent(one):
    both = (one.distal, one.proximal)
    if all(response.is_absent for response in both):
        return "raised", "absent_at_both"
    for response in both:
        if response.is_absent:
            return "raised", "absent"
        if not known(response.size):
            return "not_examined", "no_amplitude"
    return "cleared", "present"


def small(one):
    size, least = one["distal_amplitude_mv"], limit("distal_response_small.minimum_mv")
    if not known(size):
        return "not_examined", "no_amplitude"
    if size <= least + GRACE:
        return "raised", "below"
    # The limit of the muscle lies between these two.
    share = limit("distal_response_small.minimum_share_of_limit")
    low, high = (share * bound for bound in one.lower_limit_mv)
    if size <= low + GRACE:
        return "raised", "below_share"
    return ("cleared", "above_share") if size > high + GRACE else ("not_examined", "no_limit")


def recent(one):
    falls = [one["amplitude_reduction_pct"], one["area_reduction_pct"]]
    falls = [fall for fall in falls if known(fall)]
    least = limit("submaximal_proximal.minimum_reduction_pct")
    if falls and not one.proximal.is_absent and max(falls) < least - GRACE:
        return "cleared", "no_fall"
    if one.details.visit_date is None or one.details.symptom_onset_date is None:
        return "not_examined", "no_dates"
    days = (one.details.visit_date - one.details.symptom_onset_date).days
    is_recent = days < limit("axonal_loss_recent.minimum_days")
    return ("raised", "recent") if is_recent else ("cleared", "not_recent")


def complete(one):
    if not one.proximal.is_absent:
        is_there = known(one.proximal.size)
        return ("cleared", "present") if is_there else ("not_examined", "no_amplitude")
    if one.distal.is_absent or not known(one.distal.size):
        return "not_examined", "no_amplitude"
    if one.proximal.supramaximal is not True:
        case = "not_attested" if one.proximal.supramaximal is None else "denied"
        return "not_examined", case
    for name, check in (("small", small), ("recent", recent)):
        if check(one)[0] == "raised":
            return "not_examined", name
    return "raised", "complete"


def said(response):
    attested = response.supramaximal
    if attested is None:
        return None
    is_own = response.stimulus is not None and response.stimulus.is_supramaximal is attested
    if attested:
        return "cleared", "attested" if is_own else "plateau"
    return "raised", "denied" if is_own else "no_plateau"


def submaximal_distal(one):
    falls = one.falls()
    if said(one.distal) is not None:
        return said(one.distal)
    if not known(*falls):
        return "not_examined", "no_change_known"
    is_larger = max(falls) < -limit("proximal_larger.maximum_gain_pct") - GRACE
    return ("raised", "pattern") if is_larger else ("not_examined", "not_attested")


def not_attested(one):
    unknown = [r for r in (one.distal, one.proximal) if r.supramaximal is None]
    if not unknown:
        return "cleared", "said"
    return "raised", "one" if len(unknown) == 1 else "neither"


def proximal_larger(one):
    gains = [-fall for fall in one.falls() if known(fall)]
    if not gains:
        return "not_examined", "no_change_known"
    is_larger = max(gains) > limit("proximal_larger.maximum_gain_pct") + GRACE
    return ("raised", "larger") if is_larger else ("cleared", "not_larger")


def filters(one):
    missing = False
    for name in ("high_pass_hz", "low_pass_hz"):
        distal, proximal = one.distal[name], one.proximal[name]
        if not known(distal, proximal):
            missing = True
        elif distal != proximal:
            return "raised", f"{name}_differs"
    return ("not_examined", "not_recorded") if missing else ("cleared", "same")


def velocity(one):
    speed = one["conduction_velocity_m_per_s"]
    delay = one.proximal["onset_latency_ms"] - one.distal["onset_latency_ms"]
    if not known(speed):
        if not known(delay):
            return "not_examined", "no_latency"
        if delay <= 0.0:
            return "raised", "not_later"
        if not known(one["length_mm"]) or one["length_mm"] <= 0.0:
            return "not_examined", "no_length"
        speed = one["length_mm"] / delay
    if speed > limit("velocity_implausible.maximum_m_per_s"):
        return "raised", "too_fast"
    if speed < limit("velocity_implausible.minimum_m_per_s"):
        return "raised", "too_slow"
    return "cleared", "plausible"


def cold(one):
    limb = anatomy().nerves[one.row["nerve"]].limb
    told = one.details.limb_temperature_c.get(f"{one.row['side']}_{limb}")
    if told is None:
        return "not_examined", "not_recorded"
    return (
        ("raised", "cold") if told < limit(f"cold_limb.minimum_{limb}_c") else ("cleared", "warm")
    )


def slowing(one):
    nerve = one.row["nerve"]
    if entrapment_between(nerve, *one.sites) is None:
        return "cleared", "no_entrapment"
    speed = one["conduction_velocity_m_per_s"]
    if not known(speed):
        return "not_examined", "no_velocity"
    place = one.series.index(one.row)
    for row in [*reversed(one.series[:place]), *one.series[place + 1 :]]:
        beside = row["conduction_velocity_m_per_s"]
        ends = row["distal_site"], row["proximal_site"]
        if known(beside) and entrapment_between(nerve, *ends) is None:
            if beside - speed <= limit("focal_slowing.maximum_drop_m_per_s") + GRACE:
                return "cleared", "as_fast"
            limb = anatomy().nerves[nerve].limb
            enough = limit(f"focal_slowing.fast_enough_{limb}_m_per_s")
            return ("cleared", "fast_enough") if speed >= enough - GRACE else ("raised", "slower")
    return "not_examined", "no_neighbor"


def carried(flag):
    def check(one):
        both = (one.distal, one.proximal)
        count = sum(flag in response.flags for response in both)
        if count:
            return "raised", "at_both" if count == 2 else "at_one"
        for response in both:
            if not response.has_waveform:
                return "not_examined", "no_waveform"
            if any(flags.FLAGS[name].level == "invalid" for name in response.flags):
                return "not_examined", "not_measured"
        return "cleared", "at_none"

    return check


# ------------------------------------------------------------------ anastomoses


def sizes(one, nerve, muscle):
    """Known amplitudes in the limb of a segment, by site, distal first."""
    found = {site: one.limb.get((nerve, muscle, site)) for site in anatomy().nerves[nerve].sites}
    return {site: r.size for site, r in found.items() if r is not None and known(r.size)}


def across(one, nerve, muscle):
    """Amplitude at the wrist, and at the nearest site from the elbow on."""
    order, found = anatomy().nerves[nerve].sites, sizes(one, nerve, muscle)
    elbow = min(order.index(site) for site in order if "elbow" in site)
    far = [site for site in found if order.index(site) >= elbow and site != "erb"]
    return found.get("wrist", math.nan), found[far[0]] if far else math.nan


def crossing(one, giver, muscle):
    wrist, elbow = across(one, giver, muscle)
    return elbow - (0.0 if math.isnan(wrist) else wrist)


def anastomosis(giver, receiver):
    def check(one):
        nerve, muscle = one.row["nerve"], one.row["muscle"]
        order, owner = anatomy().nerves[nerve].sites, nerve_of_muscle(muscle)
        at_elbow = [site for site in order if "elbow" in site]
        distal, proximal = map(order.index, one.sites)
        if nerve == owner == receiver and len(at_elbow) > 1 and one.sites[0] == at_elbow[0]:
            return high(one, giver, receiver)
        in_forearm = distal < order.index(at_elbow[0]) and proximal > order.index("wrist")
        if not in_forearm or {nerve, owner} - {giver, receiver}:
            return "cleared", "elsewhere"
        if nerve == receiver:
            return receiving(one, giver) if owner == receiver else ("cleared", "elsewhere")
        return giving(one, receiver) if owner == giver else crossing_itself(one, receiver)

    return check


def receiving(one, giver):
    wrist, elbow = one.distal.size, one.proximal.size
    if not known(wrist, elbow) or wrist <= 0.0:
        return "not_examined", "no_amplitude"
    if 100.0 * (1.0 - elbow / wrist) < limit("martin_gruber.minimum_fall_pct"):
        return "cleared", "small_fall"
    crosses = crossing(one, giver, one.row["muscle"])
    if math.isnan(crosses):
        rises = changes(one, giver)
        if rises and max(rises) >= limit("martin_gruber.minimum_gain_pct"):
            return "raised", "pattern"
        return "not_examined", "not_recorded"
    if crosses < limit("martin_gruber.minimum_crossing_share") * wrist:
        return "cleared", "no_crossing"
    return "raised", balance(one, giver, wrist, elbow + crosses)


def high(one, giver, receiver):
    muscle, below, above = one.row["muscle"], one.distal.size, one.proximal.size
    crosses = crossing(one, giver, muscle)
    wrist = across(one, receiver, muscle)[0]
    if not known(crosses, below, above, wrist):
        return "cleared", "elsewhere"
    crosses -= max(wrist - below, 0.0)
    if below <= 0.0 or crosses < limit("martin_gruber.minimum_crossing_share") * below:
        return "cleared", "elsewhere"
    if 100.0 * (1.0 - above / below) < limit("martin_gruber.minimum_fall_pct"):
        return "cleared", "elsewhere"
    return "raised", f"high_{balance(one, giver, below, above + crosses)}"


def giving(one, receiver):
    wrist, elbow = one.distal.size, one.proximal.size
    if not known(wrist, elbow) or wrist <= 0.0:
        return "not_examined", "no_amplitude"
    if 100.0 * (elbow / wrist - 1.0) < limit("martin_gruber.minimum_gain_pct"):
        return "cleared", "giver_no_gain"
    falls = [-change for change in changes(one, receiver)]
    if falls and max(falls) >= limit("martin_gruber.minimum_fall_pct"):
        return "raised", "giver_pattern"
    muscles = anatomy().nerves[receiver].muscles
    crosses = [crossing(one, one.row["nerve"], muscle) for muscle in muscles]
    least = limit("martin_gruber.minimum_crossing_share") * wrist
    found = any(size >= least for size in crosses if not math.isnan(size))
    return ("raised", "giver_crossing") if found else ("cleared", "giver_gain_alone")


def crossing_itself(one, receiver):
    crosses = crossing(one, one.row["nerve"], one.row["muscle"])
    full = sizes(one, receiver, one.row["muscle"]).values()
    if math.isnan(crosses) or not full:
        return "not_examined", "no_amplitude"
    found = crosses >= limit("martin_gruber.minimum_crossing_share") * max(full)
    return ("raised", "crossing") if found else ("cleared", "own_no_crossing")


def changes(one, nerve):
    """Change from wrist to elbow, in percent, in every muscle of a nerve that shows it."""
    both = [across(one, nerve, muscle) for muscle in anatomy().nerves[nerve].muscles]
    return [100.0 * (e / w - 1.0) for w, e in both if known(w, e) and w > 0.0]


def balance(one, giver, distal, total):
    fits = abs(distal - total) <= limit("martin_gruber.balance_share") * distal
    at_wrist = not math.isnan(across(one, giver, one.row["muscle"])[0])
    return ("explains" if fits else "explains_part") + ("" if at_wrist else "_at_most")


CHECKS = {
    "response_absent_at_site": absent,
    "distal_response_small": small,
    "axonal_loss_recent": recent,
    "complete_block": complete,
    "submaximal_distal": submaximal_distal,
    "supramaximality_not_attested": not_attested,
    "proximal_larger": proximal_larger,
    "filter_mismatch": filters,
    "velocity_implausible": velocity,
    "cold_limb": cold,
    "focal_slowing": slowing,
    "noisy_baseline": carried("noisy_baseline"),
    "polarity_differs": carried("polarity_differs"),
    "martin_gruber": anastomosis("median", "ulnar"),
    "reverse_martin_gruber": anastomosis("ulnar", "median"),
}
