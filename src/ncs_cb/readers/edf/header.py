"""The EDF, EDF+ and BDF+ header, checked against the file it stands in.

Read by ourselves and not through edfio or MNE: MNE joins the records of EDF+D, edfio keeps record
onsets in a private attribute, and a parser that only slices is several times faster than either
(benchmarks/reading.py), which an archive of many small files needs.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache

from ncs_cb.errors import ReadError
from ncs_cb.readers._shared.plausible import check_rate

EDF_VERSION = b"0       "
BDF_VERSION = b"\xffBIOSEMI"
ANNOTATION_LABELS = ("EDF Annotations", "BDF Annotations")
_MOST_SIGNALS = 1024
_MOST_RECORDS = 2_000_000

_WHOLE = re.compile(r"[+-]?\d{1,8}", re.ASCII)
_WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal as the header describes it, numbers still as text.

    ``offset`` and ``n_samples`` are in samples within a data record.
    """

    label: str
    transducer: str
    dimension: str
    physical_min: str
    physical_max: str
    digital_min: str
    digital_max: str
    prefilter: str
    n_samples: int
    offset: int

    @property
    def is_annotation(self) -> bool:
        """Whether this is an annotation signal."""
        return self.label in ANNOTATION_LABELS


@dataclass(frozen=True, slots=True)
class Header:
    """The header of one file."""

    patient: str
    recording: str
    start_date: str
    start_time: str
    reserved: str
    n_records: int
    record_s: float
    record_s_text: str
    signals: tuple[Signal, ...]
    ordinary: tuple[Signal, ...]
    """Those with samples that are no annotations."""
    lists: tuple[Signal, ...]
    """Those with annotations."""
    n_bytes: int
    sample_bytes: int
    record_samples: int
    salvaged: tuple[str, ...] = ()
    """What was not as the standard asks, and how it was read nevertheless."""

    @property
    def is_plus(self) -> bool:
        """Whether the file is EDF+ or BDF+."""
        return self.reserved[:5] in ("EDF+C", "EDF+D", "BDF+C", "BDF+D")

    @property
    def is_interrupted(self) -> bool:
        """Whether the file says that its records do not follow on one another."""
        return self.reserved[:5] in ("EDF+D", "BDF+D")

    @property
    def record_bytes(self) -> int:
        """Bytes of one data record."""
        return self.record_samples * self.sample_bytes


def parse_header(data: bytes) -> Header:
    """Read the header at the beginning of `data` and hold it against the length of `data`.

    Raises
    ------
    ReadError
        If a field is no number, or sizes and counts do not fit the file.
    """
    version = _version(data)
    # Latin-1 never fails; the standard allows only US-ASCII, vendors do not keep to it.
    raw = data[8:256].decode("latin-1")
    text = raw.replace("\0", " ")
    salvaged = ["fields padded with zero bytes"] if text != raw else []
    n_signals = _integer(text[244:248], "number of signals", 1, _MOST_SIGNALS)
    n_bytes = _integer(text[176:184], "header size", 512, 256 * (_MOST_SIGNALS + 1))
    needed = 256 * (n_signals + 1)
    if n_bytes != needed:
        why = f"the header says it has {n_bytes} bytes, but {n_signals} signals need {needed}."
        raise ReadError(why)
    stated = _integer(text[228:236], "number of data records", -1, _MOST_RECORDS)
    duration = text[236:244].strip()
    record_s = number(duration, "data record duration")
    if len(data) < n_bytes:
        raise ReadError(f"truncated: the header alone needs {n_bytes} bytes, got {len(data)}.")
    signals, ordinary, lists, is_padded = _signals(data[256:n_bytes], n_signals)
    salvaged = ["fields padded with zero bytes"] if is_padded else salvaged
    sample_bytes = 2 if version == EDF_VERSION else 3
    samples = signals[-1].offset + signals[-1].n_samples
    n_records = _records(stated, len(data) - n_bytes, samples * sample_bytes, salvaged)
    if record_s <= 0 and any(not s.is_annotation for s in signals):
        raise ReadError(f"the data record duration is {record_s:g} s; it must be above 0.")
    return Header(
        text[0:80].rstrip(),
        text[80:160].rstrip(),
        text[160:168],
        text[168:176],
        text[184:228].rstrip(),
        n_records,
        record_s,
        duration,
        signals,
        ordinary,
        lists,
        n_bytes,
        sample_bytes,
        samples,
        tuple(salvaged),
    )


def _version(data: bytes) -> bytes:
    if not data:
        raise ReadError("the file is empty.")
    if len(data) < 512:
        raise ReadError(f"truncated: {len(data)} bytes are fewer than the smallest EDF header.")
    version = data[:8].replace(b"\0", b" ")  # some writers pad with zero bytes
    if version not in (EDF_VERSION, BDF_VERSION):
        raise ReadError("not an EDF or BDF file: its first eight bytes are no version field.")
    return version


def _records(stated: int, n_body: int, record_bytes: int, salvaged: list[str]) -> int:
    """Give the number of whole data records, and say where that is not what the header says.

    Raises
    ------
    ReadError
        If there is no whole record, or more is missing than the end of the last one.
    """
    whole, rest = divmod(n_body, record_bytes) if record_bytes else (0, n_body)
    hint = "Copy or export the file again."
    if stated == -1 and whole and not rest:
        salvaged.append(f"the recording was not closed: {whole} data records by the file's size")
        return whole
    if stated < 1:
        raise ReadError(
            f"the header says {stated} data records: the recording was not closed.",
            hint="Close the recording in the program that made it, then export it again.",
        )
    if n_body > stated * record_bytes:
        extra = n_body - stated * record_bytes
        if whole > stated:
            raise ReadError(
                f"longer than its header says: {stated} data records need "
                f"{stated * record_bytes} bytes, the file has {n_body}.",
                hint=hint,
            )
        salvaged.append(f"{extra} bytes behind the last data record were left out")
    elif n_body < stated * record_bytes:
        if whole != stated - 1 or not whole or not rest:
            raise ReadError(
                f"truncated: {stated} data records need {stated * record_bytes} bytes, the file "
                f"has {n_body}.",
                hint=hint,
            )
        salvaged.append("the last data record is cut off and was left out")
        return whole
    return stated


# The machine of a laboratory writes the same signal headers over and over.
@lru_cache(maxsize=512)
def _signals(
    data: bytes, n_signals: int
) -> tuple[tuple[Signal, ...], tuple[Signal, ...], tuple[Signal, ...], bool]:
    """Give all signals, the ordinary ones, those with annotations; and whether zeros fill it up."""
    padded = data.decode("latin-1")
    text = padded.replace("\0", " ")
    columns: list[list[str]] = []
    at = 0
    for width in _WIDTHS[:-1]:
        end = at + width * n_signals
        columns.append([text[i : i + width].strip() for i in range(at, end, width)])
        at = end
    signals, offset = [], 0
    for a, b, c, d, e, f, g, h, count in zip(*columns, strict=True):
        n_samples = _integer(count, "samples per data record", 0, 2**31)
        # Micro signs of a header in UTF-8, read as Latin-1.
        unit = c.replace("\u00c2\u00b5", "\u00b5").replace("\u00ce\u00bc", "\u00b5")
        signals.append(Signal(a, b, unit, d, e, f, g, h, n_samples, offset))
        offset += n_samples
    held = [s for s in signals if s.n_samples]
    ordinary = tuple([s for s in held if not s.is_annotation])
    lists = tuple([s for s in held if s.is_annotation])
    return tuple(signals), ordinary, lists, text != padded


def _integer(text: str, what: str, low: int, high: int) -> int:
    text = text.strip()
    if _WHOLE.fullmatch(text) is None:
        raise ReadError(f"the {what} is not a whole number.")
    value = int(text)
    if not low <= value <= high:
        raise ReadError(f"the {what} is {value}; allowed: {low} to {high}.")
    return value


_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", re.ASCII)


def number(text: str, what: str) -> float:
    """Read a decimal number of a header field.

    Raises
    ------
    ReadError
        If it is not a finite decimal number with a point.
    """
    text = text.strip()
    if "." not in text:
        text = text.replace(",", ".", 1)
    if _DECIMAL.fullmatch(text) is None or not math.isfinite(value := float(text)):
        raise ReadError(f"the {what} is not a number (decimal point, no unit).")
    return value


@dataclass(frozen=True, slots=True)
class Scale:
    """Digital to physical: ``physical = (digital - digital_min) * gain + physical_min``."""

    digital_min: int
    digital_max: int
    physical_min: float
    physical_max: float

    @property
    def gain(self) -> float:
        """Physical units per bit; negative when the file codes a negative gain."""
        return (self.physical_max - self.physical_min) / (self.digital_max - self.digital_min)


@lru_cache(maxsize=512)
def scale_of(signal: Signal, sample_bytes: int) -> Scale:
    """Give the scale of a signal.

    EDF+ 2.2.8 (additional specifications): physical maximum below physical minimum is a
    negative gain; digital maximum must exceed digital minimum.

    Raises
    ------
    ReadError
        If a limit is no number, the digital limits are not ascending or exceed the sample size,
        or the physical limits are equal.
    """
    top = 2 ** (8 * sample_bytes - 1)
    low = _integer(signal.digital_min, "digital minimum", -top, top - 1)
    high = _integer(signal.digital_max, "digital maximum", -top, top - 1)
    physical_min = number(signal.physical_min, "physical minimum")
    physical_max = number(signal.physical_max, "physical maximum")
    if high <= low:
        raise ReadError(f"digital maximum {high} is not above digital minimum {low}.")
    if physical_min == physical_max:
        raise ReadError(f"physical minimum and maximum are both {physical_min:g}: no scale.")
    return Scale(low, high, physical_min, physical_max)


def sampling_rate(header: Header, signal: Signal) -> float:
    """Give the samples per second of a signal.

    The duration field has eight characters, so that 1000 samples at 30 kHz become 0.033333 s.
    A whole number of samples per second that rounds to the written duration is what was meant.

    Raises
    ------
    ReadError
        If the rate cannot be that of a nerve conduction study.
    """
    return _rate(signal.n_samples, header.record_s, header.record_s_text)


@lru_cache(maxsize=512)
def _rate(n_samples: int, record_s: float, record_s_text: str) -> float:
    rate = n_samples / record_s
    whole = round(rate)
    digits = len(record_s_text.partition(".")[2])
    step = 10.0**-digits if digits else 1e-9
    if whole > 0 and abs(n_samples / whole - record_s) <= step:
        rate = float(whole)
    return check_rate(rate)
