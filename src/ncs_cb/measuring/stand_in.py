"""Velocities and lengths that a machine printed, where nobody knows the distance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ncs_cb.measuring import segments
from ncs_cb.model import Decision, Study

_SERIES = ["study_id", "nerve", "side", "muscle"]


def printed_by_place(studies: Mapping[str, Study]) -> segments.Printed:
    """Give what machines printed of segments, by key of the study and sites."""
    return {
        (key, p.nerve, p.side, p.muscle, p.distal_site, p.proximal_site): p
        for key, study in studies.items()
        for p in study.printed_segments
    }


def decisions(studies: Mapping[str, Study], pairs: pd.DataFrame) -> dict[str, list[Decision]]:
    """Name each segment for which a printed velocity or length stands in, by key of the study.

    Parameters
    ----------
    studies : mapping of str to Study
        By the key that stands for the study in `pairs`.
    pairs : DataFrame
        Table ``segments`` made with :func:`printed_by_place` of the same studies.
    """
    said: dict[str, list[Decision]] = {}
    taken = [(key, s.study_id, p) for key, s in studies.items() for p in s.printed_segments]
    if not taken:
        return said
    columns = [*_SERIES, "distal_site", "proximal_site"]
    numbers = ["segment", "conduction_velocity_m_per_s", "length_mm"]
    rows = {
        tuple(row[: len(columns)]): row[len(columns) :]
        for row in pairs[[*columns, *numbers]].itertuples(index=False, name=None)
    }
    for key, study_id, one in taken:
        place = (key, one.nerve, one.side, one.muscle, one.distal_site, one.proximal_site)
        segment, velocity, length = rows.get(place, ("", np.nan, np.nan))
        where = f"{one.nerve} {one.side} {one.muscle} {segment}"
        if velocity == one.velocity_m_per_s and np.isnan(length):
            what, why = (
                f"{velocity:g} m/s",
                "velocity as the machine printed it: no distance is known",
            )
        elif length == one.length_mm:
            what, why = f"{length:g} mm", "length as the machine printed it"
        else:
            continue
        said.setdefault(key, []).append(Decision(study_id, "printed", f"{where}: {what}", why))
    return said
