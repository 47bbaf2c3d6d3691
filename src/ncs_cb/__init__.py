"""Motor conduction block, measured and judged: nerve conduction studies of MMN.

The public names below are resolved on first use, so that ``import ncs_cb`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.3.0"

if TYPE_CHECKING:
    from ncs_cb import review, simulate
    from ncs_cb.batch.export import write_tables
    from ncs_cb.comparison import compare
    from ncs_cb.dispersion import estimate_block
    from ncs_cb.doors import analyze, analyze_many, judge, measure_traces, studies_from_table
    from ncs_cb.errors import (
        NcsError,
        ReadError,
        ReportError,
        StudyError,
        TableError,
        UnitError,
        UnknownFormatError,
    )
    from ncs_cb.figures import plot_traces
    from ncs_cb.measuring.f_waves import measure_f_waves
    from ncs_cb.model import Result, Study
    from ncs_cb.norms import propose_norms
    from ncs_cb.readers import read_study
    from ncs_cb.readers._shared.arrays import study_from_arrays
    from ncs_cb.readers.edf import write_edf
    from ncs_cb.readers.via_mne import study_from_epochs
    from ncs_cb.reports import show, write_report
    from ncs_cb.reports.record import load_result

_HOMES = {
    "NcsError": "errors",
    "ReadError": "errors",
    "ReportError": "errors",
    "Result": "model",
    "Study": "model",
    "StudyError": "errors",
    "TableError": "errors",
    "UnitError": "errors",
    "UnknownFormatError": "errors",
    "analyze": "doors",
    "analyze_many": "doors",
    "compare": "comparison",
    "estimate_block": "dispersion",
    "judge": "doors",
    "load_result": "reports.record",
    "measure_f_waves": "measuring.f_waves",
    "measure_traces": "doors",
    "plot_traces": "figures",
    "propose_norms": "norms",
    "read_study": "readers",
    "show": "reports",
    "studies_from_table": "doors",
    "study_from_arrays": "readers._shared.arrays",
    "study_from_epochs": "readers.via_mne",
    "write_edf": "readers.edf",
    "write_report": "reports",
    "write_tables": "batch.export",
}

_ROOMS = ("review", "simulate")

__all__ = [
    "NcsError",
    "ReadError",
    "ReportError",
    "Result",
    "Study",
    "StudyError",
    "TableError",
    "UnitError",
    "UnknownFormatError",
    "__version__",
    "analyze",
    "analyze_many",
    "compare",
    "estimate_block",
    "judge",
    "load_result",
    "measure_f_waves",
    "measure_traces",
    "plot_traces",
    "propose_norms",
    "read_study",
    "review",
    "show",
    "simulate",
    "studies_from_table",
    "study_from_arrays",
    "study_from_epochs",
    "write_edf",
    "write_report",
    "write_tables",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"ncs_cb.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'ncs_cb' has no attribute '{name}'")
    found = getattr(import_module(f"ncs_cb.{_HOMES[name]}"), name)
    import_module("ncs_cb.display").attach()
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
