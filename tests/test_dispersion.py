"""Block apart from dispersion: the truth of simulated pairs, the laws, and the limits."""

import warnings

import numpy as np
import pandas as pd
import pytest

from ncs_cb import analyze, dispersion, estimate_block, flags, measure_traces, simulate
from ncs_cb.columns import table_columns
from ncs_cb.errors import UnitError
from ncs_cb.model import Site, Stimulus, Study, Trace

RATE = 20_000.0
STIMULUS = 20
SAMPLES = 1020
TIME_MS = (np.arange(SAMPLES) - STIMULUS) / RATE * 1e3


def unit(time_ms, kind="bells"):
    """A surface unit potential: negative phase first, then a longer and shallower positive one."""
    if kind == "bells":
        first = np.exp(-0.5 * ((time_ms - 3.0) / 1.1) ** 2) / 1.1
        return 2.0 * (first - 0.9 * np.exp(-0.5 * ((time_ms - 7.5) / 2.4) ** 2) / 2.4)
    first = np.where((time_ms > 0) & (time_ms < 5.2), np.sin(np.pi * time_ms / 5.2), 0.0)
    late = np.clip(time_ms - 5.2, 0.0, 9.0)
    return np.clip(first, 0, 1) ** 1.3 - 0.5 * np.clip(np.sin(np.pi * late / 9.0), 0, 1) ** 1.3


def pool_pair(
    rng,
    *,
    blocked=0.0,
    delays=lambda rng, n: np.zeros(n),
    length_mm=220.0,
    units=230,
    kind="bells",
    noise_mv=0.01,
    amplitude_mv=8.0,
    time_ms=TIME_MS,
):
    """A pool of units with sizes, velocities and extra delays; truth is the share of size."""
    size = np.exp(0.7 * rng.standard_normal(units))
    velocity = np.clip(56 + 3.5 * rng.standard_normal(units), 46, 65)
    distal = 70 / velocity + 2.2 + 0.2 * rng.standard_normal(units)
    proximal = distal + length_mm / velocity + delays(rng, units)
    order = rng.permutation(units)
    gone = np.zeros(units, dtype=bool)
    gone[order] = np.cumsum(size[order]) - 0.5 * size[order] < blocked * size.sum()
    traces = [
        (weight[:, None] * unit(time_ms - arrival[:, None], kind)).sum(axis=0)
        for weight, arrival in ((size, distal), (np.where(gone, 0.0, size), proximal))
    ]
    gain = amplitude_mv / traces[0].max()
    noisy = [gain * trace + noise_mv * rng.standard_normal(time_ms.size) for trace in traces]
    return (*noisy, size[gone].sum() / size.sum())


def uniform(top_ms):
    return lambda rng, n: rng.uniform(0.0, top_ms, n)


def exponential(mean_ms):
    return lambda rng, n: rng.exponential(mean_ms, n)


def two_groups(gap_ms, share=0.5):
    return lambda rng, n: np.where(rng.random(n) < share, gap_ms, 0.0) + rng.uniform(0, 0.5, n)


DELAYS = {
    "none": lambda rng, n: np.zeros(n),
    "uniform 4 ms": uniform(4.0),
    "uniform 10 ms": uniform(10.0),
    "exponential 2 ms": exponential(2.0),
    "two groups 3 ms apart": two_groups(3.0),
    "two groups 8 ms apart": two_groups(8.0, 0.4),
}


def pair_of(seed, **settings):
    return pool_pair(np.random.default_rng(seed), **settings)


def estimate(distal, proximal, **overrides):
    settings = {"sampling_rate_hz": RATE, "stimulus_index": STIMULUS} | overrides
    return estimate_block(distal, proximal, **settings)


def raised(table, row=0):
    return flags.split(table["quality_flags"].iloc[row])


@pytest.fixture(scope="module")
def cohort():
    """Pairs of mixed block and dispersion: distal, proximal and truth, one row each."""
    rng = np.random.default_rng(20_240)
    kinds = list(DELAYS.values())
    pairs = [
        pool_pair(
            rng,
            blocked=rng.uniform(0, 0.95),
            delays=kinds[i % len(kinds)],
            kind=("bells", "sine")[i % 2],
            length_mm=rng.uniform(100, 450),
        )
        for i in range(72)
    ]
    return tuple(np.array(part) for part in zip(*pairs, strict=True))


@pytest.fixture(scope="module")
def found(cohort):
    return estimate(cohort[0], cohort[1])


def area_reduction(distal, proximal):
    return 1 - np.clip(proximal, 0, None).sum(axis=1) / np.clip(distal, 0, None).sum(axis=1)


# ------------------------------------------------------------------ truth


def test_mean_error_on_mixed_pairs_is_within_the_target(cohort, found):
    error = np.abs(found["blocked_fraction"].to_numpy() - cohort[2])
    assert error.mean() <= 0.02
    assert np.quantile(error, 0.95) <= 0.05


def test_error_is_at_most_a_quarter_of_that_of_area_reduction(cohort, found):
    error = np.abs(found["blocked_fraction"].to_numpy() - cohort[2]).mean()
    assert error <= 0.25 * np.abs(area_reduction(*cohort[:2]) - cohort[2]).mean()


def width_of(table):
    return table["blocked_fraction_high"] - table["blocked_fraction_low"]


def covered(table, truth):
    return (table["blocked_fraction_low"] <= truth) & (truth <= table["blocked_fraction_high"])


@pytest.fixture(scope="module")
def proven(cohort):
    """The cohort's estimates when both stimuli are attested to be supramaximal."""
    return estimate(cohort[0], cohort[1], supramaximal=True)


def test_interval_covers_the_truth_at_least_as_often_as_it_says(cohort, proven):
    assert covered(proven, cohort[2]).mean() >= 0.9
    # Most of it is room for what two traces cannot show: an electrode that moved, a neighbor.
    assert width_of(proven).median() < 0.45


def test_the_more_is_blocked_the_less_an_electrode_that_moved_matters(cohort, proven):
    severe, slight = cohort[2] > 0.8, cohort[2] < 0.3
    assert width_of(proven)[severe].median() < 0.75 * width_of(proven)[slight].median()
    assert (proven["blocked_fraction_low"][severe] > 0.5).all()


def test_without_a_word_on_the_stimuli_the_interval_claims_no_block(cohort, found, proven):
    assert (found["blocked_fraction_low"] == 0.0).all()
    assert (proven["blocked_fraction_low"] > 0.1).mean() > 0.5
    same = ["blocked_fraction", "delay_ms", "residual_pct"]
    pd.testing.assert_frame_equal(found[same], proven[same], check_exact=True)
    # A distal stimulus too weak would hide block, the more the more arrives.
    hidden = (found["blocked_fraction_high"] - proven["blocked_fraction_high"])[cohort[2] < 0.3]
    assert hidden.min() > 0.01
    assert hidden.max() < 0.15
    unproven = found["quality_flags"].str.contains("estimate_stimulus_unproven")
    assert unproven.tolist() == (proven["blocked_fraction_low"] > 0.1).tolist()
    assert not proven["quality_flags"].str.contains("estimate_stimulus_unproven").any()


def test_stimuli_known_to_be_submaximal_open_both_ends(cohort):
    table = estimate(cohort[0][:4], cohort[1][:4], supramaximal=False)
    assert (table["blocked_fraction_low"] == 0.0).all()
    assert (table["blocked_fraction_high"] == 1.0).all()


def test_a_collision_that_excludes_a_neighbor_makes_the_interval_narrow(cohort, proven):
    site = Site("ulnar", "right", "adm", "wrist")
    stimuli = (Stimulus(is_supramaximal=True), Stimulus(is_supramaximal=True, collision_used=True))
    pairs = [
        tuple(
            Trace(samples, RATE, STIMULUS, site, "a.edf", stimulus=stimulus)
            for samples, stimulus in zip(both, stimuli, strict=True)
        )
        for both in zip(*cohort[:2], strict=True)
    ]
    alone = dispersion.estimate_segments(pairs)
    assert covered(alone, cohort[2]).mean() >= 0.9
    # The neighbor would have hidden block: the upper end alone moves.
    assert (alone["blocked_fraction_high"] - alone["blocked_fraction"]).median() < 0.07
    assert (proven["blocked_fraction_high"] - proven["blocked_fraction"]).median() > 0.2
    same = ["blocked_fraction", "blocked_fraction_low"]
    pd.testing.assert_frame_equal(alone[same], proven[same], check_exact=True)


FOOLED = {
    "electrode moved by 10 mm": ({"electrode_shift_mm": 10.0}, True),
    "electrode moved by 10 mm, no block": (
        {"electrode_shift_mm": 10.0, "scenario": "healthy"},
        True,
    ),
    "a neighboring nerve answers": ({"co_stimulation": (0.05, 0.3)}, True),
    "proximal stimulus too weak": ({"submaximal_proximal": (0.5, 0.9)}, None),
    "distal stimulus too weak": ({"submaximal_distal": (0.5, 0.9)}, None),
}


@pytest.mark.parametrize("name", FOOLED)
def test_what_two_traces_cannot_show_is_inside_the_interval(name):
    settings, supramaximal = FOOLED[name]
    distal, proximal, truth = simulate.pairs(60, rng=np.random.default_rng(7_340), **settings)
    table = estimate_block(
        distal,
        proximal,
        sampling_rate_hz=truth.setting.sampling_rate_hz,
        stimulus_index=truth.setting.stimulus_index,
        supramaximal=supramaximal,
    )
    blocked = truth.blocked_fraction
    inside = covered(table, blocked)
    warned = table["quality_flags"].str.contains("estimate_proximal_exceeds|estimate_residual")
    far_off = (table["blocked_fraction"] - blocked).abs() > 0.1
    assert inside.mean() >= 0.8
    assert (far_off & ~inside & ~warned).mean() <= 0.1
    assert not ((blocked == 0.0) & (table["blocked_fraction_low"] > 0.1)).any()


def test_a_neighbor_that_answers_unseen_is_inside_the_interval():
    distal, proximal, blocked = pair_of(5)
    lag = 60
    neighbor = 0.05 * np.max(distal) * np.roll(distal, lag) / np.max(distal)
    for sign in (-1.0, 1.0):
        row = estimate(distal, proximal + sign * neighbor).iloc[0]
        assert row["blocked_fraction_low"] <= blocked <= row["blocked_fraction_high"]


@pytest.mark.parametrize("name", DELAYS)
def test_dispersion_alone_is_not_called_block(name):
    distal, proximal, _ = pair_of(3, delays=DELAYS[name])
    table = estimate(distal, proximal)
    assert table["blocked_fraction"].iloc[0] <= 0.04
    assert table["blocked_fraction_low"].iloc[0] <= 0.02


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_block_alone_is_not_called_dispersion(share):
    distal, _, _ = pair_of(4)
    moved = np.concatenate((np.zeros(80), distal[:-80]))
    table = estimate(distal, (1 - share) * moved + 0.0)
    assert table["blocked_fraction"].iloc[0] == pytest.approx(share, abs=0.01)
    assert table["added_dispersion_ms"].iloc[0] < 0.3
    assert table["delay_ms"].iloc[0] == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize(
    ("name", "spread_ms"),
    [
        ("uniform 10 ms", 10 / np.sqrt(12)),
        ("two groups 8 ms apart", 8 * np.sqrt(0.24)),
    ],
)
def test_added_dispersion_is_the_spread_of_the_delays(name, spread_ms):
    distal, proximal, _ = pair_of(5, delays=DELAYS[name], blocked=0.3, units=400)
    table = estimate(distal, proximal)
    # The pool's own velocity spread and the draw of 400 delays add a few per cent.
    assert table["added_dispersion_ms"].iloc[0] == pytest.approx(spread_ms, rel=0.15)


def test_delay_is_the_mean_conduction_time_of_the_segment():
    distal, proximal, _ = pair_of(6, length_mm=300.0, delays=uniform(4.0))
    assert estimate(distal, proximal)["delay_ms"].iloc[0] == pytest.approx(300 / 56 + 2, abs=0.3)


@pytest.mark.parametrize("rate", [10_000.0, 48_000.0])
@pytest.mark.parametrize("length_ms", [30.0, 60.0])
def test_rate_and_sweep_length_do_not_matter(rate, length_ms):
    before = round(rate * 1e-3)
    time_ms = np.arange(-before, round(length_ms * 1e-3 * rate)) / rate * 1e3
    distal, proximal, truth = pair_of(7, blocked=0.4, delays=uniform(5.0), time_ms=time_ms)
    table = estimate(distal, proximal, sampling_rate_hz=rate, stimulus_index=before)
    assert table["blocked_fraction"].iloc[0] == pytest.approx(truth, abs=0.03)


def test_a_stimulus_at_the_first_sample_and_an_artefact_are_coped_with():
    distal, proximal, truth = pair_of(8, blocked=0.5, delays=uniform(4.0))
    tail = np.where(TIME_MS >= 0, 2.0 * np.exp(-np.clip(TIME_MS, 0, None) / 0.5), 0.0)
    spike = np.where((TIME_MS >= 0) & (TIME_MS < 0.3), 40.0, 0.0)
    table = estimate(
        (distal + spike - tail + 0.2)[STIMULUS:],
        (proximal - spike + 1.5 * tail)[STIMULUS:],
        stimulus_index=0,
    )
    assert table["blocked_fraction"].iloc[0] == pytest.approx(truth, abs=0.04)


# ------------------------------------------------------------------ laws


def test_a_proximal_trace_equal_to_the_distal_one_gives_no_block():
    distal, _, _ = pair_of(9)
    table = estimate(distal, distal)
    assert table["blocked_fraction"].iloc[0] == pytest.approx(0.0, abs=0.005)
    assert table["blocked_fraction_low"].iloc[0] == 0.0
    assert table["added_dispersion_ms"].iloc[0] < 0.1


def test_order_and_batch_size_change_no_bit(cohort, found):
    distal, proximal, _ = cohort
    backward = estimate(distal[::-1], proximal[::-1])
    pd.testing.assert_frame_equal(
        backward.iloc[::-1].reset_index(drop=True), found, check_exact=True
    )
    alone = estimate(distal[5], proximal[5])
    pd.testing.assert_frame_equal(alone, found.iloc[[5]].reset_index(drop=True), check_exact=True)


def test_pairs_of_unlike_kinds_are_each_computed_by_themselves(cohort, found):
    distal, proximal, _ = cohort
    here, there = Site("ulnar", "right", "adm", "wrist"), Site("ulnar", "right", "adm", "elbow")

    def trace(samples, site, shift):
        moved = np.concatenate((np.full(shift, samples[0]), samples))
        return Trace(moved, RATE, STIMULUS + shift, site, "r", stimulus=Stimulus(None, None, None))

    pairs = [
        (trace(d, here, 7 * (i % 3)), trace(p, there, 11 * (i % 2)))
        for i, (d, p) in enumerate(zip(distal, proximal, strict=True))
    ]
    together = dispersion.estimate_segments([*pairs[:40], (None, pairs[0][0]), *pairs[40:]])
    assert raised(together, 40) == ["estimate_response_absent"]
    together = together.drop(index=40).reset_index(drop=True)
    alone = [dispersion.estimate_segments([pair]) for pair in pairs]
    pd.testing.assert_frame_equal(pd.concat(alone, ignore_index=True), together, check_exact=True)


def test_pairs_without_any_noise_are_solved():
    def wave(at, height):
        part = np.clip((TIME_MS - at) / 5.0, 0.0, 1.0)
        return height * np.sin(np.pi * part)

    for at in (6.0, 7.0, 9.0):
        table = estimate(wave(3.0, 8.0), wave(at, 4.0))
        assert table["blocked_fraction"].iloc[0] == pytest.approx(0.5, abs=0.02)
        assert table["delay_ms"].iloc[0] == pytest.approx(at - 3.0, abs=0.2)


@pytest.mark.parametrize("gain", [0.5, 4.0])
def test_a_gain_of_a_power_of_two_changes_nothing_but_rounding(gain):
    distal, proximal, _ = pair_of(10, blocked=0.4, delays=uniform(5.0))
    numbers = [
        estimate(k * distal, k * proximal).drop(columns="quality_flags").to_numpy()
        for k in (1.0, gain)
    ]
    np.testing.assert_allclose(*numbers, rtol=1e-6, atol=1e-9)


def test_moving_samples_and_stimulus_together_changes_no_bit():
    distal, proximal, _ = pair_of(11, blocked=0.4, delays=uniform(5.0))
    # Only the last 5 ms before the stimulus are used; more than that stands in front of both.
    quiet = 0.01 * np.random.default_rng(1).standard_normal((2, 500))
    tables = [
        estimate(
            np.concatenate((quiet[0, -ahead:], distal)),
            np.concatenate((quiet[1, -ahead:], proximal)),
            stimulus_index=STIMULUS + ahead,
        )
        for ahead in (200, 500)
    ]
    pd.testing.assert_frame_equal(*tables, check_exact=True)


def test_a_constant_offset_changes_nothing_but_rounding():
    distal, proximal, _ = pair_of(12, blocked=0.4, delays=uniform(5.0))
    one, other = estimate(distal, proximal), estimate(distal + 0.7, proximal - 0.4)
    assert other["blocked_fraction"].iloc[0] == pytest.approx(
        one["blocked_fraction"].iloc[0], abs=1e-5
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_input_is_not_changed_and_layout_does_not_matter(dtype):
    distal, proximal, truth = pair_of(13, blocked=0.5)
    pair = np.asfortranarray(np.array([distal, proximal], dtype=dtype))
    kept = pair.copy()
    pair.flags.writeable = False
    table = estimate(pair[0], pair[1])
    np.testing.assert_array_equal(pair, kept)
    assert table["blocked_fraction"].iloc[0] == pytest.approx(truth, abs=0.02)


def test_rate_and_stimulus_may_be_given_per_pair():
    distal, proximal, _ = pair_of(14, blocked=0.5)
    shifted = [np.concatenate((np.full(10, trace[0]), trace[:-10])) for trace in (distal, proximal)]
    table = estimate(
        np.array([distal, shifted[0]]),
        np.array([proximal, shifted[1]]),
        sampling_rate_hz=[RATE, RATE],
        stimulus_index=[STIMULUS, STIMULUS + 10],
    )
    assert np.ptp(table["blocked_fraction"].to_numpy()) < 0.01


# ------------------------------------------------------------------ what cannot be told


def nothing_is_given(table):
    return table.drop(columns="quality_flags").isna().all(axis=None)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda x: np.where(np.arange(x.size) == 300, np.nan, x),
        lambda x: np.where(np.arange(x.size) == 300, np.inf, x),
        np.zeros_like,
        lambda x: 0.01 * np.random.default_rng(2).standard_normal(x.size),
        lambda x: np.clip(x, None, 0.3 * x.max()),
    ],
)
@pytest.mark.parametrize("which", [0, 1])
def test_an_invalid_or_absent_response_gives_no_estimate(spoil, which):
    pair = list(pair_of(15, blocked=0.3)[:2])
    pair[which] = spoil(pair[which])
    table = estimate(*pair)
    assert nothing_is_given(table)
    assert raised(table) == ["estimate_response_absent"]


def test_a_noise_free_monophasic_response_is_not_taken_for_clipped():
    distal = 6.0 * np.exp(-0.5 * ((TIME_MS - 7.0) / 1.3) ** 2)
    distal[distal < 1e-6] = 0.0
    proximal = 0.7 * np.concatenate((np.zeros(90), distal[:-90]))
    table = estimate(distal, proximal)
    assert table["blocked_fraction"].iloc[0] == pytest.approx(0.3, abs=0.005)


def test_a_coarse_converter_is_not_taken_for_clipping():
    distal, proximal, truth = pair_of(15, blocked=0.3, noise_mv=0.0)
    table = estimate(np.round(distal / 0.01) * 0.01, np.round(proximal / 0.01) * 0.01)
    assert table["blocked_fraction"].iloc[0] == pytest.approx(truth, abs=0.02)


def test_a_stimulus_outside_the_trace_gives_no_estimate():
    distal, proximal, _ = pair_of(15)
    for outside in (-5, SAMPLES + 3):
        assert nothing_is_given(estimate(distal, proximal, stimulus_index=outside))


@pytest.mark.parametrize("rate", [1e-3, 30.0, 200.0])
def test_a_rate_at_which_no_departure_can_last_gives_no_estimate(rate):
    distal, proximal, _ = pair_of(15)
    assert nothing_is_given(estimate(distal, proximal, sampling_rate_hz=rate, stimulus_index=2))


def test_a_distal_response_below_one_millivolt_gives_no_estimate():
    distal, proximal, _ = pair_of(16, amplitude_mv=0.9, noise_mv=0.002)
    table = estimate(distal, proximal)
    assert nothing_is_given(table)
    assert raised(table) == ["estimate_distal_small"]


def test_another_waveform_at_the_proximal_site_is_flagged_and_widens_the_interval():
    distal, proximal, _ = pair_of(17)
    steep = 1.6 * np.diff(proximal, prepend=0.0) * RATE * 1e-3 + proximal
    plain, odd = (estimate(distal, far, supramaximal=True) for far in (proximal, steep))
    assert "estimate_residual_large" in raised(odd)
    assert "estimate_residual_large" not in raised(plain)

    def width(table):
        return (table["blocked_fraction_high"] - table["blocked_fraction_low"]).iloc[0]

    assert width(odd) > 2 * width(plain)


def two_muscles(seed):
    """A pair without block over two muscles of one nerve, the second smaller and shorter."""
    rng = np.random.default_rng([seed, 88])
    near, far, _ = pool_pair(rng)
    # Of twice the speed at twice the time: potentials half as long, delays of their own.
    length_mm = 2.0 * rng.uniform(200.0, 240.0)
    more, later, _ = pool_pair(rng, units=60, length_mm=length_mm, time_ms=2.0 * TIME_MS)
    shift = round(rng.uniform(0.0, 2.5) * RATE * 1e-3)
    return near + np.roll(more, shift) / 3, far + np.roll(later, shift) / 3


def another_nerve(seed):
    """A pair without block; the proximal stimulus alone drives a quarter of another muscle."""
    rng = np.random.default_rng([seed, 89])
    near, far, _ = pool_pair(rng)
    other = unit(TIME_MS - rng.uniform(4.5, 6.5), "halves")
    return near, far - 0.25 * near.max() * other / other.max()


def test_a_second_muscle_is_explained_and_another_nerve_is_not():
    names = {
        kind.__name__: [
            "estimate_residual_large" in raised(estimate(*kind(seed))) for seed in range(20)
        ]
        for kind in (two_muscles, another_nerve)
    }
    assert np.mean(names["two_muscles"]) <= 0.05
    assert np.mean(names["another_nerve"]) >= 0.6


def test_a_signal_that_no_delay_explains_opens_the_interval():
    pairs = np.array([another_nerve(seed) for seed in range(20)])
    assert width_of(estimate(pairs[:, 0], pairs[:, 1], supramaximal=True)).median() > 0.8


def test_a_sweep_that_ends_too_soon_is_flagged_and_the_interval_still_holds():
    distal, proximal, truth = pair_of(18, blocked=0.3, delays=uniform(6.0), length_mm=400.0)
    last = STIMULUS + round(20e-3 * RATE)
    table = estimate(distal[:last], proximal[:last])
    assert "estimate_sweep_short" in raised(table)
    assert "estimate_sweep_short" not in raised(estimate(distal, proximal))
    assert table["blocked_fraction_low"].iloc[0] <= truth <= table["blocked_fraction_high"].iloc[0]


def test_more_signal_proximally_than_distally_leaves_the_interval_open():
    distal, proximal, _ = pair_of(19)
    table = estimate(0.7 * distal, proximal)
    assert table["blocked_fraction"].iloc[0] == 0.0
    assert table["blocked_fraction_high"].iloc[0] == 1.0
    assert "estimate_proximal_exceeds" in raised(table)
    assert "estimate_proximal_exceeds" not in raised(estimate(distal, proximal))


def test_missing_signal_is_never_claimed_without_a_word_on_the_stimulus():
    distal, proximal, _ = pair_of(20, blocked=0.5)
    assert "estimate_stimulus_unproven" in raised(estimate(distal, proximal))


@pytest.mark.parametrize("seed", range(3))
def test_units_shaped_by_their_velocity_are_still_told_from_block(seed):
    rng = np.random.default_rng(seed)
    velocity = np.clip(54 + 4 * rng.standard_normal(200), 44, 64)
    size, width = np.exp(0.6 * rng.standard_normal(200)), (velocity / 54) ** -1.5
    arrival = 70 / velocity + 2.2
    parts = [
        sum(s * unit((TIME_MS - a) / w) for s, a, w in zip(size, at, width, strict=True))
        for at in (arrival, arrival + 400 / velocity + rng.uniform(0, 5, 200))
    ]
    gain = 9 / parts[0].max()
    distal, proximal = (gain * p + 0.01 * rng.standard_normal(SAMPLES) for p in parts)
    assert estimate(distal, proximal)["blocked_fraction_low"].iloc[0] <= 0.03


# ------------------------------------------------------------------ the table and the door


def test_table_has_the_declared_columns_and_types(found):
    declared = table_columns("estimates")
    assert list(found.columns) == [c.name for c in declared]
    assert [str(t) for t in found.dtypes] == [c.dtype for c in declared]
    assert (found["blocked_fraction_low"] <= found["blocked_fraction"]).all()
    assert (found["blocked_fraction"] <= found["blocked_fraction_high"]).all()


def test_no_pairs_give_an_empty_table():
    empty = np.zeros((0, 400))
    assert estimate(empty, empty).shape == (0, len(table_columns("estimates")))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"sampling_rate_hz": 0.0}, "positive"),
        ({"sampling_rate_hz": [RATE, RATE]}, "one for each of 1 pairs"),
        ({"stimulus_index": 20.5}, "whole number"),
    ],
)
def test_a_faulty_call_is_a_value_error(change, what):
    distal, proximal, _ = pair_of(21)
    with pytest.raises(ValueError, match=what):
        estimate(distal, proximal, **change)


def test_traces_of_unlike_shape_are_a_value_error():
    distal, proximal, _ = pair_of(21)
    with pytest.raises(ValueError, match="alike"):
        estimate(distal, proximal[:-1])
    with pytest.raises(ValueError, match="dimensions"):
        estimate(distal[None, None], proximal[None, None])


def test_a_response_in_the_wrong_unit_is_refused():
    distal, proximal, _ = pair_of(22)
    with pytest.raises(UnitError, match="100 mV"):
        estimate(1e3 * distal, 1e3 * proximal)


# ------------------------------------------------------------------ traces and figures


def trace_of(samples, site="wrist", **settings):
    plain = {"sampling_rate_hz": RATE, "stimulus_index": STIMULUS, "high_pass_hz": 2.0}
    return Trace(
        samples, site=Site("ulnar", "right", "adm", site), recording="r", **plain | settings
    )


def attested(is_supramaximal):
    return Stimulus(is_supramaximal=is_supramaximal)


def test_segments_give_what_the_arrays_give():
    distal, proximal, _ = pair_of(23, blocked=0.4, delays=uniform(3.0))
    table = dispersion.estimate_segments(
        [(trace_of(distal), trace_of(proximal)), (None, trace_of(proximal))]
    )
    pd.testing.assert_frame_equal(table.iloc[[0]], estimate(distal, proximal), check_exact=True)
    assert raised(table, 1) == ["estimate_response_absent"]
    assert table.iloc[1].isna().sum() == 6


def slow_noise(rng, size):
    """Noise of 15 uV that falls with the square root of its frequency, without a response."""
    hertz = np.fft.rfftfreq(size, 1.0 / RATE)
    shape = 1.0 / np.sqrt(np.maximum(hertz, 2.0)) / (1.0 + (hertz / 3000.0) ** 4)
    noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * shape, size)
    return 0.015 * noise / noise.std() + 0.002 * rng.standard_normal(size)


@pytest.mark.parametrize("seed", range(6))
def test_slow_noise_where_no_response_was_found_gives_no_estimate(seed):
    """It was fitted as what block had left of one: 0.97 to 1.0 of it."""
    distal, proximal, _ = pair_of(31)
    proximal = slow_noise(np.random.default_rng([911, seed]), proximal.size)
    absent = "response_absent" in flags.split(
        measure_traces(proximal, sampling_rate_hz=RATE, stimulus_index=STIMULUS)[
            "quality_flags"
        ].item()
    )
    assert absent
    pair = trace_of(distal), trace_of(proximal, "below_elbow")
    for table in (estimate(distal, proximal), dispersion.estimate_segments([pair])):
        assert raised(table, 0) == ["estimate_response_absent"]
        assert table["blocked_fraction"].isna().all()
    study = Study("visit", traces=pair)
    (segment,) = analyze(study).segments.to_dict("records")
    assert np.isnan(segment["blocked_fraction"])
    assert "estimate_response_absent" in segment["quality_flags"]


def test_segments_of_unlike_rate_and_length_are_aligned_at_the_stimulus():
    truth = 0.4
    fine = np.arange(-100, 2000) / 40_000.0 * 1e3
    distal, _, _ = pair_of(24)
    at_40 = pair_of(24, time_ms=fine)[0]
    moved = (1 - truth) * np.concatenate((np.zeros(160), at_40[:-160]))
    proximal = trace_of(moved, "below_elbow", sampling_rate_hz=40_000.0, stimulus_index=100)
    table = dispersion.estimate_segments([(trace_of(distal), proximal)])
    assert table["blocked_fraction"].iloc[0] == pytest.approx(truth, abs=0.01)
    assert table["delay_ms"].iloc[0] == pytest.approx(4.0, abs=0.1)


def test_known_filters_that_differ_give_no_estimate():
    distal, proximal, _ = pair_of(25)
    table = dispersion.estimate_segments(
        [
            (trace_of(distal), trace_of(proximal, high_pass_hz=20.0)),
            (trace_of(distal), trace_of(proximal, high_pass_hz=None)),
        ]
    )
    assert raised(table, 0) == ["estimate_filters_differ"]
    assert table["blocked_fraction"].isna().tolist() == [True, False]


def test_attested_stimuli_decide_which_end_of_the_interval_is_open():
    distal, proximal, _ = pair_of(26, blocked=0.5)

    def row(near, far):
        pair = trace_of(distal, stimulus=attested(near)), trace_of(proximal, stimulus=attested(far))
        return dispersion.estimate_segments([pair])

    sure = row(True, True)
    assert raised(sure) == []
    assert row(True, False)["blocked_fraction_low"].iloc[0] == 0.0
    assert row(False, True)["blocked_fraction_high"].iloc[0] == 1.0


def test_a_trace_at_the_limit_of_its_converter_gives_no_estimate():
    distal, proximal, _ = pair_of(27)
    full = trace_of(distal, range_mv=(-5.0, float(distal.max())))
    table = dispersion.estimate_segments([(full, trace_of(proximal))])
    assert raised(table) == ["estimate_response_absent"]


def test_details_hold_what_the_figure_draws():
    distal, proximal, _ = pair_of(28, blocked=0.4, delays=two_groups(6.0))
    fit = dispersion.fit_details(distal, proximal, sampling_rate_hz=RATE, stimulus_index=STIMULUS)
    expected = estimate(distal, proximal).iloc[0].to_dict()
    assert fit.estimate == expected
    step = fit.delays_ms[1] - fit.delays_ms[0]
    assert fit.delay_density_per_ms.min() >= 0.0
    assert fit.delay_density_per_ms.sum() * step == pytest.approx(
        1 - expected["blocked_fraction"], abs=1e-6
    )
    # Two groups 6 ms apart: little in between.
    at = fit.delays_ms - 220 / 56
    between = fit.delay_density_per_ms[(at > 2.0) & (at < 4.5)].mean()
    assert between < 0.4 * fit.delay_density_per_ms[(at > 5.5) & (at < 7.0)].mean()
    after = fit.time_ms > 2.0
    rest = np.std((fit.fitted_mv - fit.proximal_mv)[after])
    assert rest < 0.1 * np.std(fit.proximal_mv[after])


def test_details_of_a_pair_without_estimate_draw_nothing():
    distal, _, _ = pair_of(29)
    fit = dispersion.fit_details(
        distal, np.zeros_like(distal), sampling_rate_hz=RATE, stimulus_index=STIMULUS
    )
    assert np.isnan(fit.fitted_mv).all()
    assert fit.delay_density_per_ms.sum() == 0.0


def test_details_take_one_pair():
    pair = np.array([pair_of(30)[0]] * 2)
    with pytest.raises(ValueError, match="takes one"):
        dispersion.fit_details(pair, pair, sampling_rate_hz=RATE, stimulus_index=STIMULUS)


def test_the_calibration_is_named_for_provenance():
    made = dispersion.data_file()
    assert made.id == "block_interval"
    assert len(made.sha256) == 64


def test_strange_input_raises_no_warning():
    rng = np.random.default_rng(31)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(20):
            pair = rng.standard_normal((2, 300)).cumsum(axis=1)
            estimate(pair[0], pair[1], stimulus_index=int(rng.integers(0, 200)))
