"""The report as PDF, laid out by typst (extra ``pdf``) from the same view, passed as data.

Chinese text needs an installed font that holds it; any of the Noto CJK fonts will do (Debian:
``apt install fonts-noto-cjk``).
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from ncs_cb import figures, view
from ncs_cb.errors import ReportError, missing_extra
from ncs_cb.figures.drawing import CHINESE_FONTS
from ncs_cb.model import Result
from ncs_cb.reports._shared import Writer, named
from ncs_cb.view.serial import build_comparison
from ncs_cb.vocabulary import SHOWN_GRADES

if TYPE_CHECKING:
    from ncs_cb.comparison import Comparison

_TEMPLATES = "reports/templates"
_LATIN = ("Helvetica Neue", "Arial", "Liberation Sans", "DejaVu Sans")


def render(result: Result, *, lang: str = "en") -> bytes:
    """Lay a result out as PDF, paginated for A4.

    Parameters
    ----------
    result : Result
    lang : str

    Returns
    -------
    bytes
        The same bytes for the same result and fonts: no date is written.

    Raises
    ------
    ReportError
        If typst is not installed, or no installed font holds the text.
    """
    v = view.build(result, lang=lang)
    return _compile(
        "report.typ",
        {
            "view": _by_name(asdict(v)),
            "figures": _by_name(figures.draw_all(result, v)),
            "grades": sorted({*SHOWN_GRADES, *(s.grade for s in v.stretches)}),
            "logo": list(_image(v.letterhead.logo)),
            "shorts": _shorts(v.labels) | {s.grade: s.short for s in v.stretches},
        },
    )


def render_comparison(comparison: Comparison, *, lang: str = "en") -> bytes:
    """Lay a comparison of serial visits out as PDF; see :func:`render`."""
    v = build_comparison(comparison, lang=lang)
    drawing = figures.course.draw(comparison, v.labels, lang=lang)
    return _compile(
        "comparison.typ",
        {
            "view": _by_name(asdict(v)),
            "timeline": figures.to_svg(drawing) if drawing is not None else "",
            "grades": list(SHOWN_GRADES),
            "shorts": _shorts(v.labels),
        },
    )


def _by_name(part: Any) -> Any:
    """Give what a view is made of as Typst reads it: every part by the name of its field."""
    if isinstance(part, dict):
        return {name: _by_name(one) for name, one in part.items()}
    if hasattr(part, "_asdict"):
        return _by_name(part._asdict())
    return [_by_name(one) for one in part] if isinstance(part, tuple) else part


def _image(uri: str) -> bytes:
    """Give the bytes of a data URI; none for no logo."""
    return b64decode(uri.partition(",")[2])


def _shorts(labels: Mapping[str, str]) -> dict[str, str]:
    return {g: labels[f"short_{g}"] for g in SHOWN_GRADES if f"short_{g}" in labels}


def _compile(name: str, data: dict[str, Any]) -> bytes:
    try:
        import typst
    except ImportError:
        raise missing_extra("the format 'pdf'", "typst", "pdf") from None
    data["fonts"] = fonts_for(json.dumps(data, ensure_ascii=False), _installed(typst))
    folder = files("ncs_cb").joinpath(_TEMPLATES)
    template = b"\n".join(folder.joinpath(part).read_bytes() for part in ("parts.typ", name))
    try:
        page = typst.compile(template, format="pdf", sys_inputs={"data": json.dumps(data)})
    except RuntimeError as error:
        raise ReportError(f"typst could not lay out the report: {error}") from None
    return bytes(page)


def _installed(typst: Any) -> list[str]:
    """Name the font families typst can see; a version that cannot tell is trusted."""
    return list(typst.Fonts().families()) if hasattr(typst, "Fonts") else [*_LATIN, *CHINESE_FONTS]


def fonts_for(text: str, installed: Sequence[str]) -> list[str]:
    """Choose the fonts: a plain one, and one for Chinese where there is Chinese text.

    Raises
    ------
    ReportError
        If the text holds Chinese and no installed font does.
    """
    chosen = [name for name in _LATIN if name in installed][:1] or ["Libertinus Serif"]
    if any(0x2E80 <= ord(letter) < 0xFB00 or ord(letter) >= 0x20000 for letter in text):
        chinese = [name for name in CHINESE_FONTS if name in installed][:1]
        if not chinese:
            raise ReportError(
                "the report holds Chinese characters and no installed font has them",
                hint="Install a Noto CJK font (Debian: apt install fonts-noto-cjk), or write html.",
            )
        chosen += chinese
    return chosen


def write(result: Result, *, lang: str = "en") -> dict[str, bytes]:
    """Give ``report.pdf``; in another language than English ``report.<lang>.pdf``."""
    return {named("report.pdf", lang): render(result, lang=lang)}


def write_comparison(comparison: Comparison, *, lang: str = "en") -> dict[str, bytes]:
    """Give ``comparison.pdf``, named for its language as :func:`write` does."""
    return {named("comparison.pdf", lang): render_comparison(comparison, lang=lang)}


WRITER = Writer("pdf", "the report for print, A4 (needs the extra 'pdf')", write, write_comparison)
