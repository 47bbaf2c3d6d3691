"""The message catalogs: what a report says, in the reader's language.

Texts live in ``tables/words/<lang>.toml``. English labels of columns come from their registry,
names of nerves, sites and muscles from the anatomy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from ncs_cb import columns
from ncs_cb.errors import ReportError, did_you_mean
from ncs_cb.knowledge import datafile
from ncs_cb.knowledge.anatomy import anatomy

_FOLDER = "words"


def languages() -> tuple[str, ...]:
    """Give the languages a report can be written in, English first."""
    return ("en", *(lang for lang in datafile.shipped(_FOLDER) if lang != "en"))


def read_catalog(lang: str) -> dict[str, str]:
    """Read one catalog as ``{"section.key": text}``."""
    raw = datafile.words(lang)
    return dict(_flat("", {name: texts for name, texts in raw.items() if name != "knowledge"}))


def _flat(prefix: str, tree: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", str(value)


def registry_texts() -> dict[str, str]:
    """Give the English texts that live in the registry of columns."""
    texts = {f"column.{c.name}": c.label for c in columns.COLUMNS if c.table != "estimates"}
    texts |= {f"column.{c.name}": c.label for c in columns.table_columns("estimates")}
    return texts


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language."""

    lang: str
    texts: Mapping[str, str]
    knowledge: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, key: str, **values: object) -> str:
        """Give the text of `key`, filled in."""
        text = self.texts[key]
        return text.format(**values) if values else text

    def term(self, section: str, name: str) -> str:
        """Give the word for an id; an id the catalog lacks (a user's own) speaks for itself."""
        return self.texts.get(f"{section}.{name}", name.replace("_", " "))

    def section(self, name: str) -> dict[str, str]:
        """Give all texts of one section by key."""
        prefix = f"{name}."
        return {k.removeprefix(prefix): v for k, v in self.texts.items() if k.startswith(prefix)}

    def join(self, items: Iterable[str], *, weight: str = "light") -> str:
        """Join phrases into a list: ``a, b and c``, or by the catalog's ``comma``, ``heavy`` ..."""
        parts = list(dict.fromkeys(items))
        if weight != "light":
            return self.texts[f"list.{weight}"].join(parts)
        if len(parts) < 2:
            return "".join(parts)
        return self.texts["list.light"].join(parts[:-1]) + self.texts["list.last"] + parts[-1]

    def sentences(self, items: Iterable[str]) -> str:
        """Set sentences one after the other, as the language does."""
        return self.texts["list.sentence"].join(items)

    def either(self, english: str, chinese: str = "") -> str:
        """Give a text of a data file in this language; English where the other is missing."""
        if self.lang == "zh" and chinese:
            return chinese
        return self.knowledge.get(english, english)

    def set_title(
        self, set_id: str, title: str = "", title_zh: str = "", *, is_shipped: bool = True
    ) -> str:
        """Name a criteria set: a shipped one by the catalog, another by its own title, or its id.

        A laboratory's own set may keep the id of the one it was made from, never its title.
        """
        if is_shipped and f"criteria.{set_id}" in self.texts:
            return self.texts[f"criteria.{set_id}"]
        return self.either(title, title_zh) if title or title_zh else set_id

    def nerve(self, name: str) -> str:
        """Name a nerve."""
        return self._place("nerves", name)

    def site(self, name: str) -> str:
        """Name a stimulation site."""
        return self._place("sites", name)

    def muscle(self, name: str) -> str:
        """Name a muscle by its usual abbreviation where it has one."""
        place = anatomy().muscles.get(name)
        if place is None:
            return name
        return place.short or self.either(place.label, place.label_zh)

    def recording_site(self, name: str) -> str:
        """Name a recording site in full."""
        return self._place("muscles", name)

    def _place(self, what: str, name: str) -> str:
        place = getattr(anatomy(), what).get(name)
        if place is None:
            return name.replace("_", " ")
        return self.either(place.label, place.label_zh)


def capital(text: str) -> str:
    """Begin a line with a capital letter."""
    return text[:1].upper() + text[1:]


@cache
def load(lang: str) -> Words:
    """Load the words of one language.

    Raises
    ------
    ReportError
        If there is no catalog for `lang`.
    """
    known = languages()
    if lang not in known:
        raise ReportError(
            f"no words for language '{lang}'; known: {', '.join(known)}.{did_you_mean(lang, known)}"
        )
    return Words(lang, registry_texts() | read_catalog(lang), datafile.translated(lang))
