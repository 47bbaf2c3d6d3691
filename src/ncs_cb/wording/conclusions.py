"""A conclusion and the words for it: which category, why, and what would decide it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from ncs_cb.knowledge.anatomy import anatomy, stretch_name
from ncs_cb.model import SetWords
from ncs_cb.wording.catalog import load

# A list of what was not examined is cut here: all nerves of both sides would drown the rest.
_LONGEST_LIST = 6


@dataclass(frozen=True, slots=True)
class Ask:
    """One thing to do that would settle something unknown.

    ``kind`` is ``clause`` (words of the clause), ``sensory`` or ``segment`` (a stretch of a
    nerve), ``step`` (a technical premise of a stretch, in its own ``text``), ``motor`` or
    ``more``; ``unknown`` names the columns that are missing.
    """

    kind: str
    clause: str = ""
    nerve: str = ""
    side: str = ""
    distal_site: str = ""
    proximal_site: str = ""
    unknown: tuple[str, ...] = ()
    text: str = ""
    text_zh: str = ""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A nerve not examined for block: all of it, or from `above` on."""

    nerve: str
    side: str
    above: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Conclusion:
    """What one criteria set says of every visit that looks the same to it.

    Attributes
    ----------
    criteria : SetWords
        The words of the set.
    category : str
        A category of the set, ``not_met`` or ``undetermined``.
    not_excluded : str
        The strongest category that missing evidence, or nerves not examined, leave open.
    met, not_met, missing : tuple of str
        Ids of the clauses that hold, do not hold, and are unknown.
    relevant : tuple of str
        Ids of the clauses that explain the category: its own, and those of the stronger ones.
    asks : tuple of Ask
        What would settle the unknown clauses of the stronger categories.
    block_found : bool or None
        Whether any segment has block by this set; None when none could be judged.
    unexamined : tuple of Stretch
        Where block was not looked for.
    is_suspected : bool
        Whether anything found, or any complaint, points to the disease. Without, nothing is said
        of what is not excluded: a healthy arm is not a doubtful one.
    if_attested : str
        What `category` would be if the stimulation of every graded segment were attested.
    lacking : tuple of str
        What else the category that is not excluded waits for: ``clinical``, ``supportive``,
        ``sensory``, ``segments``.
    exempt : tuple of (nerve, side)
        Nerves of the legs whose block counts without sensory conduction through it.
    """

    criteria: SetWords
    category: str
    not_excluded: str
    met: tuple[str, ...]
    not_met: tuple[str, ...]
    missing: tuple[str, ...]
    relevant: tuple[str, ...]
    asks: tuple[Ask, ...]
    block_found: bool | None
    unexamined: tuple[Stretch, ...]
    is_suspected: bool = True
    if_attested: str = ""
    lacking: tuple[str, ...] = ()
    exempt: tuple[tuple[str, str], ...] = ()


@cache
def words(lang: str) -> dict[str, str]:
    """Give the words of a conclusion, and what its columns are called, in a language."""
    known = load(lang)
    return known.section("conclusion") | known.section("column_in_text")


def explain(conclusion: Conclusion, lang: str = "en") -> str:
    """Say in plain words which category was found, why, and what would decide it."""
    say, made = words(lang), conclusion.criteria
    title = _either(made.title, made.title_zh, lang)
    labels = {
        name: _opening(_either(one.text, one.text_zh, lang))
        for name, one in made.categories.items()
    }
    found = conclusion.category
    parts = [
        say[found].format(title=title)
        if found in ("not_met", "undetermined")
        else say["met"].format(label=labels[found])
    ]
    if conclusion.not_excluded not in (found, "not_met") and conclusion.is_suspected:
        parts.append(say["open"].format(label=labels[conclusion.not_excluded]))
    for key, ids in (
        ("found", conclusion.met),
        ("against", conclusion.not_met),
        ("unknown", conclusion.missing),
    ):
        shown = [one for one in ids if one in conclusion.relevant]
        if shown:
            parts.append(say[key].format(texts=say["semicolon"].join(_texts(made, shown, lang))))
    if conclusion.exempt:
        nerves = (nerve_words(*one, lang) for one in conclusion.exempt)
        parts.append(say["exempt"].format(nerves=say["comma"].join(nerves)))
    parts += _about_block(conclusion, lang)
    asks = dict.fromkeys(ask_text(one, made, lang) for one in conclusion.asks)
    if asks:
        parts.append(say["decide"].format(asks=say["semicolon"].join(asks)))
    if made.purpose == "cidp":
        parts.append(say["level_only"])
    if not made.enabled:
        parts.append((lang == "en" and made.why_not_enabled) or say["not_enabled"])
    elif made.n_unchecked:
        parts.append(say["unchecked"].format(count=made.n_unchecked))
    return say["gap"].join(parts)


def _about_block(conclusion: Conclusion, lang: str) -> list[str]:
    """Say that no block found is not MMN excluded, and where nobody looked."""
    if conclusion.block_found or conclusion.criteria.purpose != "mmn":
        return []
    if not conclusion.is_suspected:
        return [words(lang)["healthy"]]
    say = words(lang)
    key = "not_judged" if conclusion.block_found is None else "no_block"
    places = [_place(one, lang) for one in conclusion.unexamined]
    if not places:
        return [say[key]]
    rest = len(places) - _LONGEST_LIST
    shown = [*places[:_LONGEST_LIST], *([say["others"].format(count=rest)] if rest > 0 else [])]
    return [say[key], say["unexamined"].format(where=say["comma"].join(shown))]


def _opening(text: str) -> str:
    return text[:1].upper() + text[1:]


def _either(english: str, chinese: str, lang: str) -> str:
    return load(lang).either(english, chinese)


def _texts(made: SetWords, ids: Iterable[str], lang: str) -> list[str]:
    words_of = ((one, made.clauses[one]) for one in ids)
    return [_either(words.text, words.text_zh, lang) or one for one, words in words_of]


def nerve_words(nerve: str, side: str, lang: str) -> str:
    """Name a nerve with its side."""
    known, say = anatomy().nerves[nerve], words(lang)
    label = _either(known.label, known.label_zh, lang)
    return say["nerve"].format(side=say[side], nerve=label) if side else label


def site_words(sites: Iterable[str], lang: str) -> str:
    """Name stimulation sites, one after the other."""
    known = anatomy().sites
    names = (_either(known[one].label, known[one].label_zh, lang) for one in sites)
    return words(lang)["comma"].join(names)


def where_words(distal_site: str, proximal_site: str, lang: str) -> str:
    """Name a stretch of a limb."""
    say, sites = words(lang), anatomy().sites
    if (name := stretch_name(distal_site, proximal_site)) in say:
        return say[name]
    names = (_either(sites[s].label, sites[s].label_zh, lang) for s in (distal_site, proximal_site))
    return say["between"].format(distal=next(names), proximal=next(names))


def _place(one: Stretch, lang: str) -> str:
    say, nerve = words(lang), nerve_words(one.nerve, one.side, lang)
    if not one.above:
        return say["whole"].format(nerve=nerve)
    site = anatomy().sites[one.above]
    return say["proximal"].format(nerve=nerve, site=_either(site.label, site.label_zh, lang))


def ask_text(ask: Ask, made: SetWords, lang: str = "en") -> str:
    """Say what to do."""
    say = words(lang)
    if ask.kind == "clause":
        clause = made.clauses[ask.clause]
        return _either(clause.ask, clause.ask_zh, lang) or _either(
            clause.text, clause.text_zh, lang
        )
    if ask.kind == "step":
        return _either(ask.text, ask.text_zh, lang)
    if ask.kind in ("motor", "more"):
        return say[f"ask_{ask.kind}"]
    if ask.kind == "sensory" and ask.proximal_site == "erb":
        # Nobody measures sensory conduction there: a skin branch stands for it.
        branches = [n.id for n in anatomy().nerves.values() if n.branch_of == ask.nerve]
        if branches:
            return say["ask_branch"].format(nerve=nerve_words(branches[0], ask.side, lang))
    return say[f"ask_{ask.kind}"].format(
        nerve=nerve_words(ask.nerve, ask.side, lang),
        where=where_words(ask.distal_site, ask.proximal_site, lang),
        what=say["comma"].join(dict.fromkeys(say.get(name, name) for name in ask.unknown)),
    )
