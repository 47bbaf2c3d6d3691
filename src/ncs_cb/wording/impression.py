"""The words of an impression: one sentence per statement, from the catalog of a language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ncs_cb.wording.catalog import Words, capital, load
from ncs_cb.wording.conclusions import ask_text

# Items without a comma of their own.
_PLAIN = ("nerve", "limb_only", "lacking_")


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One thing to be said.

    Attributes
    ----------
    topic, case : str
        Which sentence: ``impression.<topic>_<case>`` of the catalogs.
    items : tuple of mapping
        What is listed in it; ``kind`` names the phrase ``impression.item_<kind>`` of each.
    values : mapping
        What else the sentence names.
    """

    topic: str
    case: str
    items: tuple[Mapping[str, Any], ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)


def statement_words(said: Statement, lang: str) -> str:
    """Say one statement."""
    words = load(lang)
    is_plain = all(one["kind"].startswith(_PLAIN) for one in said.items)
    weight = "light" if is_plain else "heavy"
    items = words.join((_item(tuple(one.items()), lang) for one in said.items), weight=weight)
    return capital(
        words(f"impression.{said.topic}_{said.case}", items=items, **_filled(said.values, words))
    )


@lru_cache(maxsize=4096)
def _item(cells: tuple[tuple[str, Any], ...], lang: str) -> str:
    """Say one thing of a list; nerves and segments are named in every visit of an archive."""
    one, words = dict(cells), load(lang)
    text = words(f"impression.item_{one['kind']}", **_filled(one, words))
    doubts = [words(f"impression.doubt_{name}") for name in one.get("doubts", ())]
    if doubts:
        text = words(
            "impression.item_doubted", item=text, doubts=words.join(doubts, weight="comma")
        )
    return text


def _filled(values: Mapping[str, Any], words: Words) -> dict[str, Any]:
    """Put ids into words; of a text in two languages take the right one."""
    filled = {key: value for key, value in values.items() if not key.endswith("_zh")}
    if words.lang == "zh":
        filled |= {
            key.removesuffix("_zh"): value
            for key, value in values.items()
            if key.endswith("_zh") and value
        }
    if "side" in filled:
        side = str(filled["side"])
        filled["side"] = words.term("side", side) if side else ""
        if "nerve" in filled:
            name = words.nerve(str(filled["nerve"]))
            filled["nerve"] = (
                words("phrase.nerve_short", side=filled["side"], nerve=name) if side else name
            )
    for end in ("distal", "proximal"):
        if end in filled:
            filled[end] = words.site(str(filled[end]))
    if "muscle" in filled:
        filled["muscle"] = words.muscle(str(filled["muscle"]))
    if "limb" in filled:
        filled["limb"] = words.term("limb", str(filled["limb"]))
    if "criteria" in filled:
        filled["criteria"] = words.set_title(
            *(str(values.get(key) or "") for key in ("criteria", "title", "title_zh")),
            is_shipped=values["is_shipped"],
        )
    if "ask" in filled:
        filled["ask"] = ask_text(filled["ask"], filled["made"], words.lang)
    return filled
