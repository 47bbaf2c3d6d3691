"""The skeleton of a FIF file, walked before MNE does: MNE follows a loop of tags for ever."""

from __future__ import annotations

import struct
import zlib

from ncs_cb.errors import ReadError
from ncs_cb.readers._shared.reader import LARGEST_FILE_BYTES

_TAG = struct.Struct(">iIii")
_GZIP = b"\x1f\x8b"
_LAST = -1
_FILE_ID, _DIRECTORY_POINTER = 100, 101


def refuse_tangled(data: bytes) -> None:
    """Refuse a FIF file whose chain of tags leaves the file or does not go forward.

    Raises
    ------
    ReadError
        If a tag is larger than the rest of the file, points outside or backward, or a
        compressed file unpacks to more than a reader takes.
    """
    if data[:2] == _GZIP:
        data = _unpacked(data)
    at = 0
    while at + _TAG.size <= len(data):
        kind, _, size, following = _TAG.unpack_from(data, at)
        end = at + _TAG.size + size
        if at == 0 and kind != _FILE_ID:
            raise ReadError("not a FIF file: it does not begin with a file id.")
        if size < 0 or end > len(data):
            raise ReadError("truncated, or a part of the file claims more bytes than there are.")
        if kind == _DIRECTORY_POINTER and size >= 4:
            _refuse_far_directory(data, at + _TAG.size)
        if following == _LAST:
            return
        if following != 0 and following < end:
            raise ReadError("damaged: the parts of the file do not follow on one another.")
        at = following or end


def _refuse_far_directory(data: bytes, at: int) -> None:
    (directory,) = struct.unpack_from(">i", data, at)
    if directory > len(data) - _TAG.size:
        raise ReadError("damaged: its directory lies outside the file.")


def _unpacked(data: bytes) -> bytes:
    """Unpack a gzip file, never to more than the largest file that is read."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        whole = unpacker.decompress(data, LARGEST_FILE_BYTES)
    except zlib.error:
        raise ReadError("damaged: it cannot be unpacked.") from None
    if unpacker.unconsumed_tail:
        raise ReadError(f"it unpacks to more than {LARGEST_FILE_BYTES // 2**20} MiB.")
    if not unpacker.eof:
        raise ReadError("truncated: the compressed data end early.")
    return whole
