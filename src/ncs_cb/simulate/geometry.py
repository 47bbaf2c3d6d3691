"""Nerve paths of the simulator, from ``tables/simulator.toml``: lengths, velocities and sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ncs_cb.errors import StudyError, TableError, did_you_mean
from ncs_cb.knowledge import datafile

Floats = NDArray[np.float64]
_FILE = "tables/simulator.toml"
_HEIGHT_OF_TABLE_CM = 172.0


@dataclass(frozen=True, slots=True, eq=False)
class NervePath:
    """The way from one recording electrode up one nerve.

    Attributes
    ----------
    nerve, target : str
        Nerve and the muscle (or skin area) recorded from.
    kind : {"motor", "sensory"}
    positions_mm : dict of str to float
        Distance of each stimulation site from the recording electrode.
    breaks_mm : ndarray of shape (n_stretches + 1,) [mm]
        Ends of the stretches of equal velocity; the last one is the spinal root.
    velocity_m_per_s : ndarray of shape (n_stretches,)
    distal_site : str
        The site that the latency and the amplitude of the table belong to.
    distal_latency_ms, amplitude_mv, n_units : tuple of float
        Mean and standard deviation between healthy persons.
    unit_width : float
        Width of the unit potential relative to a hand muscle's.
    """

    nerve: str
    target: str
    kind: Literal["motor", "sensory"]
    positions_mm: dict[str, float]
    breaks_mm: Floats
    velocity_m_per_s: Floats
    distal_site: str
    distal_latency_ms: tuple[float, float]
    amplitude_mv: tuple[float, float]
    n_units: tuple[float, float]
    unit_width: float

    def position_mm(self, site: str) -> float:
        """Distance of a site from the recording electrode.

        Raises
        ------
        StudyError
            If the simulator has no such site on this path.
        """
        if site not in self.positions_mm:
            raise StudyError(
                f"the simulator has no site '{site}' on the path of {self.nerve} to {self.target};"
                f" known: {', '.join(self.positions_mm)}." + did_you_mean(site, self.positions_mm)
            )
        return self.positions_mm[site]

    def stretches_ms(self, position_mm: float) -> Floats:
        """Conduction time of each stretch between the electrode and a stimulus, fastest fibers."""
        inside = np.clip(position_mm - self.breaks_mm[:-1], 0.0, np.diff(self.breaks_mm))
        time: Floats = inside / self.velocity_m_per_s
        return time


def _table() -> dict[str, Any]:
    return datafile.table("simulator").raw


def known_paths() -> list[tuple[str, str, str]]:
    """Every (kind, nerve, target) that the simulator knows."""
    return [
        (kind, nerve, target)
        for kind, nerves in _table().items()
        for nerve, targets in nerves.items()
        for target in targets
    ]


def path(nerve: str, target: str, *, kind: str = "motor", height_cm: float = 172.0) -> NervePath:
    """Give the path of one nerve for a person of this height.

    Stimulation sites beyond the distal one are rounded to 5 mm, as a tape is read.

    Raises
    ------
    StudyError
        If the simulator has no such path.
    TableError
        If its table lacks a key.
    """
    known = known_paths()
    if (kind, nerve, target) not in known:
        names = ", ".join("/".join(item) for item in known)
        raise StudyError(f"the simulator has no path '{kind}/{nerve}/{target}'; known: {names}.")
    row = _table()[kind][nerve][target]
    try:
        return _path(nerve, target, kind, row, height_cm / _HEIGHT_OF_TABLE_CM)
    except KeyError as missing:
        raise TableError(f"{kind}.{nerve}.{target}: missing key {missing}", source=_FILE) from None


def _path(nerve: str, target: str, kind: Any, row: dict[str, Any], growth: float) -> NervePath:
    distal = float(row["positions_mm"][row["distal_site"]])

    def grown(position_mm: float) -> float:
        if position_mm <= distal:
            return float(position_mm)
        return float(5.0 * round((distal + (position_mm - distal) * growth) / 5.0))

    return NervePath(
        nerve,
        target,
        kind,
        {site: grown(mm) for site, mm in row["positions_mm"].items()},
        np.array([grown(mm) for mm in row["breaks_mm"]]),
        np.array(row["velocity_m_per_s"], dtype=np.float64),
        row["distal_site"],
        (row["distal_latency_ms"][0], row["distal_latency_ms"][1]),
        (row["amplitude_mv"][0], row["amplitude_mv"][1]),
        (row["n_units"][0], row["n_units"][1]),
        float(row["unit_width"]),
    )
