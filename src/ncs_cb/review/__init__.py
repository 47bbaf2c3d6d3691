"""Review: a person corrects a marker or a setting, and everything that rests on it follows.

Corrections are events in a log beside the recordings (:mod:`ncs_cb.review_file`); ``read_study``
takes them in, ``analyze``, ``batch`` and ``compare`` apply them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ncs_cb.review.log import append, events

if TYPE_CHECKING:
    from ncs_cb.review.machines import agreement
    from ncs_cb.review.serving import serve

__all__ = ["agreement", "append", "events", "serve"]


def __getattr__(name: str) -> Any:
    if name == "serve":
        from ncs_cb.review.serving import serve as found

        return found
    if name == "agreement":
        from ncs_cb.review.machines import agreement as listed

        return listed
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
