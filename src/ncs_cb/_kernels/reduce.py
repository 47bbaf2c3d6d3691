"""One pass over the samples, and small reductions in a fixed order."""

# Written for two readers, Python and numba: plain loops, on lists or arrays alike, so the
# arguments are not annotated. Names are explained in the package's docstring.
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from math import sqrt


def pointer(v):
    """Give the values to work on; compiled, the place where they begin.

    Compiled code indexes that place directly: an array's index would first be looked at for
    being negative, which keeps loops from using whole vectors.
    """
    return v


def part(v, a, b):
    """Give v[a:b] for reading (and, compiled, for writing)."""
    return v[a:b]


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
    m0 = m1 = m2 = m3 = m4 = m5 = m6 = m7 = y[a]
    i = a
    # Eight lanes, so that no comparison waits for the one before.
    while i + 8 <= b:
        m0 = y[i] if y[i] > m0 else m0
        m1 = y[i + 1] if y[i + 1] > m1 else m1
        m2 = y[i + 2] if y[i + 2] > m2 else m2
        m3 = y[i + 3] if y[i + 3] > m3 else m3
        m4 = y[i + 4] if y[i + 4] > m4 else m4
        m5 = y[i + 5] if y[i + 5] > m5 else m5
        m6 = y[i + 6] if y[i + 6] > m6 else m6
        m7 = y[i + 7] if y[i + 7] > m7 else m7
        i += 8
    while i < b:
        m0 = y[i] if y[i] > m0 else m0
        i += 1
    m0 = max(m0, m1, m2, m3, m4, m5, m6, m7)
    i = a
    while y[i] < m0:
        i += 1
    return i


def lowest(y, a, b):
    """Index of the first lowest of y[a:b]."""
    m0 = m1 = m2 = m3 = y[a]
    i = a
    while i + 4 <= b:
        m0 = y[i] if y[i] < m0 else m0
        m1 = y[i + 1] if y[i + 1] < m1 else m1
        m2 = y[i + 2] if y[i + 2] < m2 else m2
        m3 = y[i + 3] if y[i + 3] < m3 else m3
        i += 4
    while i < b:
        m0 = y[i] if y[i] < m0 else m0
        i += 1
    m0 = min(m0, m1, m2, m3)
    i = a
    while y[i] > m0:
        i += 1
    return i


def mean_of(y, a, b):
    """Mean of y[a:b]; zero when empty."""
    if b <= a:
        return 0.0
    total = 0.0
    for i in range(a, b):
        total += y[i]
    return total / (b - a)


def all_equal(x, n):
    """Whether every sample equals the first."""
    for i in range(1, n):
        if x[i] != x[0]:
            return False
    return True
