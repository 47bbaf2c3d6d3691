"""Recordings of research amplifiers that neo reads in pure Python: Axon ABF, Spike2 SMR and more.

Such files name no nerve, site or distance; a JSON sidecar of the same name says them.
"""

from __future__ import annotations

from pathlib import Path

from ncs_cb.readers._shared.reader import Input, Reader, Recording
from ncs_cb.readers.via_neo.formats import FORMATS


def _claims(source: Input) -> bool:
    suffix = source.path.suffix.lower()
    if suffix == ".abf":
        return source.data[:4] in (b"ABF ", b"ABF2")
    return suffix in FORMATS


def read(source: Input) -> Recording:
    """Read sweeps by neo and a sidecar; see :mod:`ncs_cb.readers.via_neo.read`."""
    from ncs_cb.readers.via_neo.read import read as read_by_neo

    return read_by_neo(source)


def _companions(path: Path) -> tuple[Path, ...]:
    beside = path.with_suffix(".json")
    return (beside,) if beside.is_file() else ()


_NEEDS = """\
FILE.json beside the file: nerve, side, muscle; channel; unit and gain where the file states none;
events (marker, threshold or at_ms): where the stimuli are; sites of the stimuli; distances_mm,
stimulus_ma, supramaximal, collision_used. It needs the extra 'neo'; the page 'formats' of the
documentation says more.
"""

READER = Reader(
    "via_neo",
    tuple(FORMATS),
    _claims,
    read,
    label="Axon ABF, Spike2 SMR, WinWCP, AxoGraph through neo (extra 'neo'), with a JSON sidecar",
    companions=_companions,
    needs=_NEEDS,
)
