"""Where the machine's own markers and the program's differ, the largest difference first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ncs_cb.analysis import analyze_many
from ncs_cb.errors import NcsError
from ncs_cb.knowledge import thresholds
from ncs_cb.model import Result, Study
from ncs_cb.readers import StudyInput, find_studies, read_study
from ncs_cb.vocabulary import TOLERANCE

COLUMNS = (
    "study_id",
    "recording",
    "nerve",
    "side",
    "muscle",
    "kind",
    "stimulation_site",
    "measure",
    "program",
    "machine",
    "difference",
    "size",
    "is_reviewed",
)


def differences(results: Sequence[Result]) -> pd.DataFrame:
    """List where machine and program differ by more than 0.3 ms or 10 %.

    Parameters
    ----------
    results : sequence of Result
        Of recordings that carry the values of their machine.

    Returns
    -------
    DataFrame
        One row per response and measure (``onset_latency_ms`` or ``negative_peak_amplitude_mv``):
        what the program found (or a person set, ``is_reviewed``), what the machine printed, their
        difference, and ``size``: that difference in multiples of the limit. Largest first. The
        column ``place`` is the response's row in ``traces`` of its result.
    """
    rows = [row for result in results for row in _of_result(result)]
    frame = pd.DataFrame(rows, columns=[*COLUMNS, "place"])
    return frame.sort_values("size", ascending=False, kind="stable", ignore_index=True)


def _of_result(result: Result) -> list[dict[str, Any]]:
    apart_ms = thresholds.value("differs_from_machine.listed_latency_ms")
    apart = thresholds.value("differs_from_machine.amplitude_pct") / 100.0
    found = []
    for place, (row, response) in enumerate(
        zip(result.traces.to_dict("records"), result.responses, strict=False)
    ):
        if response.trace is None:
            continue
        machine = response.machine
        for name, theirs, least, share in (
            ("onset_latency_ms", machine.onset_latency_ms, apart_ms, 0.0),
            ("negative_peak_amplitude_mv", machine.amplitude_mv, 0.0, apart),
        ):
            ours = float(row[name])
            if theirs is None or math.isnan(ours):
                continue
            limit = least + share * abs(theirs)
            if abs(ours - theirs) <= limit + TOLERANCE:
                continue
            found.append(
                {
                    **{key: row[key] for key in COLUMNS[1:7]},
                    "study_id": result.study.study_id,
                    "measure": name,
                    "program": ours,
                    "machine": theirs,
                    "difference": ours - theirs,
                    "size": abs(ours - theirs) / limit if limit else math.inf,
                    "is_reviewed": "reviewed" in str(row["quality_flags"]).split(";"),
                    "place": place,
                }
            )
    return found


def visits_of(folder: Path) -> list[StudyInput]:
    """Give the visits of a folder that holds several; nothing where it is one visit or a file.

    Several are folders that hold recordings, none of which lies directly in `folder`, with no
    ``study.toml`` that makes them one.
    """
    if not folder.is_dir():
        return []
    found = find_studies(folder)
    inside = [study for study in found if study.path != folder and study.path.is_dir()]
    return found if len(found) > 1 and len(inside) == len(found) else []


def agreement(folder: str | Path) -> tuple[pd.DataFrame, dict[str, str]]:
    """List the differences over every visit of a folder; see :func:`differences`.

    Returns
    -------
    DataFrame
        Of all visits together, largest first.
    dict of str to str
        Visits that cannot be read, and why.
    """
    studies: list[Study] = []
    failed: dict[str, str] = {}
    visits: list[StudyInput | Path] = [*visits_of(Path(folder))]
    for found in visits or [Path(folder)]:
        try:
            studies.append(read_study(found))
        except NcsError as problem:
            failed[str(getattr(found, "name", found))] = str(problem)
    frame = differences(analyze_many(studies)) if studies else differences([])
    return frame, failed
