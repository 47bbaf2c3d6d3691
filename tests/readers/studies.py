"""Studies with clean responses, for the tests of readers and writers."""

from __future__ import annotations

import numpy as np

from ncs_cb.model import MachineValues, Site, Stimulus, Study, Trace
from readers.handmade import cmap


def trace(
    site="wrist",
    onset_ms=3.8,
    amplitude_mv=7.2,
    *,
    nerve="median",
    side="right",
    muscle="apb",
    rate=20_000.0,
    before_ms=0.0,
    length_ms=50.0,
    kind="motor",
    noise=0.0,
    seed=0,
    **more,
):
    index = round(before_ms * rate / 1000)
    time_ms = (np.arange(round((before_ms + length_ms) * rate / 1000)) - index) * 1000 / rate
    samples = cmap(time_ms, onset_ms, amplitude_mv)
    samples = samples + np.random.default_rng(seed).normal(0, noise, len(samples))
    given = {"high_pass_hz": 2.0, "low_pass_hz": 10_000.0, **more}
    return Trace(samples, rate, index, Site(nerve, side, muscle, site), "x", kind, **given)


def arm(**more):
    """Median nerve at three sites, with everything a stimulus can say."""
    return Study(
        "arm",
        tuple(
            trace(
                site,
                onset,
                stimulus=Stimulus(distance, current, 0.2, True, False, "file", "file"),
                machine=MachineValues(onset, 7.2, 55.0),
                noise=0.002,
                seed=i,
                sweep=i,
                **more,
            )
            for i, (site, onset, distance, current) in enumerate(
                [("wrist", 3.6, 65.0, 8.2), ("elbow", 7.7, 285.0, 15.3), ("axilla", 9.9, 405.0, 31)]
            )
        ),
    )


def assert_same(one, other, *, tolerance):
    """The same traces, samples within `tolerance` mV."""
    assert len(one.traces) == len(other.traces)
    for a, b in zip(one.traces, other.traces, strict=True):
        assert (a.site, a.kind, a.stimulus_index) == (b.site, b.kind, b.stimulus_index)
        assert a.sampling_rate_hz == b.sampling_rate_hz
        assert (a.high_pass_hz, a.low_pass_hz) == (b.high_pass_hz, b.low_pass_hz)
        assert a.machine == b.machine
        assert len(a.samples_mv) == len(b.samples_mv)
        np.testing.assert_allclose(a.samples_mv, b.samples_mv, rtol=0, atol=tolerance)
