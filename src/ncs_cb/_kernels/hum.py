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
    BEFORE,
    DECAY,
    HUM,
    LEVEL,
    N_TABLE,
    QUIET_FROM,
    QUIET_TO,
    SLOPE,
    SLOPE_MS,
    SLOW_RISE_MS,
    SPREAD,
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
    """Fit hum to the blocks 0..early and a..b about one line, and to c..d about another.

    Gives the residual squares that hum takes away, and what is left per block. The solutions
    stand in the last column of g: level and slope before, level and slope after (per 100
    blocks, about the middle of each), cosine and sine from the first block on.
    """
    m = 6
    w = m + 1
    f = m * w
    for i in range(f):
        g[i] = 0.0
    cosine = 1.0
    sine = 0.0
    total = 0.0
    count = 0
    for side in range(2):
        middle = 0.5 * (a + b) if side == 0 else 0.5 * (c + d)
        n = sl = sll = sv = slv = sc = ss = slc = sls = scc = scs = sss = scv = ssv = 0.0
        for i in range(0 if side == 0 else c, min(c, d) if side == 0 else d):
            if side == 1 or i < early or a <= i < b:
                v = y[i] - reference
                line = (i - middle) * 0.01
                n += 1.0
                sl += line
                sll += line * line
                sv += v
                slv += line * v
                sc += cosine
                ss += sine
                slc += line * cosine
                sls += line * sine
                scc += cosine * cosine
                scs += cosine * sine
                sss += sine * sine
                scv += cosine * v
                ssv += sine * v
                total += v * v
                count += 1
            cosine, sine = cosine * turn_cos - sine * turn_sin, sine * turn_cos + cosine * turn_sin
        k = 2 * side * (w + 1)
        g[k], g[k + 1], g[k + 4 - 2 * side], g[k + 5 - 2 * side] = n, sl, sc, ss
        g[k + 6 - 2 * side] = sv
        k += w + 1
        g[k], g[k + 3 - 2 * side], g[k + 4 - 2 * side], g[k + 5 - 2 * side] = sll, slc, sls, slv
        g[4 * w + 4] += scc
        g[4 * w + 5] += scs
        g[4 * w + 6] += scv
        g[5 * w + 5] += sss
        g[5 * w + 6] += ssv
    # Faint ridges: a short stretch cannot tell hum from a line, and a side may be empty.
    for k in range(m):
        g[k * w + k] += 1e-9
    g[w + 1] += 0.1
    g[4 * w + 4] += 0.01
    g[5 * w + 5] += 0.01
    for k in range(m):
        for j in range(k):
            g[k * w + j] = g[j * w + k]
    plain = line_gain(g, 0, w, m) + line_gain(g, 2, w, m)
    for k in range(m):
        g[f + k] = g[k * w + m]
    if not solve(g, m):
        return 0.0, 0.0
    taken = 0.0
    for k in range(m):
        taken += g[f + k] * g[k * w + m]
    return taken - plain, (total - taken) / max(1, count - m)


def line_gain(g, k, w, m):
    """Residual squares that the line at k and k + 1 takes away by itself."""
    p, q, r = g[k * w + k], g[k * w + k + 1], g[(k + 1) * w + k + 1]
    u, v = g[k * w + m], g[(k + 1) * w + m]
    gain = u * u / p
    rest = r - q * q / p
    if rest > 0.0:
        gain += (v - q * u / p) * (v - q * u / p) / rest
    return gain


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
        g[47] = rest
        if gain > best and rest < bound:
            best = gain
            cos1 = g[34]
            sin1 = g[41]
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
    end = min(n_blocks - pre, N_TABLE)
    least = 0.0
    for k in range(2):
        state[LEVEL], state[DECAY], state[W0], state[W1], state[W2], state[AT] = kept
        last = 0.0
        # First with the artefact found before the response; then artefact and hum are fitted
        # in turn, each to what the other leaves of the whole sweep, while that helps.
        for j in range(5):
            if j == 0:
                take_baseline(y, n_blocks, pre, size, tables[0], state, r)
            else:
                fit_decay(rest, pre, first, end, 0.0, 0.0, 1e-9, per_block, tables, s, state)
                take_decay(y, n_blocks, pre, end, tables[0], state, r)
            least = rise_over_hum(r, n_blocks, pre + first, tables[3][2 * k],
                                  tables[3][2 * k + 1], g, rest)  # fmt: skip
            if least < bound or (j > 1 and least > 0.9 * last):
                break
            last = least
            for b in range(n_blocks):
                rest[b] += y[b] - r[b]
        if least < bound:
            break
    state[LEVEL], state[DECAY], state[W0], state[W1], state[W2], state[AT] = kept
    return least < bound


def rise_over_hum(r, n_blocks, a, turn_cos, turn_sin, g, rest):
    """How far three blocks together rise above a line and one hum from block `a` on."""
    reference = r[a]
    middle = 0.5 * (a + n_blocks)
    fit_hum(r, 0, a, a, a, n_blocks, reference, turn_cos, turn_sin, g)
    cosine = 1.0
    sine = 0.0
    for i in range(n_blocks):
        rest[i] = (r[i] - reference - g[20] - g[27] * (i - middle) * 0.01
                   - g[34] * cosine - g[41] * sine)  # fmt: skip
        cosine, sine = cosine * turn_cos - sine * turn_sin, sine * turn_cos + cosine * turn_sin
    worst = 0.0
    for i in range(a + 4, n_blocks - 1):
        worst = max(worst, rest[i - 1] + rest[i] + rest[i + 1])
    return worst


def look_for_hum(y, n_blocks, pre, first, step, size, n_pre, tables, s, state, r, g, hum):
    """Take hum from the blocks y; False when there is nothing beside it."""
    peak = int(state[TOP])
    height = r[peak]
    slope = state[SLOPE]
    per_block = state[WHITE] * state[WHITE] / size
    # Only level and artefact are taken away here: the slope may be the hum's.
    state[SLOPE] = 0.0
    a = min(int(state[QUIET_FROM]), n_blocks - 3)
    doubtful = (
        height < max(25.0 * max(state[WHITE], state[SPREAD]), 10.0 * abs(slope) * SLOPE_MS / step)
        or (peak - state[QUIET_TO]) * size * step > SLOW_RISE_MS
    )
    if doubtful and is_nothing(
        y, r, n_blocks, pre, first, size, height, per_block, tables, s, state, g, hum
    ):
        return False
    take_baseline(y, n_blocks, pre, size, tables[0], state, r)
    state[SLOPE] = slope
    early = 0
    if n_pre > 0:
        early = int(state[BEFORE])
    after = min(n_blocks, peak + int(AFTER_MS / (size * step)))
    b = int(state[QUIET_TO])
    if early + (b - a) < 8:
        return True
    bound = 4.0 * per_block + (0.004 * height) * (0.004 * height)
    if remove_hum(y, r, n_blocks, early, a, b, after, tables[3], per_block, bound, g, hum):
        state[HUM] = 1.0
    elif g[47] < bound:
        # A line explains what surrounds the response: a slope is drift, not hum.
        state[HUM] = -1.0
    return True
