"""The skeleton of a FIF file, walked before MNE does: MNE follows a loop of tags for ever."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from ncs_cb.errors import ReadError
from ncs_cb.readers._shared.files import LARGEST_FILE_BYTES, inside, read_regular

_TAG = struct.Struct(">iIii")
_GZIP = b"\x1f\x8b"
_LAST = -1
_FILE_ID, _DIRECTORY_POINTER, _NEXT_PART = 100, 101, 118
_MOST_PARTS = 100


def refuse_tangled_parts(path: Path, data: bytes) -> None:
    """Follow the parts of a split FIF file before MNE does, which follows them anywhere.

    Raises
    ------
    ReadError
        If a part is tangled (:func:`refuse_tangled`), lies outside of the folder, or is named by
        a later part: MNE would read it for ever.
    """
    seen = {path.resolve()}
    following = refuse_tangled(data)
    while following is not None:
        part = inside(path.parent / following, path.parent, said_by="this split file")
        if part in seen or len(seen) >= _MOST_PARTS:
            raise ReadError("damaged: the parts of the split file lead back to one another.")
        seen.add(part)
        following = refuse_tangled(read_regular(part, "a part of the split file"))


def refuse_tangled(data: bytes) -> str | None:
    """Refuse a FIF file whose chain of tags leaves the file or does not go forward.

    Returns
    -------
    str or None
        Name of the file that it goes on in, where the recording is split.

    Raises
    ------
    ReadError
        If a tag is larger than the rest of the file, points outside or backward, or a
        compressed file unpacks to more than a reader takes.
    """
    part = None
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
        if kind == _NEXT_PART:
            part = data[at + _TAG.size : end].decode("latin-1").strip("\0")
        if following == _LAST:
            break
        if following != 0 and following < end:
            raise ReadError("damaged: the parts of the file do not follow on one another.")
        at = following or end
    return part


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
