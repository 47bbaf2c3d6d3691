"""Responses that cannot be read, and stimuli of which it is doubtful what they reached."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import ncs_cb

RATE_HZ = 20_000
TIMES_MS = np.arange(-1.0, 35.0, 1000.0 / RATE_HZ)


def response(latency_ms, height_mv):
    """A biphasic potential: negative up, 5 ms wide, with a smaller positive phase behind."""
    up, down = (TIMES_MS - latency_ms) / 5.0, (TIMES_MS - latency_ms - 5.0) / 7.0
    wave = np.where((up > 0) & (up < 1), np.sin(np.pi * up), 0.0)
    wave -= 0.4 * np.where((down > 0) & (down < 1), np.sin(np.pi * down), 0.0)
    noise = np.random.default_rng(7).normal(0.0, 0.004, TIMES_MS.size)
    return height_mv * wave + noise


def study(*rows):
    """A visit of right ulnar traces: site, distance, current, samples."""
    labels = pd.DataFrame(
        {
            "nerve": "ulnar",
            "side": "right",
            "muscle": "adm",
            "stimulation_site": [row[0] for row in rows],
            "distance_mm": [row[1] for row in rows],
            "stimulus_ma": [row[2] for row in rows],
        }
    )
    samples = np.array([row[3] for row in rows])
    return ncs_cb.study_from_arrays(
        samples, labels, sampling_rate_hz=RATE_HZ, stimulus_index=round(1.0 * RATE_HZ / 1000)
    )


WRIST = ("wrist", 75.0, 19.0, response(3.0, 9.0))


def step(result):
    return result.impression[-1]


def test_the_next_step_for_a_clipped_response_is_to_record_it_again():
    cut = np.minimum(response(6.7, 9.0), 5.0)
    result = ncs_cb.analyze(study(WRIST, ("below_elbow", 285.0, 24.0, cut)))
    assert step(result) == (
        "Next: record right ulnar at below elbow again, or export it again (clipped response)."
    )
    assert "削顶" in result.statements["text_zh"].iloc[-1]


def test_the_next_step_for_missing_samples_is_never_to_call_the_response_absent():
    lost = response(6.7, 9.0)
    lost[300:320] = np.nan
    result = ncs_cb.analyze(study(WRIST, ("below_elbow", 285.0, 24.0, lost)))
    assert "absent" not in step(result)
    assert "export it again (missing samples)" in step(result)


def test_a_distal_response_that_cannot_be_read_is_named_too():
    cut = np.minimum(WRIST[3], 5.0)
    result = ncs_cb.analyze(
        study((*WRIST[:3], cut), ("below_elbow", 285.0, 24.0, response(6.7, 8.8)))
    )
    assert "record right ulnar at wrist again" in step(result)


def series(*heights, currents):
    at = zip(heights, currents, strict=True)
    return [("below_elbow", 285.0, current, response(6.7, height)) for height, current in at]


RISING, FLAT = (1.1, 2.0, 3.4), (1.1, 3.3, 3.4)


def forearm(result):
    rows = result.verdicts.query("criteria == 'efns_pns_2010' and segment == 'wrist-below_elbow'")
    return rows.iloc[0]


@pytest.mark.parametrize("currents", [(12.0, 18.0, 24.0)])
def test_a_call_does_not_attest_a_series_that_still_grows(currents):
    above = ("above_elbow", 385.0, 26.0, response(8.4, 3.3))
    visit = study(WRIST, *series(*RISING, currents=currents), above)
    result = ncs_cb.analyze(visit, supramaximal=True)
    row = forearm(result)
    assert row["technical_validity"] == "refuted"
    assert row["conduction_block"] == "undetermined"
    assert "raise the current at below elbow" in step(result)


GROWING = [
    ((1.2, 3.4), (24.0, 30.0)),
    ((0.6, 1.5, 2.6), (None, None, None)),
    ((0.6, 2.6), (None, None)),
    ((0.6, 1.5, 2.6), (24.0, 24.0, 24.0)),
]


@pytest.mark.parametrize(("heights", "currents"), GROWING)
def test_a_response_that_grows_to_the_last_stimulus_is_no_block(heights, currents):
    result = ncs_cb.analyze(study(WRIST, *series(*heights, currents=currents)))
    row = forearm(result)
    assert row["conduction_block"] == "undetermined"
    assert row["technical_validity"] == "refuted"
    assert "raise the current at below elbow" in step(result)


@pytest.mark.parametrize(
    ("heights", "currents"),
    [
        ((3.0, 3.4), (24.0, 30.0)),
        ((3.4, 1.2), (None, None)),
        ((3.3, 3.0, 3.4), (12.0, 18.0, 24.0)),
    ],
)
def test_a_response_that_hardly_grows_is_graded_if_stimulation_was_enough(heights, currents):
    row = forearm(ncs_cb.analyze(study(WRIST, *series(*heights, currents=currents))))
    assert row["conduction_block"] == "definite"
    assert row["technical_validity"] == "not_attested"


def test_what_is_attested_of_the_last_stimulus_itself_stands():
    visit = study(WRIST, *series(1.2, 3.4, currents=(24.0, 30.0)))
    last = replace(
        visit.traces[2],
        stimulus=replace(
            visit.traces[2].stimulus, is_supramaximal=True, supramaximal_by="study.toml"
        ),
    )
    row = forearm(ncs_cb.analyze(replace(visit, traces=(*visit.traces[:2], last))))
    assert row["conduction_block"] == "definite"


def repeated(*rows):
    """A visit in which the answers at below elbow are called repeats of one stimulus."""
    visit = study(WRIST, *(("below_elbow", 285.0, 24.0, row) for row in rows))
    marked = [replace(trace, repeat_group="24 mA") for trace in visit.traces[1:]]
    return replace(visit, traces=(visit.traces[0], *marked))


def test_repeats_that_come_at_other_times_are_flagged_and_no_electrode_has_moved():
    visit = repeated(response(6.4, 8.8), response(7.6, 8.8), response(7.0, 8.8))
    result = ncs_cb.analyze(visit)
    assert "repeats_differ" in result.traces["quality_flags"].iloc[1]
    assert "moved" not in " ".join(result.impression)
    assert forearm(result)["conduction_block"] == "none"


def test_repeats_of_another_shape_say_that_the_electrode_has_moved():
    other = response(6.4, 8.8) + response(12.0, 7.5)
    visit = repeated(response(6.4, 8.8), other, response(6.4, 8.8))
    result = ncs_cb.analyze(visit)
    assert result.traces["negative_peak_amplitude_mv"].iloc[1:].max() < 1.2 * 8.8
    assert "electrode" in " ".join(result.impression)
    assert forearm(result)["conduction_block"] == "undetermined"


def test_a_call_attests_a_short_series_that_stopped_growing():
    visit = study(WRIST, *series(*FLAT, currents=(12.0, 18.0, 24.0)))
    row = forearm(ncs_cb.analyze(visit, supramaximal=True))
    assert row["technical_validity"] == "attested"
    assert row["conduction_block"] == "definite"
