"""``ncs-cb analyze | compare | validate``: one study, a few, or a check of the files."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from ncs_cb.cli._console import (
    SOME_FAILED,
    detail,
    explain,
    friendly,
    note,
    out,
    plain,
    tell,
    wrong_usage,
)
from ncs_cb.cli._options import (
    DEFAULT_REFERENCE,
    Criteria,
    Formats,
    Inputs,
    KeepIdentity,
    LabLang,
    LabOption,
    LabReference,
    Lang,
    Language,
    Layout,
    Out,
    Reference,
    Supramaximal,
    known_formats,
    known_lab,
    known_sets,
)

if TYPE_CHECKING:
    from ncs_cb.errors import NcsError
    from ncs_cb.knowledge.lab import LabFile
    from ncs_cb.model import Decision, Result, Study, Trace, TypedResponse

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
            tell(f"{given}: {_without(given, explain(error))}")
            continue
        for name, study in each.items():
            try:
                one(study, given)
            except Exception as error:
                failed += 1
                shown = f"{given} ({name})" if len(each) > 1 else f"{given}"
                tell(f"{shown}: {_without(given, explain(error))}")
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
    lang: Language


def _of_lab(
    study: Study, criteria: list[str] | None, reference: str | None, lang: Language | None
) -> _Settings:
    """Take the laboratory's habits where the command says nothing."""
    said = {} if study.lab is None else study.lab.defaults
    return _Settings(
        criteria or list(said.get("criteria", ())) or None,
        reference or str(said.get("reference", DEFAULT_REFERENCE)),
        lang or Language(said.get("language", "en")),
    )


def _read(given: Path, clinical: Path | None, keep_identity: bool) -> Study:
    from ncs_cb.readers import read_study

    return read_study(given, keep_identity=keep_identity, details=clinical)


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


def _deliver(result: Result, target: Path, formats: list[str], lang: Language) -> None:
    if target == _STDOUT:
        from ncs_cb.reports.record import to_json

        text = to_json(result)
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
        return
    from ncs_cb.cli._tables import print_result
    from ncs_cb.reports import write_report

    paths = write_report(result, target, formats=formats, lang=lang.value)
    print_result(out(), result, lang=lang.value)
    note(f"{result.study.study_id}: wrote {_shown(paths)}")


def _shown(paths: Iterable[Path]) -> str:
    found = [Path(p) for p in paths]
    page = [p for p in found if p.suffix == ".html"]
    rest = len(found) - 1
    first = (page or found)[0]
    return f"{first}" + (f" and {rest} more beside it" if rest > 0 else "")


def _without(given: Path, message: str) -> str:
    """Take the input's name off the front of a message that begins with it."""
    return message.removeprefix(f"{given}: ").removeprefix(f"{given.name}: ")


@friendly
def compare(
    visits: Annotated[
        list[Path],
        typer.Argument(metavar="VISIT", help="Two or more visits of one patient."),
    ],
    target: Out,
    criteria: Criteria = None,
    formats: Formats = None,
    lang: Lang = Language.en,
    reference: Reference = DEFAULT_REFERENCE,
    keep_identity: KeepIdentity = False,
    supramaximal: Supramaximal = False,
) -> None:
    """Compare serial visits: which blocks persist, resolve or are new; what treatment did."""
    if len(visits) < 2:
        wrong_usage("compare needs at least two VISITs")
    sets, chosen = known_sets(criteria, reference), known_formats(formats)
    from ncs_cb.analysis import analyze_many
    from ncs_cb.cli._tables import print_comparison
    from ncs_cb.comparison import compare as compare_results
    from ncs_cb.reports import write_comparison

    studies = [_read(visit, None, keep_identity) for visit in visits]
    results = analyze_many(studies, sets, reference=reference, supramaximal=supramaximal)
    comparison = compare_results(results)
    paths = write_comparison(comparison, target, formats=chosen, lang=lang.value)
    print_comparison(out(), comparison)
    note(f"wrote {_shown(paths)}")


@friendly
def validate(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="INPUT", help="Recordings, study folders or study.toml files."),
    ] = None,
    template: Annotated[
        bool, typer.Option("--template", help="Print a study.toml with every key explained.")
    ] = False,
    layout: Annotated[
        bool, typer.Option("--layout", help="Print a layout guessed from a table, to check.")
    ] = False,
    lab: LabOption = None,
) -> None:
    """Read studies without analyzing them, and say what was understood or what is wrong."""
    lab_file = known_lab(lab)
    if template:
        from ncs_cb.study_file import template as study_toml

        sys.stdout.write(study_toml())
    elif not inputs:
        wrong_usage("validate needs an INPUT, or --template")
    failed = 0
    for given in inputs or ():
        try:
            if layout:
                from ncs_cb.readers.mapped_table import guess

                sys.stdout.write(guess(given))
                continue
            lost = 0
            for line in _understood(given, lab_file):
                lost += "unassigned stimulus" in line
                out().print(plain(line), soft_wrap=True)
            failed += lost > 0
        except Exception as error:  # every input is checked, whatever is wrong with the others
            failed += 1
            tell(f"{given}: {_without(given, explain(error))}")
    if failed:
        raise typer.Exit(SOME_FAILED)


def _understood(given: Path, lab: LabFile | None) -> Iterator[str]:
    if given.suffix == ".toml" and given.is_file():
        from ncs_cb.knowledge import lab as labs
        from ncs_cb.readers import check_study_file

        if given.name == "lab.toml":
            labs.load(given)
        else:
            check_study_file(given)
        yield f"{given}: good"
        return
    wrong = []
    for name, study in _read_each(given, None, False, None, lab).items():
        if isinstance(study, Exception):
            wrong.append(study)
            tell(f"{given} ({name}): {_without(given, explain(study))}")
        else:
            yield from _understood_study(given, study)
    if wrong:
        raise type(wrong[0])(f"{len(wrong)} of its studies cannot be read.")


def _understood_study(given: Path, study: Study) -> Iterator[str]:
    yield f"{given}: good; study '{study.study_id}'"
    responses: tuple[Trace | TypedResponse, ...] = (*study.traces, *study.typed_responses)
    for response in responses:
        site, stimulus = response.site, response.stimulus
        far = "" if stimulus.distance_mm is None else f", {stimulus.distance_mm:g} mm"
        yield (
            f"  {response.recording}: {response.kind}, {site.nerve} {site.side}, "
            f"{site.muscle}, {site.stimulation_site}{far}"
        )
    for line in _warnings(study):
        yield f"  {line}"
    for decision in study.decisions:
        yield f"  {_decided(decision)}"
    for text in study.notes:
        yield f"  not understood, kept as text: {text}"


def _say(study: Study) -> None:
    for line in _warnings(study):
        tell(line)
    for decision in study.decisions:
        detail(_decided(decision))


def _warnings(study: Study) -> Iterator[str]:
    """Say aloud what was not understood, and what was read although it is not whole."""
    for lost in study.unassigned:
        when = "" if lost.time_s is None else f" at {lost.time_s:g} s"
        text = f"'{lost.text}'" if lost.text else "without a text"
        yield (
            f"{lost.recording}: warning: unassigned stimulus {text} (sweep {lost.sweep}{when}): it "
            f'names no site. Name it in study.toml: [recordings."{lost.recording}"] '
            f'sites = {{ "{lost.text or "..."}" = "below_elbow" }}'
        )
    for decision in study.decisions:
        if decision.topic == "salvage":
            yield f"{decision.source}: warning: {decision.reason}."


def _decided(decision: Decision) -> str:
    return f"{decision.source}: {decision.topic}: {decision.choice} ({decision.reason})"
