"""By what a text export of Natus machines is known."""

from __future__ import annotations

import re

BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))
SECTION = re.compile(r"\[\s*(\d+(?:\.\d+)*)\s*-\s*(.*?)\s*\]")
