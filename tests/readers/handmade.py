"""EDF files built byte by byte from the standard, for the tests of the reader."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

MNC_FIELD = "Startdate 02-MAR-2002 EMG561 BK/JOP Sony. MNC R Median Nerve."
WRIST = "Stimulus right wrist 0.2ms x 8.2mA at 6.5cm from recording site"
ELBOW = "Stimulus right elbow 0.2ms x 15.3mA at 28.5cm from recording site"


def cmap(time_ms, onset_ms, amplitude_mv, *, width_ms=2.5, tail=0.4):
    """A response that leaves baseline at `onset_ms`, negative up: a negative, a positive phase."""
    share = (time_ms - onset_ms) / width_ms
    after = (share - 1) / 2.5
    negative = np.where(share > 0, np.sin(np.pi * np.clip(share, 0, 1)) ** 1.5, 0)
    positive = np.where((after > 0) & (after < 1), np.sin(np.pi * np.clip(after, 0, 1)) ** 1.2, 0)
    return amplitude_mv * (negative - tail * positive)


def tal(onset, *texts, duration=""):
    """One annotation list; an empty first text keeps time."""
    stamp = f"{onset:+}" if not isinstance(onset, str) else onset
    lasting = f"\x15{duration}" if duration else ""
    return f"{stamp}{lasting}\x14".encode() + b"".join(t.encode() + b"\x14" for t in texts) + b"\0"


@dataclass
class Signal:
    """One ordinary signal; `physical` has shape (n_records, n_samples), sign as in the file."""

    physical: np.ndarray
    label: str = "R APB"
    dimension: str = "mV"
    limits: tuple = (-100, 100)
    digital: tuple = (-2048, 2047)
    prefilter: str = "HP:3Hz LP:20kHz"
    transducer: str = "AgAgCl electrodes"

    def digitize(self):
        low, high = map(float, self.limits)
        bottom, top = map(int, self.digital)
        share = (np.asarray(self.physical, float) - low) / (high - low)
        return np.round(bottom + share * (top - bottom)).astype(np.int64)


@dataclass
class Edf:
    """Everything a header says; each may be made to lie."""

    signals: list
    tals: list
    record_s: str = "0.050"
    reserved: str = "EDF+D"
    patient: str = "X X X X"
    recording: str = MNC_FIELD
    start_date: str = "17.04.01"
    start_time: str = "11.25.00"
    annotation_samples: int = 60
    version: str = "0"
    overrides: dict = field(default_factory=dict)
    sample_bytes: int = 2

    def to_bytes(self):
        has_tals = self.tals is not None
        n_signals = len(self.signals) + has_tals
        n_records = len(self.signals[0].physical) if self.signals else len(self.tals)
        counts = [np.shape(s.physical)[1] for s in self.signals]
        notes = [self.annotation_samples] * has_tals
        kind = "BDF" if self.sample_bytes == 3 else "EDF"
        fixed = {
            "version": (self.version, 8),
            "patient": (self.patient, 80),
            "recording": (self.recording, 80),
            "date": (self.start_date, 8),
            "time": (self.start_time, 8),
            "header_bytes": (256 * (n_signals + 1), 8),
            "reserved": (self.reserved, 44),
            "n_records": (n_records, 8),
            "record_s": (self.record_s, 8),
            "n_signals": (n_signals, 4),
        }
        columns = (
            ([s.label for s in self.signals], f"{kind} Annotations", 16),
            ([s.transducer for s in self.signals], "", 80),
            ([s.dimension for s in self.signals], "", 8),
            ([s.limits[0] for s in self.signals], -1, 8),
            ([s.limits[1] for s in self.signals], 1, 8),
            ([s.digital[0] for s in self.signals], -32768, 8),
            ([s.digital[1] for s in self.signals], 32767, 8),
            ([s.prefilter for s in self.signals], "", 80),
            (counts, notes[0] if notes else 0, 8),
            ([""] * len(self.signals), "", 32),
        )
        header = b"".join(
            _pad(self.overrides.get(key, value), width) for key, (value, width) in fixed.items()
        )
        if self.sample_bytes == 3:
            header = b"\xffBIOSEMI" + header[8:]
        for values, last, width in columns:
            header += b"".join(_pad(v, width) for v in [*values, *([last] if has_tals else [])])
        return header + self._body(n_records)

    def _body(self, n_records):
        digital = [s.digitize() for s in self.signals]
        records = []
        for i in range(n_records):
            records += [self._samples(d[i]) for d in digital]
            if self.tals is not None:
                block = self.tals[i]
                room = self.sample_bytes * self.annotation_samples
                assert len(block) <= room, "the test's annotation list is too long"
                records.append(block.ljust(room, b"\0"))
        return b"".join(records)

    def _samples(self, digital):
        if self.sample_bytes == 2:
            return digital.astype("<i2").tobytes()
        return b"".join(int(v).to_bytes(3, "little", signed=True) for v in digital)

    def write(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.to_bytes())
        return path


def _pad(value, width):
    text = str(value).encode("latin-1")
    assert len(text) <= width, f"{value!r} does not fit {width} characters"
    return text.ljust(width)


def median_mnc(*, negative_up=False, rate=20_000.0, **changes) -> Edf:
    """The motor conduction file of the EDF+ specification, with a synthetic waveform."""
    time_ms = np.arange(round(0.05 * rate)) * 1000 / rate
    sign = 1 if negative_up else -1
    rows = np.array([sign * cmap(time_ms, onset, 7.2) for onset in (3.8, 7.8)])
    tals = [
        tal("+0", "", WRIST, "Response 7.2mV at 3.8ms"),
        tal("+10", "", ELBOW, "Response 7.2mV at 7.8ms (55.0m/s)"),
    ]
    signal = {k: changes.pop(k) for k in list(changes) if k in Signal.__dataclass_fields__}
    return Edf([Signal(rows, **signal)], changes.pop("tals", tals), **changes)


def onset_ms(trace, share=0.02):
    """First time after 1 ms at which a clean response exceeds a share of its peak."""
    samples = trace.samples_mv - np.median(trace.samples_mv)
    after = trace.stimulus_index + round(trace.sampling_rate_hz / 1000)
    at = after + int(np.argmax(samples[after:] > share * samples[after:].max()))
    return (at - trace.stimulus_index) * 1000 / trace.sampling_rate_hz
