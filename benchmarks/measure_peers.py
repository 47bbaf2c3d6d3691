"""Peers on the same traces, run by ``run_measure.py`` in an environment of their own.

    python measure_peers.py PEER TRACES.npz        # prints one JSON object

Only public functions of the peers are called; nothing of them is part of this project.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

import numpy as np

Row = tuple[float, float, float]  # onset ms, amplitude mV, duration ms


def scipy_loop(x: np.ndarray, rate: float, stimulus: int) -> Row:
    """A plain loop body: mean of the baseline, 3 SD or 1.5 % threshold, find_peaks, trapezoid."""
    from scipy import integrate, signal

    before = x[: max(stimulus - 2, 1)]
    v = x - before.mean()
    after = v[stimulus + int(0.001 * rate) :]
    smooth = signal.savgol_filter(after, 9, 2)
    peaks, _ = signal.find_peaks(smooth, height=0.05 * smooth.max())
    top = peaks[np.argmax(smooth[peaks])]
    level = max(0.015 * smooth[top], 3 * before.std())
    start = top
    while start > 0 and smooth[start - 1] > level:
        start -= 1
    end = top
    while end < smooth.size - 1 and smooth[end] > 0:
        end += 1
    integrate.trapezoid(after[start:end], dx=1000 / rate)
    signal.find_peaks(-smooth)
    return (1.0 + start * 1000 / rate, float(after[top]), (end - start) * 1000 / rate)


def mne_peak(x: np.ndarray, rate: float, stimulus: int) -> Row:
    """``Evoked.get_peak`` on one channel, as of an electroencephalogram."""
    import mne

    info = mne.create_info(["muscle"], rate, "eeg")
    evoked = mne.EvokedArray(
        (x - x[: max(stimulus, 1)].mean())[None] * 1e-3, info, tmin=-stimulus / rate, verbose=False
    )
    _, _, height = evoked.get_peak(tmin=0.002, mode="pos", return_amplitude=True)
    return (np.nan, height * 1e3, np.nan)


def neurokit(x: np.ndarray, rate: float, stimulus: int) -> Row:
    """``emg_clean``, ``emg_amplitude``, ``emg_activation`` with their defaults."""
    import neurokit2

    clean = neurokit2.emg_clean(x, sampling_rate=int(rate))
    envelope = neurokit2.emg_amplitude(clean)
    activity, _ = neurokit2.emg_activation(envelope, sampling_rate=int(rate))
    on = np.flatnonzero(np.diff(activity["EMG_Activity"].to_numpy()) > 0)
    on = on[on > stimulus]
    return (float(on[0] + 1 - stimulus) * 1000 / rate if on.size else np.nan, np.nan, np.nan)


def mep_cmap(x: np.ndarray, rate: float, stimulus: int) -> Row:
    """``dispatch_onset`` (default method), ``detect_mep_offset``, ``compute_ptp``."""
    from mep_cmap.detection.dispatch import dispatch_onset
    from mep_cmap.detection.offset_detection import detect_mep_offset
    from mep_cmap.detection.quantification import compute_ptp

    before = stimulus * 1000 / rate
    onset = dispatch_onset(
        x, rate, pre_ms=before, search_start_ms=2.0, search_end_ms=39.0, max_latency_ms=12.0
    )
    end = detect_mep_offset(x, rate, onset_ms=onset, pre_ms=before, search_end_ms=39.0)
    compute_ptp(x, stimulus + int(0.002 * rate), x.size)
    if onset is None:
        return (np.nan, np.nan, np.nan)
    return (onset, np.nan, np.nan if end is None else end - onset)


PEERS: dict[str, tuple[str, Callable[[np.ndarray, float, int], Row]]] = {
    "scipy": ("scipy", scipy_loop),
    "mne": ("mne", mne_peak),
    "neurokit2": ("neurokit2", neurokit),
    "mep-cmap-analyser": ("mep-cmap-analyser", mep_cmap),
}


def main(peer: str, path: str) -> None:
    distribution, measure = PEERS[peer]
    held = np.load(path)
    x, rate, stimulus = held["x"], float(held["rate"]), int(held["stimulus"])
    measure(x[0], rate, stimulus)  # imports and first-call costs are not counted
    budget, rows = time.perf_counter() + 20.0, []
    cpu = time.process_time()
    for row in x:
        rows.append(measure(row, rate, stimulus))
        if time.perf_counter() > budget:
            break
    cpu = (time.process_time() - cpu) / len(rows)
    json.dump(
        {
            "version": version(distribution),
            "seconds": cpu,
            "rows": np.nan_to_num(np.array(rows), nan=-1e9).tolist(),
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
