"""The clauses of a criteria set: what may be asked, and how it is written in a file.

A clause asks one thing: whether a number lies on the right side of a limit, whether a flag was
raised, whether a finding is present, in how many nerves there is block. Clauses are combined by
``all``, ``any`` and ``at_least``; nothing is negated and nothing is evaluated as code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ncs_cb.columns import table_columns
from ncs_cb.errors import did_you_mean
from ncs_cb.flags import FLAGS
from ncs_cb.knowledge.datafile import VERIFIED, Block
from ncs_cb.knowledge.findings import findings
from ncs_cb.vocabulary import GRADES

CATEGORIES = GRADES
LIMBS = ("arm", "leg")
OPERATORS = ("gt", "ge", "lt", "le")

Kind = Literal["column", "flag", "finding", "block", "sensory", "signs"]
Table = Literal["segments", "nerves", "study"]

# Estimates of block and dispersion are research output: house.md, section 5.
_RESEARCH = (
    "blocked_fraction",
    "blocked_fraction_low",
    "blocked_fraction_high",
    "added_dispersion_ms",
)

NERVE_COLUMNS = (
    "distal_latency_ms",
    "distal_amplitude_mv",
    "distal_duration_ms",
    "distal_high_pass_hz",
    "slowest_velocity_m_per_s",
    "f_minimum_latency_ms",
    "f_persistence_pct",
    "f_stimuli",
)
"""What is known of a nerve as a whole, for the nerve rules of the categories."""

PERCENT_OF = (
    "motor.amplitude_mv",
    "motor.distal_latency_ms",
    "motor.velocity_m_per_s",
    "f_wave.minimum_latency_ms",
)
"""Limits of normal that a clause may take a share of."""

_WORDS = ("id", "source", "verified", "text", "text_zh", "ask", "ask_zh")
_ASKED = (
    "column",
    "flag",
    "finding",
    "nerves_with",
    "segments_with",
    "sensory",
    "signs",
)
_COMBINED = ("all", "any", "at_least")


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing asked.

    Attributes
    ----------
    id : str
        Unique within its rule; what ``met``, ``not_met`` and ``missing`` list.
    kind, subject : str
        What is asked about: a ``column``, ``flag`` or ``finding`` by name; ``block`` in nerves;
        ``sensory`` conduction; or ``signs`` of nerves.
    op : str
        ``gt``, ``ge``, ``lt``, ``le`` or ``is``.
    value : float, bool or None
        The limit; None when it is not known, or not enabled.
    uncertain_from : float or None
        The published limit lies between this number and `value`; in between stays unknown.
    percent_of : str
        The limit is this share of a limit of normal, for example ``motor.amplitude_mv``.
    at_least : int
        Number of nerves asked for.
    grades, names, others : tuple of str
        Grades that count as block; signs asked for in one nerve, and in another nerve.
    through_block : bool
        Count only nerves with normal sensory conduction through the blocked segment.
    sensory_above_axilla : bool
        Whether sensory conduction is asked for in segments proximal to the axilla.
    per : str
        Whether block is counted in ``nerves`` or in ``segments``.
    source, verified : str
        Where the number is printed, and how sure it is.
    text, text_zh, ask, ask_zh : str
        The clause in words, and what to do where it is unknown.
    """

    id: str
    kind: Kind
    subject: str
    op: str
    value: float | bool | None
    source: str
    verified: str
    uncertain_from: float | None = None
    percent_of: str = ""
    at_least: int = 1
    grades: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    through_block: bool = False
    sensory_above_axilla: bool = True
    per: str = "nerves"
    text: str = ""
    text_zh: str = ""
    ask: str = ""
    ask_zh: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether the limit is known and enabled."""
        return self.value is not None


@dataclass(frozen=True, slots=True)
class Group:
    """Clauses combined: all of them, any of them, or at least ``n`` of them."""

    id: str
    how: Literal["all", "any", "at_least"]
    n: int
    of: tuple[Clause | Group, ...]


Term = Clause | Group


def leaves(term: Term) -> Iterator[Clause]:
    """Give the clauses of a term, in order."""
    if isinstance(term, Clause):
        yield term
        return
    for one in term.of:
        yield from leaves(one)


@dataclass(frozen=True, slots=True)
class Reader:
    """Turns parsed tables into clauses.

    Attributes
    ----------
    use_unchecked : bool
        Whether limits that are not verified are used: False for a set that is not enabled.
    use_doubtful : bool
        Whether doubtful limits are used: only when the caller allows it.
    grades, signs : tuple of str
        Grades of the set and signs of its nerve rules.
    named : mapping
        Clauses that may be referred to by id.
    """

    use_unchecked: bool
    use_doubtful: bool
    grades: tuple[str, ...]
    signs: tuple[str, ...] = ()
    named: Mapping[str, Term] = field(default_factory=dict)

    def term(self, block: Block, table: Table) -> Term:
        """Read one entry of a list: a clause, or a group of its own."""
        asked = [key for key in _ASKED if key in block.raw]
        # A clause may count with at_least = 2; only a group has a table there.
        if not asked and any(key in block.raw for key in _COMBINED):
            block.only("id", *_COMBINED)
            return self.group(block, block.maybe_text("id") or block.key, table)
        if len(asked) != 1:
            raise block.wrong(
                asked[1] if asked else "",
                f"a clause asks one thing, one of: {', '.join(_ASKED)}; it has "
                + (" and ".join(asked) or f"none of them{_nearest(block, _ASKED)}"),
            )
        read = getattr(self, f"_{asked[0]}")
        clause: Clause = read(block, table)
        return clause

    def group(self, block: Block, id_: str, table: Table) -> Group:
        """Read ``all = [...]``, ``any = [...]`` or ``at_least = { n = 2, of = [...] }``."""
        given = [key for key in _COMBINED if key in block.raw]
        if len(given) != 1:
            raise block.wrong("", f"needs exactly one of: {', '.join(_COMBINED)}")
        how, n, lists = given[0], 0, block
        if how == "at_least":
            lists = block.block("at_least")
            lists.only("n", "of")
            n = lists.whole("n")
        of = tuple(self._items(lists, "of" if n else how, table))
        if not of:
            raise block.wrong(how, "must not be empty: nothing asked would always hold")
        if n > len(of):
            raise block.wrong(how, f"asks for {n} of {len(of)}")
        return Group(id_, "all" if how == "all" else "any" if how == "any" else "at_least", n, of)

    def _items(self, block: Block, how: str, table: Table) -> Iterator[Term]:
        values = block.raw.get(how)
        if not isinstance(values, list):
            raise block.wrong(how, f"must be a list of clauses, not {values!r}")
        for number, value in enumerate(values, start=1):
            at = f"{how}[{number}]"
            if isinstance(value, str):
                yield self.named[block.one_of(at, value, self.named)]
            elif isinstance(value, dict):
                key = f"{block.key}.{at}" if block.key else at
                yield self.term(Block(value, block.file, key), table)
            else:
                raise block.wrong(at, f"must be a clause or the id of one, not {value!r}")

    def _limit(self, block: Block, name: str) -> float | None:
        """Read a limit; None when it is unset, or marked as too unsure to be used."""
        value = block.number(name, needed=name == "value")
        verified = block.choice("verified", VERIFIED)
        if verified == "doubtful" and not self.use_doubtful:
            return None
        return value if verified in ("primary", "secondary") or self.use_unchecked else None

    def _words(self, block: Block, default_id: str) -> dict[str, Any]:
        return {
            "id": block.maybe_text("id") or default_id,
            "source": block.text("source"),
            "verified": block.choice("verified", VERIFIED),
            **{key: block.maybe_text(key) for key in ("text", "text_zh", "ask", "ask_zh")},
        }

    def _compared(self, block: Block, kind: Kind, name: str) -> Clause:
        """Read a clause with ``op`` and ``value``."""
        op = block.choice("op", OPERATORS)
        percent_of = block.choice("percent_of", PERCENT_OF) if "percent_of" in block.raw else ""
        value = block.raw.get("value")
        # The id carries the operator, not the number: a number not in use must not show.
        return Clause(
            kind=kind,
            subject=name,
            op=op,
            value=self._limit(block, "value"),
            uncertain_from=self._limit(block, "uncertain_from")
            if "uncertain_from" in block.raw
            else None,
            percent_of=percent_of,
            **self._words(
                block,
                f"{name}_{op}"
                + (
                    f"_{value:g}"
                    if isinstance(value, int | float) and self._limit(block, "value") is not None
                    else ""
                ),
            ),
        )

    def _is(self, block: Block, kind: Kind, name: str) -> Clause:
        """Read a clause with ``is = true`` or ``is = false``."""
        wanted = block.truth("is")
        if wanted is None:
            raise block.wrong("is", "missing key 'is' (true or false)")
        words = self._words(block, f"{name.rpartition('.')[2]}_{'yes' if wanted else 'no'}")
        return Clause(kind=kind, subject=name, op="is", value=wanted, **words)

    def _column(self, block: Block, table: Table) -> Clause:
        if table == "study":
            raise block.wrong(
                "column",
                "categories ask for findings, nerves_with, segments_with, sensory and signs",
            )
        name = block.text("column")
        if name in _RESEARCH:
            raise block.wrong(
                "column", f"'{name}' is a research estimate and enters no published criteria set"
            )
        if table == "nerves":
            types: dict[str, str] = dict.fromkeys(NERVE_COLUMNS, "float64")
        else:
            types = {
                c.name: c.dtype
                for c in table_columns("segments")
                if c.dtype in ("float64", "boolean") and c.name not in _RESEARCH
            }
        block.one_of("column", name, types)
        if types[name] == "boolean":
            block.only("column", "is", *_WORDS)
            return self._is(block, "column", name)
        block.only("column", "op", "value", "uncertain_from", "percent_of", *_WORDS)
        return self._compared(block, "column", name)

    def _flag(self, block: Block, table: Table) -> Clause:
        block.only("flag", "is", *_WORDS)
        if table != "segments":
            raise block.wrong("flag", "flags are asked for in rules about segments only")
        known = [name for name, flag in FLAGS.items() if flag.scope == "segment"]
        return self._is(block, "flag", block.choice("flag", known))

    def _finding(self, block: Block, table: Table) -> Clause:
        if table != "study":
            raise block.wrong("finding", "findings are asked for in categories only")
        name = block.choice("finding", findings())
        if findings()[name].type == "boolean":
            block.only("finding", "is", *_WORDS)
            return self._is(block, "finding", name)
        block.only("finding", "op", "value", *_WORDS)
        return self._compared(block, "finding", name)

    def _nerves_with(self, block: Block, table: Table) -> Clause:
        return self._counted(block, table, "nerves")

    def _segments_with(self, block: Block, table: Table) -> Clause:
        return self._counted(block, table, "segments")

    def _counted(self, block: Block, table: Table, per: str) -> Clause:
        """Read a clause that counts the nerves or segments with block."""
        key = f"{per}_with"
        block.only(key, "at_least", "through_block", "sensory_above_axilla", *_WORDS)
        if table != "study":
            raise block.wrong(key, "block is counted in categories only")
        grades = block.names(key, self.grades)
        if not grades:
            raise block.wrong(key, "name at least one grade")
        n = block.whole("at_least", 1)
        words = self._words(block, f"{'_or_'.join(grades)}_block_in_{n}_{per}")
        return Clause(
            kind="block",
            subject="conduction_block",
            op="ge",
            value=float(n),
            at_least=n,
            per=per,
            grades=grades,
            through_block=bool(block.truth("through_block", False)),
            sensory_above_axilla=bool(block.truth("sensory_above_axilla", True)),
            **words,
        )

    def _sensory(self, block: Block, table: Table) -> Clause:
        block.only("sensory", "at_least", *_WORDS)
        if table != "study":
            raise block.wrong("sensory", "sensory studies are asked for in categories only")
        wanted = block.choice("sensory", ("all_normal",))
        n = block.whole("at_least", 1)
        return Clause(
            kind="sensory",
            subject=wanted,
            op="ge",
            value=float(n),
            at_least=n,
            **self._words(block, f"sensory_{wanted}"),
        )

    def _signs(self, block: Block, table: Table) -> Clause:
        block.only("signs", "at_least", "and_elsewhere", *_WORDS)
        if table != "study":
            raise block.wrong("signs", "signs of nerves are asked for in categories only")
        names = block.names("signs", self.signs)
        if not names:
            raise block.wrong("signs", f"name at least one of: {', '.join(self.signs)}")
        n = block.whole("at_least", 1)
        return Clause(
            kind="signs",
            subject="nerves",
            op="ge",
            value=float(n),
            at_least=n,
            names=names,
            others=block.names("and_elsewhere", self.signs),
            **self._words(block, f"{'_or_'.join(names)}_in_{n}_nerves"),
        )


def _nearest(block: Block, known: tuple[str, ...]) -> str:
    for key in block.raw:
        hint = did_you_mean(key, known)
        if hint:
            return f", but an unknown key '{key}'.{hint}"
    return ""
