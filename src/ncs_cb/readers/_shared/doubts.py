"""What the samples themselves say against a recording: twins, mirrored sites, a late pulse."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from ncs_cb.errors import StudyError
from ncs_cb.knowledge.thresholds import value
from ncs_cb.model import Decision, Trace
from ncs_cb.readers._shared.level import median
from ncs_cb.readers._shared.zero import counted_from_pulse


def refuse_twins(traces: Iterable[Trace]) -> None:
    """Refuse the same samples for two sites: one response is never two answers.

    Raises
    ------
    StudyError
        Naming both recordings and sites.
    """
    seen: dict[bytes, Trace] = {}
    for trace in traces:
        samples = np.asarray(trace.samples_mv)
        if not len(samples) or not samples.max() > samples.min():
            continue  # flat, or not a number: flagged when it is measured
        digest = hashlib.sha256(samples.tobytes()).digest()
        first = seen.setdefault(digest, trace)
        one, other = first.site, trace.site
        is_one_nerve = (one.nerve, one.side, one.muscle) == (other.nerve, other.side, other.muscle)
        if one != other and (is_one_nerve or first.recording == trace.recording):
            raise StudyError(
                f"the same samples are given for '{first.site.stimulation_site}' "
                f"({first.recording}) and '{trace.site.stimulation_site}' ({trace.recording}): "
                "one response cannot be the answer of two sites.",
                hint="Export the sites again, each with its own sweep.",
            )


def questioned(
    traces: Sequence[Trace], name: str, *, delay_ms: float | None, is_polarity_told: bool
) -> tuple[tuple[Trace, ...], list[Decision]]:
    """Give the traces of one recording with the time of their stimulus and their doubts.

    Parameters
    ----------
    traces : sequence of Trace
    name : str
        What the recording is called.
    delay_ms : float or None
        As ``study.toml`` says; the artefact is not looked for then.
    is_polarity_told : bool
        Whether ``study.toml`` states the polarity: nothing is doubted then.
    """
    decisions: list[Decision] = []
    if delay_ms is not None:
        made = [_delayed(trace, delay_ms) for trace in traces]
        decisions.append(Decision(name, "stimulus time", f"{delay_ms:g} ms later", "as told"))
    else:
        made = counted_from_pulse(traces, decisions)
    made = [_strayed(_blanked(trace)) for trace in made]
    return tuple(made if is_polarity_told else _mirrored(made)), decisions


def _blanked(trace: Trace) -> Trace:
    """Flag a response that is under way when the amplifier is let go: its onset is not seen."""
    start = max(trace.stimulus_index, 0) + 1
    samples = np.asarray(trace.samples_mv[start:], dtype=np.float64)
    moved = np.flatnonzero(np.diff(samples[: round(0.02 * trace.sampling_rate_hz)]) != 0.0)
    if not len(moved) or not np.isfinite(samples).all():
        return trace
    held = int(moved[0]) + 1
    if held * 1000.0 / trace.sampling_rate_hz < value("blanking.shortest_ms"):
        return trace
    free = samples[held:]
    away = np.abs(free - median(free))
    # Let go from a rail to the baseline, nothing is under way yet.
    step = min(abs(float(samples[held] - samples[held - 1])), float(away[0]))
    if step <= value("blanking.largest_step_share") * float(away.max()):
        return trace
    return replace(trace, flags=(*trace.flags, "artifact_overlaps_onset"))


def _strayed(trace: Trace) -> Trace:
    """Flag a response in which one sample alone stands out, as no muscle's response does."""
    if trace.kind != "motor" or trace.sampling_rate_hz < value("stray_sample.lowest_rate_hz"):
        return trace
    skip = round(value("polarity_differs.skipped_ms") * trace.sampling_rate_hz / 1000.0)
    part = np.asarray(trace.samples_mv[max(trace.stimulus_index + skip, 0) :], dtype=np.float64)
    if len(part) < 32 or not np.isfinite(part).all():
        return trace
    steps = np.diff(part)
    there, back = steps[:-1], -steps[1:]
    alone = np.where(there * back > 0.0, np.minimum(np.abs(there), np.abs(back)), 0.0)
    usual = float(np.median(np.abs(steps)))
    least = max(
        value("stray_sample.step_ratio") * usual,
        value("stray_sample.share") * float(np.ptp(part)),
    )
    if float(alone.max()) <= least or not usual > 0.0:
        return trace
    return replace(trace, flags=(*trace.flags, "stray_sample"))


def _delayed(trace: Trace, delay_ms: float) -> Trace:
    moved = round(delay_ms * trace.sampling_rate_hz / 1000.0)
    return replace(trace, stimulus_index=trace.stimulus_index + moved)


# --------------------------------------------------------------------------- polarity


def _mirrored(traces: Sequence[Trace]) -> list[Trace]:
    """Flag the sites whose responses are upside down beside the others of their nerve."""
    groups: dict[tuple[str, str, str], list[int]] = {}
    for i, trace in enumerate(traces):
        if trace.kind == "motor":
            site = trace.site
            groups.setdefault((site.nerve, site.side, site.muscle), []).append(i)
    made = list(traces)
    for members in groups.values():
        for i in _odd(traces, members):
            made[i] = replace(made[i], flags=(*made[i].flags, "polarity_differs"))
    return made


def _odd(traces: Sequence[Trace], members: list[int]) -> list[int]:
    """Give the traces whose sign differs from that of most sites; all of them where it is even."""
    sites = {traces[i].site.stimulation_site for i in members}
    curves = {i: c for i in members if (c := _curve(traces[i])) is not None}
    if len(curves) < 2:
        return []
    largest = max(curves, key=lambda i: float(np.abs(curves[i]).max()))
    signs = {i: _sign(curves[largest], curve) for i, curve in curves.items()}
    # Sites are counted; where there is only one, its sweeps are.
    place = {i: traces[i].site.stimulation_site if len(sites) > 1 else str(i) for i in signs}
    up = {place[i] for i, s in signs.items() if s > 0}
    down = {place[i] for i, s in signs.items() if s < 0}
    if not down:
        return []
    if len(up) == len(down):
        return [i for i, s in signs.items() if s]
    odd = 1 if len(up) < len(down) else -1
    return [i for i, s in signs.items() if s == odd]


def _curve(trace: Trace) -> np.ndarray | None:
    """Give the response at 10 kHz or less, without artefact and level; None where none is clear."""
    rate, index = trace.sampling_rate_hz, trace.stimulus_index
    start = max(index, 0) + round(value("polarity_differs.skipped_ms") * rate / 1000.0)
    step = max(1, int(rate // 5_000))
    part = np.asarray(trace.samples_mv, dtype=np.float64)
    part = part[start : index + round(value("polarity_differs.compared_ms") * rate / 1000.0) : step]
    if len(part) < 32 or not np.isfinite(part).all():
        return None
    part = part - median(part)
    noise = median(np.abs(part[1:] - part[:-1]))
    return (
        part
        if float(np.abs(part).max()) > value("unassigned.minimum_noise_ratio") * noise > 0.0
        else None
    )


def _sign(one: np.ndarray, other: np.ndarray) -> int:
    """Give -1 where one curve is the mirror image of the other, 1 where it is its like, else 0."""
    size = float(np.sqrt((one @ one) * (other @ other)))
    alike = np.correlate(one, other, mode="full") / size
    like, mirror = float(alike.max()), float(-alike.min())
    if mirror > value("polarity_differs.minimum_correlation") and mirror > like + value(
        "polarity_differs.minimum_lead"
    ):
        return -1
    return 1 if like > mirror else 0
