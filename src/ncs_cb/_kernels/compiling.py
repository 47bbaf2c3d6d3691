"""The kernel compiled by numba, and read back from where it is kept.

Without fast-math (NaN carries meaning) and without contraction, so that it rounds as plain
Python does. Nothing is allocated inside, so that reference counting is left out; arrays are
handed on as the places where they begin.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from types import FunctionType
from typing import Any

from ncs_cb._kernels import baseline, correct, decay, facts, hum, markers, reduce, rows

_PARTS = (facts, reduce, correct, decay, baseline, hum, markers, rows)
# Rarely run, or run from several places: kept as calls. The rest is one body, because a call
# hands over every array in seven pieces.
_OUT_OF_LINE = frozenset({
    "measure_rows", "peel_artifact", "grow_window", "fit_decay", "newton", "look_for_hum",
    "remove_hum", "is_nothing", "rise_over_hum", "fit_hum", "line_gain", "solve", "take_hum",
    "runs_flat", "all_equal",
})  # fmt: skip
_OPTIONS = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True, "_nrt": False}
_CACHE_LINE = 64


def compile_rows(dtype: str) -> tuple[Any, bytes]:
    """Compile ``rows.measure_rows`` for samples of `dtype`; give it and what to keep of it."""
    import numba
    from numba.core import serialize

    types: Any = numba.types
    scope: dict[str, Any] = {}
    for module in _PARTS:
        scope.update(vars(module))
    scope |= _primitives(types, _CACHE_LINE * 8 // getattr(types, dtype).bitwidth)
    for name, value in list(scope.items()):
        if isinstance(value, FunctionType):
            scope[name] = _compiled(FunctionType(value.__code__, scope, name), name)
    kernel = scope["measure_rows"]
    kernel.compile(_signature(types, dtype))
    kernel.disable_compile()
    (result,) = kernel.overloads.values()
    dumps: Any = serialize.dumps
    return kernel, dumps(result._reduce())


def restore(payload: Any) -> Any:
    """Give the kernel from what :func:`compile_rows` gave to keep; None for nothing."""
    if payload is None:
        return None
    import numba
    from numba.core import compiler
    from numba.core.registry import cpu_target

    context: Any = cpu_target.target_context
    context.refresh()
    rebuild: Any = compiler.CompileResult._rebuild
    kernel: Any = numba.njit(rows.measure_rows)
    kernel.add_overload(rebuild(context, *payload))
    kernel.disable_compile()
    return kernel


def _compiled(function: Any, name: str) -> Any:
    import numba

    njit: Any = numba.njit
    own = {"forceinline": name not in _OUT_OF_LINE, "no_cpython_wrapper": name != "measure_rows"}
    return njit(**_OPTIONS, **own)(function)


def _signature(types: Any, dtype: str) -> Any:
    numbers, whole = types.float64[::1], types.int64[::1]
    samples = types.Array(getattr(types, dtype), 2, "C", readonly=True)
    return types.void(
        samples, whole, whole, numbers, numbers, types.int64, types.float64, types.int64,
        types.int64, types.UniTuple(numbers, 4), *(numbers,) * 9, types.float64[:, ::1], whole,
    )  # fmt: skip


# ------------------------------------------------- the compiled forms of ``primitives``


def _primitives(types: Any, line: int) -> dict[str, Any]:
    """Give :mod:`ncs_cb._kernels.primitives` compiled; `line` samples fill a cache line."""
    from numba.extending import intrinsic

    given: dict[str, Any] = {"pointer": intrinsic(_pointer(types)), "part": intrinsic(_part(types))}
    fetch = intrinsic(_fetch(types))
    larger, smaller = (intrinsic(_extreme(types, f"llvm.{n}num")) for n in ("max", "min"))

    def ahead(v, n, quarter):
        for i in range(n + quarter * n // 4, n + (quarter + 1) * n // 4, line):
            fetch(v, i)

    def largest(v, a, b):
        top = v[a]
        for i in range(a + 1, b):
            top = larger(top, v[i])
        return top

    def smallest(v, a, b):
        bottom = v[a]
        for i in range(a + 1, b):
            bottom = smaller(bottom, v[i])
        return bottom

    for function in (ahead, largest, smallest, place_of, all_finite):
        given[function.__name__] = _compiled(function, function.__name__)
    return given


def place_of(v, a, b, value):
    """Look at sixteen at a time, since one comparison after the other cannot use vectors."""
    i = a
    while i + 16 <= b:
        hits = 0
        for j in range(16):
            hits += 1 if v[i + j] == value else 0
        if hits > 0:
            break
        i += 16
    while i < b and v[i] != value:
        i += 1
    return i


def all_finite(v, n):
    """Count, since leaving the loop early would keep it from using vectors."""
    bad = 0
    for i in range(n):
        bad += 1 if v[i] - v[i] != 0.0 else 0
    return bad == 0


def _pointer(types: Any) -> Any:
    def pointer(typing, array):
        def code(context, builder, signature, values):
            return context.make_array(signature.args[0])(context, builder, values[0]).data

        return types.CPointer(array.dtype)(array), code

    return pointer


def _part(types: Any) -> Any:
    def part(typing, start, a, b):
        def code(context, builder, signature, values):
            return builder.gep(values[0], [values[1]])

        return start(start, types.intp, types.intp), code

    return part


def _fetch(types: Any) -> Any:
    from llvmlite import ir

    read, second_level_cache, data = (ir.Constant(ir.IntType(32), i) for i in (0, 2, 1))

    def fetch(typing, start, index):
        def code(context, builder, signature, values):
            place = builder.gep(values[0], [values[1]])
            place = builder.bitcast(place, ir.IntType(8).as_pointer())
            form = ir.FunctionType(ir.VoidType(), [place.type, *[ir.IntType(32)] * 3])
            prefetch = builder.module.declare_intrinsic("llvm.prefetch", [place.type], form)
            builder.call(prefetch, [place, read, second_level_cache, data])
            return context.get_dummy_value()

        return types.void(start, types.intp), code

    return fetch


def _extreme(types: Any, name: str) -> Any:
    """Say that no value is NaN, which a comparison cannot: only so does a loop use vectors."""
    from llvmlite import ir

    def extreme(typing, a, b):
        def code(context, builder, signature, values):
            double = ir.DoubleType()
            form = ir.FunctionType(double, [double, double])
            choose = builder.module.declare_intrinsic(name, [double], form)
            return builder.call(choose, values, fastmath=("nnan", "nsz"))

        return types.float64(types.float64, types.float64), code

    return extreme
