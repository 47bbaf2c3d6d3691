"""The registry of quality flags: every doubt defined once.

A check answers in three values: raised, cleared or not examined. The column ``quality_flags``
of a table names those raised, joined by ``;``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Level = Literal["note", "caution", "invalid"]
Scope = Literal["trace", "segment", "estimate", "f_wave"]


@dataclass(frozen=True, slots=True)
class Flag:
    """One named doubt about a number.

    Attributes
    ----------
    name : str
        Lower snake case id.
    scope : str
        What it is about: one ``trace``, one ``segment``, one block ``estimate`` or an ``f_wave``.
    level : str
        ``note`` (worth knowing), ``caution`` (may mislead), ``invalid`` (no number is given).
    meaning : str
        What was seen.
    effect : str
        What it does to the numbers or the verdict.
    action : str
        What to do next.
    source : str
        Where the check comes from.
    """

    name: str
    scope: Scope
    level: Level
    meaning: str
    effect: str
    action: str
    source: str = "ncs_cb, project policy"


_TRACE: tuple[Flag, ...] = (
    Flag("non_finite_samples", "trace", "invalid",
         "The trace holds NaN or infinite samples.",
         "Nothing is measured.", "Export the recording again."),
    Flag("flat_trace", "trace", "invalid",
         "All samples have the same value.",
         "Nothing is measured.", "Check electrodes, amplifier and export."),
    Flag("stimulus_outside_trace", "trace", "invalid",
         "The stimulus lies outside the trace.",
         "Nothing is measured.", "Correct the stimulus time in the file or its sidecar."),
    Flag("clipped", "trace", "invalid",
         "The response runs into the limit of the amplifier or converter.",
         "Nothing is measured: the peak is cut off.", "Record again at a lower gain."),
    Flag("response_absent", "trace", "caution",
         "No response stands clear of the noise.",
         "No value is given; amplitude 0 is not invented.",
         "Check the stimulus and the electrodes before reading this as an inexcitable nerve."),
    Flag("initial_positivity", "trace", "caution",
         "A positive deflection comes before the negative phase.",
         "The latency is that of the negative deflection.",
         "Move the active electrode to the motor point; think of co-stimulation and of an "
         "anastomosis.",
         "Stalberg E et al. Clin Neurophysiol 2019;130:1688-1729"),
    Flag("late_negative_component", "trace", "caution",
         "Further negative phases add more than 10 % to the area of the first one.",
         "First-phase area and duration understate the response; verdicts use all phases.",
         "Read the trace by eye: dispersion, or a late response such as an F wave or H reflex?",
         "ncs_cb, simulation"),
    Flag("sweep_cut", "trace", "caution",
         "The sweep ends before the response returns to baseline.",
         "Duration and area would be too small; they are not given.",
         "Record a longer sweep."),
    Flag("no_prestimulus_baseline", "trace", "note",
         "There is too little time before the stimulus to take a baseline from.",
         "The baseline is the quiet stretch between the artefact and the response.",
         "Record at least 1 ms before the stimulus."),
    Flag("artifact_removed", "trace", "note",
         "A tail of the stimulus artefact reached the response and was subtracted.",
         "Amplitude and area refer to the corrected trace.",
         "Move the ground between stimulus and recording; dry the skin."),
    Flag("artifact_overlaps_onset", "trace", "caution",
         "The stimulus artefact is still large at the onset of the response.",
         "The onset latency is less certain.",
         "Move the ground between stimulus and recording; rotate the anode."),
    Flag("artifact_clipped", "trace", "note",
         "The stimulus artefact ran into the limit of the amplifier.",
         "What lies on the limit is left out; the baseline is that before the stimulus.",
         "Move the ground between stimulus and recording; lower the gain."),
    Flag("late_response", "trace", "note",
         "A separate component follows the response after a rest: an A wave, a satellite or an "
         "F wave.",
         "It is part of no area and no duration; late_response_latency_ms says where it begins.",
         "Look whether it comes at one latency in repeats (A wave) or varies (F wave)."),
    Flag("noisy_baseline", "trace", "caution",
         "The baseline noise is large for the size of the response.",
         "Onset and end are less certain.", "Average, or lower the electrode impedance."),
    Flag("sweeps_rejected", "trace", "note",
         "Some repeats were left out of the average as outliers.",
         "The average holds fewer sweeps.", "See the provenance for the count."),
    Flag("not_used", "trace", "note",
         "Another response of the same site is used for the segments.",
         "Measured and kept, but not compared.",
         "Mark repeats of one setting as repeats, or attest which one is supramaximal."),
    Flag("supramaximality_denied", "trace", "caution",
         "The intensity series still grows: its last 20 % of intensity adds more than 5 %.",
         "The response may be submaximal.", "Raise the current until the response stops growing."),
    Flag("differs_from_machine", "trace", "caution",
         "The machine's own latency or amplitude differs from ours by more than 0.5 ms or 10 %.",
         "Ours is used; the machine's is shown beside it.", "Look at the markers."),
    Flag("reviewed", "trace", "note",
         "A person looked at this response and corrected or accepted it.",
         "Its values are those of the review; the automatic ones stand in automatic_ columns.",
         "See the provenance for who, what and why."),
    Flag("polarity_uncertain", "trace", "caution",
         "Which way is negative was decided from the response, and the response is ambiguous.",
         "Amplitude, area and duration may belong to the wrong phase.",
         "State the polarity in the sidecar or in study.toml."),
    Flag("polarity_differs", "trace", "caution",
         "This site's response is upside down beside the others of its nerve.",
         "Amplitude, area and duration belong to the wrong phase; no segment that ends here is "
         "judged.", "Look for exchanged leads; state the polarity in study.toml, or record again.",
         "ncs_cb, public contract section 6"),
    Flag("repeats_differ", "trace", "caution",
         "Sweeps called repeats differ by more than repeats do.",
         "They are not averaged: a rising series counts by its top, others by the largest.",
         "Name the current of each stimulus, or mark repeats of one setting as repeats.",
         "ncs_cb, public contract section 6"),
    Flag("stimulus_realigned", "trace", "note",
         "The stimulus artefact lies beside the marker of the stimulus.",
         "Latencies are counted from the artefact; the shift stands in the provenance.",
         "Check the trigger delay of the machine.", "ncs_cb, public contract section 6"),
    Flag("stimulus_time_uncertain", "trace", "caution",
         "When the stimulus was given is not certain: the file's times say another moment than "
         "the trace, or none.",
         "Latencies may be off by a constant.",
         "State stimulus_delay_ms in study.toml, or export with the stimulus at 0.",
         "ncs_cb, public contract section 6"),
    Flag("unassigned_stimulus", "trace", "caution",
         "The recording holds a further stimulus whose annotation names no site.",
         "Its response stands in no table; a segment may be missing.",
         "Assign it with sites = {...} under [recordings] in study.toml.",
         "ncs_cb, public contract section 6"),
)  # fmt: skip

_SEGMENT: tuple[Flag, ...] = (
    Flag("first_phase_only", "segment", "note",
         "Area or duration over all phases is missing at one of the sites.",
         "The verdict uses the first negative phase.", "Look at both traces for late components."),
    Flag("response_absent_at_site", "segment", "caution",
         "One of the two sites gave no response.",
         "Changes cannot be computed.", "Check the stimulus at that site."),
    Flag("complete_block", "segment", "caution",
         "No response at the proximal site although the stimulus there was supramaximal.",
         "Amplitude and area fall by 100 %; duration is not asked.",
         "Repeat proximally with a longer pulse; look for the response at sites between the two."),
    Flag("entrapment_site", "segment", "caution",
         "The segment contains a common entrapment or compression site.",
         "Criteria sets that exclude such sites do not judge it; the numbers are shown.",
         "Read as entrapment unless other segments say otherwise."),
    Flag("distal_response_small", "segment", "caution",
         "The distal response is at most 1 mV or at most 20 % of its lower limit.",
         "Ratios scatter too widely to be judged.", "Look for axonal loss.",
         "Van Schaik IN et al. J Peripher Nerv Syst 2010;15:295-301"),
    Flag("proximal_larger", "segment", "caution",
         "The proximal response is more than 10 % larger than the distal one.",
         "Submaximal distal stimulation, co-stimulation or anomalous innervation; block may be "
         "hidden.", "Repeat the distal stimulus with a rising current; record the other muscle."),
    Flag("submaximal_distal", "segment", "caution",
         "The distal stimulus is attested or shown to be submaximal.",
         "Block may be hidden.", "Raise the distal current by 20 to 30 % past the plateau."),
    Flag("submaximal_proximal", "segment", "caution",
         "The proximal stimulus is attested or shown to be submaximal, or looks like it: the "
         "response is smaller, but its shape and velocity are unchanged.",
         "The reduction may not be block.",
         "Raise the proximal current by 20 to 30 %; near-nerve or high-voltage stimulation."),
    Flag("supramaximality_not_attested", "segment", "note",
         "Nothing says that both stimuli were supramaximal.",
         "A submaximal proximal stimulus would look like block.",
         "Set supramaximal = true for recordings in which the response had stopped growing."),
    Flag("co_stimulation", "segment", "caution",
         "The response changes shape in a way that suggests a second nerve was stimulated.",
         "The size of the response is not that of one nerve.",
         "Lower the current, use collision, record the other nerve's muscle."),
    Flag("martin_gruber", "segment", "caution",
         "Median and ulnar responses together fit a Martin-Gruber anastomosis in the forearm.",
         "The forearm drop of the ulnar response is not block.",
         "Stimulate the median nerve at the elbow and wrist while recording the ulnar muscle; "
         "collision.", "Ehler 2017 (19.7 % of 457 hands)"),
    Flag("reverse_martin_gruber", "segment", "caution",
         "Median and ulnar responses together fit a reverse (ulnar to median) anastomosis.",
         "The forearm drop of the median response is not block.",
         "Stimulate the ulnar nerve at elbow and wrist while recording the median muscle."),
    Flag("focal_slowing", "segment", "caution",
         "Conduction across an entrapment site is slowed.",
         "Fits entrapment.", "Compare with the neighboring segments.", "AANEM 1999"),
    Flag("cold_limb", "segment", "caution",
         "The hand was colder than 32, or the foot colder than 30 degrees Celsius.",
         "Velocities are too slow and durations too long; numbers are not corrected.",
         "Warm the limb and repeat."),
    Flag("electrode_shift", "segment", "caution",
         "The proximal response has another shape than the distal one, beyond dispersion.",
         "A shift of the recording electrode changes the amplitude ratio by up to 32 % per cm.",
         "Secure the electrode and record all sites again.",
         "Muscle Nerve 1994;17:1286, doi:10.1002/mus.880171107"),
    Flag("filter_mismatch", "segment", "caution",
         "The two sites were recorded with different amplifier filters.",
         "Amplitude, area and duration are not comparable.", "Record all sites with one setting."),
    Flag("erb_without_collision", "segment", "caution",
         "The segment ends at Erb's point and no collision was recorded.",
         "Supramaximal, selective stimulation is not assured; at most probable.",
         "Repeat with collision, or with a distal shock to the other nerve."),
    Flag("axonal_loss_recent", "segment", "caution",
         "Symptoms began less than ten days before the study.",
         "A recent axonal lesion looks like block: the distal stump still conducts.",
         "Repeat after ten days."),
    Flag("length_implausible", "segment", "caution",
         "The distances do not grow from distal to proximal.",
         "No velocity is given.", "Check the distances."),
    Flag("velocity_implausible", "segment", "caution",
         "The proximal latency is not longer than the distal one, or the velocity is above "
         "100 m/s or below 15 m/s.",
         "No velocity is given.", "Check sites, distances and markers."),
    Flag("distance_implausible", "segment", "caution",
         "The distances look like centimetres, or like lengths of segments.",
         "No velocity is given.",
         "State them in mm from the recording electrode, or as distances_cm or "
         "segment_lengths_mm in study.toml.", "ncs_cb, public contract section 6"),
)  # fmt: skip

_ESTIMATE: tuple[Flag, ...] = (
    Flag("estimate_response_absent", "estimate", "invalid",
         "One of the two responses is absent or invalid.",
         "No estimate.", "Look at the traces."),
    Flag("estimate_distal_small", "estimate", "invalid",
         "The distal response is below 1 mV.",
         "No estimate: too few units are left.", "Look for axonal loss."),
    Flag("estimate_residual_large", "estimate", "caution",
         "The proximal response cannot be explained as a delayed part of the distal one.",
         "The interval is widened.", "Think of an electrode shift or co-stimulation."),
    Flag("estimate_filters_differ", "estimate", "invalid",
         "The two responses were recorded with different filters.",
         "No estimate.", "Record all sites with one setting."),
    Flag("estimate_sweep_short", "estimate", "caution",
         "The sweep ends before the proximal response has passed.",
         "The interval is widened.", "Record a longer sweep."),
    Flag("estimate_proximal_exceeds", "estimate", "caution",
         "The proximal response holds more signal than the distal one, or the distal stimulus is "
         "attested to be submaximal.",
         "Block may be hidden; the interval is open upward.",
         "Raise the distal current; think of co-stimulation and of an anastomosis."),
    Flag("estimate_stimulus_unproven", "estimate", "caution",
         "Signal is missing, and nothing says that both stimuli were supramaximal.",
         "A submaximal proximal stimulus would look the same as block.",
         "Raise the proximal current by 20 to 30 %, then set supramaximal = true. Record the "
         "neighboring muscle too: that it answered cannot be seen in two traces."),
)  # fmt: skip

_F_WAVE: tuple[Flag, ...] = (
    Flag("few_stimuli", "f_wave", "note",
         "Fewer than ten stimuli were given.",
         "Minimum latency and persistence are uncertain.", "Give at least ten, better twenty.",
         "Stalberg E et al. Clin Neurophysiol 2019;130:1688-1729"),
)  # fmt: skip

FLAGS: dict[str, Flag] = {f.name: f for f in (*_TRACE, *_SEGMENT, *_ESTIMATE, *_F_WAVE)}
"""Every flag by name, in the order in which they are listed in ``quality_flags``."""

_ORDER = {name: position for position, name in enumerate(FLAGS)}


def join(names: Iterable[str]) -> str:
    """Join flag names by ``;`` in registry order, each once.

    Raises
    ------
    KeyError
        If a name is not in the registry.

    Examples
    --------
    >>> join(["sweep_cut", "clipped", "sweep_cut"])
    'clipped;sweep_cut'
    """
    return ";".join(sorted(set(names), key=_ORDER.__getitem__))


def split(text: str) -> list[str]:
    """Give the names in a ``quality_flags`` cell."""
    return [name for name in text.split(";") if name]


def is_used(text: object) -> bool:
    """Tell by its ``quality_flags`` cell whether a response stands for its site."""
    return not isinstance(text, str) or "not_used" not in names(text)


@lru_cache(maxsize=4096)
def names(text: str) -> frozenset[str]:
    """Give the set of names in a ``quality_flags`` cell; few cells differ, so it is remembered."""
    return frozenset(split(text))
