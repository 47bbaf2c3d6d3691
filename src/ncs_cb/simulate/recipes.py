"""Recipes: what a simulated visit consists of, read from ``tables/recipes/<id>.toml``.

Every key is documented in ``docs/simulator.md``. A number may be written as ``[low, high]``: it is
then drawn evenly for each study. Unknown keys are refused with the nearest valid name.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path

from ncs_cb.knowledge import datafile
from ncs_cb.knowledge.anatomy import anatomy
from ncs_cb.knowledge.datafile import Block
from ncs_cb.simulate.geometry import known_paths, path
from ncs_cb.simulate.lesions import CHOICES, DELAY_SHAPES
from ncs_cb.simulate.plans import (
    MOTOR_PLAN,
    SENSORY_PLAN,
    AnastomosisPlan,
    FWavePlan,
    InchingPlan,
    IntensityPlan,
    LesionPlan,
    NervePlan,
    Recipe,
    RecordingPlan,
    Span,
    StimulusPlan,
)

_DETAILS = ("clinical", "laboratory", "imaging", "treatment")


def available() -> list[str]:
    """Ids of the shipped recipes, sorted."""
    return datafile.shipped("recipes")


def load(id_or_path: str | Path) -> Recipe:
    """Read and validate a recipe.

    Raises
    ------
    TableError
        If there is no such recipe, or a key is unknown, missing or malformed; the message names
        file, key, what is allowed and the nearest valid name.
    """
    return _cached(id_or_path) if not datafile.is_path(id_or_path) else _load(id_or_path)


@cache
def _cached(id_or_path: str) -> Recipe:
    return _load(id_or_path)


_TOP = (
    "id",
    "title",
    "seed",
    "machine_values",
    "study",
    "person",
    "limb_temperature_c",
    "recording",
    "nerve",
    "anastomosis",
    "sensory",
    "f_wave",
    *_DETAILS,
)


def _load(id_or_path: str | Path) -> Recipe:
    text = datafile.read("recipes", id_or_path)
    top = Block(text.raw, text.name)
    top.only(*_TOP)
    study, person, warmth = (top.block(n) for n in ("study", "person", "limb_temperature_c"))
    study.only("id", "visit_date", "symptom_onset_date")
    person.only("age_years", "sex", "height_cm")
    limbs = ("right_arm", "left_arm", "right_leg", "left_leg")
    warmth.only(*limbs)
    nerves = tuple(_nerve(block, top.block("recording")) for block in top.blocks("nerve"))
    if not nerves:
        raise top.wrong("nerve", "a recipe needs at least one [[nerve]]")
    temperatures = {limb: _span(warmth, limb, None, 10.0, 45.0) for limb in limbs}
    return Recipe(
        top.text("id"),
        top.text("title"),
        _whole(top, "seed", 0, lowest=0),
        study.maybe_text("id") or top.text("id"),
        _date(study, "visit_date"),
        _date(study, "symptom_onset_date"),
        _span(person, "age_years", None, 0.0, 120.0),
        _span(person, "height_cm", None, 40.0, 250.0),
        person.choice("sex", ("female", "male")) if "sex" in person.raw else None,
        {limb: span for limb, span in temperatures.items() if span is not None},
        bool(top.truth("machine_values", False)),
        nerves,
        tuple(_anastomosis(block) for block in top.blocks("anastomosis")),
        {name: top.raw[name] for name in (*_DETAILS, "sensory", "f_wave") if name in top.raw},
        text.name,
    )


_NERVE = (
    "nerve",
    "muscle",
    "side",
    "kind",
    "sites",
    "n_units",
    "amplitude_mv",
    "distal_latency_ms",
    "velocity_factor",
    "velocity_spread",
    "axon_loss",
    "axon_loss_choice",
    "reinnervation",
    "initial_positivity",
    "second_muscle",
    "repeats",
    "supramaximal",
    "lesion",
    "stimulus",
    "intensity_series",
    "inching",
    "f_waves",
    "recording",
)


def _nerve(block: Block, common: Block) -> NervePlan:
    block.only(*_NERVE)
    nerve = block.choice("nerve", anatomy().nerves)
    kind = block.choice("kind", ("motor", "sensory")) if "kind" in block.raw else "motor"
    known = sorted({target for k, _, target in known_paths() if k == kind})
    target = block.choice("muscle", known)
    sites = block.names("sites", anatomy().nerves[nerve].sites)
    plan = SENSORY_PLAN if kind == "sensory" else MOTOR_PLAN
    if kind == "motor":
        plan = _recording(common, plan)
    stimuli = tuple(_stimulus(b, sites) for b in block.blocks("stimulus"))
    return NervePlan(
        nerve,
        target,
        block.choice("side", ("left", "right")),
        kind,
        sites,
        _span(block, "n_units", None, 1.0, 5000.0),
        _span(block, "amplitude_mv", None, 0.0, 60.0),
        _span(block, "distal_latency_ms", None, 0.5, 30.0),
        _needed(block, "velocity_factor", (1.0, 1.0), 0.05, 2.0),
        _span(block, "velocity_spread", None, 0.0, 0.7),
        _needed(block, "axon_loss", (0.0, 0.0), 0.0, 1.0),
        _word(block, "axon_loss_choice", CHOICES),
        _needed(block, "reinnervation", (0.0, 0.0), 0.0, 1.0),
        _needed(block, "initial_positivity", (0.0, 0.0), 0.0, 1.0),
        _needed(block, "second_muscle", (0.0, 0.0), 0.0, 1.0),
        _whole(block, "repeats", 1, lowest=1),
        block.truth("supramaximal", True),
        tuple(_lesion(b, nerve, target, kind) for b in block.blocks("lesion")),
        {s.site: s for s in stimuli},
        _intensity(block, nerve),
        _inching(block, nerve),
        _f_waves(block, nerve),
        _recording(block.block("recording"), plan),
    )


def _recording(block: Block, plan: RecordingPlan) -> RecordingPlan:
    names = RecordingPlan.__dataclass_fields__
    block.only(*names)
    values = {name: _needed(block, name, getattr(plan, name), 0.0, 1e6) for name in names}
    return RecordingPlan(**values)


def _lesion(block: Block, nerve: str, target: str, kind: str) -> LesionPlan:
    block.only(
        "segment",
        "at",
        "block",
        "block_of",
        "choice",
        "delay_ms",
        "delay_shape",
        "delay_share",
        "velocity_factor",
        "failure",
    )
    ends = block.text("segment").split("-")
    known = path(nerve, target, kind=kind).positions_mm if _has(nerve, target, kind) else {}
    if len(ends) != 2:
        raise block.wrong("segment", "must be two sites, distal first, as in 'wrist-below_elbow'")
    for site in ends:
        block.one_of("segment", site, known)
    if known[ends[0]] >= known[ends[1]]:
        raise block.wrong("segment", f"'{ends[0]}' is not distal to '{ends[1]}'")
    of = block.choice("block_of", ("signal", "units")) if "block_of" in block.raw else "signal"
    return LesionPlan(
        ends[0],
        ends[1],
        _needed(block, "at", (0.5, 0.5), 0.0, 1.0),
        _needed(block, "block", (0.0, 0.0), 0.0, 1.0),
        "units" if of == "units" else "signal",
        _word(block, "choice", CHOICES),
        _needed(block, "delay_ms", (0.0, 0.0), 0.0, 100.0),
        _word(block, "delay_shape", DELAY_SHAPES),
        _needed(block, "delay_share", (1.0, 1.0), 0.0, 1.0),
        _needed(block, "velocity_factor", (1.0, 1.0), 0.05, 1.0),
        _needed(block, "failure", (0.0, 0.0), 0.0, 1.0),
    )


def _has(nerve: str, target: str, kind: str) -> bool:
    return (kind, nerve, target) in known_paths()


def _stimulus(block: Block, sites: tuple[str, ...]) -> StimulusPlan:
    block.only(*StimulusPlan.__dataclass_fields__)
    other = block.maybe_text("co_stimulates") or None
    if other is not None:
        block.one_of("co_stimulates", other, ("median", "ulnar"))
    return StimulusPlan(
        block.choice("site", sites),
        _needed(block, "excited", (1.0, 1.0), 0.0, 1.0),
        _span(block, "intensity_ma", None, 0.0, 1000.0),
        _needed(block, "electrode_shift_mm", (0.0, 0.0), -30.0, 30.0),
        other,
        _needed(block, "co_stimulation", (0.0, 0.0), 0.0, 1.0),
        block.truth("collision"),
        block.truth("supramaximal"),
        block.number("high_pass_hz", needed=False),
        block.number("low_pass_hz", needed=False),
    )


def _intensity(block: Block, nerve: str) -> IntensityPlan | None:
    if "intensity_series" not in block.raw:
        return None
    part = block.block("intensity_series")
    part.only(*IntensityPlan.__dataclass_fields__)
    return IntensityPlan(
        part.choice("site", anatomy().nerves[nerve].sites),
        _whole(part, "steps", 10, lowest=2),
        _whole(part, "repeats", 1, lowest=1),
        _needed(part, "from_ma", (6.0, 6.0), 0.1, 1000.0),
        _needed(part, "to_ma", (30.0, 30.0), 0.1, 1000.0),
    )


def _inching(block: Block, nerve: str) -> InchingPlan | None:
    if "inching" not in block.raw:
        return None
    part = block.block("inching")
    part.only(*InchingPlan.__dataclass_fields__)
    sites = anatomy().nerves[nerve].sites
    return InchingPlan(
        part.choice("from_site", sites),
        part.choice("to_site", sites),
        _needed(part, "step_mm", (20.0, 20.0), 5.0, 100.0),
    )


def _f_waves(block: Block, nerve: str) -> FWavePlan | None:
    if "f_waves" not in block.raw:
        return None
    part = block.block("f_waves")
    part.only(*FWavePlan.__dataclass_fields__)
    return FWavePlan(
        part.choice("site", anatomy().nerves[nerve].sites),
        _whole(part, "n_stimuli", 20, lowest=1),
        _needed(part, "persistence", (0.85, 0.85), 0.0, 1.0),
    )


def _anastomosis(block: Block) -> AnastomosisPlan:
    block.only("kind", "side", "muscle", "share")
    kind = block.choice("kind", ("martin_gruber", "reverse_martin_gruber"))
    # Martin-Gruber: median fibers cross to the ulnar nerve and reach ulnar muscles.
    muscles = ("adm", "fdi") if kind == "martin_gruber" else ("apb",)
    return AnastomosisPlan(
        block.choice("side", ("left", "right")),
        block.choice("muscle", muscles),
        "median" if kind == "martin_gruber" else "ulnar",
        _needed(block, "share", (0.4, 0.4), 0.0, 1.0),
    )


def _word(block: Block, name: str, known: tuple[str, ...]) -> str:
    return block.choice(name, known) if name in block.raw else known[0]


def _whole(block: Block, name: str, default: int, *, lowest: int) -> int:
    value = block.raw.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < lowest:
        raise block.wrong(name, f"must be a whole number of at least {lowest}, not {value!r}")
    return value


def _date(block: Block, name: str) -> date | None:
    value = block.raw.get(name)
    if value is not None and type(value) is not date:
        raise block.wrong(name, f"must be a date such as 2026-03-02, not {value!r}")
    return value


def _needed(block: Block, name: str, default: Span, low: float, high: float) -> Span:
    return _span(block, name, default, low, high) or default


def _span(block: Block, name: str, default: Span | None, low: float, high: float) -> Span | None:
    """Read a number or a pair [low, high]."""
    if name not in block.raw:
        return default
    value = block.raw[name]
    ends = value if isinstance(value, list) else [value, value]
    is_number = [isinstance(v, int | float) and not isinstance(v, bool) for v in ends]
    if len(ends) != 2 or not all(is_number):
        raise block.wrong(name, f"must be a number or a pair [low, high], not {value!r}")
    if not low <= ends[0] <= ends[1] <= high:
        raise block.wrong(name, f"must lie between {low:g} and {high:g}, rising, not {value!r}")
    return float(ends[0]), float(ends[1])
