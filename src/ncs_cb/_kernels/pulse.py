"""The stimulus pulse and what the amplifier does behind it, found in the samples."""

# Written for two readers, Python and numba: plain loops, on lists or arrays alike, so the
# arguments are not annotated. Names are explained in the package's docstring.
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from ncs_cb._kernels.facts import (
    BENDS,
    EDGE_MS,
    EDGE_SHARE,
    MARKER_MS,
    PULSE_FROM,
    PULSE_TO,
    RAIL_MS,
    RAILED,
    RESPONSE_FROM_MS,
    SMOOTH_BEND,
    WHITE,
)
from ncs_cb._kernels.reduce import mean_of


def sharpest_bend(y, a, n_blocks):
    """Largest second difference of the blocks: how sharply a response of this sweep bends."""
    most = 0.0
    for b in range(a, n_blocks - 1):
        most = max(most, abs(y[b + 1] - 2.0 * y[b] + y[b - 1]))
    return most


def bend(x, i, lag):
    """Second difference about sample i."""
    return abs((x[i + lag] - x[i]) - (x[i] - x[i - lag]))


def look_for_pulse(x, n, stimulus, per_ms, y, n_blocks, pre, size, state):
    """Find the edges of the stimulus pulse about the marker, and a rail that follows them.

    An edge bends the trace more sharply than anything later in the sweep does. Leaves the first
    sample of the pulse and the first after it (the stimulus where no pulse is seen), and how
    many samples stood on a rail, in the state.
    """
    state[PULSE_FROM] = state[PULSE_TO] = stimulus * 1.0
    state[RAILED] = 0.0
    lag = max(1, int(EDGE_MS * per_ms + 0.5))
    reach = int(MARKER_MS * per_ms)
    lo = max(lag, stimulus - reach)
    hi = min(n - lag, stimulus + reach)
    top = wider = 0.0
    for i in range(lo, hi):
        top = max(top, bend(x, i, lag))
        if lag <= i - lag and i + 2 * lag < n:
            wider = max(wider, bend(x, i, 2 * lag))
    later = pre + int(RESPONSE_FROM_MS * per_ms / size)
    edge = max(BENDS * sharpest_bend(y, max(1, min(later, n_blocks - 2)), n_blocks),
               15.0 * state[WHITE])  # fmt: skip
    # Over twice the time a step bends as much, a smooth wave four times as much.
    if top <= edge or wider > SMOOTH_BEND * top:
        return
    edge = max(edge, EDGE_SHARE * top)
    start = lo
    while bend(x, start, lag) <= edge:
        start += 1
    if start > lo:
        state[PULSE_FROM] = (start + lag) * 1.0
    base = mean_of(x, max(0, start - 2 * size), start)
    state[PULSE_TO] = follow_edges(x, n, start, lag, edge, base, per_ms, state) * 1.0


def follow_edges(x, n, i, lag, edge, base, per_ms, state):
    """Give the first sample after the last edge, or after the rail, behind edge `i`.

    The next edge comes within the longest phase of a pulse; while the trace stands far from
    where it came, on a rail, the wait is longer.
    """
    wait = int(MARKER_MS * per_ms)
    last = min(n - lag - 1, i + int(RAIL_MS * per_ms))
    end = i + lag
    run = 0
    while i < last:
        far = abs(x[i] - base) > 2.0 * edge
        if i > end + wait and not far:
            break
        if bend(x, i, lag) > edge:
            end = i + 1
        run = run + 1 if far and x[i + 1] == x[i] else 0
        if run >= 2:
            end = max(end, i + 2)
            state[RAILED] = max(state[RAILED], run + 1.0)
        i += 1
    return end
