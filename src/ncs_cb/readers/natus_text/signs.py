"""By what a text export of Natus machines is known."""

from __future__ import annotations

import re

BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))
SECTION = re.compile(r"\[\s*(\d+(?:\.\d+)*)\s*-\s*(.*?)\s*\]")
MAKER = re.compile(r"^;.*(Natus|Viking|Keypoint|Nicolet)", re.IGNORECASE | re.MULTILINE)
# A section of samples, or a row of them with its count.
TRACES = re.compile(
    r"^\s*\[\s*\d+(?:\.\d+)*\s*-[^\]\n]*\b(?:LongTrace|Trace|Store) ?Data\s*\]"
    r"|^[^=\n]*\bData\s*(?:\([^)\n]*\))?\s*<\d+>\s*=",
    re.IGNORECASE | re.MULTILINE,
)
# Keys of no other export in numbered sections; one alone may be chance.
KEYS = re.compile(
    r"^\s*(Subsampled|Sampling Frequency|Low|High|Master Anatomy)\s*(?:\([^)\n]*\))?\s*=",
    re.IGNORECASE | re.MULTILINE,
)
