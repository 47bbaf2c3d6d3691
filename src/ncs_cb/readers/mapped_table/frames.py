"""A DataFrame, CSV or Excel file of printed values to studies, for notebooks."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from ncs_cb.errors import NcsError, StudyError
from ncs_cb.knowledge import lab as labs
from ncs_cb.knowledge import layouts
from ncs_cb.knowledge.layouts import Layout
from ncs_cb.model import Source, Study
from ncs_cb.readers._shared.asked import Asked, with_lab
from ncs_cb.readers._shared.grid import Grid, of_frame
from ncs_cb.readers._shared.reader import Input
from ncs_cb.readers.mapped_table.build import recordings
from ncs_cb.readers.mapped_table.header import is_recognized

if TYPE_CHECKING:
    import pandas as pd

    from ncs_cb.knowledge.lab import LabFile

_NAME = "DataFrame"


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

    Raises
    ------
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
        from ncs_cb.readers import read_studies

        found = read_studies(frame_or_path, layout=layout, lab=lab)
        return [_good(study) for study in found.values()]
    return _from_frame(frame_or_path, layout, None if lab is None else labs.load(lab))


def _good(study: Study | NcsError) -> Study:
    if isinstance(study, NcsError):
        raise study
    return study


def _from_frame(
    frame: pd.DataFrame, layout: str | Path | Layout | None, lab: LabFile | None
) -> list[Study]:
    if not hasattr(frame, "columns"):
        raise StudyError(f"a DataFrame or a path is needed, not {type(frame).__name__}.")
    grid = of_frame(frame)
    own = {} if lab is None else lab.layouts
    if layout is None:
        layout = _recognized(grid, list(own.values()))
    elif not isinstance(layout, Layout):
        layout = layouts.resolve(layout, own)
    content = repr(grid.rows).encode()
    asked = Asked(layout, lab)
    source = asked.put_to(Input(Path(_NAME), _NAME, b""), lab)
    digest = hashlib.sha256(content).hexdigest()
    studies = []
    for name, found in recordings(source, grid, layout).items():
        if isinstance(found, NcsError):
            raise found
        study = Study(
            name or "table",
            typed_responses=found.typed_responses,
            details=found.details,
            sources=(Source(_NAME, digest, "mapped_table"),),
            decisions=found.decisions,
            printed_segments=found.printed_segments,
        )
        studies.append(study if lab is None else with_lab(study, lab))
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
