"""The compiled forms of :mod:`ncs_cb._kernels.primitives`. Imports numba.

Loops over 32 numbers at a time, each step told to the compiler as one operation on a vector. It
splits that into what the processor has; of loops over single numbers it makes less.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

N = 32
"""Numbers taken at a time."""

_CACHE_LINE_BITS = 512
_BIT, _BITS = ir.IntType(1), ir.IntType(N)
_I32, _I64, _DOUBLE = ir.IntType(32), ir.IntType(64), ir.DoubleType()
_BYTES = ir.IntType(8).as_pointer()
# That no value is NaN and that zero has no sign: so an extreme is one instruction.
_ORDERED = ("nnan", "nsz")

inline = njit(nogil=True, error_model="numpy", forceinline=True, no_cpython_wrapper=True,
              no_cfunc_wrapper=True, _nrt=False)  # fmt: skip


# ------------------------------------------------- what the steps are written with


def _numbers(builder, start, index):
    """Load the N numbers that begin at `index`, as float64."""
    place = builder.gep(start, [index])
    kind = place.type.pointee
    vector = builder.bitcast(place, ir.VectorType(kind, N).as_pointer())
    if kind == _DOUBLE:
        return builder.load(vector, align=8)
    return builder.fpext(builder.load(vector, align=4), ir.VectorType(_DOUBLE, N))


def _pick(builder, vector, places):
    mask = ir.Constant(ir.VectorType(_I32, len(places)), list(places))
    return builder.shuffle_vector(vector, vector, mask)


def _declared(builder, name, *kinds):
    """Give the compiler's own function of that name, which answers with a float64."""
    form = ir.FunctionType(_DOUBLE, kinds)
    return cgutils.get_or_insert_function(builder.module, form, name)


# ------------------------------------------------- single steps


@intrinsic
def _per_line(typing, start):
    """Give how many values fill a cache line."""

    def code(context, builder, signature, values):
        return ir.Constant(_I64, _CACHE_LINE_BITS // start.dtype.bitwidth)

    return types.intp(start), code


@intrinsic
def _fetch(typing, start, index):
    """Have the cache line of a value fetched."""
    read, second_level_cache, data = (ir.Constant(_I32, i) for i in (0, 2, 1))

    def code(context, builder, signature, values):
        place = builder.bitcast(builder.gep(values[0], [values[1]]), _BYTES)
        form = ir.FunctionType(ir.VoidType(), [place.type, _I32, _I32, _I32])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [place.type], form)
        builder.call(prefetch, [place, read, second_level_cache, data])
        return context.get_dummy_value()

    return types.void(start, types.intp), code


def _extreme(which):
    def extreme(typing, a, b):
        def code(context, builder, signature, values):
            choose = _declared(builder, f"llvm.{which}num.f64", _DOUBLE, _DOUBLE)
            return builder.call(choose, values, fastmath=_ORDERED)

        return types.float64(types.float64, types.float64), code

    return intrinsic(extreme)


def _extreme_from(which):
    def extreme_from(typing, start, index):
        def code(context, builder, signature, values):
            numbers = _numbers(builder, *values)
            choose = _declared(builder, f"llvm.vector.reduce.f{which}.v{N}f64", numbers.type)
            return builder.call(choose, [numbers], fastmath=_ORDERED)

        return types.float64(start, types.intp), code

    return intrinsic(extreme_from)


_larger, _smaller = _extreme("max"), _extreme("min")
_largest_from, _smallest_from = _extreme_from("max"), _extreme_from("min")


@intrinsic
def _first_from(typing, start, index, value):
    """Give the place of the first of N numbers that equals a value; N when none does."""

    def code(context, builder, signature, values):
        numbers = _numbers(builder, *values[:2])
        first = builder.insert_element(
            ir.Constant(numbers.type, ir.Undefined), values[2], ir.Constant(_I32, 0)
        )
        equal = builder.fcmp_ordered("==", numbers, _pick(builder, first, [0] * N))
        bits = builder.zext(builder.bitcast(equal, _BITS), _I64)
        beyond = ir.Constant(_I64, 1 << N)
        return builder.cttz(builder.or_(bits, beyond), ir.Constant(_BIT, 1))

    return types.intp(start, types.intp, types.float64), code


@intrinsic
def _finite_from(typing, start, index):
    """Whether none of N numbers is NaN or infinite."""

    def code(context, builder, signature, values):
        numbers = _numbers(builder, *values)
        none = ir.Constant(numbers.type, None)
        wrong = builder.fcmp_unordered("!=", builder.fsub(numbers, numbers), none)
        return builder.icmp_unsigned("==", builder.bitcast(wrong, _BITS), ir.Constant(_BITS, 0))

    return types.boolean(start, types.intp), code


@intrinsic
def _means_from(typing, start, block, means):
    """Write the means of N / 4 blocks of four, added in pairs."""

    def code(context, builder, signature, values):
        samples, block, means = values
        sums = _numbers(builder, samples, builder.mul(block, ir.Constant(block.type, 4)))
        for left in (N // 2, N // 4):
            even, odd = (_pick(builder, sums, range(i, 2 * left, 2)) for i in (0, 1))
            sums = builder.fadd(even, odd)
        sums = builder.fmul(sums, ir.Constant(sums.type, [0.25] * (N // 4)))
        place = builder.bitcast(builder.gep(means, [block]), sums.type.as_pointer())
        builder.store(sums, place, align=8)
        return context.get_dummy_value()

    return types.void(start, types.intp, means), code


# ------------------------------------------------- the primitives


@intrinsic
def pointer(typing, array):
    def code(context, builder, signature, values):
        return context.make_array(signature.args[0])(context, builder, values[0]).data

    return types.CPointer(array.dtype)(array), code


@intrinsic
def part(typing, start, a, b):
    def code(context, builder, signature, values):
        return builder.gep(values[0], [values[1]])

    return start(start, types.intp, types.intp), code


@inline
def ahead(v, n, quarter):
    for i in range(n + quarter * n // 4, n + (quarter + 1) * n // 4, _per_line(v)):
        _fetch(v, i)


def _extreme_of(more, most_from):
    @inline
    def extreme(v, a, b):
        most = v[a] * 1.0
        for i in range(a, b - N + 1, N):
            most = more(most, most_from(v, i))
        if b - a >= N:
            # The rest, with some of what was seen before it.
            return more(most, most_from(v, b - N))
        for i in range(a + 1, b):
            most = more(most, v[i])
        return most

    return extreme


largest = _extreme_of(_larger, _largest_from)
smallest = _extreme_of(_smaller, _smallest_from)


@inline
def place_of(v, a, b, value):
    i = a
    while i + N <= b:
        found = _first_from(v, i, value)
        if found < N:
            return i + found
        i += N
    while i < b and v[i] != value:
        i += 1
    return i


@inline
def all_finite(v, n):
    good = True
    i = 0
    while i + N <= n:
        good &= _finite_from(v, i)
        i += N
    while i < n:
        good &= v[i] - v[i] == 0.0
        i += 1
    return good


@inline
def means_of_four(x, n_blocks, y):
    b = 0
    while b + N // 4 <= n_blocks:
        _means_from(x, b, y)
        b += N // 4
    while b < n_blocks:
        i = b * 4
        y[b] = ((x[i] * 1.0 + x[i + 1]) + (x[i + 2] * 1.0 + x[i + 3])) * 0.25
        b += 1


PRIMITIVES = {
    "pointer": pointer, "part": part, "ahead": ahead, "largest": largest, "smallest": smallest,
    "place_of": place_of, "all_finite": all_finite, "means_of_four": means_of_four,
}  # fmt: skip
