"""What ``ncs_cb`` offers under its own name where a call may begin with a path.

The steps themselves stand in :mod:`ncs_cb.analysis`, :mod:`ncs_cb.judging` and
:mod:`ncs_cb.measuring`, which know no file; a study that is named by its path is read first, and
a laboratory's habits hold where the caller says nothing.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ncs_cb import analysis
from ncs_cb.errors import NcsError, NcsWarning, StudyError
from ncs_cb.harmless import visible
from ncs_cb.judging import verdicts
from ncs_cb.knowledge import lab as labs
from ncs_cb.knowledge import reference as reference_sets
from ncs_cb.measuring import traces as measuring
from ncs_cb.model import Result, Study
from ncs_cb.readers import read_studies, read_study
from ncs_cb.readers._shared.asked import with_lab
from ncs_cb.readers.mapped_table.frames import studies_of_frame

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from ncs_cb.knowledge.criteria import CriteriaSet
    from ncs_cb.knowledge.layouts import Layout
    from ncs_cb.knowledge.reference import ReferenceSet
    from ncs_cb.model import Details
    from ncs_cb.readers import StudyInput

    Named = Study | StudyInput | str | Path


def analyze(
    study: Named,
    criteria: Sequence[str] | None = None,
    *,
    reference: str | None = None,
    supramaximal: bool = False,
) -> Result:
    """Measure, compare and judge one study.

    Parameters
    ----------
    study : Study, str or Path
        A study, or what :func:`ncs_cb.read_study` takes: a recording, or the folder of one
        visit. It is not changed.
    criteria : sequence of str, optional
        Ids of criteria sets, or paths of a laboratory's own; by default those of the study's
        ``lab.toml``, else ``ncs_cb.knowledge.criteria.DEFAULT``.
    reference : str, optional
        Id or path of the set of normal limits; by default that of ``lab.toml``, else
        ``aanem_2016``.
    supramaximal : bool
        Attest every motor stimulus of which neither the recording nor ``study.toml``, a review or
        the laboratory says whether it was supramaximal.

    Returns
    -------
    Result
        The study, its tables and what they rest on. What cannot be measured is NaN with a flag.

    Raises
    ------
    TableError
        If a criteria or reference set is unknown or malformed.
    NcsError
        If a path cannot be read as one study; see :func:`ncs_cb.read_study`.
    """
    if not isinstance(study, Study) and not _is_path(study):
        raise StudyError(
            f"analyze takes one study or one path, not {type(study).__name__}.",
            hint="analyze_many takes several and gives a list.",
        )
    return analyze_many([study], criteria, reference=reference, supramaximal=supramaximal)[0]


def analyze_many(
    studies: Iterable[Named] | str | Path,
    criteria: Sequence[str] | None = None,
    *,
    reference: str | None = None,
    supramaximal: bool = False,
) -> list[Result]:
    """Measure, compare and judge many studies in one vectorized pass; see :func:`analyze`.

    Parameters
    ----------
    studies : iterable of Study, str or Path; or str or Path
        Studies, or paths of one study each. One path alone may be a table with many studies; one
        of them that cannot be read is left out with a warning.
    criteria, reference, supramaximal
        As in :func:`analyze`; what is not given is taken from each study's laboratory.

    Returns
    -------
    list of Result
        One per study read, in order; the same as analyzing each study alone.
    """
    read = _read_all(studies)
    groups: dict[tuple[Any, str], list[int]] = {}
    for place, study in enumerate(read):
        sets, limits = analysis.judged_by(study, criteria, reference)
        key = (None if sets is None else tuple(sets), limits)
        groups.setdefault(key, []).append(place)
    found: dict[int, Result] = {}
    for (sets, limits), places in groups.items():
        chosen = [read[place] for place in places]
        made = analysis.analyze_many(chosen, sets, reference=limits, supramaximal=supramaximal)
        found |= zip(places, made, strict=True)
    return [found[place] for place in range(len(read))]


def judge(
    segments: pd.DataFrame | Named,
    criteria: Sequence[str | Path | CriteriaSet] | str | Path | CriteriaSet | None = None,
    *,
    reference: str | Path | ReferenceSet | None = None,
    details: Mapping[str, Details] | None = None,
    checks: pd.DataFrame | None = None,
    vary: Mapping[str, Sequence[float]] | None = None,
) -> pd.DataFrame:
    """Judge segments by criteria sets: those of a table, or of a study with all that is known.

    Parameters
    ----------
    segments : DataFrame, Study, str or Path
        A segments table, also a typed-in one; see :func:`ncs_cb.judging.verdicts.judge` for its
        columns. A study, or a path of one, is analyzed first; its details and checks count.
    criteria, reference, details, checks, vary
        As in :func:`ncs_cb.judging.verdicts.judge`.

    Returns
    -------
    DataFrame
        The ``verdicts`` table.
    """
    if isinstance(segments, pd.DataFrame):
        limits = reference_sets.DEFAULT if reference is None else reference
        return verdicts.judge(
            segments, criteria, reference=limits, details=details, checks=checks, vary=vary
        )
    study = _read(segments)
    sets, usual = analysis.judged_by(study)
    result = analysis.analyze(study)
    return verdicts.judge(
        result.segments,
        sets if criteria is None else criteria,
        reference=usual if reference is None else reference,
        details={study.study_id: study.details} if details is None else details,
        checks=result.checks if checks is None else checks,
        vary=vary,
    )


def _is_path(given: object) -> bool:
    return isinstance(given, str | os.PathLike) or type(given).__name__ == "StudyInput"


def _read(given: Named) -> Study:
    if isinstance(given, Study):
        return given
    if not _is_path(given):
        raise StudyError(
            f"a study is a Study, or the path of one, not {type(given).__name__}.",
            hint="ncs_cb.study_from_arrays makes one from arrays, study_from_epochs from MNE.",
        )
    return read_study(given)


def _read_all(studies: Iterable[Named] | str | Path) -> list[Study]:
    if isinstance(studies, Study):
        raise StudyError("analyze_many takes several studies; analyze takes one.")
    if not isinstance(studies, str | os.PathLike):
        return [_read(one) for one in studies]
    return _good(read_studies(studies))


def studies_from_table(
    frame_or_path: pd.DataFrame | str | Path,
    layout: str | Path | Layout | None = None,
    *,
    lab: str | Path | None = None,
) -> list[Study]:
    """Make one study per visit from a table of printed values.

    Parameters
    ----------
    frame_or_path : DataFrame, str or Path
        One row per stimulated site with the columns of a site table (see ``docs/tables.md``), or
        any table that `layout` maps; as a DataFrame, a text table or a spreadsheet.
    layout : str, Path or Layout, optional
        Id of a shipped layout or of one in ``lab.toml``, or the path of a file. When not given,
        the table's own headers decide.
    lab : str or Path, optional
        The laboratory's ``lab.toml``; by default the nearest one beside or above the file.

    Returns
    -------
    list of Study
        In order of first appearance. A missing value is unknown, never absent or normal.

    Warns
    -----
    NcsWarning
        Of each study that is left out because something is wrong with it, with its study id and
        the reason; `ncs_cb.readers.read_studies` gives the errors themselves, by study id.

    Raises
    ------
    NcsError
        If the table as a whole, or each of its studies, cannot be read; of these:
    UnitError
        If a unit is missing or unknown.
    StudyError
        If a column, nerve, side, muscle or site is not understood.
    ReadError
        If a value is no number.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"study_id": ["p1", "p1"], "nerve": "ulnar", "side": "right",
    ...     "muscle": "adm", "stimulation_site": ["wrist", "below elbow"],
    ...     "negative_peak_amplitude_mv": [8.1, 7.9]})
    >>> [len(study.typed_responses) for study in studies_from_table(frame)]
    [2]
    """
    if isinstance(frame_or_path, str | Path):
        return _good(read_studies(frame_or_path, layout=layout, lab=lab))
    own = None if lab is None else labs.load(lab)
    studies = _good(studies_of_frame(frame_or_path, layout, own))
    return studies if own is None else [with_lab(study, own) for study in studies]


def _good(read: Mapping[str, Study | NcsError]) -> list[Study]:
    """Give the studies that could be read, and warn of each other one of the same table.

    Raises
    ------
    NcsError
        What is wrong with the first one, if none could be read.
    """
    good = [one for one in read.values() if isinstance(one, Study)]
    for name, one in read.items():
        if isinstance(one, NcsError):
            if not good:
                raise one
            told = f"study '{visible(name)}' is left out: {one}"
            warnings.warn(told, NcsWarning, stacklevel=3)
    return good


class Measured(pd.DataFrame):
    """Measures of traces, one row each, with one line as its text.

    What is made of it is a plain DataFrame; ``print`` and a notebook show the table.
    """

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return pd.DataFrame

    def __repr__(self) -> str:
        absent = int(self["negative_peak_amplitude_mv"].isna().sum())
        raised = int((self["quality_flags"] != "").sum())
        return (
            f"<Measures of {len(self)} traces: {absent} without an amplitude, {raised} with flags>"
        )

    def __str__(self) -> str:
        return pd.DataFrame(self).__repr__()


def measure_traces(
    samples_mv: ArrayLike | pd.DataFrame | pd.Series,
    *,
    sampling_rate_hz: ArrayLike,
    stimulus_index: ArrayLike,
    threads: int | None = None,
) -> pd.DataFrame:
    """Measure CMAPs, one row per trace.

    Parameters
    ----------
    samples_mv : array_like of shape (n_traces, n_samples) or (n_samples,) [mV]
        Negative up. Read as it is and never changed. A DataFrame has one trace per row, and its
        index is kept; a Series is one trace, and its name is kept.
    sampling_rate_hz : float or array_like of shape (n_traces,) [Hz]
    stimulus_index : int or array_like of shape (n_traces,)
        Index of the sample at which the stimulus was given.
    threads : int, optional
        How many threads to use for large batches; all cores by default. The result does not
        depend on it.

    Returns
    -------
    DataFrame
        The columns of :data:`ncs_cb.columns.MEASURES`. NaN where not measurable; the column
        ``quality_flags`` says why. :func:`ncs_cb.plot_traces` draws its markers.

    Raises
    ------
    ArgumentError
        If a shape, a rate or an index cannot be used.
    UnitError
        If a response exceeds 100 mV.
    """
    index = None
    if isinstance(samples_mv, pd.DataFrame):
        index = samples_mv.index
    elif isinstance(samples_mv, pd.Series):
        index = None if samples_mv.name is None else pd.Index([samples_mv.name])
    # By values: what a caller hands over as a Series has an index of its own.
    given = {"sampling_rate_hz": sampling_rate_hz, "stimulus_index": stimulus_index}
    rate, stimulus = (np.asarray(v) if isinstance(v, pd.Series) else v for v in given.values())
    samples = np.asarray(samples_mv) if index is not None else samples_mv
    frame = measuring.measure_traces(
        samples, sampling_rate_hz=rate, stimulus_index=stimulus, threads=threads
    )
    made = Measured(frame)
    if index is not None:
        made.index = index
    made.attrs = {name: _plain(value) for name, value in given.items()}
    return made


def _plain(value: Any) -> float | tuple[float, ...]:
    """Give a number or a tuple of them, which a table may carry along and write."""
    listed = value.tolist() if hasattr(value, "tolist") else value
    return tuple(listed) if isinstance(listed, list | tuple) else listed
