"""What criteria sets call themselves and their categories, in every language, for the overview."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Texts = dict[str, str]
"""A text by language."""


def own_names(sets: tuple[str, ...] | None) -> dict[str, Any]:
    """Give titles and categories of a laboratory's own sets, which only the settings know.

    Parameters
    ----------
    sets : tuple of str, optional
        As in the settings of a batch.

    Returns
    -------
    dict
        ``titles`` by set, ``category_words`` by set and category.
    """
    from ncs_cb.knowledge import criteria, set_words
    from ncs_cb.wording.catalog import languages, load

    own = [set_words.of_criteria(made) for made in criteria.chosen(sets)]
    own = [one for one in own if not one.is_shipped]
    titles = {
        one.id: {
            lang: load(lang).set_title(one.id, one.title, one.title_zh, is_shipped=False)
            for lang in languages()
        }
        for one in own
    }
    return {"titles": titles, "category_words": {o.id: _words(o.categories) for o in own}}


def shipped_categories(set_id: str) -> dict[str, Texts]:
    """Give what a shipped set calls its categories; nothing where there is no such set."""
    from ncs_cb.knowledge import criteria, set_words

    if set_id not in criteria.available():
        return {}
    return _words(set_words.of_criteria(criteria.load(set_id)).categories)


def _words(categories: Mapping[str, Any]) -> dict[str, Texts]:
    from ncs_cb.wording.catalog import languages, load

    return {
        name: {lang: load(lang).either(word.text, word.text_zh) for lang in languages()}
        for name, word in categories.items()
    }
