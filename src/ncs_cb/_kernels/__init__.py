"""The hot loop: one row of samples in, one row of numbers and a word of facts out.

One source, two ways to run it: as plain Python for a handful of traces, compiled by numba for
many. Both give identical bits: scalar loops, ``+ - * /``, comparisons and ``sqrt`` in a fixed
order; decays and hum come in as tables.

A row is first reduced to the means of blocks of 0.2 ms, in one pass. Everything that looks at
the whole sweep looks at those; samples are read again only about the markers.

1. Baseline. Most rows show a flat stretch before the response: a line through its last 5 ms
   is the baseline (``baseline.flat_before``). Elsewhere an exponential is fitted to the stretch
   from the stimulus on, lengthened while it holds, and removed (``baseline.peel_artifact``).
   Where hum could matter beside the response it is fitted to what surrounds the response and
   removed; a sweep that artefact, line, hum and noise explain holds no response (``hum``).
2. Response. The highest block is the negative peak; the first significant phase is sought
   before it, an initial positivity before that, later phases after it (``rows.scan_phases``).
3. Markers. The rising edge is crossed at 1, 2, 4 ... % of the peak, from the lowest level that
   stands clear of the noise, and taken back to 1 % in the ratio of the steps between the
   crossings (``markers.find_onset``). Peaks are vertices of parabolas.

Names: `x` raw samples, `y` block means, `r` block means less baseline, `z` samples less
baseline about a marker, `b` a block, `i` a sample, `h` half a smoothing width, `pre` the
blocks before the stimulus, `first` the blocks blanked after it, `s` and `g` working cells.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from types import FunctionType
from typing import Any

from ncs_cb._kernels import baseline, correct, decay, facts, hum, kept, markers, reduce, rows
from ncs_cb._kernels.tables import decay_tables

__all__ = ["compiled", "decay_tables", "facts", "is_kept", "is_loaded", "measure_row"]

measure_row: Any = rows.measure_row
"""The kernel as plain Python: one trace, on lists."""

# Rarely run, or run from several places: kept as calls. The rest is one body, because a call
# hands over every array in seven pieces.
_OUT_OF_LINE = frozenset({
    "measure_rows", "peel_artifact", "grow_window", "fit_decay", "newton", "look_for_hum",
    "remove_hum", "is_nothing", "rise_over_hum", "fit_hum", "line_gain", "solve", "take_hum",
    "runs_flat", "all_equal",
})  # fmt: skip


_LOADED: dict[str, Any] = {}
_LOADING = Lock()


def is_loaded(dtype: str) -> bool:
    """Whether :func:`compiled` answers at once."""
    return dtype in _LOADED


def is_kept(dtype: str) -> bool:
    """Whether :func:`compiled` finds a kernel on disk, so that it answers within a second."""
    path = kept.place(dtype)
    return path is not None and path.exists()


def compiled(dtype: str) -> Any:
    """Give ``rows.measure_rows`` compiled by numba for samples of `dtype`.

    Taken from memory, else from disk (:mod:`ncs_cb._kernels.kept`), else compiled, which takes
    some ten seconds, and kept.
    """
    with _LOADING:
        if dtype not in _LOADED:
            path = kept.place(dtype)
            _LOADED[dtype] = _restored(kept.load(path)) or _compile(dtype, path)
    return _LOADED[dtype]


def _restored(payload: Any) -> Any:
    """Give the kernel that :func:`_compile` kept; None for nothing."""
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


def _compile(dtype: str, path: Path | None) -> Any:
    """Compile the functions of all parts in one scope, and keep the result.

    Without fast-math (NaN carries meaning) and without contraction. Nothing is allocated
    inside, so that reference counting is left out, and arrays are handed on as pointers.
    """
    import numba
    from numba.core import serialize

    types: Any = numba.types
    numbers, whole = types.float64[::1], types.int64[::1]
    samples = types.Array(getattr(types, dtype), 2, "C", readonly=True)
    signature = types.void(
        samples, whole, whole, numbers, numbers, types.int64, types.float64, types.int64,
        types.int64, types.UniTuple(numbers, 4), *(numbers,) * 9, types.float64[:, ::1], whole,
    )  # fmt: skip
    scope: dict[str, Any] = {}
    for module in (facts, reduce, correct, decay, baseline, hum, markers, rows):
        scope.update(vars(module))
    scope["pointer"], scope["part"] = _pointers(types)
    for name, value in list(scope.items()):
        if isinstance(value, FunctionType):
            outer = name == "measure_rows"
            options: dict[str, Any] = {
                "nogil": True,
                "error_model": "numpy",
                "forceinline": name not in _OUT_OF_LINE,
                "no_cpython_wrapper": not outer,
                "no_cfunc_wrapper": True,
                "_nrt": False,
            }
            scope[name] = numba.njit(**options)(FunctionType(value.__code__, scope, name))
    kernel = scope["measure_rows"]
    kernel.compile(signature)
    kernel.disable_compile()
    (result,) = kernel.overloads.values()
    dumps: Any = serialize.dumps
    kept.keep(path, dumps(result._reduce()))
    return kernel


def _pointers(types: Any) -> tuple[Any, Any]:
    """Give ``reduce.pointer`` and ``reduce.part`` as compiled code knows them."""
    from numba.extending import intrinsic

    def pointer(typing: Any, array: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return context.make_array(signature.args[0])(context, builder, values[0]).data

        return types.CPointer(array.dtype)(array), code

    def part(typing: Any, start: Any, a: Any, b: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.gep(values[0], [values[1]])

        return start(start, types.intp, types.intp), code

    return intrinsic(pointer), intrinsic(part)
