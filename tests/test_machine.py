"""The recording machine's own values stand beside ours."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ncs_cb.columns import conform
from ncs_cb.measuring.machine import set_beside
from ncs_cb.model import MachineValues, Site, Trace


def beside(latency_ms, amplitude_mv, machine):
    row = {
        "study_id": "s",
        "onset_latency_ms": latency_ms,
        "quality_flags": "sweep_cut",
        "negative_peak_amplitude_mv": amplitude_mv,
    }
    site = Site("median", "right", "apb", "below_elbow")
    trace = Trace(np.zeros(3), 20_000.0, 0, site, "a.edf", machine=machine)
    return set_beside(conform(pd.DataFrame([row]), "traces"), [trace])


@pytest.mark.parametrize(
    ("machine", "is_raised"),
    [
        (MachineValues(3.8, 7.2, 55.0), False),
        (MachineValues(4.3, 7.2), False),
        (MachineValues(4.4, 7.2), True),
        (MachineValues(3.8, 8.1), True),
        (MachineValues(None, 7.5), False),
        (MachineValues(9.9, None), True),
    ],
)
def test_a_difference_beyond_half_a_millisecond_or_ten_percent_is_flagged(machine, is_raised):
    table, _ = beside(3.82, 7.2, machine)
    expected = "sweep_cut;differs_from_machine" if is_raised else "sweep_cut"
    assert table["quality_flags"].item() == expected


def test_both_values_are_told_in_words():
    _, told = beside(3.82, 7.19, MachineValues(3.8, 7.2, 55.0))
    (decision,) = told["s"]
    assert decision.choice == "below elbow: 7.2 mV, 3.8 ms, 55 m/s"
    assert decision.reason == "printed by the machine; measured here: 7.19 mV, 3.82 ms"


def test_a_response_that_is_not_measurable_is_no_difference():
    table, told = beside(float("nan"), float("nan"), MachineValues(3.8, 7.2))
    assert table["quality_flags"].item() == "sweep_cut"
    assert told["s"][0].reason == "printed by the machine; measured here: nothing"


def test_without_machine_values_nothing_is_said():
    given = conform(pd.DataFrame([{"study_id": "s"}]), "traces")
    table, told = set_beside(given, [None])
    assert table is given
    assert told == {}
