"""The kernel: the same bits from every build; equal to the oracle within tolerance."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
import ncs_cb
from ncs_cb import _kernels
from ncs_cb._kernels import build, facts, library
from ncs_cb.errors import UnitError
from ncs_cb.measuring import traces as measure

RATE = 20_000.0


def plain(samples, rate=RATE, stimulus=20):
    return measure.measure_traces(samples, sampling_rate_hz=rate, stimulus_index=stimulus)


def every_kind(rng, n_samples=600):
    """Traces of every kind the kernel tells apart, as float32."""
    t = (np.arange(n_samples) - 20) / 20
    rows = list(naive.random_cmaps(rng, 40, n_samples=n_samples, noise_mv=0.01))
    rows += [
        naive.cmap(t, height=h) + naive.artifact(t, a, tau) + 0.01 * rng.standard_normal(t.size)
        for h in (0.2, 2.0)
        for a in (-8.0, -1.0, 4.0)
        for tau in (0.2, 1.0, 2.0)
    ]
    hum = 0.05 * np.sin(2 * np.pi * 0.05 * t + 1.0)
    rows += [naive.cmap(t, height=h) + hum for h in (0.0, 0.3, 3.0)]
    rows += [0.05 * rng.standard_normal(t.size), np.zeros(t.size), naive.cmap(t, onset=26.0)]
    rows += [np.minimum(naive.cmap(t), 4.0), naive.cmap(t, onset=1.2, width=1.5)]
    dip = naive.cmap(t) - 0.8 * naive.lobe((t - 3.0) / 1.0)
    rows += [dip, np.where(t > 8, np.nan, dip), np.where(t == 8, np.inf, dip), dip + 1e4]
    return np.array(rows, dtype=np.float32)


def bits(samples, rate, stimulus, which="", threads=1):
    """The numbers of every row as whole numbers, and its facts."""
    n, rows = len(samples), np.arange(len(samples))
    out, found = np.zeros((n, facts.WIDTH)), np.zeros(n, dtype=np.int64)
    limit, scale = np.full(n, np.inf), _kernels.scale_of(rate, samples.shape[1])
    _kernels.measure_rows(
        samples,
        rows,
        np.full(n, stimulus),
        -limit,
        limit,
        np.full(n, np.nan),
        np.full(n, facts.UNIT_MV),
        scale,
        out,
        found,
        which,
    )
    return np.column_stack([out.view(np.int64), found])


SETTINGS = [(20_000.0, 20), (5_000.0, 3), (48_000.0, 0), (100_000.0, 250), (60.0, 1)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_build_gives_identical_bits(dtype):
    samples = every_kind(np.random.default_rng(1)).astype(dtype)
    for rate, stimulus in SETTINGS:
        assert np.array_equal(
            bits(samples, rate, stimulus, "baseline"),
            bits(samples, rate, stimulus, _kernels.best_build()),
        )


def test_float64_and_float32_of_the_same_numbers_give_identical_bits():
    samples = every_kind(np.random.default_rng(4))
    for rate, stimulus in SETTINGS:
        assert np.array_equal(
            bits(samples, rate, stimulus), bits(samples.astype(np.float64), rate, stimulus)
        )


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_and_sizes_of_calls_change_no_bit(threads):
    samples = np.tile(every_kind(np.random.default_rng(6)), (40, 1))
    call = {"sampling_rate_hz": RATE, "stimulus_index": 20}
    at_once = measure.measure_traces(samples, **call, threads=threads)
    single = [measure.measure_traces(row, **call).iloc[0] for row in samples[:70]]
    for i, row in enumerate(single):
        assert row.equals(at_once.iloc[i])
    assert at_once.iloc[:70].equals(at_once.iloc[70:140].reset_index(drop=True))


class Parts:
    """The functions of the kernel that the library does not show, on numpy arrays."""

    def __init__(self, path):
        self._library = ctypes.CDLL(str(path))

    def call(self, name, *arguments, gives=None):
        function = getattr(self._library, f"part_{name}")
        function.restype = gives
        function.argtypes = [_C_TYPES[type(a)] for a in arguments]
        return function(*(a.ctypes.data if isinstance(a, np.ndarray) else a for a in arguments))

    def number(self, name, *arguments):
        return self.call(name, *arguments, gives=ctypes.c_double)

    def whole(self, name, *arguments):
        return self.call(name, *arguments, gives=ctypes.c_int64)


_C_TYPES = {np.ndarray: ctypes.c_void_p, int: ctypes.c_int64, float: ctypes.c_double}


@pytest.fixture(scope="session")
def parts(tmp_path_factory):
    if not build.find_compiler():
        pytest.skip("no C compiler here")
    folder = tmp_path_factory.mktemp("parts")
    return Parts(build.build(folder, source=Path(__file__).with_name("kernel_parts.c")))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_reductions_give_what_their_names_say(parts, dtype):
    rng, wide = np.random.default_rng(3), int(dtype == "float64")
    for n in [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 250]:
        for k in range(20):
            # Few values, so that they tie; and many, so that their sums round.
            v = rng.integers(-4, 5, n + 3) * 0.5 if k % 2 else rng.standard_normal(n + 3)
            x = v.astype(dtype)[3:].copy()
            v = x.astype(np.float64)
            assert parts.number("largest", v, 0, n) == v.max()
            assert parts.number("smallest", v, 0, n) == v.min()
            assert parts.whole("highest", v, 0, n) == v.argmax()
            assert parts.whole("lowest", v, 0, n) == v.argmin()
            assert parts.whole("place_of", v, 0, n, 9.0) == n
            assert parts.number("mean_of", v, 0, n) == pytest.approx(v.mean(), abs=1e-13)
            assert parts.number("mean_of", v, 1, 1) == 0.0
            assert parts.whole("all_equal", x, wide, n) == (v == v[0]).all()
            assert parts.whole("within", x, wide, n, 1e100)
            for bad in (np.nan, np.inf, -np.inf):
                y = x.copy()
                y[rng.integers(n)] = bad
                assert not parts.whole("within", y, wide, n, 1e100)


SIDES = [np.less, np.less_equal, np.equal, np.greater_equal]


@pytest.mark.parametrize("side", range(4))
def test_the_first_and_the_last_on_one_side_of_a_level_are_found(parts, side):
    rng = np.random.default_rng(side)
    for n in [0, 1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 31, 33, 64, 100]:
        for share in (0.0, 0.02, 0.2, 1.0):
            for a in (0, 1, 5):
                # The rest would be found if it were looked at.
                v = np.full(a + n + 20, {0: 0.0, 1: 1.0, 2: 1.0, 3: 1.0}[side])
                v[a : a + n] = 2.0 if side < 3 else 0.0
                v[a : a + n][rng.random(n) < share] = v[-1]
                there = a + np.flatnonzero(SIDES[side](v[a : a + n], 1.0))
                first, last = (there[0], there[-1]) if there.size else (a + n, a - 1)
                assert parts.whole("first_on", v, a, a + n, side, 1.0) == first
                assert parts.whole("last_on", v, a, a + n, side, 1.0) == last


def test_the_last_that_strays_from_a_level_is_found(parts):
    rng = np.random.default_rng(5)
    for n in [0, 1, 3, 4, 7, 8, 30]:
        for _ in range(20):
            v = rng.integers(-3, 4, n + 9) * 0.5
            there = 2 + np.flatnonzero(np.abs(v[2 : 2 + n] - 0.5) >= 1.5)
            last = there[-1] if there.size else 1
            assert parts.whole("last_away", v, 2, 2 + n, 0.5, 1.5) == last


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_samples_are_compared_as_their_names_say(parts, dtype):
    rng, wide = np.random.default_rng(6), int(dtype == "float64")
    for n in [0, 1, 3, 4, 5, 8, 9, 24, 31]:
        for _ in range(20):
            x = (rng.integers(-4, 5, n + 8) * 0.5).astype(dtype)
            v = x.astype(np.float64)
            far = np.abs(v[2 : 2 + n] - 0.25).max(initial=0.0)
            assert parts.number("farthest", x, wide, 2, 2 + n, 0.25) == far
            assert parts.whole("ties_in", x, wide, 2, 3 + n) == (np.diff(v[2 : 3 + n]) == 0).sum()
            bends = np.abs(v[4 : 4 + n] - 2 * v[2 : 2 + n] + v[:n])
            there = 2 + np.flatnonzero(bends > 2.5)
            first = there[0] if there.size else 2 + n
            assert parts.whole("first_bend", x, wide, 2, 2 + n, 2, 2.5) == first


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 3, 4, 20])
def test_blocks_hold_the_means_of_their_samples(parts, dtype, size):
    x = np.random.default_rng(size).standard_normal(23 * size + size - 1).astype(dtype)
    y = np.full(24, 7.0)
    total = parts.number("block_means", x, int(dtype == "float64"), size, 23, y)
    assert total == pytest.approx(y[:23].sum())
    expected = x[: 23 * size].reshape(23, size).astype(np.float64).mean(axis=1)
    assert np.allclose(y[:23], expected, rtol=1e-13, atol=1e-14)
    assert y[23] == 7.0
    for bad in (np.nan, np.inf, -np.inf):
        spoiled = x.copy()
        spoiled[: 9 * size : 7 * size] = bad, -bad
        assert not np.isfinite(
            parts.number("block_means", spoiled, int(dtype == "float64"), size, 23, y)
        )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lag", [1, 2, 5])
def test_the_sharpest_bend_is_the_largest_second_difference(parts, dtype, lag):
    x = np.random.default_rng(8).standard_normal(60).astype(dtype)
    v, wide = x.astype(np.float64), int(dtype == "float64")
    for b in range(lag, len(v) - lag):
        bends = [abs((v[i + lag] - v[i]) - (v[i] - v[i - lag])) for i in range(lag, b)]
        assert parts.number("most_bend", x, wide, lag, b, lag) == max(bends, default=0.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_noise_is_that_of_its_definition(parts, dtype):
    x = np.random.default_rng(8).standard_normal(50).astype(dtype)
    v, wide = x.astype(np.float64), int(dtype == "float64")
    second = np.sqrt((np.diff(v, 2) ** 2).sum() / (6 * 48))
    assert parts.number("white_noise", x, wide, 50) == pytest.approx(second, rel=1e-12)
    assert parts.number("deviation", x, wide, 50) == pytest.approx(v.std(ddof=1), rel=1e-12)
    assert parts.number("white_noise", x, wide, 2) == 0.0
    assert parts.number("deviation", x, wide, 1) == 0.0


@pytest.mark.parametrize("m", [12, 25])
def test_the_line_of_the_baseline_is_that_of_least_squares_shrunk_by_its_error(parts, m):
    rng, found, at = np.random.default_rng(m), np.zeros(2), np.arange(40.0)
    y = 3.0 + 0.2 * at + 0.1 * rng.standard_normal(40)
    parts.call("quiet_line", y, 5, 5 + m, 4, 0.01, found)
    slope, level = np.polyfit(at[5 : 5 + m], y[5 : 5 + m], 1)
    squares = ((y - slope * at - level)[5 : 5 + m] ** 2).sum() + 4 * 0.01
    error = 4 * squares / (m + 2) / ((at[:m] - at[:m].mean()) ** 2).sum()
    assert found[1] == pytest.approx(slope * (1 - error / slope**2), rel=1e-12)
    assert found[0] == pytest.approx(y[5 : 5 + m].mean(), rel=1e-12)


def test_the_normal_equations_are_solved(parts):
    rng = np.random.default_rng(2)
    root = rng.standard_normal((8, 6))
    a, b = root.T @ root, rng.standard_normal(6)
    g = np.ascontiguousarray(np.column_stack([a, b]))
    assert parts.whole("solve", g)
    assert np.allclose(g[:, 6], np.linalg.solve(a, b), rtol=1e-9)
    assert not parts.whole("solve", np.zeros((6, 7)))


@pytest.mark.parametrize("m", [3, 4, 11])
def test_the_top_of_a_parabola_is_found(parts, m):
    at, found = np.arange(20.0), np.zeros(3)
    middle = 5 + (m - 1) / 2 + 0.3
    parts.call("fit_top", 7.0 - 0.2 * (at - middle) ** 2, 5, 5 + m, found)
    assert found == pytest.approx([7.0, middle, -0.2], rel=1e-9)


def test_areas_are_trapezoids_with_zero_at_both_ends(parts):
    z = np.random.default_rng(1).uniform(1, 2, 30)
    at, heights = [2.4, *range(3, 18), 17.25], [0.0, *z[3:18], 0.0]
    assert parts.number("area_between", z, 2.4, 17.25) == pytest.approx(np.trapezoid(heights, at))
    assert parts.number("area_between", z, 4.2, 4.6) == 0.0


def test_a_return_is_where_the_edge_crosses_half_a_percent_of_the_peak(parts):
    z = np.linspace(10.0, -1.0, 111)
    expected = (10.0 - 0.05) / 0.1
    assert parts.number("find_return", z, 3, 111, 10.0, 0.0, 5) == pytest.approx(expected)
    assert parts.number("find_return", z + 2.0, 3, 111, 10.0, 0.0, 5) == -1.0


def test_an_artefact_is_fitted_between_the_decays_of_the_table(parts):
    scale, found = _kernels.scale_of(RATE, 1000), np.zeros(3)
    taus = np.geomspace(facts.SHORTEST_DECAY_MS, facts.LONGEST_DECAY_MS, facts.N_DECAYS)
    tau = np.sqrt(taus[8] * taus[9])
    y = 0.5 + 2.0 * np.exp(-np.arange(400).reshape(100, 4) * 0.05 / tau).mean(axis=1)
    parts.call("fit_decay", y, 60, scale.first, scale.means, scale.sums, scale.squares, found)
    assert found[:2] == pytest.approx([0.5, 2.0], rel=0.01)
    assert found[2] in (8, 9)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(2.9, 2), (-2.9, -2), (np.nan, -(2**62)), (np.inf, 2**62), (-1e300, -(2**62))],
)
def test_a_number_that_no_index_can_hold_becomes_one_that_is_never_reached(parts, value, expected):
    assert parts.whole("whole", float(value)) == expected


def test_exponential_logarithm_and_circle_are_right_to_the_last_bits(parts):
    found = np.zeros(2)
    for x in np.linspace(-60.0, 60.0, 2401):
        assert parts.number("exponential", float(x)) == pytest.approx(np.exp(x), rel=4e-16)
        assert parts.number("logarithm", float(np.exp(x))) == pytest.approx(x, rel=4e-16, abs=3e-16)
        parts.call("turned_by", float(x), found)
        assert found == pytest.approx([np.cos(x), -np.sin(x)], rel=0, abs=4e-16)
    assert parts.number("exponential", 0.0) == 1.0
    assert parts.number("logarithm", 1.0) == 0.0


HUGE = [1e101, 1e154, 1e155, 1e200, 1e307, 1.7e308]
TINY = [1e-323, 1e-310, 1e-200, 1e-170, 1e-150, 1e-102]


@pytest.mark.parametrize("size", HUGE)
def test_samples_too_large_for_mv_are_refused_and_end(size):
    call = {"sampling_rate_hz": RATE, "stimulus_index": 20}
    row = naive.random_cmaps(np.random.default_rng(7), 1)[0]
    spike, blocks = row.copy(), np.zeros(1000)
    spike[500] = size
    blocks[::2], blocks[1::2] = size, -size
    for samples in (row / np.abs(row).max() * size, spike, blocks):
        with pytest.raises(UnitError, match="100 mV"):
            measure.measure_traces(samples, **call)
    level = measure.measure_traces(np.full(1000, size), **call)
    assert level["quality_flags"].tolist() == ["flat_trace"]


@pytest.mark.parametrize("size", TINY)
def test_samples_too_small_for_any_response_are_an_absent_response(size):
    rows = naive.random_cmaps(np.random.default_rng(7), 3, noise_mv=0.01)
    rows = rows / np.abs(rows).max() * size
    for stimulus, alone in ((20, ""), (0, ";no_prestimulus_baseline")):
        found = measure.measure_traces(rows, sampling_rate_hz=RATE, stimulus_index=stimulus)
        flags = found["quality_flags"].str.split(";").map(sorted)
        assert flags.tolist() == [sorted(f"response_absent{alone}".split(";"))] * 3
        assert found["negative_peak_amplitude_mv"].isna().all()
        assert (found["baseline_mv"].abs() <= size).all()
    for which in ("baseline", _kernels.best_build()):
        assert np.array_equal(bits(rows, RATE, 20, which), bits(rows, RATE, 20))


@pytest.mark.parametrize("rate", [1e-6, 1.0])
def test_rates_given_in_another_unit_are_refused(rate):
    rows = naive.random_cmaps(np.random.default_rng(7), 2, noise_mv=0.01)
    with pytest.raises(ValueError, match="looks like kHz"):
        measure.measure_traces(rows, sampling_rate_hz=rate, stimulus_index=20)


@pytest.mark.parametrize("rate", [1e9, 1e12, 1e300])
def test_rates_that_no_amplifier_has_are_bounded(rate):
    rows = naive.random_cmaps(np.random.default_rng(7), 2, noise_mv=0.01)
    found = measure.measure_traces(rows, sampling_rate_hz=rate, stimulus_index=20)
    assert len(found) == 2
    assert found["quality_flags"].str.contains("sweep_cut").all()


def slow_rises(n=300):
    """Slow, small and noisy: the onset is extrapolated to before what is looked at."""
    t, rows = np.arange(600) / 10, []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        bell = np.exp(-(((t - rng.uniform(8, 16)) / rng.uniform(2, 5)) ** 2))
        rows.append(0.24 * bell + rng.uniform(0.01, 0.05) * rng.standard_normal(t.size))
    return np.array(rows)


def test_an_onset_before_the_part_looked_at_leaves_a_sensible_area():
    samples = slow_rises().astype(np.float32)
    found = measure.measure_traces(samples, sampling_rate_hz=10_000, stimulus_index=0)
    height, duration = found["negative_peak_amplitude_mv"], found["negative_peak_duration_ms"]
    known = found["negative_peak_area_mv_ms"].notna()
    share = (found["negative_peak_area_mv_ms"] / (height * duration))[known]
    assert known.sum() > 100
    assert share.between(0.2, 0.9).all()


def agrees(found, expected, flags, tolerance=1.0):
    """Compare one row with the oracle.

    The oracle reads peaks at samples, and ends where the trace crosses zero rather than 0.5 %
    of the peak (of a small late phase after light smoothing), so times may differ by a sample
    and a little, amplitudes by the fall within half a sample.
    """
    within = {
        "onset_latency_ms": (0.01, 0.0),
        "negative_peak_latency_ms": (0.06, 0.0),
        "negative_peak_amplitude_mv": (0.0, 0.002),
        "peak_to_peak_amplitude_mv": (0.0, 0.005),
        "negative_peak_duration_ms": (0.07, 0.0),
        "negative_peak_area_mv_ms": (0.0, 0.004),
        "total_negative_duration_ms": (0.1, 0.0),
        "total_negative_area_mv_ms": (0.0, 0.01),
    }
    raised = set(found["quality_flags"].split(";")) - {"", "no_prestimulus_baseline"}
    assert raised == flags
    for name, (absolute, relative) in within.items():
        assert found[name] == pytest.approx(
            expected[name], abs=tolerance * absolute + 1e-12, rel=tolerance * relative, nan_ok=True
        ), name


@pytest.mark.parametrize("stimulus", [0, 20, 200])
def test_two_thousand_clean_traces_agree_with_the_oracle(stimulus):
    rng = np.random.default_rng(stimulus)
    samples = naive.random_cmaps(rng, 700, stimulus=stimulus)
    found = plain(samples, stimulus=stimulus)
    for i, row in enumerate(samples):
        agrees(found.iloc[i], *naive.measure(row, RATE, stimulus))


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rate=st.sampled_from([10_000.0, 20_000.0, 30_000.0, 50_000.0, 100_000.0]),
    before_ms=st.sampled_from([0.0, 1.0, 3.0, 10.0]),
)
def test_any_clean_trace_agrees_with_the_oracle(seed, rate, before_ms):
    stimulus = round(before_ms * rate / 1000)
    n_samples = stimulus + round(45 * rate / 1000)
    rng = np.random.default_rng(seed)
    samples = naive.random_cmaps(rng, 2, n_samples=n_samples, rate_hz=rate, stimulus=stimulus)
    found = plain(samples, rate, stimulus)
    for i, row in enumerate(samples):
        agrees(found.iloc[i], *naive.measure(row, rate, stimulus), tolerance=2.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_bad_sample_anywhere_leaves_nothing_measured(value):
    rng = np.random.default_rng(5)
    for index in [0, 1, 19, 20, 21, 500, 998, 999, *rng.integers(0, 1001, 20)]:
        # 1001 samples: the last block is not whole.
        row = naive.random_cmaps(rng, 1, n_samples=1001)
        row[0, index] = value
        found = plain(row).iloc[0]
        assert found["quality_flags"] == "non_finite_samples"
        assert found.drop("quality_flags").isna().all()


def test_ties_at_the_peak_are_read_in_their_middle():
    t = (np.arange(1000) - 20) / 20
    row = naive.cmap(t, height=5.0)
    top = int(np.argmax(row))
    row[top - 1 : top + 2] = row[top]
    found = plain(row).iloc[0]
    assert found["negative_peak_latency_ms"] == pytest.approx(t[top], abs=0.03)
    assert found["negative_peak_amplitude_mv"] == pytest.approx(row[top], rel=2e-3)
    assert found["quality_flags"] == ""


def test_coarse_steps_are_not_taken_for_clipping():
    t = (np.arange(1000) - 20) / 20
    for height in np.linspace(2.0, 9.0, 15):
        for width in (4.0, 6.0, 9.0):
            row = np.round(naive.cmap(t, height=height, width=width) / 0.0488) * 0.0488
            assert "clipped" not in plain(row).iloc[0]["quality_flags"]


@pytest.mark.parametrize(
    ("share", "noise"), [(s, n) for s in (0.5, 0.7, 0.9) for n in (0, 0.01, 0.05)] + [(0.97, 0.01)]
)
def test_a_plateau_with_an_abrupt_entry_is_clipped(share, noise):
    rng = np.random.default_rng(9)
    t = (np.arange(1000) - 20) / 20
    row = naive.cmap(t, height=6.0) + noise * rng.standard_normal(t.size)
    for cut in (np.minimum(row, 6.0 * share), np.maximum(row, -2.4 * share)):
        found = plain(cut).iloc[0]
        assert "clipped" in found["quality_flags"]
        assert np.isnan(found["negative_peak_amplitude_mv"])


def test_decay_tables_hold_the_means_of_exponentials():
    scale = _kernels.scale_of(RATE, 1000)
    assert (scale.size, scale.first) == (4, 2)
    taus = np.geomspace(0.12, 12.8, 20)
    t = np.arange(4 * 50).reshape(50, 4) / 20
    expected = np.exp(-t[:, :, None] / taus).mean(axis=1)
    assert np.allclose(scale.means.reshape(-1, 20)[:50], expected, rtol=1e-12)
    assert np.allclose(scale.sums.reshape(-1, 20)[50], expected[2:].sum(axis=0), rtol=1e-12)
    squares = (expected[2:] ** 2).sum(axis=0)
    assert np.allclose(scale.squares.reshape(-1, 20)[50], squares, rtol=1e-12)
    assert np.allclose(scale.ratio, np.exp(-0.05 / taus))
    assert np.allclose(scale.head * expected[0], 1.0)
    turns = [
        np.cos(0.02 * np.pi),
        np.sin(0.02 * np.pi),
        np.cos(0.024 * np.pi),
        np.sin(0.024 * np.pi),
    ]
    assert scale.turns == pytest.approx(turns)


def test_long_blocks_are_means_of_their_decays_however_many_are_made_at_a_time():
    # At 5 MHz a block is so long that the table is made in many parts.
    scale = _kernels.scale_of(5e6, 1_000_000)
    taus = np.geomspace(facts.SHORTEST_DECAY_MS, facts.LONGEST_DECAY_MS, facts.N_DECAYS)
    means = scale.means.reshape(-1, facts.N_DECAYS)
    for block in (0, 1, 100, len(means) - 1):
        t = np.arange(block * scale.size, (block + 1) * scale.size) * scale.step_ms
        decays = np.exp(-t[:, None] / taus).mean(axis=0)
        np.testing.assert_allclose(means[block], decays, rtol=1e-10, atol=1e-300)


def copied(folder, *, with_sources):
    """A copy of the package in `folder`, and what a call in it says."""
    shutil.copytree(Path(ncs_cb.__file__).parent, folder / "ncs_cb")
    kernels = folder / "ncs_cb" / "_kernels"
    if not with_sources:
        for path in kernels.glob("*.[ch]"):
            path.unlink()
    return kernels


def said_by(folder):
    call = "ncs_cb.measure_traces([0.0] * 9, sampling_rate_hz=1e4, stimulus_index=0)"
    code = f"import ncs_cb; print(len({call}))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(folder)},
        check=False,
    )
    return run.stdout + run.stderr


def test_a_source_tree_without_its_library_says_how_to_build_it(tmp_path):
    kernels = copied(tmp_path, with_sources=True)
    (kernels / build.library_name()).unlink()
    assert "kernel is missing" in said_by(tmp_path)
    assert "python -m ncs_cb._kernels.build" in said_by(tmp_path)


def test_a_library_made_of_other_sources_is_refused(tmp_path):
    kernels = copied(tmp_path, with_sources=True)
    assert said_by(tmp_path) == "1\n"
    source = kernels / "hum.c"
    source.write_text(source.read_text("utf-8") + "/* changed */\n", "utf-8")
    assert "made of other sources" in said_by(tmp_path)
    (kernels / build.library_name()).write_bytes(b"no library")
    assert "cannot be loaded" in said_by(tmp_path)


def test_an_installed_package_holds_no_sources_and_needs_none(tmp_path):
    kernels = copied(tmp_path, with_sources=False)
    assert said_by(tmp_path) == "1\n"
    (kernels / build.library_name()).unlink()
    assert "Install ncs_cb again" in said_by(tmp_path)


def test_without_a_compiler_building_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(build, "find_compiler", lambda: None)
    with pytest.raises(build.BuildError, match="pip install ziglang"):
        build.build(tmp_path)
    monkeypatch.setattr(
        build, "find_compiler", lambda: [sys.executable, "-c", "raise SystemExit(3)"]
    )
    with pytest.raises(build.BuildError, match="SystemExit"):
        build.build(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_function_that_stands_nowhere_is_refused_when_it_is_built(tmp_path):
    if not build.find_compiler():
        pytest.skip("no compiler here")
    source = tmp_path / "nowhere.c"
    source.write_text("int there(void) { return nowhere(); }\n", "utf-8")
    with pytest.raises(build.BuildError, match="nowhere"):
        build.build(tmp_path / "made", source=source)


@pytest.mark.parametrize("wrong", [np.int64(1), np.float64(1.0), True, None])
def test_numbers_that_are_not_what_c_is_told_are_refused(wrong):
    with pytest.raises(TypeError, match=type(wrong).__name__):
        library.call("look", "", 0, wrong)
