"""Which file is read by which reader of neo."""

from __future__ import annotations

FORMATS = {
    ".abf": "AxonRawIO",
    ".smr": "Spike2RawIO",
    ".wcp": "WinWcpRawIO",
    ".axgd": "AxographRawIO",
    ".axgx": "AxographRawIO",
}
"""The reader of neo by suffix; each is Python alone."""
