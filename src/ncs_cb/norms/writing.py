"""Proposed limits as files: a reference set, a table, and one plot per nerve and parameter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from ncs_cb import __version__
from ncs_cb.figures.drawing import to_matplotlib, to_svg
from ncs_cb.norms import AGES, HEIGHTS, propose_norms, split, strata_of
from ncs_cb.norms.curves import draw
from ncs_cb.norms.limits import value
from ncs_cb.norms.values import archive_values
from ncs_cb.reports.tables import to_csv

_METHOD = (
    "Jabre JF, et al. J Clin Neurophysiol 2015;32:265-270; "
    "Dunker O, et al. Clin Neurophysiol Pract 2024;9:168-175."
)
_HEAD = """# Limits of normal that the laboratory's own archive proposes ("ncs-cb norms").
# A proposal: look at each plot beside this file, delete what you do not trust, and set "verified"
# to "primary" where you have checked it against healthy people of your own. Use it by
# --reference norms.toml, or as reference in lab.toml.

id = "{id}"
title = "Proposed from this laboratory's archive"
revision = 1
text = "{text}"

[source]
citation = "Extrapolated norms of this laboratory's archive, ncs_cb {version}. {method}"
doi = "10.1016/j.cnp.2024.04.001"
"""
_BANDS = ("age_from", "age_to", "height_from_cm", "height_to_cm")


def to_toml(frame: pd.DataFrame, *, set_id: str = "our_norms") -> str:
    """Write proposed limits as a reference set that ``reference=`` and ``--reference`` take.

    Parameters
    ----------
    frame : DataFrame
        As :func:`ncs_cb.propose_norms` gives it; rows without a limit are left out.
    set_id : str
        What results call the set.
    """
    sds = value("plateau.standard_deviations")
    text = (
        f"Mean of the plateau of the sorted values, less or more {sds:g} standard deviations; "
        "90 % intervals by bootstrap (half-samples of the visits). Not checked against healthy "
        "people."
    )
    parts = [_HEAD.format(id=set_id, text=text, version=__version__, method=_METHOD)]
    parts += [_limit(row) for row in _records(frame[frame["limit"].notna()])]
    return "\n".join(parts)


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def _limit(row: dict[str, object]) -> str:
    lines = ["[[limit]]"]
    lines += [f'{k} = "{row[k]}"' for k in ("study", "nerve", "muscle", "item", "direction")]
    lines.append(f"value = {_rounded(row['limit'])}")
    lines += [
        f'{k} = "{row[k]}"' for k in ("site", "segment") if row[k] and row["study"] == "motor"
    ]
    if not pd.isna(row["distance_mm"]):  # type: ignore[call-overload]
        lines.append(f"distance_mm = {row['distance_mm']:g}")
    lines += [f"{k} = {row[k]}" for k in _BANDS if not pd.isna(row[k])]  # type: ignore[call-overload]
    warned = f"; {str(row['warning']).replace(';', ', ')}" if row["warning"] else ""
    interval = f"{_rounded(row['limit_low'])} to {_rounded(row['limit_high'])}"
    lines += [
        f'source = "extrapolated norms, {row["n_values"]} values of {row["n_studies"]} visits"',
        'verified = "unchecked"',
        f'note = "90 % interval {interval}{warned}"',
    ]
    return "\n".join(lines) + "\n"


def _rounded(number: object) -> str:
    return f"{float(number):.3g}"  # type: ignore[arg-type]


def write_norms(
    archive: str | Path,
    target: str | Path,
    *,
    ages: Sequence[int] = AGES,
    heights: Sequence[int] = HEIGHTS,
    plots: Literal["svg", "png"] = "svg",
) -> pd.DataFrame:
    """Write ``norms.toml``, ``norms.csv`` and a plot per nerve, muscle and parameter.

    Parameters
    ----------
    archive, ages, heights
        As in :func:`ncs_cb.propose_norms`.
    target : str or Path
        A folder, made when it is not there.
    plots : str
        ``svg`` or ``png``.

    Returns
    -------
    DataFrame
        What :func:`ncs_cb.propose_norms` proposes.
    """
    frame = propose_norms(archive, ages=ages, heights=heights)
    folder = Path(target)
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    (folder / "norms.toml").write_text(to_toml(frame), "utf-8")
    (folder / "norms.csv").write_text(to_csv(frame), "utf-8", newline="")
    everything = list(split(archive_values(Path(archive)), strata_of(ages, heights)))
    for name, drawing in draw(everything, frame):
        path = folder / "plots" / f"{name}.{plots}"
        if plots == "svg":
            path.write_text(to_svg(drawing), "utf-8")
        else:
            to_matplotlib(drawing).savefig(path, dpi=150)
    return frame
