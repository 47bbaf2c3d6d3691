"""One self-contained HTML page: style and drawings inside, no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING

from ncs_cb import figures, view
from ncs_cb.model import Result, Study, Trace, TypedResponse
from ncs_cb.reports._shared import Writer, named
from ncs_cb.vocabulary import SHOWN_GRADES

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from ncs_cb.comparison import Comparison

_TEMPLATES = "reports/templates"


def render(result: Result, *, lang: str = "en") -> str:
    """Lay a result out as one self-contained page.

    Parameters
    ----------
    result : Result
        It is not changed.
    lang : str
        Language of the words.

    Returns
    -------
    str
        A complete document; every text of the study is escaped.

    Raises
    ------
    ReportError
        If there are no words for `lang`.
    """
    v = view.build(result, lang=lang)
    grades = {stretch.grade: stretch.short for stretch in v.stretches}
    template = _environment().get_template("report.html")
    return template.render(
        v=v,
        L=v.labels,
        css=_css(),
        figures=figures.draw_all(result, v),
        short=partial(_short, v.labels, grades),
    )


def card(result: Result) -> str:
    """Give the few lines that a notebook shows of a result: impression and grades."""
    v = view.build(result)
    return (
        _environment()
        .get_template("card.html")
        .render(
            title=v.title,
            lines=[("", fact.text) for fact in v.impression],
            rows=[
                (nerve.title, segment.title, segment.word, segment.numbers)
                for nerve in v.nerves
                for segment in nerve.segments
                if not segment.is_silent
            ],
            more="ncs_cb.show(result)",
        )
    )


def study_card(study: Study) -> str:
    """Give the few lines that a notebook shows of a study: which files hold which responses."""
    words = view.load("en")
    found: dict[tuple[str, ...], dict[str, int]] = {}
    answers: list[Trace | TypedResponse] = [*study.traces, *study.typed_responses]
    for one in answers:
        place = one.site
        nerve = f"{place.side} {words.nerve(place.nerve)}, {words.muscle(place.muscle)}"
        sites = found.setdefault((one.recording, nerve, words.term("kind", one.kind)), {})
        site = words.site(place.stimulation_site)
        sites[site] = sites.get(site, 0) + 1
    return (
        _environment()
        .get_template("card.html")
        .render(
            title=words("page.title", study=study.study_id),
            lines=[(one.recording, one.text) for one in study.unassigned],
            rows=[
                (*key, ", ".join(f"{site} ({n})" if n > 1 else site for site, n in sites.items()))
                for key, sites in found.items()
            ],
            more="ncs_cb.analyze(study)",
        )
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tone"] = _tone
    environment.tests["grade"] = _is_grade
    environment.globals["zip"] = zip
    return environment


def _template(name: str) -> str:
    return files("ncs_cb").joinpath(f"{_TEMPLATES}/{name}").read_text("utf-8")


@cache
def _css() -> Markup:
    from markupsafe import Markup

    return Markup(_template("report.css"))


def _tone(grade: str) -> str:
    """Give the CSS class of a grade; a set's own grade is ``other``, never a class of its name."""
    return grade if grade in SHOWN_GRADES else "other"


def _is_grade(tone: str) -> bool:
    return tone in SHOWN_GRADES


def _short(labels: Mapping[str, str], grades: Mapping[str, str], grade: str) -> str:
    """Give the letter of a grade."""
    return labels.get(f"short_{grade}") or grades.get(grade) or grade[:1].upper()


def write(result: Result, *, lang: str = "en") -> dict[str, str]:
    """Give ``report.html``; in another language than English ``report.<lang>.html``."""
    return {named("report.html", lang): render(result, lang=lang)}


def render_comparison(comparison: Comparison, *, lang: str = "en") -> str:
    """Lay a comparison of serial visits out as one self-contained page; see :func:`render`."""
    from markupsafe import Markup

    from ncs_cb.figures import course
    from ncs_cb.view.serial import build_comparison

    v = build_comparison(comparison, lang=lang)
    drawing = course.draw(comparison, v.labels, lang=lang)
    timeline = Markup(figures.to_svg(drawing)) if drawing is not None else None
    template = _environment().get_template("comparison.html")
    return template.render(
        v=v, L=v.labels, css=_css(), timeline=timeline, short=partial(_short, v.labels, {})
    )


def write_comparison(comparison: Comparison, *, lang: str = "en") -> dict[str, str]:
    """Give ``comparison.html``, named for its language as :func:`write` does."""
    return {named("comparison.html", lang): render_comparison(comparison, lang=lang)}


WRITER = Writer("html", "one self-contained page with figures", write, write_comparison)
