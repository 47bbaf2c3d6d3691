"""The kernel compiled by numba, and read back from where it is kept.

Without fast-math (NaN carries meaning) and without contraction, so that it rounds as plain
Python does. Nothing is allocated inside, so that reference counting is left out; arrays are
handed on as the places where they begin.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from types import FunctionType
from typing import Any

from ncs_cb._kernels import (
    baseline,
    color,
    correct,
    decay,
    facts,
    hum,
    markers,
    pulse,
    reduce,
    rows,
)

_PARTS = (facts, reduce, correct, decay, baseline, hum, markers, color, pulse, rows)
# Rarely run, or run from several places: kept as calls. The rest is one body, because a call
# hands over every array in seven pieces.
_OUT_OF_LINE = frozenset({
    "measure_rows", "peel_artifact", "grow_window", "fit_decay", "newton", "look_for_hum",
    "remove_hum", "is_nothing", "rise_over_hum", "fit_hum", "line_gain", "solve", "take_hum",
    "runs_flat", "all_equal",
})  # fmt: skip
_OPTIONS = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True, "_nrt": False}


def compile_rows(dtype: str) -> tuple[Any, bytes]:
    """Compile ``rows.measure_rows`` for samples of `dtype`; give it and what to keep of it."""
    from numba.core import serialize

    from ncs_cb._kernels.vectors import PRIMITIVES

    scope: dict[str, Any] = {}
    for module in _PARTS:
        scope.update(vars(module))
    scope |= PRIMITIVES
    for name, value in list(scope.items()):
        if isinstance(value, FunctionType):
            scope[name] = _compiled(FunctionType(value.__code__, scope, name), name)
    kernel = scope["measure_rows"]
    kernel.compile(_signature(dtype))
    kernel.disable_compile()
    (result,) = kernel.overloads.values()
    return kernel, serialize.dumps(result._reduce())


def restore(payload: Any) -> Any:
    """Give the kernel from what :func:`compile_rows` gave to keep; None for nothing."""
    if payload is None:
        return None
    import numba
    from numba.core import compiler
    from numba.core.registry import cpu_target

    context = cpu_target.target_context
    context.refresh()
    kernel = numba.njit(rows.measure_rows)
    kernel.add_overload(compiler.CompileResult._rebuild(context, *payload))
    kernel.disable_compile()
    return kernel


def _compiled(function: Any, name: str) -> Any:
    import numba

    own = {"forceinline": name not in _OUT_OF_LINE, "no_cpython_wrapper": name != "measure_rows"}
    return numba.njit(**_OPTIONS, **own)(function)


def _signature(dtype: str) -> Any:
    from numba import types

    numbers, whole = types.float64[::1], types.int64[::1]
    samples = types.Array(getattr(types, dtype), 2, "C", readonly=True)
    return types.void(
        samples, whole, whole, numbers, numbers, types.int64, types.float64, types.int64,
        types.int64, types.UniTuple(numbers, 4), *(numbers,) * 9, types.float64[:, ::1], whole,
    )  # fmt: skip
