"""Layouts: where the columns of a laboratory's or machine's table stand, and what they mean.

A layout is data: ``tables/layouts/<id>.toml``, a file of one's own, or a block of ``lab.toml``.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ncs_cb.columns import MEASURES
from ncs_cb.errors import TableError
from ncs_cb.knowledge import datafile
from ncs_cb.knowledge.datafile import Block

FOLDER = "layouts"

QUANTITIES = (
    *(c.name for c in MEASURES if c.dtype == "float64"),
    "distance_mm",
    "stimulus_ma",
    "stimulus_duration_ms",
    "high_pass_hz",
    "low_pass_hz",
    "sampling_rate_hz",
    "printed_velocity_m_per_s",
)
"""What a column may hold that has a unit."""

WORDS = (
    "study_id",
    "nerve",
    "side",
    "muscle",
    "stimulation_site",
    "kind",
    "response",
    "supramaximal",
    "collision_used",
    "recording",
    "segment",
    "distal_site",
    "proximal_site",
)
"""What a column may hold that has none."""

PERSON = {
    "age_years": "person.age_years",
    "sex": "person.sex",
    "height_cm": "person.height_cm",
    "visit_date": "study.visit_date",
    "symptom_onset_date": "study.symptom_onset_date",
}
"""Keys of ``study.toml`` that need no table name before them."""

_TABLES = (
    "study",
    "person",
    "limb_temperature_c",
    "clinical",
    "laboratory",
    "imaging",
    "treatment",
)
_GROUPS = (
    "study_id",
    "nerve",
    "side",
    "muscle",
    "stimulation_site",
    "site",
    "kind",
    "temperature_c",
)
_MEASURED = (*_GROUPS[:-1], "measure", "unit")
_DECIMALS = (".", ",")
_BASES = ("baseline_to_peak", "peak_to_peak")


@dataclass(frozen=True, slots=True)
class Source:
    """Where a quantity is taken from: the header of its column, and its unit if told."""

    header: str
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """What one code of a wide or long table means: a quantity, and what it was measured on."""

    to: str
    unit: str | None = None
    fixed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wide:
    """One row per visit; the header of each column says nerve, side, site and measure."""

    pattern: re.Pattern[str]
    measures: Mapping[str, Measure]
    default_site: str | None = None


@dataclass(frozen=True, slots=True)
class Long:
    """One row per value; a code says what it is."""

    parameter: str
    value: str
    parameters: Mapping[str, Measure]
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class FileShape:
    """How the file is written; None where it is to be seen from the file itself."""

    sheet: str | int | None = None
    header_row: int | None = None
    unit_row: int | None = None
    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """How one kind of table is to be read.

    Attributes
    ----------
    id, title : str
    sha256 : str
        Of the file it stands in.
    recognized_by : tuple of str
        Headers by which a file is taken for this layout without being told.
    shape : FileShape
        ``header_row`` and ``unit_row`` count from 1.
    keys : mapping of str to str
        From one of :data:`WORDS` to the header of its column.
    patient : mapping of str to str
        From ``<table>.<key>`` of ``study.toml`` to the header of its column.
    columns : mapping of str to Source
        From one of :data:`QUANTITIES` to its column.
    constants : mapping of str to str
        What is the same for every row.
    muscles : mapping of str to str
        By nerve, the muscle recorded from where the table names none.
    group_row : pattern or None
        A line that names what the rows below it belong to.
    wide, long
    absent, unknown : tuple of str
        Words of a cell: stimulated and nothing seen; nothing known.
    distance : str
        ``from_recording`` or ``segment`` (from the next distal site).
    amplitude_basis : str
        ``baseline_to_peak`` or ``peak_to_peak``.
    """

    id: str
    title: str
    sha256: str
    recognized_by: tuple[str, ...] = ()
    shape: FileShape = FileShape()
    keys: Mapping[str, str] = field(default_factory=dict)
    patient: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Source] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    muscles: Mapping[str, str] = field(default_factory=dict)
    group_row: re.Pattern[str] | None = None
    wide: Wide | None = None
    long: Long | None = None
    absent: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    distance: Literal["from_recording", "segment"] = "from_recording"
    amplitude_basis: Literal["baseline_to_peak", "peak_to_peak"] = "baseline_to_peak"

    @property
    def headers(self) -> tuple[str, ...]:
        """Every header that the layout names."""
        named = [*self.keys.values(), *self.patient.values()]
        named += [source.header for source in self.columns.values()]
        if self.long is not None:
            unit = () if self.long.unit is None else (self.long.unit,)
            named += [self.long.parameter, self.long.value, *unit]
        return tuple(dict.fromkeys(named))


def shipped() -> list[str]:
    """Give the ids of the shipped layouts."""
    return datafile.shipped(FOLDER)


def load(id_or_path: str | Path) -> Layout:
    """Load a shipped layout, or a file of one's own.

    Raises
    ------
    TableError
        If there is none of that id, or it is malformed; the message names file and key.
    """
    read = datafile.read(FOLDER, id_or_path)
    raw = read.raw
    if set(raw) == {"layouts"} and isinstance(raw["layouts"], dict) and len(raw["layouts"]) == 1:
        # A block cut out of lab.toml, heading and all.
        (name,) = raw["layouts"]
        return build(Block(raw["layouts"][name], read.name, f"layouts.{name}"), name, read.sha256)
    return build(Block(raw, read.name), Path(str(id_or_path)).stem, read.sha256)


_KEYS = (
    "id",
    "title",
    "recognized_by",
    "file",
    "keys",
    "patient",
    "columns",
    "constants",
    "muscles",
    "group_row",
    "wide",
    "long",
    "absent",
    "unknown",
    "distance",
    "amplitude_basis",
    "example",
)


def build(block: Block, name: str, sha256: str) -> Layout:
    """Make a layout from a parsed block; see :func:`load`."""
    block.only(*_KEYS)
    keys, patient = _keys(block)
    layout = Layout(
        id=block.maybe_text("id") or name,
        title=block.maybe_text("title"),
        sha256=sha256,
        recognized_by=block.names("recognized_by"),
        shape=_shape(block.block("file")),
        keys=keys,
        patient=patient,
        columns=_columns(block.block("columns")),
        constants=_texts(block.block("constants"), WORDS),
        muscles=_texts(block.block("muscles"), None),
        group_row=_pattern(block, "group_row", _GROUPS),
        wide=_wide(block.block("wide")) if "wide" in block.raw else None,
        long=_long(block.block("long")) if "long" in block.raw else None,
        absent=block.names("absent"),
        unknown=block.names("unknown"),
        distance=_one_of(block, "distance", ("from_recording", "segment")),  # type: ignore[arg-type]
        amplitude_basis=_one_of(block, "amplitude_basis", _BASES),  # type: ignore[arg-type]
    )
    if not (layout.columns or layout.wide or layout.long):
        raise block.wrong("columns", "a layout names at least one column, or 'wide' or 'long'")
    if layout.wide is not None and layout.long is not None:
        raise block.wrong("wide", "a table is wide or long, not both")
    return layout


def _one_of(block: Block, name: str, allowed: tuple[str, ...]) -> str:
    return block.choice(name, allowed) if name in block.raw else allowed[0]


def _shape(block: Block) -> FileShape:
    block.only("sheet", "header_row", "unit_row", "encoding", "delimiter", "decimal")
    sheet = block.raw.get("sheet")
    if sheet is not None and (isinstance(sheet, bool) or not isinstance(sheet, str | int)):
        raise block.wrong("sheet", "must be a name, or a number counted from 1")
    encoding = block.maybe_text("encoding") or None
    if encoding is not None:
        try:
            codecs.lookup(encoding)
        except (LookupError, ValueError):  # a zero in the name
            raise block.wrong(
                "encoding",
                f"unknown encoding '{encoding[:40]}'; such as utf-8, cp1252, utf-16, gb18030",
            ) from None
    delimiter = block.raw.get("delimiter")
    if delimiter is not None and (not isinstance(delimiter, str) or len(delimiter) != 1):
        raise block.wrong("delimiter", "must be one character, such as ';' or '\\t'")
    decimal = block.choice("decimal", _DECIMALS) if "decimal" in block.raw else None
    rows = {n: block.whole(n) if n in block.raw else None for n in ("header_row", "unit_row")}
    return FileShape(sheet, rows["header_row"], rows["unit_row"], encoding, delimiter, decimal)


def _keys(block: Block) -> tuple[dict[str, str], dict[str, str]]:
    """Tell the keys of a row from those of ``study.toml``."""
    keys, patient = {}, {}
    for place in ("keys", "patient"):
        inner = block.block(place)
        for name in _flat(inner.raw):
            header = _header(inner, name)
            key = "stimulation_site" if name == "site" else name
            if place == "keys" and key in WORDS:
                keys[key] = header
            elif name in PERSON:
                patient[PERSON[name]] = header
            elif name.partition(".")[0] in _TABLES and "." in name:
                patient[name] = header
            else:
                inner.one_of(name, name, (*WORDS, *PERSON) if place == "keys" else tuple(PERSON))
    return keys, patient


def _flat(raw: Mapping[str, object]) -> dict[str, object]:
    """Give ``clinical.progressive = ...`` as one name, whichever way TOML took it."""
    flat: dict[str, object] = {}
    for name, value in raw.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": v for inner, v in value.items()}
        else:
            flat[name] = value
    return flat


def _header(block: Block, name: str) -> str:
    value = _flat(block.raw)[name]
    if not isinstance(value, str) or not value.strip():
        raise block.wrong(name, "must be the header of a column, as text")
    return value.strip()


def _columns(block: Block) -> dict[str, Source]:
    found = {}
    for name, value in block.raw.items():
        block.one_of(name, name, QUANTITIES)
        if isinstance(value, str):
            found[name] = Source(_header(block, name))
            continue
        inner = block.block(name)
        inner.only("from", "unit")
        found[name] = Source(inner.text("from").strip(), inner.maybe_text("unit").strip() or None)
    return found


def _texts(block: Block, known: tuple[str, ...] | None) -> dict[str, str]:
    if known is not None:
        block.only(*known)
    return {name: block.text(name) for name in block.raw}


def _pattern(block: Block, name: str, groups: tuple[str, ...]) -> re.Pattern[str] | None:
    text = block.maybe_text(name)
    if not text:
        return None
    try:
        pattern = re.compile(text)
    except re.error as problem:
        raise block.wrong(name, f"not a regular expression: {problem}") from None
    if not pattern.groupindex:
        raise block.wrong(name, f"names no group; known: {', '.join(groups)}")
    for group in pattern.groupindex:
        block.one_of(name, group, groups)
    return pattern


def _wide(block: Block) -> Wide:
    block.only("pattern", "default_site", "measures")
    pattern = _pattern(block, "pattern", _MEASURED)
    if pattern is None:
        raise block.wrong("pattern", "missing key 'pattern' (a regular expression for headers)")
    if "measure" not in pattern.groupindex:
        raise block.wrong("pattern", "must name a group 'measure': (?P<measure>...)")
    return Wide(
        pattern, _measures(block.block("measures")), block.maybe_text("default_site") or None
    )


def _long(block: Block) -> Long:
    block.only("parameter", "value", "unit", "parameters")
    return Long(
        block.text("parameter").strip(),
        block.text("value").strip(),
        _measures(block.block("parameters")),
        block.maybe_text("unit").strip() or None,
    )


def _measures(block: Block) -> dict[str, Measure]:
    found = {}
    allowed = (*QUANTITIES, *WORDS, *PERSON)
    for name, value in block.raw.items():
        if isinstance(value, str):
            found[name] = Measure(block.one_of(name, value, allowed))
            continue
        inner = block.block(name)
        inner.only("to", "unit", "site", *WORDS)
        to = inner.text("to")
        if to.partition(".")[0] not in _TABLES:
            inner.one_of("to", to, allowed)
        fixed = {k: inner.text(k) for k in inner.raw if k not in ("to", "unit")}
        if "site" in fixed:
            fixed["stimulation_site"] = fixed.pop("site")
        found[name] = Measure(to, inner.maybe_text("unit").strip() or None, fixed)
    if not found:
        raise block.wrong("", "names no measure")
    return found


def resolve(name: str | Path, own: Mapping[str, Layout]) -> Layout:
    """Give the layout of that name: the laboratory's own first, then shipped ones, then a path.

    Raises
    ------
    TableError
        If there is none; the message lists those that are.
    """
    if str(name) in own:
        return own[str(name)]
    if not datafile.is_path(name) and str(name) not in shipped():
        known = [*own, *shipped()]
        raise TableError(
            f"unknown layout '{name}'; known: {', '.join(known)}."
            " A file of your own is named by its path, ending in .toml."
        )
    return load(name)
