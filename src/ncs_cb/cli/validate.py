"""``ncs-cb validate``: what was understood of the files, and everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ncs_cb.cli.console import (
    SOME_FAILED,
    document,
    explain,
    friendly,
    is_quiet,
    out,
    say,
    tell,
    wrong_usage,
)
from ncs_cb.cli.options import LabOption, known_lab

if TYPE_CHECKING:
    from ncs_cb.knowledge.lab import LabFile
    from ncs_cb.model import Decision, Study, Trace, TypedResponse, UnassignedStimulus


@friendly
def validate(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="INPUT", help="Recordings, study folders or study.toml files."),
    ] = None,
    template: Annotated[
        bool, typer.Option("--template", help="Print a study.toml with every key explained.")
    ] = False,
    sidecar: Annotated[
        bool,
        typer.Option("--sidecar", help="Print a sidecar guessed from a sweep table, to fill in."),
    ] = False,
    layout: Annotated[
        bool, typer.Option("--layout", help="Print a layout guessed from a table, to check.")
    ] = False,
    lab: LabOption = None,
) -> None:
    """Read studies without analyzing them, and say what was understood or what is wrong.

    Every faulty file of a folder is named, not only the first. Exit status 1 where one is faulty,
    a stimulus names no site, or a file was meant to be read and is not.
    """
    if template + sidecar + layout > 1:
        wrong_usage("--template, --sidecar and --layout print one thing each; give one of them")
    lab_file = known_lab(lab)
    if template:
        from ncs_cb.study_file import template as study_toml

        document(study_toml())
    elif not inputs:
        wrong_usage("validate needs an INPUT, or --template")
    failed = 0
    for given in inputs or ():
        try:
            if layout or sidecar:
                document(_guessed(given, sidecar=sidecar))
            else:
                failed += not _is_good(given, lab_file)
        except Exception as error:  # every input is checked, whatever is wrong with the others
            failed += 1
            tell(f"{given}: {without_name(given, explain(error))}")
    if failed:
        raise typer.Exit(SOME_FAILED)


def _guessed(given: Path, *, sidecar: bool) -> str:
    if sidecar:
        from ncs_cb.readers.sweep_table.guess import guess_sidecar

        made = guess_sidecar(given)
        for remark in made.remarks:
            tell(f"{given}: {remark}")
        return made.text
    from ncs_cb.readers.mapped_table import guess

    text: str = guess(given)
    return text


def _is_good(given: Path, lab: LabFile | None) -> bool:
    """Check one input, say what was understood, and tell whether all of it was."""
    from ncs_cb.readers import check_study_file, is_study_file, read_studies, studies_of

    if given.is_file() and (given.suffix == ".toml" or is_study_file(given)):
        from ncs_cb.knowledge import lab as labs

        if given.name == "lab.toml":
            labs.load(given)
        else:
            check_study_file(given)
        if not is_quiet():
            say(out(), f"{given}: good")
        return True
    is_good = True
    for path in studies_of(given):
        try:
            each = read_studies(path, lab=lab)
        except Exception as error:
            is_good = False
            _tell_all(path, error, lab)
            continue
        for name, study in each.items():
            if isinstance(study, Exception):
                tell(f"{path} ({name}): {without_name(path, explain(study))}")
                is_good = False
                continue
            for line in warnings_of(study) if is_quiet() else _understood(path, study):
                say(out(), line)
            is_good = is_good and not any(_is_lost(study))
    return is_good


def _tell_all(path: Path, first: Exception, lab: LabFile | None) -> None:
    """Name every faulty file of a study that cannot be read."""
    from ncs_cb.errors import NcsError
    from ncs_cb.readers import problems

    found: list[Exception] = []
    if isinstance(first, NcsError) and path.exists():
        found += problems(path, lab=lab)
    for problem in found or [first]:
        tell(f"{path}: {without_name(path, explain(problem))}")
    if len(found) > 1:
        tell(f"{path}: {len(found)} problems; the study cannot be read")


def without_name(given: Path, message: str) -> str:
    """Take the input's name off the front of a message that begins with it."""
    return message.removeprefix(f"{given}: ").removeprefix(f"{given.name}: ")


def _understood(given: Path, study: Study) -> Iterator[str]:
    yield f"{given}: good; study '{study.study_id}'"
    responses: tuple[Trace | TypedResponse, ...] = (*study.traces, *study.typed_responses)
    for response in responses:
        site, stimulus = response.site, response.stimulus
        far = "" if stimulus.distance_mm is None else f", {stimulus.distance_mm:g} mm"
        yield (
            f"  {response.recording}: {response.kind}, {site.nerve} {site.side}, "
            f"{site.muscle}, {site.stimulation_site}{far}"
        )
    for line in warnings_of(study):
        yield f"  {line}"
    for decision in study.decisions:
        yield f"  {decided(decision)}"
    for text in study.notes:
        yield f"  not understood, kept as text: {text}"


def _is_lost(study: Study) -> Iterator[bool]:
    """Tell of each thing that somebody may have counted on and that is not in the study."""
    yield from (True for _ in study.unassigned)
    yield from (d.topic == "salvage" and d.choice == "ignored" for d in study.decisions)


def warnings_of(study: Study) -> Iterator[str]:
    """Say aloud what was not understood, and what was read although it is not whole."""
    for lost in study.unassigned:
        when = "" if lost.time_s is None else f" at {lost.time_s:g} s"
        text = f"'{lost.text}'" if lost.text else "without a text"
        site, others = _proposed(study, lost)
        key = lost.text or f"sweep {lost.sweep}"
        yield (
            f"{lost.recording}: warning: unassigned stimulus {text} (sweep {lost.sweep}{when}): it "
            f'names no site. Name it in study.toml: [recordings."{lost.recording}"] '
            f'sites = {{ "{key}" = "{site}" }}{others}'
        )
    for decision in study.decisions:
        if decision.topic in ("salvage", "rows left out"):
            yield f"{decision.source}: warning: {decision.reason}."
        elif decision.topic == "overruled":
            yield f"{decision.source}: warning: {decision.choice}, {decision.reason}."
        elif decision.topic == "visits":
            yield f"{decision.source}: {decision.choice}: {decision.reason}."


def _proposed(study: Study, lost: UnassignedStimulus) -> tuple[str, str]:
    """Give the site that a text nearly names, or an open place and the sites to choose from.

    A site that the recording names already is no likely one.
    """
    from ncs_cb.knowledge.anatomy import anatomy
    from ncs_cb.readers import nearly_site

    own = [t.site for t in study.traces if t.recording == lost.recording]
    held = {site.stimulation_site for site in own}
    nearly = nearly_site(lost.text)
    if nearly and nearly not in held:
        return nearly, ""
    nerves = dict.fromkeys(site.nerve for site in own)
    sites = dict.fromkeys(s for nerve in nerves for s in anatomy().nerves[nerve].sites)
    free = [site for site in sites if site not in held]
    return "...", f", with one of: {', '.join(free)}" if free else ""


def decided(decision: Decision) -> str:
    """Word a decision of a reader in one line."""
    return f"{decision.source}: {decision.topic}: {decision.choice} ({decision.reason})"
