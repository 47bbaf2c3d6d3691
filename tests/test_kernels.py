"""The kernel: plain equals compiled, bit for bit; both equal the oracle within tolerance."""

from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naive
from ncs_cb import _kernels
from ncs_cb._kernels import facts, kept, primitives
from ncs_cb._kernels.baseline import quiet_line
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
        for h in (0.2, 2.0) for a in (-8.0, -1.0, 4.0) for tau in (0.2, 1.0, 2.0)
    ]  # fmt: skip
    hum = 0.05 * np.sin(2 * np.pi * 0.05 * t + 1.0)
    rows += [naive.cmap(t, height=h) + hum for h in (0.0, 0.3, 3.0)]
    rows += [0.05 * rng.standard_normal(t.size), np.zeros(t.size), naive.cmap(t, onset=26.0)]
    rows += [np.minimum(naive.cmap(t), 4.0), naive.cmap(t, onset=1.2, width=1.5)]
    dip = naive.cmap(t) - 0.8 * naive.lobe((t - 3.0) / 1.0)
    rows += [dip, np.where(t > 8, np.nan, dip), np.where(t == 8, np.inf, dip), dip + 1e4]
    return np.array(rows, dtype=np.float32)


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.slow)])
def test_plain_and_compiled_give_identical_bits(monkeypatch, dtype):
    samples = every_kind(np.random.default_rng(1)).astype(dtype)
    n = len(samples)
    for rate, stimulus in ((20_000.0, 20), (5_000.0, 3), (48_000.0, 0), (100_000.0, 250)):
        arguments = (
            samples, np.full(n, rate), np.full(n, stimulus), np.full(n, -np.inf), np.full(n, np.inf)
        )  # fmt: skip
        monkeypatch.setattr(measure, "_goes_compiled", lambda n, dtype: False)
        out, facts = measure._run(*arguments, threads=1)
        monkeypatch.setattr(measure, "_goes_compiled", lambda n, dtype: True)
        fast, fast_facts = measure._run(*arguments, threads=2)
        assert np.array_equal(facts, fast_facts)
        assert np.array_equal(out.view(np.int64), fast.view(np.int64))


def compiled_primitives():
    """One compiled function that runs every primitive on v[a:b]."""
    import numba

    from ncs_cb._kernels.vectors import PRIMITIVES

    pointer, part, ahead, largest, smallest, place_of, all_finite, means_of_four = (
        PRIMITIVES.values()
    )

    @numba.njit
    def run(v, a, b, value, means):
        p = part(pointer(v), a, b)
        n = b - a
        ahead(p, n, 3)
        means_of_four(p, n // 4, pointer(means))
        found = place_of(p, 0, n, value)
        return largest(p, 0, n), smallest(p, 0, n), found, all_finite(p, n)

    return run


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_primitives_do_the_same_compiled(dtype):
    run, rng = compiled_primitives(), np.random.default_rng(3)
    for n in [1, 2, 15, 16, 17, 31, 32, 33, 48, 63, 64, 250]:
        for k in range(20):
            # Few values, so that they tie; and many, so that their sums round.
            v = rng.integers(-4, 5, n + 3) * 0.5 if k % 2 else rng.standard_normal(n + 3)
            v = v.astype(dtype)
            rest, means, plain_means = v[2:].tolist(), np.zeros(n // 4 + 1), [0.0] * (n // 4 + 1)
            value = float(rng.choice(v))
            primitives.means_of_four(rest, n // 4, plain_means)
            expected = (
                primitives.largest(rest, 0, n), primitives.smallest(rest, 0, n),
                primitives.place_of(rest, 0, n, value), primitives.all_finite(rest, n),
            )  # fmt: skip
            assert run(v, 2, n + 2, value, means) == expected
            assert means.tolist() == plain_means
            assert expected[:2] == (max(rest[:n]), min(rest[:n]))
            v[2 + rng.integers(n)] = rng.choice([np.nan, np.inf, -np.inf])
            assert not run(v, 2, n + 2, value, means)[3]
            assert not primitives.all_finite(v[2:].tolist(), n)


@pytest.mark.parametrize("m", [12, 25])
def test_the_line_of_the_baseline_is_that_of_least_squares_shrunk_by_its_error(m):
    rng, state, at = np.random.default_rng(m), [0.0] * facts.STATE, np.arange(40.0)
    y = 3.0 + 0.2 * at + 0.1 * rng.standard_normal(40)
    quiet_line(y.tolist(), 5, 5 + m, 4, 0.01, state)
    slope, level = np.polyfit(at[5 : 5 + m], y[5 : 5 + m], 1)
    squares = ((y - slope * at - level)[5 : 5 + m] ** 2).sum() + 4 * 0.01
    error = 4 * squares / (m + 2) / ((at[:m] - at[:m].mean()) ** 2).sum()
    assert state[facts.SLOPE] * 4 == pytest.approx(slope * (1 - error / slope**2), rel=1e-12)
    assert state[facts.LEVEL] == pytest.approx(y[5 : 5 + m].mean(), rel=1e-12)


def test_many_small_calls_are_worth_the_kernel_as_one_large_one_is(monkeypatch):
    monkeypatch.setattr(measure, "_MEASURED_PLAIN", Counter())
    monkeypatch.setattr(_kernels, "is_loaded", lambda dtype: False)
    monkeypatch.setattr(_kernels, "is_kept", lambda dtype: dtype == "float32")
    assert not any(measure._goes_compiled(499, "float32") for _ in range(4))
    assert measure._goes_compiled(499, "float32")
    assert not any(measure._goes_compiled(measure.COMPILE_FROM - 1, "float64") for _ in range(4))
    assert measure._goes_compiled(measure.COMPILE_FROM, "float64")


def slow_rises(n=300):
    """Slow, small and noisy: the onset is extrapolated to before what is looked at."""
    t, rows = np.arange(600) / 10, []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        bell = np.exp(-(((t - rng.uniform(8, 16)) / rng.uniform(2, 5)) ** 2))
        rows.append(0.24 * bell + rng.uniform(0.01, 0.05) * rng.standard_normal(t.size))
    return np.array(rows)


def test_an_onset_before_the_part_looked_at_gives_the_same_area_both_ways(monkeypatch):
    samples = slow_rises().astype(np.float32)
    monkeypatch.setattr(measure, "_goes_compiled", lambda n, dtype: False)
    slow = measure.measure_traces(samples, sampling_rate_hz=10_000, stimulus_index=0)
    monkeypatch.setattr(measure, "_goes_compiled", lambda n, dtype: True)
    fast = measure.measure_traces(samples, sampling_rate_hz=10_000, stimulus_index=0)
    assert slow.equals(fast)
    height, duration = slow["negative_peak_amplitude_mv"], slow["negative_peak_duration_ms"]
    known = slow["negative_peak_area_mv_ms"].notna()
    share = (slow["negative_peak_area_mv_ms"] / (height * duration))[known]
    assert known.sum() > 100
    assert share.between(0.2, 0.9).all()


class Guarded(list):
    """A list that refuses what compiled code would read outside of its array."""

    def __getitem__(self, place):
        if isinstance(place, slice):
            assert 0 <= (place.start or 0) <= place.stop <= len(self), place
            return Guarded(super().__getitem__(place))
        assert 0 <= place < len(self), place
        return super().__getitem__(place)


@pytest.mark.parametrize(("rate", "stimulus"), [(20_000.0, 20), (5_000.0, 3), (48_000.0, 0)])
def test_nothing_outside_of_an_array_is_looked_at(rate, stimulus):
    size, first, *arrays = _kernels.decay_tables(rate)
    *tables, ratio, head = (Guarded(a.tolist()) for a in arrays)
    rows = [*every_kind(np.random.default_rng(2)).astype(float), *slow_rises(60)]
    for row in rows:
        work = [Guarded([0.0] * row.size) for _ in range(4)]
        sizes = (_kernels.facts.N_DECAYS, _kernels.facts.SOLVE, _kernels.facts.STATE)
        cells = [Guarded([0.0] * m) for m in sizes]
        out = Guarded([0.0] * _kernels.facts.WIDTH)
        _kernels.measure_row(
            Guarded(row.tolist()), row.size, stimulus, 1000.0 / rate, -np.inf, np.inf, size,
            first, tables, ratio, head, *work, *cells, out,
        )  # fmt: skip


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
    size, first, means, sums, squares, hum, ratio, head = _kernels.decay_tables(RATE)
    assert (size, first) == (4, 2)
    taus = np.geomspace(0.12, 3.2, 16)
    t = np.arange(4 * 50).reshape(50, 4) / 20
    expected = np.exp(-t[:, :, None] / taus).mean(axis=1)
    assert np.allclose(means.reshape(-1, 16)[:50], expected, rtol=1e-12)
    assert np.allclose(sums.reshape(-1, 16)[50], expected[2:].sum(axis=0), rtol=1e-12)
    assert np.allclose(squares.reshape(-1, 16)[50], (expected[2:] ** 2).sum(axis=0), rtol=1e-12)
    assert np.allclose(ratio, np.exp(-0.05 / taus))
    assert np.allclose(head * expected[0], 1.0)
    assert hum == pytest.approx([np.cos(x) if c else np.sin(x) for x in
                                 (0.02 * np.pi, 0.024 * np.pi) for c in (1, 0)])  # fmt: skip


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "ncs_cb"


def test_a_kept_kernel_is_read_back_whole_or_not_at_all(folder):
    path = kept.place("float32")
    assert path.parent == folder
    assert kept.load(path) is None
    kept.keep(path, pickle.dumps({"a": 1}))
    assert kept.load(path) == {"a": 1}
    assert [p.name for p in folder.iterdir()] == [path.name]
    held = path.read_bytes()
    for damaged in (held[:-1], held[:40], b"", held[:-1] + b"x"):
        path.write_bytes(damaged)
        assert kept.load(path) is None


def test_nothing_is_kept_where_others_may_write(folder):
    assert kept.place("float32") != kept.place("float64")
    folder.chmod(0o777)
    assert kept.place("float32") is None
    kept.keep(None, b"")
    assert kept.load(None) is None
