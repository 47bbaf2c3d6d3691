"""Objects over a pipe between two processes of this program."""

from __future__ import annotations

import pickle
import struct
from typing import IO, Any

_HEADER = struct.Struct("<Q")


def send(pipe: IO[bytes], what: Any) -> None:
    """Write one object."""
    frame = pickle.dumps(what, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(_HEADER.pack(len(frame)))
    pipe.write(frame)
    pipe.flush()


def receive(pipe: IO[bytes]) -> Any:
    """Give the next object, or None at the end. Both ends are this program."""
    header = pipe.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    (size,) = _HEADER.unpack(header)
    frame = pipe.read(size)
    return pickle.loads(frame) if len(frame) == size else None
