"""Our own ``result.json``: the numbers of an earlier analysis, read back as typed responses.

The record holds no waveforms, so what comes back is what was measured, not what was recorded.
Where the recordings are still at hand, read those.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ncs_cb import flags
from ncs_cb.columns import MEASURES
from ncs_cb.errors import ReadError
from ncs_cb.harmless import visible
from ncs_cb.knowledge.anatomy import find, position
from ncs_cb.model import Decision, Details, Site, Stimulus, TypedResponse
from ncs_cb.readers._shared.reader import Input, Reader, Recording
from ncs_cb.readers._shared.tables import parse_json
from ncs_cb.units import is_finite

SCHEMAS = ("ncs_cb/result/1", "ncs_cb/result/2")
_FAMILY = b'"ncs_cb/result/'
_VALUES = tuple(c.name for c in MEASURES if c.dtype == "float64")
_CONTEXT = ("distance_mm", "stimulus_ma", "high_pass_hz", "low_pass_hz", "sampling_rate_hz")
_KINDS = ("motor", "sensory")


def _claims(source: Input) -> bool:
    if source.path.suffix.lower() != ".json":
        return False
    head = source.data[:4096]
    return b'"schema"' in head and _FAMILY in head


def read(source: Input) -> Recording:
    """Read a record of schema ``ncs_cb/result/1`` or ``/2``.

    Raises
    ------
    ReadError
        If it is of another version, incomplete or damaged.
    """
    record = parse_json(source.data, source.name)
    if record.get("schema") not in SCHEMAS:
        raise ReadError(
            f"a record of another version; known: {', '.join(SCHEMAS)}.",
            hint="Analyze the recordings again with this version of ncs_cb.",
        )
    study, rows = record.get("study"), record.get("traces")
    if not isinstance(study, dict) or not isinstance(rows, list):
        raise ReadError("the record is incomplete: 'study' and 'traces' are needed.")
    if not all(isinstance(row, dict) for row in rows):
        raise ReadError("the record is damaged: a row of 'traces' is no object.")
    used = [r for r in rows if flags.is_used(r.get("quality_flags"))]
    responses = tuple(_response(row, f"traces[{i}]", source.name) for i, row in enumerate(used))
    study_id = study.get("study_id")
    return Recording(
        typed_responses=responses,
        decisions=(
            Decision(
                source.name,
                "choice",
                "numbers only",
                "read from a result of ncs_cb, which holds no waveforms",
            ),
        ),
        details=_details(study.get("details")),
        study_id=study_id if isinstance(study_id, str) else None,
    )


def _details(raw: Any) -> Details:
    from ncs_cb.study_file import details_from_plain

    return Details() if raw is None else details_from_plain(raw)


def _response(row: Mapping[str, Any], where: str, name: str) -> TypedResponse:
    texts = {k: row.get(k) for k in ("nerve", "side", "muscle", "stimulation_site", "kind")}
    nerve, muscle = find("nerves", str(texts["nerve"])), find("muscles", str(texts["muscle"]))
    site = find("sites", str(texts["stimulation_site"]))
    side: Any = texts["side"]
    kind: Any = texts["kind"]
    is_known = nerve and muscle and site and side in ("left", "right") and kind in _KINDS
    if not is_known or nerve is None or muscle is None or site is None:
        raise ReadError(f"{where}: nerve, side, muscle, site or kind is not known.")
    position(nerve, site)
    numbers = {key: _number(row, key, where) for key in (*_VALUES, *_CONTEXT)}
    recording = row.get("recording")
    return TypedResponse(
        Site(nerve, side, muscle, site),
        visible(recording) if isinstance(recording, str) else name,
        {k: v for k in _VALUES if (v := numbers[k]) is not None},
        kind,
        Stimulus(numbers["distance_mm"], numbers["stimulus_ma"]),
        numbers["high_pass_hz"],
        numbers["low_pass_hz"],
        numbers["sampling_rate_hz"],
    )


def _number(row: Mapping[str, Any], key: str, where: str) -> float | None:
    value = row.get(key)
    if value is None:
        return None
    if not is_finite(value):
        raise ReadError(f"{where}.{key}: must be a number or null.")
    return float(value)


_NEEDS = """\
result.json as 'ncs-cb analyze' writes it; its numbers are judged again;
it holds no waveforms.
"""

READER = Reader(
    "record",
    (".json",),
    _claims,
    read,
    label="result.json of ncs_cb: numbers only",
    needs=_NEEDS,
)
