"""Names of files and folders as they may be shown: one that looks like a hospital number is not."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

from ncs_cb.discreet import MONTH

# A day of this century, as folders of visits are called, with the time of day behind it. Somebody
# who was born in it is as well described by it as by the age, which is shown.
_DAY = re.compile(
    r"(?<!\d)(?:20\d\d([-_.]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[1-9]|[12]\d|3[01])([-_.])(?:0[1-9]|1[0-2])\2 ?20\d\d)(?:[-_. T]?\d{2}[-_.:]?\d{2}"
    r"(?:[-_.:]?\d{2})?)?(?!\d)"
)
# Fewer digits count the patients of a study; a number in groups is a date of birth or the like, and
# so is a day of the last century with its month as a word, as EDF+ writes it.
_NUMBER = re.compile(
    r"\d{6,}|(?<!\d)\d{2,4}([-_. /])\d{2,4}\1\d{2,5}(?!\d)"
    rf"|(?<!\d)\d{{1,2}}[-_. ]{{0,2}}{MONTH}[-_., ]{{0,2}}19\d\d(?!\d)"
    rf"|(?<!\d)19\d\d[-_. ]{{0,2}}{MONTH}[-_. ]{{0,2}}\d{{1,2}}(?!\d)"
    rf"|(?<![a-z]){MONTH}[-_. ]{{0,2}}\d{{1,2}}[-_., ]{{1,2}}19\d\d(?!\d)",
    re.ASCII | re.IGNORECASE,
)
_SUFFIX = re.compile(r"(?<=.)\.[A-Za-z]\w{0,7}\Z", re.ASCII)
_LETTERS = 12
# A hash with six digits in a row would look like a number itself.
_NO_DIGITS = str.maketrans("0123456789", "ghijklmnop")


def is_numbered(name: str) -> bool:
    """Tell whether a name holds what looks like the number of a patient or a date of birth.

    Examples
    --------
    >>> is_numbered("MRN0012345"), is_numbered("Meier_07.08.1951"), is_numbered("123-45-6789")
    (True, True, True)
    >>> is_numbered("07-AUG-1951"), is_numbered("visit 02-MAR-2026")
    (True, False)
    >>> is_numbered("p00014"), is_numbered("visit-2026-03-02"), is_numbered("emg_20260302_112500")
    (False, False, False)
    """
    return _NUMBER.search(without_days(name)) is not None


def without_days(name: str) -> str:
    """Give a name without the days of visits in it."""
    return _DAY.sub(" ", name)


@lru_cache(maxsize=1024)
def open_name(name: str) -> str:
    """Give the name, or a hash in the place of a part of its path that looks like a number.

    Whoever tries all numbers finds which one it was; only a key prevents that.

    Examples
    --------
    >>> open_name("median.edf"), open_name("sub/7741902.edf")
    ('median.edf', 'sub/id-njafaonlekif.edf')
    """
    return "/".join(_open_part(part) for part in name.split("/"))


def _open_part(part: str) -> str:
    found = _SUFFIX.search(part)
    stem, suffix = (part[: found.start()], found[0]) if found else (part, "")
    if not is_numbered(stem):
        return part
    return f"id-{hashed(stem)}{suffix}"


def hashed(text: str) -> str:
    """Give letters that stand for a text, of which none look like a number."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
    return digest[:_LETTERS].translate(_NO_DIGITS)
