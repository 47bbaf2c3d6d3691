"""The values of an archive from which limits can be proposed: one row per value."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ncs_cb import flags
from ncs_cb.errors import ReadError, ReportError
from ncs_cb.knowledge.anatomy import anatomy

GROUP = ["study", "nerve", "muscle", "site", "segment", "item"]
"""What values have in common that give one limit."""


class _Taken(NamedTuple):
    """A column of the tables, and the item of a reference set that it gives."""

    study: str
    column: str
    item: str
    direction: str
    factor: float = 1.0


_TRACES = (
    _Taken("motor", "negative_peak_amplitude_mv", "amplitude_mv", "lower"),
    _Taken("motor", "onset_latency_ms", "distal_latency_ms", "upper"),
    _Taken("sensory", "negative_peak_amplitude_mv", "amplitude_uv", "lower", 1000.0),
    _Taken("sensory", "peak_to_peak_amplitude_mv", "peak_to_peak_amplitude_uv", "lower", 1000.0),
    _Taken("sensory", "onset_latency_ms", "onset_latency_ms", "upper"),
    _Taken("sensory", "negative_peak_latency_ms", "peak_latency_ms", "upper"),
)
_VELOCITY = "conduction_velocity_m_per_s"
_COLUMNS = [*GROUP, "direction", "study_id", "value", "distance_mm", "age_years", "height_cm"]
# Their numbers are no measure of the nerve, whatever they are.
_DOUBTED = frozenset(
    {
        "not_used",
        "velocity_implausible",
        "distance_implausible",
        "polarity_differs",
        "polarity_uncertain",
        "amplitude_implausible",
        "stimulus_time_uncertain",
        "clipped",
    }
)


def archive_values(archive: Path) -> pd.DataFrame:
    """Give every usable value of an archive with the age and height of its person.

    Distal amplitudes and latencies of motor responses, amplitudes and latencies of sensory ones,
    velocities of adjacent segments, shortest latencies of F waves (of archives that hold them).
    Where a laboratory stimulates one nerve at several distal sites, the usual one counts.

    Raises
    ------
    ReadError
        If a table is missing or cannot be read.
    """
    traces, segments, studies = (
        _table(archive, name) for name in ("traces", "segments", "studies")
    )
    found = [_of_traces(traces, taken) for taken in _TRACES]
    found.append(_of_segments(segments))
    if (archive / "f_waves").is_dir():
        found.append(_of_f_waves(_table(archive, "f_waves")))
    person = studies.drop_duplicates("study_id")[["study_id", "age_years", "height_cm"]]
    whole = pd.concat([f for f in found if len(f)] or [found[0]], ignore_index=True)
    whole = whole.dropna(subset="value").merge(person, on="study_id", how="left")
    return whole.reindex(columns=_COLUMNS)


def _table(archive: Path, name: str) -> pd.DataFrame:
    folder = archive / name
    if not folder.is_dir():
        raise ReadError(
            f"no table '{name}' is here.",
            source=str(archive),
            hint="ARCHIVE is the folder that 'ncs-cb batch ROOT --out ARCHIVE' wrote.",
        )
    try:
        return pd.read_parquet(folder)
    except ImportError:
        raise ReportError(
            "the tables of an archive need pyarrow, which is not installed.",
            hint='Install it: pip install "ncs_cb[archive]", '
            'or in a clone: pip install -e ".[archive]".',
        ) from None
    except (OSError, ValueError):
        raise ReadError(f"the table '{name}' cannot be read.", source=str(archive)) from None


def _usable(frame: pd.DataFrame) -> pd.DataFrame:
    doubted = frame["quality_flags"].fillna("").map(lambda t: bool(flags.names(t) & _DOUBTED))
    return frame[~doubted.astype(bool)]


def _of_traces(traces: pd.DataFrame, taken: _Taken) -> pd.DataFrame:
    rows = _usable(traces[traces["kind"] == taken.study])
    if taken.study == "motor":
        nerves = anatomy().nerves
        distal = [
            site in nerves[nerve].routine_sites
            for nerve, site in zip(rows["nerve"], rows["stimulation_site"], strict=True)
        ]
        rows = rows[distal]
    rows = rows[rows[taken.column].notna()]
    return _usual_site(
        pd.DataFrame(
            {
                "study": taken.study,
                "nerve": rows["nerve"],
                "muscle": rows["muscle"],
                "site": rows["stimulation_site"],
                "segment": "",
                "item": taken.item,
                "direction": taken.direction,
                "study_id": rows["study_id"],
                "value": rows[taken.column].astype("float64") * taken.factor,
                "distance_mm": rows["distance_mm"]
                if taken.item.endswith("latency_ms")
                else float("nan"),
            }
        )
    )


def _usual_site(rows: pd.DataFrame) -> pd.DataFrame:
    counts = rows.groupby(["nerve", "muscle", "site"]).size().rename("n").reset_index()
    usual = counts.sort_values(["n", "site"], ascending=[False, True]).drop_duplicates(
        ["nerve", "muscle"]
    )
    return rows.merge(usual[["nerve", "muscle", "site"]], on=["nerve", "muscle", "site"])


def _of_segments(segments: pd.DataFrame) -> pd.DataFrame:
    rows = _usable(segments[segments["is_adjacent"].fillna(value=False).astype(bool)])
    rows = rows[rows[_VELOCITY].notna()]
    return pd.DataFrame(
        {
            "study": "motor",
            "nerve": rows["nerve"],
            "muscle": rows["muscle"],
            "site": "",
            "segment": rows["segment"],
            "item": "velocity_m_per_s",
            "direction": "lower",
            "study_id": rows["study_id"],
            "value": rows[_VELOCITY].astype("float64"),
            "distance_mm": float("nan"),
        }
    )


def _of_f_waves(f_waves: pd.DataFrame) -> pd.DataFrame:
    rows = _usable(f_waves[f_waves["minimum_latency_ms"].notna()])
    return pd.DataFrame(
        {
            "study": "f_wave",
            "nerve": rows["nerve"],
            "muscle": rows["muscle"],
            "site": "",
            "segment": "",
            "item": "minimum_latency_ms",
            "direction": "upper",
            "study_id": rows["study_id"],
            "value": rows["minimum_latency_ms"].astype("float64"),
            "distance_mm": float("nan"),
        }
    )
