"""``review.jsonl``: the corrections of a study, one event a line, appended and never rewritten.

Each line carries the SHA-256 of the line before it and of itself, so that a line that was changed
by hand is noticed. A last line that a power cut tore is left out; it was never acknowledged.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ncs_cb.errors import NcsWarning, ReadError, StudyError, did_you_mean
from ncs_cb.files import read_regular
from ncs_cb.harmless import is_deep, visible
from ncs_cb.model import Correction, Decision
from ncs_cb.units import FARTHEST_MM

LOG_FILE = "review.jsonl"
LOG_SUFFIX = ".review.jsonl"

ACTIONS = ("move", "reset", "exclude", "choose", "set", "accept", "undo")
MARKERS = ("onset", "peak", "end", "baseline")
KEYS = ("site", "side", "distance_mm", "polarity", "supramaximal", "collision_used")

# How the provenance begins what it tells of an event that was not applied.
REFUSED = "refused: "

_VERSION = 1
_RELEASE = re.compile(r"\d[\w.+-]{0,30}", re.ASCII)
_LARGEST_BYTES = 64 * 2**20
_LONGEST_LINE = 64 * 2**10
_LONGEST_TEXT = 2000
_SUM = "sha256"
_ALLOWED: dict[str, tuple[str | bool | None, ...]] = {
    "side": ("left", "right"),
    "polarity": ("negative_up", "negative_down"),
    "supramaximal": (True, False, None),
    "collision_used": (True, False, None),
}


class TornLogWarning(NcsWarning):
    """The last line of a log is not whole and was left out; the message names the log."""


@dataclass(frozen=True, slots=True)
class Log:
    """What a log holds.

    Attributes
    ----------
    events : tuple of dict
        Every whole line, in order.
    corrections : tuple of Correction
        The same events, checked.
    sha256 : str
        Hash of the whole lines.
    torn : bool
        Whether a last line that is not whole was left out.
    """

    events: tuple[dict[str, Any], ...] = ()
    corrections: tuple[Correction, ...] = ()
    sha256: str = ""
    torn: bool = False
    last: str = ""
    size: int = 0


def log_path(study: Path) -> Path:
    """Give the place of the log: in the study's folder, or beside a single file."""
    if study.is_dir():
        return study / LOG_FILE
    return study.with_name(study.stem + LOG_SUFFIX)


def is_log(path: Path) -> bool:
    """Tell whether a file is a log of corrections, by its name."""
    return path.name == LOG_FILE or path.name.endswith(LOG_SUFFIX)


def load(path: Path) -> Log:
    """Read a log and check its chain; one that does not exist is empty.

    Raises
    ------
    StudyError
        If it cannot be read, or a line was changed, is damaged or not understood; the message
        names the line.
    """
    if not os.path.lexists(path):
        return Log()
    try:
        data = read_regular(path, at_most=_LARGEST_BYTES + 1)
    except ReadError as problem:
        raise StudyError(problem.message, source=path.name) from None
    return parse(data, source=path.name)


def parse(data: bytes, *, source: str = LOG_FILE) -> Log:
    """Read the content of a log; see :func:`load`."""
    if len(data) > _LARGEST_BYTES:
        raise StudyError(f"larger than {_LARGEST_BYTES // 2**20} MiB.", source=source)
    whole, end, tail = data.rpartition(b"\n")
    lines = whole.split(b"\n") if end else []
    size, torn = len(whole) + len(end), bool(tail)
    if tail and _is_whole(tail):
        # Every line but its line end is there: an editor may have taken that away.
        lines, size, torn = [*lines, tail], len(data), False
    events, corrections = [], []
    before, seen, has_sums = "", dict[str, int](), False
    for number, line in enumerate(lines, start=1):
        try:
            event, correction = _checked(line, before, needs_sum=has_sums)
            _refuse_unknown_undo(correction, seen)
        except StudyError as problem:
            raise StudyError(
                f"line {number}: {problem.message}", source=source, hint=problem.hint
            ) from None
        seen[correction.id], has_sums = number, has_sums or _SUM in event
        events.append(event)
        corrections.append(correction)
        before = _digest(line)
    digest = hashlib.sha256(data[:size]).hexdigest() if size else ""
    return Log(tuple(events), tuple(corrections), digest, torn, before, size)


def _is_whole(line: bytes) -> bool:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(event, dict)


def _no_number(word: str) -> None:
    """Refuse NaN and infinities, which JSON does not have."""
    raise ValueError(word)


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _own_sum(event: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in event.items() if key != _SUM}
    return _digest(_line(rest))


def _line(event: Mapping[str, Any]) -> bytes:
    # One line whatever the text holds: JSON writes a line end as an escape.
    return json.dumps(event, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()


def _checked(line: bytes, before: str, *, needs_sum: bool) -> tuple[dict[str, Any], Correction]:
    hint = "Restore the log from a copy; corrections are taken back with 'undo', not by hand."
    if len(line) > _LONGEST_LINE:
        raise StudyError(f"{len(line)} bytes; at most {_LONGEST_LINE}.", hint=hint)
    try:
        event = json.loads(line, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise StudyError("is damaged: not an event in JSON.", hint=hint) from None
    if not isinstance(event, dict) or is_deep(event):
        raise StudyError("is damaged: not an event in JSON.", hint=hint)
    if event.get("v") != _VERSION:
        raise StudyError(
            "was written by another version of the log; known: 1.", hint="Update ncs_cb."
        )
    if (event.get("prev") or "") != before:
        raise StudyError(
            "does not follow the line before it: one of them was changed, or lines were removed.",
            hint=hint,
        )
    # A log may have none, but whoever changes a line must not get by with taking its sum away.
    if (needs_sum or _SUM in event) and event.get(_SUM) != _own_sum(event):
        raise StudyError("was changed after it was written.", hint=hint)
    return event, to_correction(event)


def _refuse_unknown_undo(event: Correction, seen: Mapping[str, int]) -> None:
    if event.id in seen:
        raise StudyError(f"has the id of line {seen[event.id]}.")
    if event.action == "undo" and event.undoes not in seen:
        raise StudyError(f"undoes '{event.undoes}', which is no event before it.")


def to_correction(event: Mapping[str, Any]) -> Correction:
    """Check an event and give it as a :class:`~ncs_cb.model.Correction`.

    Raises
    ------
    StudyError
        If a value is missing, of the wrong type, or not allowed.
    """
    action = checked_action(event)
    trace = event.get("trace") or {}
    if not isinstance(trace, dict):
        raise StudyError("trace: must be an object.")
    if action not in ("undo",) and not _text(trace, "recording"):
        raise StudyError("trace.recording is missing.")
    sweep = trace.get("sweep")
    if sweep is not None and (isinstance(sweep, bool) or not isinstance(sweep, int)):
        raise StudyError("trace.sweep: must be a whole number.")
    made: dict[str, Any] = {"from_value": None, "to_value": None}
    if action in ("move", "reset") and (action == "move" or event.get("marker") is not None):
        made["marker"] = _one_of(event, "marker", MARKERS)
    if action == "move":
        made["from_value"] = _number(event, "from_ms", may_lack=True)
        made["to_value"] = _number(event, "to_ms")
    if action == "set":
        made["key"] = _one_of(event, "key", KEYS)
        made["to_value"] = checked_setting(made["key"], event.get("to"))
        made["from_value"] = _plain(event, "from")
    if action == "undo":
        made["undoes"] = _text(event, "undoes")
    return Correction(
        id=_needed(event, "id"),
        at=_moment(event),
        who=_needed(event, "who"),
        action=action,
        recording=_text(trace, "recording"),
        sweep=sweep,
        site=_text(trace, "site") or None,
        samples=_text(trace, "samples"),
        text=_text(trace, "text"),
        from_by=_text(event, "from_by"),
        why=_text(event, "why"),
        version=_version(event),
        **made,
    )


def checked_action(event: Mapping[str, Any]) -> str:
    """Give what an event does.

    Raises
    ------
    StudyError
        If it is none of the known actions.
    """
    return _one_of(event, "action", ACTIONS)


def checked_setting(key: str, value: Any) -> str | float | bool | None:
    """Give the value of a ``set`` event as it is kept.

    Raises
    ------
    StudyError
        If it is not allowed for this key.
    """
    if key == "site":
        if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST_TEXT:
            raise StudyError("to: must be the name of a site.")
        return value
    if key == "distance_mm":
        if value is None:
            return None
        number: float = _number({"to": value}, "to")
        if not 0.0 <= number <= FARTHEST_MM:
            raise StudyError(f"to: {number:g} mm; plausible: 0 to {FARTHEST_MM:g} mm.")
        return number
    allowed = _ALLOWED[key]
    for one in allowed:
        if value is one or (isinstance(one, str) and value == one):
            return one
    known = ", ".join(one if isinstance(one, str) else str(one).lower() for one in allowed)
    raise StudyError(f"to: {str(value)[:120]!r} for '{key}'; allowed: {known}.")


def _one_of(event: Mapping[str, Any], key: str, known: tuple[str, ...]) -> str:
    value = event.get(key)
    if value not in known:
        text = str(value)[:120]
        raise StudyError(f"{key}: '{text}'; known: {', '.join(known)}.{did_you_mean(text, known)}")
    return str(value)


def _needed(event: Mapping[str, Any], key: str) -> str:
    value = _text(event, key)
    if not value.strip():
        raise StudyError(f"{key} is missing.")
    return value


def _moment(event: Mapping[str, Any]) -> str:
    """Give when it was; any other text, which may name a person, is refused and not told."""
    value = _needed(event, "at")
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise StudyError("at: must be a time such as 2026-03-02T10:11:12Z.") from None
    return value


def _version(event: Mapping[str, Any]) -> str:
    value = _text(event, "ncs_cb")
    if value and not _RELEASE.fullmatch(value):
        raise StudyError("ncs_cb: must be a version such as 0.3.0.")
    return value


def _text(event: Mapping[str, Any], key: str) -> str:
    value = event.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise StudyError(f"{key}: must be text.")
    if len(value) > _LONGEST_TEXT:
        raise StudyError(f"{key}: {len(value)} characters; at most {_LONGEST_TEXT}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise StudyError(f"{key}: is no valid text.") from None
    # As names of recordings are: letters that steer a terminal or a page are no part of a text.
    return visible(value)


def _number(event: Mapping[str, Any], key: str, *, may_lack: bool = False) -> Any:
    value = event.get(key)
    if value is None and may_lack:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) <= 1e6 or not math.isfinite(value):  # type: ignore[arg-type]
        raise StudyError(f"{key}: must be a finite number.")
    return float(value)  # type: ignore[arg-type]


def _plain(event: Mapping[str, Any], key: str) -> str | float | bool | None:
    value = event.get(key)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(event, key)
    return float(_number(event, key))


def still_standing(corrections: Sequence[Correction]) -> tuple[list[Correction], frozenset[str]]:
    """Give the events that were not taken back, and the ids of those that were.

    An undo that was itself undone takes nothing back.
    """
    undone: set[str] = set()
    for event in reversed(corrections):
        if event.action == "undo" and event.id not in undone and event.undoes:
            undone.add(event.undoes)
    standing = [e for e in corrections if e.action != "undo" and e.id not in undone]
    return standing, frozenset(undone)


def applied(
    corrections: Sequence[Correction], decisions: Iterable[Decision]
) -> tuple[list[Correction], list[Correction]]:
    """Tell the corrections and acceptances that hold from those that had to be refused.

    Those that were taken back are in neither.
    """
    refused = {(d.source, d.choice) for d in decisions if d.choice.startswith(REFUSED)}
    standing, _ = still_standing(corrections)
    is_refused = [(e.recording, f"{REFUSED}{said(e)}") in refused for e in standing]
    held = [e for e, no in zip(standing, is_refused, strict=True) if not no]
    return held, [e for e, no in zip(standing, is_refused, strict=True) if no]


def said(event: Correction) -> str:
    """Give an event as the provenance tells it: who, when and what."""
    when = f" on {event.at}" if event.at else ""
    return f"{event.who}{when}: {_what(event)}"


def _what(event: Correction) -> str:
    place = (event.site or event.text or "").replace("_", " ")
    if event.action == "undo":
        return f"undoes {event.undoes}"
    if event.action == "move":
        old = "" if event.from_value is None else f" from {event.from_value:.4g} ms"
        return f"{place}: {event.marker}{old} to {event.to_value:.4g} ms"
    if event.action == "ignore":
        return f"{place}: nothing before {event.to_value:.4g} ms is response"
    if event.action == "set":
        return f"{place}: {event.key} from {_value(event.from_value)} to {_value(event.to_value)}"
    words = {
        "reset": "markers back to the automatic ones",
        "exclude": "excluded",
        "choose": "chosen for its site",
        "accept": "accepted",
    }
    return f"{place}: {words[event.action]}"


def _value(value: str | float | bool | None) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else f"{value:g}"


def append(path: Path, event: Mapping[str, Any]) -> dict[str, Any]:
    """Append one event and give it back as written: with version, hashes and place in the chain.

    Two writers wait for each other; the line is on the disk when this returns. A torn last line
    is cut off first.

    Raises
    ------
    StudyError
        If the event or the log is not as it should be, or cannot be written.
    """
    try:
        with _locked(path) as file:
            file.seek(0)
            log = parse(file.read(), source=path.name)
            told = {name: value for name, value in event.items() if name not in ("v", "prev")}
            linked = {"v": _VERSION, "id": event.get("id"), "prev": log.last} | told
            _refuse_unknown_undo(to_correction(linked), {c.id: 0 for c in log.corrections})
            written = linked | {_SUM: _own_sum(linked)}
            line = _line(written)
            if len(line) > _LONGEST_LINE:
                raise StudyError(f"the event has {len(line)} bytes; at most {_LONGEST_LINE}.")
            lacks_end = bool(log.size) and not _ends_line(file, log.size)
            file.truncate(log.size)
            _write(file, (b"\n" if lacks_end else b"") + line + b"\n", log.size)
    except OSError as problem:
        raise StudyError(f"cannot be written: {problem.strerror}.", source=path.name) from None
    return written


def _write(file: Any, data: bytes, size: int) -> None:
    """Write all of `data` after `size` bytes and wait for the disk, or leave no trace."""
    try:
        if file.write(data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file.fileno())
    except OSError:
        file.truncate(size)
        raise


def _ends_line(file: Any, size: int) -> bool:
    file.seek(size - 1)
    return bool(file.read(1) == b"\n")


@contextmanager
def _locked(path: Path) -> Iterator[Any]:
    """Open a log for appending, alone; a link is not followed."""
    is_new = not path.exists()
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666), "r+b", 0) as file:
        _lock(file, wanted=True)
        try:
            yield file
            if is_new and hasattr(os, "O_DIRECTORY"):
                folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)
        finally:
            _lock(file, wanted=False)


def _lock(file: Any, *, wanted: bool) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        file.seek(0)
        how = "LK_LOCK" if wanted else "LK_UNLCK"
        getattr(msvcrt, "locking")(file.fileno(), getattr(msvcrt, how), 1)  # noqa: B009
    else:
        fcntl.flock(file, fcntl.LOCK_EX if wanted else fcntl.LOCK_UN)
