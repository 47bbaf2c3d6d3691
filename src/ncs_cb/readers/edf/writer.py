"""Motor conduction as EDF+D or EDF+C, written from the standard.

No library writes EDF+D (design reference, formats section 10). One file holds one nerve, side,
muscle, kind and amplifier setting; one data record holds one stimulus.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np

from ncs_cb.errors import ReportError
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.model import Study, Trace
from ncs_cb.readers._shared.technique import technique
from ncs_cb.readers.edf.tal import encode
from ncs_cb.system import write_whole

LARGEST_RECORD_BYTES = 61_440
_DIGITAL = 32_767
# Recordings of a visit carry no clock; in EDF+D the records stand this far apart, or farther.
_APART_S = 10
_KIND_WORDS = {"motor": "MNC", "sensory": "SNC", "f_wave": "MNC"}
_LARGEST_RATE_ERROR = 1e-4


@dataclass(frozen=True, slots=True)
class Physical:
    """Physical limits as they stand in the header, their dimension and its size in mV."""

    low: Decimal
    high: Decimal
    dimension: str
    per_mv: float


def write_edf(study: Study, folder: str | Path, *, continuous: bool = False) -> list[Path]:
    """Write the waveforms of a study as EDF+, one file per nerve, side, muscle and setting.

    Sign as the standard asks: the physical one, so that the negative phase is negative in the
    file. Nothing of the person is written; typed-in values belong into ``study.toml``.

    Parameters
    ----------
    study : Study
        Samples in mV, negative phase positive.
    folder : str or Path
        Made when missing.
    continuous : bool
        EDF+C: the records follow on one another. Otherwise EDF+D, in which they stand at least
        10 s apart; sweeps of a study carry no time of day.

    Returns
    -------
    list of Path
        The files written, in order of first appearance.

    Raises
    ------
    ReportError
        If there is no waveform, a sample is NaN or infinite, or the sampling rate cannot be
        written in the eight characters of the header.
    """
    if not study.traces:
        raise ReportError("the study holds no waveform that EDF+ could carry.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    groups: dict[tuple[object, ...], list[Trace]] = defaultdict(list)
    for trace in study.traces:
        groups[technique(trace)].append(trace)
    taken: dict[str, int] = {}
    paths = []
    for traces in groups.values():
        stem = _stem(traces[0])
        taken[stem] = taken.get(stem, 0) + 1
        number = f"_{taken[stem]}" if taken[stem] > 1 else ""
        path = folder / f"{stem}{number}.edf"
        write_whole(path, file_bytes(traces, continuous=continuous))
        paths.append(path)
    return paths


def _stem(trace: Trace) -> str:
    kind = "" if trace.kind == "motor" else f"_{trace.kind}"
    return f"{trace.site.nerve}_{trace.site.side}_{trace.site.muscle}{kind}"


def file_bytes(traces: Sequence[Trace], *, continuous: bool) -> bytes:
    """Give the bytes of one EDF+ file; see :func:`write_edf`.

    Parameters
    ----------
    traces : sequence of Trace
        Of one nerve, side, muscle, kind, rate, length and filter.
    continuous : bool
    """
    first = traces[0]
    n_samples = len(first.samples_mv)
    physical = _physical_range(traces)
    digital = [_digital(t, physical) for t in traces]
    n_parts, length = _parts(n_samples)
    duration = _duration(length, first.sampling_rate_hz)
    lists = _annotation_blocks(traces, n_parts, length, continuous=continuous)
    width = max(len(block) for block in lists)
    width += width % 2
    if 2 * length + width > LARGEST_RECORD_BYTES:
        raise ReportError(f"a data record would exceed {LARGEST_RECORD_BYTES} bytes.")
    header = _header(first, len(lists), duration, length, width, physical, continuous)
    body = []
    for number, block in enumerate(lists):
        trace, part = divmod(number, n_parts)
        body.append(digital[trace][part * length : (part + 1) * length].tobytes())
        body.append(block.ljust(width, b"\x00"))
    return header + b"".join(body)


# --------------------------------------------------------------------------- samples


def _physical_range(traces: Sequence[Trace]) -> Physical:
    """Choose physical limits of few digits that hold every sample, and their dimension.

    The converter's own limits are kept where they are known, so that a clipped trace still
    touches them. Small potentials are written in uV, for the digits of the header.
    """
    low = -max(float(np.max(t.samples_mv)) for t in traces)
    high = -min(float(np.min(t.samples_mv)) for t in traces)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ReportError(
            "EDF+ cannot hold a sample that is not a number.",
            hint="Write a sweep table instead, or leave that trace out.",
        )
    limits = traces[0].range_mv
    if limits is not None and -limits[1] <= low and high <= -limits[0]:
        low, high = -limits[1], -limits[0]
    else:
        high = 1.05 * max(-low, high, 1e-6)
        low = -high
    dimension, per_mv = ("mV", 1.0) if max(-low, high) >= 1.0 else ("uV", 1e3)
    pair = (_outward(low * per_mv), _outward(high * per_mv))
    if any(len(_field8(limit)) > 8 for limit in pair):
        raise ReportError(f"samples up to {max(-low, high):g} mV do not fit an EDF+ header.")
    return Physical(pair[0], pair[1], dimension, per_mv)


def _outward(limit: float) -> Decimal:
    """Round a limit away from zero to at most five significant digits."""
    wanted = Decimal(format(limit, ".9g"))
    if wanted == 0:
        return wanted
    step = Decimal(1).scaleb(max(wanted.adjusted() - 4, -4))
    return (wanted / step).to_integral_value(rounding=ROUND_UP) * step


def _digital(trace: Trace, physical: Physical) -> np.ndarray:
    """Give int16 samples with the physical sign: the negative phase is written negative."""
    low, high = float(physical.low), float(physical.high)
    share = (np.asarray(trace.samples_mv, dtype=np.float64) * -physical.per_mv - low) / (high - low)
    digital: np.ndarray = (np.rint(share * (2 * _DIGITAL)) - _DIGITAL).astype("<i2")
    return digital


def _parts(n_samples: int) -> tuple[int, int]:
    """Split a sweep too long for one data record; give (records per sweep, samples each).

    A few samples at the end are left out when the sweep cannot be split evenly.
    """
    room = (LARGEST_RECORD_BYTES - 1024) // 2
    n_parts = -(-n_samples // room)
    return n_parts, n_samples // n_parts


# --------------------------------------------------------------------------- time and texts


def _duration(n_samples: int, rate: float) -> str:
    """Write the record duration in eight characters."""
    exact = Fraction(n_samples) / Fraction(repr(rate))
    text = _plain(exact, max(0, 7 - len(str(int(exact)))))
    if not text or float(text) <= 0 or abs(float(text) / float(exact) - 1) > _LARGEST_RATE_ERROR:
        raise ReportError(
            f"{n_samples} samples at {rate:g} Hz: this duration does not fit an EDF+ header."
        )
    return text


def _plain(value: Fraction, digits: int) -> str:
    """Write a fraction as decimal text, rounded to `digits` places, without an exponent."""
    rounded = round(value * 10**digits)
    sign, rounded = ("-", -rounded) if rounded < 0 else ("", rounded)
    whole, part = divmod(rounded, 10**digits)
    text = f"{whole}.{part:0{digits}d}".rstrip("0").rstrip(".")
    return sign + text


def _annotation_blocks(
    traces: Sequence[Trace], n_parts: int, length: int, *, continuous: bool
) -> list[bytes]:
    """Give the annotation lists of every data record."""
    rate = Fraction(repr(traces[0].sampling_rate_hz))
    part_s = length / rate
    sweep_s = n_parts * part_s
    apart = sweep_s if continuous else max(Fraction(_APART_S), Fraction(math.ceil(sweep_s) + 1))
    blocks = []
    for number, (trace, texts) in enumerate(zip(traces, _texts(traces), strict=True)):
        begins = number * apart
        stimulus = begins + trace.stimulus_index / rate
        for part in range(n_parts):
            starts = begins + part * part_s
            here = texts if part == 0 else ()
            if here and stimulus == starts:
                blocks.append(encode(_plain(starts, 12), here, keeps_time=True))
                continue
            block = encode(_plain(starts, 12), (), keeps_time=True)
            # EDF+ 2.2.4: an annotation on a record stands in that record, whatever its time.
            blocks.append(block + (encode(_plain(stimulus, 12), here) if here else b""))
    return blocks


def _texts(traces: Sequence[Trace]) -> list[tuple[str, ...]]:
    """Give the annotations of each sweep: equal texts for repeats, and only for these."""
    numbers: dict[str, dict[object, int]] = defaultdict(dict)
    texts = []
    for i, trace in enumerate(traces):
        said = stimulus_text(trace)
        groups = numbers[said]
        series = groups.setdefault(trace.repeat_group or i, len(groups) + 1)
        said += f", series {series}" if series > 1 else ""
        texts.append((said, *_attributes(trace), *_response_text(trace)))
    return texts


def stimulus_text(trace: Trace) -> str:
    """Write the stimulus in the words of the specification, unknown parts left out.

    Examples
    --------
    ``Stimulus right wrist 0.2ms x 8.2mA at 6.5cm from recording site``
    """
    stimulus, site = trace.stimulus, trace.site
    words = ["Stimulus", site.side, _site_words(site.stimulation_site)]
    pulse = f"{_number(stimulus.duration_ms)}ms" if stimulus.duration_ms is not None else ""
    current = f"{_number(stimulus.intensity_ma)}mA" if stimulus.intensity_ma is not None else ""
    words.append(f"{pulse} x {current}" if pulse and current else pulse + current)
    if stimulus.distance_mm is not None:
        words.append(f"at {_number(stimulus.distance_mm / 10)}cm from recording site")
    return " ".join(word for word in words if word)


def _attributes(trace: Trace) -> tuple[str, ...]:
    words = []
    if trace.stimulus.is_supramaximal is not None:
        words.append("Supramaximal" if trace.stimulus.is_supramaximal else "Submaximal")
    if trace.stimulus.collision_used:
        words.append("Collision")
    return tuple(words)


def _response_text(trace: Trace) -> tuple[str, ...]:
    machine = trace.machine
    if machine.amplitude_mv is None or machine.onset_latency_ms is None:
        return ()
    velocity = machine.conduction_velocity_m_per_s
    tail = f" ({_number(velocity)}m/s)" if velocity is not None else ""
    return (
        f"Response {_number(machine.amplitude_mv)}mV at {_number(machine.onset_latency_ms)}ms"
        f"{tail}",
    )


def _site_words(site: str) -> str:
    return site.replace("_", " ")


def _number(value: float) -> str:
    """Write a number with up to ten significant digits and never an exponent."""
    return format(Decimal(format(value, ".10g")), "f")


# --------------------------------------------------------------------------- header


def _header(
    trace: Trace,
    n_records: int,
    duration: str,
    length: int,
    width: int,
    physical: Physical,
    continuous: bool,
) -> bytes:
    site = trace.site
    side = "R" if site.side == "right" else "L"
    nerve = anatomy().nerves[site.nerve].label.capitalize()
    late = " F-wave" if trace.kind == "f_wave" else ""
    recording = f"Startdate X X X ncs_cb {_KIND_WORDS[trace.kind]} {side} {nerve} Nerve{late}"
    label = f"NC {side} {anatomy().muscles[site.muscle].short}"
    fields: list[tuple[object, int]] = [
        ("0", 8),
        ("X X X X", 80),
        (recording, 80),
        ("01.01.85", 8),
        ("00.00.00", 8),
        (768, 8),
        ("EDF+C" if continuous else "EDF+D", 44),
        (n_records, 8),
        (duration, 8),
        (2, 4),
        (label, 16),
        ("EDF Annotations", 16),
        ("", 80),
        ("", 80),
        (physical.dimension, 8),
        ("", 8),
        (_field8(physical.low), 8),
        ("-1", 8),
        (_field8(physical.high), 8),
        ("1", 8),
        (-_DIGITAL, 8),
        (-32768, 8),
        (_DIGITAL, 8),
        (32767, 8),
        (_prefilter(trace), 80),
        ("", 80),
        (length, 8),
        (width // 2, 8),
        ("", 32),
        ("", 32),
    ]
    return b"".join(field(value, size) for value, size in fields)


def field(value: object, size: int) -> bytes:
    """Give a header field: printable US-ASCII, left-justified, padded with blanks."""
    text = str(value)
    if len(text) > size or not (text.isascii() and (not text or text.isprintable())):
        raise ReportError(f"'{text[:size]}' does not fit a header field of {size} characters.")
    return text.encode("ascii").ljust(size)


def _field8(value: Decimal) -> str:
    return format(value.normalize(), "f")


def _prefilter(trace: Trace) -> str:
    pairs = (("HP", trace.high_pass_hz), ("LP", trace.low_pass_hz))
    return " ".join(f"{name}:{_frequency(hz)}" for name, hz in pairs if hz is not None)


def _frequency(hz: float) -> str:
    return f"{_number(hz / 1000)}kHz" if hz >= 1000 else f"{_number(hz)}Hz"
