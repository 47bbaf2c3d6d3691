"""A realistic result made by hand, so that reports are tested apart from the science.

One visit: definite block in the right ulnar forearm, probable block in the right radial arm, an
ulnar elbow segment that is excluded, a median nerve without block, a left ulnar nerve typed in.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pandas as pd

from ncs_cb import dispersion, flags, model
from ncs_cb.columns import conform, table_columns
from ncs_cb.judging import features, impression, limits, sensory
from ncs_cb.judging.examined import examined
from ncs_cb.judging.rows import gather
from ncs_cb.knowledge import criteria, reference, set_words
from ncs_cb.reports import pdf
from ncs_cb.vocabulary import RESULT_TABLES

RATE_HZ = 20_000.0
STIMULUS = 60
SOURCE = "Van Schaik IN et al. J Peripher Nerv Syst 2010;15:295-301"

# nerve, side, muscle, [(site, distance mm, onset ms, amplitude mV, duration ms)]
ARM = [
    (
        "ulnar",
        "right",
        "adm",
        [
            ("wrist", 70, 3.0, 9.8, 5.8),
            ("below_elbow", 280, 6.6, 3.56, 6.25),
            ("above_elbow", 380, 8.9, 3.3, 6.5),
            ("axilla", 480, 10.5, 3.15, 6.6),
        ],
    ),
    (
        "median",
        "right",
        "apb",
        [
            ("wrist", 70, 3.6, 10.2, 5.9),
            ("elbow", 290, 7.5, 9.6, 6.1),
            ("axilla", 410, 9.5, 9.2, 6.3),
        ],
    ),
    (
        "radial",
        "right",
        "eip",
        [
            ("forearm", 60, 2.4, 6.0, 6.6),
            ("elbow", 160, 4.1, 5.8, 6.7),
            ("spiral_groove", 280, 5.8, 5.5, 6.9),
            ("axilla", 390, 7.8, 3.75, 7.2),
        ],
    ),
    ("median", "left", "apb", [("wrist", 70, 3.5, 9.9, 5.9), ("elbow", 285, 7.3, 9.5, 6.0)]),
]


def cmap(onset_ms: float, amplitude_mv: float, duration_ms: float, n_samples: int = 1060):
    """Give a smooth negative phase followed by a shallower positive one, and 5 uV of noise."""
    time_ms = (np.arange(n_samples) - STIMULUS) / RATE_HZ * 1e3 - onset_ms
    negative = np.where(
        (time_ms > 0) & (time_ms < duration_ms),
        np.sin(np.pi * np.clip(time_ms / duration_ms, 0, 1) ** 0.8) ** 1.3,
        0.0,
    )
    later = np.clip((time_ms - duration_ms) / (1.6 * duration_ms), 0, 1)
    trace = amplitude_mv * (negative - 0.35 * np.sin(np.pi * later**0.7) ** 1.2)
    artifact = np.zeros(n_samples)
    artifact[STIMULUS : STIMULUS + 12] = np.linspace(4, 0, 12) * np.cos(np.arange(12))
    noise = np.random.default_rng(int(onset_ms * 1000)).normal(0, 0.005, n_samples)
    return trace + artifact + noise, negative


def trace(nerve, side, muscle, site, distance, onset, amplitude, duration):
    samples, _ = cmap(onset, amplitude, duration)
    return model.Trace(
        samples,
        RATE_HZ,
        STIMULUS,
        model.Site(nerve, side, muscle, site),
        recording=f"{nerve}_{side}.edf",
        stimulus=model.Stimulus(distance_mm=distance, intensity_ma=22.5, is_supramaximal=True),
        high_pass_hz=2.0,
        low_pass_hz=10_000.0,
    )


def measured(study_id: str, item: model.Trace, onset, amplitude, duration, quality="") -> dict:
    _, negative = cmap(onset, amplitude, duration)
    area = float(negative.sum() / RATE_HZ * 1e3 * amplitude)
    return {
        "study_id": study_id,
        "recording": item.recording,
        "nerve": item.site.nerve,
        "side": item.site.side,
        "muscle": item.site.muscle,
        "kind": "motor",
        "stimulation_site": item.site.stimulation_site,
        "distance_mm": item.stimulus.distance_mm,
        "stimulus_ma": item.stimulus.intensity_ma,
        "sampling_rate_hz": item.sampling_rate_hz,
        "high_pass_hz": item.high_pass_hz,
        "low_pass_hz": item.low_pass_hz,
        "onset_latency_ms": onset,
        "negative_peak_latency_ms": onset + 0.42 * duration,
        "negative_peak_amplitude_mv": amplitude,
        "peak_to_peak_amplitude_mv": 1.35 * amplitude,
        "negative_peak_duration_ms": duration,
        "negative_peak_area_mv_ms": area,
        "total_negative_duration_ms": duration,
        "total_negative_area_mv_ms": area,
        "baseline_mv": 0.0,
        "baseline_noise_mv": 0.005,
        "quality_flags": quality,
    }


TYPED = [
    ("ulnar", "left", "adm", "wrist", 70.0, 3.1, 9.1, 5.7, 24.9),
    ("ulnar", "left", "adm", "below_elbow", 275.0, 6.5, 6.37, 6.0, None),
]


def typed_row(study_id: str, row: tuple) -> dict:
    nerve, side, muscle, site, distance, onset, amplitude, duration, area = row
    return {
        "study_id": study_id,
        "recording": "sites.csv",
        "nerve": nerve,
        "side": side,
        "muscle": muscle,
        "kind": "motor",
        "stimulation_site": site,
        "distance_mm": distance,
        "onset_latency_ms": onset,
        "negative_peak_amplitude_mv": amplitude,
        "negative_peak_duration_ms": duration,
        "negative_peak_area_mv_ms": area,
        "quality_flags": "",
    }


def segments_of(traces: pd.DataFrame) -> pd.DataFrame:
    """Pair neighbors the plain way; only the columns that a report shows."""
    rows = []
    for (study_id, nerve, side, muscle), group in traces.groupby(
        ["study_id", "nerve", "side", "muscle"], sort=False
    ):
        sites = group.to_dict("records")
        for near, far in pairwise(sites):
            keys = {"study_id": study_id, "nerve": nerve, "side": side, "muscle": muscle}
            rows.append(_segment(keys, near, far))
    return conform(pd.DataFrame(rows), "segments")


def _segment(keys: dict, near: dict, far: dict) -> dict:
    def fall(name):
        return 100 * (1 - far[name] / near[name])

    between = (near["stimulation_site"], far["stimulation_site"])
    trapped = between in {("below_elbow", "above_elbow"), ("elbow", "spiral_groove")}
    length = far["distance_mm"] - near["distance_mm"]
    duration = 100 * (far["negative_peak_duration_ms"] / near["negative_peak_duration_ms"] - 1)
    blocked = max(0.0, fall("negative_peak_amplitude_mv") / 100 - 0.05)
    has_trace = not np.isnan(far.get("sampling_rate_hz", np.nan))
    return keys | {
        "segment": "-".join(between),
        "is_adjacent": True,
        "distal_site": between[0],
        "proximal_site": between[1],
        "length_mm": length,
        "is_entrapment_site": trapped,
        "distal_amplitude_mv": near["negative_peak_amplitude_mv"],
        "amplitude_reduction_pct": fall("negative_peak_amplitude_mv"),
        "peak_to_peak_reduction_pct": fall("peak_to_peak_amplitude_mv"),
        "area_reduction_pct": fall("negative_peak_area_mv_ms"),
        "total_area_reduction_pct": fall("total_negative_area_mv_ms"),
        "duration_increase_pct": duration,
        "total_duration_increase_pct": duration if has_trace else np.nan,
        "conduction_velocity_m_per_s": length
        / (far["onset_latency_ms"] - near["onset_latency_ms"]),
        "blocked_fraction": blocked if has_trace else np.nan,
        "blocked_fraction_low": max(0.0, blocked - 0.04) if has_trace else np.nan,
        "blocked_fraction_high": blocked + 0.05 if has_trace else np.nan,
        "added_dispersion_ms": 0.31 if has_trace else np.nan,
        "quality_flags": "entrapment_site"
        if trapped
        else "supramaximality_not_attested"
        if not has_trace
        else "",
    }


def clause(rule, grade, name, op, limit, value, holds, source, verified="primary") -> dict:
    return {
        "rule": rule,
        "grade": grade,
        "clause": f"{rule}.{name}",
        "column": name,
        "op": op,
        "limit": limit,
        "value": value,
        "holds": holds,
        "source": source,
        "verified": verified,
        "text": "",
    }


def _efns(row: dict) -> dict:
    area = row["total_area_reduction_pct"]
    length = row["duration_increase_pct"]
    unknown = bool(np.isnan(area))
    evidence = [
        clause(
            "entry",
            None,
            "distal_amplitude_mv",
            "gt",
            1.0,
            row["distal_amplitude_mv"],
            bool(row["distal_amplitude_mv"] > 1),
            SOURCE + ", table 2",
        ),
        clause(
            "definite",
            "definite",
            "total_area_reduction_pct",
            "ge",
            50.0,
            None if unknown else area,
            None if unknown else bool(area >= 50),
            SOURCE + ", table 2",
        ),
        clause(
            "definite",
            "definite",
            "total_duration_increase_pct",
            "le",
            30.0,
            length,
            bool(length <= 30),
            SOURCE + ", table 2",
            "secondary",
        ),
        clause(
            "probable_long",
            "probable",
            "total_area_reduction_pct",
            "ge",
            30.0,
            None if unknown else area,
            None if unknown else bool(area >= 30),
            SOURCE + ", table 2",
        ),
    ]
    grade = "definite" if area >= 50 else "probable" if area >= 30 else "none"
    open_grade = grade
    if row["is_entrapment_site"]:
        grade = open_grade = "excluded"
    elif unknown:
        grade, open_grade = "undetermined", "definite"
    return {
        "criteria": "efns_pns_2010",
        "conduction_block": grade,
        "not_excluded": open_grade,
        "temporal_dispersion": bool(length > 30),
        "evidence": evidence,
        "extrapolated": row["nerve"] == "radial",
    }


def _partial(row: dict) -> dict:
    fall, area = row["amplitude_reduction_pct"], row["total_area_reduction_pct"]
    unknown = bool(np.isnan(area))
    seed = "Overview of MMN, section 5"
    evidence = [
        clause(
            "block",
            "probable",
            "amplitude_reduction_pct",
            "gt",
            20.0,
            fall,
            bool(fall > 20),
            seed,
            "unchecked",
        ),
        clause(
            "block",
            "probable",
            "total_area_reduction_pct",
            "gt",
            20.0,
            None if unknown else area,
            None if unknown else bool(area > 20),
            seed,
            "unchecked",
        ),
    ]
    grade = "probable" if fall > 20 and area > 20 else "none"
    if unknown and fall > 20:
        grade = "undetermined"
    if row["is_entrapment_site"]:
        grade = "excluded"
    return {
        "criteria": "partial_block_20pct",
        "conduction_block": grade,
        "not_excluded": "probable" if grade == "undetermined" else grade,
        "temporal_dispersion": None,
        "evidence": evidence,
        "extrapolated": False,
    }


def _cidp(row: dict) -> dict:
    covered = row["nerve"] != "radial"
    fall = row["amplitude_reduction_pct"]
    source = "Van den Bergh PYK et al. Eur J Neurol 2021;28:3556-3583, table 3"
    evidence = [
        clause(
            "block",
            "definite",
            "amplitude_reduction_pct",
            "ge",
            30.0,
            fall,
            bool(fall >= 30),
            source,
            "secondary",
        )
    ]
    grade = ("definite" if fall >= 30 else "none") if covered else "not_covered"
    if row["is_entrapment_site"] and covered:
        grade = "excluded"
    return {
        "criteria": "ean_pns_cidp_2021",
        "conduction_block": grade,
        "not_excluded": grade,
        "temporal_dispersion": bool(row["duration_increase_pct"] > 30) if covered else None,
        "evidence": evidence if covered else [],
        "extrapolated": False,
    }


def verdicts_of(segments: pd.DataFrame) -> pd.DataFrame:
    keys = ["study_id", "nerve", "side", "muscle", "segment", "distal_site", "proximal_site"]
    rows = [
        {k: row[k] for k in keys}
        | judged
        | {"grade_by_numbers": judged["conduction_block"], "technical_validity": "attested"}
        for judge in (_efns, _cidp, _partial)
        for row in segments.to_dict("records")
        for judged in [judge(row)]
    ]
    return conform(pd.DataFrame(rows), "verdicts")


def _diagnosis(study_id: str) -> pd.DataFrame:
    return conform(
        pd.DataFrame(
            [
                {
                    "study_id": study_id,
                    "criteria": "efns_pns_2010",
                    "category": "probable",
                    "not_excluded": "definite",
                    "met": ["clinical_1_weakness", "definite_block_in_one_nerve"],
                    "not_met": ["clinical.upper_motor_neuron_signs"],
                    "missing": ["clinical_1_duration"],
                    "explanation": "Definite block in one nerve; sensory conduction was "
                    "not recorded.",
                },
                {
                    "study_id": study_id,
                    "criteria": "ean_pns_cidp_2021",
                    "category": "undetermined",
                    "not_excluded": "probable",
                    "met": [],
                    "not_met": [],
                    "missing": ["distal_cmap_duration_ms"],
                    "explanation": "Distal durations were not judged.",
                },
            ]
        ),
        "diagnosis",
    )


def _checks(segments: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for row in segments.to_dict("records"):
        keys = {k: row[k] for k in ("study_id", "nerve", "side", "muscle", "segment")}
        for name in flags.split(row["quality_flags"]):
            rows.append(keys | {"flag": name, "state": "raised", "arithmetic": ""})
        rows.append(
            keys
            | {
                "flag": "cold_limb",
                "state": "cleared",
                "arithmetic": "right arm 33.5 >= 32 degrees Celsius",
            }
        )
        if row["nerve"] == "ulnar":
            rows.append(
                keys
                | {
                    "flag": "martin_gruber",
                    "state": "not_examined",
                    "arithmetic": "no ADM response to median stimulation",
                }
            )
    return conform(pd.DataFrame(rows).assign(case=None, numbers=None), "checks")


def empty(table: str) -> pd.DataFrame:
    return conform(pd.DataFrame(columns=[c.name for c in table_columns(table)]), table)


def _f_waves(study_id: str) -> pd.DataFrame:
    return conform(
        pd.DataFrame(
            [
                {
                    "study_id": study_id,
                    "nerve": "ulnar",
                    "side": "right",
                    "muscle": "adm",
                    "stimulation_site": "wrist",
                    "n_stimuli": 20,
                    "n_responses": 17,
                    "minimum_latency_ms": 27.1,
                    "mean_latency_ms": 28.6,
                    "maximum_latency_ms": 30.9,
                    "chronodispersion_ms": 3.8,
                    "persistence_pct": 85.0,
                    "quality_flags": "",
                }
            ]
        ),
        "f_waves",
    )


def _recruitment(study_id: str) -> pd.DataFrame:
    current = np.arange(4.0, 26.0, 2.0)
    amplitude = 9.8 / (1 + np.exp(-(current - 11) / 1.6))
    return conform(
        pd.DataFrame(
            {
                "study_id": study_id,
                "nerve": "ulnar",
                "side": "right",
                "muscle": "adm",
                "stimulation_site": "wrist",
                "stimulus_ma": current,
                "n_sweeps": 1,
                "negative_peak_amplitude_mv": amplitude,
                "relative_amplitude_pct": 100 * amplitude / amplitude.max(),
                "is_supramaximal": True,
            }
        ),
        "recruitment",
    )


def _inching(study_id: str) -> pd.DataFrame:
    falls = [1.0, 2.0, 48.0, 1.5, 2.2]
    return conform(
        pd.DataFrame(
            [
                {
                    "study_id": study_id,
                    "nerve": "ulnar",
                    "side": "right",
                    "muscle": "adm",
                    "step": n + 1,
                    "distal_site": "wrist",
                    "proximal_site": "below_elbow",
                    "length_mm": 20.0,
                    "latency_change_ms": 0.9 if n == 2 else 0.33,
                    "amplitude_reduction_pct": fall,
                    "total_area_reduction_pct": fall * 0.95,
                    "is_focal": n == 2,
                }
                for n, fall in enumerate(falls)
            ]
        ),
        "inching",
    )


def details() -> model.Details:
    return model.Details(
        visit_date=date(2026, 3, 2),
        age_years=44.0,
        sex="male",
        height_cm=176.0,
        limb_temperature_c={"right_arm": 33.5},
        findings={
            "clinical.upper_motor_neuron_signs": False,
            "clinical.progressive_asymmetric_limb_weakness": True,
            "laboratory.anti_gm1_igm_raised": True,
        },
        courses=(model.TreatmentCourse("ivig", date(2026, 1, 10), dose_g_per_kg=2.0),),
        sensory=(model.SensoryValue("ulnar", "right", "digit5-wrist", 14.0, 58.0, is_normal=True),),
    )


def result(study_id: str = "p014-2026-03", arm=ARM, *, with_typed: bool = True) -> model.Result:
    """Build the whole result of the visit described at the top."""
    items, rows = [], []
    for nerve, side, muscle, sites in arm:
        for site in sites:
            item = trace(nerve, side, muscle, *site)
            items.append(item)
            rows.append(measured(study_id, item, *site[2:]))
    typed = [typed_row(study_id, row) for row in TYPED] if with_typed else []
    traces = conform(pd.DataFrame([*rows, *typed]), "traces")
    segments = segments_of(traces)
    sources = (model.Source("ulnar_right.edf", "ab" * 32, "edf"),)
    decisions = (
        model.Decision(
            "ulnar_right.edf",
            "polarity",
            "negative_up",
            "the largest deflection of every site is positive",
        ),
    )
    study = model.Study(
        study_id,
        tuple(items),
        details=details(),
        sources=sources,
        decisions=decisions,
        notes=("hand warmed",),
    )
    provenance = model.Provenance(
        "0.1.0",
        criteria=(
            model.DataFile("efns_pns_2010", 1, criteria.load("efns_pns_2010").sha256),
            model.DataFile("ean_pns_cidp_2021", 1, "ef" * 32),
            model.DataFile("partial_block_20pct", 1, "01" * 32),
        ),
        reference=(
            model.DataFile("aanem_2016", 1, "23" * 32),
            model.DataFile("preston_shapiro", 1, "45" * 32),
        ),
        sources=sources,
        settings={"reference": "aanem_2016"},
        decisions=decisions,
    )
    people = {study_id: study.details}
    verdicts, f_waves = verdicts_of(segments), _f_waves(study_id)
    rows = gather(verdicts, segments, traces, f_waves, people)
    sets = reference.chain("aanem_2016")
    visits = examined(rows, people, sets)
    typical, others = features.features_and_differential(visits, sets)
    statements = impression.impressions(visits, (), sets)
    studies = sensory.judged(traces, people, sets)
    return model.Result(
        study,
        traces,
        segments,
        verdicts,
        _diagnosis(study_id),
        _checks(segments),
        f_waves,
        _recruitment(study_id),
        _inching(study_id),
        statements,
        typical,
        others,
        sensory.sensory_table(studies),
        limits.limits_table(traces, segments, people, studies, sets),
        empty("asks"),
        empty("reasons"),
        responses=tuple(_response(row, items) for row in traces.to_dict("records")),
        provenance=provenance,
        sets=set_words.shipped(provenance.criteria),
        fits=_fits(segments, items),
    )


def _response(row: dict, items: list[model.Trace]) -> model.Response:
    """Give what stands behind a row: the trace of that recording and site, or a printed row."""
    site = model.Site(row["nerve"], row["side"], row["muscle"], row["stimulation_site"])
    trace = next((i for i in items if (i.site, i.recording) == (site, row["recording"])), None)
    stimulus = trace.stimulus if trace else model.Stimulus(distance_mm=row["distance_mm"])
    machine = trace.machine if trace else model.MachineValues()
    return model.Response(site, row["recording"], "motor", stimulus, "present", machine, trace)


def _fits(segments: pd.DataFrame, items: list[model.Trace]) -> dict:
    """Give the curves behind the estimate of every pair of waveforms."""
    found = {(i.site.nerve, i.site.side, i.site.muscle, i.site.stimulation_site): i for i in items}
    keys = segments[["nerve", "side", "muscle", "segment"]].itertuples(index=False, name=None)
    keys = list(keys)
    pairs = [
        tuple(found.get((*series, site)) for site in segment.split("-"))
        for *series, segment in keys
    ]
    fits = dispersion.fit_segments(pairs).fits
    return {keys[place]: dispersion.curves(fit) for place, fit in fits.items()}


def empty_result() -> model.Result:
    """Give the result of a study in which nothing could be measured."""
    full = result()
    tables = {name: empty(name) for name in RESULT_TABLES}
    return replace(full, study=model.Study("nothing"), responses=(), fits={}, **tables)


HOSTILE = "<script>alert('x')</script>"


def hostile_result() -> model.Result:
    """Give a result whose every text field tries to be markup, a formula or a path."""
    good = result()
    study = replace(
        good.study,
        study_id=f"../../{HOSTILE}",
        notes=(HOSTILE,),
        sources=(model.Source(HOSTILE, "ab" * 32, HOSTILE),),
        decisions=(model.Decision(HOSTILE, HOSTILE, HOSTILE, HOSTILE),),
        details=replace(
            good.study.details,
            courses=(model.TreatmentCourse(HOSTILE),),
            limb_temperature_c={HOSTILE: 33.0},
        ),
    )
    diagnosis = good.diagnosis.assign(
        criteria=HOSTILE,
        explanation=f"=1+1{HOSTILE}",
        category=HOSTILE,
        met=[[HOSTILE]] * 2,
        not_met=[[HOSTILE]] * 2,
        missing=[[HOSTILE]] * 2,
    )
    verdicts = good.verdicts.assign(
        criteria=HOSTILE,
        conduction_block=HOSTILE,
        not_excluded=HOSTILE,
        evidence=[
            [
                dict.fromkeys(
                    ("rule", "grade", "clause", "column", "op", "source", "verified", "text"),
                    HOSTILE,
                )
                | {"value": 1.5, "limit": 1.0, "holds": True}
            ]
        ]
        * len(good.verdicts),
    )
    return replace(
        good,
        study=study,
        verdicts=verdicts,
        diagnosis=diagnosis,
        traces=good.traces.assign(study_id=study.study_id, recording=HOSTILE),
        checks=good.checks.assign(arithmetic=HOSTILE),
        statements=good.statements.assign(text=HOSTILE, text_zh=HOSTILE),
        provenance=replace(
            good.provenance,
            settings={HOSTILE: HOSTILE},
            sources=study.sources,
            decisions=study.decisions,
            criteria=(model.DataFile(HOSTILE, 1, HOSTILE),),
        ),
    )


def visits() -> list[model.Result]:
    """Give three dated visits: block that resolves in one nerve, persists in another."""
    first = result("visit-1", with_typed=False)
    better = [
        (
            nerve,
            side,
            muscle,
            [
                (
                    site,
                    mm,
                    onset,
                    8.9
                    if (nerve, site) == ("ulnar", "below_elbow")
                    else 8.4
                    if nerve == "ulnar" and site != "wrist"
                    else amplitude,
                    duration,
                )
                for site, mm, onset, amplitude, duration in sites
            ],
        )
        for nerve, side, muscle, sites in ARM
    ]
    made = [first, result("visit-2", better, with_typed=False), result("visit-3", with_typed=False)]
    days = (date(2026, 1, 5), date(2026, 3, 2), date(2026, 9, 14))
    return [
        replace(one, study=replace(one.study, details=replace(one.study.details, visit_date=day)))
        for one, day in zip(made, days, strict=True)
    ]


def has_chinese_font() -> bool:
    """Whether a font is installed that a PDF in Chinese can use."""
    import typst

    return any(name in typst.Fonts().families() for name in pdf.CHINESE_FONTS)
