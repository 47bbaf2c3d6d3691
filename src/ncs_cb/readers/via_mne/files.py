"""Files that MNE opens, with a guard for each of its traps."""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ncs_cb.errors import NcsError, ReadError, StudyError, UnitError
from ncs_cb.knowledge.anatomy import anatomy, nerve_of_muscle
from ncs_cb.model import Decision, Trace
from ncs_cb.readers._shared import windows
from ncs_cb.readers._shared.files import inside
from ncs_cb.readers._shared.names import Named, from_label, from_recording_field
from ncs_cb.readers._shared.reader import Input, Recording
from ncs_cb.readers._shared.stimuli import Spoken, resembles_site, stimulus
from ncs_cb.readers.via_mne import OPENERS, companions_of
from ncs_cb.readers.via_mne.fif import refuse_tangled_parts
from ncs_cb.readers.via_mne.sweeps import (
    Channels,
    Sweep,
    described,
    epoch_sweeps,
    evoked_sweep,
    traces_of,
)
from ncs_cb.units import MILLIVOLTS_PER

# Samples become float64; 16 bits in a compressed file may grow this much, never more.
_BYTES_PER_SAMPLE, _LARGEST_EXPANSION, _ALWAYS_LOADED_BYTES = 8, 64, 64 * 2**20
_HARMLESS = r"(?s).*(naming conventions|does not conform)"
_BREAK = re.compile(r"(bad|edge)[ _]?(boundary|acq_skip)|new segment|^boundary", re.IGNORECASE)
_PREFIX = re.compile(r"^(comment|stimulus|response|marker)/\s*", re.IGNORECASE)


def read(source: Input) -> Recording:
    """Read a file through MNE.

    Raises
    ------
    ReadError
        If MNE cannot read it, or warns that it is incomplete.
    UnitError
        If a unit is missing or unknown, or a response is above 0.1 V.
    StudyError
        If there is no stimulus, or nerve, side, muscle or site are unknown.
    """
    if not source.data:
        raise ReadError("the file is empty.")
    if source.path.suffix.lower() == ".vhdr":
        _refuse_unknown_units(source.data)
        _refuse_foreign_companions(source)
    with _strict_warnings():
        try:
            made = _open(source)
            channels, sweeps, free = _pieces(made)
        except NcsError:
            raise
        # MNE and the parsers below it raise anything on damaged bytes, a bare Exception too.
        except Exception as problem:
            raise ReadError(
                f"MNE cannot read this file ({type(problem).__name__}).",
                hint="Export it again, or convert it to EDF+ or a sweep table.",
            ) from None
    return _recording(channels, sweeps, free, source)


# --------------------------------------------------------------------------- opening


@contextmanager
def _strict_warnings() -> Iterator[None]:
    """Make warnings about missing data errors: they would pass for a complete recording."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)
        warnings.filterwarnings("ignore", message=_HARMLESS)
        yield


def _open(source: Input) -> Any:
    """Open a file as Raw, Epochs or a list of Evoked, samples loaded."""
    import mne

    path = source.path
    if not path.name.lower().endswith((".fif", ".fif.gz")):
        raw = getattr(mne.io, OPENERS[path.suffix.lower()])(path, preload=False, verbose="error")
        return _loaded(raw, source)
    refuse_tangled_parts(path, source.data)
    what = mne.what(path)
    if what == "epochs":
        return mne.read_epochs(path, preload=True, verbose="error")
    if what == "evoked":
        return mne.read_evokeds(path, verbose="error")
    return _loaded(mne.io.read_raw_fif(path, preload=False, verbose="error"), source)


def _loaded(raw: Any, source: Input) -> Any:
    """Load the samples, unless the header claims far more than the files could hold."""
    for file in raw.filenames:
        inside(Path(file), source.path.parent, said_by="the header")
    beside = sum(p.stat().st_size for p in companions_of(source.path) if p.is_file())
    held = len(source.data) + beside
    claimed = len(raw.times) * len(raw.ch_names) * _BYTES_PER_SAMPLE
    if claimed > max(_ALWAYS_LOADED_BYTES, _LARGEST_EXPANSION * held):
        raise ReadError(
            f"the header claims {claimed / 2**20:.0f} MiB of samples; the files hold "
            f"{held / 2**20:.0f} MiB."
        )
    return raw.load_data(verbose="error")


def _refuse_foreign_companions(source: Input) -> None:
    """Refuse a BrainVision header whose data or markers lie elsewhere, before MNE opens them."""
    text = source.data.decode("latin-1")
    for name in re.findall(r"(?mi)^(?:DataFile|MarkerFile)\s*=\s*(.*?)\s*$", text):
        # "$b" stands for the header's own name; a backslash is a separator wherever it is read.
        spelled = name.replace("$b", source.path.stem).replace("\\", "/")
        place = source.path.parent / spelled
        if "/" in spelled or place.exists():
            inside(place, source.path.parent, said_by="the header")


def _refuse_unknown_units(vhdr: bytes) -> None:
    """Hold the units of a BrainVision header against the list: MNE takes unknown ones as volts.

    A channel without a unit field is in microvolts by the format's definition.
    """
    section = re.search(r"(?ms)^\[Channel Infos\](.*?)(^\[|\Z)", vhdr.decode("utf-8", "replace"))
    for line in (section[1] if section else "").splitlines():
        found = re.match(r"Ch\d+=(.*)", line.strip())
        parts = found[1].split(",") if found else []
        unit = parts[3].strip() if len(parts) > 3 else "\u00b5V"
        label = from_label(parts[0].replace("\\1", ",")) if parts else Named()
        if unit not in MILLIVOLTS_PER and (label.is_response or _is_voltage(unit)):
            raise UnitError(
                f"unknown voltage unit '{unit[:12]}'; known: V, mV, uV, nV (upper and lower case "
                "matter).",
                hint="Correct the unit in the .vhdr file.",
            )


def _is_voltage(unit: str) -> bool:
    return unit.casefold().endswith("v") or not unit


def _pieces(made: Any) -> tuple[Channels, list[Sweep], int]:
    """Give channels, sweeps and the number of free annotations of an MNE object."""
    if isinstance(made, list):
        if not made:
            raise StudyError("the file holds no response.")
        if any(e.ch_names != made[0].ch_names for e in made):
            raise StudyError("the evoked responses differ in their channels.")
        return described(made[0].info), [evoked_sweep(e, None) for e in made], 0
    if hasattr(made, "first_samp"):
        sweeps, free = _raw_sweeps(made)
        return described(made.info), sweeps, free
    return described(made.info), epoch_sweeps(made, None), 0


# --------------------------------------------------------------------------- sweeps


def _raw_sweeps(raw: Any) -> tuple[list[Sweep], int]:
    """Cut a continuous recording around its stimulus annotations, never across a break."""
    import mne

    texts = list(dict.fromkeys(str(d) for d in raw.annotations.description))
    events, _ = mne.events_from_annotations(
        raw, event_id={text: i for i, text in enumerate(texts)}, regexp=None, verbose="error"
    )
    rate, length = float(raw.info["sfreq"]), len(raw.times)
    at = [(int(sample) - raw.first_samp, texts[code]) for sample, _, code in events]
    breaks = sorted({0, length, *(p for p, text in at if _BREAK.search(text) and 0 < p < length)})
    spoken = [(p, _said(text)) for p, text in at if not _BREAK.search(text)]
    cues = [(p, s) for p, s in spoken if s is not None]
    free = len(spoken) - len(cues)
    if not cues:
        raise StudyError(
            f"no stimulus: none of {len(texts)} kinds of annotations is a stimulus or a site "
            f"name.{_nearest_site(texts)}",
            hint="Name the stimuli by site, for example 'Stimulus right wrist', or make epochs and "
            "call ncs_cb.study_from_epochs.",
        )
    bounds = [_stretch(breaks, position) for position, _ in cues]
    edges = windows.windows([p for p, _ in cues], bounds, rate)
    volts = raw.get_data()
    return [
        Sweep(volts[:, a:b], position - a, said)
        for (a, b), (position, said) in zip(edges, cues, strict=True)
    ], free


def _stretch(breaks: Sequence[int], position: int) -> tuple[int, int]:
    """Give the uninterrupted stretch that a sample lies in."""
    for low, high in itertools.pairwise(breaks):
        if low <= position < high:
            return low, high
    return breaks[-2], breaks[-1]


def _said(text: str) -> Spoken | None:
    """Read an annotation, without the kind that BrainVision puts before it."""
    said = stimulus(text)
    return said if said is not None and said.site else stimulus(_PREFIX.sub("", text)) or said


def _nearest_site(texts: Sequence[str]) -> str:
    return next((near for text in texts if (near := resembles_site(_PREFIX.sub("", text)))), "")


# --------------------------------------------------------------------------- traces


def _recording(channels: Channels, sweeps: Sequence[Sweep], free: int, source: Input) -> Recording:
    told = source.override
    named = [(i, n) for i, n in enumerate(map(from_label, channels.names)) if n.is_response]
    if not named and len(channels.names) == 1:
        named = [(0, Named())]
    if told.muscle and len(named) > 1:
        named = [(i, n) for i, n in named if n.muscle == told.muscle]
    if not named:
        raise StudyError(
            f"none of {len(channels.names)} channels is named after a known muscle; known: "
            f"{', '.join(anatomy().muscles)}.",
            hint="Channel names such as 'R APB' are understood, or call study_from_epochs.",
        )
    field = from_recording_field(channels.description)
    decisions = [Decision(source.name, "unit", "V", "as MNE reads the file")]
    if free and not source.keep_identity:
        decisions.append(
            Decision(source.name, "notes", "dropped", f"{free} free annotations were not kept")
        )
    traces: list[Trace] = []
    for index, name in named:
        muscle = (told.muscle if len(named) == 1 else None) or name.muscle or field.muscle
        nerve = told.nerve or field.nerve or (nerve_of_muscle(muscle) if muscle else None)
        sides = {field.side, name.side, *(s.spoken.side for s in sweeps)} - {None}
        side = told.side or (sides.pop() if len(sides) == 1 else None)
        if muscle is None or nerve is None or side is None:
            missing = [
                w for w, v in (("nerve", nerve), ("side", side), ("muscle", muscle)) if not v
            ]
            raise StudyError(
                f"not stated, or contradicting: {', '.join(missing)}.",
                hint=f'Set it under [recordings."{source.name}"] in study.toml.',
            )
        made, decided = traces_of(
            sweeps, index, channels, (nerve, side, muscle, field.kind or "motor"), source.name, told
        )
        traces += made
        decisions += decided
    companions = tuple(p for p in companions_of(source.path) if p.is_file())
    return Recording(tuple(traces), decisions=tuple(decisions), companions=companions)
