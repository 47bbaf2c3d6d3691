"""The registry of quality flags: every doubt defined once.

What was seen, what it does to the numbers and what to do next stand in the catalogs,
``tables/words/<lang>.toml``, under ``flag_meaning``, ``flag_effect`` and ``flag_action``.

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
    source : str
        Where the check comes from.
    """

    name: str
    scope: Scope
    level: Level
    source: str = "ncs_cb, project policy"


_CONTRACT = "ncs_cb, public contract section 6"
_STALBERG = "Stalberg E et al. Clin Neurophysiol 2019;130:1688-1729"
_VAN_SCHAIK = "Van Schaik IN et al. J Peripher Nerv Syst 2010;15:295-301"
_MUSCLE_NERVE = "Muscle Nerve 1994;17:1286, doi:10.1002/mus.880171107"

_ALL = (
    Flag("non_finite_samples", "trace", "invalid"),
    Flag("flat_trace", "trace", "invalid"),
    Flag("stimulus_outside_trace", "trace", "invalid"),
    Flag("response_begun_before_sweep", "trace", "invalid", _CONTRACT),
    Flag("clipped", "trace", "invalid"),
    Flag("response_absent", "trace", "caution"),
    Flag("initial_positivity", "trace", "note", _STALBERG),
    Flag("late_negative_component", "trace", "note", "ncs_cb, simulation"),
    Flag("sweep_cut", "trace", "caution"),
    Flag("no_prestimulus_baseline", "trace", "note"),
    Flag("sweep_starts_late", "trace", "caution", _CONTRACT),
    Flag("artifact_removed", "trace", "note"),
    Flag("artifact_overlaps_onset", "trace", "caution"),
    Flag("artifact_clipped", "trace", "note"),
    Flag("late_response", "trace", "note"),
    Flag("early_potential", "trace", "caution"),
    Flag("noisy_baseline", "trace", "caution"),
    Flag("sweeps_rejected", "trace", "note"),
    Flag("not_used", "trace", "note"),
    Flag("supramaximality_denied", "trace", "caution"),
    Flag("differs_from_machine", "trace", "caution"),
    Flag("reviewed", "trace", "note"),
    Flag("polarity_uncertain", "trace", "caution"),
    Flag("polarity_differs", "trace", "caution", _CONTRACT),
    Flag("amplitude_implausible", "trace", "caution", _CONTRACT),
    Flag("stray_sample", "trace", "caution"),
    Flag("repeats_aligned", "trace", "note"),
    Flag("repeats_differ", "trace", "caution", _CONTRACT),
    Flag("stimulus_realigned", "trace", "note", _CONTRACT),
    Flag("stimulus_time_uncertain", "trace", "caution", _CONTRACT),
    Flag("unassigned_stimulus", "trace", "caution", _CONTRACT),
    Flag("first_phase_only", "segment", "note"),
    Flag("response_absent_at_site", "segment", "caution"),
    Flag("complete_block", "segment", "caution"),
    Flag("entrapment_site", "segment", "caution"),
    Flag("distal_response_small", "segment", "caution", _VAN_SCHAIK),
    Flag("proximal_larger", "segment", "caution"),
    Flag("submaximal_distal", "segment", "caution"),
    Flag("submaximal_proximal", "segment", "caution"),
    Flag("supramaximality_not_attested", "segment", "note"),
    Flag("co_stimulation", "segment", "caution"),
    Flag("martin_gruber", "segment", "caution", "Ehler 2017 (19.7 % of 457 hands)"),
    Flag("reverse_martin_gruber", "segment", "caution"),
    Flag("focal_slowing", "segment", "caution", "AANEM 1999"),
    Flag("cold_limb", "segment", "caution"),
    Flag("electrode_shift", "segment", "caution", _MUSCLE_NERVE),
    Flag("filter_mismatch", "segment", "caution"),
    Flag("erb_without_collision", "segment", "caution"),
    Flag("axonal_loss_recent", "segment", "caution"),
    Flag("length_implausible", "segment", "caution"),
    Flag("velocity_implausible", "segment", "caution"),
    Flag("distance_implausible", "segment", "caution", _CONTRACT),
    Flag("estimate_response_absent", "estimate", "invalid"),
    Flag("estimate_distal_small", "estimate", "invalid"),
    Flag("estimate_residual_large", "estimate", "caution"),
    Flag("estimate_filters_differ", "estimate", "invalid"),
    Flag("estimate_sweep_short", "estimate", "caution"),
    Flag("estimate_proximal_exceeds", "estimate", "caution"),
    Flag("estimate_stimulus_unproven", "estimate", "caution"),
    Flag("few_stimuli", "f_wave", "note", _STALBERG),
)

FLAGS: dict[str, Flag] = {flag.name: flag for flag in _ALL}
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


# Few cells differ, so that what they say is remembered.
@lru_cache(maxsize=4096)
def added(text: str, *more: str) -> str:
    """Give a ``quality_flags`` cell with more names.

    Examples
    --------
    >>> added("sweep_cut", "clipped")
    'clipped;sweep_cut'
    """
    return join([*split(text), *more])


@lru_cache(maxsize=4096)
def is_used(text: object) -> bool:
    """Tell by its ``quality_flags`` cell whether a response stands for its site."""
    return not isinstance(text, str) or "not_used" not in names(text)


@lru_cache(maxsize=4096)
def stands(response: object, text: object) -> bool:
    """Tell whether a response is the answer of its site: stimulated, and not set aside.

    Parameters
    ----------
    response, text
        Its cells ``response`` and ``quality_flags``.
    """
    return is_done(response) and is_used(text)


@lru_cache(maxsize=4096)
def is_done(response: object) -> bool:
    """Tell by its cell ``response`` whether a row is of a site where somebody stimulated."""
    return not (isinstance(response, str) and response == "not_done")


@lru_cache(maxsize=4096)
def names(text: str) -> frozenset[str]:
    """Give the set of names in a ``quality_flags`` cell."""
    return frozenset(split(text))
