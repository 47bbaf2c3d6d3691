"""BrainVision headers as MNE must find them: letters, units and companions settled before."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ncs_cb.errors import ReadError, UnitError
from ncs_cb.model import Decision
from ncs_cb.readers._shared.files import inside, read_regular
from ncs_cb.readers._shared.names import from_label
from ncs_cb.readers._shared.reader import Input
from ncs_cb.readers._shared.stimuli import stimulus
from ncs_cb.readers._shared.text import decode, decode_label
from ncs_cb.units import MILLIVOLTS_PER, millivolts_per

_DATA, _MARKERS = (".eeg", ".dat", ".avg"), (".vmrk",)
_BY_DEFINITION = "\u00b5V"
_MARKER_LINE = re.compile(r"(?i)^Mk\d+=[^,]*,([^,]*)")


@dataclass(frozen=True, slots=True)
class Triple:
    """A header in letters that MNE reads, the files it stands for, and what was settled."""

    header: str
    data: Path
    markers: Path | None
    decisions: tuple[Decision, ...]

    @property
    def companions(self) -> tuple[Path, ...]:
        """The files beside the header."""
        return (self.data,) if self.markers is None else (self.markers, self.data)


def triple(source: Input) -> Triple:
    """Settle letters, units and companions of a header.

    Raises
    ------
    ReadError
        If a companion is missing, or lies outside of the folder.
    UnitError
        If the unit of a channel with responses is missing or unknown.
    """
    text, encoding = decode(source.data)
    decisions = []
    if encoding != "utf-8":
        why = "the header is not UTF-8 text, as its standard asks"
        decisions.append(Decision(source.name, "encoding", encoding, why))
    text = _with_units(text, source, decisions)
    data = _companion(text, "DataFile", _DATA, source, decisions)
    if data is None:
        raise ReadError("its header names no data file.")
    markers = _companion(text, "MarkerFile", _MARKERS, source, decisions)
    _refuse_many_channels(text, data, source)
    return Triple(text, data, markers, tuple(decisions))


def _refuse_many_channels(text: str, data: Path, source: Input) -> None:
    """Refuse more channels than the data have bytes: MNE makes room for all of them first."""
    found = re.search(r"(?mi)^NumberOfChannels\s*=\s*(\d+)", text)
    size = data.stat().st_size
    if found is not None and (len(found[1]) > len(str(size)) or int(found[1]) > size):
        raise ReadError("more channels are stated than the data have bytes.", source=source.name)


@contextmanager
def settled(files: Triple, stem: str) -> Iterator[Path]:
    """Give a header in UTF-8 whose companions are found, for as long as MNE reads it."""
    with tempfile.TemporaryDirectory(prefix="ncs_cb") as folder:
        text = re.sub(r"(?mi)^Codepage\s*=.*$", "Codepage=UTF-8", files.header)
        text = _naming(text, "DataFile", str(files.data))
        if files.markers is not None:
            markers = Path(folder) / f"{stem}.vmrk"
            markers.write_text(_markers(read_regular(files.markers)), "utf-8")
            text = _naming(text, "MarkerFile", str(markers))
        path = Path(folder) / f"{stem}.vhdr"
        path.write_text(text, "utf-8")
        yield path


def _naming(text: str, key: str, name: str) -> str:
    return re.sub(rf"(?mi)^{key}\s*=.*$", lambda _: f"{key}={name}", text)


def _markers(data: bytes) -> str:
    """Decode a marker file line by line: some programs put texts of several kinds into one."""
    lines = [decode_label(line, _names_a_site)[0] for line in data.splitlines()]
    text = "\n".join(lines).removeprefix("\ufeff") + "\n"
    return re.sub(r"(?mi)^Codepage\s*=.*$", "Codepage=UTF-8", text)


def _names_a_site(line: str) -> bool:
    found = _MARKER_LINE.match(line)
    said = stimulus(found[1]) if found else None
    return said is not None and said.site is not None


# --------------------------------------------------------------------------- companions


def _companion(
    text: str, key: str, suffixes: tuple[str, ...], source: Input, decisions: list[Decision]
) -> Path | None:
    """Find the file that the header names, or the one of the header's own stem.

    Raises
    ------
    ReadError
        If neither lies beside the header. What the header says is not quoted: it may be a name.
    """
    found = re.search(rf"(?mi)^{key}\s*=\s*(.*?)\s*$", text)
    if found is None or not found[1]:
        return None
    # "$b" stands for the header's own name; a backslash is a separator wherever it is read.
    spelled = found[1].replace("$b", source.path.stem).replace("\\", "/")
    folder = source.path.parent
    place = folder / spelled
    if "/" in spelled or place.exists():
        return inside(place, folder, said_by="the header")
    what = "data" if key == "DataFile" else "marker"
    own = [source.path.with_suffix(suffix) for suffix in suffixes]
    beside = next((path for path in own if path.is_file()), None)
    if beside is None:
        raise ReadError(
            f"its {what} file is missing: neither the one that the header names nor "
            f"'{own[0].name}' lies beside it.",
            hint="Copy the three files of a BrainVision recording (.vhdr, .vmrk, .eeg) together.",
        )
    decisions.append(
        Decision(
            source.name,
            "salvage",
            f"{what} file {beside.name}",
            f"the header names another {what} file, which is not here (renamed by hand?); the one "
            f"with the name of the header, {beside.name}, was taken",
        )
    )
    return inside(beside, folder, said_by="the header")


# --------------------------------------------------------------------------- units


def _with_units(text: str, source: Input, decisions: list[Decision]) -> str:
    """Write the units of channels with responses so that MNE knows them: it takes others as V.

    A channel without a unit field is in microvolts by the format's definition; an empty field
    says nothing.

    Raises
    ------
    UnitError
        If a unit is missing or unknown, and ``study.toml`` gives none.
    """
    section = re.search(r"(?ms)^\[Channel Infos\](.*?)(?=^\[|\Z)", text)
    if section is None:
        return text
    lines = [_line(line, source, decisions) for line in section[1].split("\n")]
    return text[: section.start(1)] + "\n".join(lines) + text[section.end(1) :]


def _line(line: str, source: Input, decisions: list[Decision]) -> str:
    found = re.match(r"\s*(Ch\d+)\s*=(.*)$", line.rstrip())
    if found is None:
        return line
    parts = found[2].split(",")
    stated = parts[3].strip() if len(parts) > 3 else _BY_DEFINITION
    is_response = from_label(parts[0].replace("\\1", ",")).is_response
    if not (is_response or stated.casefold().endswith("v") or not stated):
        return line
    told = source.override.unit
    unit = _unit(stated, told, source.name)
    if unit != stated or len(parts) < 4:
        said = f"study.toml gives it; the file says '{stated[:8]}'" if told else "as the file says"
        by = "the format's definition" if len(parts) < 4 and not told else said
        decision = Decision(source.name, "unit", unit, by)
        if decision not in decisions:
            decisions.append(decision)
    parts += [""] * (4 - len(parts))
    # As MNE has it: mV and V as they are, everything else with the micro sign.
    parts[3] = "\u00b5V" if MILLIVOLTS_PER[unit] == MILLIVOLTS_PER["uV"] else unit
    if not parts[2].strip():
        parts[2] = "1"
    return f"{found[1]}={','.join(parts)}"


def _unit(stated: str, told: str | None, name: str) -> str:
    if told is not None:
        millivolts_per(told, source="study.toml")
        return told
    if stated in MILLIVOLTS_PER:
        return stated
    what = f"unknown voltage unit '{stated[:12]}'" if stated else "the voltage unit is missing"
    raise UnitError(
        f"{what}; known: V, mV, uV, nV (upper and lower case matter).",
        hint=f'Correct it in the .vhdr file, or set unit under [recordings."{name}"] in '
        "study.toml.",
    )
