"""What a quality check says: one sentence with its numbers, per case and language.

The sentences stand in the catalogs, under ``check``. A check gives the name of a case and its
numbers, so that the same finding reads in every language.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from ncs_cb.errors import TableError, did_you_mean
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.wording.catalog import languages, load

_COMMON = "any_check"
# Two flags of one check, with giver and receiver exchanged.
_SHARED = {"reverse_martin_gruber": "martin_gruber"}


@cache
def sentences() -> dict[str, dict[str, dict[str, str]]]:
    """Give the sentences by check, case and language; ``any_check`` holds the shared cases."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for lang in languages():
        for name, text in load(lang).section("check").items():
            check, _, case = name.partition(".")
            found.setdefault(check, {}).setdefault(case, {})[lang] = text
    return found


def say(
    check: str, case: str, numbers: Mapping[str, float | int | str], *, lang: str = "en"
) -> str:
    """Put the numbers of a finding into its sentence.

    Parameters
    ----------
    check : str
        Name of the flag that was looked for.
    case : str
        Which of its sentences.
    numbers : mapping
        What the sentence names; ids of the anatomy are written out.
    lang : str
        ``en`` or ``zh``.

    Raises
    ------
    TableError
        If there is no such sentence, or it names a number that is not given.
    """
    known = _cases(check)
    if case not in known:
        raise TableError(
            f"check '{check}' has no case '{case}'; known: {', '.join(known)}."
            + did_you_mean(case, known),
        )
    try:
        return known[case][lang].format_map({k: named(v, lang) for k, v in numbers.items()})
    except KeyError as missing:
        raise TableError(f"{check}.{case}.{lang}: no number {missing}") from None


@cache
def _cases(check: str) -> dict[str, dict[str, str]]:
    return {**sentences()[_COMMON], **sentences().get(_SHARED.get(check, check), {})}


def named(value: float | int | str, lang: str) -> float | int | str:
    """Write an id of the anatomy out; give anything else back as it is."""
    return _labels(lang).get(value, value) if isinstance(value, str) else value


@cache
def _labels(lang: str) -> dict[str, str]:
    known, words = anatomy(), load(lang)
    nerves = known.nerves.values()
    names = {site: words.site(site) for site in known.sites}
    # In Chinese a muscle is written out; its abbreviation stands in the tables.
    written = words.recording_site if lang == "zh" else words.muscle
    names |= {muscle: written(muscle) for muscle in known.muscles}
    names |= {nerve.id: words.nerve(nerve.id) for nerve in nerves}
    names |= {
        t.name: words.either(t.name, t.name_zh) for nerve in nerves for t in nerve.entrapments
    }
    names |= {side: words(f"label.{side}") for side in ("left", "right")}
    return names | {limb: words(f"limb.{limb}") for limb in ("arm", "leg")}
