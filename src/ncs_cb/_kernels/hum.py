"""Mains hum, fitted to what surrounds the response."""

# Written for two readers, Python and numba: plain loops, on lists or arrays alike, so the
# arguments are not annotated. Names are explained in the package's docstring.
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from math import sqrt

from ncs_cb._kernels.correct import take_baseline
from ncs_cb._kernels.decay import fit_decay, take_decay
from ncs_cb._kernels.facts import (
    AFTER_MS,
    AT,
    DECAY,
    HUM,
    LEVEL,
    N_DECAYS,
    QUIET_FROM,
    QUIET_TO,
    SLOPE,
    TOP,
    W0,
    W1,
    W2,
    WHITE,
)


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

    Gives the residual squares it takes away, and what is left per block. The solutions stand
    in the last column of g: level, level and line of the later part, cosine and sine from the
    first block on.
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


def is_nothing(y, r, n_blocks, pre, first, size, height, per_block, tables, s, state, g, rest):
    """Whether artefact, line, hum and noise explain the whole sweep, without a response."""
    bound = max(5.0 * sqrt(3.0 * per_block), 0.24 * height)
    kept = state[LEVEL], state[DECAY], state[W0], state[W1], state[W2], state[AT]
    end = min(n_blocks - pre, len(tables[0]) // N_DECAYS)
    found = False
    for k in range(2):
        state[LEVEL], state[DECAY], state[W0], state[W1], state[W2], state[AT] = kept
        # First with the artefact found before the response; then artefact and hum are fitted
        # in turn, each to what the other leaves of the whole sweep.
        for j in range(5):
            if found:
                break
            if j == 0:
                take_baseline(y, n_blocks, 0, pre, size, tables[0], state, r)
            else:
                fit_decay(rest, pre, first, end, 0.0, 0.0, 1e-9, per_block, tables, s, state)
                take_decay(y, n_blocks, pre, end, tables[0], state, r)
            found = is_hum(r, n_blocks, pre + first, tables[3][2 * k], tables[3][2 * k + 1],
                           bound, g, rest)  # fmt: skip
            for b in range(n_blocks):
                rest[b] += y[b] - r[b]
    state[LEVEL], state[DECAY], state[W0], state[W1], state[W2], state[AT] = kept
    return found


def is_hum(r, n_blocks, a, turn_cos, turn_sin, bound, g, rest):
    """Whether no three blocks rise together above a line and one hum from block `a` on."""
    reference = r[a]
    middle = 0.5 * (a + n_blocks)
    fit_hum(r, 0, a, a, a, n_blocks, reference, turn_cos, turn_sin, g)
    cosine = 1.0
    sine = 0.0
    for i in range(n_blocks):
        rest[i] = (r[i] - reference - g[11] - g[17] * (i - middle) * 0.01
                   - g[23] * cosine - g[29] * sine)  # fmt: skip
        cosine, sine = cosine * turn_cos - sine * turn_sin, sine * turn_cos + cosine * turn_sin
    worst = 0.0
    for i in range(a + 4, n_blocks - 1):
        worst = max(worst, rest[i - 1] + rest[i] + rest[i + 1])
    return worst < bound


def look_for_hum(y, n_blocks, pre, first, step, size, n_pre, tables, s, state, r, g, hum):
    """Take hum from the blocks y; False when there is nothing beside it."""
    peak = int(state[TOP])
    height = r[peak]
    slope = state[SLOPE]
    per_block = state[WHITE] * state[WHITE] / size
    # Only level and artefact are taken away here: the slope may be the hum's.
    state[SLOPE] = 0.0
    a = min(int(state[QUIET_FROM]), n_blocks - 3)
    if is_nothing(y, r, n_blocks, pre, first, size, height, per_block, tables, s, state, g, hum):
        return False
    take_baseline(y, n_blocks, 0, pre, size, tables[0], state, r)
    state[SLOPE] = slope
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
