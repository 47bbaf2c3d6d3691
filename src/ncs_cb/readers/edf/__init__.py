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
from ncs_cb.readers._shared.files import head
from ncs_cb.readers._shared.reader import Input, Reader, Recording

if TYPE_CHECKING:
    from ncs_cb.readers.edf.scrub import anonymize, names_patient
    from ncs_cb.readers.edf.writer import write_edf

__all__ = ["READER", "anonymize", "is_edf", "names_patient", "write_edf"]

# The parts that need numpy are loaded with the first file, so that listing formats is light.
_HOMES = {"anonymize": "scrub", "names_patient": "scrub", "write_edf": "writer"}
_SUFFIXES = (".edf", ".bdf")
_VERSIONS = (b"0       ", b"\xffBIOSEMI")


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def is_edf(path: Path) -> bool:
    """Tell whether a file is EDF or BDF, by its suffix or its first bytes."""
    return _claims(Input(path, path.name, head(path)))


def _claims(source: Input) -> bool:
    return (
        source.data[:8].replace(b"\0", b" ") in _VERSIONS or source.path.suffix.lower() in _SUFFIXES
    )


def _read(source: Input) -> Recording:
    from ncs_cb.readers.edf.read import read

    return read(source)


def _write(study: Study, folder: str | Path, *, continuous: bool = False) -> list[Path]:
    from ncs_cb.readers.edf.writer import write_edf as write

    return write(study, folder, continuous=continuous)


_NEEDS = """\
Recording field: 'MNC R Ulnar Nerve' (SNC: sensory). Signal label: the muscle, 'R ADM'.
Physical dimension: V, mV, uV or nV. One stimulus per data record (EDF+D), or a continuous file.
Annotation of each stimulus: 'Stimulus right wrist 0.2ms x 8.2mA at 6.5cm from recording site',
or the plain name of a site ('wrist', 'B. Elbow'). Trigger codes and other texts are assigned in
study.toml, where nerve, side, muscle and unit may stand too:
  [recordings."file.edf"]
  nerve = "ulnar"
  side = "right"
  muscle = "adm"
  sites = { "S 1" = "wrist", "Reiz 2" = "below_elbow", "sweep 2" = "axilla" }
A record of EDF+D without any text is named by its number, counted from 0: 'sweep 2'.
"""

READER = Reader(
    "edf",
    _SUFFIXES,
    _claims,
    _read,
    _write,
    label="EDF, EDF+C, EDF+D, BDF, BDF+C, BDF+D: one stimulus per data record, or continuous",
    needs=_NEEDS,
)
