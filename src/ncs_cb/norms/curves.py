"""The sorted values with their plateau and limit: what a person must look at before using one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from ncs_cb.figures.curves import BLUE, RED, Plot
from ncs_cb.figures.drawing import FAINT, INK, SOFT, Drawing, Text
from ncs_cb.norms import Part, Stratum
from ncs_cb.norms.values import GROUP
from ncs_cb.units import unit_of

_ACROSS = 3
_WIDTH, _HEIGHT, _HEAD = 210.0, 170.0, 34.0
_NARROWEST = 380.0


def draw(parts: Iterable[Part], frame: pd.DataFrame) -> Iterator[tuple[str, Drawing]]:
    """Draw one sheet per nerve, muscle, site and parameter, with a panel per band.

    Parameters
    ----------
    parts : iterable of Part
        The values, as :func:`ncs_cb.norms.split` gives them.
    frame : DataFrame
        What was proposed from them, row by row in the same order.

    Yields
    ------
    tuple of str and Drawing
        A name for a file, and the sheet. Bands with too few values have no panel.
    """
    sheets: dict[tuple[str, ...], list[tuple[Part, dict[str, Any]]]] = {}
    for part, row in zip(parts, frame.to_dict("records"), strict=True):
        if row["warning"] != "too_few":
            key = tuple(part.named[name] for name in GROUP)
            sheets.setdefault(key, []).append((part, {str(k): v for k, v in row.items()}))
    for key, panels in sheets.items():
        yield re.sub(r"\W+", "_", "_".join(k for k in key if k)), _sheet(key, panels)


def _sheet(key: tuple[str, ...], panels: list[tuple[Part, dict[str, Any]]]) -> Drawing:
    study, nerve, muscle, site, segment, item = key
    named = item[: -len(_suffix(item))].replace("_", " ") if _suffix(item) else item
    where = " ".join(w.replace("_", " ") for w in (nerve, muscle, site or segment) if w)
    title = f"{where}, {study}: {named} ({unit_of(item)})"
    across = min(len(panels), _ACROSS)
    rows = -(-len(panels) // _ACROSS)
    sheet = Drawing(max(across * _WIDTH + 20.0, _NARROWEST), rows * _HEIGHT + _HEAD, title)
    sheet.add(Text(10.0, 18.0, title, 11.0, is_bold=True))
    for number, (part, row) in enumerate(panels):
        left = 10.0 + (number % _ACROSS) * _WIDTH
        top = _HEAD + (number // _ACROSS) * _HEIGHT
        _panel(sheet, left, top, part, row)
    return sheet


def _suffix(item: str) -> str:
    found = re.search(r"_(m_per_s|m?s|[mu]v|pct)$", item)
    return found[0] if found else ""


def _panel(sheet: Drawing, left: float, top: float, part: Part, row: dict[str, Any]) -> None:
    ordered = np.sort(part.rows["value"].to_numpy(dtype=np.float64))
    rank = np.arange(1.0, len(ordered) + 1.0)
    ends = [ordered[0], ordered[-1], *(v for v in (row["limit"],) if not pd.isna(v))]
    low, high = min(ends), max(ends)
    room = 0.05 * (high - low) or 1.0
    plot = Plot(
        sheet,
        left + 34.0,
        top + 28.0,
        _WIDTH - 50.0,
        _HEIGHT - 66.0,
        (0.0, float(len(ordered)) + 1.0),
        (float(low - room), float(high + room)),
    )
    plot.axes("rank", "")
    sheet.add(Text(left + 30.0, top + 8.0, _band(part.band), 9.0, is_bold=True))
    plot.curve(rank, ordered, FAINT, 2.2)
    said = f"n = {row['n_values']}"
    if not pd.isna(row["plateau_low"]):
        flat = (ordered >= row["plateau_low"]) & (ordered <= row["plateau_high"])
        plot.curve(rank[flat], ordered[flat], BLUE, 2.6)
    if not pd.isna(row["limit"]):
        across = np.array([0.0, len(ordered) + 1.0])
        plot.curve(across, np.full(2, row["limit"]), RED, 1.2)
        for edge in ("limit_low", "limit_high"):
            if not pd.isna(row[edge]) and low - room <= row[edge] <= high + room:
                plot.curve(across, np.full(2, row[edge]), RED, 0.7, (3.0, 2.0))
        said += f", limit {row['limit']:.3g} ({row['limit_low']:.3g} to {row['limit_high']:.3g})"
    sheet.add(Text(left + 30.0, top + 19.0, said, 8.0, color=INK))
    if row["warning"]:
        words = str(row["warning"]).replace("_", " ").replace(";", ", ")
        sheet.add(Text(left + 38.0, top + 38.0, words, 7.5, color=SOFT))


def _band(band: Stratum) -> str:
    spans = []
    for low, high, unit in (
        (band.age_from, band.age_to, "years"),
        (band.height_from_cm, band.height_to_cm, "cm"),
    ):
        if low is not None and high is not None:
            spans.append(f"{low} to {high} {unit}")
        elif low is not None:
            spans.append(f"{low} {unit} and more")
        elif high is not None:
            spans.append(f"up to {high} {unit}")
    return ", ".join(spans) or "everybody"
