"""``ncs-cb doctor | samples``: what is installed, and what to try it with."""

from __future__ import annotations

import platform
import shutil
import sys
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from ncs_cb import __version__
from ncs_cb.cli.console import friendly, note, out, table, tell, wrong_usage
from ncs_cb.system import usable_cores

_EXTRAS = {
    "archive": ("dask", "distributed", "pyarrow"),
    "pdf": ("typst",),
    "neo": ("neo",),
    "xlsx": ("openpyxl",),
}
# The pages of the documentation that messages name.
_PAGES = ("formats", "tables", "criteria", "review", "scale")


@friendly
def doctor() -> None:
    """Show versions, extras, fonts, kernel and cores: what to paste into a report of a fault.

    Nothing of a patient and no path of yours is shown.
    """
    rows = [
        ("ncs_cb", __version__),
        ("python", f"{platform.python_version()} ({platform.python_implementation()})"),
        ("system", f"{platform.system()} {platform.release()} {platform.machine()}"),
        ("console encoding", sys.stdout.encoding or "unknown"),
        ("cores", str(usable_cores())),
        ("kernel", _kernel()),
        *((name, _version(name)) for name in _required()),
        *(
            (f"extra '{extra}'", "; ".join(f"{name} {_version(name)}" for name in names))
            for extra, names in _EXTRAS.items()
        ),
        ("fonts for Chinese", _fonts()),
        ("readers", _listed("readers")),
        ("report formats", _listed("reports")),
    ]
    out().print(table(("what", "found"), rows))


def _required() -> list[str]:
    """Name the packages of the core, as the package's own metadata lists them."""
    import re
    from importlib.metadata import PackageNotFoundError, requires

    try:
        lines = [line for line in requires("ncs_cb") or () if "extra ==" not in line]
    except PackageNotFoundError:  # run from a source tree that was never installed
        return []
    return [re.split(r"[^\w.\-]", line, maxsplit=1)[0] for line in lines]


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _kernel() -> str:
    """Name the build that measures here, or why there is none: this command works without one."""
    from ncs_cb._kernels import best_build
    from ncs_cb.errors import KernelError

    try:
        return f"compiled, {best_build()} build"
    except KernelError as error:
        return str(error)


def _fonts() -> str:
    from ncs_cb.figures.drawing import chinese_fonts

    return ", ".join(chinese_fonts()) or "none: Chinese words in figures and PDF need one"


def _listed(what: str) -> str:
    if what == "readers":
        from ncs_cb.readers import READERS

        return " ".join(reader.name for reader in READERS)
    from ncs_cb.reports import writers

    return " ".join(writers())


@friendly
def samples(
    target: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder to put them in; made if needed.")
    ],
) -> None:
    """Copy the sample visits, the notebooks and the pages that messages name to your folder.

    Every recording is synthetic: nothing a patient produced.
    """
    shelf = _shelf()
    taken = [name for name in shelf if (target / name).exists()]
    if taken:
        wrong_usage(f"{target / taken[0]} is there already; nothing was overwritten")
    for name, source in shelf.items():
        if name != "docs":
            left_out = shutil.ignore_patterns("*.py", "__pycache__")
            shutil.copytree(source, target / name, ignore=left_out)
    (target / "docs").mkdir()
    for page in _PAGES:
        shutil.copy(shelf["docs"] / f"{page}.md", target / "docs")
    note(f"wrote samples, notebooks and docs to {target}")
    tell(f"try: ncs-cb analyze {target / 'samples' / 'mmn_ulnar_radial'} --out out")


def _shelf() -> dict[str, Path]:
    """Find what is copied: in the installed package, or in the clone it runs from."""
    package = Path(str(files("ncs_cb")))
    if (package / "shelf").is_dir():
        return {name: package / "shelf" / name for name in ("samples", "notebooks", "docs")}
    clone = package.parents[1]
    samples = clone / "data" / "samples"
    return {"samples": samples, "notebooks": clone / "notebooks", "docs": clone / "docs"}
