"""Onset, peaks, returns and areas, from the samples about them."""

# Written for two readers, Python and numba: plain loops, on lists or arrays alike, so the
# arguments are not annotated. Names are explained in the package's docstring.
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from math import sqrt

from ncs_cb._kernels.correct import take_baseline_samples
from ncs_cb._kernels.facts import ONSET_LEVEL, RETURN_LEVEL, UNLIMITED_MV, WHITE
from ncs_cb._kernels.primitives import part
from ncs_cb._kernels.reduce import sum_of


def cross_back(z, i, h, level):
    """Walk back from i to where the smoothed trace falls below level.

    Gives the fractional index, and the whole index after it to go on from.
    """
    width = 2 * h + 1
    level = level * width
    total = 0.0
    for j in range(i - h, i + h + 1):
        total += z[j]
    while i > h:
        below = total - z[i + h] + z[i - 1 - h]
        if below < level:
            f = 0.0
            if total > below:
                f = (level - below) / (total - below)
            return i - 1 + min(f, 1.0), i
        total = below
        i -= 1
    return h * 1.0, i


def find_onset(z, n, i, height, top, white, max_half):
    """Sub-sample index at which the rising edge leaves 1 % of the negative peak.

    Walks back from sample `i`, high on the edge of a phase of height `top`.
    """
    # Smooth until 1 % of the peak stands clear of the noise, but not for long; then start
    # from the lowest level that does, and never from above a third of the phase.
    level = ONSET_LEVEL * height
    h = 0
    while h < max_half and level * level * (2 * h + 1) < 9.0 * white * white:
        h += 1
    clear = 2.5 * white / sqrt(2.0 * h + 1.0)
    steps = 0
    while level < clear and steps < 5 and 8.0 * level < top:
        level *= 2.0
        steps += 1
    i = min(max(i, h), n - 1 - h)
    total = 0.0
    for j in range(i - h, i + h + 1):
        total += z[j]
    while i < n - 1 - h and total < 4.0 * level * (2 * h + 1):
        i += 1
        total += z[i + h] - z[i - 1 - h]
    t4, i = cross_back(z, i, h, 4.0 * level)
    t2, i = cross_back(z, i, h, 2.0 * level)
    t1, i = cross_back(z, i, h, level)
    if steps == 0:
        return t1
    # t(level) rises like a power of level; softened towards the usual shape.
    d = t2 - t1
    ratio = (t4 - t2 + 5.1) / (d + 3.0)
    ratio = 1.0 / min(max(ratio, 1.5), 2.0)
    for _ in range(steps):
        d *= ratio
        t1 -= d
    return t1


def find_return(z, i, n, height, white, max_half):
    """Sub-sample index at which the falling edge is back at baseline; -1 when it is not."""
    level = RETURN_LEVEL * height
    h = 0
    while h < max_half and level * level * (2 * h + 1) < 4.0 * white * white:
        h += 1
    i = max(i, h)
    if i >= n - h - 1:
        return -1.0
    level *= 2 * h + 1
    above = 0.0
    for j in range(i - h, i + h + 1):
        above += z[j]
    while i < n - h - 1:
        below = above + z[i + 1 + h] - z[i - h]
        if below < level:
            if above <= level:
                return i * 1.0
            return i + (above - level) / (above - below)
        above = below
        i += 1
    return -1.0


def fit_top(v, a, b):
    """Height and place of the vertex of a parabola through v[a:b]."""
    m = b - a
    middle = 0.5 * (a + b - 1)
    sy = sy1 = sy2 = 0.0
    # In pairs about the middle, which all but one of the powers cancel in.
    for j in range(m // 2):
        u = middle - (a + j)
        both = v[b - 1 - j] + v[a + j]
        sy += both
        sy1 += u * (v[b - 1 - j] - v[a + j])
        sy2 += u * u * both
    if m % 2 == 1:
        sy += v[a + m // 2]
    s2 = m * (m * m - 1.0) / 12.0
    s4 = s2 * (3.0 * m * m - 7.0) / 20.0
    det = m * s4 - s2 * s2
    c2 = (m * sy2 - s2 * sy) / det
    c0 = (sy - c2 * s2) / m
    c1 = sy1 / s2
    if c2 == 0.0:
        return c0, middle, c2
    u = -0.5 * c1 / c2
    if u < a - middle or u > b - 1 - middle:
        return c0, middle, 0.0
    return c0 + 0.5 * c1 * u, middle + u, c2


def find_top(x, n, r, n_blocks, stimulus, size, peak, sign, tables, ratio, head, hum,
             state, z):  # fmt: skip
    """Height of the extreme at block `peak`, and its place in samples."""
    share = 0.03 if sign > 0.0 else 0.08
    # Down to four standard deviations: with fewer, noise chooses the blocks and lifts the top.
    drop = share * sign * r[peak] + 4.0 * state[WHITE] / sqrt(size * 1.0)
    floor = sign * r[peak] - drop
    a = peak
    while a > 0 and sign * r[a - 1] > floor and peak - a < 12:
        a -= 1
    b = peak + 1
    while b < n_blocks and sign * r[b] > floor and b - peak < 13:
        b += 1
    if b - a >= 5:
        height, place, bend = fit_top(r, a, b)
        if sign * bend < 0.0:
            # The mean over a block lies below its middle by the bend.
            height -= bend * (size * size - 1.0) / (12.0 * size * size)
            return height, place * size + 0.5 * (size - 1)
        # No vertex among so many blocks: of their samples, noise would choose the highest.
        a = max(a, peak - 1)
        b = min(b, peak + 2)
    # The samples of few blocks.
    z_from = max(0, (a - 1) * size)
    n_z = min(n, (b + 1) * size) - z_from
    take_baseline_samples(part(x, z_from, z_from + n_z), z_from, n_z, stimulus, size, n_blocks,
                          tables, ratio, head, hum, state, z)  # fmt: skip
    a = a * size - z_from
    b = min(b * size - z_from, n_z)
    at = a
    for i in range(a, b):
        if sign * z[i] > sign * z[at]:
            at = i
    if b - a < 3 and 0 < at < n_z - 1:
        a = at - 1
        b = at + 2
    if b - a >= 3:
        height, place, bend = fit_top(z, a, b)
        if sign * bend < 0.0:
            return height, z_from + place
    return z[at] * 1.0, z_from + at * 1.0


def area_between(z, t0, t1):
    """Integral of z from fractional index t0 to t1 by trapezoids, zero at both ends.

    A slow rise may be taken back to an onset before the first value: it is a line from there.
    """
    i0 = max(int(t0) + 1, 0)
    i1 = int(t1)
    if i1 < i0:
        return 0.0
    total = sum_of(part(z, i0, i1 + 1), i1 + 1 - i0) - 0.5 * (z[i0] + z[i1])
    return total + 0.5 * (i0 - t0) * z[i0] + 0.5 * (t1 - i1) * z[i1]


def runs_flat(x, lo, hi, at, sign):
    """Whether the raw extreme at sample `at` is a run of equal values with an abrupt entry."""
    value = x[at] * 1.0
    start = at
    while start > lo and x[start - 1] == value:
        start -= 1
    end = at + 1
    while end < hi and x[end] == value:
        end += 1
    length = end - start
    if length < 3:
        return False
    # Half a run outside a smooth top the trace has fallen by three times what it fell within
    # the run, which is at most one bit; outside a cut-off top by three times the cut.
    reach = (length + 1) // 2
    if start - reach < lo or end + reach > hi:
        reach = min(start - lo, hi - end)
        if reach < 1:
            return False
    left = sign * (value - x[start - reach])
    right = sign * (value - x[end + reach - 1])
    fall = min(left, right)
    if fall <= 0.0:
        return False
    bit = fall
    for i in range(max(lo + 1, start - 4 * reach - 8), min(hi, end + 4 * reach + 8)):
        d = abs(x[i] * 1.0 - x[i - 1])
        if 0.0 < d < bit:
            bit = d
    return fall > 16.0 * bit


def is_clipped(x, lo, hi, at, sign, low_mv, high_mv):
    """Whether the raw samples about the extreme `at` run into a limit."""
    a = max(lo, at - 12)
    b = min(hi, at + 13)
    ties = 0
    for i in range(a + 1, b):
        if x[i] == x[i - 1]:
            ties += 1
    limit = high_mv if sign > 0.0 else -low_mv
    if ties < 2 and limit > UNLIMITED_MV:
        return False
    best = sign * x[a]
    for i in range(a + 1, b):
        best = max(best, sign * x[i])
    if limit < UNLIMITED_MV and best >= limit - 1e-6 * (high_mv - low_mv):
        return True
    for i in range(a + 1, b):
        if sign * x[i] == best and x[i] == x[i - 1] and runs_flat(x, lo, hi, i, sign):
            return True
    return False
