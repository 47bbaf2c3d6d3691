"""Arrays in memory, with a table that says what each trace is, to a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ncs_cb.errors import ArgumentError, StudyError, did_you_mean
from ncs_cb.knowledge.anatomy import position, resolve
from ncs_cb.model import Decision, Details, Kind, Polarity, Site, Stimulus, Study, Trace
from ncs_cb.readers._shared.doubts import questioned, refuse_twins
from ncs_cb.readers._shared.names import SIDES
from ncs_cb.readers._shared.plausible import (
    LONGEST_PULSE_MS,
    STRONGEST_MA,
    check_rate,
    refuse_large,
)
from ncs_cb.readers._shared.polarity import orient
from ncs_cb.readers._shared.scale import checked_scale
from ncs_cb.readers._shared.stated import against_stated
from ncs_cb.readers._shared.tables import is_identity
from ncs_cb.readers._shared.told import attested
from ncs_cb.readers._shared.truth import is_missing, truth
from ncs_cb.units import FARTHEST_MM, as_array, is_finite

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import ArrayLike

_NEEDED = ("nerve", "side", "muscle", "stimulation_site")
_SPELLINGS = {"site": "stimulation_site"}
_NUMBERS = {
    "distance_mm": FARTHEST_MM,
    "stimulus_ma": STRONGEST_MA,
    "stimulus_duration_ms": LONGEST_PULSE_MS,
    "high_pass_hz": 1e6,
    "low_pass_hz": 1e7,
}
_KINDS: tuple[Kind, ...] = ("motor", "sensory", "f_wave")
_POLARITIES: tuple[Polarity, ...] = ("negative_up", "negative_down", "auto")
_OPTIONAL = ("kind", "recording", "repeat", "supramaximal", "collision_used", *_NUMBERS)
_KNOWN = (*_NEEDED, *_OPTIONAL)


def study_from_arrays(
    samples_mv: ArrayLike,
    labels: pd.DataFrame,
    *,
    sampling_rate_hz: ArrayLike,
    stimulus_index: ArrayLike,
    polarity: Polarity | None = None,
    study_id: str = "arrays",
    details: Details | None = None,
) -> Study:
    """Make a study from traces in memory and a table with one row per trace.

    Parameters
    ----------
    samples_mv : array_like of shape (n_traces, n_samples) or (n_samples,) [mV]
        Read as it is and never changed. NaN and masked samples are unknown.
    labels : DataFrame
        One row per trace, in the same order; its index is not looked at. Needed: ``nerve``,
        ``side``, ``muscle`` and ``stimulation_site`` (or ``site``), in every spelling that
        readers understand. Welcome: ``distance_mm``, ``stimulus_ma``, ``stimulus_duration_ms``,
        ``supramaximal``, ``collision_used``, ``kind`` (``motor``, ``sensory``, ``f_wave``),
        ``repeat`` (the same value: repeats of one setting), ``recording``, ``high_pass_hz``,
        ``low_pass_hz``. An empty cell is unknown. Other columns are named in the provenance.
    sampling_rate_hz : float or array_like of shape (n_traces,) [Hz]
    stimulus_index : int or array_like of shape (n_traces,)
        Index of the sample at which the stimulus was given.
    polarity : str, optional
        ``negative_up`` (so it is taken when not given), ``negative_down`` or ``auto``.
    study_id : str
    details : Details, optional

    Returns
    -------
    Study

    Raises
    ------
    StudyError
        If labels and traces do not fit each other, a needed column is missing, a name is
        unknown, a value is not plausible, or two sites have the same samples.
    UnitError
        If a response is above 100 mV.
    ArgumentError
        If the samples are no array of numbers of one or two dimensions, or `polarity` is none
        of the words above.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> labels = pd.DataFrame({"nerve": "ulnar", "side": "R", "muscle": "ADM",
    ...     "site": ["wrist", "below elbow"], "distance_mm": [70, 280]})
    >>> traces = np.random.default_rng(0).normal(0, 0.01, (2, 1000))
    >>> study_from_arrays(traces, labels, sampling_rate_hz=20_000, stimulus_index=20).traces[1].site
    Site(nerve='ulnar', side='right', muscle='adm', stimulation_site='below_elbow')
    """
    if polarity is not None and polarity not in _POLARITIES:
        raise ArgumentError(f"polarity: {polarity!r}; allowed: {', '.join(_POLARITIES)}")
    samples = _samples(samples_mv)
    columns, left_out = _columns(labels)
    n = len(samples)
    if len(labels) != n:
        turned = " The array looks transposed." if samples.shape[-1] == len(labels) else ""
        raise StudyError(
            f"there are {n} traces and {len(labels)} rows of labels; give one each.{turned}"
        )
    rates = _per_trace(sampling_rate_hz, n, "sampling_rate_hz")
    stimuli = _per_trace(stimulus_index, n, "stimulus_index")
    rows = [_Row({k: v[i] for k, v in columns.items()}, i, study_id) for i in range(n)]
    traces = [
        row.trace(samples[i], check_rate(float(rates[i])), _whole(stimuli[i], i))
        for i, row in enumerate(rows)
    ]
    traces, decisions = _oriented(traces, polarity, study_id)
    asked, doubts, reach_mv = questioned(
        traces, study_id, delay_ms=None, is_polarity_told=polarity is not None
    )
    asked, against = against_stated(asked, decisions, study_id)
    asked, _ = checked_scale(asked, reach_mv, (), study_id)
    refuse_twins(asked)
    if left_out:
        listed = ", ".join(left_out)
        decisions.append(Decision(study_id, "columns", "not used", listed))
    return Study(
        study_id,
        tuple(asked),
        details=details or Details(),
        decisions=(*decisions, *doubts, *against),
    )


def _samples(samples_mv: ArrayLike) -> np.ndarray:
    import numpy as np

    if isinstance(samples_mv, np.ma.MaskedArray):
        samples_mv = np.ma.filled(samples_mv.astype(np.float64), np.nan)
    # A copy: what the caller does to his own later is his.
    samples = np.array(as_array(samples_mv, "samples_mv"))
    if samples.ndim == 1 and samples.dtype.kind in "iuf":
        samples = samples[None, :]
    if samples.ndim != 2 or samples.dtype.kind not in "iuf":
        raise ArgumentError(
            "samples_mv must be numbers of shape (n_traces, n_samples) or (n_samples,), in mV"
        )
    if samples.dtype not in (np.float32, np.float64):
        samples = samples.astype(np.float64)
    samples.flags.writeable = False
    return samples


def _per_trace(values: ArrayLike, n: int, name: str) -> np.ndarray:
    import numpy as np

    array = as_array(values, name)
    if array.dtype.kind not in "iuf" or array.shape not in ((), (n,)):
        raise ArgumentError(f"{name} must be a number, or one for each of {n} traces")
    return np.broadcast_to(array, (n,))


def _whole(value: Any, i: int) -> int:
    if not float(value).is_integer():
        raise ArgumentError(f"stimulus_index of trace {i} is {value}; give the index of a sample")
    return int(value)


def _columns(labels: pd.DataFrame) -> tuple[dict[str, list[Any]], list[str]]:
    """Give the columns by their names here, and the names of those that are not used."""
    if not hasattr(labels, "columns"):
        raise StudyError("labels must be a DataFrame with one row per trace.")
    found: dict[str, list[Any]] = {}
    left_out = []
    for column in labels.columns:
        name = _SPELLINGS.get(str(column), str(column))
        if name in found:
            raise StudyError(f"labels: the column '{name}' is there twice.")
        if name in _KNOWN:
            found[name] = labels[column].tolist()
            continue
        near = did_you_mean(name[:80], _KNOWN)
        if near and not is_identity(name):
            raise StudyError(
                f"labels: unknown column '{name[:80]}'; known: {', '.join(_KNOWN)}.{near}"
            )
        if not is_identity(name):
            left_out.append(name[:80])
    missing = [name for name in _NEEDED if name not in found]
    if missing:
        raise StudyError(f"labels: missing columns: {', '.join(missing)}.")
    return found, left_out


@dataclass(frozen=True, slots=True)
class _Row:
    """What the labels say of one trace."""

    values: Mapping[str, Any]
    number: int
    study_id: str

    def trace(self, samples: np.ndarray, rate: float, stimulus: int) -> Trace:
        """Give the trace with everything that is said of it."""
        refuse_large([samples], [stimulus], rate, "mV")
        told = Stimulus(
            self._number("distance_mm"),
            self._number("stimulus_ma"),
            self._number("stimulus_duration_ms"),
        )
        said = (self._truth("supramaximal"), self._truth("collision_used"))
        repeat = None if self._text("repeat") == "False" else self._text("repeat")
        return Trace(
            samples,
            rate,
            stimulus,
            self._site(),
            self._text("recording") or self.study_id,
            self._kind(),
            attested(told, *said, by="table"),
            self._number("high_pass_hz"),
            self._number("low_pass_hz"),
            self.number,
            repeat,
        )

    def _at(self, name: str) -> str:
        return f"labels, row {self.number}, {name}"

    def _text(self, name: str) -> str | None:
        value = self.values.get(name)
        return None if is_missing(value) or not str(value).strip() else str(value).strip()

    def _site(self) -> Site:
        said = {name: self._text(name) for name in _NEEDED}
        for name, text in said.items():
            if text is None:
                raise StudyError(f"{self._at(name)}: is empty.")
        nerve = resolve("nerves", said["nerve"] or "", source=self._at("nerve"))
        muscle = resolve("muscles", said["muscle"] or "", source=self._at("muscle"))
        site = resolve("sites", said["stimulation_site"] or "", source=self._at("site"))
        side = SIDES.get((said["side"] or "").casefold())
        if side is None:
            raise StudyError(f"{self._at('side')}: allowed: left, right.")
        if self._kind() == "motor":
            position(nerve, site)
        return Site(nerve, side, muscle, site)

    def _kind(self) -> Kind:
        kind = self._text("kind") or "motor"
        if kind not in _KINDS:
            raise StudyError(f"{self._at('kind')}: '{kind[:40]}'; allowed: {', '.join(_KINDS)}.")
        return kind

    def _number(self, name: str) -> float | None:
        if self._text(name) is None:
            return None
        value = self.values[name]
        number = value.item() if hasattr(value, "item") else value
        if not is_finite(number):
            raise StudyError(f"{self._at(name)}: must be a number, or empty for unknown.")
        if not 0 <= number <= _NUMBERS[name]:
            raise StudyError(f"{self._at(name)}: {number:g}; plausible: 0 to {_NUMBERS[name]:g}.")
        return float(number)

    def _truth(self, name: str) -> bool | None:
        return truth(self.values.get(name), self._at(name))


def _oriented(
    traces: list[Trace], polarity: Polarity | None, study_id: str
) -> tuple[list[Trace], list[Decision]]:
    """Turn the traces so that negative is up."""
    if polarity in (None, "negative_up") or not traces:
        return traces, [Decision(study_id, "polarity", "negative_up", "as told")]
    turn = orient(
        polarity,
        [trace.samples_mv for trace in traces],
        sampling_rate_hz=traces[0].sampling_rate_hz,
        stimulus_indices=[trace.stimulus_index for trace in traces],
    )
    doubt = () if turn.is_certain else ("polarity_uncertain",)
    made = []
    for trace in traces:
        turned = trace.samples_mv if turn.sign > 0 else -trace.samples_mv
        turned.flags.writeable = False
        made.append(replace(trace, samples_mv=turned, flags=(*trace.flags, *doubt)))
    choice = "negative_up" if turn.sign > 0 else "negative_down"
    return made, [Decision(study_id, "polarity", choice, turn.reason)]
