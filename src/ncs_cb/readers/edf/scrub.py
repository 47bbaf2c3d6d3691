"""Rewriting an EDF or BDF file without identity; the waveforms stay byte for byte.

Every other field is written afresh from what was understood of it: a field that may hold anything
may hold the number of a patient.
"""

from __future__ import annotations

import os
import re
from decimal import Context, Decimal
from pathlib import Path

from ncs_cb.discreet import is_usual
from ncs_cb.errors import ReadError
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.readers._shared.cues import Annotation
from ncs_cb.readers._shared.files import head, read_regular
from ncs_cb.readers._shared.names import LABEL_TYPES, Named, from_label, from_recording_field
from ncs_cb.readers._shared.notes import is_note, note, numeric_note
from ncs_cb.readers._shared.stimuli import (
    attribute,
    is_plain_stimulus,
    response,
)
from ncs_cb.readers.edf.header import BDF_VERSION, Header, Signal, parse_header
from ncs_cb.readers.edf.read import FILTER
from ncs_cb.readers.edf.tal import read_block, timeline
from ncs_cb.readers.edf.writer import field
from ncs_cb.system import write_whole
from ncs_cb.units import MILLIVOLTS_PER

_DATE_FIELD = re.compile(r"Startdate\s+(\d{2}-[A-Z]{3}-\d{4})\b", re.IGNORECASE)
_OTHER_DIMENSIONS = frozenset({"", "degC", "degree C", "%", "mA", "A", "Ohm", "kOhm", "bpm", "Hz"})
# In the header of every EDF and BDF file; of a date of birth the year alone says little.
_PATIENT = slice(8, 88)
_TOLD = re.compile(r"(?<!\w-)(?:[^\W\d_]{3,}|\d{5,})(?!-\d{4})")
# Milliseconds, millivolts, milliamperes and centimeters have three digits at most.
_LONG_NUMBER = re.compile(r"\d{4,}", re.ASCII)
# What XML notes say of a unit is a word; anything else in an attribute was not asked for.
_ATTRIBUTE = re.compile(r"<[^<>]*=\s*[\"'][^\"'<>]*\d[^\"'<>]*[\"']")
_ANNOTATION = re.compile(rb"[+-]\d+(\.\d*)?(\x15[\d.]*)?\x14[^\x00]*\x14\x00")
_LARGEST_HZ = 100_000.0
_ELECTRODES = re.compile(r"(Ag\s*/?\s*AgCl|surface|needle|active)( electrodes?)?", re.IGNORECASE)


def anonymize(source: str | Path, target: str | Path, *, keep_dates: bool = False) -> Path:
    """Write a copy of an EDF, EDF+ or BDF+ file that holds nothing of the person.

    Patient field, codes, technician, equipment, free annotations, numbers of a size that no
    measurement has, and every text that is not motor conduction are dropped; of the physical
    limits five digits stay, and a signal that is no response loses its scale. Kept are nerve,
    side, muscle, kind, filters, scales, time keeping, stimuli, responses, numeric XML notes and
    all samples. The name of the target is the caller's choice: a file name may hold a name too.

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
        data = read_regular(source)
        if target.exists() and os.path.samefile(source, target):
            raise ReadError("the target is the source itself; choose another name.")
        clean = anonymous_bytes(data, keep_dates=keep_dates)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, clean)
    except OSError as problem:
        raise ReadError(
            f"cannot be read or written: {problem.strerror}.", source=source.name
        ) from None
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
        if not signal.n_samples:
            continue
        start, size = signal.offset * width, signal.n_samples * width
        for record in range(header.n_records):
            at = record * step + start
            block = bytes(body[at : at + size])
            if signal.is_annotation:
                body[at : at + size] = _clean_block(block, record, defined)
            elif _ANNOTATION.search(block):
                # A second list of annotations under a label of its own is no waveform.
                body[at : at + size] = bytes(size)
    return _clean_header(header, data, keep_dates=keep_dates) + bytes(body)


def names_patient(source: str | Path, name: str) -> bool:
    """Tell whether a name of a file or folder holds a word or number of the patient field.

    What the field says is no part of the copy, but a name is what the caller makes it.

    Parameters
    ----------
    source : str or Path
        The file whose header is asked.
    name : str
        What the copy is called.
    """
    field = head(Path(source))[_PATIENT].decode("latin-1").casefold()
    told = {word for word in _TOLD.findall(field) if not is_usual(word)}
    parts = frozenset(_TOLD.findall(name.casefold()))
    # A short name may lie in a longer word by chance.
    return any(w in parts or (len(w) > 3 and w in name.casefold()) for w in told)


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
            kept.append(
                _clean_stamp(stamp) + b"\x14" + b"".join(t + b"\x14" for t in good) + b"\x00"
            )
    return b"".join(kept).ljust(len(block), b"\x00")


def _clean_stamp(stamp: bytes) -> bytes:
    """Write the time of an annotation afresh, without its duration, which nothing here needs."""
    seconds = float(stamp.partition(b"\x15")[0])
    return f"{seconds:+.7f}".rstrip("0").rstrip(".").encode("ascii")


def _is_safe(text: str, defined: frozenset[str]) -> bool:
    """Tell whether a text is motor conduction and nothing else, with numbers of that size.

    A latency of 719450213 ms is no latency; it may be the number of a patient.
    """
    return not _LONG_NUMBER.search(text) and (
        is_plain_stimulus(text)
        or response(text) is not None
        or attribute(text) is not None
        or text.strip().casefold() in defined
        or (is_note(text) and numeric_note(text) and not _ATTRIBUTE.search(text))
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
        version,
        field("X X X X" if is_plus else "X", 80),
        field(recording, 80),
        field(short, 8),
        field("00.00.00", 8),
        field(header.n_bytes, 8),
        field(kind if is_plus or kind == "24BIT" else "", 44),
        field(header.n_records, 8),
        data[244:256],
    )
    signals = header.signals
    numbers = [_limits(s, header.sample_bytes) for s in signals]
    columns = [
        [field(_label(s, i), 16) for i, s in enumerate(signals, start=1)],
        [field(_transducer(s), 80) for s in signals],
        [_dimension(s) for s in signals],
        *[[field(n[i], 8) for n in numbers] for i in range(4)],
        [field(_filters(s.prefilter), 80) for s in signals],
        [field(s.n_samples, 8) for s in signals],
        [field("", 32) for _ in signals],
    ]
    return b"".join(fixed) + b"".join(b"".join(column) for column in columns)


def _filters(prefilter: str) -> str:
    """Write the filters afresh, those that an amplifier can have."""
    found = (f[0] for f in FILTER.finditer(prefilter))
    return " ".join(
        one for one in found if all(float(n) <= _LARGEST_HZ for n in re.findall(r"[\d.]*\d", one))
    )


def _limits(signal: Signal, sample_bytes: int) -> tuple[str, str, str, str]:
    """Give the scale; of a signal that is no response, one that says nothing.

    Five digits are kept of the physical limits: the scale moves by less than 1 in 10 000, and a
    hospital number does not fit.
    """
    if not signal.is_annotation and from_label(signal.label).is_response:
        low, high = (_five_digits(x) for x in (signal.physical_min, signal.physical_max))
        return low, high, signal.digital_min, signal.digital_max
    top = 2 ** (8 * sample_bytes - 1)
    return "-1", "1", str(-top), str(top - 1)


def _five_digits(text: str) -> str:
    value = Decimal(text)
    return format(value.normalize(Context(prec=5)), "f") if value.is_finite() else text


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
        return "BDF Annotations" if signal.label.startswith("BDF") else "EDF Annotations"
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
