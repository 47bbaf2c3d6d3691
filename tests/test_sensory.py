"""Sensory potentials: measured by the kernel of the motor responses, told in microvolts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ncs_cb import simulate
from ncs_cb.columns import conform
from ncs_cb.measuring import sensory
from ncs_cb.measuring import traces as measure


def traces(**values):
    row = {
        "study_id": "s",
        "nerve": "median",
        "side": "left",
        "muscle": "digit2",
        "kind": "sensory",
        "stimulation_site": "wrist",
        "distance_mm": 140.0,
        "onset_latency_ms": 2.5,
        "negative_peak_latency_ms": 3.2,
        "negative_peak_amplitude_mv": 0.025,
        "peak_to_peak_amplitude_mv": 0.04,
        "negative_peak_duration_ms": 1.4,
        "quality_flags": "",
    }
    return conform(pd.DataFrame([row | values]), "traces")


def test_amplitudes_are_in_microvolt_and_velocity_is_distance_by_onset_latency():
    row = sensory.sensory_table(traces()).iloc[0]
    assert row["amplitude_uv"] == pytest.approx(25.0)
    assert row["peak_to_peak_amplitude_uv"] == pytest.approx(40.0)
    assert row["velocity_m_per_s"] == pytest.approx(56.0)
    assert row["peak_latency_ms"] == 3.2
    assert row["duration_ms"] == 1.4
    assert row["recording_site"] == "digit2"


@pytest.mark.parametrize(
    "missing",
    [
        {"distance_mm": np.nan},
        {"onset_latency_ms": np.nan},
        {"onset_latency_ms": 0.0},
        {"distance_mm": 0.0},
    ],
)
def test_without_distance_or_latency_there_is_no_velocity(missing):
    assert np.isnan(sensory.sensory_table(traces(**missing))["velocity_m_per_s"].item())


def test_motor_responses_are_passed_over():
    assert sensory.sensory_table(traces(kind="motor")).empty


def test_the_traces_table_is_not_changed():
    table = traces()
    before = table.copy(deep=True)
    sensory.sensory_table(table)
    pd.testing.assert_frame_equal(table, before)


def test_simulated_potentials_are_measured_as_they_are():
    """Antidromic studies of healthy arms: 17 to 46 uV in 1 to 2 uV of noise."""
    errors = []
    for one in simulate.recipe("healthy_arm", seed=2, n=4):
        chosen = [n for n, trace in enumerate(one.study.traces) if trace.kind == "sensory"]
        measured = measure.measure_study_traces([one.study.traces[n] for n in chosen])
        table = sensory.sensory_table(measured.assign(study_id="s"))
        true = pd.DataFrame([one.truth.markers.row(n) for n in chosen])
        relative = table["amplitude_uv"] / (1e3 * true["negative_peak_amplitude_mv"]) - 1.0
        errors.append(
            pd.DataFrame(
                {
                    "onset_ms": table["onset_latency_ms"] - true["onset_latency_ms"],
                    "peak_ms": table["peak_latency_ms"] - true["negative_peak_latency_ms"],
                    "amplitude": relative,
                    "duration_ms": table["duration_ms"] - true["negative_peak_duration_ms"],
                    "distal": table["amplitude_uv"] > 15.0,
                }
            )
        )
    table = pd.concat(errors)
    assert table.notna().all(axis=None)
    typical = table.loc[table.pop("distal")].abs().mean()
    assert typical["onset_ms"] < 0.12
    assert typical["peak_ms"] < 0.05
    assert typical["amplitude"] < 0.05
    assert typical["duration_ms"] < 0.15
