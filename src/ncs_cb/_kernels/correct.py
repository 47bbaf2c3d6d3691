"""Baseline, artefact and hum taken from blocks and samples."""

# Written for two readers, Python and numba: plain loops, on lists or arrays alike, so the
# arguments are not annotated. Names are explained in the package's docstring.
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from ncs_cb._kernels.facts import (
    AT,
    BEND,
    DECAY,
    HUM,
    LEVEL,
    N_DECAYS,
    N_TABLE,
    ORIGIN,
    SLOPE,
    W0,
    W1,
    W2,
)


def take_baseline(y, n_blocks, pre, size, means, state, r):
    """Write block means less baseline and artefact."""
    slope = state[SLOPE] * size
    base = state[LEVEL] + state[SLOPE] * (0.5 * (size - 1) - state[ORIGIN])
    bend = min(n_blocks, max(0, int(state[BEND] / size)))
    for b in range(bend):
        r[b] = y[b] - (base + slope * b)
    base += slope * bend
    for b in range(bend, n_blocks):
        r[b] = y[b] - base
    if state[DECAY] != 0.0:
        w0 = state[DECAY] * state[W0]
        w1 = state[DECAY] * state[W1]
        w2 = state[DECAY] * state[W2]
        at = int(state[AT])
        for b in range(min(n_blocks - pre, N_TABLE)):
            p = b * N_DECAYS + at
            r[pre + b] -= w0 * means[p - 1] + w1 * means[p] + w2 * means[p + 1]


def take_baseline_samples(x, a, n, stimulus, size, n_blocks, tables, ratio, head, hum, state, z):
    """Write n samples from sample `a` on less baseline and artefact."""
    base = state[LEVEL] + state[SLOPE] * (a - state[ORIGIN])
    slope = state[SLOPE]
    bend = min(n, max(0, int(state[BEND] - a)))
    for i in range(bend):
        z[i] = x[i] - (base + slope * i)
    base += slope * bend
    for i in range(bend, n):
        z[i] = x[i] - base
    if state[HUM] > 0.0:
        take_hum(a, n, size, hum, n_blocks, z)
    if state[DECAY] == 0.0:
        return
    means = tables[0]
    at = int(state[AT])
    b = max((a - stimulus) // size, 0)
    i = stimulus + b * size - a
    while i < n and b < N_TABLE:
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


def take_hum(offset, n, size, hum, n_blocks, z):
    """Take the hum from n samples that begin `offset` samples after the first block."""
    for i in range(n):
        u = (offset + i - 0.5 * (size - 1)) / size
        b = min(max(int(u), 0), n_blocks - 2)
        z[i] -= hum[b] + (u - b) * (hum[b + 1] - hum[b])
