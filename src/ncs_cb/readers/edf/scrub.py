"""Rewriting an EDF or BDF file without identity; the waveforms stay byte for byte."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ncs_cb.errors import ReadError
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.readers._shared.files import write_atomically
from ncs_cb.readers._shared.names import LABEL_TYPES, Named, from_label, from_recording_field
from ncs_cb.readers._shared.stimuli import (
    attribute,
    is_note,
    is_plain_stimulus,
    note,
    numeric_note,
    response,
)
from ncs_cb.readers.edf.header import BDF_VERSION, Header, Signal, parse_header
from ncs_cb.readers.edf.read import FILTER
from ncs_cb.readers.edf.tal import Annotation, read_block, timeline
from ncs_cb.readers.edf.writer import field
from ncs_cb.units import MILLIVOLTS_PER

_DATE_FIELD = re.compile(r"Startdate\s+(\d{2}-[A-Z]{3}-\d{4})\b", re.IGNORECASE)
_OTHER_DIMENSIONS = frozenset({"", "degC", "degree C", "%", "mA", "A", "Ohm", "kOhm", "bpm", "Hz"})
_ELECTRODES = re.compile(r"(Ag\s*/?\s*AgCl|surface|needle|active)( electrodes?)?", re.IGNORECASE)


def anonymize(source: str | Path, target: str | Path, *, keep_dates: bool = False) -> Path:
    """Write a copy of an EDF, EDF+ or BDF+ file that holds nothing of the person.

    Patient field, codes, technician, equipment, free annotations and every text that is not
    motor conduction are dropped. Kept are nerve, side, muscle, kind, filters, scales, time
    keeping, stimuli, responses, numeric XML notes and all samples. The name of the target is
    the caller's choice: a file name may hold a name too.

    Parameters
    ----------
    source : str or Path
    target : str or Path
        A file; replaced as a whole when it exists. Its folder is made when missing.
    keep_dates : bool
        Keep the date of the recording; the time of day is dropped either way.

    Returns
    -------
    Path
        The target.

    Raises
    ------
    ReadError
        If the source is no readable EDF or BDF file, or is the target itself.
    """
    source, target = Path(source), Path(target)
    try:
        data = source.read_bytes()
        if target.exists() and os.path.samefile(source, target):
            raise ReadError("the target is the source itself; choose another name.")
        clean = anonymous_bytes(data, keep_dates=keep_dates)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, clean)
    except OSError as problem:
        raise ReadError(f"cannot be read or written: {problem.strerror}.",
                        source=source.name) from None  # fmt: skip
    except ReadError as problem:
        raise type(problem)(problem.message, source=source.name, hint=problem.hint) from None
    return target


def anonymous_bytes(data: bytes, *, keep_dates: bool = False) -> bytes:
    """Give the bytes of the clean copy; see :func:`anonymize`."""
    header = parse_header(data)
    # Nothing behind the last whole record: nobody knows what it holds.
    end = header.n_bytes + header.n_records * header.record_bytes
    body = bytearray(data[header.n_bytes : end])
    defined = _kept_tags(timeline(header, data).annotations)
    width, step = header.sample_bytes, header.record_bytes
    for signal in header.signals:
        if not signal.is_annotation or not signal.n_samples:
            continue
        start, size = signal.offset * width, signal.n_samples * width
        for record in range(header.n_records):
            at = record * step + start
            body[at : at + size] = _clean_block(bytes(body[at : at + size]), record, defined)
    return _clean_header(header, data, keep_dates=keep_dates) + bytes(body)


# --------------------------------------------------------------------------- annotations


def _kept_tags(annotations: tuple[Annotation, ...]) -> frozenset[str]:
    """Give the stimulus names that numeric notes define, such as ``StimA``."""
    tags: set[str] = set()
    for annotation in annotations:
        if is_note(annotation.text) and numeric_note(annotation.text):
            parsed = note(annotation.text)
            tags.update(tag.casefold() for tag, _ in (parsed.stimuli if parsed else ()))
    return frozenset(tags)


def _clean_block(block: bytes, record: int, defined: frozenset[str]) -> bytes:
    """Keep the time keeping and the texts that cannot hold a name."""
    kept = []
    for stamp, texts in read_block(block, record):
        good = [t for t in texts if not t or _is_safe(t.decode("utf-8", "replace"), defined)]
        if good:
            kept.append(stamp + b"\x14" + b"".join(t + b"\x14" for t in good) + b"\x00")
    return b"".join(kept).ljust(len(block), b"\x00")


def _is_safe(text: str, defined: frozenset[str]) -> bool:
    return (
        is_plain_stimulus(text)
        or response(text) is not None
        or attribute(text) is not None
        or text.strip().casefold() in defined
        or (is_note(text) and numeric_note(text))
    )


# --------------------------------------------------------------------------- header


def _clean_header(header: Header, data: bytes, *, keep_dates: bool) -> bytes:
    is_plus = header.is_plus
    dated = _DATE_FIELD.search(header.recording) if keep_dates else None
    named = _anatomy_words(from_recording_field(header.recording))
    recording = f"Startdate {dated[1] if dated else 'X'} X X X{named}" if is_plus else named.strip()
    version = data[:8] if data[:8] == BDF_VERSION else field("0", 8)
    kind = "24BIT" if data[:8] == BDF_VERSION and not is_plus else header.reserved[:5]
    short = header.start_date if keep_dates and _is_short_date(header.start_date) else "01.01.85"
    fixed = (
        version, field("X X X X" if is_plus else "X", 80), field(recording, 80),
        field(short, 8), field("00.00.00", 8), data[184:192],
        field(kind if is_plus or kind == "24BIT" else "", 44),
        field(header.n_records, 8), data[244:256],
    )  # fmt: skip
    signals = header.signals
    numbers = [(s.physical_min, s.physical_max, s.digital_min, s.digital_max) for s in signals]
    columns = [
        [field(_label(s, i), 16) for i, s in enumerate(signals, start=1)],
        [field(_transducer(s), 80) for s in signals],
        [_dimension(s) for s in signals],
        *[[field(n[i], 8) for n in numbers] for i in range(4)],
        [field(" ".join(f[0] for f in FILTER.finditer(s.prefilter)), 80) for s in signals],
        [field(s.n_samples, 8) for s in signals],
        [field("", 32) for _ in signals],
    ]
    return b"".join(fixed) + b"".join(b"".join(column) for column in columns)


def _anatomy_words(named: Named) -> str:
    """Write what was understood of the recording field, in standard words."""
    if named.nerve is None:
        return ""
    kind = "SNC" if named.kind == "sensory" else "MNC"
    side = {"right": "R ", "left": "L "}.get(named.side or "", "")
    nerve = anatomy().nerves[named.nerve].label.capitalize()
    muscle = f" {anatomy().muscles[named.muscle].short}" if named.muscle else ""
    return f" {kind} {side}{nerve} Nerve{muscle}{' F-wave' if named.kind == 'f_wave' else ''}"


def _is_short_date(text: str) -> bool:
    return re.fullmatch(r"\d\d\.\d\d\.\d\d", text, re.ASCII) is not None


def _label(signal: Signal, number: int) -> str:
    """Keep a label in standard words only: its type, side and muscle."""
    if signal.is_annotation:
        return signal.label
    named = from_label(signal.label)
    first = signal.label.split(" ")[0]
    kind = first if first in LABEL_TYPES else ""
    if named.muscle is None:
        return f"{kind} {number}".strip() if kind else f"Signal {number}"
    side = {"right": "R", "left": "L"}.get(named.side or "", "")
    return " ".join(p for p in (kind, side, anatomy().muscles[named.muscle].short) if p)[:16]


def _transducer(signal: Signal) -> str:
    return signal.transducer if _ELECTRODES.fullmatch(signal.transducer) else ""


def _dimension(signal: Signal) -> bytes:
    """Keep a known dimension, in the bytes it had; an unknown one stays unknown, as a mark."""
    known = signal.dimension in MILLIVOLTS_PER or signal.dimension in _OTHER_DIMENSIONS
    text = signal.dimension if known else "unknown"
    return text.encode("latin-1").ljust(8)
