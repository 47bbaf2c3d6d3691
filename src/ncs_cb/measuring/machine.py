"""The recording machine's own values, kept beside ours: a cross-check, never an input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ncs_cb import flags
from ncs_cb.knowledge import thresholds
from ncs_cb.model import Decision, MachineValues, Trace

_COMPARED = ("study_id", "onset_latency_ms", "negative_peak_amplitude_mv")


def set_beside(
    traces: pd.DataFrame, responses: Sequence[Trace | None]
) -> tuple[pd.DataFrame, dict[str, list[Decision]]]:
    """Compare each measured response with what the machine printed for it.

    Parameters
    ----------
    traces : DataFrame
        Table ``traces``; it is not changed.
    responses : sequence of Trace or None
        For each row of `traces`, the trace that was measured.

    Returns
    -------
    DataFrame
        `traces` with ``differs_from_machine`` where latency or amplitude differ by more than
        ``tables/quality.toml`` allows. A value missing on either side is no difference.
    dict of str to list of Decision
        By study id, the two sets of values in words, one per response with machine values.
    """
    places = [
        place
        for place, trace in enumerate(responses)
        if trace is not None and trace.machine != MachineValues()
    ]
    if not places:
        return traces, {}
    raised = traces["quality_flags"].to_numpy(dtype=object).copy()
    told: dict[str, list[Decision]] = {}
    study_ids, latencies, amplitudes = (traces[name].tolist() for name in _COMPARED)
    for place in places:
        trace = responses[place]
        assert trace is not None
        ours = MachineValues(_known(latencies[place]), _known(amplitudes[place]))
        if _differ(ours, trace.machine):
            raised[place] = flags.added(raised[place], "differs_from_machine")
        decision = Decision(
            trace.recording,
            "machine values",
            f"{trace.site.stimulation_site.replace('_', ' ')}: {_words(trace.machine)}",
            f"printed by the machine; measured here: {_words(ours)}",
        )
        told.setdefault(str(study_ids[place]), []).append(decision)
    return traces.assign(quality_flags=pd.array(raised, dtype="string")), told


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _differ(ours: MachineValues, theirs: MachineValues) -> bool:
    latency_ms, their_latency_ms = ours.onset_latency_ms, theirs.onset_latency_ms
    if latency_ms is not None and their_latency_ms is not None:
        allowed_ms = thresholds.value("differs_from_machine.latency_ms")
        if abs(latency_ms - their_latency_ms) > allowed_ms:
            return True
    amplitude_mv, their_amplitude_mv = ours.amplitude_mv, theirs.amplitude_mv
    if amplitude_mv is None or their_amplitude_mv is None:
        return False
    allowed = thresholds.value("differs_from_machine.amplitude_pct") / 100.0
    return abs(amplitude_mv - their_amplitude_mv) > allowed * abs(their_amplitude_mv)


def _words(values: MachineValues) -> str:
    parts = []
    if values.amplitude_mv is not None:
        parts.append(f"{values.amplitude_mv:.3g} mV")
    if values.onset_latency_ms is not None:
        parts.append(f"{values.onset_latency_ms:.4g} ms")
    if values.conduction_velocity_m_per_s is not None:
        parts.append(f"{values.conduction_velocity_m_per_s:.3g} m/s")
    return ", ".join(parts) or "nothing"
