"""``lab.toml``: what is the same for everything that a laboratory measures.

Letterhead, defaults, words and layouts of tables. It lies in the study's folder or above it; every
key is optional, and unknown ones are refused with the nearest.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from ncs_cb.errors import StudyError, TableError, did_you_mean
from ncs_cb.files import read_regular
from ncs_cb.knowledge import datafile, layouts
from ncs_cb.knowledge.anatomy import anatomy, normalize, resolve
from ncs_cb.knowledge.datafile import Block
from ncs_cb.knowledge.layouts import Layout
from ncs_cb.model import Lab

NAME = "lab.toml"
_TEMPLATE = "tables/lab_template.toml"
_LETTERHEAD = ("name", "address", "physician", "logo", "phone", "email")
_DEFAULTS = ("criteria", "reference", "language", "supramaximal", "collision_used")
_LOGOS = (".png", ".svg")
_PLACES = {"stimulation_site": "sites", "nerve": "nerves", "muscle": "muscles"}
_OTHERS = {"side": ("left", "right"), "response": ("present", "absent", "not_done")}
_HIGHEST = 64
_LARGEST_LOGO = 1 << 19


class LabFile(NamedTuple):
    """A ``lab.toml`` as read.

    Attributes
    ----------
    lab : Lab
        What a study carries of it.
    layouts : mapping of str to Layout
    words : mapping
        By ``nerves``, ``sites``, ``muscles``, ``side``, ``response``: folded text to id.
    """

    lab: Lab
    layouts: Mapping[str, Layout]
    words: Mapping[str, Mapping[str, str]]


def load(path: str | Path) -> LabFile:
    """Read a ``lab.toml``.

    Raises
    ------
    TableError
        If it cannot be read, has an unknown key, or a word that names two things. The message
        names file and key.
    """
    path = Path(path)
    read = datafile.read("", path)
    top = Block(read.raw, path.name)
    top.only("letterhead", "defaults", "words", "layouts")
    inside = top.block("layouts")
    own = {name: layouts.build(inside.block(name), name, read.sha256) for name in inside.raw}
    lab = Lab(
        read.sha256,
        path.name,
        _letterhead(top.block("letterhead"), path.parent),
        _defaults(top.block("defaults"), path.parent),
        _as_written(top.block("words")),
    )
    return LabFile(lab, own, _words(top.block("words")))


def template() -> str:
    """Give a commented ``lab.toml`` with every key, for ``ncs-cb lab --template``."""
    return files("ncs_cb").joinpath(_TEMPLATE).read_text("utf-8")


def find(start: Path, *, root: Path | None = None) -> Path | None:
    """Find the nearest ``lab.toml`` in a folder or above it; never above `root` when given.

    Parameters
    ----------
    start : Path
        The study's folder, or the folder of its file.
    root : Path, optional
        The folder of a batch: no file outside it has a say.
    """
    here = os.path.realpath(start)
    top = None if root is None else os.path.realpath(root)
    if top is not None and here != top and Path(top) not in Path(here).parents:
        return None
    for _ in range(_HIGHEST):
        own = os.path.join(here, NAME)
        # A folder that may not be entered has no file for us, and is no error here.
        if os.path.isfile(own) and not os.path.islink(own):
            return Path(own)
        above = os.path.dirname(here)
        if here in (top, above):
            return None
        here = above
    return None


def _letterhead(block: Block, folder: Path) -> dict[str, str]:
    block.only(*_LETTERHEAD)
    found = {name: block.text(name) for name in block.raw}
    logo = found.get("logo")
    if logo is not None:
        file = folder / logo
        # Asked first: a name with a zero letter is no file, and cannot be resolved.
        is_there = file.is_file() and folder.resolve() in file.resolve().parents
        if not logo.lower().endswith(_LOGOS) or not is_there:
            raise block.wrong("logo", "must name a PNG or SVG file beside lab.toml")
        found["logo_data"] = _embedded(block, file)
    return found


def _embedded(block: Block, file: Path) -> str:
    """Give an image as a data URI, so that a report stands alone."""
    if file.stat().st_size > _LARGEST_LOGO:
        raise block.wrong("logo", f"larger than {_LARGEST_LOGO} bytes")
    kind = "png" if file.suffix.lower() == ".png" else "svg+xml"
    return f"data:image/{kind};base64,{b64encode(read_regular(file)).decode('ascii')}"


def _defaults(block: Block, folder: Path) -> dict[str, Any]:
    block.only(*_DEFAULTS)
    found: dict[str, Any] = {}
    if "criteria" in block.raw:
        found["criteria"] = tuple(
            _own(block, "criteria", name, folder) for name in block.names("criteria")
        )
    if "reference" in block.raw:
        found["reference"] = _own(block, "reference", block.text("reference"), folder)
    if "language" in block.raw:
        found["language"] = block.choice("language", datafile.shipped("words"))
    for name in ("supramaximal", "collision_used"):
        if name in block.raw:
            found[name] = block.truth(name)
    return found


def _own(block: Block, key: str, name: str, folder: Path) -> str:
    """Give a shipped set by its id, or the path of one's own from the folder of ``lab.toml``."""
    if not datafile.is_path(name):
        return block.one_of(key, name, datafile.shipped(key))
    if not (folder / name).is_file():
        raise block.wrong(key, f"'{name}': no such file, counted from the folder of lab.toml")
    return str(folder / name)


def _as_written(block: Block) -> dict[str, dict[str, tuple[str, ...]]]:
    block.only(*_PLACES, *_OTHERS)
    return {
        kind: {key: inner.names(key) for key in inner.raw}
        for kind in block.raw
        if (inner := block.block(kind)) is not None
    }


def _words(block: Block) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for kind in block.raw:
        inner = block.block(kind)
        what = _PLACES.get(kind, kind)
        known = list(getattr(anatomy(), what)) if kind in _PLACES else list(_OTHERS[kind])
        texts = found.setdefault(what, {})
        for key in inner.raw:
            if key not in known:
                raise inner.wrong(
                    key,
                    f"unknown {kind.replace('_', ' ')} '{key}'; known: "
                    f"{', '.join(known)}." + did_you_mean(key, known),
                )
            for text in inner.names(key):
                folded = normalize(text)
                if texts.setdefault(folded, key) != key:
                    raise inner.wrong(key, f"'{text}' names '{texts[folded]}' too")
                _refuse_turned(inner, key, what, text)
    return found


def _refuse_turned(block: Block, key: str, what: str, text: str) -> None:
    """A word that already means something else would turn a finding around."""
    if what not in _PLACES.values():
        return
    try:
        meant = resolve(what, text)  # type: ignore[arg-type]
    except (StudyError, TableError):
        return
    if meant != key:
        raise block.wrong(key, f"'{text}' already means '{meant}'")
