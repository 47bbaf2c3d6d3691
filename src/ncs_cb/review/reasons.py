"""A correction that changes a grade or a category has a reason: for the page and for Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ncs_cb.analysis import analyze, judged_by
from ncs_cb.errors import StudyError
from ncs_cb.model import Correction, Result, Study
from ncs_cb.review.state import change_text, grades_of


class NeedsReasonError(StudyError):
    """A correction would change a grade or a category, and no reason was given."""

    def __init__(self, changed: list[dict[str, str]]) -> None:
        what = "".join(f" {one['text']}." for one in changed[:3])
        super().__init__(f"a grade changes; give the reason.{what}")
        self.changed = changed


def demand(why: object, before: Result, after: Result, lang: str = "en") -> None:
    """Refuse a correction without a reason where what it changes is a grade or a category.

    Raises
    ------
    NeedsReasonError
        With every change in words; nothing was written yet.
    """
    if str(why).strip():
        return
    old, new = grades_of(before), grades_of(after)
    changed = [
        {
            "text": change_text(key, old.get(key, ""), new.get(key, ""), lang),
            "from": old.get(key, ""),
            "to": new.get(key, ""),
        }
        for key in dict.fromkeys((*old, *new))
        if old.get(key, "") != new.get(key, "")
    ]
    if changed:
        raise NeedsReasonError(changed)


def demand_of_assignment(why: object) -> None:
    """Refuse to give an unassigned stimulus its site without a reason: what follows is new.

    Raises
    ------
    NeedsReasonError
        Where there is none.
    """
    if not str(why).strip():
        raise NeedsReasonError([])


def demand_of(study: Study, event: Correction) -> None:
    """Refuse an event as the page of the study would, for a caller who has no page.

    Raises
    ------
    NeedsReasonError
        If it has no reason and needs one.
    """
    if event.why.strip() or event.action == "accept":
        return
    if event.text or is_of_assignment(event.undoes, study.corrections):
        demand_of_assignment(event.why)
    sets, limits = judged_by(study)
    before, after = (
        analyze(replace(study, corrections=made), sets, reference=limits)
        for made in (study.corrections, (*study.corrections, event))
    )
    demand(event.why, before, after)


def is_of_assignment(undone: str | None, earlier: Sequence[Correction]) -> bool:
    """Tell whether what is taken back had given a stimulus its site."""
    return any(e.id == undone and e.text for e in earlier)
