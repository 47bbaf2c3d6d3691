"""EDF, EDF+ and BDF+: motor nerve conduction as the EDF+ standard lays it out.

Sources: Kemp and Olivan, European data format 'plus' (EDF+), Clin Neurophysiol 2003;114:1755-61,
and the specification at edfplus.info. Samples are read by a slice of our own: see
:mod:`ncs_cb.readers.edf.header` for the reason.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncs_cb.model import Study
from ncs_cb.readers._shared.reader import Input, Reader, Recording

if TYPE_CHECKING:
    from ncs_cb.readers.edf.scrub import anonymize
    from ncs_cb.readers.edf.writer import write_edf

__all__ = ["READER", "anonymize", "write_edf"]

# The parts that need numpy are loaded with the first file, so that listing formats is light.
_HOMES = {"anonymize": "scrub", "write_edf": "writer"}
_SUFFIXES = (".edf", ".bdf")
_VERSIONS = (b"0       ", b"\xffBIOSEMI")


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def _claims(source: Input) -> bool:
    return source.data[:8] in _VERSIONS or source.path.suffix.lower() in _SUFFIXES


def _read(source: Input) -> Recording:
    from ncs_cb.readers.edf.read import read

    return read(source)


def _write(study: Study, folder: str | Path, *, continuous: bool = False) -> list[Path]:
    from ncs_cb.readers.edf.writer import write_edf as write

    return write(study, folder, continuous=continuous)


READER = Reader(
    "edf",
    _SUFFIXES,
    _claims,
    _read,
    _write,
    label="EDF, EDF+C, EDF+D, BDF, BDF+C, BDF+D: one stimulus per data record, or continuous",
)
