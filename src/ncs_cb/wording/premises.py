"""What a technical premise of a verdict says: what is known of it, and the step that settles it.

The sentences stand in the catalogs, by premise and state; ``tables/validity.toml`` holds their
sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache

from ncs_cb.errors import TableError
from ncs_cb.knowledge import datafile
from ncs_cb.wording.catalog import load
from ncs_cb.wording.checks import named

# A table of a result holds its sentences in these; a report in another takes the English one.
_STORED = ("en", "zh")


@cache
def premises() -> dict[str, dict[str, dict[str, str]]]:
    """Give the words by premise, state and key: ``en``, ``zh``, ``next_en``, ``next_zh``.

    Raises
    ------
    TableError
        If a premise lacks its source.
    """
    sources = datafile.table("validity").raw
    found: dict[str, dict[str, dict[str, str]]] = {}
    for lang in _STORED:
        for name, text in load(lang).section("premise").items():
            premise, state, key = name.split(".")
            if premise not in sources:
                raise TableError(f"{premise}: needs its source", source="tables/validity.toml")
            states = found.setdefault(premise, {"": {"source": sources[premise]}})
            states.setdefault(state, {})[lang if key == "text" else f"{key}_{lang}"] = text
    return found


def words_of(premise: str, state: str, numbers: Mapping[str, float | int | str]) -> dict[str, str]:
    """Give ``text``, ``text_zh``, ``next_step``, ``next_step_zh`` and ``source`` of a premise.

    Parameters
    ----------
    premise, state : str
        As the catalogs name them.
    numbers : mapping
        What the sentences name; ids of the anatomy are written out, a key that ends in ``_zh``
        is what the Chinese sentence takes instead.
    """
    return dict(_words(premise, state, tuple(numbers.items())))


# Most segments of a batch say the same of their stimuli.
@lru_cache(maxsize=4096)
def _words(
    premise: str, state: str, items: tuple[tuple[str, float | int | str], ...]
) -> dict[str, str]:
    known = premises()[premise]
    texts = known[state]
    by_lang = {lang: _filled(dict(items), lang) for lang in _STORED}
    return {
        "text": texts["en"].format_map(by_lang["en"]),
        "text_zh": texts["zh"].format_map(by_lang["zh"]),
        "next_step": texts.get("next_en", "").format_map(by_lang["en"]),
        "next_step_zh": texts.get("next_zh", "").format_map(by_lang["zh"]),
        "source": known[""]["source"].format_map(by_lang["en"]),
    }


def _filled(numbers: Mapping[str, float | int | str], lang: str) -> dict[str, float | int | str]:
    filled = {key: named(value, lang) for key, value in numbers.items()}
    if lang == "zh":
        filled |= {
            key.removesuffix("_zh"): value
            for key, value in filled.items()
            if key.endswith("_zh") and key.removesuffix("_zh") in filled
        }
    return filled
