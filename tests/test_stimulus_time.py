"""The time of the stimulus: counted from the artefact, or doubted, never measured as response."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ncs_cb
from ncs_cb._kernels.facts import DOUBTED, NOT_SEEN
from ncs_cb._kernels.sweeps import answers, rows_of
from ncs_cb.model import Site, Stimulus, Study, Trace
from ncs_cb.readers._shared import doubts, level
from readers.handmade import cmap

SITES = {"wrist": (3.2, 8.4, 70.0), "below_elbow": (7.0, 2.9, 280.0)}


def sweep(
    site="wrist", delay_ms=0.0, artefact_mv=4.0, *, rate=20_000.0, before_ms=9.0, decay_ms=0.4,
    number=0, second_ms=None,
):  # fmt: skip
    onset, size, far = SITES[site]
    time_ms = np.arange(round((before_ms + 45) * rate / 1000)) * 1000 / rate - before_ms
    samples = cmap(time_ms, onset + delay_ms, size)
    samples = samples + np.random.default_rng(number).normal(0, 0.003, len(time_ms))
    for at in [delay_ms, *([] if second_ms is None else [second_ms])]:
        end = at + 0.2
        samples = samples + artefact_mv * ((time_ms >= at) & (time_ms < end))
        tail = np.exp(-np.clip(time_ms - end, 0, None) / decay_ms)
        samples = samples - 0.6 * artefact_mv * np.where(time_ms >= end, tail, 0)
    place = Site("ulnar", "right", "adm", site)
    made = Trace(samples, rate, round(before_ms * rate / 1000), place, "u", "motor", Stimulus(far))
    return replace(made, sweep=number)


def find_pulse(trace):
    rate, index = [trace.sampling_rate_hz], [trace.stimulus_index]
    (found,) = answers(rows_of([trace.samples_mv]), rate, index, [-1], [0.0], doubts.limits())
    return found.pulse


def questioned(traces, *given, **told):
    return doubts.questioned(traces, *given, **told)[:2]


def study(**given):
    both = [sweep(site, number=n, **given) for n, site in enumerate(SITES)]
    made, decisions = questioned(both, "u", delay_ms=None, is_polarity_told=True)
    return Study("s", made, decisions=tuple(decisions))


@pytest.mark.parametrize("rate", [8_000.0, 20_000.0, 50_000.0])
@pytest.mark.parametrize("delay_ms", [-3.0, -1.5, 1.5, 3.0, 5.0])
@pytest.mark.parametrize("artefact_mv", [0.4, -3.0, 15.0])
def test_a_pulse_beside_the_marker_is_found(rate, delay_ms, artefact_mv):
    trace = sweep(delay_ms=delay_ms, artefact_mv=artefact_mv, rate=rate)
    at = find_pulse(trace)
    assert (at - trace.stimulus_index) * 1000 / rate == pytest.approx(delay_ms, abs=0.3)


@pytest.mark.parametrize("delay_ms", [-3.0, -1.5, 1.5, 3.0])
def test_latencies_are_counted_from_the_pulse(delay_ms):
    result = ncs_cb.analyze(study(delay_ms=delay_ms))
    assert list(result.traces["onset_latency_ms"]) == pytest.approx([3.2, 7.0], abs=0.15)
    assert list(result.traces["negative_peak_amplitude_mv"]) == pytest.approx([8.4, 2.9], rel=0.02)
    assert all("stimulus_realigned" in names for names in result.traces["quality_flags"])


def test_a_response_without_artefact_is_no_pulse():
    for rate in (5_000.0, 20_000.0):
        for site in SITES:
            found = find_pulse(sweep(site, artefact_mv=0.0, rate=rate))
            assert found != DOUBTED
            assert found == NOT_SEEN or abs(found - round(9 * rate / 1000)) < 12


def test_two_pulses_leave_the_time_uncertain():
    (trace,), decisions = questioned(
        [sweep(delay_ms=1.5, second_ms=5.5)], "u", delay_ms=None, is_polarity_told=True
    )
    assert "stimulus_time_uncertain" in trace.flags
    assert "two sharp deflections" in decisions[0].reason


def test_a_sweep_without_artefact_among_late_ones_is_uncertain():
    late, silent = sweep(delay_ms=2.0), sweep("below_elbow", 2.0, artefact_mv=0.0, number=1)
    (one, other), _ = questioned([late, silent], "u", delay_ms=None, is_polarity_told=True)
    assert "stimulus_realigned" in one.flags
    assert "stimulus_time_uncertain" in other.flags


def test_a_trigger_after_an_unseen_pulse_is_noticed_by_the_latency_that_is_left():
    result = ncs_cb.analyze(study(delay_ms=-2.0, artefact_mv=0.0))
    assert all("stimulus_time_uncertain" in names for names in result.traces["quality_flags"])
    healthy = ncs_cb.analyze(study(artefact_mv=0.0))
    assert not any("stimulus_time" in names for names in healthy.traces["quality_flags"])


def test_times_that_start_at_the_window_are_noticed():
    def of_window(artefact_mv):
        both = [sweep(s, artefact_mv=artefact_mv, number=n) for n, s in enumerate(SITES)]
        both = [replace(t, stimulus_index=0) for t in both]
        made, _ = questioned(both, "u", delay_ms=None, is_polarity_told=True)
        return ncs_cb.analyze(Study("s", made)).traces

    seen = of_window(4.0)
    assert list(seen["onset_latency_ms"]) == pytest.approx([3.2, 7.0], abs=0.15)
    assert all("stimulus_realigned" in names for names in seen["quality_flags"])
    unseen = of_window(0.0)
    assert all("stimulus_time_uncertain" in names for names in unseen["quality_flags"])


@pytest.mark.parametrize("delay_ms", [-15.0, -9.5, 7.5, 10.0, 20.0])
def test_a_pulse_far_from_the_markers_of_all_sites_is_the_stimulus(delay_ms):
    result = ncs_cb.analyze(study(delay_ms=delay_ms, before_ms=24.0))
    assert list(result.traces["onset_latency_ms"]) == pytest.approx([3.2, 7.0], abs=0.15)
    assert all("stimulus_realigned" in names for names in result.traces["quality_flags"])


@pytest.mark.parametrize("delay_ms", [9.0, 12.0, 15.0, 22.0])
@pytest.mark.parametrize("late", SITES)
def test_one_site_whose_pulse_comes_far_behind_its_marker_is_counted_from_it(delay_ms, late):
    both = [
        sweep(s, delay_ms if s == late else 0.0, number=n, before_ms=20.0)
        for n, s in enumerate(SITES)
    ]
    made, _ = questioned(both, "u", delay_ms=None, is_polarity_told=True)
    result = ncs_cb.analyze(Study("s", made))
    assert list(result.traces["onset_latency_ms"]) == pytest.approx([3.2, 7.0], abs=0.15)
    assert list(result.traces["negative_peak_amplitude_mv"]) == pytest.approx([8.4, 2.9], rel=0.02)


def test_what_is_sharp_far_from_the_marker_of_one_site_alone_is_no_stimulus():
    made, decisions = questioned(
        [sweep("wrist", 11.0, before_ms=24.0)], "u", delay_ms=None, is_polarity_told=True
    )
    assert [t.stimulus_index for t in made] == [24 * 20]
    assert not decisions


def test_the_site_whose_pulse_is_not_seen_among_far_ones_is_uncertain():
    three = [sweep(s, 11.0, number=n, before_ms=24.0) for n, s in enumerate(SITES)]
    silent = replace(
        sweep("wrist", 11.0, 0.0, number=4), site=Site("ulnar", "right", "adm", "axilla")
    )
    made, _ = questioned([*three, silent], "u", delay_ms=None, is_polarity_told=True)
    assert ["stimulus_realigned" in t.flags for t in made] == [True, True, False]
    assert "stimulus_time_uncertain" in made[2].flags


@pytest.mark.parametrize("delay_ms", [-22.0, -18.0, -15.0, -9.0])
def test_a_response_before_the_marker_is_not_absent_and_makes_no_block(delay_ms):
    both = [
        sweep("wrist", 0.0, 0.0, before_ms=30.0),
        sweep("below_elbow", delay_ms, 0.0, number=1, before_ms=30.0),
    ]
    result = ncs_cb.analyze(Study("s", both), supramaximal=True)
    flags = result.traces["quality_flags"].tolist()
    assert "response_absent" not in flags[1]
    assert "response_begun_before_sweep" in flags[1]
    assert set(result.verdicts["conduction_block"]) <= {"undetermined", "not_covered"}


def test_noise_before_the_marker_is_no_response():
    both = [sweep("wrist", artefact_mv=0.0), sweep("below_elbow", artefact_mv=0.0, number=1)]
    silent = replace(both[1], samples_mv=np.random.default_rng(3).normal(0, 0.003, 1080))
    flags = ncs_cb.analyze(Study("s", [both[0], silent])).traces["quality_flags"].tolist()
    assert "response_absent" in flags[1]


@pytest.mark.parametrize("delay_ms", [-20.0, 20.0])
def test_an_unseen_pulse_far_from_the_marker_is_noticed(delay_ms):
    # 20 ms early the latencies are negative or those of no nerve, 20 ms late those of no disease.
    result = ncs_cb.analyze(study(delay_ms=delay_ms, artefact_mv=0.0, before_ms=30.0))
    seen = result.traces.dropna(subset="onset_latency_ms")
    assert all("stimulus_time_uncertain" in names for names in seen["quality_flags"])
    assert len(seen) or delay_ms < 0


def test_a_delay_that_is_told_is_believed():
    both = [sweep(s, 2.5, number=n) for n, s in enumerate(SITES)]
    made, _ = questioned(both, "u", delay_ms=2.5, is_polarity_told=True)
    result = ncs_cb.analyze(Study("s", made))
    assert list(result.traces["onset_latency_ms"]) == pytest.approx([3.2, 7.0], abs=0.15)


@pytest.mark.parametrize(("until_ms", "is_flagged"), [(3.8, True), (2.2, False)])
def test_an_onset_at_the_edge_of_a_held_stretch_is_no_onset(until_ms, is_flagged):
    made = sweep(artefact_mv=0.0)
    samples = np.array(made.samples_mv)
    end = made.stimulus_index + round(until_ms * made.sampling_rate_hz / 1000)
    samples[made.stimulus_index : end] = 0.0
    held = replace(made, samples_mv=samples)
    (found,), _ = questioned([held], "u", delay_ms=None, is_polarity_told=True)
    assert ("artifact_overlaps_onset" in found.flags) is is_flagged


@pytest.mark.parametrize("rail_mv", [16.0, -16.0])
@pytest.mark.parametrize("is_under_way", [False, True])
def test_a_rail_before_the_response_hides_no_onset(rail_mv, is_under_way):
    made = sweep(artefact_mv=0.0)
    samples = np.array(made.samples_mv)
    end = made.stimulus_index + round((4.6 if is_under_way else 1.4) * 20)
    samples[made.stimulus_index : end] = rail_mv
    held = replace(made, samples_mv=samples)
    (found,), _ = questioned([held], "u", delay_ms=None, is_polarity_told=True)
    if is_under_way:
        assert "artifact_overlaps_onset" in found.flags
        return
    row = ncs_cb.analyze(Study("s", (found,))).traces.iloc[0]
    assert "artifact_overlaps_onset" not in row["quality_flags"]
    assert row["onset_latency_ms"] == pytest.approx(3.2, abs=0.15)


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_the_quick_median_is_the_usual_median(values):
    assert level.median(np.array(values)) == np.median(values)
