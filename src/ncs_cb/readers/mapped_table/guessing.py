"""A layout guessed from a table's headers and values, for a person to check and edit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ncs_cb.errors import ReadError
from ncs_cb.knowledge.anatomy import find
from ncs_cb.readers._shared.grid import Grid, text_of
from ncs_cb.readers._shared.names import SIDES
from ncs_cb.readers._shared.tables import is_identity
from ncs_cb.readers.mapped_table.codes import place_of
from ncs_cb.readers.mapped_table.header import is_units
from ncs_cb.readers.mapped_table.spacing import distances_are
from ncs_cb.units import stored_per, unit_in

_LOOKED_AT, _VALUES = 60, 400
_LISTED, _LONGEST_NAME = 12, 40
_ENCODINGS = ("cp1252", "gbk", "utf-16")
_MOSTLY = 0.6
_NOT_OURS = re.compile(r"\b(norm|ref|rel|delta|diff|%|limit|z|cutoff)", re.IGNORECASE)
_QUANTITIES = (
    ("peak_to_peak_amplitude_mv", r"p(eak)?[-_ ]?(to|[-_/])[-_ ]?p(eak)?\b|ppamp"),
    ("negative_peak_latency_ms", r"peak[ _]?lat|^peak\b"),
    ("printed_velocity_m_per_s", r"veloc|\bvel\b|\bm?n?cv\b|\bnlg\b|geschw|速度"),
    ("onset_latency_ms", r"onset|laten|\blat\b|\bd?m?dl\b|\bdml\b|\bdl\b|潜伏"),
    ("negative_peak_area_mv_ms", r"area|fläche|flaeche|面积"),
    ("negative_peak_duration_ms", r"\bdur|dauer|时限"),
    ("negative_peak_amplitude_mv", r"amp|cmap|map\b|o-p|b-p|波幅"),
    ("distance_mm", r"dist|abstand|距离"),
    ("stimulus_ma", r"stimul.*ma\b|intens|current|strom|reizst"),
)
_KEYS = (
    (
        "study_id",
        r"study.?id|^sub|proband|participant|patient|\bpat\b|\bp?id$|^p?id\b|case|\bcode\b|fall|编号",
    ),
    ("nerve", r"nerv|神经"),
    ("side", r"side|seite|侧"),
    ("muscle", r"muscle|muskel|rec(ording)?\.? ?site|ableit|肌"),
    ("stimulation_site", r"stim.*site|^site$|reizort|\bort\b|sites|刺激"),
    ("age_years", r"^(age|alter|年龄)\b"),
    ("sex", r"^(sex|gender|geschlecht|性别)\b"),
    ("height_cm", r"height|größe|groesse|身高"),
    ("visit_date", r"(visit|exam|study|test|untersuch).*(date|day|dat)|^(date|datum)$|检查日期"),
    ("distal_site", r"^site ?2$"),
    ("proximal_site", r"^site ?1$"),
    ("segment", r"^segments?$|abschnitt"),
)
_IN_HEADERS = ("x_ms", "x_mv", "x_mv_ms", "x_m_per_s", "x_mm", "x_ma")
_CODES = re.compile(r"param|measure|variable|test|item|code|größe", re.IGNORECASE)
_VALUE = re.compile(r"^(value|result|wert|ergebnis|数值)", re.IGNORECASE)
# Not examined is not absent: a word is taken for "no response" only where it says so.
_ABSENT = re.compile(
    r"\b(nr\b|n\.r\b|no resp|absent|none seen|not elicit|unresponsive|fehlt|erloschen"
    r"|n\. ?ausl|nicht (aus|er|nach|dar|ab|evo)"
    r"|keine? (antwort|reaktion|reiz|potential|map|resp|einzel))"
    r"|未引出|无反应",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[<>]?\s*[+-]?\d+([.,]\d+)?\s*\*?")
_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{4}")
_BIRTH = re.compile(r"birth|born|\bdob\b|geb|naiss|出生", re.IGNORECASE)
_GROUPS = (
    r"(?P<side>Right|Left|R|L)\s+(?P<nerve>[A-Za-z ]+?)\s+Motor\s*\((?P<muscle>[^)]+)\)",
    r"(?P<side>Right|Left|R|L)\s+(?P<nerve>[A-Za-z ]+?)\s*[-\u2013]\s*(?P<muscle>[A-Za-z0-9 .]+)",
    r"(?P<nerve>[^\W\d_]+)[ ,]+(?P<side>right|left|rechts|links|R|L)\b.*?(?P<muscle>[A-Z]{2,4})",
    r"(?P<side>Right|Left|R|L)\s+(?P<nerve>[A-Za-z]+)",
)


@dataclass(slots=True)
class _Guess:
    header: int = 0
    keys: dict[str, str] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    identities: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    units: dict[str, str] = field(default_factory=dict)


def guess_layout(grid: Grid, name: str) -> str:
    """Write a layout for a table as far as its headers and values tell; every line is a guess.

    Parameters
    ----------
    grid : Grid
    name : str
        What the table is called in the heading.

    Returns
    -------
    str
        TOML for ``--layout``. A unit that nothing states is written ``"?"``, which is refused
        until somebody corrects it.

    Raises
    ------
    ReadError
        If no row looks like a header.
    """
    rows = [[text_of(c) for c in row] for row in grid.rows]
    guess = _Guess(_header_row(rows))
    header = rows[guess.header]
    below = rows[guess.header + 1 : guess.header + 2]
    if below and is_units(grid.rows[guess.header + 1]):
        guess.units = dict(zip(header, below[0], strict=False))
    body = rows[guess.header + 1 + bool(guess.units) :][:_VALUES]
    wide = _wide(header)
    taken: set[int] = {i for i, _ in wide[1]} if wide else set()
    _take_keys(guess, header, body, taken)
    long = None if wide else _long(header, body, guess, taken)
    if not wide and long is None:
        _take_quantities(guess, header, body, taken)
    _take_words(guess, header, body, taken)
    guess.unused = [h for i, h in enumerate(header) if h and i not in taken]
    guess.identities = [h for h in guess.unused if is_identity(h)]
    lines = [
        f"# A layout guessed from {name}: check every line, then use it with --layout.",
        f"# Read as {grid.shape}.",
        f"file = {{ header_row = {guess.header + 1}, decimal = {_quoted(grid.decimal)}"
        f"{_encoding(grid)} }}",
        f"absent = {_list(guess.absent)}      # stimulated, no response",
        f"unknown = {_list(guess.unknown)}     # nothing known",
        _distance_line(guess, header, body),
        *_group_lines(guess, header, body),
        "",
        "[keys]",
        *(f"{k} = {_quoted(v)}" for k, v in guess.keys.items()),
    ]
    if wide:
        lines += wide[0]
    elif long is not None:
        lines += long
    else:
        lines += ["", *_column_lines(guess)]
    lines += _doubts(guess, header, body)
    unused = [h for h in guess.unused if h not in guess.identities]
    if unused:
        lines += ["", f"# Not used: {', '.join(unused)[:400]}"]
    return "\n".join(lines) + "\n"


def _distance_line(guess: _Guess, header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    distance = distances_are(guess.keys, guess.columns, header, body)
    other = "from_recording" if distance == "segment" else "segment"
    return f"distance = {_quoted(distance)}   # or {_quoted(other)}"


def _encoding(grid: Grid) -> str:
    told = next((name for name in _ENCODINGS if grid.shape.startswith(name)), None)
    return f', encoding = "{told}"' if told else ""


def _doubts(guess: _Guess, header: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """List the names that nobody knows, with the words of ``lab.toml`` that would teach them."""
    lines: list[str] = []
    for key, what, example in (
        ("nerve", "nerves", "ulnar"),
        ("muscle", "muscles", "adm"),
        ("stimulation_site", "sites", "below_elbow"),
    ):
        if key not in guess.keys:
            continue
        values = dict.fromkeys(_values(body, list(header).index(guess.keys[key])))
        rows_of_text = [v for v in values if find(what, v) is None and len(v) <= _LONGEST_NAME]  # type: ignore[arg-type]
        strange = [v for v in rows_of_text if not re.search(r"\d{2}|[()]", v)][:_LISTED]
        if not strange or "group_row" in " ".join(_group_lines(guess, header, body)):
            continue
        lines += [
            "",
            f"# Not understood as {key}: {', '.join(map(_quoted, strange))}.",
            f"# Teach them in lab.toml: [words.{key}] {example} = [{_quoted(strange[0])}]",
        ]
    return lines


def _header_row(rows: Sequence[Sequence[str]]) -> int:
    def score(row: Sequence[str]) -> int:
        named = [t for t in row if t and not _NUMBER.fullmatch(t)]
        hits = sum(_quantity(t) is not None or _key(t) is not None for t in named)
        return 2 * hits + len(named) if hits > 1 else 0

    scores = [score(row) for row in rows[:_LOOKED_AT]]
    if any(scores):
        return scores.index(max(scores))
    # Headers of a long table may say nothing of nerves: its codes do.
    for at, row in enumerate(rows[:_LOOKED_AT]):
        if _long_columns(row, rows[at + 1 :][:_VALUES]) is not None:
            return at
    raise ReadError("no row looks like a header of nerve conduction values.")


def _quantity(header: str) -> str | None:
    text = header.replace("_", " ")
    if _NOT_OURS.search(text):
        return None
    return next((name for name, p in _QUANTITIES if re.search(p, text, re.IGNORECASE)), None)


def _key(header: str) -> str | None:
    text = header.replace("_", " ").strip()
    return next((name for name, p in _KEYS if re.search(p, text, re.IGNORECASE)), None)


def _values(body: Sequence[Sequence[str]], index: int) -> list[str]:
    return [row[index] for row in body if index < len(row) and row[index]]


def _share(values: Sequence[str], is_one: Callable[[str], bool]) -> float:
    return sum(map(is_one, values)) / len(values) if values else 0.0


_BY_VALUE: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("side", lambda t: t.casefold() in SIDES),
    ("nerve", lambda t: find("nerves", t) is not None),
    ("muscle", lambda t: find("muscles", t) is not None),
    ("stimulation_site", lambda t: find("sites", t) is not None),
)


def _take_keys(
    guess: _Guess, header: Sequence[str], body: Sequence[Sequence[str]], taken: set[int]
) -> None:
    """Tell keys by their values first, then by their headers."""
    for key in ("distal_site", "proximal_site", "segment"):
        for index, name in enumerate(header):
            if index not in taken and _key(name) == key:
                guess.keys[key] = name
                taken.add(index)
    for key, is_one in _BY_VALUE:
        shares = [
            (_share(_values(body, i), is_one), -i)
            for i, n in enumerate(header)
            if n and i not in taken
        ]
        best, place = max(shares, default=(0.0, 0))
        if best >= _MOSTLY / 2 and (best >= _MOSTLY or _key(header[-place]) == key):
            guess.keys[key] = header[-place]
            taken.add(-place)
    for index, name in enumerate(header):
        values = _values(body, index)
        if name and index not in taken and values and all(map(_ABSENT.search, values)):
            guess.keys.setdefault("response", name)
            taken.add(index)
    if not any(_key(name) == "visit_date" for name in header):
        _take_date(guess, header, body, taken)
    for index, name in enumerate(header):
        found = _key(name) if name and index not in taken else None
        if found is not None and found not in guess.keys and _quantity(name) is None:
            guess.keys[found] = name
            taken.add(index)


def _take_date(
    guess: _Guess, header: Sequence[str], body: Sequence[Sequence[str]], taken: set[int]
) -> None:
    """Take the only column of dates for the day of the visit; one of a birth names a person."""
    dates = [
        index
        for index, name in enumerate(header)
        if name
        and index not in taken
        and not (is_identity(name) or _BIRTH.search(name))
        and _share(_values(body, index), lambda t: bool(_DATE.fullmatch(t))) > _MOSTLY
    ]
    if len(dates) == 1:
        guess.keys["visit_date"] = header[dates[0]]
        taken.add(dates[0])


def _take_quantities(
    guess: _Guess, header: Sequence[str], body: Sequence[Sequence[str]], taken: set[int]
) -> None:
    for index, name in enumerate(header):
        found = _quantity(name) if name and index not in taken else None
        if found is None or found in guess.columns:
            continue
        if _share(_values(body, index), lambda t: bool(re.search(r"\d", t))) > 0:
            guess.columns[found] = name
            taken.add(index)


def _take_words(
    guess: _Guess, header: Sequence[str], body: Sequence[Sequence[str]], taken: set[int]
) -> None:
    """List the words that stand where numbers should."""
    keys = set(guess.keys.values())
    words: dict[str, None] = {}
    for index in taken:
        if header[index] in keys:
            continue
        values = _values(body, index)
        # Titles and second tables hold words too; a word among numbers is what matters.
        if _share(values, lambda t: bool(_NUMBER.fullmatch(t))) > 0.2:
            words |= dict.fromkeys(v for v in values if not re.search(r"\d", v) and len(v) < 30)
    words = {w: None for w in words if w not in header and stored_per("x_ms", w) is None}
    guess.absent = [w for w in words if _ABSENT.search(w)] or ["NR"]
    guess.unknown = [w for w in words if not _ABSENT.search(w) and w not in ("-", "--")][:20]


def _group_lines(guess: _Guess, header: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    if "nerve" in guess.keys:
        return []
    alone = [t[0] for row in body if len(t := [c for c in row if c]) == 1]
    for pattern in _GROUPS:
        matches = [m for text in alone if (m := re.search(pattern, text))]
        if any(find("nerves", m["nerve"]) for m in matches):
            return [f"group_row = '{pattern}'"]
    return []


def _column_lines(guess: _Guess) -> list[str]:
    lines = ["[columns]"]
    for name, header in guess.columns.items():
        unit = unit_in(header, name) or guess.units.get(header, "").strip("()[] ") or None
        known = unit is not None and stored_per(name, unit) is not None
        said = f", unit = {_quoted(unit if known and unit else '?')}"
        doubt = "" if known else "   # no unit is stated: write it here"
        lines.append(f"{name} = {{ from = {_quoted(header)}{said} }}{doubt}")
    return lines


# --------------------------------------------------------------------------- wide and long


def _wide(header: Sequence[str]) -> tuple[list[str], list[tuple[int, str]]] | None:
    """Write the pattern of headers that say nerve, side, site and measure."""
    roles: dict[str, dict[str, None]] = {}
    found: list[tuple[int, str]] = []
    orders: list[list[str]] = []
    measures: dict[str, tuple[str, str | None]] = {}
    for index, name in enumerate(header):
        tokens = [t for t in re.split(r"[\s_]+", re.sub(r"[(\[].*?[)\]]", "", name)) if t]
        named = _roles(tokens)
        kinds = [r for r, _ in named]
        if "nerve" not in kinds or "measure" not in kinds or None in kinds:
            continue
        found.append((index, name))
        orders.append([k for k in kinds if k and k != "unit"])
        for role, token in named:
            if role == "unit":
                continue
            roles.setdefault(str(role), {}).setdefault(token)
            if role == "measure":
                to = _quantity(token) or ""
                measures[token] = (to, unit_in(name, to))
    if len(found) < 2:
        return None
    order = max(orders, key=len)
    if any([k for k in order if k in one] != one for one in orders):
        return None
    parts = []
    for role in order:
        longest_first = sorted(roles[role], key=len, reverse=True)
        words = "|".join(re.sub(r"\\? ", "[ _]", re.escape(w)) for w in longest_first)
        group = f"(?P<{role}>{words})[ _]*"
        parts.append(group if all(role in one for one in orders) else f"(?:{group})?")
    pattern = "".join(parts) + r"[(\[]?(?P<unit>[^()\[\] _]+)?[)\]]?"
    lines = ["", "[wide]", f"pattern = '{pattern}'", 'default_site = "wrist"']
    return [*lines, "", "[wide.measures]", *_measures(measures)], found


def _measures(measures: Mapping[str, tuple[str, str | None]]) -> list[str]:
    lines = []
    for token, (to, unit) in measures.items():
        if unit is not None:
            lines.append(f"{_quoted(token)} = {_quoted(to)}")
        else:
            lines.append(f'{_quoted(token)} = {{ to = {_quoted(to)}, unit = "?" }}   # write it')
    return lines


def _roles(tokens: Sequence[str]) -> list[tuple[str | None, str]]:
    """Give what each word of a header says; two words may name one site."""
    named: list[tuple[str | None, str]] = []
    at = 0
    while at < len(tokens):
        pair = " ".join(tokens[at : at + 2])
        if len(tokens[at : at + 2]) == 2 and find("sites", pair) is not None:
            named.append(("site", pair))
            at += 2
            continue
        named.append((_role(tokens[at]), tokens[at]))
        at += 1
    return named


def _role(token: str) -> str | None:
    if token.casefold() in SIDES:
        return "side"
    if any(stored_per(column, token) is not None for column in _IN_HEADERS):
        return "unit"
    for role, what in (("nerve", "nerves"), ("muscle", "muscles"), ("site", "sites")):
        if find(what, token) is not None:  # type: ignore[arg-type]
            return role
    return "measure" if _quantity(token) is not None else None


def _long_columns(header: Sequence[str], body: Sequence[Sequence[str]]) -> tuple[int, int] | None:
    """Give the column of codes and that of values, by their headers or by what stands in them."""
    shares = {
        i: _share(_values(body, i), lambda t: _quantity(t) is not None)
        for i, name in enumerate(header)
        if name
    }
    codes = [i for i in shares if _CODES.search(header[i])]
    values = [i for i in shares if _VALUE.search(header[i])]
    if not codes or not values:
        # Without a word for it, only what holds nothing but codes, and numbers to the right.
        codes = [i for i, share in shares.items() if share >= _MOSTLY and not _quantity(header[i])]
        values = values or [
            i
            for i in shares
            if codes
            and i > codes[0]
            and _share(_values(body, i), lambda t: bool(_NUMBER.fullmatch(t))) >= _MOSTLY
        ]
    if not codes or not values:
        return None
    # A code names a quantity; a patient's code, whatever its heading, does not.
    return max(codes, key=lambda i: (shares[i], -i)), values[0]


def _long(
    header: Sequence[str], body: Sequence[Sequence[str]], guess: _Guess, taken: set[int]
) -> list[str] | None:
    """Write a layout for one value per row, when a column of codes stands beside one of values."""
    columns = _long_columns(header, body)
    if columns is None:
        return None
    code_column, value = columns
    taken |= {code_column, value}
    guess.keys = {
        k: v for k, v in guess.keys.items() if v not in (header[code_column], header[value])
    }
    units = [i for i, n in enumerate(header) if re.search(r"^(unit|einheit)", n, re.IGNORECASE)]
    lines = [
        "",
        "[long]",
        f"parameter = {_quoted(header[code_column])}",
        f"value = {_quoted(header[value])}",
    ]
    if units:
        taken.add(units[0])
        lines.append(f"unit = {_quoted(header[units[0]])}")
    lines += ["", "[long.parameters]   # correct site and unit of each"]
    for code in dict.fromkeys(_values(body, code_column)):
        to = _quantity(code)
        said = "" if units else ', unit = "?"'
        place = place_of(code)
        place = {k: v for k, v in place.items() if k not in guess.keys}
        if "stimulation_site" not in guess.keys:
            place = {"site": place.pop("stimulation_site", "?"), **place}
        where = "".join(f", {k} = {_quoted(v)}" for k, v in place.items())
        line = f"{_quoted(code)} = {{ to = {_quoted(to or '?')}{where}{said} }}"
        lines.append(line if to else f"# {line}")
    return lines


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _list(words: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, words))}]"
