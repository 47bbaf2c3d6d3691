"""Files to inputs: every file that could be a recording is opened, and claimed by one reader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from ncs_cb.errors import NcsError, ReadError, StudyError, UnknownFormatError
from ncs_cb.harmless import visible
from ncs_cb.model import Decision
from ncs_cb.readers._shared import folders
from ncs_cb.readers._shared.claims import available, by_suffix, claimants
from ncs_cb.readers._shared.discovery import TABLE_SUFFIXES, left_out
from ncs_cb.readers._shared.files import head, read_regular
from ncs_cb.readers._shared.folders import StudyInput
from ncs_cb.readers._shared.reader import Input, Reader
from ncs_cb.review_file import is_log

# Files with these suffixes may be notes or settings; an empty one is no lost recording.
_ALSO_NOTES = (".txt", ".json")
_NOT_READ = "no reader claims it: it is not read"
_OWN_RESULT = "a result of ncs_cb, not a recording"
_WITH_LAYOUT = (
    "; a table is read with --layout: 'ncs-cb validate FILE --layout' prints one guessed from it"
)
_TABLE_HINT = (
    "'ncs-cb validate FILE --layout' prints a layout guessed from it, to check and use with "
    "--layout; --sidecar prints a sidecar for a table of samples; 'ncs-cb formats FORMAT' says "
    "what each format needs."
)


def collected(failed: list[NcsError] | None) -> AbstractContextManager[None]:
    """Keep an error for the list, or let it pass where nobody collects them."""
    return _NOBODY if failed is None else _kept(failed)


_NOBODY: AbstractContextManager[None] = nullcontext()


@contextmanager
def _kept(failed: list[NcsError]) -> Iterator[None]:
    try:
        yield
    except NcsError as problem:
        failed.append(problem)


def open_all(
    found: StudyInput, keep_identity: bool, failed: list[NcsError] | None = None
) -> tuple[list[Input], list[Decision]]:
    """Read every file that could be a recording; list the others as decisions."""
    inputs: list[Input] = []
    decisions: list[Decision] = []
    if found.path in found.files:
        # A file given by itself: what lies beside it is a companion or no concern of ours.
        name = visible(found.path.name)
        with collected(failed):
            data = read_regular(found.path, name)
            inputs.append(Input(found.path, name, data, keep_identity=keep_identity))
        return inputs, [*decisions, *left_out(found)]
    for path, name in folders.unique_names(found):
        if folders.is_study_file(path) or is_log(path):
            continue
        with collected(failed):
            opened = _opened(path, name, keep_identity)
            if opened is not None:
                inputs.append(opened)
            elif not folders.is_plain_text_about(path):
                decisions.append(Decision(name, "choice", "ignored", "no reader claims this file"))
    decisions += left_out(found)
    return inputs, decisions


def _opened(path: Path, name: str, keep_identity: bool) -> Input | None:
    if path.suffix.lower() in by_suffix(available()):
        return Input(path, name, read_regular(path, name), keep_identity=keep_identity)
    start = Input(path, name, head(path), keep_identity=keep_identity)
    return replace(start, data=read_regular(path, name)) if claimants(start) else None


def claim_all(
    inputs: Sequence[Input], *, lone: bool, failed: list[NcsError] | None = None
) -> tuple[list[tuple[Input, Reader]], list[Decision]]:
    claimed, decisions = [], []
    companions: set[Path] = set()
    unclaimed = []
    for source in inputs:
        with collected(failed):
            reader = _only_claimant(source)
            if reader is None:
                unclaimed.append(source)
            else:
                claimed.append((source, reader))
                companions.update(reader.companions(source.path))
    if not lone:
        claimed, outputs = _without_outputs(claimed)
        decisions += outputs
    for source in unclaimed:
        if source.path not in companions:
            with collected(failed):
                decisions += _unclaimed(source, lone=lone)
    return [(s, r) for s, r in claimed if s.path not in companions], decisions


def _only_claimant(source: Input) -> Reader | None:
    readers = claimants(source)
    if len(readers) > 1:
        raise ReadError(
            f"claimed by {' and '.join(r.name for r in readers)}; exactly one reader may.",
            source=source.name,
        )
    return readers[0] if readers else None


def _unclaimed(source: Input, *, lone: bool) -> list[Decision]:
    """Say that a file is left out; aloud where it may well be somebody's recording."""
    if lone:
        raise _unknown_format(source)
    if folders.is_own(source.path):
        return [Decision(source.name, "choice", "ignored", _OWN_RESULT)]
    is_note = source.path.suffix.lower() in _ALSO_NOTES
    if not source.data and not is_note:
        raise ReadError("the file is empty.", source=source.name)
    if folders.is_plain_text_about(source.path):
        return []
    if is_note:
        return [Decision(source.name, "choice", "ignored", "no reader claims this file")]
    more = _WITH_LAYOUT if source.path.suffix.lower() in TABLE_SUFFIXES else ""
    return [Decision(source.name, "salvage", "ignored", _NOT_READ + more)]


def left_unread(decisions: Iterable[Decision]) -> list[NcsError]:
    """Give the files that no reader claims, as faults beside those of the others."""
    return [
        ReadError(f"{_NOT_READ}.", source=d.source, hint=_TABLE_HINT if _is_table(d) else None)
        for d in decisions
        if d.reason.startswith(_NOT_READ)
    ]


def _is_table(decision: Decision) -> bool:
    return Path(decision.source).suffix.lower() in TABLE_SUFFIXES


def nothing_found(study_id: str, decisions: Sequence[Decision]) -> StudyError:
    """Say that a folder holds no recording, and what to do with a table nobody could read."""
    is_table = any(_is_table(d) for d in decisions if d.reason.startswith(_NOT_READ))
    return StudyError(
        f"no recording found{'; no reader and no known layout fits its table' * is_table}.",
        source=study_id,
        hint=_TABLE_HINT
        if is_table
        else "'ncs-cb formats' lists the files that are understood, 'ncs-cb formats FORMAT' "
        "says what one needs.",
    )


def _is_output(source: Input, reader: Reader) -> bool:
    if reader.name == "site_table":
        return folders.is_own_table(source.data)
    return reader.name == "record" or folders.is_own_comparison(source.path)


def _without_outputs(
    claimed: list[tuple[Input, Reader]],
) -> tuple[list[tuple[Input, Reader]], list[Decision]]:
    """Leave our own results out when there is anything else: they would count twice."""
    ours = [(s, r) for s, r in claimed if _is_output(s, r)]
    others = [pair for pair in claimed if pair not in ours]
    if not others:
        return claimed, []
    return others, [Decision(s.name, "choice", "ignored", _OWN_RESULT) for s, _ in ours]


def _unknown_format(source: Input) -> ReadError:
    if not source.data:
        return ReadError("the file is empty.", source=source.name)
    known = ", ".join(sorted({s for reader in available() for s in reader.suffixes}))
    if source.path.suffix.lower() in TABLE_SUFFIXES:
        return UnknownFormatError(
            "no reader and no known layout fits this table.",
            source=source.name,
            hint=_TABLE_HINT,
        )
    return UnknownFormatError(
        "no reader claims this file.",
        source=source.name,
        hint=f"Known suffixes: {known}; 'ncs-cb formats FORMAT' says what each format needs.",
    )
