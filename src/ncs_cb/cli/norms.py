"""``ncs-cb norms | tables``: what an archive proposes as normal, and its tables for others."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ncs_cb.cli.console import friendly, note, out, table, wrong_usage
from ncs_cb.cli.options import Out


class Plots(StrEnum):
    """What ``--plots`` may name."""

    svg = "svg"
    png = "png"


@friendly
def norms(
    archive: Annotated[
        Path,
        typer.Argument(metavar="ARCHIVE", help="The folder that 'ncs-cb batch --out' wrote."),
    ],
    target: Out,
    ages: Annotated[
        str, typer.Option("--ages", metavar="YEARS", help="Where age bands begin; '' for none.")
    ] = "18,40,60",
    heights: Annotated[
        str, typer.Option("--heights", metavar="CM", help="Where height bands part; '' for none.")
    ] = "160,170,180",
    plots: Annotated[Plots, typer.Option("--plots", help="Format of the plots.")] = Plots.svg,
) -> None:
    """Propose limits of normal from an archive: norms.toml, norms.csv and a plot of each curve.

    The method takes the flat middle of the sorted values for the healthy, so most people of the
    archive must be healthy in the nerve concerned. Look at each plot before using norms.toml by
    --reference.
    """
    years, centimeters = _numbers("--ages", ages), _numbers("--heights", heights)
    from ncs_cb.norms.writing import write_norms

    frame = write_norms(archive, target, ages=years, heights=centimeters, plots=plots.value)
    shown = frame[frame["limit"].notna()]
    rows = [
        (
            row["nerve"],
            row["muscle"],
            row["site"] or row["segment"],
            row["item"],
            _band(row["age_from"], row["age_to"]),
            _band(row["height_from_cm"], row["height_to_cm"]),
            f"{row['n_values']}",
            f"{'>=' if row['direction'] == 'lower' else '<='} {row['limit']:.3g}",
            f"{row['limit_low']:.3g} to {row['limit_high']:.3g}",
            row["warning"].replace("_", " ").replace(";", ", "),
        )
        for row in shown.to_dict("records")
    ]
    heads = ("nerve", "muscle", "site", "item", "years", "cm", "n", "limit", "90 %", "warning")
    out().print(table(heads, rows))
    left = len(frame) - len(shown)
    note(f"wrote {target / 'norms.toml'}: {len(shown)} limits; {left} bands gave none (norms.csv)")


class TableFormat(StrEnum):
    """What ``--format`` of ``tables`` may name."""

    csv = "csv"
    xlsx = "xlsx"


@friendly
def tables(
    archive: Annotated[
        Path,
        typer.Argument(metavar="ARCHIVE", help="The folder that 'ncs-cb batch --out' wrote."),
    ],
    target: Out,
    kind: Annotated[
        TableFormat, typer.Option("--format", help="csv, or xlsx: one workbook.")
    ] = TableFormat.csv,
) -> None:
    """Write the tables of an archive as CSV or as one Excel workbook, for other programs."""
    from ncs_cb.batch.export import write_tables

    paths = write_tables(archive, target, format=kind.value)
    note(f"wrote {', '.join(str(path) for path in paths)}")


def _numbers(name: str, text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        wrong_usage(f"{name} {text}: whole numbers separated by commas, such as 18,40,60")


def _band(low: object, high: object) -> str:
    import pandas as pd

    first, last = ("" if pd.isna(v) else f"{v}" for v in (low, high))  # type: ignore[call-overload]
    return f"{first}-{last}" if first or last else ""
