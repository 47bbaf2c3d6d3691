"""One pass over the samples, and small reductions in a fixed order."""

# Written for two readers, Python and numba: plain loops, on lists or arrays alike, so the
# arguments are not annotated. Names are explained in the package's docstring.
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from math import sqrt

from ncs_cb._kernels.primitives import largest, means_of_four, part, place_of, smallest


def block_means(x, size, n_blocks, y):
    """Write the mean of each run of `size` samples."""
    if size == 4:
        # The usual 20 kHz: worth a form of its own.
        means_of_four(x, n_blocks, y)
        return
    scale = 1.0 / size
    i = 0
    for b in range(n_blocks):
        total = 0.0
        for j in range(size):
            total += x[i + j]
        y[b] = total * scale
        i += size


def sum_of(v, n):
    """Sum of n values, in four lanes, so that no addition waits for the one before."""
    s0 = s1 = s2 = s3 = 0.0
    i = 0
    while i < n - 3:
        s0 += v[i]
        s1 += v[i + 1]
        s2 += v[i + 2]
        s3 += v[i + 3]
        i += 4
    while i < n:
        s0 += v[i]
        i += 1
    return (s0 + s1) + (s2 + s3)


def white_noise(x, n, z):
    """Standard deviation of the white part, from second differences; z is for working."""
    if n < 3:
        return 0.0
    for i in range(n - 2):
        d = x[i] - 2.0 * x[i + 1] + x[i + 2]
        z[i] = d * d
    return sqrt(sum_of(z, n - 2) / (6.0 * (n - 2)))


def deviation(x, n, z):
    """Standard deviation of n values; z is for working."""
    if n < 2:
        return 0.0
    origin = x[0] * 1.0
    for i in range(n):
        z[i] = x[i] - origin
    total = sum_of(z, n)
    for i in range(n):
        z[i] *= z[i]
    squares = sum_of(z, n) - total * total / n
    if squares < 0.0:
        return 0.0
    return sqrt(squares / (n - 1))


def highest(y, a, b):
    """Index of the first highest of y[a:b]."""
    return place_of(y, a, b, largest(y, a, b))


def lowest(y, a, b):
    """Index of the first lowest of y[a:b]."""
    return place_of(y, a, b, smallest(y, a, b))


def mean_of(y, a, b):
    """Mean of y[a:b]; zero when empty."""
    if b <= a:
        return 0.0
    return sum_of(part(y, a, b), b - a) / (b - a)


def all_equal(x, n):
    """Whether every sample equals the first."""
    for i in range(1, n):
        if x[i] != x[0]:
            return False
    return True
