"""Curves: the intensity series, the short steps, and the fit behind a block estimate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ncs_cb.figures.drawing import FAINT, INK, PAPER, SOFT, Disc, Drawing, Floats, Line, Text
from ncs_cb.model import BlockFit
from ncs_cb.view.rounding import number

BLUE, RED = "#2a6f97", "#9e1b1b"


class Plot(NamedTuple):
    """A rectangle with two linear axes."""

    sheet: Drawing
    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]

    def x(self, value: Floats | float) -> Floats:
        """Give the place of a value across."""
        low, high = self.x_range
        return np.asarray(self.left + (np.asarray(value) - low) / (high - low) * self.width)

    def y(self, value: Floats | float) -> Floats:
        """Give the place of a value upward."""
        low, high = self.y_range
        share = (np.asarray(value) - low) / (high - low)
        return np.asarray(self.top + self.height * (1.0 - share))

    def axes(self, x_label: str, y_label: str, *, has_x_ticks: bool = True) -> None:
        """Draw the axes with round numbers at their ticks."""
        bottom, right = self.top + self.height, self.left + self.width
        self.sheet.segment(
            (self.left, self.left, right), (self.top, bottom, bottom), stroke=SOFT, width=0.9
        )
        for value in ticks(*self.y_range):
            y = float(self.y(value))
            self.sheet.segment((self.left, right), (y, y), stroke="#eceff2", width=0.8)
            self.sheet.add(Text(self.left - 6, y + 3, _plain(value), 8, "end", SOFT))
        for value in ticks(*self.x_range) if has_x_ticks else ():
            x = float(self.x(value))
            self.sheet.segment((x, x), (bottom, bottom + 3), stroke=SOFT, width=0.9)
            self.sheet.add(Text(x, bottom + 12, _plain(value), 8, "middle", SOFT))
        self.sheet.add(Text(right, bottom + 25, x_label, 8.5, "end", SOFT))
        self.sheet.add(Text(self.left - 6, self.top - 8, y_label, 8.5, "start", SOFT))

    def curve(
        self,
        x: Floats,
        y: Floats,
        stroke: str = INK,
        width: float = 1.4,
        dash: tuple[float, ...] = (),
    ) -> None:
        """Draw one curve."""
        self.sheet.add(Line(self.x(x), self.y(y), stroke, width, dash))


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Give round numbers that cover a range, at most `most` of them."""
    span = high - low
    power = 10.0 ** math.floor(math.log10(span / most)) if span > 0 else 1.0
    step = next((s * power for s in (1, 2, 5, 10) if span / (s * power) <= most), 10 * power)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def _plain(value: float) -> str:
    return f"{value:g}".replace("-", "\u2212")


def recruitment(rows: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> Drawing | None:
    """Draw amplitude against current, one curve per site."""
    known = [
        r
        for r in rows
        if _is_number(r["stimulus_ma"]) and _is_number(r["negative_peak_amplitude_mv"])
    ]
    if len(known) < 2:
        return None
    currents = [float(r["stimulus_ma"]) for r in known]
    amplitudes = [float(r["negative_peak_amplitude_mv"]) for r in known]
    sheet = Drawing(420.0, 210.0, labels["recruitment"])
    plot = Plot(
        sheet,
        46.0,
        26.0,
        290.0,
        144.0,
        (0.0, 1.08 * max(currents)),
        (0.0, 1.12 * max(*amplitudes, 0.1)),
    )
    plot.axes("mA", "mV")
    for n, site in enumerate(dict.fromkeys(str(r["stimulation_site"]) for r in known)):
        part = sorted(
            (float(r["stimulus_ma"]), float(r["negative_peak_amplitude_mv"]))
            for r in known
            if r["stimulation_site"] == site
        )
        points = np.array(part)
        dash = ((), (5.0, 2.5), (1.5, 2.5))[n % 3]
        plot.curve(points[:, 0], points[:, 1], INK, 1.4, dash)
        for current, amplitude in part:
            sheet.add(Disc(float(plot.x(current)), float(plot.y(amplitude)), 2.4, INK, PAPER, 0.8))
        end = float(plot.x(points[-1, 0])) + 8, float(plot.y(points[-1, 1])) + 3
        sheet.add(Text(*end, labels.get(f"site_{site}", site), 8.5, "start", INK))
    return sheet


def inching(rows: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> Drawing | None:
    """Draw the fall of amplitude and the added latency of every short step, distal on the left."""
    known = [r for r in rows if _is_number(r["amplitude_reduction_pct"])]
    if not known:
        return None
    falls = [float(r["amplitude_reduction_pct"]) for r in known]
    sheet = Drawing(420.0, 210.0, labels["inching"])
    plot = Plot(
        sheet,
        46.0,
        26.0,
        350.0,
        130.0,
        (0.5, len(known) + 0.5),
        (min(0.0, 1.1 * min(falls)), max(20.0, 1.15 * max(falls))),
    )
    plot.axes(labels["step"], f"{labels['amplitude_fall']}, %", has_x_ticks=False)
    zero = float(plot.y(0.0))
    for n, (row, fall) in enumerate(zip(known, falls, strict=True), start=1):
        middle, half = float(plot.x(n)), min(14.0, 140.0 / len(known))
        top = float(plot.y(fall))
        is_focal = row["is_focal"] is True
        sheet.add(
            Line(
                np.array(
                    [middle - half, middle + half, middle + half, middle - half, middle - half]
                ),
                np.array([zero, zero, top, top, zero]),
                RED if is_focal else SOFT,
                1.1,
                (),
                RED if is_focal else PAPER,
            )
        )
        bottom = plot.top + plot.height
        sheet.add(Text(middle, bottom + 12, str(row["step"]), 8, "middle", SOFT))
        latency = row["latency_change_ms"]
        if _is_number(latency):
            text = f"{number(latency, 'ms', column='latency_change_ms')} ms"
            sheet.add(Text(middle, min(top, zero) - 4, text, 7.5, "middle", INK))
    return sheet


_LOOKS = {"distal": (FAINT, 2.2, ()), "measured": (INK, 1.6, ()), "fitted": (RED, 1.5, (4.0, 2.5))}
_LONGEST_DELAY_MS = 40.0


def fit(found: BlockFit, labels: Mapping[str, str], share: str) -> Drawing | None:
    """Draw distal, measured and fitted proximal response, and the distribution of delays.

    Parameters
    ----------
    found : BlockFit
        As ``Result.fits`` holds it.
    labels : mapping
        Words of the view.
    share : str
        The estimate with its interval, worded by the view.
    """
    if np.isnan(found.fitted_mv).all():
        return None
    series = {
        "distal": (found.time_ms, found.distal_mv),
        "measured": (found.proximal_time_ms, found.proximal_mv),
        "fitted": (found.time_ms, found.fitted_mv),
    }
    shown = {key: _after_stimulus(*curve) for key, curve in series.items()}
    values = np.concatenate([curve[1] for curve in shown.values()])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.08 * max(high - low, 1e-3)
    sheet = Drawing(720.0, 210.0, labels["estimate"])
    stop = min(float(shown["distal"][0][-1]), _end_ms(*shown["measured"]))
    plot = Plot(sheet, 46.0, 28.0, 400.0, 140.0, (0.0, stop), (low - margin, high + margin))
    plot.axes("ms", "mV")
    for n, (key, (time_ms, curve)) in enumerate(shown.items()):
        stroke, width, dash = _LOOKS[key]
        inside = time_ms <= stop
        plot.curve(time_ms[inside], curve[inside], stroke, width, dash)
        y = 30.0 + 12.0 * n
        sheet.segment((380, 402), (y, y), stroke=stroke, width=width, dash=dash)
        sheet.add(Text(407, y + 3, labels[key], 8.5, "start", SOFT))
    _delays(sheet, found, labels, share)
    return sheet


def _after_stimulus(time_ms: Floats, samples_mv: Floats) -> tuple[Floats, Floats]:
    after = time_ms >= 0.0
    return time_ms[after], samples_mv[after]


def _end_ms(time_ms: Floats, samples_mv: Floats) -> float:
    """Give when the last tenth of the response has passed, with some room."""
    large = np.abs(samples_mv) >= 0.1 * float(np.nanmax(np.abs(samples_mv), initial=1e-9))
    return float(time_ms[large][-1]) + 5.0 if large.any() else float(time_ms[-1])


def _delays(sheet: Drawing, found: BlockFit, labels: Mapping[str, str], share: str) -> None:
    mass = np.cumsum(found.delay_density_per_ms)
    # The tail that holds the last thousandth says nothing to the eye.
    last = int(np.searchsorted(mass, 0.999 * mass[-1])) if mass[-1] > 0 else len(mass) - 1
    stop = min(max(float(found.delays_ms[last]) + 2.0, 5.0), _LONGEST_DELAY_MS)
    inside = found.delays_ms <= stop
    delay_ms, density = found.delays_ms[inside], found.delay_density_per_ms[inside]
    top = max(float(density.max(initial=0.0)), 1e-9)
    plot = Plot(sheet, 506.0, 58.0, 200.0, 110.0, (0.0, stop), (0.0, 1.1 * top))
    bottom = plot.top + plot.height
    x, y = plot.x(delay_ms), plot.y(density)
    sheet.add(
        Line(
            np.concatenate([x[:1], x, x[-1:]]),
            np.concatenate([[bottom], y, [bottom]]),
            BLUE,
            1.0,
            (),
            "#d7e5ee",
        )
    )
    sheet.segment((plot.left, plot.left + plot.width), (bottom, bottom), stroke=SOFT, width=0.9)
    for value in ticks(0.0, stop, most=5):
        sheet.add(Text(float(plot.x(value)), bottom + 12, _plain(value), 8, "middle", SOFT))
    sheet.add(Text(plot.left + plot.width, bottom + 25, f"{labels['delay']}, ms", 8.5, "end", SOFT))
    sheet.add(Text(plot.left, 30.0, labels["blocked"], 8.5, "start", SOFT))
    sheet.add(Text(plot.left, 44.0, share, 10.5, "start", INK, is_bold=True))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
