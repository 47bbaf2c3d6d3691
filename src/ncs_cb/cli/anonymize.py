"""Copies of a folder tree without identities; one bad file never stops the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePath

from ncs_cb.cli.console import explain, note, tell, wrong_usage
from ncs_cb.errors import ReadError


def one(source: Path, target: Path, name: PurePath | None = None) -> None:
    """Write the copy of one file, and warn where its name still tells whose it is.

    Parameters
    ----------
    source, target : Path
    name : PurePath, optional
        What of the path of the copy was not there before: the name of the file by default.

    Raises
    ------
    ReadError
        If the target exists, or the source is no sound EDF file.
    """
    from ncs_cb.readers.edf import anonymize, names_patient

    if target.exists():
        raise ReadError("exists already; nothing is overwritten.", source=str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    anonymize(source, target)
    if names_patient(source, str(name or target.name)):
        tell(
            f"{target}: warning: the name of this copy holds what its header said of the patient. "
            "Rename it, or copy the folder with --key, which hashes the names."
        )


def copies(source: Path, target: Path, key: Path | None) -> int:
    """Copy every EDF or BDF file below `source` into the same tree below `target`.

    Parameters
    ----------
    source, target : Path
    key : Path, optional
        The laboratory's secret: folder and file names become keyed hashes.

    Returns
    -------
    int
        Number of files that failed; each was named on standard error.
    """
    if target.resolve() == source.resolve() or source.resolve() in target.resolve().parents:
        wrong_usage(f"OUT {target} lies in IN {source}; choose a folder outside it")
    from ncs_cb.readers import is_recording
    from ncs_cb.readers.edf import is_edf

    failed = done = left = others = 0
    for path in _files(source):
        if not is_edf(path):
            left += 1
            others += is_recording(path)
            continue
        relative = path.relative_to(source)
        try:
            name = hidden(relative, key) if key else relative
            one(path, target / name, name)
            done += 1
        except Exception as error:  # a failed file is reported, the others are still copied
            failed += 1
            tell(f"{path}: {explain(error)}")
    some = f", {others} of them recordings of other formats" if others else ""
    note(
        f"wrote {done} files to {target}; {failed} failed; {left} are not EDF or BDF and were "
        f"left out{some}"
    )
    return failed


def hidden(relative: PurePath, key: Path) -> Path:
    """Give a relative path with every part replaced by its keyed hash; known suffixes are kept."""
    from ncs_cb.batch.identity import Pseudonyms

    pseudonyms = Pseudonyms.from_file(key)
    *folders, name = relative.parts
    return Path(*(pseudonyms.of(f) for f in folders), pseudonyms.of_file(name))


def _files(source: Path) -> Iterator[Path]:
    """Regular files below `source`, as every command finds them; no link is followed."""
    from ncs_cb.readers import files_below

    return files_below(source)
