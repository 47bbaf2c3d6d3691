"""EDF, EDF+ and BDF+: motor nerve conduction as the EDF+ standard lays it out.

Sources: Kemp and Olivan, European data format 'plus' (EDF+), Clin Neurophysiol 2003;114:1755-61,
and the specification at edfplus.info. Samples are read by a slice of our own: see
:mod:`ncs_cb.readers.edf.header` for the reason.
"""

from __future__ import annotations

from ncs_cb.readers._shared.reader import Input, Reader
from ncs_cb.readers.edf.header import BDF_VERSION, EDF_VERSION
from ncs_cb.readers.edf.read import read
from ncs_cb.readers.edf.scrub import anonymize
from ncs_cb.readers.edf.writer import write_edf

__all__ = ["READER", "anonymize", "write_edf"]

_SUFFIXES = (".edf", ".bdf")


def _claims(source: Input) -> bool:
    return source.data[:8] in (EDF_VERSION, BDF_VERSION) or source.path.suffix.lower() in _SUFFIXES


READER = Reader(
    "edf", _SUFFIXES, _claims, read, write_edf,
    label="EDF, EDF+C, EDF+D, BDF, BDF+C, BDF+D: one stimulus per data record, or continuous",
)  # fmt: skip
