"""Text exports of Natus machines (Viking, Keypoint): experimental, written from their structure.

No export of a nerve conduction test was at hand, so that how such a file names its stimuli is not
known: sites are taken from keys that name one, else from ``study.toml``.
"""

from __future__ import annotations

import re

from ncs_cb.readers._shared.reader import Input, Reader, Recording
from ncs_cb.readers._shared.shown import hashed, open_name, without_days
from ncs_cb.readers.natus_text.signs import BOMS, KEYS, MAKER, SECTION, TRACES

# Fewer digits count the recordings of a visit.
_NUMBER = re.compile(r"\d{3,}")
_ENOUGH_KEYS = 2


def _claims(source: Input) -> bool:
    """Tell an export by its maker's comment; without one by its sections and keys."""
    if source.path.suffix.lower() not in (".txt", ".asc", ".csv"):
        return False
    text = _start(source.data)
    if SECTION.search(text) is None:
        return False
    return (
        MAKER.search(text) is not None
        or TRACES.search(text) is not None
        or len({key.casefold() for key in KEYS.findall(text)}) >= _ENOUGH_KEYS
    )


def _start(data: bytes) -> str:
    name = next((n for mark, n in BOMS if data.startswith(mark)), "utf-8")
    cut = data[:4096] if len(data[:4096]) % 2 == 0 else data[:4095]
    return cut.decode(name, "ignore")


def read(source: Input) -> Recording:
    """Read the sweeps of a text export; see :mod:`ncs_cb.readers.natus_text.read`."""
    from ncs_cb.readers.natus_text.read import read as read_text

    return read_text(source)


def hidden_name(name: str) -> str:
    """Replace a file's name that holds a number, as of a patient, by a hash.

    The machines put that number into the name, short ones too; a day is none.
    """
    folder, slash, own = name.rpartition("/")
    if not _NUMBER.search(without_days(own)):
        return open_name(name)
    return f"{open_name(folder)}{slash}natus-{hashed(name)}.txt"


_NEEDS = """\
A text export of one nerve. Which trace is which site is told in study.toml:
  [recordings."file.txt"]
  sites = { "1" = "wrist", "2" = "below_elbow" }
"""

READER = Reader(
    "natus_text",
    (".txt", ".asc"),
    _claims,
    read,
    label="text export of Natus machines (experimental): sites by study.toml",
    shown=hidden_name,
    needs=_NEEDS,
)
