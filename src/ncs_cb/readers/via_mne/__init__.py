"""What MNE opens besides EDF: BrainVision, FIF, EEGLAB and others, and MNE objects in memory.

EDF and BDF never come here: MNE joins the records of interrupted files and moves their
annotations to the wrong site, and reads an unknown unit as volts (design reference, formats
section 7). ``mne.io.read_raw`` is not used either: it guesses readers for ``.txt`` and ``.mat``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ncs_cb.apart import apart
from ncs_cb.readers._shared.reader import Input, Reader, Recording
from ncs_cb.readers.via_mne.openers import OPENERS, companions_of

if TYPE_CHECKING:
    from ncs_cb.readers.via_mne.memory import study_from_epochs

__all__ = ["READER", "study_from_epochs"]


def __getattr__(name: str) -> Any:
    if name == "study_from_epochs":
        return import_module(f"{__name__}.memory").study_from_epochs
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def _claims(source: Input) -> bool:
    name = source.path.name.lower()
    return name.endswith((".fif", ".fif.gz", *OPENERS))


def _read(source: Input) -> Recording:
    from ncs_cb.readers.via_mne.files import read

    # MATLAB files are read by native code, which a file made for it can break.
    return apart(read, source) if source.path.suffix.lower() == ".set" else read(source)


_NEEDS = """\
Stimuli are annotations or markers in the words of 'ncs-cb formats edf'; channels are named after
the muscle ('R ADM'). What the file does not say stands in study.toml, trigger codes too:
  [recordings."file.vhdr"]
  nerve = "ulnar"
  side = "right"
  unit = "uV"
  sites = { "S 1" = "wrist", "S 2" = "below_elbow" }
MNE objects in memory: ncs_cb.study_from_epochs; arrays: ncs_cb.study_from_arrays.
"""

READER = Reader(
    "via_mne",
    (".fif", ".gz", *OPENERS),
    _claims,
    _read,
    label="BrainVision, FIF (raw, epochs, evoked), EEGLAB, GDF, CNT, eXimia: through MNE",
    companions=companions_of,
    needs=_NEEDS,
)
