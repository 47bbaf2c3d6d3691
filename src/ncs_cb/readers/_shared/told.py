"""What ``study.toml`` says of a recording: spellings settled, then put over what the file said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from ncs_cb.discreet import is_telling
from ncs_cb.errors import StudyError, did_you_mean
from ncs_cb.knowledge.anatomy import anatomy, find, resolve
from ncs_cb.model import (
    Decision,
    Details,
    RecordingOverride,
    Sayer,
    Side,
    Stimulus,
    Trace,
    TypedResponse,
    UnassignedStimulus,
)
from ncs_cb.readers._shared.names import SIDES
from ncs_cb.readers._shared.reader import Input, Recording

_FILE = "study.toml"
_NOTHING_TOLD = RecordingOverride()
_Value = TypeVar("_Value")
_Answer = TypeVar("_Answer", Trace, TypedResponse)


# --------------------------------------------------------------------------- spellings


def settle(details: Details) -> Details:
    """Turn every spelling of nerve, side, muscle and site in ``study.toml`` into an id.

    Raises
    ------
    StudyError
        If one is unknown; the message names the key and the nearest name.
    """
    rows = (details.sensory, details.f_waves, details.strength, details.needle_emg)
    if not (details.recordings or any(rows)):
        return details
    return replace(
        details,
        recordings={name: _override(name, told) for name, told in details.recordings.items()},
        sensory=tuple(
            replace(
                v, nerve=resolve("nerves", v.nerve, source=_FILE), side=_side(v.side, "sensory")
            )
            for v in details.sensory
        ),
        f_waves=tuple(
            replace(
                v,
                nerve=resolve("nerves", v.nerve, source=_FILE),
                side=_side(v.side, "f_wave"),
                muscle=_resolved("muscles", v.muscle),
            )
            for v in details.f_waves
        ),
        strength=tuple(replace(v, side=_side(v.side, "strength")) for v in details.strength),
        # A needle reaches many muscles that no electrode of a motor study records from.
        needle_emg=tuple(
            replace(
                v,
                muscle=find("muscles", v.muscle) or v.muscle.strip(),
                side=_side(v.side, "needle_emg"),
            )
            for v in details.needle_emg
        ),
    )


def _override(name: str, told: RecordingOverride) -> RecordingOverride:
    path = f'recordings."{name[:120]}"'
    return replace(
        told,
        nerve=_resolved("nerves", told.nerve),
        side=None if told.side is None else _side(told.side, path),
        muscle=_resolved("muscles", told.muscle),
        sites={text: resolve("sites", site, source=_FILE) for text, site in told.sites.items()},
        distances_mm=_by(_site, told.distances_mm, f"{path}.distances_mm"),
        segment_lengths_mm=_by(_segment, told.segment_lengths_mm, f"{path}.segment_lengths_mm"),
        responses=_by(_site, told.responses, f"{path}.responses"),
    )


def _resolved(what: Any, text: str | None) -> str | None:
    return None if text is None else resolve(what, text, source=_FILE)


def _site(text: str) -> str:
    return resolve("sites", text, source=_FILE)


def _segment(text: str) -> str:
    """Read ``wrist-below_elbow``, with either end first."""
    for at, letter in enumerate(text):
        if letter in "-\u2013\u2014":
            distal, proximal = find("sites", text[:at]), find("sites", text[at + 1 :])
            if distal and proximal:
                return f"{distal}-{proximal}"
    raise StudyError(
        f"'{text[:60]}' is no segment; write the two sites with a hyphen: wrist-below_elbow.",
        source=_FILE,
    )


def _by(read: Callable[[str], str], told: Mapping[str, _Value], path: str) -> dict[str, _Value]:
    made: dict[str, _Value] = {}
    for text, value in told.items():
        key = read(text)
        if key in made:
            raise StudyError(f"{path}: '{key}' is said twice.", source=_FILE)
        made[key] = value
    return made


def _side(text: str, path: str) -> Side:
    side = SIDES.get(text.strip().casefold())
    if side is None:
        raise StudyError(f"{path}.side: '{text[:40]}'; allowed: left, right.", source=_FILE)
    return side


# --------------------------------------------------------------------------- over what was read


def said(value: bool | None, by: Sayer) -> Sayer | None:
    """Name who said something, or nobody."""
    return None if value is None else by


def apply(recording: Recording, told: RecordingOverride, name: str) -> Recording:
    """Put distances and attestations of ``study.toml`` over those of one recording.

    Parameters
    ----------
    recording : Recording
        As its reader gave it.
    told : RecordingOverride
        Spellings settled.
    name : str
        What the recording is called.

    Raises
    ------
    StudyError
        If a site is named that the recording does not have.
    """
    if not (recording.traces or recording.typed_responses):
        return recording
    # numpy: only where there are samples or numbers
    from ncs_cb.readers._shared.doubts import asked

    recording = asked(recording, told, name)
    answers: tuple[Trace | TypedResponse, ...] = (*recording.traces, *recording.typed_responses)
    if told == _NOTHING_TOLD or not answers:
        return recording
    held = {answer.site.stimulation_site for answer in answers}
    _refuse_absent_sites(told, held, name)
    distances, decisions = _distances(recording, told, name)
    return replace(
        recording,
        traces=tuple(_told_of(t, told, distances) for t in recording.traces),
        typed_responses=tuple(_told_of(t, told, distances) for t in recording.typed_responses),
        decisions=(*recording.decisions, *decisions),
    )


def _refuse_absent_sites(told: RecordingOverride, held: set[str], name: str) -> None:
    ends = [end for segment in told.segment_lengths_mm for end in segment.split("-")]
    for site in (*told.distances_mm, *told.responses, *ends):
        if site not in held:
            raise StudyError(
                f"recordings.\"{name}\": the recording has no stimulus at '{site}'; it has: "
                f"{', '.join(sorted(held))}.",
                source=_FILE,
            )


def _told_of(answer: _Answer, told: RecordingOverride, distances: Mapping[str, float]) -> _Answer:
    site = answer.site.stimulation_site
    of_site = told.responses.get(site)
    supramaximal = told.supramaximal
    if of_site is not None and of_site.supramaximal is not None:
        supramaximal = of_site.supramaximal
    stimulus = attested(answer.stimulus, supramaximal, told.collision_used, by="study.toml")
    if site in distances:
        stimulus = replace(stimulus, distance_mm=distances[site])
    return replace(answer, stimulus=stimulus)


def attested(
    stimulus: Stimulus, supramaximal: bool | None, collision: bool | None, *, by: Sayer
) -> Stimulus:
    """Give a stimulus with what somebody says of it; None leaves what was said before."""
    if supramaximal is not None:
        stimulus = replace(stimulus, is_supramaximal=supramaximal, supramaximal_by=by)
    if collision is not None:
        stimulus = replace(stimulus, collision_used=collision, collision_by=by)
    return stimulus


def _distances(
    recording: Recording, told: RecordingOverride, name: str
) -> tuple[dict[str, float], list[Decision]]:
    """Give the distances told, and those that follow from lengths of segments."""
    distances = dict(told.distances_mm)
    if not told.segment_lengths_mm:
        return distances, []
    answers: tuple[Trace | TypedResponse, ...] = (*recording.traces, *recording.typed_responses)
    nerve = answers[0].site.nerve
    order = anatomy().nerves[nerve].sites
    of_file = {
        a.site.stimulation_site: a.stimulus.distance_mm
        for a in answers
        if a.stimulus.distance_mm is not None
    }
    links = sorted(
        (sorted(segment.split("-"), key=order.index), length)
        for segment, length in told.segment_lengths_mm.items()
    )
    links.sort(key=lambda link: order.index(link[0][0]))
    decisions = []
    for (distal, proximal), length in links:
        if distal not in distances:
            start = of_file.get(distal)
            if start is None:
                start = 0.0
                decisions.append(
                    Decision(
                        name,
                        "distance",
                        f"counted from {distal}",
                        "study.toml gives lengths of segments and nobody the distance of this site",
                    )
                )
            distances[distal] = start
        distances[proximal] = round(distances[distal] + length, 6)
    return distances, decisions


def left_unassigned(unassigned: Sequence[UnassignedStimulus]) -> tuple[Decision, ...]:
    """Say in the provenance which stimuli name no site and were not read."""
    return tuple(
        Decision(
            u.recording,
            "unassigned stimulus",
            u.text or "without a text",
            f"sweep {u.sweep}{'' if u.time_s is None else f', at {u.time_s:g} s'}: no site is "
            "named, nothing of it is measured",
        )
        for u in unassigned
    )


def nothing_assigned(unassigned: Sequence[UnassignedStimulus]) -> StudyError:
    """Give the error of a study in which no stimulus names a site; it says how to name them."""
    texts = list(dict.fromkeys(u.text for u in unassigned if u.text))
    listed = ", ".join(f"'{text}'" for text in texts[:8]) + (", ..." if len(texts) > 8 else "")
    # A text that may name a person is not told: it is to be copied from the file.
    open_ones = [text for text in texts if not is_telling(text)]
    first, name = (open_ones or ["text of the annotation"])[0], unassigned[0].recording
    return StudyError(
        f"no stimulus names a site: {listed or 'the records hold no text'}.",
        source=name,
        hint=f'Name the sites in study.toml: [recordings."{name}"] sites = '
        f'{{ "{first}" = "wrist" }}; \'ncs-cb nerves\' lists them.',
    )


def by_recording(
    told: Mapping[str, RecordingOverride],
    inputs: Sequence[Input],
    unread: Sequence[Input],
    *,
    lone: bool,
) -> dict[str, RecordingOverride]:
    """Give the overrides by recording; a name that fits no recording is an error, not ignored.

    `unread` are the files that no reader took.
    """
    names = {name: source.name for source in inputs for name in (source.name, source.path.name)}
    given = {}
    for name, override in told.items():
        if name in names:
            given[names[name]] = override
        elif not lone and any(name in (one.name, one.path.name) for one in unread):
            raise StudyError(
                f"recordings: no reader understands '{name}': it begins like no format we know.",
                source=_FILE,
                hint="'ncs-cb formats FORMAT' says what a file of each format holds; a table is "
                "read with --layout.",
            )
        elif not lone:
            known = ", ".join(sorted(names)) or "none"
            raise StudyError(
                f"recordings: no such recording '{name}'; known: {known}."
                + did_you_mean(name, names),
                source=_FILE,
            )
    return given
