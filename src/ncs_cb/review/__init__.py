"""Review: a person corrects a marker or a setting, and everything that rests on it follows.

Corrections are events in a log beside the recordings (:mod:`ncs_cb.review_file`); ``read_study``
takes them in, ``analyze``, ``batch`` and ``compare`` apply them.
"""

from __future__ import annotations

from ncs_cb.review.log import append, events

__all__ = ["append", "events"]
