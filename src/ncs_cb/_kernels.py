"""The hot loop: one row of samples in, one row of numbers and a word of facts out.

One source, two ways to run it: as plain Python for a handful of traces, compiled by numba for
many. Both give identical bits: scalar loops, ``+ - * /``, comparisons and ``sqrt`` in a fixed
order; decays and hum come in as tables.

A row is first reduced to the means of blocks of 0.2 ms, in one pass. Everything that looks at
the whole sweep looks at those; samples are read again only about the markers.

1. Baseline. Most rows show a flat stretch before the response: a line through its last 5 ms
   is the baseline (:func:`flat_before`). Elsewhere an exponential is fitted to the stretch from
   the stimulus on, lengthened while it holds, and removed (:func:`peel_artifact`).
2. Response. The highest block is the negative peak; the first significant phase is sought
   before it, an initial positivity before that.
3. Markers. The rising edge is crossed at 1, 2, 4 ... % of the peak, the lowest level that
   stands clear of the noise, and taken back to 1 % in the ratio of the steps between crossings.

Names: `x` raw samples, `y` block means, `r` block means less baseline, `z` samples less
baseline about the response, `b` a block, `i` a sample, `h` half a smoothing width.
"""

from __future__ import annotations

from functools import cache
from math import sqrt
from types import FunctionType
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

# Cells of the working state of one row.
LEVEL, SLOPE, ORIGIN = 0, 1, 2  # baseline: level + slope * (sample - origin)
DECAY, W0, W1, W2, AT = 3, 4, 5, 6, 7  # artefact: size, three neighboring decays, their index
QUIET_FROM, QUIET_TO = 8, 9  # blocks the baseline was taken from
WHITE, SPREAD = 10, 11  # noise: sample to sample, and about the baseline
DIP = 12  # depth of an initial positivity
HUM = 13  # 1 when hum was removed
BEND = 14  # sample from which on the baseline stays level
STATE = 16

BLOCK_MS = 0.2
# Whatever the amplifier does in the first 0.4 ms is artefact (brief of the project: 0.3-0.5 ms).
BLANK_MS = 0.4
FIRST_PEAK_MS = 1.2
# A phase that begins later than this after the last return is another response. Units delayed
# by 16 ms behind 5 ms of negativity leave 11 ms (design reference, section 7.4); an F wave
# follows the end of a distal response by 15 ms and more.
GAP_MS = 12.0
LARGEST_MV = 100.0
SIGNIFICANT = 0.05
# What is left of a removed artefact is no response: a response has more than this share of it.
SMALLEST_SHARE = 0.003
ONSET_LEVEL = 0.01
RETURN_LEVEL = 0.005
N_DECAYS = 16
SHORTEST_DECAY_MS = 0.12
LONGEST_DECAY_MS = 3.2
DECAY_MS = 20.0
# Beyond this a slope seen before the response says little: hum has turned by then.
SLOPE_MS = 3.0
HUM_HZ = (50.0, 60.0)
# The slow part of a response is over this long after its peak, or straight enough.
AFTER_MS = 20.0


def decay_tables(rate_hz: float) -> tuple[int, int, Any, Any, Any, Any, Any, Any]:
    """Give block size, first usable block after the stimulus, and tables of decays.

    The tables are block means of exponentials, their running sums and sums of squares from
    the first usable block on (and, as the first entries of a fourth one, the cosine and sine
    by which 50 and 60 Hz turn from block to block), the decay from one sample to the next,
    and the ratio of the first sample of a block to its mean.
    """
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
    turn = 2e-3 * np.pi * size * step * np.array(HUM_HZ)
    hum = np.column_stack([np.cos(turn), np.sin(turn)]).ravel()
    return size, first, means.ravel(), sums.ravel(), squares.ravel(), hum, ratio, head


# ---------------------------------------------------------------- one pass over the samples


def block_means(x, size, n_blocks, y):
    """Write the mean of each run of `size` samples."""
    scale = 1.0 / size
    if size == 4:
        # The usual 20 kHz; written out so that the compiler can use whole vectors.
        for b in range(n_blocks):
            i = b * 4
            y[b] = ((x[i] * 1.0 + x[i + 1]) + (x[i + 2] * 1.0 + x[i + 3])) * scale
        return
    i = 0
    for b in range(n_blocks):
        total = 0.0
        for j in range(size):
            total += x[i + j]
        y[b] = total * scale
        i += size


def count_bad(v, n):
    """Count NaN and infinite values."""
    bad = 0
    for i in range(n):
        d = v[i] - v[i]
        if d != 0.0:
            bad += 1
    return bad


def white_noise(x, n):
    """Standard deviation of the white part, from second differences."""
    if n < 3:
        return 0.0
    t0 = t1 = 0.0
    i = 1
    while i < n - 2:
        d = x[i - 1] - 2.0 * x[i] + x[i + 1]
        e = x[i] - 2.0 * x[i + 1] + x[i + 2]
        t0 += d * d
        t1 += e * e
        i += 2
    if i < n - 1:
        d = x[i - 1] - 2.0 * x[i] + x[i + 1]
        t0 += d * d
    return sqrt((t0 + t1) / (6.0 * (n - 2)))


def deviation(x, n):
    """Standard deviation of n values."""
    if n < 2:
        return 0.0
    origin = x[0] * 1.0
    s0 = s1 = q0 = q1 = 0.0
    i = 0
    while i < n - 1:
        u = x[i] - origin
        v = x[i + 1] - origin
        s0 += u
        s1 += v
        q0 += u * u
        q1 += v * v
        i += 2
    if i < n:
        u = x[i] - origin
        s0 += u
        q0 += u * u
    total = s0 + s1
    squares = q0 + q1 - total * total / n
    if squares < 0.0:
        return 0.0
    return sqrt(squares / (n - 1))


def highest(y, a, b):
    """Index of the first highest of y[a:b]."""
    at = a
    best = y[a]
    i = a
    # Four at a time: most blocks are not the highest.
    while i + 4 <= b:
        p = y[i]
        if y[i + 1] > p:
            p = y[i + 1]
        q = y[i + 2]
        if y[i + 3] > q:
            q = y[i + 3]
        if q > p:
            p = q
        if p > best:
            best = p
            at = i
        i += 4
    while i < b:
        if y[i] > best:
            best = y[i]
            at = i
        i += 1
    i = at
    while y[i] < best:
        i += 1
    return i


def lowest(y, a, b):
    """Lowest value of y[a:b]."""
    p = y[a]
    q = p
    i = a
    while i + 2 <= b:
        if y[i] < p:
            p = y[i]
        if y[i + 1] < q:
            q = y[i + 1]
        i += 2
    if i < b and y[i] < p:
        p = y[i]
    if q < p:
        p = q
    return p


def mean_of(y, a, b):
    """Mean of y[a:b]; zero when empty."""
    if b <= a:
        return 0.0
    total = 0.0
    for i in range(a, b):
        total += y[i]
    return total / (b - a)


# ---------------------------------------------------------------- baseline and artefact


def quiet_line(y, a, b, size, per_block, state):
    """Take the baseline from the blocks a..b: their mean, and a slope where it is certain."""
    m = b - a
    middle = 0.5 * (a + b - 1)
    mean = mean_of(y, a, b)
    slope = 0.0
    if m >= 5:
        sxy = syy = 0.0
        for i in range(a, b):
            v = y[i] - mean
            sxy += (i - middle) * v
            syy += v * v
        sxx = m * (m * m - 1.0) / 12.0
        slope = sxy / sxx
        rest = syy - slope * sxy
        if rest < 0.0:
            rest = 0.0
        error = 4.0 * (rest + 4.0 * per_block) / (m + 2.0) / sxx
        square = slope * slope
        # Shrunk by its uncertainty, so that noise is not extended under the response.
        if square > error:
            slope *= 1.0 - error / square
        else:
            slope = 0.0
    state[LEVEL] = mean
    state[SLOPE] = slope / size
    state[ORIGIN] = middle * size + 0.5 * (size - 1)
    state[QUIET_FROM] = a * 1.0
    state[QUIET_TO] = b * 1.0


def flat_before(y, n_blocks, pre, first, peak, per_block, has_pre, reach, state):
    """Look for a flat stretch before the response; give its end, or -1 where there is none.

    `reach` is the number of blocks a baseline may use. The stretch must be flat, and what
    comes before it must be an artefact that dies away towards it.
    """
    start = pre + first
    if has_pre:
        reference = mean_of(y, max(0, pre - 26), pre - 1)
    else:
        reference = lowest(y, start, peak + 1)
    height = y[peak] - reference
    sd = sqrt(per_block)
    edge = reference + max(0.04 * height, 4.0 * sd)
    b = peak
    while b > start and y[b] > edge:
        b -= 1
    edge = reference + max(0.006 * height, 1.5 * sd)
    while b > start and y[b] > edge:
        b -= 1
    end = b
    if end - start < 8 or height <= 0.0:
        return -1
    level = mean_of(y, end - 8, end)
    bound = max(4.0 * sd, 0.01 * height)
    b = end
    while b > start and y[b - 1] - level < bound and level - y[b - 1] < bound:
        b -= 1
    if end - b < 8:
        return -1
    flat = b
    # Before the stretch only a tail that grows towards the stimulus may stand.
    last = bound * 0.5
    sign = 1.0
    if b > start and y[b - 1] < level:
        sign = -1.0
    while b > start:
        v = sign * (y[b - 1] - level)
        if v < 1.04 * last:
            return -1
        last = v
        b -= 1
    state[QUIET_FROM] = max(flat, end - reach) * 1.0
    return end


def decay_gain(k, end, n, cross, sums, squares):
    """Residual squares that the k-th decay takes away."""
    e = sums[end * N_DECAYS + k]
    centered = squares[end * N_DECAYS + k] - e * e / n
    if centered < 1e-12:
        return 0.0
    return cross * cross / centered


def grow_window(y, pre, first, limit, weight, prior, prior_weight, variance, tables, s):
    """Lengthen the fitted stretch from the artefact on while one decay explains it."""
    means, sums, squares, _ = tables
    for k in range(N_DECAYS):
        s[k] = 0.0
    sy = prior_weight * prior
    syy = sy * prior
    last = -1.0
    checked = first
    b = first
    while b < limit:
        v = y[pre + b]
        sy += v
        syy += v * v
        for k in range(N_DECAYS):
            s[k] += v * means[b * N_DECAYS + k]
        b += 1
        if b < first + 3 or (b > first + 8 and (b - first) % 2 == 1 and b < limit):
            continue
        n = (b - first) + weight + prior_weight
        best = 0.0
        for k in range(N_DECAYS):
            gain = decay_gain(k, b, n, s[k] - sums[b * N_DECAYS + k] * sy / n, sums, squares)
            if gain > best:
                best = gain
        rss = syy - sy * sy / n - best
        if last >= 0.0 and rss - last > 20.0 * variance:
            return checked
        last = rss
        checked = b
    return b


def fit_decay(y, pre, first, end, weight, prior, prior_weight, variance, tables, s, state):
    """Fit level + size * exp(-t / tau) to the blocks first..end after the stimulus."""
    means, sums, squares, _ = tables
    sy = prior_weight * prior
    for b in range(first, end):
        sy += y[pre + b]
    n = (end - first) + weight + prior_weight
    level = sy / n
    for k in range(N_DECAYS):
        s[k] = 0.0
    for b in range(first, end):
        v = y[pre + b] - level
        for k in range(N_DECAYS):
            s[k] += v * means[b * N_DECAYS + k]
    best = -1.0
    at = 1
    for k in range(N_DECAYS):
        gain = decay_gain(k, end, n, s[k], sums, squares)
        if gain > best:
            best = gain
            at = k
    state[LEVEL] = level
    state[DECAY] = 0.0
    if best < 12.0 * variance or end - first < 2:
        return
    at = min(max(at, 1), N_DECAYS - 2)
    g0 = decay_gain(at - 1, end, n, s[at - 1], sums, squares)
    g1 = decay_gain(at, end, n, s[at], sums, squares)
    g2 = decay_gain(at + 1, end, n, s[at + 1], sums, squares)
    bend = g0 - 2.0 * g1 + g2
    d = 0.0
    if bend < 0.0:
        d = min(max(0.5 * (g0 - g2) / bend, -1.0), 1.0)
    level = size = 0.0
    for _ in range(3):
        level, size, shift = newton(y, pre, first, end, n, prior, prior_weight, means, at, d)
        state[W0] = 0.5 * d * (d - 1.0)
        state[W1] = 1.0 - d * d
        state[W2] = 0.5 * d * (d + 1.0)
        d = min(max(d + shift, -1.3), 1.3)
    state[LEVEL] = level
    state[DECAY] = size
    state[AT] = at * 1.0


def newton(y, pre, first, end, n, prior, prior_weight, means, at, d):
    """Solve for level and size of the decay at index at + d, and propose a change of d."""
    w0 = 0.5 * d * (d - 1.0)
    w1 = 1.0 - d * d
    w2 = 0.5 * d * (d + 1.0)
    v0 = d - 0.5
    v1 = -2.0 * d
    v2 = d + 0.5
    se = sf = see = sef = sff = sey = sfy = 0.0
    sy = prior_weight * prior
    for b in range(first, end):
        p = b * N_DECAYS + at
        e = w0 * means[p - 1] + w1 * means[p] + w2 * means[p + 1]
        f = v0 * means[p - 1] + v1 * means[p] + v2 * means[p + 1]
        v = y[pre + b]
        se += e
        sf += f
        see += e * e
        sef += e * f
        sff += f * f
        sy += v
        sey += e * v
        sfy += f * v
    see -= se * se / n
    sef -= se * sf / n
    sff -= sf * sf / n
    sey -= se * sy / n
    sfy -= sf * sy / n
    if see <= 0.0:
        return sy / n, 0.0, 0.0
    size = sey / see
    # A small ridge keeps the step sane where the window is too short to tell the decay.
    det = see * sff * 1.0001 - sef * sef
    shift = 0.0
    if det > 1e-18 and size != 0.0:
        shift = min(max((see * sfy - sef * sey) / det / size, -0.5), 0.5)
    return (sy - size * se) / n, size, shift


def take_decay(y, n_blocks, pre, n_table, means, state, r):
    """Write block means less the fitted level and decay."""
    level = state[LEVEL]
    size = state[DECAY]
    for b in range(n_blocks):
        r[b] = y[b] - level
    if size == 0.0:
        return
    w0 = size * state[W0]
    w1 = size * state[W1]
    w2 = size * state[W2]
    at = int(state[AT])
    for b in range(min(n_blocks - pre, n_table)):
        p = b * N_DECAYS + at
        r[pre + b] -= w0 * means[p - 1] + w1 * means[p] + w2 * means[p + 1]


def response_start(r, start, peak, scan_from, strong, weak, state):
    """Give the first block of the response; an initial positivity belongs to it."""
    b = scan_from
    while b < peak and r[b] < strong:
        b += 1
    while b > start and r[b - 1] >= weak:
        b -= 1
    dip = b
    deepest = 0.0
    low = b - 1
    tries = 0
    # The dip may touch the onset or be a block or two away.
    while low >= start and tries < 2 and r[low] > -weak:
        low -= 1
        tries += 1
    while low >= start and r[low] <= -weak:
        if r[low] < deepest:
            deepest = r[low]
        dip = low
        low -= 1
    state[DIP] = deepest
    return b, dip


def peel_artifact(y, n_blocks, pre, first, size, n_pre, per_block, reach, peak_from, tables, s,
                  state, r):  # fmt: skip
    """Fit the artefact up to the response, find the response, and repeat with what was found."""
    n_after = n_blocks - pre
    n_table = len(tables[0]) // N_DECAYS
    top = y[highest(y, pre + peak_from, n_blocks)]
    span = top - lowest(y, pre + peak_from, n_blocks)
    variance = per_block + (0.002 * span) * (0.002 * span) + 1e-30
    reference = y[n_blocks - 1]
    weight = 0.0
    if n_pre > 0:
        weight = min(10.0, n_pre / size)
        reference = mean_of(y, max(0, pre - 26), pre - 1)
    for b in range(n_blocks):
        y[b] -= reference
    prior = mean_of(y, n_blocks - max(1, n_after // 5), n_blocks)
    prior_weight = 1e-6
    if span > 0.0:
        prior_weight = variance / (0.04 * span * span)
    limit = min(min(n_after, first + 22), n_table)
    end = grow_window(y, pre, first, limit, weight, prior, prior_weight, variance, tables, s)
    sd = sqrt(per_block)
    dip = pre + end
    for _ in range(3):
        end = max(end, first + 2)
        fit_decay(y, pre, first, min(end, n_table), weight, prior, prior_weight, variance,
                  tables, s, state)  # fmt: skip
        take_decay(y, n_blocks, pre, n_table, tables[0], state, r)
        peak = highest(r, max(pre + peak_from, min(pre + end, n_blocks - 2)), n_blocks)
        strong = max(SIGNIFICANT * r[peak], 4.0 * sd)
        weak = max(0.02 * r[peak], 2.5 * sd)
        _, dip = response_start(r, pre + first, peak, pre + end - 1, strong, weak, state)
        found = max(dip - 1 - pre, first + 2)
        if abs(found - end) <= 1:
            break
        end = found
    for b in range(n_blocks):
        y[b] += reference
    quiet_from = max(pre + first, pre + end - reach)
    quiet_to = min(pre + end, dip)
    level = state[LEVEL]
    if quiet_to - quiet_from >= 5:
        quiet_line(r, quiet_from, quiet_to, size, per_block, state)
        state[LEVEL] += level
    else:
        state[SLOPE] = 0.0
        state[QUIET_FROM] = quiet_from * 1.0
        state[QUIET_TO] = quiet_to * 1.0
    state[LEVEL] += reference
    return end


def take_baseline(y, n_blocks, first_sample, pre, size, means, state, r):
    """Write block means less baseline and artefact."""
    slope = state[SLOPE] * size
    base = state[LEVEL] + state[SLOPE] * (first_sample + 0.5 * (size - 1) - state[ORIGIN])
    bend = min(n_blocks, max(0, int((state[BEND] - first_sample) / size)))
    for b in range(n_blocks):
        u = b if b < bend else bend
        r[b] = y[b] - (base + slope * u)
    if state[DECAY] != 0.0:
        w0 = state[DECAY] * state[W0]
        w1 = state[DECAY] * state[W1]
        w2 = state[DECAY] * state[W2]
        at = int(state[AT])
        for b in range(min(n_blocks - pre, len(means) // N_DECAYS)):
            p = b * N_DECAYS + at
            r[pre + b] -= w0 * means[p - 1] + w1 * means[p] + w2 * means[p + 1]


def take_baseline_samples(x, a, n, stimulus, start, size, n_blocks, tables, ratio, head, hum, state, z):
    """Write n samples from sample `a` on less baseline and artefact."""
    base = state[LEVEL] + state[SLOPE] * (a - state[ORIGIN])
    slope = state[SLOPE]
    bend = min(n, max(0, int(state[BEND] - a)))
    for i in range(n):
        u = i if i < bend else bend
        z[i] = x[i] - (base + slope * u)
    if state[HUM] != 0.0:
        take_hum(a - start, n, size, hum, n_blocks, z)
    if state[DECAY] == 0.0:
        return
    means = tables[0]
    at = int(state[AT])
    b = (a - stimulus) // size
    n_table = len(means) // N_DECAYS
    i = stimulus + b * size - a
    while i < n and b < n_table:
        p = b * N_DECAYS + at
        a0 = state[DECAY] * state[W0] * means[p - 1] * head[at - 1]
        a1 = state[DECAY] * state[W1] * means[p] * head[at]
        a2 = state[DECAY] * state[W2] * means[p + 1] * head[at + 1]
        for _ in range(size):
            if 0 <= i < n:
                z[i] -= a0 + a1 + a2
            a0 *= ratio[at - 1]
            a1 *= ratio[at]
            a2 *= ratio[at + 1]
            i += 1
        b += 1


# ---------------------------------------------------------------- hum


def solve(g, m):
    """Solve m normal equations in place, g holding rows of m + 1; False when singular."""
    w = m + 1
    for k in range(m):
        if not g[k * w + k] > 1e-12:
            return False
        for i in range(k + 1, m):
            f = g[i * w + k] / g[k * w + k]
            for j in range(k, w):
                g[i * w + j] -= f * g[k * w + j]
    for k in range(m - 1, -1, -1):
        total = g[k * w + m]
        for j in range(k + 1, m):
            total -= g[k * w + j] * g[j * w + m]
        g[k * w + m] = total / g[k * w + k]
    return True


def fit_hum(y, early, a, b, c, d, reference, turn_cos, turn_sin, g):
    """Fit hum to the blocks 0..early and a..b about one level, and to c..d about a line.

    Gives the residual squares it takes away, and what is left per block. The solutions stand in the last column of g:
    level, level and line of the later part, cosine and sine from the first block on.
    """
    m = 5
    for i in range(m * (m + 1)):
        g[i] = 0.0
    middle = 0.5 * (c + d)
    cosine = 1.0
    sine = 0.0
    total = 0.0
    count = 0
    for i in range(d):
        if i < early or a <= i < b or c <= i:
            v = y[i] - reference
            level = 1.0
            after = 0.0
            line = 0.0
            if i >= c:
                level = 0.0
                after = 1.0
                line = (i - middle) * 0.01
            g[0] += level
            g[3] += level * cosine
            g[4] += level * sine
            g[5] += level * v
            g[7] += after
            g[8] += after * line
            g[9] += after * cosine
            g[10] += after * sine
            g[11] += after * v
            g[14] += line * line
            g[15] += line * cosine
            g[16] += line * sine
            g[17] += line * v
            g[21] += cosine * cosine
            g[22] += cosine * sine
            g[23] += cosine * v
            g[28] += sine * sine
            g[29] += sine * v
            total += v * v
            count += 1
        cosine, sine = cosine * turn_cos - sine * turn_sin, sine * turn_cos + cosine * turn_sin
    if d <= c:
        g[7] = 1.0
        g[14] = 1.0
    if g[0] == 0.0:
        g[0] = 1.0
    # A faint ridge: a short stretch cannot tell hum from a line.
    g[21] += 0.01
    g[28] += 0.01
    for i in range(m):
        for j in range(i):
            g[i * (m + 1) + j] = g[j * (m + 1) + i]
    plain = g[5] * g[5] / g[0] + g[11] * g[11] / g[7]
    lean = g[17] - g[8] * g[11] / g[7]
    spread = g[14] - g[8] * g[8] / g[7]
    if spread > 0.0:
        plain += lean * lean / spread
    b0, b1, b2, b3, b4 = g[5], g[11], g[17], g[23], g[29]
    if not solve(g, m):
        return 0.0, 0.0
    taken = b0 * g[5] + b1 * g[11] + b2 * g[17] + b3 * g[23] + b4 * g[29]
    return taken - plain, (total - taken) / max(1, count - m)


def remove_hum(y, r, n_blocks, early, a, b, c, turns, variance, bound, g, hum):
    """Fit 50 and 60 Hz to what surrounds the response; take the better from the blocks y."""
    reference = r[a]
    best = 25.0 * variance
    cos1 = sin1 = 0.0
    chosen = -1
    for k in range(2):
        gain, rest = fit_hum(r, early, a, b, c, n_blocks, reference, turns[2 * k],
                             turns[2 * k + 1], g)  # fmt: skip
        # What is left must look like noise: else the response itself was fitted.
        if gain > best and rest < bound:
            best = gain
            cos1 = g[23]
            sin1 = g[29]
            chosen = k
    if chosen < 0:
        return False
    turn_cos = turns[2 * chosen]
    turn_sin = turns[2 * chosen + 1]
    cosine = 1.0
    sine = 0.0
    for i in range(n_blocks):
        hum[i] = cos1 * cosine + sin1 * sine
        y[i] -= hum[i]
        cosine, sine = cosine * turn_cos - sine * turn_sin, sine * turn_cos + cosine * turn_sin
    return True


def take_hum(offset, n, size, hum, n_blocks, z):
    """Take the hum from n samples that begin `offset` samples after the first block."""
    for i in range(n):
        u = (offset + i - 0.5 * (size - 1)) / size
        b = min(max(int(u), 0), n_blocks - 2)
        z[i] -= hum[b] + (u - b) * (hum[b + 1] - hum[b])


def is_noise(r, n_blocks, a, turns, per_block, g, rest):
    """Whether all from block `a` on is no more than a line, hum and noise."""
    reference = r[a]
    middle = 0.5 * (a + n_blocks)
    for k in range(2):
        turn_cos = turns[2 * k]
        turn_sin = turns[2 * k + 1]
        fit_hum(r, 0, a, a, a, n_blocks, reference, turn_cos, turn_sin, g)
        cosine = 1.0
        sine = 0.0
        for i in range(n_blocks):
            rest[i] = (r[i] - reference - g[11] - g[17] * (i - middle) * 0.01
                       - g[23] * cosine - g[29] * sine)  # fmt: skip
            cosine, sine = cosine * turn_cos - sine * turn_sin, sine * turn_cos + cosine * turn_sin
        worst = 0.0
        for i in range(a + 1, n_blocks - 1):
            v = rest[i - 1] + rest[i] + rest[i + 1]
            if v > worst:
                worst = v
        if worst * worst < 3.0 * 25.0 * per_block:
            return True
    return False


# ---------------------------------------------------------------- markers


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
    clear = 3.0 * white / sqrt(2.0 * h + 1.0)
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
    ratio = (t4 - t2 + 0.85) / (d + 0.5)
    ratio = 1.0 / min(max(ratio, 1.3), 2.0)
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
    for i in range(a, b):
        u = i - middle
        sy += v[i]
        sy1 += u * v[i]
        sy2 += u * u * v[i]
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


def find_top(r, n_blocks, z, z_from, n_z, block_from, size, peak, sign, share, white):
    """Height of the extreme at block `peak`, and its place in samples from `block_from`."""
    drop = share * sign * r[peak] + 2.0 * white / sqrt(size * 1.0)
    floor = sign * r[peak] - drop
    a = peak
    while a > 0 and sign * r[a - 1] > floor and peak - a < 40:
        a -= 1
    b = peak + 1
    while b < n_blocks and sign * r[b] > floor and b - peak < 40:
        b += 1
    if b - a >= 5:
        height, place, bend = fit_top(r, a, b)
        if sign * bend < 0.0:
            # The mean over a block lies below its middle by the bend.
            height -= bend * (size * size - 1.0) / (12.0 * size * size)
            return height, block_from + place * size + 0.5 * (size - 1)
    # A narrow peak: the samples themselves.
    lo = max(0, block_from + (peak - 1) * size - z_from)
    hi = min(n_z, block_from + (peak + 2) * size - z_from)
    at = lo
    for i in range(lo, hi):
        if sign * z[i] > sign * z[at]:
            at = i
    floor = sign * z[at] - max(drop, 0.02 * sign * z[at])
    a = at
    while a > 0 and sign * z[a - 1] > floor and at - a < 8 * size:
        a -= 1
    b = at + 1
    while b < n_z and sign * z[b] > floor and b - at < 8 * size:
        b += 1
    if b - a < 3 and at > 0 and at < n_z - 1:
        a = at - 1
        b = at + 2
    if b - a >= 3:
        height, place, bend = fit_top(z, a, b)
        if sign * bend < 0.0:
            return height, z_from + place
    return z[at] * 1.0, z_from + at * 1.0


def area_between(z, t0, t1):
    """Integral of z from fractional index t0 to t1 by trapezoids, zero at both ends."""
    i0 = int(t0) + 1
    i1 = int(t1)
    if i1 < i0:
        return 0.0
    s0 = s1 = 0.0
    i = i0
    while i < i1:
        s0 += z[i]
        s1 += z[i + 1]
        i += 2
    if i == i1:
        s0 += z[i]
    total = s0 + s1 - 0.5 * (z[i0] + z[i1])
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
    best = a
    for i in range(a, b):
        if sign * x[i] > sign * x[best]:
            best = i
    span = 1e-6 * (high_mv - low_mv)
    if sign > 0.0 and x[best] >= high_mv - span:
        return True
    if sign < 0.0 and x[best] <= low_mv + span:
        return True
    near = 0
    for i in range(a + 1, b):
        if x[i] == x[i - 1] and x[i] == x[best]:
            near += 1
    if near < 2:
        return False
    for i in range(a + 1, b):
        if x[i] == x[best] and runs_flat(x, lo, hi, i, sign):
            return True
    return False


# ---------------------------------------------------------------- one row


def all_equal(x, n):
    """Whether every sample equals the first."""
    for i in range(1, n):
        if x[i] != x[0]:
            return False
    return True


def later_phases(r, n_blocks, first_end, strong, low, gap):
    """First block of the next significant phase after `first_end`, or n_blocks."""
    b = first_end
    limit = min(n_blocks, first_end + gap)
    while b < limit:
        if r[b] >= strong:
            return b
        b += 1
    return n_blocks


def measure_row(x, n, stimulus, step, low_mv, high_mv, size, first, tables, ratio, head, y, r, z,
                hum, s, g, state, out):  # fmt: skip
    """Measure one trace; write every cell of `out`; return facts as bits."""
    for j in range(WIDTH):
        out[j] = NAN
    if stimulus < 0 or stimulus >= n:
        return STIMULUS_OUTSIDE
    per_ms = 1.0 / step
    pre = min(stimulus, int(10.0 * per_ms)) // size
    start = stimulus - pre * size
    n_blocks = (n - start) // size
    block_means(x[start : start + n_blocks * size], size, n_blocks, y)
    stop = start + n_blocks * size
    if count_bad(y, n_blocks) + count_bad(x, start) + count_bad(x[stop:n], n - stop) > 0:
        return NON_FINITE
    facts = 0
    guard = int(0.1 * per_ms + 0.5)
    n_pre = min(stimulus, int(10.0 * per_ms)) - guard
    has_pre = n_pre * step >= 0.35 and n_pre >= 3 and pre >= 2
    if not has_pre:
        facts = NO_BASELINE
        n_pre = 0
    if n_blocks - pre < first + 6:
        if all_equal(x, n):
            return FLAT
        return facts | CUT
    tail = min(64, n - stimulus)
    white = white_noise(x[n - tail : n], tail)
    spread = 0.0
    if has_pre:
        before = x[stimulus - guard - n_pre : stimulus - guard]
        white = max(white, white_noise(before, n_pre))
        spread = deviation(before, n_pre)
    state[WHITE] = white
    state[SPREAD] = spread
    state[HUM] = 0.0
    end = settle(y, n_blocks, pre, start, first, size, step, n_pre, tables, s, state, r)
    if is_weak(r, n_blocks, pre, end, step, size, state):
        if not look_for_hum(y, n_blocks, pre, end, step, size, n_pre, tables, state, r, g, hum):
            facts |= ABSENT
        elif state[HUM] != 0.0:
            end = settle(y, n_blocks, pre, start, first, size, step, n_pre, tables, s, state, r)
    if not has_pre:
        a = start + int(state[QUIET_FROM]) * size
        m = max(0, int(state[QUIET_TO] - state[QUIET_FROM])) * size
        take_baseline_samples(x[a : a + m], a, m, stimulus, start, size, n_blocks, tables, ratio,
                              head, hum, state, z)  # fmt: skip
        state[SPREAD] = deviation(z, m)
    return mark(x, n, stimulus, start, step, low_mv, high_mv, size, first, pre, end, n_blocks,
                facts, tables, ratio, head, hum, r, z, state, out)  # fmt: skip


def settle(y, n_blocks, pre, start, first, size, step, n_pre, tables, s, state, r):
    """Find baseline and artefact; leave the corrected blocks in r.

    Gives the number of blocks after the stimulus that hold no response yet.
    """
    per_block = state[WHITE] * state[WHITE] / size
    peak_from = int(FIRST_PEAK_MS / (size * step))
    reach = int(5.0 / (size * step))
    state[DECAY] = 0.0
    state[DIP] = 0.0
    peak = highest(y, pre + peak_from, n_blocks)
    end = flat_before(y, n_blocks, pre, first, peak, per_block, n_pre > 0, reach, state)
    if end >= 0:
        quiet_line(y, int(state[QUIET_FROM]), end, size, per_block, state)
        end -= pre
    else:
        end = peel_artifact(y, n_blocks, pre, first, size, n_pre, per_block, reach, peak_from,
                            tables, s, state, r)  # fmt: skip
    state[ORIGIN] += start
    state[BEND] = start + state[QUIET_TO] * size + SLOPE_MS / step
    take_baseline(y, n_blocks, start, pre, size, tables[0], state, r)
    return end


def is_weak(r, n_blocks, pre, end, step, size, state):
    """Whether noise or hum could matter beside the response."""
    peak_from = pre + max(end, int(FIRST_PEAK_MS / (size * step)))
    height = r[highest(r, min(peak_from, n_blocks - 1), n_blocks)]
    hum = abs(state[SLOPE]) * SLOPE_MS / step
    return height < 80.0 * max(state[WHITE], max(state[SPREAD], hum))


def look_for_hum(y, n_blocks, pre, end, step, size, n_pre, tables, state, r, g, hum):
    """Take hum from the blocks y; False when there is nothing beside it."""
    peak_from = pre + max(end, int(FIRST_PEAK_MS / (size * step)))
    peak = highest(r, min(peak_from, n_blocks - 1), n_blocks)
    height = r[peak]
    slope = state[SLOPE]
    per_block = state[WHITE] * state[WHITE] / size
    # Only level and artefact are taken away here: the slope may be the hum's.
    state[SLOPE] = 0.0
    take_baseline(y, n_blocks, 0, pre, size, tables[0], state, r)
    state[SLOPE] = slope
    a = min(int(state[QUIET_FROM]), n_blocks - 3)
    weak = height < 25.0 * max(state[WHITE], state[SPREAD])
    if weak and is_noise(r, n_blocks, a, tables[3], per_block, g, hum):
        return False
    early = 0
    if n_pre > 0:
        early = pre - 1
    after = min(n_blocks, peak + int(AFTER_MS / (size * step)))
    b = int(state[QUIET_TO])
    if early + (b - a) < 10:
        return True
    bound = 4.0 * per_block + (0.004 * height) * (0.004 * height)
    if remove_hum(y, r, n_blocks, early, a, b, after, tables[3], per_block, bound, g, hum):
        state[HUM] = 1.0
    return True


def mark(x, n, stimulus, start, step, low_mv, high_mv, size, first, pre, end, n_blocks, facts,
         tables, ratio, head, hum, r, z, state, out):  # fmt: skip
    """Find the response in a row whose baseline is known."""
    per_ms = 1.0 / step
    spread = state[SPREAD]
    white = state[WHITE]
    if state[HUM] == 0.0:
        white = max(white, 0.7 * spread)
    sd = white / sqrt(size * 1.0)
    peak_from = int(FIRST_PEAK_MS / (size * step))
    peak = highest(r, max(pre + peak_from, min(pre + end, n_blocks - 2)), n_blocks)
    height = r[peak]
    out[BASELINE] = state[LEVEL] + state[SLOPE] * (stimulus + end * size - state[ORIGIN])
    out[NOISE] = spread
    largest = max(abs(r[min(pre + first, n_blocks - 1)]), height)
    if (
        facts & ABSENT
        or height <= 5.0 * sd
        or height <= 1.5 * spread
        or height <= SMALLEST_SHARE * largest
    ):
        if all_equal(x, n):
            out[BASELINE] = NAN
            out[NOISE] = NAN
            return FLAT
        return facts | ABSENT
    strong = max(SIGNIFICANT * height, max(4.0 * sd, 2.0 * white))
    weak = max(0.02 * height, 2.5 * sd)
    onset_block, dip = response_start(r, pre + first, peak, pre + max(first, end - 1), strong,
                                      weak, state)  # fmt: skip
    # The first phase, in blocks.
    low = max(RETURN_LEVEL * height, sd)
    b = onset_block
    top = 0.0
    while b < n_blocks and (r[b] > low or top < strong):
        if r[b] > top:
            top = r[b]
        b += 1
    first_end = b
    gap = int(GAP_MS / (size * step))
    later = later_phases(r, n_blocks, first_end, strong, low, gap)
    z_from = max(0, start + onset_block * size - int(3.0 * per_ms))
    z_to = min(n, start + (max(first_end, peak) + 4) * size + int(1.0 * per_ms))
    if later < n_blocks:
        z_to = n
    n_z = z_to - z_from
    take_baseline_samples(x[z_from:z_to], z_from, n_z, stimulus, start, size, n_blocks, tables,
                          ratio, head, hum, state, z)  # fmt: skip
    amplitude, peak_index = find_top(r, n_blocks, z, z_from, n_z, start, size, peak, 1.0, 0.03,
                                     white)  # fmt: skip
    if amplitude > LARGEST_MV:
        return facts | IMPLAUSIBLE
    half = max(0, int((0.45 * per_ms - 1.0) * 0.5))
    b = onset_block
    while b < first_end - 1 and r[b] < 0.3 * top:
        b += 1
    onset = z_from + find_onset(z, n_z, start + b * size + size // 2 - z_from, amplitude, top,
                                white, half)  # fmt: skip
    out[ONSET] = (onset - stimulus) * step
    out[PEAK] = (peak_index - stimulus) * step
    out[AMPLITUDE] = amplitude
    returns = find_return(z, start + max(onset_block, first_end - 2) * size - z_from, n_z,
                          amplitude, white, half)  # fmt: skip
    cut = returns < 0.0 or first_end >= n_blocks
    last = returns + z_from
    total = 0.0
    if not cut:
        total = area_between(z, onset - z_from, returns) * step
        out[DURATION] = (last - onset) * step
        out[AREA] = total
    b = first_end
    while not cut and later < n_blocks:
        begin = later
        while begin > b and r[begin - 1] > 0.0:
            begin -= 1
        b = later
        top = 0.0
        while b < n_blocks and r[b] > low:
            if r[b] > top:
                top = r[b]
            b += 1
        returns = -1.0
        if b < n_blocks:
            returns = find_return(z, start + max(begin, b - 2) * size - z_from, n_z, amplitude,
                                  white, half)  # fmt: skip
        if returns < 0.0:
            cut = True
        else:
            t0 = find_onset(z, n_z, start + later * size - z_from, amplitude, top, white, half)
            total += area_between(z, max(t0, last - z_from), returns) * step
            last = returns + z_from
            later = later_phases(r, n_blocks, b, strong, low, gap)
    if cut:
        facts |= CUT
    else:
        out[TOTAL_DURATION] = (last - onset) * step
        out[TOTAL_AREA] = total
        if total > 1.1 * out[AREA]:
            facts |= LATE
    return finish(x, n, stimulus, start, step, low_mv, high_mv, size, pre, n_blocks, facts, dip,
                  onset_block, peak, max(last, peak_index), tables, r, z, z_from, n_z, white,
                  state, out)  # fmt: skip


def finish(x, n, stimulus, start, step, low_mv, high_mv, size, pre, n_blocks, facts, dip,
           onset_block, peak, last, tables, r, z, z_from, n_z, white, state, out):  # fmt: skip
    """Measure the positive peak and raise what remains to be doubted."""
    amplitude = out[AMPLITUDE]
    stop = min(n_blocks, int((last - start) / size) + int(15.0 / (size * step)))
    trough = dip
    for b in range(dip, stop):
        if r[b] < r[trough]:
            trough = b
    depth = 0.0
    if r[trough] < 0.0:
        depth, _ = find_top(r, n_blocks, z, z_from, n_z, start, size, trough, -1.0, 0.08, white)
    out[PEAK_TO_PEAK] = amplitude - min(depth, 0.0)
    if state[DIP] < -max(0.03 * amplitude, 4.0 * white / sqrt(size * 1.0)):
        facts |= POSITIVITY
    lo = max(0, start + dip * size)
    hi = min(n, start + stop * size)
    if is_clipped(x, lo, hi, start + peak * size, 1.0, low_mv, high_mv) or is_clipped(
        x, lo, hi, start + trough * size, -1.0, low_mv, high_mv
    ):
        for j in range(BASELINE):
            out[j] = NAN
        return facts | CLIPPED
    if state[DECAY] != 0.0:
        means = tables[0]
        p = min(onset_block - pre, len(means) // N_DECAYS - 1) * N_DECAYS + int(state[AT])
        tail = abs(state[DECAY] * (state[W0] * means[p - 1] + state[W1] * means[p]
                                   + state[W2] * means[p + 1]))  # fmt: skip
        if tail > 0.005 * amplitude:
            facts |= ARTIFACT
        if tail > 0.02 * amplitude:
            facts |= ARTIFACT_AT_ONSET
    if white > 0.02 * amplitude:
        facts |= NOISY
    return facts


def measure_rows(samples, rows, stimuli, low_mv, high_mv, n, step, size, first, tables, ratio,
                 head, y, r, z, hum, s, g, state, out, facts):  # fmt: skip
    """Measure the rows of one rate named in `rows`, one after the other."""
    for j in range(len(rows)):
        i = rows[j]
        facts[i] = measure_row(samples[i], n, stimuli[i], step, low_mv[i], high_mv[i], size,
                               first, tables, ratio, head, y, r, z, hum, s, g, state,
                               out[i])  # fmt: skip


@cache
def compiled() -> Any:
    """Give :func:`measure_rows` compiled by numba; costs some seconds once per process."""
    import numba  # noqa: PLC0415

    scope = dict(globals())
    for name, value in globals().items():
        if isinstance(value, FunctionType) and name not in ("decay_tables", "compiled", "cache"):
            copy = FunctionType(value.__code__, scope, name, value.__defaults__)
            outer = name == "measure_rows"
            scope[name] = numba.njit(
                nogil=True, error_model="numpy",
                no_cpython_wrapper=not outer, no_cfunc_wrapper=True,
            )(copy)  # fmt: skip
    return scope["measure_rows"]
