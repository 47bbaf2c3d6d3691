"""Files that MNE opens, with a guard for each of its traps."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ncs_cb.errors import NcsError, ReadError, StudyError
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.model import Decision, Side, Site, Trace
from ncs_cb.readers._shared.files import inside
from ncs_cb.readers._shared.names import Named, from_label, from_recording_field
from ncs_cb.readers._shared.reader import Input, Recording
from ncs_cb.readers._shared.stimuli import plain, unmarked
from ncs_cb.readers._shared.triggers import is_trigger
from ncs_cb.readers._shared.where import Where, where_of
from ncs_cb.readers._shared.words import translated
from ncs_cb.readers.via_mne.brainvision import Triple, settled, triple
from ncs_cb.readers.via_mne.continuous import found_in_raw
from ncs_cb.readers.via_mne.fif import refuse_tangled_parts
from ncs_cb.readers.via_mne.openers import OPENERS, companions_of
from ncs_cb.readers.via_mne.sweeps import (
    Channels,
    Found,
    Lead,
    described,
    found_in_epochs,
    found_in_evoked,
    traces_of,
)
from ncs_cb.units import millivolts_per

# Samples become float64; 16 bits in a compressed file may grow this much, never more.
_BYTES_PER_SAMPLE, _LARGEST_EXPANSION, _ALWAYS_LOADED_BYTES = 8, 64, 64 * 2**20
_HARMLESS = r"(?s).*(naming conventions|does not conform)"


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
    files = triple(source) if source.path.suffix.lower() == ".vhdr" else None
    with _strict_warnings():
        try:
            if files is None:
                channels, found = _pieces(_open(source.path, source), source)
            else:
                with settled(files, source.path.stem) as path:
                    channels, found = _pieces(_open(path, source), source)
        except NcsError:
            raise
        # MNE and the parsers below it raise anything on damaged bytes, a bare Exception too.
        except Exception as problem:
            raise ReadError(
                f"MNE cannot read this file ({type(problem).__name__}).",
                hint="Export it again, or convert it to EDF+ or a sweep table.",
            ) from None
    return _recording(channels, found, source, files)


# --------------------------------------------------------------------------- opening


@contextmanager
def _strict_warnings() -> Iterator[None]:
    """Make warnings about missing data errors: they would pass for a complete recording."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", RuntimeWarning)
        warnings.filterwarnings("ignore", message=_HARMLESS)
        yield


def _open(path: Path, source: Input) -> Any:
    """Open a file as Raw, Epochs or a list of Evoked, samples loaded."""
    import mne

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
    held = len(source.data) + sum(Path(file).stat().st_size for file in raw.filenames)
    claimed = len(raw.times) * len(raw.ch_names) * _BYTES_PER_SAMPLE
    if claimed > max(_ALWAYS_LOADED_BYTES, _LARGEST_EXPANSION * held):
        raise ReadError(
            f"the header claims {claimed / 2**20:.0f} MiB of samples; the files hold "
            f"{held / 2**20:.0f} MiB."
        )
    return raw.load_data(verbose="error")


def _pieces(made: Any, source: Input) -> tuple[Channels, Found]:
    """Give channels and sweeps of an MNE object."""
    sites, name = source.override.sites, source.name
    if isinstance(made, list):
        if not made:
            raise StudyError("the file holds no response.")
        if any(e.ch_names != made[0].ch_names for e in made):
            raise StudyError("the evoked responses differ in their channels.")
        return described(made[0].info), found_in_evoked(made, sites, name)
    if hasattr(made, "first_samp"):
        found = set(made.annotations.description)
        made.annotations.rename(_usual_words(found, source))
        return described(made.info), found_in_raw(made, sites, name)
    usual = _usual_words(made.event_id, source)
    made.event_id = {usual.get(text, text): code for text, code in made.event_id.items()}
    return described(made.info), found_in_epochs(made, sites, name)


def _usual_words(texts: Iterable[str], source: Input) -> dict[str, str]:
    """Give the usual words for each text that holds the laboratory's own and nobody assigned."""
    told = {plain(text) for text in source.override.sites}
    found = {
        t: translated(unmarked(t), source.words) for t in map(str, texts) if plain(t) not in told
    }
    return {text: new for text, new in found.items() if new != unmarked(text)}


# --------------------------------------------------------------------------- traces


@dataclass(frozen=True, slots=True)
class _Channel:
    """A channel that holds responses."""

    index: int
    muscle: str
    side: Side | None


def _recording(channels: Channels, found: Found, source: Input, files: Triple | None) -> Recording:
    field = from_recording_field(channels.description)
    recorded = _channels(channels, field, source)
    decisions = [*(files.decisions if files else ()), _unit_decision(source, files)]
    if found.free and not source.keep_identity:
        why = f"{len(found.free)} free annotations were not kept: free text may hold a name"
        decisions.append(Decision(source.name, "notes", "dropped", why))
    traces: list[Trace] = []
    if found.sweeps:
        decisions.append(Decision(source.name, "sweeps", str(len(found.sweeps)), found.way))
        spoken = [sweep.spoken for sweep in found.sweeps]
        where = where_of(field, recorded, spoken, source, decisions)
        for channel in recorded:
            made, decided = _traces(channel, channels, found, where, source, _factor(source, files))
            traces += made
            decisions += decided
    elif not found.unassigned:
        raise StudyError(
            f"no stimulus: none of {len(found.free)} annotations is a stimulus or a site name.",
            hint="Name the stimuli by site, for example 'Stimulus right wrist', or make epochs and "
            "call ncs_cb.study_from_epochs. 'ncs-cb formats via_mne' says what is needed.",
        )
    companions = files.companions if files else companions_of(source.path)
    return Recording(
        tuple(traces),
        decisions=tuple(decisions),
        notes=found.free if source.keep_identity else (),
        companions=tuple(p for p in companions if p.is_file()),
        unassigned=found.unassigned,
    )


def _unit_decision(source: Input, files: Triple | None) -> Decision:
    told = source.override.unit
    if told is None or files is not None:
        return Decision(source.name, "unit", "V", "as MNE reads the file")
    millivolts_per(told, source="study.toml")
    reason = "study.toml says what the numbers of the file are"
    return Decision(source.name, "unit", told, reason)


def _factor(source: Input, files: Triple | None) -> float:
    """Give from what MNE gives to mV: it took the numbers for V, of EEGLAB files for uV."""
    told = source.override.unit
    if told is None or files is not None:
        return 1e3
    is_eeglab = source.path.suffix.lower() == ".set"
    return millivolts_per(told) * (1e6 if is_eeglab else 1.0)


def _channels(channels: Channels, field: Named, source: Input) -> list[_Channel]:
    """Choose the channels that hold responses: those named after a muscle, or NC or EMG."""
    told = source.override
    named = [(i, n) for i, n in enumerate(map(from_label, channels.names)) if n.is_response]
    others = [i for i, name in enumerate(channels.names) if not is_trigger(name)]
    if not named and len(others) == 1:
        named = [(others[0], Named())]
    if told.muscle and len(named) > 1:
        named = [(i, n) for i, n in named if n.muscle == told.muscle]
    if not named:
        raise StudyError(
            f"none of {len(channels.names)} channels is named after a known muscle; known: "
            f"{', '.join(anatomy().muscles)}.",
            hint="Channel names such as 'R APB' are understood, or call study_from_epochs.",
        )
    made = []
    for index, name in named:
        muscle = (told.muscle if len(named) == 1 else None) or name.muscle or field.muscle
        if muscle is None:
            raise StudyError(
                f"a channel names no known muscle; known: {', '.join(anatomy().muscles)}.",
                hint=f'Set muscle under [recordings."{source.name}"] in study.toml.',
            )
        made.append(_Channel(index, muscle, name.side))
    return made


def _traces(
    channel: _Channel,
    channels: Channels,
    found: Found,
    where: Where,
    source: Input,
    factor: float,
) -> tuple[list[Trace], list[Decision]]:
    both = len(set(where.sides)) > 1
    mine = [i for i, s in enumerate(where.sides) if not both or channel.side in (None, s)]
    if not mine:
        return [], []
    return traces_of(
        [found.sweeps[i] for i in mine],
        mine,
        Lead(channel.index, source.name, factor),
        channels,
        [
            Site(where.nerves[i], where.sides[i], channel.muscle, found.sweeps[i].spoken.site or "")
            for i in mine
        ],
        where.kind,
        source.override,
    )
