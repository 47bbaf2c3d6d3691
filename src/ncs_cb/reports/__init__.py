"""Writers of reports: each takes a result and lays it out in one format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from ncs_cb import plugins
from ncs_cb.errors import NcsError, ReportError, did_you_mean
from ncs_cb.model import Result
from ncs_cb.reports._shared import Content, Writer, named, safe_name
from ncs_cb.system import write_whole

if TYPE_CHECKING:
    from ncs_cb.comparison import Comparison

__all__ = [
    "Writer",
    "named",
    "safe_name",
    "show",
    "write_atomically",
    "write_comparison",
    "write_report",
    "writers",
]

_GROUP = "ncs_cb.reports"


@cache
def writers() -> dict[str, Writer]:
    """Give every report format by name: those of this folder and of entry points.

    A package adds one with an entry point of group ``ncs_cb.reports`` that names a `Writer`; a
    broken one is left out with a :class:`ncs_cb.plugins.PluginWarning` that names it.
    """
    found: dict[str, Writer] = {}
    for module in iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        writer = getattr(import_module(f"{__name__}.{module.name}"), "WRITER", None)
        if isinstance(writer, Writer):
            found[writer.name] = writer
    return found | {writer.name: writer for writer in plugins.load(_GROUP, Writer, found)}


def write_report(
    result: Result,
    out_dir: str | Path,
    *,
    formats: Sequence[str] = ("html", "json", "csv"),
    lang: str = "en",
) -> list[Path]:
    """Write a result into ``out_dir/<study id>/`` in the formats asked for.

    Every file is complete or not there: it is written beside its place and then moved. The
    study's id becomes a safe folder name, so that nothing is ever written outside `out_dir`.

    Parameters
    ----------
    result : Result
    out_dir : str or Path
        Made if needed.
    formats : sequence of str
        Names out of :func:`writers`: ``html``, ``json``, ``csv``, ``pdf``, ``txt``, and those
        that other packages add.
    lang : str
        Language of the words: ``en`` or ``zh``. A Chinese report is ``report.zh.html``, beside
        an English one; records and tables of numbers have no language.

    Returns
    -------
    list of Path
        The files written, in the order of `formats`.

    Raises
    ------
    ReportError
        If a format or language is unknown, an extra is missing or a file cannot be written.
    """
    chosen = [_writer(name) for name in dict.fromkeys(_as_list(formats))]
    folder = Path(out_dir) / safe_name(result.study.study_id)
    if folder.is_symlink():
        folder.unlink()  # what it leads to is not ours to write into
    paths: list[Path] = []
    broken: list[str] = []
    for writer in chosen:
        try:
            files = writer.write(result, lang=lang)
        except NcsError:
            raise
        except Exception as problem:  # a broken writer must not cost the other formats
            broken.append(f"'{writer.name}' ({type(problem).__name__}: {problem})")
            continue
        paths += [write_atomically(folder / name, content) for name, content in files.items()]
    if broken:
        raise ReportError(
            f"a report format failed: {', '.join(broken)}; the others were written",
            hint="Report it to the package that the format belongs to, or leave it out.",
        )
    return paths


def write_comparison(
    comparison: Comparison,
    out_dir: str | Path,
    *,
    formats: Sequence[str] = ("html", "json", "csv"),
    lang: str = "en",
) -> list[Path]:
    """Write a comparison of serial visits into `out_dir`; see :func:`write_report`.

    Raises
    ------
    ReportError
        If a format has no comparison, or as :func:`write_report`.
    """
    chosen = [_writer(name) for name in dict.fromkeys(_as_list(formats))]
    paths = []
    for writer in chosen:
        if writer.write_comparison is None:
            able = ", ".join(w.name for w in writers().values() if w.write_comparison)
            raise ReportError(f"format '{writer.name}' writes no comparison; known: {able}")
        for name, content in writer.write_comparison(comparison, lang=lang).items():
            paths.append(write_atomically(Path(out_dir) / name, content))
    return paths


def show(result: Result, *, lang: str = "en", height: int = 800) -> Any:
    """Show the HTML report inline in a notebook.

    The page stands in a frame of its own, so that neither style touches the other.

    Parameters
    ----------
    result : Result
    lang : str
    height : int
        Height of the frame in pixels.

    Returns
    -------
    Framed
        An object that a notebook displays; elsewhere its ``html`` attribute is the page.
    """
    page: str = import_module(f"{__name__}.html").render(result, lang=lang)
    return Framed(page, height)


@dataclass(frozen=True, slots=True)
class Framed:
    """A page that a notebook shows in a frame."""

    html: str
    height: int = 800

    def _repr_html_(self) -> str:
        return (
            f'<iframe srcdoc="{escape(self.html)}" sandbox="allow-same-origin" '
            f'style="width:100%;height:{int(self.height)}px;border:1px solid #dfe3e8"></iframe>'
        )


def _as_list(formats: Sequence[str] | str) -> list[str]:
    return [formats] if isinstance(formats, str) else list(formats)


def _writer(name: str) -> Writer:
    known = writers()
    if name not in known:
        raise ReportError(
            f"unknown report format '{name}'; known: {', '.join(known)}."
            + did_you_mean(name, known)
        )
    return known[name]


def write_atomically(path: Path, content: Content) -> Path:
    """Write a file beside its place and move it there, so that it is whole or absent.

    Raises
    ------
    ReportError
        If it cannot be written; the message says why.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode("utf-8") if isinstance(content, str) else content
        write_whole(path, data, through=False)
    except OSError as error:
        raise ReportError(
            f"cannot write the report: {error.strerror or error}",
            source=str(path),
            hint="Choose a folder you may write to with --out.",
        ) from None
    return path
