"""The sections of a Natus text to sweeps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ncs_cb.errors import ReadError, StudyError, UnitError
from ncs_cb.knowledge.anatomy import find, nerve_of_muscle, position
from ncs_cb.model import Decision, Side, Site, Stimulus, Trace, UnassignedStimulus
from ncs_cb.readers._shared.names import SIDES, from_label, take_nerve, take_side, words
from ncs_cb.readers._shared.plausible import check_rate, refuse_large
from ncs_cb.readers._shared.polarity import orient
from ncs_cb.readers._shared.reader import Input, Recording
from ncs_cb.readers._shared.unassigned import MOST
from ncs_cb.readers._shared.words import named
from ncs_cb.readers.natus_text.signs import BOMS, SECTION
from ncs_cb.units import millivolts_per

if TYPE_CHECKING:
    import numpy as np

_KEY = re.compile(
    r"(?P<name>[^=<(]+?)\s*(?:\((?P<unit>[^)]*)\))?\s*(?:<(?P<n>\d+)>)?\s*=(?P<value>.*)"
)
_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?|[+-]?\d+(?=\s|;|$)")
_POINT = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_IDENTITY = re.compile(
    r"patient|name|birth|gender|sex|visit|date|physician|doctor|address|phone|hospital|comment|age"
    r"|height|weight|technician|file",
    re.IGNORECASE,
)
_SITE_KEY = re.compile(r"site|stim(ulus|ulation)?\b(?!.*(ma|ms|inten|dur))", re.IGNORECASE)
_MOST_SAMPLES = 50_000_000
_LISTED = 12


@dataclass(slots=True)
class _Section:
    """One section of the file: its number, its title, its keys and its rows of samples."""

    number: str
    title: str
    keys: dict[str, tuple[str, str]] = field(default_factory=dict)
    data: list[tuple[str, str, np.ndarray]] = field(default_factory=list)


def read(source: Input) -> Recording:
    """Read the sweeps of a text export.

    Raises
    ------
    ReadError
        If the text is damaged, or a row of samples has another count than its header says.
    UnitError
        If the unit of the samples is missing or unknown, or a response is above 100 mV.
    StudyError
        If nerve, side, muscle or the site of every sweep cannot be told.
    """
    sections, dropped = _parse(_text(source.data))
    name = source.name
    sweeps = list(_sweeps(sections, source.override.unit))
    if not sweeps:
        raise StudyError("no samples were found in the sections of this export.")
    placed, lost = _placed(sweeps, sections, source)
    decisions = [
        Decision(name, "format", "experimental", "read from the structure of the text alone"),
        Decision(name, "stimulus", "first sample", "the text names no time of the stimulus"),
    ]
    if dropped:
        decisions.append(Decision(name, "identity", "dropped", f"{dropped} keys name a person"))
    traces, said = _traces(placed, sections, name, source)
    unassigned = tuple(UnassignedStimulus(name, number, order) for number, order in lost[:MOST])
    return Recording(traces, decisions=(*decisions, *said), unassigned=unassigned)


# --------------------------------------------------------------------------- text


def _text(data: bytes) -> str:
    encoding = next((n for mark, n in BOMS if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise ReadError(f"not {encoding} text: the file is damaged or cut.") from None


def _lines(text: str) -> Iterator[str]:
    """Join the rows that end in a slash with the next one."""
    held = ""
    for line in text.splitlines():
        bare = line.rstrip()
        if bare.endswith("/"):
            held += bare[:-1] + " "
            continue
        yield held + bare
        held = ""
    if held:
        raise ReadError("the last row says that it goes on, but the file ends.")


def _parse(text: str) -> tuple[dict[str, _Section], int]:
    sections: dict[str, _Section] = {}
    current: _Section | None = None
    dropped = 0
    for line in _lines(text):
        if not line.strip() or line.lstrip().startswith(";"):
            continue
        heading = SECTION.fullmatch(line.strip())
        if heading is not None:
            current = sections.setdefault(heading[1], _Section(heading[1], heading[2]))
            continue
        key = _KEY.fullmatch(line.strip())
        if key is None or current is None:
            continue
        if key["n"] is not None:
            current.data.append(_row(key, current.number))
        elif _IDENTITY.search(key["name"]):
            dropped += 1
        else:
            current.keys[_folded(key["name"])] = (key["value"].strip(), key["unit"] or "")
    return sections, dropped


def _folded(name: str) -> str:
    return re.sub(r"\s+", " ", name).strip().casefold()


def _row(key: re.Match[str], number: str) -> tuple[str, str, np.ndarray]:
    import numpy as np

    # Asked by its length first: a number of thousands of digits is none that can be read.
    n = int(key["n"]) if len(key["n"]) < len(str(_MOST_SAMPLES)) + 2 else _MOST_SAMPLES + 1
    if n > _MOST_SAMPLES:
        raise ReadError(f"section {number}: more than {_MOST_SAMPLES} samples, which are too many.")
    text = key["value"]
    pattern = _POINT if re.search(r"\d\.\d", text) else _COMMA
    values = pattern.findall(text)
    if len(values) != n and pattern is _COMMA and "," not in re.sub(r",\s", " ", text):
        values = _POINT.findall(text)
    if len(values) != n:
        raise ReadError(
            f"section {number}: {len(values)} samples, but its header says {n}.",
            hint="Export the test again; nothing is guessed.",
        )
    samples = np.array([float(v.replace(",", ".")) for v in values])
    return _folded(key["name"]), (key["unit"] or "").strip(), samples


# --------------------------------------------------------------------------- sections to sweeps


@dataclass(frozen=True, slots=True)
class _Sweep:
    number: str
    what: str
    samples_mv: np.ndarray
    unit: str


def _sweeps(sections: Mapping[str, _Section], told: str | None) -> Iterator[_Sweep]:
    for section in sections.values():
        rows = [row for row in section.data if "data" in row[0]]
        # An average stands beside the sweeps it was made of.
        averages = [row for row in rows if "average" in row[0]]
        for what, stated, samples in averages or rows:
            unit = told or stated
            if not unit:
                raise UnitError(
                    f"section {section.number}: the samples state no unit; known: V, mV, uV, nV."
                )
            yield _Sweep(section.number, what, samples * millivolts_per(unit[:12]), unit)


def _above(number: str) -> Iterator[str]:
    """Give a section's number and those of the sections it belongs to, nearest first."""
    while number:
        yield number
        number = number.rpartition(".")[0]


def _value(sections: Mapping[str, _Section], number: str, *names: str) -> tuple[str, str] | None:
    for one in _above(number):
        section = sections.get(one)
        for name in names:
            if section is not None and name in section.keys:
                return section.keys[name]
    return None


def _number(sections: Mapping[str, _Section], number: str, *names: str) -> float | None:
    found = _value(sections, number, *names)
    text = "" if found is None else found[0].replace(",", ".")
    if not _POINT.fullmatch(text) or found is None:
        return None
    return float(text) * (1000.0 if found[1].casefold() == "khz" else 1.0)


def _placed(
    sweeps: list[_Sweep], sections: Mapping[str, _Section], source: Input
) -> tuple[list[tuple[_Sweep, str]], list[tuple[str, int]]]:
    """Give the site of each sweep, and section and place of those that name none.

    Raises
    ------
    StudyError
        If no sweep has a site.
    """
    told = source.override.sites
    placed, lost = [], []
    for order, sweep in enumerate(sweeps, start=1):
        site = (
            told.get(sweep.number)
            or told.get(str(order))
            or _named_site(sections, sweep.number, source)
        )
        if site is None:
            lost.append((sweep.number, order - 1))
        else:
            placed.append((sweep, site))
    if not placed:
        numbers = [number for number, _ in lost]
        example = ", ".join(f'"{n}" = "wrist"' for n in numbers[:2])
        raise StudyError(
            f"no sweep names its stimulation site; sections with samples: "
            f"{', '.join(numbers[:_LISTED])}.",
            hint=f'Say in study.toml, under [recordings."<file>"]: sites = {{ {example} }}.',
        )
    return placed, lost


def _named_site(sections: Mapping[str, _Section], number: str, source: Input) -> str | None:
    for one in _above(number):
        section = sections.get(one)
        if section is None:
            continue
        texts = [v for k, (v, _) in section.keys.items() if _SITE_KEY.search(k)]
        texts.append(re.sub(r"(long)?trace data|store data|data", "", section.title, flags=re.I))
        for text in texts:
            found = _site_in(text, source)
            if found is not None:
                return found
    return None


def _site_in(text: str, source: Input) -> str | None:
    _, parts = take_side(words(text))
    _, parts = take_nerve(parts)
    plain = " ".join(parts)
    own = source.words.get("sites", {})
    if plain and (found := find("sites", plain)) is not None:
        return found
    return named("sites", text, source) if text.strip().casefold() in own else None


def _traces(
    placed: list[tuple[_Sweep, str]], sections: Mapping[str, _Section], name: str, source: Input
) -> tuple[tuple[Trace, ...], list[Decision]]:
    import numpy as np

    rates = [_rate(sections, sweep.number) for sweep, _ in placed]
    samples = [sweep.samples_mv for sweep, _ in placed]
    for row, rate, (sweep, _) in zip(samples, rates, placed, strict=True):
        refuse_large([row], [0], rate, sweep.unit)
    turn = orient(
        source.override.polarity,
        samples,
        sampling_rate_hz=rates[0],
        stimulus_indices=[0] * len(samples),
    )
    told = source.override
    stimulus = Stimulus(is_supramaximal=told.supramaximal, collision_used=told.collision_used)
    traces = []
    for order, ((sweep, site), rate) in enumerate(zip(placed, rates, strict=True)):
        nerve, side, muscle = _anatomy(sections, sweep.number, source)
        position(nerve, site)
        turned = np.ascontiguousarray(sweep.samples_mv * turn.sign)
        turned.setflags(write=False)
        trace = Trace(
            turned,
            rate,
            0,
            Site(nerve, side, muscle, site),
            name,
            stimulus=stimulus,
            high_pass_hz=_number(sections, sweep.number, "low", "low filter", "high pass"),
            low_pass_hz=_number(sections, sweep.number, "high", "high filter", "low pass"),
            sweep=order,
            flags=() if turn.is_certain else ("polarity_uncertain",),
        )
        traces.append(trace)
    units = ", ".join(dict.fromkeys(sweep.unit for sweep, _ in placed))
    said_by = "as study.toml says" if source.override.unit else "as the text says"
    choice = "negative_up" if turn.sign > 0 else "negative_down"
    return tuple(traces), [
        Decision(name, "unit", units, said_by),
        Decision(name, "polarity", choice, turn.reason),
    ]


def _rate(sections: Mapping[str, _Section], number: str) -> float:
    rate = _number(sections, number, "subsampled") or _number(
        sections, number, "sampling frequency"
    )
    if rate is None:
        raise ReadError(f"section {number} states neither Subsampled nor Sampling Frequency.")
    return check_rate(rate)


def _anatomy(sections: Mapping[str, _Section], number: str, source: Input) -> tuple[str, Side, str]:
    """Give nerve, side and muscle: ``study.toml`` first, then what the text names."""
    told = source.override
    texts = [
        found[0]
        for key in ("master anatomy", "anatomy", "muscle", "nerve", "test", "side")
        if (found := _value(sections, number, key)) is not None
    ]
    label = from_label(" ".join(texts[:1]))
    nerve, side, muscle = told.nerve, told.side, told.muscle or label.muscle
    for text in texts:
        parts = words(text)
        side = side or next((SIDES[p.casefold()] for p in parts if p.casefold() in SIDES), None)
        nerve = nerve or next((n for p in parts if (n := find("nerves", p))), None)
        muscle = muscle or from_label(text).muscle
    if nerve is None and muscle is not None:
        nerve = nerve_of_muscle(muscle)
    missing = [n for n, v in (("nerve", nerve), ("side", side), ("muscle", muscle)) if v is None]
    if nerve is None or side is None or muscle is None:
        raise StudyError(
            f"the text does not tell {', '.join(missing)}.",
            hint='Say it in study.toml, under [recordings."<file>"].',
        )
    return nerve, side, muscle
