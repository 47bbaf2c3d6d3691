"""``ncs-cb batch | anonymize``: an archive, and what must not leave it."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated

import typer

from ncs_cb.cli.console import SOME_FAILED, friendly, note, wrong_usage
from ncs_cb.cli.options import (
    DEFAULT_REFERENCE,
    Criteria,
    KeepIdentity,
    LabLang,
    LabOption,
    LabReference,
    Layout,
    Out,
    Supramaximal,
    habits,
    known_sets,
)

_Key = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="Secret file of your laboratory: study ids and file names become keyed hashes.",
    ),
]


@friendly
def batch(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="Folder tree with the recordings.")],
    target: Out,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, metavar="N", help="Worker processes; one per core."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="ADDRESS", help="A running Dask scheduler."),
    ] = None,
    reports: Annotated[
        bool, typer.Option("--reports", help="Write a report per study as well.")
    ] = False,
    criteria: Criteria = None,
    reference: LabReference = None,
    lang: LabLang = None,
    keep_identity: KeepIdentity = False,
    key: _Key = None,
    time_limit: Annotated[
        float,
        typer.Option("--time-limit", min=0.1, metavar="SECONDS", help="Longest time per study."),
    ] = 60.0,
    memory_limit: Annotated[
        int,
        typer.Option("--memory-limit", min=64, metavar="MB", help="Most memory per study."),
    ] = 2048,
    allow_empty: Annotated[
        bool,
        typer.Option("--allow-empty", help="Let a ROOT without a study empty the tables of DIR."),
    ] = False,
    layout: Layout = None,
    lab: LabOption = None,
    supramaximal: Supramaximal = False,
) -> None:
    """Analyze an archive: tables for all studies, failures.csv, index.html, reports if asked.

    Every folder that directly holds recordings or a study.toml is one study; a recording lying
    directly in ROOT is a study of its own. Started again over the same DIR, it does only what is
    missing or changed.
    """
    if workers is not None and scheduler is not None:
        wrong_usage("--workers is for this machine and --scheduler for a cluster; give one of them")
    _refuse(root, key, keep_identity)
    said = habits(lab, root)
    criteria = criteria or list(said.get("criteria", ())) or None
    reference = reference or str(said.get("reference", DEFAULT_REFERENCE))
    lang = lang or said.get("language", "en")
    sets = known_sets(criteria, reference)
    from ncs_cb.batch import Settings, run_batch
    from ncs_cb.cli.progress import showing

    settings = Settings(
        criteria=tuple(sets) if sets else None,
        reference=reference,
        reports=reports,
        lang=lang,
        keep_identity=keep_identity,
        time_limit_s=time_limit,
        memory_limit_mb=memory_limit,
        layout=layout,
        lab=str(lab) if lab else None,
        supramaximal=supramaximal,
    )
    with showing() as progress:
        summary = run_batch(
            root,
            target,
            settings=settings,
            workers=workers,
            scheduler=scheduler,
            key=key,
            allow_empty=allow_empty,
            progress=progress,
        )
    note(summary.sentence(target))
    gc.freeze()  # or the end of the process would look through all that was loaded
    if summary.n_failed:
        raise typer.Exit(SOME_FAILED)


def _refuse(root: Path, key: Path | None, keep_identity: bool) -> None:
    if not root.is_dir():
        wrong_usage(f"ROOT {root} is not a folder; for one recording use 'ncs-cb analyze'")
    if key is not None and not key.is_file():
        wrong_usage(f"--key {key}: no such file; any secret file of at least 16 bytes will do")
    if key is not None and keep_identity:
        wrong_usage("--key hides identities and --keep-identity keeps them; give one of them")


@friendly
def anonymize(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="An EDF+ file, or a folder tree with them.")
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="A new file, or a folder for the copies.")
    ],
    key: _Key = None,
) -> None:
    """Copy EDF+ files without identities in headers and annotations; the originals stay.

    Only EDF and EDF+ files are copied. File and folder names are kept unless --key is given.
    """
    from ncs_cb.cli.anonymize import copies, one

    if not source.exists():
        wrong_usage(f"IN {source}: no such file or folder")
    if source.is_file():
        one(source, target)
        note(f"wrote {target}")
        return
    failed = copies(source, target, key)
    if failed:
        raise typer.Exit(SOME_FAILED)
