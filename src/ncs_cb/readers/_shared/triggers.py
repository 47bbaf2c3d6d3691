"""Trigger signals: numbers that stand at the moments of stimuli, beside the responses."""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from ncs_cb.knowledge.thresholds import value

# BioSemi keeps the trigger in the lower 16 bits; above them stands the state of the amplifier.
_CODE_BITS = 0xFFFF
_NAME = re.compile(
    r"(?:status|trigger|trig|stim(?:ulus)?|ttl|sti[\s_]*\d*|digital[\s_]*in\w*|din\d*)",
    re.IGNORECASE,
)


@lru_cache(maxsize=512)
def is_trigger(label: str) -> bool:
    """Tell whether a signal's label says that it holds triggers.

    Examples
    --------
    >>> is_trigger("Status"), is_trigger("STI 014"), is_trigger("R APB")
    (True, True, False)
    """
    return _NAME.fullmatch(label.strip()) is not None


def codes(samples: np.ndarray) -> list[tuple[int, str]]:
    """Give (sample, text) of every trigger of a signal; none where it changes all the time.

    The value that the signal holds most of the time is its rest, whatever it is.

    Examples
    --------
    >>> codes(np.array([0, 0, 1, 1, 0, 0, 2, 0]))
    [(2, 'S 1'), (6, 'S 2')]
    """
    held = np.asarray(samples)
    if not len(held) or not np.isfinite(held).all():
        return []
    numbers = np.round(held).astype(np.int64) & _CODE_BITS
    known, often = np.unique(numbers, return_counts=True)
    rest = known[often.argmax()]
    changed = np.flatnonzero(np.diff(numbers)) + 1
    if len(changed) > value("unassigned.most_triggers"):
        return []
    return [(int(i), f"S {numbers[i]}") for i in changed if numbers[i] not in (rest, 0)]
