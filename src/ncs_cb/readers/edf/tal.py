r"""Time-stamped annotation lists (TAL) of EDF+, read and written.

A list is ``+onset[\x15duration]\x14text\x14...text\x14\x00``. The first list of each data
record has an empty first text and says when the record begins (EDF+ 2.2.4).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ncs_cb.errors import ReadError
from ncs_cb.readers._shared.cues import Annotation
from ncs_cb.readers._shared.stimuli import stimulus
from ncs_cb.readers._shared.text import decode_label
from ncs_cb.readers.edf.header import Header

# Stamps of a short continuous file that are rounded more coarsely than this say nothing.
_COARSEST_STAMP_S = 0.010
# No interrupted file leaves a gap as short as the rounding of stamps that are this fine.
_FINE_STAMP_S = 0.0011

_STAMP = re.compile(rb"[+-]\d{1,15}(?:\.\d{0,20})?(?:\x15\d{0,15}(?:\.\d{0,20})?)?")


@dataclass(frozen=True, slots=True)
class Timeline:
    """When each data record begins, and every annotation in file order."""

    onsets_s: tuple[float, ...]
    annotations: tuple[Annotation, ...]
    step_s: float = 0.0
    """The last digit of the records' stamps."""
    encodings: frozenset[str] = frozenset()
    """In which texts were decoded that are not UTF-8."""


def timeline(header: Header, data: bytes) -> Timeline:
    """Read all annotation lists.

    A plain EDF file, and an annotation-free one, has records that follow on one another.

    Raises
    ------
    ReadError
        If a list is malformed, or an EDF+ record does not say when it begins: the continuity
        is then in doubt, and a guess could put a stimulus at the wrong site.
    """
    if not header.lists:
        if header.is_plus:
            raise ReadError("an EDF+ file without annotation signal does not keep time.")
        return Timeline(tuple(i * header.record_s for i in range(header.n_records)), ())
    width, step = header.sample_bytes, header.record_bytes
    spans = [(s.offset * width, (s.offset + s.n_samples) * width) for s in header.lists]
    onsets: list[float] = []
    annotations: list[Annotation] = []
    encodings: set[str] = set()
    digits = 0
    for record in range(header.n_records):
        base = header.n_bytes + record * step
        keeps_time = True
        for start, end in spans:
            block = data[base + start : base + end]
            begins, written = _parse(block, record, annotations, encodings, keeps_time=keeps_time)
            digits = max(digits, written)
            if keeps_time:
                onsets.append(record * header.record_s if begins is None else begins)
                if begins is None and header.is_plus:
                    raise ReadError(f"data record {record + 1} does not say when it begins.")
            keeps_time = False
    return Timeline(
        tuple(onsets), tuple(annotations), 10.0**-digits, frozenset(encodings - {"utf-8"})
    )


def _parse(
    block: bytes,
    record: int,
    into: list[Annotation],
    encodings: set[str],
    *,
    keeps_time: bool,
) -> tuple[float | None, int]:
    """Append the annotations of one record's block.

    Give the record's onset if it keeps time, and with how many digits it is written.
    """
    begins, digits = None, 0
    for stamp, texts in read_block(block, record):
        written = stamp.partition(b"\x15")[0]
        onset = float(written)
        if keeps_time and texts and not texts[0]:
            begins = onset
            digits = len(written.partition(b".")[2])
        keeps_time = False  # the first list alone does
        for raw in texts:
            if raw:
                text, encoding = decode_label(raw, _names_a_site)
                encodings.add(encoding)
                into.append(Annotation(record, onset, text))
    return begins, digits


def _names_a_site(text: str) -> bool:
    said = stimulus(text)
    return said is not None and said.site is not None


def read_block(block: bytes, record: int) -> list[tuple[bytes, list[bytes]]]:
    """Give (stamp, texts) of every annotation list in a record's block.

    Raises
    ------
    ReadError
        If a list does not begin with a time stamp or does not end as the standard says.
    """
    lists = []
    # Most of a block is the zeros that fill it up; they are not worth a look each.
    for chunk in block.rstrip(b"\x00").split(b"\x00"):
        if not chunk:
            continue
        stamp, *texts = chunk.split(b"\x14")
        if texts and texts[-1]:
            texts.append(b"")  # the mark behind the last text is missing; nothing else is
        if _STAMP.fullmatch(stamp) is None or not texts:
            raise ReadError(f"data record {record + 1} holds a malformed annotation list.")
        lists.append((stamp, texts[:-1]))
    return lists


def breaks(header: Header, times: Timeline, rate: float) -> list[int]:
    """Give the records that do not follow on the one before them.

    Half a sample of rounding is allowed in the written onsets. The stamps may be off by their last
    digit, as long as this does not add up: by a millisecond, and by more in a file that says it is
    continuous and is longer than its stamps are coarse.
    """
    step, first = 1.001 * times.step_s, times.onsets_s[0]
    grace = max(0.5 / rate, 1e-9)
    if header.is_interrupted:
        grace = max(grace, step) if step <= _FINE_STAMP_S else grace
    else:
        line = (t - first - n * header.record_s for n, t in enumerate(times.onsets_s))
        is_long = header.n_records * header.record_s > 2.0 * times.step_s
        is_straight = is_long and all(abs(off) <= step for off in line)
        grace = max(grace, step if is_straight else min(step, _COARSEST_STAMP_S))
    shift, found, record_s = 0.0, [], header.record_s
    for number, begins in enumerate(times.onsets_s):
        off = begins - first - number * record_s
        if abs(off - shift) > grace:
            found.append(number)
            shift = off
    return found


def encode(onset: str, texts: tuple[str, ...], *, keeps_time: bool = False) -> bytes:
    """Write one annotation list.

    Parameters
    ----------
    onset : str
        Seconds as exact decimal text, without sign when not negative.
    texts : tuple of str
    keeps_time : bool
        Whether this is the record's first list, with the empty first text.
    """
    signed = onset if onset.startswith("-") else f"+{onset}"
    parts = ["", *texts] if keeps_time else list(texts)
    return (
        signed.encode("ascii")
        + b"\x14"
        + b"".join(text.encode("utf-8") + b"\x14" for text in parts)
        + b"\x00"
    )
