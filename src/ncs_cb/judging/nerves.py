"""What is known of each motor nerve as a whole: one row per study, nerve, side and muscle.

The signs of demyelination that belong to a nerve rather than to a segment (long distal latency,
slow velocity, late or absent F waves, long distal response) are judged on these numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ncs_cb import flags
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.clauses import NERVE_COLUMNS
from ncs_cb.model import Details

KEYS = ["study_id", "nerve", "side", "muscle"]


def nerve_table(
    segments: pd.DataFrame,
    traces: pd.DataFrame,
    f_waves: pd.DataFrame,
    details: Mapping[str, Details],
) -> pd.DataFrame:
    """Gather the numbers of each motor nerve.

    Parameters
    ----------
    segments, traces, f_waves : DataFrame
        The tables of those names; any may be empty.
    details : mapping of study id to Details
        Typed-in F-wave values, which stand where none was recorded.

    Returns
    -------
    DataFrame
        ``study_id``, ``nerve``, ``side``, ``muscle``, ``distal_site`` and
        :data:`~ncs_cb.knowledge.clauses.NERVE_COLUMNS`; what is not known is NaN. The slowest
        velocity is that of adjacent segments that contain no entrapment site.
    """
    parts = [_distal(traces), _slowest(segments), _f_waves(f_waves, details)]
    table: pd.DataFrame | None = None
    for part in parts:
        part[KEYS] = part[KEYS].astype("string").fillna("")
        table = part if table is None else table.merge(part, on=KEYS, how="outer")
    assert table is not None
    return table.reindex(columns=[*KEYS, "distal_site", *NERVE_COLUMNS])


def _distal(traces: pd.DataFrame) -> pd.DataFrame:
    names = {
        "onset_latency_ms": "distal_latency_ms",
        "negative_peak_amplitude_mv": "distal_amplitude_mv",
        "total_negative_duration_ms": "distal_duration_ms",
        "high_pass_hz": "distal_high_pass_hz",
    }
    if not len(traces):
        return pd.DataFrame(columns=[*KEYS, "distal_site", *names.values()])
    motor = traces.loc[
        (traces["kind"] != "sensory")
        & traces["quality_flags"].map(flags.is_used).to_numpy(dtype=bool)
    ]
    # The most distal of the routine sites that was stimulated; palm and short steps are none.
    places = zip(motor["nerve"].tolist(), motor["stimulation_site"].tolist(), strict=True)
    rank = [_rank(nerve, site) for nerve, site in places]
    first = motor.assign(_rank=rank).query("_rank >= 0").sort_values("_rank", kind="stable")
    first = first.drop_duplicates(KEYS)
    first = first.rename(columns={**names, "stimulation_site": "distal_site"})
    return first[[*KEYS, "distal_site", *names.values()]].reset_index(drop=True)


def _rank(nerve: Any, site: Any) -> int:
    known = anatomy().nerves.get(nerve) if isinstance(nerve, str) else None
    if known is None or site not in known.routine_sites:
        return -1
    return known.sites.index(site)


def _slowest(segments: pd.DataFrame) -> pd.DataFrame:
    if not len(segments) or "conduction_velocity_m_per_s" not in segments:
        return pd.DataFrame(columns=[*KEYS, "slowest_velocity_m_per_s"])
    table = segments.reindex(
        columns=[*KEYS, "is_adjacent", "is_entrapment_site", "conduction_velocity_m_per_s"]
    )
    free = table.loc[
        table["is_adjacent"].astype("boolean").fillna(True)
        & ~table["is_entrapment_site"].astype("boolean").fillna(False)
    ]
    slowest = free.groupby(KEYS, dropna=False, sort=False)["conduction_velocity_m_per_s"].min()
    return slowest.rename("slowest_velocity_m_per_s").reset_index()


def _f_waves(f_waves: pd.DataFrame, details: Mapping[str, Details]) -> pd.DataFrame:
    typed = pd.DataFrame(
        [
            {
                "study_id": study_id,
                "nerve": value.nerve,
                "side": value.side,
                "muscle": value.muscle or next(iter(anatomy().nerves[value.nerve].muscles), None),
                "f_minimum_latency_ms": value.minimum_latency_ms,
                "f_persistence_pct": value.persistence_pct,
                "f_stimuli": value.n_stimuli,
            }
            for study_id, one in details.items()
            for value in one.f_waves
        ],
        columns=[*KEYS, "f_minimum_latency_ms", "f_persistence_pct", "f_stimuli"],
    )
    measured = f_waves.rename(
        columns={
            "minimum_latency_ms": "f_minimum_latency_ms",
            "persistence_pct": "f_persistence_pct",
            "n_stimuli": "f_stimuli",
        }
    ).reindex(columns=typed.columns)
    both = pd.concat([measured.astype("object"), typed.astype("object")], ignore_index=True)
    for name in both.columns[len(KEYS) :]:
        both[name] = pd.to_numeric(both[name]).astype("float64")
    return both.drop_duplicates(KEYS).reset_index(drop=True)
