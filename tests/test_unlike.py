"""Sweeps under one text: repeats when they look like it, a series or separate when not."""

from __future__ import annotations

import numpy as np
import pytest

import ncs_cb
from ncs_cb.measuring.sweeps import choose_responses
from ncs_cb.model import Site, Stimulus, Study, Trace
from readers.handmade import cmap

RATE = 20_000.0
TIME_MS = np.arange(1100) * 1000 / RATE - 5


def sweep(number, size=8.0, onset=3.1, *, width=2.5, site="wrist", seed=None, group="same"):
    noise = np.random.default_rng(number if seed is None else seed).normal(0, 0.004, len(TIME_MS))
    samples = cmap(TIME_MS, onset, size, width_ms=width) + noise
    place = Site("ulnar", "right", "adm", site)
    return Trace(
        samples, RATE, 100, place, "u.edf", "motor", Stimulus(), sweep=number, repeat_group=group
    )


def chosen(*sweeps):
    return choose_responses(Study("s", sweeps))


def reason(found):
    return next(d.reason for d in found.decisions if "not averaged" in d.choice)


def test_repeats_of_one_stimulus_are_averaged():
    found = chosen(*(sweep(n) for n in range(4)))
    assert found.sweep_counts == (4,)
    assert found.flags == ((),)


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        ({"onset": 4.3}, "come at another latency"),
        ({"size": -8.0}, "are upside down"),
        ({"size": 5.5}, "mV from peak to peak"),
        ({"width": 7.5, "onset": 2.0}, "have another shape"),
    ],
)
def test_a_sweep_unlike_the_other_is_not_averaged_with_it(odd, why):
    found = chosen(sweep(0), sweep(1, **odd))
    assert found.sweep_counts == (1, 1)
    assert all("repeats_differ" in names for names in found.flags)
    assert why in reason(found)


def test_a_jitter_of_a_fifth_of_a_millisecond_is_a_repeat():
    assert chosen(sweep(0), sweep(1, onset=3.3), sweep(2, onset=3.0)).sweep_counts == (3,)


def test_repeats_that_jitter_are_aligned_before_they_are_averaged_and_flagged():
    onsets = (3.0, 3.15, 3.25, 3.4)
    study = Study("s", tuple(sweep(n, onset=onset) for n, onset in enumerate(onsets)))
    (row,) = ncs_cb.analyze(study).traces.to_dict("records")
    alone = ncs_cb.analyze(Study("s", (sweep(0, onset=3.2, group=None),))).traces.iloc[0]
    assert row["quality_flags"].split(";").count("repeats_aligned") == 1
    # A mean of these four as they come has 0.3 mV less.
    assert row["negative_peak_amplitude_mv"] == pytest.approx(8.0, abs=0.02)
    assert row["onset_latency_ms"] == pytest.approx(alone["onset_latency_ms"], abs=0.1)
    steady = ncs_cb.analyze(Study("s", tuple(sweep(n) for n in range(4)))).traces
    assert "repeats_aligned" not in steady["quality_flags"][0]


@pytest.mark.parametrize("onsets", [(3.0, 3.3, 3.6), (3.0, 3.1, 3.4, 3.6, 3.7)])
def test_repeats_more_than_half_a_millisecond_apart_are_not_averaged(onsets):
    found = chosen(*(sweep(n, onset=onset) for n, onset in enumerate(onsets)))
    assert set(found.sweep_counts) == {1}
    assert "another latency" in reason(found)


def test_noise_without_response_is_not_called_unlike():
    assert chosen(*(sweep(n, size=0.0) for n in range(3))).sweep_counts == (3,)


def test_a_rising_series_without_currents_is_a_recruitment_series_and_no_average():
    rising = [
        sweep(n, size, 6.8, site="below_elbow") for n, size in enumerate((0.9, 3.1, 5.5, 7.9))
    ]
    result = ncs_cb.analyze(Study("s", (sweep(9, group=None), *rising)))
    table = result.recruitment
    assert list(table["stimulation_site"]) == ["below_elbow"] * 4
    assert table["stimulus_ma"].isna().all()
    assert table["is_supramaximal"].isna().all()
    assert table["relative_amplitude_pct"].iloc[-1] == pytest.approx(100.0)
    (segment,) = result.segments[result.segments["is_adjacent"]].itertuples()
    assert segment.amplitude_reduction_pct == pytest.approx(100 * (1 - 7.9 / 8.0), abs=0.5)
    assert "repeats_differ" in segment.quality_flags


def test_sweeps_that_only_differ_are_no_recruitment_series():
    falling = [sweep(n, size) for n, size in enumerate((7.9, 3.1, 6.0))]
    assert ncs_cb.analyze(Study("s", tuple(falling))).recruitment.empty
