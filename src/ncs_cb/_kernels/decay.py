"""An exponential fitted to what follows the stimulus."""

# Written for two readers, Python and numba: plain loops, on lists or arrays alike, so the
# arguments are not annotated. Names are explained in the package's docstring.
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from ncs_cb._kernels.facts import AT, DECAY, LEVEL, N_DECAYS, W0, W1, W2


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
            best = max(best, gain)
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
    for _ in range(2):
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
