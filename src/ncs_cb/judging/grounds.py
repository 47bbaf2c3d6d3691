"""What the evidence of a verdict comes to, as conclusions ask for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ncs_cb.model import Evidence

Row = Mapping[str, Any]

# Premises whose next step settles what a grade waits for.
_SETTLING = (
    "order",
    "recovery",
    "supramaximal",
    "complete_block",
    "martin_gruber",
    "filter_mismatch",
    "polarity_differs",
    "polarity_uncertain",
    "amplitude_implausible",
    "electrode_shift",
    "larger",
    "distal_gate",
)


class Grounds(NamedTuple):
    """What the evidence of one verdict comes to.

    Attributes
    ----------
    premises : mapping of (str, bool or None) to row
        The first premise of each name and answer.
    steps : tuple of (str, str)
        Next steps of its open premises, in English and Chinese.
    unknown : tuple of str
        Columns of which clauses did not know the number.
    is_too_small : bool
        The distal response did not pass its gate, and no entrapment site rules the segment out.
    """

    premises: Mapping[tuple[str, bool | None], Row]
    steps: tuple[tuple[str, str], ...]
    unknown: tuple[str, ...]
    is_too_small: bool


def grounds_of(evidence: Sequence[Evidence | Sequence[Row]]) -> list[Grounds]:
    """Say what the evidence of each verdict comes to: in short, or in full as a result holds it."""
    known: dict[tuple[Any, ...], Grounds] = {}
    found = []
    for one in evidence:
        if not isinstance(one, Evidence):
            found.append(_grounds(one))
            continue
        # It rests on no number, so that many verdicts have the same.
        key = (one.clauses, one.remarks)
        if key not in known:
            known[key] = _grounds([said.row for said in (*one.clauses, *one.remarks)])
        found.append(known[key])
    return found


def _grounds(evidence: Sequence[Row]) -> Grounds:
    premises = {
        (one["clause"], one["holds"]): one for one in reversed(evidence) if one["rule"] == "premise"
    }
    clauses = [one for one in evidence if one["rule"] != "premise"]
    steps = [
        (one["next_step"], one["next_step_zh"])
        for one in evidence
        if one["rule"] == "premise"
        and one["holds"] is not True
        and one["next_step"]
        and one["clause"] in _SETTLING
    ]
    unknown = [str(one["column"]) for one in clauses if one["holds"] is None and one["column"]]
    failed = [one for one in evidence if one["holds"] is False]
    is_gated = any(
        one["column"] == "distal_amplitude_mv" or one["clause"] == "distal_gate" for one in failed
    )
    is_trap = any(one["column"] == "is_entrapment_site" for one in failed)
    return Grounds(premises, tuple(steps), tuple(dict.fromkeys(unknown)), is_gated and not is_trap)
