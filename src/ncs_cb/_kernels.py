"""The hot loop: one row of samples in, one row of numbers and a word of facts out.

One source, two ways to run it: as plain Python for a handful of traces, compiled by numba for
many. Both give identical bits: only scalar loops, ``+ - * /``, comparisons and ``sqrt`` are
used, in a fixed order; decays come in as a table.
"""

from __future__ import annotations

from functools import cache
from math import sqrt
from typing import Any

import numpy as np

NAN = float("nan")

# Facts, as bits. Meaning is given to them in measure.py.
NON_FINITE = 1
FLAT = 2
STIMULUS_OUTSIDE = 4
CLIPPED = 8
ABSENT = 16
POSITIVITY = 32
LATE = 64
CUT = 128
NO_BASELINE = 256
ARTIFACT = 512
ARTIFACT_AT_ONSET = 1024
NOISY = 2048
IMPLAUSIBLE = 4096

# Cells of one row of `out`, in the order of the contract.
ONSET, PEAK, AMPLITUDE, PEAK_TO_PEAK = 0, 1, 2, 3
DURATION, AREA, TOTAL_DURATION, TOTAL_AREA = 4, 5, 6, 7
BASELINE, NOISE = 8, 9
WIDTH = 10

BLOCK_MS = 0.2
BLANK_MS = 0.4
FIRST_PEAK_MS = 1.2
GAP_MS = 12.0
LARGEST_MV = 100.0
N_DECAYS = 16
SHORTEST_DECAY_MS = 0.12
LONGEST_DECAY_MS = 3.2
DECAY_MS = 20.0
SIGNIFICANT = 0.05
ONSET_LEVEL = 0.01
RETURN_LEVEL = 0.005


def decay_tables(rate_hz: float) -> tuple[int, int, Any, Any, Any, Any, Any]:
    """Give block size, first fitted block and the block means of decaying exponentials."""
    step = 1000.0 / rate_hz
    size = max(1, round(BLOCK_MS / step))
    first = int(np.ceil(BLANK_MS / (size * step) - 1e-9))
    n = int(DECAY_MS / (size * step)) + first + 1
    taus = np.geomspace(SHORTEST_DECAY_MS, LONGEST_DECAY_MS, N_DECAYS)
    t = np.arange(n * size) * step
    e = np.exp(-t[:, None] / taus).reshape(n, size, N_DECAYS)
    means = e.mean(axis=1)
    fitted = means.copy()
    fitted[:first] = 0.0
    sums = np.zeros((n + 1, N_DECAYS))
    squares = np.zeros((n + 1, N_DECAYS))
    np.cumsum(fitted, axis=0, out=sums[1:])
    np.cumsum(fitted**2, axis=0, out=squares[1:])
    ratio = np.exp(-step / taus)
    head = e[0, 0] / means[0]
    return size, first, means.ravel(), sums.ravel(), squares.ravel(), ratio, head


def load(x, n, z):
    """Copy one row to float64; give whether every sample is finite."""
    bad = 0
    for i in range(n):
        v = x[i] * 1.0
        z[i] = v
        if v - v != 0.0:
            bad += 1
    return bad == 0


def block_means(z, start, size, n_blocks, y):
    """Write the mean of each run of `size` samples from `start` on."""
    scale = 1.0 / size
    for b in range(n_blocks):
        i = start + b * size
        total = 0.0
        for j in range(size):
            total += z[i + j]
        y[b] = total * scale


def white_noise(z, a, b):
    """Standard deviation of the white part, from second differences."""
    total = 0.0
    count = 0
    for i in range(a + 1, b - 1):
        d = z[i - 1] - 2.0 * z[i] + z[i + 1]
        total += d * d
        count += 1
    if count == 0:
        return 0.0
    return sqrt(total / (6.0 * count))


def mean_and_deviation(z, a, b):
    """Mean and standard deviation of z[a:b]."""
    n = b - a
    if n < 1:
        return 0.0, 0.0
    total = 0.0
    for i in range(a, b):
        total += z[i]
    mean = total / n
    squares = 0.0
    for i in range(a, b):
        squares += (z[i] - mean) * (z[i] - mean)
    return mean, sqrt(squares / max(1, n - 1))


def fit_decay(y, first, end, weight, prior, prior_weight, variance, means, sums, squares, s):
    """Fit level + size * exp(-t / tau) to blocks first..end, tau by search and one Newton step.

    Returns level, size, three weights of neighboring decays, their index, residual squares.
    """
    sy = prior_weight * prior
    syy = prior_weight * prior * prior
    for b in range(first, end):
        sy += y[b]
        syy += y[b] * y[b]
    n = (end - first) + weight + prior_weight
    level = sy / n
    syy -= sy * level
    for k in range(N_DECAYS):
        s[k] = 0.0
    for b in range(first, end):
        v = y[b] - level
        for k in range(N_DECAYS):
            s[k] += v * means[b * N_DECAYS + k]
    # Points other than the blocks carry no decay, so that s is already centered on them.
    best = -1.0
    at = 0
    for k in range(N_DECAYS):
        e = sums[end * N_DECAYS + k]
        centered = squares[end * N_DECAYS + k] - e * e / n
        gain = 0.0
        if centered > 1e-12:
            gain = s[k] * s[k] / centered
        if gain > best:
            best = gain
            at = k
    if best < 12.0 * variance or end - first < 2:
        return level, 0.0, 0.0, 1.0, 0.0, 1, syy
    if at < 1:
        at = 1
    if at > N_DECAYS - 2:
        at = N_DECAYS - 2
    g = [0.0, 0.0, 0.0]
    for j in range(3):
        e = sums[end * N_DECAYS + at - 1 + j]
        centered = squares[end * N_DECAYS + at - 1 + j] - e * e / n
        if centered > 1e-12:
            g[j] = s[at - 1 + j] * s[at - 1 + j] / centered
    bend = g[0] - 2.0 * g[1] + g[2]
    d = 0.0
    if bend < 0.0:
        d = 0.5 * (g[0] - g[2]) / bend
    if d > 1.0:
        d = 1.0
    if d < -1.0:
        d = -1.0
    size = 0.0
    rss = syy
    for _ in range(2):
        level, size, shift, rss = newton(
            y, first, end, weight, prior, prior_weight, means, at, d)
        d += shift
        if d > 1.3:
            d = 1.3
        if d < -1.3:
            d = -1.3
    level, size, shift, rss = newton(y, first, end, weight, prior, prior_weight, means, at, d)
    return level, size, 0.5 * d * (d - 1.0), 1.0 - d * d, 0.5 * d * (d + 1.0), at, rss


def newton(y, first, end, weight, prior, prior_weight, means, at, d):
    """Solve for level and size at decay index at + d, and propose a better d."""
    w0 = 0.5 * d * (d - 1.0)
    w1 = 1.0 - d * d
    w2 = 0.5 * d * (d + 1.0)
    v0 = d - 0.5
    v1 = -2.0 * d
    v2 = d + 0.5
    n = (end - first) + weight + prior_weight
    se = sf = see = sef = sff = sy = sey = sfy = syy = 0.0
    sy = prior_weight * prior
    syy = prior_weight * prior * prior
    for b in range(first, end):
        p = b * N_DECAYS + at
        e = w0 * means[p - 1] + w1 * means[p] + w2 * means[p + 1]
        f = v0 * means[p - 1] + v1 * means[p] + v2 * means[p + 1]
        v = y[b]
        se += e
        sf += f
        see += e * e
        sef += e * f
        sff += f * f
        sy += v
        sey += e * v
        sfy += f * v
        syy += v * v
    see -= se * se / n
    sef -= se * sf / n
    sff -= sf * sf / n
    sey -= se * sy / n
    sfy -= sf * sy / n
    syy -= sy * sy / n
    if see <= 0.0:
        return sy / n, 0.0, 0.0, syy
    size = sey / see
    # A small ridge keeps the step sane where the window is too short to tell the decay.
    det = see * sff * 1.0001 - sef * sef
    shift = 0.0
    if det > 1e-18 and size != 0.0:
        shift = (see * sfy - sef * sey) / det / size
        if shift > 0.5:
            shift = 0.5
        if shift < -0.5:
            shift = -0.5
    return (sy - size * se) / n, size, shift, syy - size * sey


def grow_window(y, first, limit, weight, prior, prior_weight, variance, means, sums, squares, s):
    """Lengthen the fitted stretch from the artefact on while the fit holds."""
    end = first + 3
    if end > limit:
        end = limit
    sy = prior_weight * prior
    for k in range(N_DECAYS):
        s[k] = 0.0
    syy = prior_weight * prior * prior
    last = -1.0
    b = first
    while b < limit:
        v = y[b]
        sy += v
        syy += v * v
        for k in range(N_DECAYS):
            s[k] += v * means[b * N_DECAYS + k]
        b += 1
        if b < end:
            continue
        n = (b - first) + weight + prior_weight
        total = syy - sy * sy / n
        best = 0.0
        for k in range(N_DECAYS):
            e = sums[b * N_DECAYS + k]
            centered = squares[b * N_DECAYS + k] - e * e / n
            if centered > 1e-12:
                c = s[k] - e * sy / n
                gain = c * c / centered
                if gain > best:
                    best = gain
        rss = total - best
        if last >= 0.0 and rss - last > 20.0 * variance:
            return b - 1
        last = rss
    return b


def correct_blocks(y, n_blocks, level, size, w0, w1, w2, at, n_table, means, zb):
    """Take level and decay from the block means."""
    m = n_blocks
    if size == 0.0:
        m = 0
    if m > n_table:
        m = n_table
    for b in range(m):
        p = b * N_DECAYS + at
        zb[b] = y[b] - level - size * (w0 * means[p - 1] + w1 * means[p] + w2 * means[p + 1])
    for b in range(m, n_blocks):
        zb[b] = y[b] - level


def highest(zb, a, b):
    """Index of the highest block in a..b."""
    at = a
    for i in range(a + 1, b):
        if zb[i] > zb[at]:
            at = i
    return at


def response_start(zb, first, peak, scan_from, strong, weak):
    """First block of the response, and of an initial positivity before it."""
    b = scan_from
    while b < peak and zb[b] < strong:
        b += 1
    while b > first and zb[b - 1] >= weak:
        b -= 1
    onset = b
    deepest = 0.0
    # The positive dip may touch the onset or be a block away.
    dip = b
    low = b - 1
    tries = 0
    while low >= first and tries < 2 and zb[low] > -weak:
        low -= 1
        tries += 1
    if low >= first and zb[low] <= -weak:
        while low >= first and zb[low] <= -weak:
            if zb[low] < deepest:
                deepest = zb[low]
            low -= 1
        dip = low + 1
    return onset, dip, deepest


def smoothed(z, i, h):
    """Mean of 2 h + 1 samples about i."""
    total = 0.0
    for j in range(i - h, i + h + 1):
        total += z[j]
    return total / (2 * h + 1)


def cross_back(z, i, h, level, stop):
    """Walk back from i to where the smoothed trace falls below level; fractional index."""
    above = smoothed(z, i, h)
    while i > stop:
        below = smoothed(z, i - 1, h)
        if below < level:
            return i - 1 + (level - below) / (above - below), i
        above = below
        i -= 1
    return float(stop), i


def find_onset(z, start, peak, stop, height, top, noise, max_half):
    """Sub-sample index at which the rising edge leaves 1 % of the negative peak."""
    # Smooth until 1 % of the peak stands three times clear of the noise, but not for long.
    level = ONSET_LEVEL * height
    h = 0
    while h < max_half and level * level * (2 * h + 1) < 9.0 * noise * noise:
        h += 1
    if stop < h:
        stop = h
    deviation = noise / sqrt(2 * h + 1.0)
    steps = 0
    while level < 3.0 * deviation and steps < 4 and level < 0.2 * top:
        level *= 2.0
        steps += 1
    i = start
    if i < stop:
        i = stop
    while i < peak and smoothed(z, i, h) < 4.0 * level:
        i += 1
    t4, i = cross_back(z, i, h, 4.0 * level, stop)
    t2, i = cross_back(z, i, h, 2.0 * level, stop)
    t1, i = cross_back(z, i, h, level, stop)
    if steps == 0:
        return t1
    d1 = t2 - t1
    d2 = t4 - t2
    soft = 0.5
    r = (d2 + soft * 1.7) / (d1 + soft)
    if r < 1.3:
        r = 1.3
    if r > 2.0:
        r = 2.0
    f = 1.0 / r
    t = t1
    for _ in range(steps):
        d1 *= f
        t -= d1
    return t


def find_return(z, i, end, height, noise, max_half):
    """Sub-sample index at which the falling edge comes back to baseline; -1 when it does not."""
    level = RETURN_LEVEL * height
    h = 0
    while h < max_half and level * level * (2 * h + 1) < 4.0 * noise * noise:
        h += 1
    last = end - h - 1
    if i < h:
        i = h
    if i > last:
        return -1.0
    above = smoothed(z, i, h)
    while i < last:
        below = smoothed(z, i + 1, h)
        if below < level:
            if above <= level:
                return float(i)
            return i + (above - level) / (above - below)
        above = below
        i += 1
    return -1.0


def fit_peak(z, a, b, at, sign, drop):
    """Height and place of the extreme about sample `at`, by a parabola through its top."""
    best = sign * z[at]
    lo = at
    while lo > a and at - lo < 64 and sign * z[lo - 1] > best - drop:
        lo -= 1
    hi = at
    while hi < b - 1 and hi - at < 64 and sign * z[hi + 1] > best - drop:
        hi += 1
    m = hi - lo + 1
    if m < 5:
        if at > a and at < b - 1:
            l, c, r = sign * z[at - 1], best, sign * z[at + 1]
            bend = l - 2.0 * c + r
            if bend < 0.0:
                d = 0.5 * (l - r) / bend
                return sign * (c - 0.25 * (l - r) * d), at + d
        return z[at], float(at)
    middle = 0.5 * (lo + hi)
    s2 = s4 = sy = sy1 = sy2 = 0.0
    for i in range(lo, hi + 1):
        u = i - middle
        v = z[i]
        s2 += u * u
        s4 += u * u * u * u
        sy += v
        sy1 += u * v
        sy2 += u * u * v
    det = m * s4 - s2 * s2
    if det <= 0.0:
        return z[at], float(at)
    c2 = (m * sy2 - s2 * sy) / det
    c0 = (sy - c2 * s2) / m
    c1 = sy1 / s2
    if sign * c2 >= 0.0:
        return z[at], float(at)
    u = -0.5 * c1 / c2
    if u < lo - middle or u > hi - middle:
        return z[at], float(at)
    return c0 + 0.5 * c1 * u, middle + u


def area_between(z, t0, t1, step):
    """Integral of z from fractional index t0 to t1 by trapezoids, edges at their own height."""
    i0 = int(t0) + 1
    i1 = int(t1)
    if i1 < i0:
        return 0.0
    total = 0.0
    for i in range(i0, i1 + 1):
        total += z[i]
    total -= 0.5 * (z[i0] + z[i1])
    total += 0.5 * (i0 - t0) * z[i0] + 0.5 * (t1 - i1) * z[i1]
    return total * step


def is_clipped(x, lo, hi, sign, low_mv, high_mv):
    """Whether the raw samples lo..hi run flat into a limit."""
    at = lo
    for i in range(lo, hi):
        if sign * x[i] > sign * x[at]:
            at = i
    value = x[at]
    span = 1e-9 * (high_mv - low_mv)
    if sign > 0.0 and value >= high_mv - span:
        return True
    if sign < 0.0 and value <= low_mv + span:
        return True
    # The longest run at the extreme value.
    run = 0
    longest = 0
    end = at
    for i in range(lo, hi):
        if x[i] == value:
            run += 1
            if run > longest:
                longest = run
                end = i + 1
        else:
            run = 0
    if longest < 3:
        return False
    start = end - longest
    reach = (longest + 1) // 2
    if start - reach < lo or end + reach > hi:
        reach = min(start - lo, hi - end)
        if reach < 1:
            return False
    left = sign * (value - x[start - reach])
    right = sign * (value - x[end + reach - 1])
    smaller = min(left, right)
    if smaller <= 0.0:
        return False
    # The smallest step between samples near the run tells the resolution.
    bit = smaller
    for i in range(max(lo + 1, start - 4 * reach), min(hi, end + 4 * reach)):
        d = abs(x[i] - x[i - 1])
        if d > 0.0 and d < bit:
            bit = d
    return smaller > 16.0 * bit or (smaller > 2.5 * bit and longest >= 3 and reach <= 2 and smaller > 0.01 * sign * value and bit < 0.1 * smaller)


def subtract(z, start, n, n_pre, level, slope, origin, size, w0, w1, w2, at, block, n_table, means, ratio, head):
    """Take baseline and decay from the samples, in place."""
    for i in range(n):
        z[i] -= level + slope * (i - origin)
    if size == 0.0:
        return
    p = at
    a0 = size * w0 * means[p - 1] * head[at - 1]
    a1 = size * w1 * means[p] * head[at]
    a2 = size * w2 * means[p + 1] * head[at + 1]
    r0, r1, r2 = ratio[at - 1], ratio[at], ratio[at + 1]
    end = start + n_table * block
    if end > n:
        end = n
    for i in range(start, end):
        z[i] -= a0 + a1 + a2
        a0 *= r0
        a1 *= r1
        a2 *= r2


def measure_row(x, z, n, stimulus, step, low_mv, high_mv, size, first, means, sums, squares,
                ratio, head, y, zb, s, out):
    """Measure one trace of finite samples; write every cell of `out`; return facts as bits."""
    for j in range(WIDTH):
        out[j] = NAN
    if stimulus < 0 or stimulus >= n:
        return STIMULUS_OUTSIDE
    if not load(x, n, z):
        return NON_FINITE
    facts = 0
    per_ms = 1.0 / step
    n_blocks = (n - stimulus) // size
    n_table = len(means) // N_DECAYS
    guard = int(0.1 * per_ms + 0.5)
    pre_end = stimulus - guard
    pre_start = max(0, stimulus - int(10.0 * per_ms))
    n_pre = pre_end - pre_start
    has_pre = n_pre * step >= 0.5 - 0.15 and n_pre >= 3
    if not has_pre:
        facts |= NO_BASELINE
        n_pre = 0
    if n_blocks < first + 6:
        return facts | CUT
    block_means(z, stimulus, size, n_blocks, y)
    if has_pre:
        reference, pre_sd = mean_and_deviation(z, pre_start, pre_end)
    else:
        reference, pre_sd = y[n_blocks - 1], 0.0
    for b in range(n_blocks):
        y[b] -= reference
    noise = white_noise(z, max(0, n - 96), n)
    if has_pre:
        noise = max(noise, white_noise(z, pre_start, pre_end))
    peak_from = int(FIRST_PEAK_MS / (size * step))
    top = y[peak_from]
    bottom = top
    for b in range(peak_from, n_blocks):
        if y[b] > top:
            top = y[b]
        if y[b] < bottom:
            bottom = y[b]
    span = top - bottom
    per_block = noise * noise / size
    variance = per_block + (0.002 * span) * (0.002 * span) + 1e-30
    weight = min(10.0, n_pre / size)
    tail = 0.0
    n_tail = max(1, n_blocks // 5)
    for b in range(n_blocks - n_tail, n_blocks):
        tail += y[b]
    tail /= n_tail
    prior_weight = 1e-6
    if span > 0.0:
        prior_weight = variance / (0.04 * span * span)
    limit = min(n_blocks, first + 22)
    end = grow_window(y, first, limit, weight, tail, prior_weight, variance, means, sums, squares, s)
    onset_block = end
    dip_block = end
    deepest = 0.0
    level = decay = w0 = w1 = w2 = 0.0
    at = 1
    peak = peak_from
    height = 0.0
    for _ in range(3):
        fit_end = max(end, first + 2)
        level, decay, w0, w1, w2, at, rss = fit_decay(
            y, first, min(fit_end, n_table), weight, tail, prior_weight, variance, means, sums, squares, s)
        correct_blocks(y, n_blocks, level, decay, w0, w1, w2, at, n_table, means, zb)
        peak = highest(zb, max(peak_from, min(end, n_blocks - 2)), n_blocks)
        height = zb[peak]
        sd = sqrt(per_block)
        strong = max(SIGNIFICANT * height, 4.0 * sd, 2.0 * pre_sd)
        weak = max(0.02 * height, 2.5 * sd)
        scan = max(first, end - 1)
        onset_block, dip_block, deepest = response_start(zb, first, peak, scan, strong, weak)
        new_end = dip_block - 1
        if new_end < first + 2:
            new_end = first + 2
        if abs(new_end - end) <= 1:
            break
        end = new_end
    # The level just before the response, from the last 5 ms of quiet.
    quiet_start = max(first, end - int(5.0 / (size * step)))
    quiet_end = min(end, dip_block)
    slope = 0.0
    origin = float(stimulus)
    m = quiet_end - quiet_start
    if m >= 5:
        sr = 0.0
        for b in range(quiet_start, quiet_end):
            sr += zb[b]
        mean = sr / m
        middle = 0.5 * (quiet_start + quiet_end - 1)
        sxx = sxy = 0.0
        for b in range(quiet_start, quiet_end):
            sxx += (b - middle) * (b - middle)
            sxy += (b - middle) * zb[b]
        slope = sxy / sxx
        rss = 0.0
        for b in range(quiet_start, quiet_end):
            r = zb[b] - mean - slope * (b - middle)
            rss += r * r
        error = (rss + 4.0 * per_block) / (m - 2 + 4.0) / sxx
        square = slope * slope
        if square > 4.0 * error:
            slope *= 1.0 - 4.0 * error / square
        else:
            slope = 0.0
        level += mean
        origin = stimulus + middle * size + 0.5 * (size - 1)
        slope /= size
    if slope != 0.0:
        for b in range(n_blocks):
            zb[b] -= (level - 0.0) * 0.0
    level += reference
    subtract(z, stimulus, n, n_pre, level, slope, origin, decay, w0, w1, w2, at, size, n_table, means, ratio, head)
    block_means(z, stimulus, size, n_blocks, zb)
    quiet_a = stimulus + quiet_start * size
    quiet_b = stimulus + quiet_end * size
    if has_pre:
        mean, sd = mean_and_deviation(z, pre_start, pre_end)
        base_sd = pre_sd
    else:
        mean, sd = mean_and_deviation(z, quiet_a, quiet_b)
        base_sd = sd
    noise = max(noise, base_sd * 0.7)
    sd = noise / sqrt(float(size))
    peak = highest(zb, max(peak_from, min(dip_block, n_blocks - 2)), n_blocks)
    height = zb[peak]
    out[BASELINE] = level + slope * (stimulus + onset_block * size - origin)
    out[NOISE] = base_sd
    if not (height > 5.0 * sd and height > 3.5 * base_sd) or height <= 0.0:
        flat = True
        for i in range(1, n):
            if x[i] != x[0]:
                flat = False
                break
        if flat:
            out[BASELINE] = NAN
            out[NOISE] = NAN
            return FLAT
        return facts | ABSENT
    strong = max(SIGNIFICANT * height, 4.0 * sd, 2.0 * base_sd)
    weak = max(0.02 * height, 2.5 * sd)
    onset_block, dip_block, deepest = response_start(zb, first, peak, max(first, end - 1), strong, weak)
    # Highest sample and its parabola.
    a = stimulus + max(0, peak - 1) * size
    b = min(n, stimulus + (peak + 2) * size)
    at_sample = a
    for i in range(a, b):
        if z[i] > z[at_sample]:
            at_sample = i
    drop = min(0.06 * height, max(0.01 * height, 4.0 * noise))
    amplitude, peak_index = fit_peak(z, stimulus, n, at_sample, 1.0, drop)
    if amplitude > LARGEST_MV:
        return facts | IMPLAUSIBLE
    half = int(0.2 * per_ms)
    # First phase.
    phase_top = 0.0
    b = onset_block
    low = 0.005 * height
    if low < sd:
        low = sd
    while b < n_blocks and not (zb[b] <= low and phase_top >= strong):
        if zb[b] > phase_top:
            phase_top = zb[b]
        b += 1
    first_end = b
    start = stimulus + onset_block * size
    stop = max(max(0, stimulus + first * size - size), start - int(3.0 * per_ms))
    onset = find_onset(z, start - size, stimulus + min(peak, first_end) * size, stop, amplitude, phase_top, noise, half)
    returns = -1.0
    search = stimulus + max(onset_block, first_end - 2) * size
    if first_end < n_blocks:
        returns = find_return(z, search, n, amplitude, noise, half)
    out[ONSET] = (onset - stimulus) * step
    out[PEAK] = (peak_index - stimulus) * step
    out[AMPLITUDE] = amplitude
    cut = returns < 0.0
    if not cut:
        out[DURATION] = (returns - onset) * step
        out[AREA] = area_between(z, onset, returns, step)
    # Later phases.
    total_area = out[AREA]
    last = returns
    gap = int(GAP_MS / (size * step))
    b = first_end + 1
    quiet = 0
    while not cut and b < n_blocks and quiet < gap:
        if zb[b] < strong:
            b += 1
            quiet += 1
            continue
        begin = b
        while begin > first_end and zb[begin - 1] > 0.0:
            begin -= 1
        while b < n_blocks and zb[b] > low:
            b += 1
        if b >= n_blocks:
            cut = True
            break
        t1 = find_return(z, stimulus + max(begin, b - 2) * size, n, amplitude, noise, half)
        if t1 < 0.0:
            cut = True
            break
        t0 = find_onset(z, stimulus + begin * size - size, stimulus + b * size, int(last) + 1, amplitude, strong, noise, half)
        total_area += area_between(z, t0, t1, step)
        last = t1
        quiet = 0
    if cut:
        facts |= CUT
    else:
        out[TOTAL_DURATION] = (last - onset) * step
        out[TOTAL_AREA] = total_area
        if total_area > 1.1 * out[AREA]:
            facts |= LATE
    # Lowest positive peak: until the trace comes back up, or 15 ms after the last return.
    stop_block = min(n_blocks, int((max(last, peak_index) - stimulus) / size) + int(15.0 / (size * step)))
    lowest = dip_block
    for b in range(dip_block, stop_block):
        if zb[b] < zb[lowest]:
            lowest = b
    a = stimulus + lowest * size
    i = a
    for j in range(a, min(n, a + size)):
        if z[j] < z[i]:
            i = j
    trough, where = fit_peak(z, stimulus, n, i, -1.0, max(drop, 0.3 * -zb[lowest]))
    if trough > 0.0:
        trough = 0.0
    out[PEAK_TO_PEAK] = amplitude - trough
    if deepest < -max(0.03 * height, 4.0 * sd):
        facts |= POSITIVITY
    if is_clipped(x, max(0, int(onset)), min(n, stimulus + stop_block * size), 1.0, low_mv, high_mv) or is_clipped(
            x, max(0, int(onset)), min(n, stimulus + stop_block * size), -1.0, low_mv, high_mv):
        for j in range(BASELINE):
            out[j] = NAN
        return facts | CLIPPED
    if decay != 0.0:
        p = min(onset_block, n_table - 1) * N_DECAYS + at
        tail = abs(decay * (w0 * means[p - 1] + w1 * means[p] + w2 * means[p + 1]))
        if tail > 0.005 * amplitude:
            facts |= ARTIFACT
        if tail > 0.02 * amplitude:
            facts |= ARTIFACT_AT_ONSET
    if noise > 0.02 * amplitude:
        facts |= NOISY
    return facts


def measure_rows(samples, rows, stimuli, low_mv, high_mv, n, step, size, first, means, sums,
                 squares, ratio, head, z, y, zb, s, out, facts):
    """Measure the rows of one rate named in `rows`, one after the other."""
    for j in range(len(rows)):
        i = rows[j]
        facts[i] = measure_row(samples[i], z, n, stimuli[i], step, low_mv[i], high_mv[i], size,
                               first, means, sums, squares, ratio, head, y, zb, s, out[i])


@cache
def compiled() -> Any:
    """Give :func:`measure_rows` compiled by numba; costs some seconds once per process."""
    import numba  # noqa: PLC0415
    from types import FunctionType

    scope = dict(globals())
    for name, value in globals().items():
        if isinstance(value, FunctionType) and name not in ("decay_tables", "compiled"):
            copy = FunctionType(value.__code__, scope, name, value.__defaults__)
            scope[name] = numba.njit(nogil=True, fastmath=False, error_model="numpy")(copy)
    return scope["measure_rows"]
