"""How a column is declared, and the columns that name a row in many tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ncs_cb.units import unit_of

# Stalberg et al. 2019 is the IFCN standard for quantifying nerve conduction studies and EMG.
STALBERG = (
    "Stalberg E et al. Clin Neurophysiol 2019;130:1688-1729, doi:10.1016/j.clinph.2019.05.008"
)
# Simulation evidence for counting every negative phase: reference/clinical.md section 7.4.
ALL_PHASES = (
    "Van den Bergh PYK et al. Eur J Neurol 2021;28:3556-3583, doi:10.1111/ene.14959 "
    "(distal CMAP duration: first onset to the return of the last negative peak)"
)
CONTRACT = "ncs_cb, public contract"


Dtype = Literal["string", "float64", "boolean", "Int64", "object"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one table.

    Attributes
    ----------
    name : str
        Lower snake case; a quantity ends in its unit.
    table : str
        The table it belongs to.
    dtype : str
        pandas dtype: ``string``, ``float64``, ``boolean``, ``Int64``, or ``object`` for lists.
    label : str
        Short English heading.
    description : str
        What it is, in one sentence.
    definition : str
        The formula or rule, word for word.
    source : str
        Where the definition comes from.
    """

    name: str
    table: str
    dtype: Dtype
    label: str
    description: str
    definition: str = ""
    source: str = ""

    @property
    def unit(self) -> str:
        """The unit read from the name's suffix; empty when it has none."""
        return unit_of(self.name)


def text(table: str, name: str, label: str, description: str) -> Column:
    """Declare a column of words."""
    return Column(name, table, "string", label, description)


def number(
    table: str, name: str, label: str, description: str, definition: str = "", source: str = ""
) -> Column:
    """Declare a quantity; its name ends in its unit."""
    return Column(name, table, "float64", label, description, definition, source)


def truth(table: str, name: str, label: str, description: str, definition: str = "") -> Column:
    """Declare a column that is true, false or unknown."""
    return Column(name, table, "boolean", label, description, definition)


def flags(table: str) -> Column:
    """Declare the column of quality flags."""
    return text(
        table,
        "quality_flags",
        "Quality flags",
        "Names of the quality flags raised, joined by ';', empty when none.",
    )


def series(table: str) -> tuple[Column, ...]:
    """Declare the columns that name one nerve, side and muscle of one study."""
    return (
        text(table, "study_id", "Study", "The study's id: one patient visit."),
        text(table, "nerve", "Nerve", "Nerve stimulated, as an id of the anatomy table."),
        text(table, "side", "Side", "'left' or 'right'."),
        text(table, "muscle", "Muscle", "Muscle (or skin area) recorded from, as an id."),
    )


def segment_name(table: str) -> Column:
    """Declare the column that names a segment."""
    return text(table, "segment", "Segment", "Distal site, a hyphen, proximal site.")
