"""What plain Python and compiled code each do in their own way, to the same bits.

Everything else in the kernel is one source. These few exist twice, because a list and a place in
memory are best walked differently: the plain forms stand here, the compiled ones in
:mod:`ncs_cb._kernels.vectors`. Only one of them rounds, and it says in which order it adds;
``tests/test_kernels.py`` compares them.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from math import isfinite


def pointer(v):
    """Give the values to work on; compiled, the place where they begin.

    Compiled code indexes that place directly: an array's index would first be looked at for
    being negative, which keeps loops from using whole vectors.
    """
    return v


def part(v, a, b):
    """Give v[a:b] for reading (and, compiled, for writing)."""
    return v[a:b]


def ahead(v, n, quarter):
    """Have a quarter of the n values behind v[:n] fetched; in plain Python nothing is done.

    Rows lie one behind the other, so the next one is on its way from memory while this one is
    measured: a quarter at a time, because the processor keeps few requests at once.
    """


def largest(v, a, b):
    """Give the largest of v[a:b], which are finite."""
    return max(v[a:b])


def smallest(v, a, b):
    """Give the smallest of v[a:b], which are finite."""
    return min(v[a:b])


def place_of(v, a, b, value):
    """Index of the first of v[a:b] that equals `value`; b when none does."""
    try:
        return v.index(value, a, b)
    except ValueError:
        return b


def all_finite(v, n):
    """Whether none of n values is NaN or infinite."""
    return all(map(isfinite, v[:n]))


def means_of_four(x, n_blocks, y):
    """Write the means of four by four values, added in pairs."""
    n = 4 * n_blocks
    quads = zip(x[0:n:4], x[1:n:4], x[2:n:4], x[3:n:4], strict=True)
    y[:n_blocks] = [((a + b) + (c + d)) * 0.25 for a, b, c, d in quads]
