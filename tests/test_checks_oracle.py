"""The checks, asked of many segments at once, answer as the plain oracle does of each alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

import checks_oracle
from ncs_cb import flags, quality
from ncs_cb.columns import conform, records
from ncs_cb.knowledge import reference
from ncs_cb.measuring import segments
from ncs_cb.model import Stimulus
from test_quality import DETAILS, MEDIAN, ULNAR, Study, row

N_STUDIES = 150
FLAGS = ("noisy_baseline", "polarity_differs", "supramaximality_denied", "clipped", "sweep_cut")
FACTORS = (0.0, 0.3, 0.5, 0.8, 0.95, 1.0, 1.08, 1.2, 3.0)
NUMBERS = (
    "distance_mm",
    "high_pass_hz",
    "onset_latency_ms",
    "negative_peak_amplitude_mv",
    "negative_peak_area_mv_ms",
    "total_negative_area_mv_ms",
)


def drawn_rows(rng):
    """Both nerves in both muscles at some of their sites, now and then in disorder."""
    rows = []
    for nerve, sites in (("ulnar", ULNAR), ("median", MEDIAN)):
        for muscle in ("adm", "apb"):
            for site, *numbers in sites:
                is_own = (nerve == "ulnar") == (muscle == "adm")
                if rng.random() < (0.9 if is_own else 0.3):
                    size = numbers[-1] * (1.0 if is_own else rng.choice([0.0, 0.02, 0.3]))
                    rows.append(row(nerve, muscle, site, *numbers[:-1], size))
    cross_over(rows, rng)
    rate = rng.choice([0.02, 0.15])
    for one in rows:
        one["response"] = rng.choice([None, "present", "absent"], p=[0.6, 0.35, 0.05])
        for name in NUMBERS:
            if rng.random() < rate:
                one[name] = rng.choice([np.nan, one[name] * rng.choice(FACTORS)])
        one["quality_flags"] = flags.join(name for name in FLAGS if rng.random() < rate / 4)
    return rows


def cross_over(rows, rng):
    """Let fibers cross from the median nerve, in some studies, in the forearm and at the elbow."""
    crossed = {"below_elbow": rng.choice([0.0, 0.06, 0.3]), "above_elbow": rng.choice([0.0, 0.3])}
    order = [site for site, *_ in ULNAR]
    share = sum(crossed.values())
    for one in rows:
        site, size = one["stimulation_site"], one["negative_peak_amplitude_mv"]
        if one["nerve"] == "ulnar":
            gone = sum(part for at, part in crossed.items() if order.index(at) <= order.index(site))
            one["negative_peak_amplitude_mv"] = (1.0 - gone) * size
        elif one["muscle"] == "adm" and share:
            one["negative_peak_amplitude_mv"] = 0.0 if site == "wrist" else 10.0 * share
        elif one["muscle"] == "apb" and site != "wrist":
            one["negative_peak_amplitude_mv"] = (1.0 + share / 2.0) * size


def drawn_details(rng):
    return replace(
        DETAILS,
        symptom_onset_date=rng.choice([None, date(2026, 2, 25), date(2025, 3, 2)]),
        limb_temperature_c={"right_arm": 31.0} if rng.random() < 0.5 else {},
    )


@pytest.fixture(scope="module")
def drawn():
    """Tables of many studies, what stands behind each row, and the visits."""
    rng = np.random.default_rng(20261129)
    rows, traces, stimuli, details = [], [], [], {}
    for number in range(N_STUDIES):
        study, own = f"p{number}", drawn_rows(rng)
        details[study] = drawn_details(rng)
        for one in own:
            one["study_id"] = study
            is_typed = rng.random() < 0.1
            traces.append(None if is_typed else Study._trace(one | {"quality_flags": "x"}))
            said = rng.choice([True, True, False, None])
            stimuli.append(
                Stimulus(is_supramaximal=said, collision_used=True) if said is not None else None
            )
        rows += own
    return conform(pd.DataFrame(rows), "traces"), traces, stimuli, details


def oracle_segments(pairs, traces, waveforms, stimuli, details):
    """Make what the oracle sees of each adjacent segment."""
    limbs: dict[str, dict] = {}
    for one, trace, stimulus in zip(records(traces), waveforms, stimuli, strict=True):
        plain = {name: None if value is pd.NA else value for name, value in one.items()}
        place = tuple(one[name] for name in ("nerve", "muscle", "stimulation_site"))
        response = checks_oracle.Response(plain, stimulus, trace is not None)
        limbs.setdefault(one["study_id"], {}).setdefault(place, response)
    rows = [one for one in records(pairs) if one["is_adjacent"]]
    named = {name: [one[name] for one in rows] for name in ("study_id", "nerve", "muscle")}
    bounds = reference.lower_amplitude_limits(named, person=details)
    for one, *lower in zip(rows, bounds.low, bounds.high, strict=True):
        study, series = one["study_id"], (one["nerve"], one["muscle"])
        yield checks_oracle.Segment(
            one,
            *(limbs[study][*series, one[f"{end}_site"]] for end in ("distal", "proximal")),
            details[study],
            tuple(lower),
            limbs[study],
            [r for r in rows if (r["study_id"], r["nerve"], r["muscle"]) == (study, *series)],
        )


def test_all_segments_together_get_the_answers_that_each_gets_alone(drawn):
    traces, waveforms, stimuli, details = drawn
    pairs = segments.pair_sites(traces)
    nothing = traces.iloc[:0]
    found = quality.ask(
        pairs, traces, details, waveforms, stimuli=stimuli, recruitment=nothing
    ).table()
    answers = iter(records(found))
    seen: Counter[tuple[str, str]] = Counter()
    for one in oracle_segments(pairs, traces, waveforms, stimuli, details):
        for _ in quality.CHECKS:
            answer = next(answers)
            if answer["flag"] in checks_oracle.CHECKS:
                state_and_case = answer["state"], answer["case"]
                where = (answer["flag"], one.row)
                assert state_and_case == checks_oracle.answer(answer["flag"], one), where
                seen[answer["flag"], answer["case"]] += 1
    assert next(answers, None) is None
    assert {flag for flag, _ in seen} == set(checks_oracle.CHECKS)
    # The tables were drawn so that the rare answers come up too.
    anastomoses = {case for flag, case in seen if "gruber" in flag}
    assert len(seen) > 70
    assert ("submaximal_distal", "denied") in seen
    assert {
        "pattern",
        "no_crossing",
        "explains",
        "explains_part_at_most",
        "high_explains",
    } <= anastomoses
    assert {"giver_pattern", "giver_crossing", "giver_gain_alone", "crossing"} <= anastomoses


def test_a_study_alone_gets_the_answers_that_it_gets_among_others(drawn):
    traces, waveforms, stimuli, details = drawn
    pairs = segments.pair_sites(traces)
    together = quality.ask(pairs, traces, details, waveforms, stimuli=stimuli).table()
    for study in list(details)[::15]:
        is_own = (traces["study_id"] == study).to_numpy(bool)
        at = np.flatnonzero(is_own).tolist()
        own = traces[is_own].reset_index(drop=True)
        alone = quality.ask(
            segments.pair_sites(own),
            own,
            {study: details[study]},
            [waveforms[row] for row in at],
            stimuli=[stimuli[row] for row in at],
        ).table()
        among = together[together["study_id"] == study].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, among)
