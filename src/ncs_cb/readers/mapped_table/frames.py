"""A DataFrame of printed values to studies, for notebooks."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from ncs_cb.discreet import discreet
from ncs_cb.errors import NcsError, StudyError
from ncs_cb.knowledge import layouts
from ncs_cb.knowledge.layouts import Layout
from ncs_cb.model import Source, Study
from ncs_cb.readers._shared.grid import Grid, of_frame
from ncs_cb.readers._shared.reader import Input
from ncs_cb.readers.mapped_table.build import recordings
from ncs_cb.readers.mapped_table.header import is_recognized

if TYPE_CHECKING:
    import pandas as pd

    from ncs_cb.knowledge.lab import LabFile

_NAME = "DataFrame"


def studies_of_frame(
    frame: pd.DataFrame, layout: str | Path | Layout | None, lab: LabFile | None
) -> dict[str, Study | NcsError]:
    """Make one study per visit of a DataFrame, or what is wrong with it, by study id.

    See :func:`ncs_cb.studies_from_table`.
    """
    if not hasattr(frame, "columns"):
        raise StudyError(f"a DataFrame or a path is needed, not {type(frame).__name__}.")
    grid = of_frame(frame)
    own = {} if lab is None else lab.layouts
    if layout is None:
        layout = _recognized(grid, list(own.values()))
    elif not isinstance(layout, Layout):
        layout = layouts.resolve(layout, own)
    content = repr(grid.rows).encode()
    source = Input(
        Path(_NAME),
        _NAME,
        b"",
        layout=layout,
        layouts=tuple(own.values()),
        words={} if lab is None else lab.words,
    )
    digest = hashlib.sha256(content).hexdigest()
    studies: dict[str, Study | NcsError] = {}
    for name, found in recordings(source, grid, layout).items():
        if isinstance(found, NcsError):
            studies[name] = discreet(found)
            continue
        studies[name] = Study(
            name or "table",
            typed_responses=found.typed_responses,
            details=found.details,
            sources=(Source(_NAME, digest, "mapped_table"),),
            decisions=found.decisions,
            printed_segments=found.printed_segments,
        )
    return studies


def _recognized(grid: Grid, own: list[Layout]) -> Layout:
    shipped = [layouts.load(name) for name in layouts.shipped()]
    for layout in (*own, *shipped):
        if is_recognized(grid, layout):
            return layout
    raise StudyError(
        "no layout fits the columns of this table; known: "
        f"{', '.join(one.id for one in (*own, *shipped))}.",
        hint="Rename the columns as the page 'tables' of the documentation says, or give a "
        "layout; 'ncs-cb validate FILE --layout' prints a guessed one.",
    )
