"""Write and list the events of a study's review."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import ncs_cb
from ncs_cb import review_file
from ncs_cb.errors import NcsError, StudyError, did_you_mean
from ncs_cb.knowledge.anatomy import SIDES

if TYPE_CHECKING:
    from ncs_cb.model import Study

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BY_PROGRAM = "auto"


def events(study: str | Path) -> list[dict[str, Any]]:
    """List the events of a study's review, in the order in which they were made.

    Parameters
    ----------
    study : str or Path
        The study's folder, or a single recording.

    Returns
    -------
    list of dict
        As they stand in the log; also those that were taken back, and the ``undo`` events. A
        torn last line is left out with a warning.

    Raises
    ------
    StudyError
        If a line was changed or is damaged; the message names it.
    """
    path = review_file.log_path(Path(study))
    log = review_file.load(path)
    if log.torn:
        warnings.warn(
            f"{path.name}: the last line is torn and was left out.", review_file.TornLogWarning, 2
        )
    return [dict(event) for event in log.events]


def append(
    study: str | Path,
    *,
    who: str,
    action: str,
    trace: Mapping[str, Any] | None = None,
    marker: str | None = None,
    to_ms: float | None = None,
    key: str | None = None,
    to: Any = None,
    undoes: str | None = None,
    why: str = "",
) -> dict[str, Any]:
    """Append one correction to a study's log.

    Parameters
    ----------
    study : str or Path
        The study's folder, or a single recording.
    who : str
        The person who corrects.
    action : str
        ``move`` (a marker), ``reset`` (one marker, or all), ``exclude``, ``choose``, ``set`` (a
        setting), ``accept`` or ``undo``.
    trace : mapping, optional
        The response: ``recording`` and ``site``, and ``sweep`` where these do not tell; for an
        unassigned stimulus ``recording`` and ``text``.
    marker : str, optional
        ``onset``, ``peak``, ``end`` (of the last negative phase) or ``baseline`` (a time at
        which the trace lies on its baseline).
    to_ms : float, optional [ms]
        Where the marker goes, from the stimulus.
    key : str, optional
        ``site``, ``side``, ``distance_mm``, ``polarity`` (of the trace as it was read),
        ``supramaximal`` or ``collision_used``.
    to : optional
        What it is set to; None is unknown.
    undoes : str, optional
        Id of the event that is taken back.
    why : str
        The reason; it may be left out only where no grade and no category changes.

    Returns
    -------
    dict
        The event as written, with id, time, the value before and the digest of the samples.

    Raises
    ------
    StudyError
        If the event is not as it should be, names no response of the study, changes a grade or a
        category without a reason, or the log is damaged or cannot be written.
    """
    from ncs_cb.readers import read_study
    from ncs_cb.review import reasons

    path = Path(study)
    told = {"trace": trace, "marker": marker, "to_ms": _bare(to_ms), "key": key, "to": _bare(to)}
    visit = _readable(path) if action == "undo" else read_study(path)
    event = prepare(visit, who=who, action=action, undoes=undoes, why=why, **told)
    if visit is not None:
        reasons.demand_of(visit, review_file.to_correction(event))
    return review_file.append(review_file.log_path(path), event)


def _readable(path: Path) -> Study | None:
    """Give the study, if it can be read: what keeps it from being read may be taken back."""
    from ncs_cb.readers import read_study

    try:
        return read_study(path)
    except NcsError:
        return None


def _bare(value: Any) -> Any:
    """Give a number as Python's own: a notebook takes it out of an array or a table."""
    return value.item() if isinstance(value, np.generic) else value


def prepare(
    study: Study | None,
    *,
    who: str,
    action: str,
    undoes: str | None = None,
    why: str = "",
    **told: Any,
) -> dict[str, Any]:
    """Give an event as :func:`append` would write it, but for its place in the chain.

    Raises
    ------
    StudyError
        As :func:`append`.
    """
    event: dict[str, Any] = {
        "id": new_id(),
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "who": who,
        "action": action,
    }
    review_file.checked_action(event)
    if action == "undo" or study is None:
        event["undoes"] = undoes
    else:
        event |= _about(study, action, **told)
    event |= {"why": why, "ncs_cb": ncs_cb.__version__}
    review_file.to_correction(event)
    return event


def _assignment(
    study: Study, action: str, trace: Mapping[str, Any], key: str | None, to: Any
) -> dict[str, Any]:
    """Give an unassigned stimulus a site, by the text of its annotation."""
    from ncs_cb.knowledge.anatomy import resolve

    waiting = {(u.recording, u.text) for u in study.unassigned}
    place = (trace.get("recording"), trace["text"])
    if action != "set" or key != "site" or place not in waiting:
        known = "; ".join(f"{r}: {t}" for r, t in sorted(waiting)) or "none"
        raise StudyError(
            f"only an unassigned stimulus has a text, and only its site can be set; known: {known}."
        )
    site = resolve("sites", str(review_file.checked_setting("site", to)))
    return {
        "trace": {"recording": place[0], "text": place[1]},
        "key": "site",
        "from": None,
        "from_by": _BY_PROGRAM,
        "to": site,
    }


def new_id() -> str:
    """Give an id that sorts by time and is like no other (a ULID)."""
    number = int(time.time() * 1000) << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def _about(
    study: Study,
    action: str,
    trace: Mapping[str, Any] | None = None,
    marker: str | None = None,
    to_ms: float | None = None,
    key: str | None = None,
    to: Any = None,
) -> dict[str, Any]:
    """Fill in what the caller need not say: which response, its samples, the value before."""
    from ncs_cb.review import standing

    trace = trace or {}
    if not isinstance(trace, Mapping):
        raise StudyError("trace: must say recording, site and sweep of a response.")
    unknown = set(trace) - {"recording", "site", "sweep", "samples", "text"}
    if unknown:
        name = min(unknown)
        raise StudyError(
            f"trace: unknown key '{name[:120]}'; known: recording, site, sweep."
            + did_you_mean(name, ("recording", "site", "sweep"))
        )
    if trace.get("text"):
        return _assignment(study, action, trace, key, to)
    now = standing.of_response(study, trace)
    if action == "reset" and not now.markers:
        raise StudyError("a printed row has no waveform: there is no marker to reset.")
    told: dict[str, Any] = {
        "trace": {
            "recording": now.key[0],
            "sweep": now.key[1],
            "site": now.site,
            "samples": now.samples,
        }
    }
    if marker is not None:
        told["marker"] = marker
    if action == "move" and marker in review_file.MARKERS:
        told |= {"from_ms": now.markers.get(marker), "from_by": now.by.get(marker, _BY_PROGRAM)}
        told["to_ms"] = standing.checked_time(now, marker, to_ms)
    if action == "set" and key in review_file.KEYS:
        if key == "side" and isinstance(to, str):
            to = SIDES.get(to.strip().casefold(), to)
        value = standing.resolved(now, key, review_file.checked_setting(key, to))
        told |= {"from": now.settings[key], "from_by": now.by.get(key, _BY_PROGRAM), "to": value}
    return told | ({"key": key} if key is not None else {})
