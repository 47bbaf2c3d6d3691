"""What recordings must share to stand in one file."""

from __future__ import annotations

from ncs_cb.model import Trace


def technique(trace: Trace) -> tuple[object, ...]:
    """Give what must agree within one file: EDF+ 2.2 asks for a file per technique."""
    site = trace.site
    return (
        site.nerve,
        site.side,
        site.muscle,
        trace.kind,
        trace.sampling_rate_hz,
        len(trace.samples_mv),
        trace.high_pass_hz,
        trace.low_pass_hz,
        trace.range_mv,
    )
