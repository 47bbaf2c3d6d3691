"""Bytes to text where one decoding makes sense: UTF-8, UTF-16, GBK, Latin-1."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

from ncs_cb.errors import ReadError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What the machines of this field write besides UTF-8. Windows-1252 holds all of Latin-1's letters.
_OTHERS = ("gbk", "cp1252")
_SECRET = re.compile(r"\d[\d\-./]{5,}\d|\b\d{6,}\b")
_TITLES = re.compile(
    r"\b((?:patient(?:in)?|pat|name|mr|mrs|ms|dr|prof|herr|frau|mme|madame|monsieur)\b\.?[:\s]*)"
    r"(?:[^\W\d_][\w'\u2019-]*[\s,]*){1,3}",
    re.IGNORECASE,
)
_LONGEST = 80
_USUAL_CHINESE = (0xB0, 0xD7)


def decode(data: bytes) -> tuple[str, str]:
    """Decode a whole text file; give the text and the encoding.

    Raises
    ------
    ReadError
        If it is no text in any of them.
    """
    for mark, name in _MARKS:
        if data.startswith(mark):
            return _decoded(data, name), name.removesuffix("-sig")
    half = data[:400]
    if half.count(0) * 3 > len(half):
        # UTF-16 without a mark: every other byte of plain letters is zero.
        name = "utf-16-le" if half[1:2] == b"\0" else "utf-16-be"
        return _decoded(data, name), name
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    if b"\0" in data:
        raise ReadError("not a text table: it holds zero bytes.")
    chinese = _as_chinese(data)
    if chinese is not None:
        return chinese, "gbk"
    return _decoded(data, "cp1252"), "cp1252"


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode(name)
    except UnicodeDecodeError as problem:
        raise ReadError(
            f"not text in any known encoding (byte {problem.start}).", hint="Save it as UTF-8."
        ) from None


def _as_chinese(data: bytes) -> str | None:
    """Decode as GBK where that makes sense.

    Both bytes of a usual Chinese letter lie above ASCII; the umlaut, degree or micro sign of a
    Western text is one such byte before a plain letter, which GBK reads as a rare letter.
    """
    try:
        text = data.decode("gbk")
    except UnicodeDecodeError:
        return None
    letters = [c for c in text if ord(c) > 127]
    pairs = [c.encode("gbk") for c in letters]
    # Where two Western letters meet (Größe), they make a rare one.
    usual = [p for p in pairs if _USUAL_CHINESE[0] <= p[0] <= _USUAL_CHINESE[1] and p[1] > 0xA0]
    return text if all(map(_is_chinese, letters)) and 2 * len(usual) > len(letters) else None


def _is_chinese(letter: str) -> bool:
    spans = (("\u3000", "\u303f"), ("\u4e00", "\u9fff"), ("\u0391", "\u03c9"), ("\uff00", "\uffff"))
    return any(low <= letter <= high for low, high in spans) or letter in "\u2103\u00b0\u00b1\u00d7"


def decode_label(raw: bytes, is_understood: Callable[[str], bool]) -> tuple[str, str]:
    """Decode a short text of a file that should be UTF-8; give the text and the encoding.

    Where it is not UTF-8, the decoding under which the text is understood is taken; where
    that is no single one, GBK if it makes usual Chinese letters, else the letters stay as
    Latin-1 has them, which loses no byte.

    Examples
    --------
    >>> decode_label("肘下".encode("gbk"), lambda text: text == "肘下")
    ('肘下', 'gbk')
    """
    try:
        return raw.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    found = []
    for name in _OTHERS:
        try:
            found.append((raw.decode(name), name))
        except UnicodeDecodeError:
            continue
    good = [pair for pair in found if is_understood(pair[0])]
    if len(good) == 1:
        return good[0]
    chinese = _as_chinese(raw)
    if chinese is not None:
        return chinese, "gbk"
    return raw.decode("latin-1"), "latin-1"


def shown(text: str, names: frozenset[str] = frozenset()) -> str:
    """Give an annotation as it may be shown: short, in one line, without what names a person.

    Parameters
    ----------
    text : str
    names : frozenset of str
        Words of the header's patient field, casefolded.

    Examples
    --------
    >>> shown("Reiz 2 for Mr Smith 12-05-1950", frozenset({"smith"}))
    'Reiz 2 for Mr ... ...'
    """
    plain = "".join(c if c.isprintable() else " " for c in text)
    plain = _TITLES.sub(lambda m: m[1].rstrip() + " ... ", _SECRET.sub("...", plain))
    words = ["..." if _bare(w) in names else w for w in plain.split()]
    plain = " ".join(words)
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 3] + "..."


def _bare(word: str) -> str:
    return word.strip(".,;:()[]").casefold()


def words_of(*fields: str) -> frozenset[str]:
    """Give the words of identification fields, casefolded, short ones apart."""
    found = {_bare(w) for field in fields for w in re.split(r"[\s_,;/]+", field)}
    return frozenset(w for w in found if len(w) > 2)
