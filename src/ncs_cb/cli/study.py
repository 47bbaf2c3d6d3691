"""``ncs-cb analyze | compare``: one study, or a few."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ncs_cb.cli.console import (
    SOME_FAILED,
    detail,
    document,
    explain,
    friendly,
    is_quiet,
    note,
    out,
    tell,
    wrong_usage,
)
from ncs_cb.cli.options import (
    DEFAULT_REFERENCE,
    Criteria,
    Formats,
    Inputs,
    KeepIdentity,
    LabLang,
    LabOption,
    LabReference,
    Layout,
    Out,
    Supramaximal,
    known_formats,
    known_lab,
    known_sets,
)
from ncs_cb.cli.validate import decided, warnings_of, without_name

if TYPE_CHECKING:
    from ncs_cb.errors import NcsError
    from ncs_cb.knowledge.lab import LabFile
    from ncs_cb.model import Result, Study

_STDOUT = Path("-")


@friendly
def analyze(
    inputs: Inputs,
    target: Out,
    criteria: Criteria = None,
    formats: Formats = None,
    lang: LabLang = None,
    clinical: Annotated[
        Path | None,
        typer.Option(
            "--clinical", metavar="study.toml", help="Findings of the visit; for a single INPUT."
        ),
    ] = None,
    reference: LabReference = None,
    keep_identity: KeepIdentity = False,
    layout: Layout = None,
    lab: LabOption = None,
    supramaximal: Supramaximal = False,
) -> None:
    """Measure and judge studies; write their reports and print a table per nerve.

    Each INPUT is one study: a recording, or a folder with the recordings of one visit. A table
    with several study ids is several.
    '--format json --out -' writes result.json to standard output and nothing else there.
    """
    chosen = known_formats(formats)
    _refuse_mixtures(inputs, target, chosen, formats, clinical)
    sets = known_sets(criteria, reference or DEFAULT_REFERENCE)
    lab_file = known_lab(lab)
    failed, taken = 0, dict[str, Path]()

    def one(study: Study | NcsError, given: Path) -> None:
        if isinstance(study, Exception):
            raise study
        _say(study)
        if target != _STDOUT:
            _refuse_taken(study.study_id, given, taken)
        own = _of_lab(study, sets, reference, lang)
        result = _analyze(study, own.criteria, own.reference, supramaximal=supramaximal)
        _deliver(result, target, chosen, own.lang)

    for given in inputs:
        try:
            each = _read_each(given, clinical, keep_identity, layout, lab_file)
            if target == _STDOUT and len(each) > 1:
                wrong_usage(f"'--out -' takes one study, but {given} holds {len(each)}")
        except typer.Exit:
            raise
        except Exception as error:  # one failed input never stops the others
            failed += 1
            tell(f"{given}: {without_name(given, explain(error))}")
            continue
        for name, study in each.items():
            try:
                one(study, given)
            except Exception as error:
                failed += 1
                shown = f"{given} ({name})" if len(each) > 1 else f"{given}"
                tell(f"{shown}: {without_name(given, explain(error))}")
    if failed:
        raise typer.Exit(SOME_FAILED)


def _refuse_mixtures(
    inputs: list[Path],
    target: Path,
    chosen: list[str],
    given: list[str] | None,
    clinical: Path | None,
) -> None:
    if target == _STDOUT and (given is None or chosen != ["json"]):
        wrong_usage("'--out -' writes result.json to standard output; it needs '--format json'")
    if target == _STDOUT and len(inputs) > 1:
        wrong_usage(f"'--out -' takes one INPUT, not {len(inputs)}; give a folder to --out")
    if clinical is not None and len(inputs) > 1:
        wrong_usage(
            f"--clinical describes one visit, but there are {len(inputs)} INPUTs; "
            "put a study.toml into each folder"
        )
    if clinical is not None and not clinical.is_file():
        wrong_usage(f"--clinical {clinical}: no such file; 'ncs-cb validate --template' prints one")


def _read_each(
    given: Path,
    clinical: Path | None,
    keep_identity: bool,
    layout: str | None,
    lab: LabFile | None,
) -> dict[str, Study | NcsError]:
    from ncs_cb.readers import read_studies

    return read_studies(
        given, keep_identity=keep_identity, details=clinical, layout=layout, lab=lab
    )


class _Settings(NamedTuple):
    """What a study is judged by and written in."""

    criteria: list[str] | None
    reference: str
    lang: str


def _of_lab(
    study: Study, criteria: list[str] | None, reference: str | None, lang: str | None
) -> _Settings:
    """Take the laboratory's habits where the command says nothing."""
    from ncs_cb.analysis import judged_by

    said = {} if study.lab is None else study.lab.defaults
    sets, limits = judged_by(study, criteria, reference)
    return _Settings(sets, limits, lang or said.get("language", "en"))


def _analyze(
    study: Study, criteria: list[str] | None, reference: str, *, supramaximal: bool
) -> Result:
    from ncs_cb.analysis import analyze as analyze_study

    return analyze_study(study, criteria, reference=reference, supramaximal=supramaximal)


def _refuse_taken(study_id: str, given: Path, taken: dict[str, Path]) -> None:
    from ncs_cb.errors import StudyError

    # Compared as the output folder is on a file system that ignores case.
    key = study_id.casefold()
    if key in taken:
        raise StudyError(
            f"the study id '{study_id}' is already used by {taken[key]} in this run; not written.",
            hint="Give each visit its own id in study.toml, or another --out.",
        )
    taken[key] = given


def _deliver(result: Result, target: Path, formats: list[str], lang: str) -> None:
    if target == _STDOUT:
        from ncs_cb.reports.record import to_json

        text = to_json(result)
        document(text if text.endswith("\n") else text + "\n")
        return
    from ncs_cb.cli.tables import print_result
    from ncs_cb.reports import write_report

    paths = write_report(result, target, formats=formats, lang=lang)
    if not is_quiet():
        print_result(out(), result, lang=lang)
    note(f"{result.study.study_id}: wrote {_shown(paths)}")


def _shown(paths: Iterable[Path]) -> str:
    found = [Path(p) for p in paths]
    page = [p for p in found if p.suffix == ".html"]
    rest = len(found) - 1
    first = (page or found)[0]
    return f"{first}" + (f" and {rest} more beside it" if rest > 0 else "")


@friendly
def compare(
    visits: Annotated[
        list[Path],
        typer.Argument(metavar="VISIT", help="Two or more visits of one patient."),
    ],
    target: Out,
    criteria: Criteria = None,
    formats: Formats = None,
    lang: LabLang = None,
    reference: LabReference = None,
    keep_identity: KeepIdentity = False,
    lab: LabOption = None,
    supramaximal: Supramaximal = False,
) -> None:
    """Compare serial visits: which blocks persist, resolve or are new; what treatment did."""
    if len(visits) < 2:
        wrong_usage("compare needs at least two VISITs")
    sets = known_sets(criteria, reference or DEFAULT_REFERENCE)
    chosen, lab_file = known_formats(formats), known_lab(lab)
    from ncs_cb.cli.tables import print_comparison
    from ncs_cb.comparison import compare as compare_results
    from ncs_cb.doors import analyze_many
    from ncs_cb.readers import read_study
    from ncs_cb.reports import write_comparison

    studies = [read_study(v, keep_identity=keep_identity, lab=lab_file) for v in visits]
    for study in studies:
        _say(study)
    # The visits of one patient are judged alike: by the habits of the first that has any.
    own = _of_lab(next((s for s in studies if s.lab), studies[0]), sets, reference, lang)
    results = analyze_many(
        studies, own.criteria, reference=own.reference, supramaximal=supramaximal
    )
    comparison = compare_results(results)
    paths = write_comparison(comparison, target, formats=chosen, lang=own.lang)
    if not is_quiet():
        print_comparison(out(), comparison, lang=own.lang)
    note(f"wrote {_shown(paths)}")


def _say(study: Study) -> None:
    for line in warnings_of(study):
        tell(line)
    for decision in study.decisions:
        detail(decided(decision))
