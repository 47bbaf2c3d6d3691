"""The samples of a signal as the integers they are, and the triggers among them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ncs_cb.readers._shared.cues import Annotation
from ncs_cb.readers._shared.triggers import codes, is_trigger
from ncs_cb.readers.edf.header import Header, Signal
from ncs_cb.readers.edf.tal import Timeline


def with_triggers(times: Timeline, header: Header, data: bytes) -> Timeline:
    """Add the triggers of a signal such as BDF's ``Status`` to the annotations, as ``S 1``."""
    added = []
    for signal in header.ordinary:
        if not is_trigger(signal.label):
            continue
        rate = signal.n_samples / header.record_s
        for sample, text in codes(digital(header, signal, data)):
            record, within = divmod(sample, signal.n_samples)
            added.append(Annotation(record, times.onsets_s[record] + within / rate, text))
    return replace(times, annotations=(*times.annotations, *added)) if added else times


def cut(
    header: Header, signal: Signal, data: bytes, spans: list[tuple[int, int]]
) -> list[np.ndarray]:
    """Give stretches of one signal as integers, each from its first sample to before its last.

    Those of one length come as one block, with a row each. Of a long recording only the records
    that hold them are copied.
    """
    n, most = signal.n_samples, header.n_records
    records = [(start // n, min(-(-stop // n), most)) for start, stop in spans]
    if sum([last - first for first, last in records]) >= most:
        flat = digital(header, signal, data)
        length, rest = divmod(len(flat), len(spans))
        if length and not rest and spans == [(i, i + length) for i in range(0, len(flat), length)]:
            return [flat.reshape(len(spans), length)]  # they follow on one another
        cuts = [flat[start:stop] for start, stop in spans]
    else:
        cuts = [
            digital(header, signal, data, slice(first, last))[start - first * n : stop - first * n]
            for (start, stop), (first, last) in zip(spans, records, strict=True)
        ]
    return [np.array(cuts)] if len({len(one) for one in cuts}) == 1 else cuts


def digital(
    header: Header, signal: Signal, data: bytes, records: slice = slice(None)
) -> np.ndarray:
    """Give the samples of one signal as integers, of all records or of some."""
    columns = slice(signal.offset, signal.offset + signal.n_samples)
    if header.sample_bytes == 2:
        count = header.n_records * header.record_samples
        table = np.frombuffer(data, "<i2", count=count, offset=header.n_bytes)
        return table.reshape(header.n_records, -1)[records, columns].reshape(-1)
    count = header.n_records * header.record_bytes
    table = np.frombuffer(data, np.uint8, count=count, offset=header.n_bytes)
    parts = table.reshape(header.n_records, -1, 3)[records, columns].reshape(-1, 3).astype(np.int32)
    # The sign of the 24-bit number is that of its highest byte.
    high = parts[:, 2] - ((parts[:, 2] & 0x80) << 1)
    joined: np.ndarray = parts[:, 0] | (parts[:, 1] << 8) | (high << 16)
    return joined
