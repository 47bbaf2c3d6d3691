"""Which way is negative, settled from the responses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import ncs_cb
from ncs_cb.readers._shared.polarity import orient
from readers.handmade import cmap

RATE = 20_000.0


def sweeps(
    *,
    artifact=0.0,
    tau=0.5,
    positivity=0.0,
    tail=0.4,
    noise=0.005,
    before=20,
    onsets=(3, 7, 10),
    amplitude=8.0,
    drift=0.0,
):
    rng = np.random.default_rng(7)
    time_ms = (np.arange(1000 + before) - before) / 20
    made = []
    for onset in onsets:
        curve = cmap(time_ms, onset, amplitude, tail=tail)
        curve -= positivity * amplitude * np.exp(-0.5 * ((time_ms - onset) / 0.35) ** 2)
        curve += artifact * np.exp(-np.clip(time_ms, 0, None) / tau) * (time_ms >= 0)
        made.append(curve + rng.normal(0, noise, len(curve)) + drift)
    return np.array(made), [before] * len(made)


def settle(made, sign, told=None):
    rows, indices = made
    return orient(told, sign * rows, sampling_rate_hz=RATE, stimulus_indices=indices)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"before": 0},
        {"before": 200},
        {"drift": 3.0},
        {"noise": 0.05},
        {"artifact": 20.0, "tau": 0.2},
        {"artifact": -20.0, "tau": 0.2},
        {"artifact": 20.0, "tau": 1.0},
        {"artifact": -20.0, "tau": 1.0},
        {"artifact": 12.0, "tau": 2.0},
        {"artifact": -12.0, "tau": 2.0},
        {"positivity": 0.2},
        {"positivity": 0.3},
        {"tail": 0.8},
        {"tail": 0.0},
        {"onsets": (3,)},
        {"amplitude": 0.5},
        {"onsets": (1.2,)},
    ],
)
def test_the_sign_is_found_whatever_the_artefact_baseline_or_positivity(kind, sign):
    found = settle(sweeps(**kind), sign)
    assert found.sign == sign
    assert found.is_certain


@pytest.mark.parametrize("sign", [1, -1])
def test_a_dispersed_proximal_response_does_not_outvote_the_distal_one(sign):
    rows, indices = sweeps()
    rng = np.random.default_rng(3)
    time_ms = (np.arange(1020) - 20) / 20
    rows[2] = sum(cmap(time_ms, 10 + d, 0.15) for d in rng.gamma(2, 3, 60))
    assert settle((rows, indices), sign).sign == sign


def test_noise_alone_is_uncertain():
    rng = np.random.default_rng(1)
    found = settle((rng.normal(0, 0.01, (3, 1000)), [20] * 3), 1)
    assert not found.is_certain
    assert "no response" in found.reason


def test_a_response_that_is_its_own_mirror_image_is_uncertain():
    time_ms = (np.arange(1020) - 20) / 20
    wave = np.sin(2 * np.pi * (time_ms - 4) / 5) * ((time_ms > 4) & (time_ms < 9))
    half = wave.copy()
    half[time_ms < 6.5] *= 0.7
    found = settle((np.array([half, -half]), [20, 20]), 1)
    assert not found.is_certain


def test_a_sweep_with_nan_or_a_stimulus_outside_has_no_say():
    rows, indices = sweeps()
    rows[0] = -rows[0]
    rows[0, 500] = np.nan
    assert settle((rows, indices), 1).sign == 1
    assert not settle((rows[1:], [-5000, -5000]), 1).is_certain
    assert not settle((rows[1:], [5000, 5000]), 1).is_certain


def test_sweeps_of_different_length_vote_as_those_of_one_length():
    rows, indices = sweeps()
    ragged = [rows[0], rows[1][:-100], rows[2]]
    found = orient(None, ragged, sampling_rate_hz=RATE, stimulus_indices=indices)
    assert (found.sign, found.is_certain) == (1.0, True)


@pytest.mark.parametrize(("told", "sign"), [("negative_up", 1.0), ("negative_down", -1.0)])
def test_a_told_polarity_is_an_order(told, sign):
    found = settle(sweeps(), -sign, told)
    assert (found.sign, found.is_certain, found.reason) == (sign, True, "as told")


def test_artefacts_up_to_several_times_the_response_hardly_ever_mislead():
    # Responses of 0.5 to 15 mV under artefacts of either sign, up to twelve times as large, that
    # decay in 0.5 to 2 ms; two in five begin with a positivity.
    rng = np.random.default_rng(11)
    wrong = wrong_and_sure = 0
    for _ in range(300):
        amplitude = rng.choice([0.5, 2, 8, 15])
        made = sweeps(
            artifact=rng.choice([-1, 1]) * rng.uniform(0, 12) * amplitude,
            tau=rng.uniform(0.5, 2),
            positivity=rng.choice([0, 0, 0, 0.15, 0.3]),
            tail=rng.uniform(0.1, 0.8),
            noise=rng.choice([0.002, 0.01, 0.03]),
            before=int(rng.choice([0, 20, 200])),
            amplitude=amplitude,
        )
        sign = rng.choice([1, -1])
        found = settle(made, sign)
        wrong += found.sign != sign
        wrong_and_sure += found.sign != sign and found.is_certain
    assert wrong <= 1
    assert wrong_and_sure == 0


# ------------------------------------------------------------------ stated, and contradicted


def stated(sign, *, polarity=None, muscle="adm"):
    time_ms = np.arange(-2.0, 40.0, 0.05)
    waves = []
    for latency_ms, height_mv in ((3.1, 8.6), (7.0, 2.1)):
        up, down = (time_ms - latency_ms) / 5.5, (time_ms - latency_ms - 5.5) / 8.0
        wave = np.where((up > 0) & (up < 1), np.sin(np.pi * up), 0.0)
        waves.append(
            height_mv * (wave - 0.35 * np.where((down > 0) & (down < 1), np.sin(np.pi * down), 0))
        )
    noise = np.random.default_rng(29).normal(0.0, 0.003, (2, time_ms.size))
    labels = pd.DataFrame(
        {
            "nerve": "ulnar",
            "side": "left",
            "muscle": muscle,
            "site": ["wrist", "below elbow"],
            "distance_mm": [72, 286],
        }
    )
    return ncs_cb.study_from_arrays(
        sign * np.array(waves) + noise,
        labels,
        sampling_rate_hz=20_000,
        stimulus_index=40,
        polarity=polarity,
    )


@pytest.mark.parametrize(
    ("sign", "polarity"), [(-1, None), (-1, "negative_up"), (1, "negative_down")]
)
def test_a_stated_polarity_that_all_responses_contradict_withholds_every_grade(sign, polarity):
    result = ncs_cb.analyze(stated(sign, polarity=polarity), supramaximal=True)
    assert result.traces["quality_flags"].str.contains("polarity_uncertain").all()
    rows = result.verdicts.query("criteria == 'efns_pns_2010'")
    assert rows["conduction_block"].tolist() == ["undetermined"]
    said = " ".join(result.impression)
    assert "axonal" not in said
    assert "polarity" in said


@pytest.mark.parametrize(
    ("sign", "polarity"), [(1, None), (1, "negative_up"), (-1, "negative_down")]
)
def test_a_stated_polarity_that_the_responses_bear_out_is_not_doubted(sign, polarity):
    result = ncs_cb.analyze(stated(sign, polarity=polarity), supramaximal=True)
    assert not result.traces["quality_flags"].str.contains("polarity").any()
    rows = result.verdicts.query("criteria == 'efns_pns_2010'")
    assert rows["conduction_block"].tolist() == ["definite"]


def test_a_muscle_of_another_nerve_may_begin_with_a_positivity():
    result = ncs_cb.analyze(stated(-1, muscle="apb"))
    assert not result.traces["quality_flags"].str.contains("polarity_uncertain").any()
