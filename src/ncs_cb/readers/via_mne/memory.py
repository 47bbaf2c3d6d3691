"""MNE epochs and evoked responses in memory to a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ncs_cb.errors import ArgumentError, StudyError, did_you_mean
from ncs_cb.knowledge.anatomy import resolve
from ncs_cb.model import Details, Kind, Polarity, RecordingOverride, Side, Site, Study
from ncs_cb.readers._shared.doubts import questioned
from ncs_cb.readers._shared.names import from_label
from ncs_cb.readers._shared.scale import checked_scale
from ncs_cb.readers._shared.stated import against_stated
from ncs_cb.readers._shared.told import left_unassigned
from ncs_cb.readers.via_mne.continuous import found_in_raw
from ncs_cb.readers.via_mne.sweeps import (
    Found,
    Lead,
    Sweep,
    described,
    epoch_sweeps,
    evoked_sweep,
    plausible,
    traces_of,
)
from ncs_cb.units import FARTHEST_MM

if TYPE_CHECKING:
    import mne


def _refuse_other_words(side: str, polarity: str, kind: str) -> None:
    if side not in ("left", "right") or kind not in ("motor", "sensory", "f_wave"):
        raise ArgumentError("side is 'left' or 'right'; kind is 'motor', 'sensory' or 'f_wave'")
    if polarity not in ("negative_up", "negative_down", "auto"):
        raise ArgumentError("polarity is 'negative_up', 'negative_down' or 'auto'")


def _at_distances(sweeps: Sequence[Sweep], distances_mm: Mapping[str, float]) -> list[Sweep]:
    """Give the sweeps with the distances of their sites; without one, as their marker says."""
    by_site = {
        resolve("sites", site): plausible(far, f"distances_mm: {site}", FARTHEST_MM)
        for site, far in distances_mm.items()
    }

    def placed(sweep: Sweep) -> Sweep:
        spoken = sweep.spoken
        far = by_site.get(spoken.site or "", spoken.distance_mm)
        return replace(sweep, spoken=replace(spoken, distance_mm=far))

    return [placed(sweep) for sweep in sweeps]


def study_from_epochs(
    epochs: mne.BaseEpochs | mne.io.BaseRaw | mne.Evoked | Sequence[mne.Evoked],
    *,
    nerve: str,
    side: Side,
    muscle: str,
    sites: Mapping[str, str] | None = None,
    distances_mm: Mapping[str, float] | None = None,
    polarity: Polarity = "auto",
    kind: Kind = "motor",
    channel: str | None = None,
    study_id: str = "epochs",
    details: Details | None = None,
) -> Study:
    """Make a study from MNE epochs, or from one or several evoked responses, in memory.

    Parameters
    ----------
    epochs : mne.Epochs, mne.io.Raw, mne.Evoked or sequence of mne.Evoked
        Data in V, time 0 at the stimulus. One epoch is one sweep; a continuous recording is cut
        around its annotations or triggers. What is not loaded yet is loaded, into a copy.
    nerve, muscle : str
        Ids or spellings of the anatomy table.
    side : str
        ``left`` or ``right``.
    sites : mapping, optional
        From event name (``Evoked.comment``, annotation, trigger code) to stimulation site. By
        default the metadata column ``site`` is used, else the event names themselves. Columns
        ``distance_mm``, ``stimulus_ma`` and ``supramaximal`` are understood too.
    distances_mm : mapping, optional
        From site to the distance between stimulus and recording electrode.
    polarity : str
        ``negative_up``, ``negative_down`` or ``auto`` (from the responses).
    kind : str
        ``motor``, ``sensory`` or ``f_wave``.
    channel : str, optional
        Needed when there are several channels and none, or more than one, is named after
        `muscle`.
    study_id : str
    details : Details, optional

    Returns
    -------
    Study
        Epochs of one event, site and current are repeats of one setting.

    Raises
    ------
    StudyError
        If nerve, muscle, site or channel are unknown, or there is no epoch.
    UnitError
        If a response is above 0.1 V.
    ArgumentError
        If `side`, `polarity` or `kind` is none of the words above.

    Examples
    --------
    >>> study = study_from_epochs(epochs, nerve="ulnar", side="right", muscle="adm",
    ...     sites={"S1": "wrist", "S2": "below_elbow"},
    ...     distances_mm={"wrist": 70, "below_elbow": 280})  # doctest: +SKIP
    """
    _refuse_other_words(side, polarity, kind)
    nerve_id, muscle_id = resolve("nerves", nerve), resolve("muscles", muscle)
    info, found = _in_memory(epochs, sites, study_id)
    if not (found.sweeps or found.unassigned):
        raise StudyError(
            "there is no response: the object holds no epoch or stimulus.",
            hint="Look whether all epochs were dropped (epochs.drop_log), or none was annotated.",
        )
    channels = described(info)
    placed = _at_distances(found.sweeps, distances_mm or {})
    traces, decisions = traces_of(
        placed,
        range(len(placed)),
        Lead(_channel_index(channels.names, channel, muscle_id), study_id),
        channels,
        [Site(nerve_id, side, muscle_id, s.spoken.site or "") for s in placed],
        kind,
        RecordingOverride(polarity=polarity),
    )
    asked, doubts, reach_mv = questioned(
        traces, study_id, delay_ms=None, is_polarity_told=polarity != "auto"
    )
    asked, against = against_stated(asked, decisions, study_id)
    asked, _ = checked_scale(asked, reach_mv, (), study_id)
    kept = tuple(d for d in (*decisions, *doubts, *against) if d.topic != "sweeps")
    if found.unassigned:
        texts = [f"'{u.text}'" for u in found.unassigned]
        if not asked:
            raise StudyError(
                f"no stimulus names a site: {', '.join(dict.fromkeys(texts[:8]))}.",
                hint=f"Name them, sites={{{texts[0]}: 'wrist'}}; 'ncs-cb nerves' lists the sites.",
            )
        asked = tuple(replace(t, flags=(*t.flags, "unassigned_stimulus")) for t in asked)
    return Study(
        study_id,
        asked,
        details=details or Details(),
        decisions=(*kept, *left_unassigned(found.unassigned)),
        unassigned=found.unassigned,
    )


def _in_memory(made: Any, sites: Mapping[str, str] | None, name: str) -> tuple[Any, Found]:
    """Give the info and the sweeps of what MNE holds; what was not loaded yet is loaded.

    Raises
    ------
    StudyError
        If it is no MNE object with responses.
    """
    if hasattr(made, "event_id") and hasattr(made, "get_data"):
        if not made.preload:
            made = made.copy().load_data()
        return made.info, Found(epoch_sweeps(made, sites))
    if hasattr(made, "first_samp"):
        if not made.preload:
            made = made.copy().load_data(verbose="error")
        named = {text: resolve("sites", site) for text, site in (sites or {}).items()}
        return made.info, found_in_raw(made, named, name)
    try:
        listed = [made] if hasattr(made, "comment") else list(made)
    except TypeError:
        listed = [made]
    for one in listed:
        if not (hasattr(one, "comment") and hasattr(one, "info")):
            what = "an array" if hasattr(one, "shape") else f"'{type(one).__name__}'"
            raise StudyError(
                f"{what} is no MNE object: it names no rate, unit or site.",
                hint="Give mne.Epochs, mne.Evoked or mne.io.Raw; for arrays in mV call "
                "ncs_cb.study_from_arrays.",
            )
    info = listed[0].info if listed else None
    return info, Found([evoked_sweep(evoked, sites) for evoked in listed])


def _channel_index(names: Sequence[str], wanted: str | None, muscle: str) -> int:
    if wanted is not None:
        if wanted not in names:
            raise StudyError(
                f"unknown channel '{wanted}'; known: {', '.join(names)}."
                + did_you_mean(wanted, names)
            )
        return list(names).index(wanted)
    fitting = [i for i, name in enumerate(names) if from_label(name).muscle == muscle]
    if len(names) == 1:
        return 0
    if len(fitting) != 1:
        raise StudyError(
            f"{len(fitting)} of {len(names)} channels are named after '{muscle}'; name one with "
            "channel=...",
        )
    return fitting[0]
