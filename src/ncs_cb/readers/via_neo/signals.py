"""What neo finds in a file: signals with their units, and events with their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ncs_cb.errors import ReadError, missing_extra

if TYPE_CHECKING:
    import numpy as np

_MOST_SAMPLES = 200_000_000


@dataclass(frozen=True, slots=True)
class Signal:
    """One channel in one stretch (a sweep, or the whole recording).

    Attributes
    ----------
    name : str
    unit : str
    samples : ndarray [in `unit`]
    rate_hz : float
    start_s : float
    """

    name: str
    unit: str
    samples: np.ndarray
    rate_hz: float
    start_s: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """Signals and events of one stretch; events as (channel, label, time in s)."""

    signals: tuple[Signal, ...]
    events: tuple[tuple[str, str, float], ...]


def load(path: str, reader: str) -> list[Stretch]:
    """Read every stretch of a file.

    Raises
    ------
    ReadError
        If neo cannot read it.
    MissingExtraError
        If neo is not installed.
    """
    try:
        import neo.rawio
    except ImportError:
        raise missing_extra("reading this file", "neo", "neo") from None
    try:
        raw = getattr(neo.rawio, reader)(filename=path)
        raw.parse_header()
        return [
            _stretch(raw, block, segment)
            for block in range(raw.block_count())
            for segment in range(raw.segment_count(block))
        ]
    except ReadError:
        raise
    except Exception as problem:  # neo raises whatever its parsers stumble over
        raise ReadError(f"neo cannot read it: {type(problem).__name__}.") from None


def _stretch(raw: Any, block: int, segment: int) -> Stretch:
    signals = []
    for stream in range(len(raw.header["signal_streams"])):
        stream_id = raw.header["signal_streams"][stream]["id"]
        channels = raw.header["signal_channels"]
        mine = channels[channels["stream_id"] == stream_id]
        size = raw.get_signal_size(block, segment, stream)
        if size * len(mine) > _MOST_SAMPLES:
            raise ReadError(f"{size * len(mine)} samples; at most {_MOST_SAMPLES} are read.")
        counts = raw.get_analogsignal_chunk(block, segment, stream_index=stream)
        values = raw.rescale_signal_raw_to_float(counts, dtype="float64", stream_index=stream)
        start = float(raw.get_signal_t_start(block, segment, stream))
        signals += [
            Signal(
                str(c["name"]),
                str(c["units"]).strip(),
                values[:, i].copy(),
                float(c["sampling_rate"]),
                start,
            )
            for i, c in enumerate(mine)
        ]
    return Stretch(tuple(signals), tuple(_events(raw, block, segment)))


def _events(raw: Any, block: int, segment: int) -> list[tuple[str, str, float]]:
    found = []
    for index, channel in enumerate(raw.header["event_channels"]):
        stamps, _, labels = raw.get_event_timestamps(block, segment, index)
        times = raw.rescale_event_timestamp(stamps, dtype="float64", event_channel_index=index)
        found += [
            (str(channel["name"]), str(label).strip(), float(time))
            for label, time in zip(labels, times, strict=True)
        ]
    return sorted(found, key=lambda event: event[2])
