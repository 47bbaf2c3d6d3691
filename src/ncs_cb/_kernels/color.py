"""Whether a response stands out of noise that is not white."""

# Written for two readers, Python and numba: plain loops, on lists or arrays alike, so the
# arguments are not annotated. Names are explained in the package's docstring.
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from math import sqrt

from ncs_cb._kernels.facts import (
    BUMP_MS,
    COLOR,
    LULL_MS,
    NEARLY_WHITE,
    RECOVERED_MS,
    RECOVERS,
    SMOOTH_MS,
    STANDS_OUT,
    STANDS_OUT_OF_WHITE,
    WHITE,
)


def bumps(r, a, n_blocks, block_ms, z):
    """Write by how much 1 ms of the trace differs from what lies 2.4 ms to either side.

    The second difference knows neither level nor slope, and little of what is slow: wander,
    heart, recovery. Gives how many there are.
    """
    wide = max(1, int(SMOOTH_MS / block_ms + 0.5))
    lag = max(1, int(BUMP_MS / block_ms + 0.5))
    m = n_blocks - a - wide + 1
    if m <= 2 * lag:
        return 0
    total = 0.0
    for b in range(a, a + wide):
        total += r[b]
    z[0] = total
    for b in range(1, m):
        total += r[a + b + wide - 1] - r[a + b - 1]
        z[b] = total
    for b in range(m - 2 * lag):
        z[b] = abs((z[b + 2 * lag] - z[b + lag]) - (z[b + lag] - z[b]))
    return m - 2 * lag


def stands_out(r, a, n_blocks, size, block_ms, z, state):
    """Whether the largest bump from block `a` on is more than the quieter stretches explain.

    Those are the second quietest of pieces of 3 ms: a response leaves some of the sweep quiet,
    noise of any color and hum do not.
    """
    m = bumps(r, a, n_blocks, block_ms, z)
    piece = max(4, int(LULL_MS / block_ms + 0.5))
    if m < 4 * piece:
        return True
    most = 0.0
    lowest = second = 1e300
    for k in range(m // piece):
        squares = 0.0
        for b in range(k * piece, (k + 1) * piece):
            squares += z[b] * z[b]
            most = max(most, z[b])
        if squares < lowest:
            second = lowest
            lowest = squares
        elif squares < second:
            second = squares
    quiet = sqrt(second / piece)
    wide = max(1, int(SMOOTH_MS / block_ms + 0.5))
    state[COLOR] = quiet / wide
    # White noise: six times the variance of a sum of so many blocks.
    white = sqrt(6.0 * wide / size) * state[WHITE]
    times = STANDS_OUT_OF_WHITE if quiet < NEARLY_WHITE * white else STANDS_OUT
    return most > times * quiet


def is_response(r, a, peak, n_blocks, size, block_ms, z, state):
    """Whether a small negative peak is a response: from usable block `a` on, `r` holds no pulse.

    The first 2 ms are left to the amplifier that recovers; what peaks there is a response only
    if it comes down as fast as one.
    """
    late = a + int(RECOVERED_MS / block_ms)
    if stands_out(r, late, n_blocks, size, block_ms, z, state):
        return True
    lag = max(1, int(BUMP_MS / block_ms + 0.5))
    down = peak + lag
    if peak > late + lag or down >= n_blocks or r[down] > RECOVERS * r[peak]:
        return False
    return stands_out(r, a, n_blocks, size, block_ms, z, state)
