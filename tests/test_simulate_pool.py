"""The pool: synthesis, sizes, lesions, recording, markers and cohorts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ncs_cb import simulate
from ncs_cb.simulate import Amplifier, Disturbance, PoolSettings, markers
from ncs_cb.simulate.lesions import CHOICES, choose_units, draw_delays, lose_axons
from ncs_cb.simulate.pool import calibrate, conduct, draw_pools, respond
from ncs_cb.simulate.recording import disturb, filter_as_amplifier, quantize
from ncs_cb.simulate.synthesis import synthesize
from ncs_cb.simulate.waveforms import Shapes, motor_unit_parts, sensory_fiber_parts

QUIET = Disturbance()


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def summed_one_by_one(arrival_ms, weight, shapes, setting, kind):
    """The oracle: every unit's potential at its own time, on a fine grid, then filtered."""
    fine = 8
    rate = setting.sampling_rate_hz * fine
    time_ms = (np.arange(setting.n_samples * fine) / fine - setting.stimulus_index) * (
        1e3 / setting.sampling_rate_hz
    )
    parts_of = motor_unit_parts if kind == "motor" else sensory_fiber_parts
    total = np.zeros((len(arrival_ms), len(time_ms)))
    for row, unit in np.ndindex(*arrival_ms.shape):
        width = np.exp(shapes.log_width[row, unit])
        heights = (1.0, shapes.positive[row, 0], shapes.afterwave[row, 0], shapes.initial[row, 0])
        potential = np.asarray(heights) @ parts_of((time_ms - arrival_ms[row, unit]) / width)
        total[row] += weight[row, unit] * potential / width
    filtered = filter_as_amplifier(
        total, rate, high_pass_hz=setting.high_pass_hz, low_pass_hz=setting.low_pass_hz
    )
    return filtered[:, ::fine]


@pytest.mark.parametrize("kind", ["motor", "sensory"])
@pytest.mark.parametrize(("rate_hz", "high_pass_hz"), [(5_000, 2), (20_000, 20), (48_000, 2)])
def test_the_fast_sum_equals_the_sum_of_every_unit_potential(kind, rate_hz, high_pass_hz):
    draw = rng()
    setting = Amplifier(rate_hz, int(0.04 * rate_hz), int(0.001 * rate_hz), high_pass_hz, 10_000)
    arrival, weight = draw.uniform(2, 18, (2, 25)), draw.uniform(0.1, 1.0, (2, 25))
    shapes = Shapes(
        draw.normal(0, 0.2, (2, 25)),
        draw.uniform(0.3, 0.6, (2, 1)),
        draw.uniform(0.03, 0.1, (2, 1)),
        draw.uniform(0.0, 0.3, (2, 1)),
    )
    fast = synthesize(arrival, weight, setting=setting, kind=kind, shapes=shapes)
    slow = summed_one_by_one(arrival, weight, shapes, setting, kind)
    # 0.1 %: interpolation of arrival times and 13 components of the family of shapes.
    assert np.abs(fast - slow).max() < 1e-3 * np.abs(slow).max()


def test_a_delay_of_a_fraction_of_a_sample_moves_the_trace_by_that_fraction():
    setting = Amplifier(high_pass_hz=None)
    shapes = Shapes(np.zeros((1, 1)), *(np.full((1, 1), v) for v in (0.46, 0.06, 0.0)))
    onset = [
        markers(
            synthesize(np.array([[at]]), np.ones((1, 1)), setting=setting, shapes=shapes), setting
        ).negative_peak_latency_ms[0]
        for at in (5.0, 5.013, 5.037)
    ]
    assert onset[1] - onset[0] == pytest.approx(0.013, abs=1e-4)
    assert onset[2] - onset[0] == pytest.approx(0.037, abs=1e-4)


def test_the_same_generator_gives_the_same_bits_whatever_the_batch(monkeypatch):
    first = simulate.pairs(7, rng=rng(5))
    again = simulate.pairs(7, rng=rng(5))
    assert np.array_equal(first.distal_mv, again.distal_mv)
    assert np.array_equal(first.proximal_mv, again.proximal_mv)
    assert not np.array_equal(first.distal_mv, simulate.pairs(7, rng=rng(6)).distal_mv)
    monkeypatch.setattr("ncs_cb.simulate.synthesis._CHUNK", 3)
    np.testing.assert_allclose(simulate.pairs(7, rng=rng(5)).distal_mv, first.distal_mv, atol=1e-12)


def test_unit_sizes_span_the_published_share_of_the_response():
    # Doherty: 0.015 to 5.3 % of the maximal area, thenar.
    size = 100.0 * draw_pools(rng(), 200, n_units=230).size
    assert np.quantile(size, 0.001) == pytest.approx(0.015, abs=0.02)
    assert 3.0 < np.quantile(size, 0.9999) < 8.0
    assert np.allclose(size.sum(axis=1), 100.0)


def test_faster_units_are_larger_by_the_stated_correlation():
    pool = draw_pools(rng(), 100, n_units=200)
    ranks = [values.ravel().argsort().argsort() for values in (pool.size, -pool.slowness)]
    assert np.corrcoef(*ranks)[0, 1] == pytest.approx(0.4, abs=0.05)


def test_velocities_spread_as_published_and_wider_with_age():
    young, old = (draw_pools(rng(), 50, n_units=230, age_years=age) for age in (25, 75))
    spread = [1.0 - 1.0 / pool.slowness.max(axis=1).mean() for pool in (young, old)]
    # Thenar axons of 34 to 66 m/s; the slowest are 1.85 times 25 % below the fastest at 25 years,
    # and 1.85 times 0.13 % more per year.
    assert 0.35 < spread[0] < 0.50
    assert spread[1] - spread[0] == pytest.approx(1.85 * 0.065, abs=0.03)


def test_a_calibrated_pool_has_the_amplitude_and_latency_asked_for():
    setting = Amplifier(high_pass_hz=3.0)
    pool = draw_pools(rng(), 20)
    time_ms = conduct(pool, rng(2), np.array([[1.6]]))[..., 0]
    pool = calibrate(pool, time_ms, setting=setting, amplitude_mv=8.0, latency_ms=3.4)
    found = markers(respond(pool, time_ms, setting=setting), setting)
    np.testing.assert_allclose(found.negative_peak_amplitude_mv, 8.0, rtol=2e-3)
    np.testing.assert_allclose(found.onset_latency_ms, 3.4, atol=0.01)


@pytest.mark.parametrize("choice", CHOICES)
def test_blocked_units_make_up_the_share_of_the_signal(choice):
    pool = draw_pools(rng(), 50, n_units=200)
    share = np.linspace(0.0, 1.0, 50)
    blocked = choose_units(pool, rng(2), share, choice=choice)
    found = (pool.size * blocked).sum(axis=1)
    # Never off by more than half of the largest unit.
    assert np.all(np.abs(found - share) <= 0.5 * pool.size.max(axis=1) + 1e-12)


def test_largest_and_fastest_units_are_taken_first():
    pool = draw_pools(rng(), 1, n_units=100)
    large = choose_units(pool, rng(2), 0.3, choice="largest")[0]
    assert pool.size[0][large].min() > pool.size[0][~large].max()
    fast = choose_units(pool, rng(2), 0.3, choice="fastest", of="units")[0]
    assert fast.sum() == 30
    assert pool.slowness[0][fast].max() < pool.slowness[0][~fast].min()


def test_thirty_percent_of_the_largest_units_carry_more_than_half_of_the_signal():
    # Design reference, 7.3, conclusion 5: 57 % with a size spread of 0.7.
    pool = draw_pools(rng(), 100, size_log_sd=0.7)
    chosen = choose_units(pool, rng(2), 0.3, choice="largest", of="units")
    assert (pool.size * chosen).sum(axis=1).mean() == pytest.approx(0.57, abs=0.03)


def test_an_unknown_choice_or_share_is_refused():
    pool = draw_pools(rng(), 1, n_units=5)
    with pytest.raises(ValueError, match="unknown choice 'bigest'"):
        choose_units(pool, rng(), 0.5, choice="bigest")
    with pytest.raises(ValueError, match="between 0 and 1"):
        choose_units(pool, rng(), 1.5)
    with pytest.raises(ValueError, match="unknown shape of delays"):
        draw_delays(pool, rng(), shape="gauss")


@pytest.mark.parametrize(
    ("shape", "mean"),
    [("uniform", 3.0), ("normal", 3.0), ("exponential", 1.9), ("two_groups", 3.15)],
)
def test_delays_are_never_negative_and_have_the_stated_mean(shape, mean):
    pool = draw_pools(rng(), 50, n_units=400)
    delay = draw_delays(pool, rng(3), shape=shape, delay_ms=6.0)
    assert delay.min() >= 0.0
    assert delay.mean() == pytest.approx(mean, rel=0.04)
    half = draw_delays(pool, rng(3), shape=shape, delay_ms=6.0, share=0.5)
    assert (half > 0.0).mean() == pytest.approx(0.5 * (delay > 0.0).mean(), abs=0.02)


def test_lost_axons_leave_the_signal_that_reinnervation_does_not_regain():
    pool = draw_pools(rng(), 30, n_units=100)
    left = lose_axons(pool, rng(2), 0.6)
    assert np.all((left.size > 0.0).sum(axis=1) == 40)
    regained = lose_axons(pool, rng(2), 0.6, reinnervation=1.0)
    np.testing.assert_allclose(regained.size.sum(axis=1), 1.0)


@pytest.mark.parametrize("corner_hz", [2.0, 3.0, 5.0, 10.0, 20.0])
def test_the_high_pass_is_first_order_and_causal(corner_hz):
    rate_hz = 20_000.0
    step = np.zeros((1, 4000))
    step[0, 1000:] = 1.0
    out = filter_as_amplifier(step, rate_hz, high_pass_hz=corner_hz, low_pass_hz=None)[0]
    assert np.all(out[:1000] == 0.0)
    after = np.exp(-2.0 * np.pi * corner_hz * 0.1)
    assert out[3000] == pytest.approx(after, rel=5e-3)


def test_the_low_pass_halves_the_power_at_its_corner():
    rate_hz, corner_hz = 50_000.0, 3_000.0
    wave = np.sin(2.0 * np.pi * corner_hz * np.arange(20_000) / rate_hz)[None]
    out = filter_as_amplifier(wave, rate_hz, high_pass_hz=None, low_pass_hz=corner_hz)[0]
    assert out[5000:15000].std() / wave[0, 5000:15000].std() == pytest.approx(2**-0.5, rel=2e-3)


def test_noise_hum_and_artefact_have_the_size_asked_for():
    setting = Amplifier(n_samples=4000, stimulus_index=2000)
    zero = np.zeros((40, 4000))
    noise = disturb(zero, setting, Disturbance(noise_mv=0.02), rng())
    assert noise.std() == pytest.approx(0.02, rel=0.01)
    hum = disturb(zero, setting, Disturbance(hum_mv=0.3), rng())
    assert np.sqrt(2.0) * hum.std() == pytest.approx(0.3 * np.sqrt(1.04), rel=0.02)
    tail = disturb(
        zero, setting, Disturbance(artefact_mv=5.0, artefact_decay_ms=1.5, artefact_sign=-1), rng()
    )
    assert np.all(tail[:, :2000] == 0.0)
    assert tail[0, 2000 + 4 + 30] == pytest.approx(-5.0 / np.e, rel=1e-6)
    level = disturb(zero, setting, Disturbance(offset_mv=1.0), rng())
    assert np.ptp(level, axis=1).max() == 0.0


def test_quantization_rounds_to_steps_and_clips():
    out = quantize(np.array([0.0, 0.0126, 30.0, -30.0]), range_mv=25.6, bits=12)
    np.testing.assert_allclose(out, [0.0, 0.0125, 25.6 - 0.0125, -25.6])


def test_markers_of_a_triangle_are_those_of_geometry():
    setting = Amplifier(10_000.0, 300, 100)
    ramp = np.interp(np.arange(300), [120, 140, 160, 180, 200], [0.0, 4.0, 0.0, -2.0, 0.0])
    found = markers(ramp, setting)
    assert found.onset_latency_ms[0] == pytest.approx(2.0 + 0.01 * 2.0, abs=1e-9)
    assert found.negative_peak_latency_ms[0] == pytest.approx(4.0)
    assert found.negative_peak_amplitude_mv[0] == pytest.approx(4.0)
    assert found.peak_to_peak_amplitude_mv[0] == pytest.approx(6.0)
    assert found.negative_peak_duration_ms[0] == pytest.approx(4.0 - 0.02)
    assert found.negative_peak_area_mv_ms[0] == pytest.approx(8.0)


def test_markers_count_late_phases_that_reach_five_percent_only():
    setting = Amplifier(10_000.0, 400, 0)
    late = np.interp(
        np.arange(400), [20, 60, 100, 120, 160, 200, 220, 240, 260], [0, 10, 0, -3, 0, 2, 0, 0.4, 0]
    )
    found = markers(late, setting)
    assert found.total_negative_area_mv_ms[0] == pytest.approx(40.0 + 6.0)
    assert found.total_negative_duration_ms[0] == pytest.approx(20.0 - 0.04)
    assert found.negative_peak_area_mv_ms[0] == pytest.approx(40.0)


def test_markers_of_a_cut_or_silent_trace_are_not_a_number():
    setting = Amplifier(10_000.0, 100, 0)
    cut = markers(np.linspace(0.0, 1.0, 100), setting)
    assert np.isnan(cut.negative_peak_duration_ms[0])
    assert np.isnan(cut.total_negative_area_mv_ms[0])
    assert np.isnan(markers(np.zeros((1, 100)), setting).onset_latency_ms[0])


def test_a_mixed_cohort_goes_round_the_four_scenarios():
    truth = simulate.pairs(8, rng=rng(), blocked=0.5, longest_delay_ms=5.0).truth
    assert np.array_equal(truth.blocked_fraction > 0.0, [True, False, False, True] * 2)
    assert np.array_equal(truth.longest_delay_ms > 0.0, [False, True, False, True] * 2)


def test_block_alone_takes_its_share_of_the_area():
    made = simulate.pairs(100, rng=rng(), scenario="block", choice="random")
    truth = made.truth
    area = 1.0 - truth.proximal.total_negative_area_mv_ms / truth.distal.total_negative_area_mv_ms
    seen = truth.blocked_fraction < 0.85
    # Healthy dispersion costs a few percent more, and few units left scatter.
    assert np.median(np.abs(area - truth.blocked_fraction)[seen]) < 0.03


def test_dispersion_alone_blocks_nothing_and_costs_more_amplitude_than_area():
    truth = simulate.pairs(
        60,
        rng=rng(),
        scenario="dispersion",
        longest_delay_ms=8.0,
        delay_shape="uniform",
        delayed_share=1.0,
    ).truth
    amplitude = (
        1 - truth.proximal.negative_peak_amplitude_mv / truth.distal.negative_peak_amplitude_mv
    )
    area = 1 - truth.proximal.total_negative_area_mv_ms / truth.distal.total_negative_area_mv_ms
    assert np.all(truth.blocked_fraction == 0.0)
    # Design reference, 7.3: uniform delays up to 8 ms cost 60 % of amplitude, 21 % of area.
    assert amplitude.mean() == pytest.approx(0.60, abs=0.06)
    assert area.mean() == pytest.approx(0.21, abs=0.06)
    # Standard deviation of a uniform distribution, and the healthy spread beside it.
    assert truth.added_dispersion_ms.mean() == pytest.approx(8.0 / np.sqrt(12.0), abs=0.1)


def test_the_truth_of_a_pair_is_what_the_arrays_say():
    settings = PoolSettings(
        n_units=200,
        amplitude_mv=10.0,
        distal_latency_ms=3.0,
        length_mm=200.0,
        velocity_m_per_s=50.0,
    )
    made = simulate.pairs(30, rng=rng(), scenario="healthy", pool=settings, disturbance=QUIET)
    truth = made.truth
    np.testing.assert_allclose(truth.distal.negative_peak_amplitude_mv, 10.0, rtol=2e-3)
    np.testing.assert_allclose(made.distal_mv.max(axis=1), 10.0, rtol=2e-3)
    measured = truth.proximal.onset_latency_ms - truth.distal.onset_latency_ms
    assert measured.mean() == pytest.approx(4.0, abs=0.12)
    assert np.all(truth.delay_ms > measured)


def test_a_submaximal_stimulus_is_not_block():
    truth = simulate.pairs(20, rng=rng(), scenario="healthy", submaximal_proximal=0.5).truth
    assert np.all(truth.blocked_fraction == 0.0)
    np.testing.assert_allclose(truth.not_excited_fraction, 0.5, atol=0.05)
    ratio = truth.proximal.total_negative_area_mv_ms / truth.distal.total_negative_area_mv_ms
    assert ratio.mean() == pytest.approx(0.5, abs=0.07)


def test_one_centimeter_of_electrode_shift_changes_the_amplitude_as_published():
    # Muscle Nerve 1994;17:1286: by up to 32 % per cm.
    settings = PoolSettings(length_mm=5.0)
    truth = simulate.pairs(
        60, rng=rng(), scenario="healthy", electrode_shift_mm=10.0, pool=settings
    ).truth
    change = truth.proximal.negative_peak_amplitude_mv / truth.distal.negative_peak_amplitude_mv - 1
    assert 0.05 < np.abs(change).mean() < 0.32
    assert np.abs(change).max() < 0.4


def test_other_filters_and_co_stimulation_change_the_proximal_response_only():
    plain = simulate.pairs(5, rng=rng(), scenario="healthy", disturbance=QUIET)
    filtered = simulate.pairs(
        5, rng=rng(), scenario="healthy", disturbance=QUIET, proximal_high_pass_hz=20.0
    )
    assert np.array_equal(plain.distal_mv, filtered.distal_mv)
    assert np.all(
        filtered.truth.proximal.negative_peak_amplitude_mv
        < plain.truth.proximal.negative_peak_amplitude_mv
    )
    both = simulate.pairs(5, rng=rng(), scenario="healthy", disturbance=QUIET, co_stimulation=0.4)
    assert np.array_equal(plain.distal_mv, both.distal_mv)
    assert np.abs(both.proximal_mv - plain.proximal_mv).max() > 0.5


def test_an_unknown_scenario_is_refused_with_the_nearest_name():
    with pytest.raises(ValueError, match="Did you mean 'dispersion'"):
        simulate.pairs(1, rng=rng(), scenario="dispersal")


def test_traces_can_be_absent_first_positive_and_cold():
    made = simulate.traces(200, rng=rng(), absent_share=0.25)
    silent = np.abs(made.noise_free_mv).max(axis=1) == 0.0
    assert silent.mean() == pytest.approx(0.25, abs=0.1)
    assert np.array_equal(np.isnan(made.truth.onset_latency_ms), silent)
    positive = simulate.traces(10, rng=rng(), initial_positivity=0.5)
    for trace, onset in zip(positive.noise_free_mv, positive.truth.onset_latency_ms, strict=True):
        before = trace[20 : 20 + int(onset * 20)]
        assert before.min() < -0.05
    warm, cold = (simulate.traces(10, rng=rng(), width_factor=f).truth for f in (1.0, 1.3))
    ratio = cold.negative_peak_duration_ms / warm.negative_peak_duration_ms
    assert np.all((ratio > 1.1) & (ratio < 1.35))


def test_a_wrist_response_looks_like_a_response_of_the_textbook():
    made = simulate.traces(
        100, rng=rng(), pool=PoolSettings(amplitude_mv=10.0), setting=Amplifier()
    )
    truth = made.truth
    rise = truth.negative_peak_latency_ms - truth.onset_latency_ms
    positive = truth.peak_to_peak_amplitude_mv - truth.negative_peak_amplitude_mv
    assert 4.8 < truth.negative_peak_duration_ms.mean() < 6.0
    assert 1.8 < rise.mean() < 3.0
    assert 0.25 < (positive / truth.negative_peak_amplitude_mv).mean() < 0.75
    net = made.noise_free_mv.sum(axis=1) / 20.0 / truth.negative_peak_area_mv_ms
    # Of real responses 9 to 13 % of the negative area.
    assert 0.06 < net.mean() < 0.16


def test_a_healthy_response_loses_area_with_distance_as_published():
    pool = PoolSettings(length_mm=(300.0, 300.0), velocity_m_per_s=60.0, age_years=45.0)
    truth = simulate.pairs(100, rng=rng(), scenario="healthy", pool=pool).truth
    near, far = (m.total_negative_area_mv_ms for m in (truth.distal, truth.proximal))
    loss = 100.0 * np.mean(1.0 - far / near)
    # Olney 1987: 7.4 % of the ulnar response from wrist to above the elbow.
    assert 4.0 < loss < 8.0


def test_a_second_muscle_and_a_far_field_are_drawn_with_the_response():
    plain = simulate.traces(20, rng=rng())
    double = simulate.traces(20, rng=rng(), pool=PoolSettings(second_muscle=0.3))
    onset = plain.truth.onset_latency_ms
    np.testing.assert_allclose(double.truth.onset_latency_ms, onset, atol=1.0)
    assert not np.allclose(double.noise_free_mv, plain.noise_free_mv, atol=0.05)
    far = simulate.traces(20, rng=rng(), far_field=0.05)
    dip = (far.samples_mv - far.noise_free_mv).min(axis=1)
    np.testing.assert_allclose(dip, -0.05 * far.truth.negative_peak_amplitude_mv, rtol=0.02)
    assert np.array_equal(far.noise_free_mv, plain.noise_free_mv)


def test_interference_has_the_size_asked_for_and_changes_nothing_else():
    setting = Amplifier(n_samples=4000, stimulus_index=200)
    flat = np.zeros((200, 4000))
    base = Disturbance(noise_mv=0.001, hum_mv=0.01)
    plain = disturb(flat, setting, base, rng())
    slow = disturb(flat, setting, replace(base, one_over_f_mv=0.02), rng()) - plain
    spectrum = np.square(np.abs(np.fft.rfft(slow, axis=1))).mean(axis=0)
    assert slow.std() == pytest.approx(0.02, rel=0.2)
    # Power falls with frequency: 100 Hz against 1 kHz, each over an octave.
    assert spectrum[20:40].mean() / spectrum[200:400].mean() == pytest.approx(10.0, rel=0.2)
    richer = disturb(flat, setting, replace(base, hum_harmonics=1.0), rng()) - plain
    assert 0.003 < richer.std() < 0.006
    swing = disturb(flat, setting, replace(base, recovery_mv=0.5, recovery_ms=6.0), rng()) - plain
    assert np.all(swing[:, :200] == 0.0)
    assert 0.3 < np.abs(swing).max() < 0.5
    pulse = Disturbance(artefact_mv=2.0, artefact_pulse_ms=0.5, artefact_is_biphasic=True)
    trace = disturb(flat[:1], setting, replace(pulse, artefact_sign=1), rng())[0]
    assert trace[209] == pytest.approx(2.0)
    assert trace[219] == pytest.approx(-1.8)


def test_disturbing_does_not_change_the_noise_free_traces():
    setting = replace(Amplifier(), n_samples=600)
    clean = simulate.traces(3, rng=rng(), setting=setting).noise_free_mv
    before = clean.copy()
    disturb(clean, setting, Disturbance(noise_mv=1.0, artefact_mv=3.0), rng())
    assert np.array_equal(clean, before)


def test_the_overshoot_of_the_high_pass_is_no_phase_of_the_response():
    made = simulate.traces(20, rng=rng(), setting=Amplifier(high_pass_hz=40.0))
    first, total = made.truth.negative_peak_area_mv_ms, made.truth.total_negative_area_mv_ms
    # A 40 Hz corner makes the trace overshoot after its positive phase, here by several percent.
    overshoot = made.noise_free_mv[:, 500:].max(axis=1) / made.noise_free_mv.max(axis=1)
    assert overshoot.max() > 0.05
    np.testing.assert_allclose(total, first)
    blind = markers(made.noise_free_mv, made.setting)
    assert np.any(np.isnan(blind.total_negative_duration_ms))
