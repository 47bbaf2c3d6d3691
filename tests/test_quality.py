"""Every mimic of block: raised, cleared, or said to be unexamined, with its arithmetic."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from ncs_cb import flags, quality, simulate
from ncs_cb.columns import conform
from ncs_cb.judging.verdicts import judge
from ncs_cb.measuring import segments, sweeps
from ncs_cb.measuring import traces as measure
from ncs_cb.model import Details, MachineValues, RecordingOverride, Site, Stimulus, Trace
from ncs_cb.quality.shape import Measured, correlations
from ncs_cb.wording.checks import say, sentences

RATE, STIMULUS = 20_000.0, 40
DETAILS = Details(
    visit_date=date(2026, 3, 2),
    symptom_onset_date=date(2025, 3, 2),
    limb_temperature_c={"right_arm": 33.5},
)
# site, distance, onset latency, amplitude; a healthy arm
ULNAR = [
    ("wrist", 80, 3.0, 10.0),
    ("below_elbow", 280, 6.3, 9.6),
    ("above_elbow", 380, 8.0, 9.5),
    ("axilla", 470, 9.5, 9.3),
    ("erb", 680, 12.8, 9.0),
]
MEDIAN = [("wrist", 80, 3.7, 9.0), ("elbow", 300, 7.6, 8.7), ("axilla", 420, 9.6, 8.5)]
KEY = ["nerve", "muscle", "stimulation_site"]


def waveform(onset_ms, amplitude_mv, *, width_ms=5.0, extra=()):
    time_ms = (np.arange(1000) - STIMULUS) * 1e3 / RATE
    samples = np.zeros(1000)
    for late_ms, share, width in ((0.0, 1.0, width_ms), *extra):
        phase = np.clip((time_ms - onset_ms - late_ms) / width, 0.0, 1.0)
        samples += share * amplitude_mv * np.sin(np.pi * phase) ** 1.5
    return samples


def row(nerve, muscle, site, distance, onset, amplitude):
    return {
        "study_id": "s",
        "recording": f"{nerve}_{muscle}",
        "nerve": nerve,
        "side": "right",
        "muscle": muscle,
        "kind": "motor",
        "stimulation_site": site,
        "distance_mm": distance,
        "stimulus_ma": 20.0,
        "sampling_rate_hz": RATE,
        "high_pass_hz": 2.0,
        "low_pass_hz": 1e4,
        "onset_latency_ms": onset,
        "negative_peak_latency_ms": onset + 2.5,
        "negative_peak_amplitude_mv": amplitude,
        "peak_to_peak_amplitude_mv": 1.5 * amplitude,
        "negative_peak_duration_ms": 5.0 + onset / 50,
        "negative_peak_area_mv_ms": 3 * amplitude,
        "total_negative_duration_ms": 5.0 + onset / 50,
        "total_negative_area_mv_ms": 3 * amplitude,
        "baseline_mv": 0.0,
        "baseline_noise_mv": 0.002,
        "quality_flags": "",
    }


def absent(nerve, muscle, site, distance):
    empty = dict.fromkeys(
        (
            name
            for name in row(nerve, muscle, site, distance, 0.0, 0.0)
            if name.endswith(("_ms", "amplitude_mv"))
        ),
        np.nan,
    )
    return (
        row(nerve, muscle, site, distance, 0.0, 0.0) | empty | {"quality_flags": "response_absent"}
    )


class Study:
    """A healthy right arm in which nothing is left open; each test breaks one thing."""

    def __init__(self):
        rows = [row("ulnar", "adm", *site) for site in ULNAR]
        rows += [row("median", "apb", *site) for site in MEDIAN]
        for giver, muscle, elbow in (("median", "adm", "elbow"), ("ulnar", "apb", "below_elbow")):
            rows += [absent(giver, muscle, "wrist", 80), absent(giver, muscle, elbow, 300)]
        self.traces = conform(pd.DataFrame(rows), "traces")
        self.responses = [self._trace(r) for r in rows]
        self.details = DETAILS

    @staticmethod
    def _trace(r):
        samples = np.zeros(1000)
        if not r["quality_flags"]:
            samples = waveform(r["onset_latency_ms"], r["negative_peak_amplitude_mv"])
        return Trace(
            samples,
            RATE,
            STIMULUS,
            Site(r["nerve"], r["side"], r["muscle"], r["stimulation_site"]),
            r["recording"],
            stimulus=Stimulus(is_supramaximal=True, collision_used=True),
            high_pass_hz=2.0,
            low_pass_hz=1e4,
            machine=MachineValues(3.0, 10.0, None),
        )

    def at(self, nerve, muscle, site):
        keys = self.traces[KEY].itertuples(index=False, name=None)
        return list(keys).index((nerve, muscle, site))

    def set(self, nerve, muscle, site, **values):
        n = self.at(nerve, muscle, site)
        for name, value in values.items():
            self.traces.loc[n, name] = value
        return self

    def scale(self, nerve, muscle, site, factor):
        """Multiply the size of one response, with its waveform."""
        n = self.at(nerve, muscle, site)
        for name in self.traces.columns[self.traces.columns.str.contains("amplitude|area")]:
            self.traces.loc[n, name] *= factor
        trace = self.responses[n]
        self.responses[n] = replace(trace, samples_mv=trace.samples_mv * factor)
        return self

    def change(self, nerve, muscle, site, **trace):
        n = self.at(nerve, muscle, site)
        self.responses[n] = replace(self.responses[n], **trace)
        return self

    def attest(self, value, *sites):
        for site in sites:
            stimulus = replace(
                self.responses[self.at("ulnar", "adm", site)].stimulus, is_supramaximal=value
            )
            self.change("ulnar", "adm", site, stimulus=stimulus)
        return self

    def reshape(self, site, samples):
        return self.change("ulnar", "adm", site, samples_mv=samples)

    def drop(self, *keys):
        rows = {self.at(*key) for key in keys}
        kept = [n for n in range(len(self.traces)) if n not in rows]
        self.traces = self.traces.iloc[kept].reset_index(drop=True)
        self.responses = [self.responses[n] for n in kept]
        return self

    def say(self, **details):
        self.details = replace(self.details, **details)
        return self

    def typed(self):
        """The same numbers, typed in: no waveform, nothing attested."""
        self.responses = [None] * len(self.responses)
        return self

    def findings(self):
        pairs = segments.pair_sites(self.traces)
        return quality.ask(pairs, self.traces, {"s": self.details}, self.responses)

    def checks(self):
        return self.findings().table()

    def ask(self, flag, segment="wrist-below_elbow", nerve="ulnar", muscle="adm"):
        checks = self.checks()
        found = checks.query(
            "flag == @flag and segment == @segment and nerve == @nerve and muscle == @muscle"
        )
        assert len(found) == 1
        return found["state"].item(), found["arithmetic"].item()


def fallen(study):
    """Let the ulnar response fall by half across the forearm."""
    return study.scale("ulnar", "adm", "below_elbow", 0.5)


def erb(study):
    stimulus = replace(study.responses[4].stimulus, collision_used=False)
    return study.change("ulnar", "adm", "erb", stimulus=stimulus)


def segments_alone(study):
    """A typed-in segments table: no responses at all."""
    pairs = segments.pair_sites(study.traces)
    study.pairs = pairs
    return study.traces.iloc[:0], pairs


BE_AE = "below_elbow-above_elbow"
CROSSING = {"negative_peak_amplitude_mv": 3.0, "quality_flags": ""}

# For each flag: how it is raised, and what leaves it unexamined. It is cleared in the healthy arm.
# "segment" and "nerve" say where to look when it is not the ulnar forearm.
CASES = {
    "first_phase_only": {
        "raise": lambda s: s.set("ulnar", "adm", "below_elbow", total_negative_area_mv_ms=np.nan),
        "open": lambda s: s.set(
            "ulnar",
            "adm",
            "below_elbow",
            total_negative_area_mv_ms=np.nan,
            negative_peak_area_mv_ms=np.nan,
        ),
        "says": "missing at below elbow",
    },
    "response_absent_at_site": {
        "raise": lambda s: s.set(
            "ulnar",
            "adm",
            "below_elbow",
            quality_flags="response_absent",
            negative_peak_amplitude_mv=np.nan,
        ),
        "open": lambda s: s.set("ulnar", "adm", "below_elbow", negative_peak_amplitude_mv=np.nan),
        "says": "no response at below elbow",
    },
    "complete_block": {
        "raise": lambda s: s.set(
            "ulnar",
            "adm",
            "below_elbow",
            quality_flags="response_absent",
            negative_peak_amplitude_mv=np.nan,
        ),
        "open": lambda s: s.attest(None, "below_elbow").set(
            "ulnar",
            "adm",
            "below_elbow",
            quality_flags="response_absent",
            negative_peak_amplitude_mv=np.nan,
        ),
        "says": r"no response at below elbow with a supramaximal stimulus; 10\.00 mV distally",
    },
    "entrapment_site": {
        "raise": lambda s: s,
        "raise_segment": BE_AE,
        "open": "NA",
        "says": "cubital tunnel",
    },
    "distal_response_small": {
        "raise": lambda s: s.scale("ulnar", "adm", "wrist", 0.12),
        "open": lambda s: s.set("ulnar", "adm", "wrist", negative_peak_amplitude_mv=np.nan),
        "says": r"1\.20 mV; must exceed 1\.58 mV \(20 % of the lower limit 7\.9 mV\)",
    },
    "proximal_larger": {
        "raise": lambda s: s.scale("ulnar", "adm", "below_elbow", 1.2),
        "open": lambda s: s.set(
            "ulnar",
            "adm",
            "wrist",
            negative_peak_amplitude_mv=np.nan,
            total_negative_area_mv_ms=np.nan,
            negative_peak_area_mv_ms=np.nan,
        ),
        "says": r"larger by 15\.2 %; limit 10 %",
    },
    "submaximal_distal": {
        "raise": lambda s: s.attest(False, "wrist"),
        "open": lambda s: s.attest(None, "wrist"),
        "says": "stimulus at wrist is attested to be submaximal",
    },
    "submaximal_proximal": {
        "raise": lambda s: s.attest(None, "below_elbow").scale("ulnar", "adm", "below_elbow", 0.5),
        "open": lambda s: (
            s.attest(None, "below_elbow")
            .scale("ulnar", "adm", "below_elbow", 0.5)
            .set("ulnar", "adm", "below_elbow", total_negative_duration_ms=8.0)
        ),
        "says": r"amplitude falls by 52\.0 % and area by 52\.0 % together",
    },
    "supramaximality_not_attested": {
        "raise": lambda s: s.attest(None, "below_elbow"),
        "open": None,
        "says": "nothing is said of the stimulus at below elbow",
    },
    "co_stimulation": {
        "raise": lambda s: s.reshape(
            "below_elbow", waveform(6.3, 11.0, extra=[(-1.0, -0.3, 2.0), (3.0, 0.5, 2.0)])
        ).set("ulnar", "adm", "below_elbow", quality_flags="initial_positivity"),
        "open": lambda s: s.typed(),
        "says": "correlation",
    },
    "martin_gruber": {
        "raise": lambda s: s.scale("ulnar", "adm", "below_elbow", 0.7).set(
            "median", "adm", "elbow", **CROSSING
        ),
        "open": lambda s: s.scale("ulnar", "adm", "below_elbow", 0.7).drop(
            ("median", "adm", "elbow"), ("median", "adm", "wrist")
        ),
        "says": r"10\.00 mV at the wrist = 6\.72 mV .* \+ 3\.00 mV by way of median \(sum 9\.72",
    },
    "reverse_martin_gruber": {
        "raise": lambda s: s.scale("median", "apb", "elbow", 0.7).set(
            "ulnar", "apb", "below_elbow", **CROSSING
        ),
        "open": lambda s: s.scale("median", "apb", "elbow", 0.7).drop(
            ("ulnar", "apb", "below_elbow"), ("ulnar", "apb", "wrist")
        ),
        "segment": "wrist-elbow",
        "nerve": "median",
        "muscle": "apb",
        "says": r"9\.00 mV at the wrist = 6\.09 mV .* by way of ulnar",
    },
    "focal_slowing": {
        "raise": lambda s: s.set("ulnar", "adm", "above_elbow", onset_latency_ms=9.0),
        "open": lambda s: s.set("ulnar", "adm", "above_elbow", distance_mm=np.nan),
        "segment": BE_AE,
        "says": r"37\.0 m/s across the cubital tunnel, 60\.6 m/s from wrist to below elbow",
    },
    "cold_limb": {
        "raise": lambda s: s.say(limb_temperature_c={"right_arm": 31.9}),
        "open": lambda s: s.say(limb_temperature_c={"left_arm": 33.0, "right_leg": 33.0}),
        "says": r"31\.9 °C \(right arm\); limit 32 °C",
    },
    "electrode_shift": {
        "raise": lambda s: s.reshape("below_elbow", waveform(6.3, 9.6, width_ms=2.5)),
        "open": lambda s: s.typed(),
        "says": r"limit 0\.9870",
    },
    "filter_mismatch": {
        "raise": lambda s: s.set("ulnar", "adm", "below_elbow", high_pass_hz=20.0),
        "open": lambda s: s.set("ulnar", "adm", "below_elbow", low_pass_hz=np.nan),
        "says": "low-frequency filter 2 Hz distal, 20 Hz proximal",
    },
    "erb_without_collision": {
        "raise": erb,
        "segment": "axilla-erb",
        "open": None,
        "says": "collision was not used",
    },
    "axonal_loss_recent": {
        "raise": lambda s: fallen(s).say(symptom_onset_date=date(2026, 2, 21)),
        "open": lambda s: fallen(s).say(symptom_onset_date=None),
        "says": "9 days since onset; limit 10",
    },
    "length_implausible": {
        "raise": lambda s: s.set("ulnar", "adm", "below_elbow", distance_mm=80.0),
        "open": lambda s: s.set("ulnar", "adm", "below_elbow", distance_mm=np.nan),
        "says": "length 0 mm; must be above 0",
    },
    "velocity_implausible": {
        "raise": lambda s: s.set("ulnar", "adm", "below_elbow", onset_latency_ms=3.0),
        "open": lambda s: s.set("ulnar", "adm", "below_elbow", onset_latency_ms=np.nan),
        "says": r"0\.00 ms after the distal one",
    },
    "distance_implausible": {
        "raise": lambda s: s.set("ulnar", "adm", "wrist", distance_mm=8.0).set(
            "ulnar", "adm", "below_elbow", distance_mm=28.0
        ),
        "open": lambda s: s.set("ulnar", "adm", "below_elbow", distance_mm=np.nan),
        "says": "8 and 28 look like centimetres: 6.1 m/s as millimetres, 60.6 m/s",
    },
}
for _name in quality.CHECKS:
    if flags.FLAGS[_name].scope == "trace":
        CASES[_name] = {
            "raise": lambda s, n=_name: s.set("ulnar", "adm", "below_elbow", quality_flags=n),
            "open": lambda s: s.typed(),
            "says": "raised at below elbow",
        }
CASES["late_negative_component"]["raise"] = lambda s: s.set(
    "ulnar",
    "adm",
    "below_elbow",
    quality_flags="late_negative_component",
    total_negative_area_mv_ms=np.nan,
)


def place(case, key="segment"):
    return {
        "segment": case.get(key, case.get("segment", "wrist-below_elbow")),
        "nerve": case.get("nerve", "ulnar"),
        "muscle": case.get("muscle", "adm"),
    }


def test_every_flag_of_a_segment_has_a_check_and_its_three_tests():
    wanted = {f.name for f in flags.FLAGS.values() if f.scope == "segment"}
    assert wanted <= set(quality.CHECKS)
    assert set(CASES) == set(quality.CHECKS)
    assert all({"raise", "open", "says"} <= set(case) for case in CASES.values())


@pytest.mark.parametrize("flag", quality.CHECKS)
def test_the_check_raises_its_flag_and_shows_its_arithmetic(flag):
    case = CASES[flag]
    state, arithmetic = case["raise"](Study()).ask(flag, **place(case, "raise_segment"))
    assert state == "raised"
    assert re.search(case["says"], arithmetic), arithmetic


@pytest.mark.parametrize("flag", quality.CHECKS)
def test_the_check_clears_its_flag_in_health(flag):
    state, arithmetic = Study().ask(flag, **place(CASES[flag]))
    assert state == "cleared", arithmetic


@pytest.mark.parametrize("flag", quality.CHECKS)
def test_the_check_says_what_was_missing(flag):
    case = CASES[flag]
    if case["open"] is None:
        traces, pairs = segments_alone(Study())
        checks = quality.ask(pairs, traces, {"s": DETAILS}, []).table()
    elif case["open"] == "NA":
        pairs = segments.pair_sites(Study().traces)
        pairs["is_entrapment_site"] = pd.array([pd.NA] * len(pairs), dtype="boolean")
        pairs["quality_flags"] = ""
        checks = quality.ask(pairs, Study().traces, {"s": DETAILS}, Study().responses).table()
    else:
        checks = case["open"](Study()).checks()
    where = {"flag": flag, **place(case)}
    found = checks[(checks[list(where)] == pd.Series(where)).all(axis=1)]
    assert found["state"].item() == "not_examined", found["arithmetic"].item()
    assert found["arithmetic"].item()


def test_a_healthy_arm_raises_nothing_but_the_entrapment_site():
    checks = Study().checks()
    own = checks[checks["nerve"].eq("ulnar") == checks["muscle"].eq("adm")]  # not the crossings
    assert set(own.loc[own["state"] == "raised", "flag"]) == {"entrapment_site"}
    open_ones = own.loc[own["state"] == "not_examined", ["segment", "flag"]]
    assert open_ones.empty


def test_a_late_phase_that_one_site_misses_is_no_second_nerve():
    whole = Study().traces.query("stimulation_site == 'below_elbow' and muscle == 'adm'").iloc[0]
    study = Study().set(
        "ulnar",
        "adm",
        "below_elbow",
        total_negative_area_mv_ms=1.25 * whole["total_negative_area_mv_ms"],
    )
    for flag in ("co_stimulation", "proximal_larger"):
        assert study.ask(flag)[0] == "cleared"


def test_what_describes_a_response_is_no_doubt_of_its_segment():
    # Late phases that are counted, and a positivity before the response, mislead nobody.
    study = Study().set(
        "ulnar", "adm", "below_elbow", quality_flags="initial_positivity;late_negative_component"
    )
    assert {flags.FLAGS[n].level for n in ("initial_positivity", "late_negative_component")} == {
        "note"
    }
    state, arithmetic = study.ask("late_negative_component")
    assert (state, arithmetic) == (
        "cleared",
        "late phases are counted in area and duration at both sites",
    )
    joined = quality.with_flags(segments.pair_sites(study.traces), study.findings())
    assert not joined["quality_flags"].str.contains("positivity|late_negative").any()


def test_each_adjacent_segment_has_one_row_per_check():
    study = Study()
    checks = study.checks()
    adjacent = segments.pair_sites(study.traces)["is_adjacent"].sum()
    assert len(checks) == adjacent * len(quality.CHECKS)
    assert not checks.duplicated(["nerve", "muscle", "segment", "flag"]).any()


def test_raised_flags_join_those_of_the_segment():
    study = Study().say(limb_temperature_c={"right_arm": 30.0})
    pairs = segments.pair_sites(study.traces)
    before = pairs.copy(deep=True)
    joined = quality.with_flags(pairs, study.findings())
    where = joined["segment"].eq(BE_AE) & joined["is_adjacent"]
    assert joined.loc[where, "quality_flags"].item() == "entrapment_site;cold_limb"
    assert not joined.loc[~joined["is_adjacent"], "quality_flags"].str.contains("cold_limb").any()
    pd.testing.assert_frame_equal(pairs, before)


def test_a_flag_already_raised_on_a_segment_stays_raised():
    study = Study()
    pairs = segments.pair_sites(study.traces).assign(quality_flags="co_stimulation")
    checks = quality.ask(pairs, study.traces, {"s": study.details}, study.responses).table()
    states = checks.loc[checks["flag"] == "co_stimulation", "state"]
    assert (states == "raised").all()


def test_examining_changes_nothing_it_was_given():
    study = Study()
    pairs, traces = segments.pair_sites(study.traces), study.traces.copy(deep=True)
    copy = pairs.copy(deep=True)
    quality.ask(pairs, study.traces, {"s": study.details}, study.responses).table()
    pd.testing.assert_frame_equal(pairs, copy)
    pd.testing.assert_frame_equal(study.traces, traces)


def test_the_order_of_studies_changes_no_state():
    one, two = Study(), Study().scale("ulnar", "adm", "below_elbow", 0.4)
    second = two.traces.assign(study_id="t")
    both = conform(pd.concat([one.traces, second]), "traces")
    pairs = segments.pair_sites(both)
    details = {"s": DETAILS, "t": DETAILS}
    together = quality.ask(pairs, both, details, [*one.responses, *two.responses]).table()
    alone = quality.ask(segments.pair_sites(second), second, {"t": DETAILS}, two.responses).table()
    part = together[together["study_id"] == "t"].reset_index(drop=True)
    pd.testing.assert_frame_equal(part, alone)


# A set that asks for flags.
WITH_FLAGS = """
id = "with_flags"
title = "x"
revision = 1
purpose = "block"
grades = ["probable"]
[source]
citation = "x"
"""
for _name in ("martin_gruber", "cold_limb", "focal_slowing"):
    WITH_FLAGS += f"""
[[rule]]
id = "without_{_name}"
grade = "probable"
all = [{{ flag = "{_name}", is = false, source = "x", verified = "primary" }}]
"""


def test_a_check_that_leaves_a_segment_without_an_answer_is_named(monkeypatch):
    def forgetful(pairs):
        answers = pairs.answers()
        answers.cleared("at_none", pairs.number("length_mm") > 0.0)
        return answers

    monkeypatch.setitem(quality.CHECKS, "cold_limb", forgetful)
    study = Study()
    assert (study.checks().query("flag == 'cold_limb'")["state"] == "cleared").all()
    with pytest.raises(ValueError, match="cold_limb"):
        study.set("ulnar", "adm", "wrist", distance_mm=np.nan).findings()


def test_where_no_sites_are_paired_nothing_is_asked():
    study = Study()
    alone = study.traces.iloc[:1]
    found = quality.ask(segments.pair_sites(alone), alone, {}, study.responses[:1])
    assert list(found.table().columns) == list(study.checks().columns)
    assert found.table().empty


def test_what_was_found_and_its_table_are_judged_alike(tmp_path):
    path = tmp_path / "with_flags.toml"
    path.write_text(WITH_FLAGS, "utf-8")
    study = fallen(Study()).set("median", "adm", "elbow", **CROSSING).say(limb_temperature_c={})
    study.set("ulnar", "adm", "axilla", onset_latency_ms=7.0, quality_flags="polarity_uncertain")
    found = study.attest(None, "above_elbow").findings()
    pairs = quality.with_flags(segments.pair_sites(study.traces), found)
    by_columns, by_table = (
        judge(pairs, [path, "efns_pns_2010"], checks=one) for one in (found, found.table())
    )
    pd.testing.assert_frame_equal(by_columns, by_table)
    assert set(by_columns["technical_validity"]) == {"attested", "refuted"}


# ------------------------------------------------------------------ strength of the stimulus


def test_an_attested_stimulus_is_not_called_submaximal_by_pattern():
    study = Study().scale("ulnar", "adm", "below_elbow", 0.5)
    state, arithmetic = study.ask("submaximal_proximal")
    assert state == "cleared"
    assert "attested to be supramaximal" in arithmetic


def test_an_intensity_series_without_plateau_denies_the_attestation():
    study = Study().set("ulnar", "adm", "below_elbow", quality_flags="supramaximality_denied")
    assert study.ask("submaximal_proximal")[0] == "raised"


@pytest.mark.parametrize(("top", "state"), [(9.6, "cleared"), (11.0, "raised")])
def test_an_intensity_series_speaks_for_a_stimulus_nobody_attested(top, state):
    study = Study().attest(None, "below_elbow")
    n = study.at("ulnar", "adm", "below_elbow")
    steps = [
        study.traces.iloc[[n]].assign(
            stimulus_ma=current, negative_peak_amplitude_mv=amplitude, quality_flags="not_used"
        )
        for current, amplitude in ((8.0, 2.0), (12.0, 8.0), (16.0, 9.6))
    ]
    study.traces = conform(pd.concat([study.traces, *steps]), "traces")
    study.traces.loc[n, "negative_peak_amplitude_mv"] = top
    study.responses += [None] * 3
    assert study.ask("submaximal_proximal")[0] == state
    assert study.ask("supramaximality_not_attested")[0] == "cleared"


def test_a_larger_proximal_response_points_to_the_distal_stimulus():
    study = Study().attest(None, "wrist").scale("ulnar", "adm", "wrist", 0.7)
    state, arithmetic = study.ask("submaximal_distal")
    assert state == "raised"
    assert "nothing says how strong the distal stimulus was" in arithmetic


def test_study_toml_attests_typed_in_rows():
    override = RecordingOverride(supramaximal=True, collision_used=True)
    study = Study().typed().say(recordings={"ulnar_adm": override})
    assert study.ask("supramaximality_not_attested")[0] == "cleared"
    assert study.ask("erb_without_collision", "axilla-erb")[0] == "cleared"
    assert Study().typed().ask("supramaximality_not_attested")[0] == "raised"


def test_a_collision_that_nobody_recorded_is_no_collision():
    study = Study()
    stimulus = replace(study.responses[4].stimulus, collision_used=None)
    study.change("ulnar", "adm", "erb", stimulus=stimulus)
    state, arithmetic = study.ask("erb_without_collision", "axilla-erb")
    assert (state, arithmetic) == ("raised", "no collision is recorded for Erb's point")


def test_a_larger_response_past_a_supramaximal_stimulus_is_another_nerve():
    study = Study().scale("ulnar", "adm", "axilla", 1.3)
    state, arithmetic = study.ask("co_stimulation", "above_elbow-axilla")
    assert state == "raised"
    assert "although the stimulus at above elbow was supramaximal" in arithmetic


def test_at_erbs_point_only_collision_clears_co_stimulation():
    assert Study().ask("co_stimulation", "axilla-erb")[0] == "cleared"
    state, arithmetic = erb(Study()).ask("co_stimulation", "axilla-erb")
    assert state == "not_examined"
    assert "only collision excludes it" in arithmetic


# ------------------------------------------------------------------ anastomoses


def without_crossing_recordings():
    return Study().drop(
        ("median", "adm", "elbow"),
        ("median", "adm", "wrist"),
        ("ulnar", "apb", "below_elbow"),
        ("ulnar", "apb", "wrist"),
    )


def test_an_anastomosis_is_missed_only_where_a_fall_across_the_forearm_asks_for_it():
    study = without_crossing_recordings()
    places = (("ulnar", "adm", "wrist-below_elbow"), ("median", "apb", "wrist-elbow"))
    for nerve, muscle, segment in places:
        for flag in ("martin_gruber", "reverse_martin_gruber"):
            assert study.ask(flag, segment, nerve, muscle)[0] == "cleared"
    study.scale("ulnar", "adm", "below_elbow", 0.7)
    asked = [study.ask("martin_gruber", place[2], *place[:2])[0] for place in places]
    assert asked == ["not_examined", "cleared"]
    study = without_crossing_recordings().scale("median", "apb", "elbow", 0.7)
    asked = [study.ask("reverse_martin_gruber", place[2], *place[:2])[0] for place in places]
    assert asked == ["cleared", "not_examined"]


def test_a_missing_recording_at_the_wrist_is_not_taken_for_none():
    study = Study().scale("ulnar", "adm", "below_elbow", 0.7).drop(("median", "adm", "wrist"))
    state, arithmetic = study.set("median", "adm", "elbow", **CROSSING).ask("martin_gruber")
    assert state == "raised"
    assert "median at the wrist was not recorded from ADM" in arithmetic
    assert "the most that crosses" in arithmetic


def test_the_forearm_pattern_in_both_nerves_raises_it_without_that_recording():
    study = without_crossing_recordings()
    study.scale("ulnar", "adm", "below_elbow", 0.75).scale("median", "apb", "elbow", 1.2)
    state, arithmetic = study.ask("martin_gruber")
    assert state == "raised"
    assert "ulnar falls by 28.0 %" in arithmetic
    assert "median rises by 16.0 %" in arithmetic
    assert study.ask("martin_gruber", "wrist-elbow", "median", "apb")[0] == "raised"
    assert study.ask("reverse_martin_gruber")[0] == "cleared"


def test_the_mirrored_pattern_is_the_reverse_anastomosis():
    study = without_crossing_recordings()
    study.scale("ulnar", "adm", "below_elbow", 1.2).scale("median", "apb", "elbow", 0.75)
    assert study.ask("reverse_martin_gruber", "wrist-elbow", "median", "apb")[0] == "raised"
    assert study.ask("reverse_martin_gruber")[0] == "raised"
    assert study.ask("martin_gruber")[0] == "cleared"


def test_a_block_without_crossing_fibers_is_no_anastomosis():
    study = Study().scale("ulnar", "adm", "below_elbow", 0.4)
    state, arithmetic = study.ask("martin_gruber")
    assert state == "cleared"
    assert "no crossing fibers" in arithmetic


def test_crossing_fibers_that_explain_only_part_of_the_fall_are_raised_and_said():
    study = Study().scale("ulnar", "adm", "below_elbow", 0.3)
    study.set("median", "adm", "elbow", **CROSSING)
    state, arithmetic = study.ask("martin_gruber")
    assert state == "raised"
    assert "does not match 10.00 mV" in arithmetic


def test_volume_conduction_seen_from_wrist_and_elbow_alike_is_no_crossing():
    study = Study().scale("ulnar", "adm", "below_elbow", 0.6)
    for site, amplitude in (("wrist", 1.1), ("elbow", 1.0)):
        study.set("median", "adm", site, negative_peak_amplitude_mv=amplitude, quality_flags="")
    assert study.ask("martin_gruber")[0] == "cleared"


def test_a_crossing_without_a_fall_explains_nothing():
    study = Study().set("median", "adm", "elbow", **CROSSING)
    state, arithmetic = study.ask("martin_gruber")
    assert state == "cleared"
    assert "falls by 4.0 % across the forearm" in arithmetic


def test_the_upper_arm_has_no_forearm_anastomosis():
    assert Study().ask("martin_gruber", "axilla-erb")[0] == "cleared"


# ------------------------------------------------------------------ entrapment


def test_conduction_across_the_elbow_is_slowed_relative_to_the_forearm_and_not_in_itself():
    # forearm 60.6 m/s; 100 mm in 2.1 ms = 47.6 m/s
    study = Study().set("ulnar", "adm", "above_elbow", onset_latency_ms=8.4)
    state, arithmetic = study.ask("focal_slowing", BE_AE)
    assert state == "raised"
    assert "47.6 m/s across the cubital tunnel, 60.6 m/s from wrist to below elbow" in arithmetic
    # 100 mm in 2.0 ms = 50 m/s, as fast as a normal elbow
    study.set("ulnar", "adm", "above_elbow", onset_latency_ms=8.3)
    assert study.ask("focal_slowing", BE_AE)[0] == "cleared"
    # a forearm as slow as the elbow: 200 mm in 4.4 ms = 45 m/s against 47.6 m/s
    slow = Study().set("ulnar", "adm", "below_elbow", onset_latency_ms=7.4)
    slow.set("ulnar", "adm", "above_elbow", onset_latency_ms=9.5)
    assert slow.ask("focal_slowing", BE_AE)[0] == "cleared"


def test_a_segment_without_entrapment_site_is_never_focally_slowed():
    study = Study().set("ulnar", "adm", "below_elbow", onset_latency_ms=12.0)
    assert study.ask("focal_slowing")[0] == "cleared"


# ------------------------------------------------------------------ limits of the distal response


@pytest.mark.parametrize(
    ("amplitude", "state"), [(0.99, "raised"), (1.0, "raised"), (1.57, "raised"), (1.59, "cleared")]
)
def test_the_distal_gate(amplitude, state):
    study = Study().scale("ulnar", "adm", "wrist", amplitude / 10.0)
    assert study.ask("distal_response_small")[0] == state


# ------------------------------------------------------------------ time


@pytest.mark.parametrize(
    ("months", "state"), [(0.3, "raised"), (0.4, "cleared"), (18.0, "cleared")]
)
def test_the_duration_of_the_weakness_stands_in_for_dates(months, state):
    findings = {"clinical.weakness_duration_months": months}
    study = fallen(Study()).say(symptom_onset_date=None, findings=findings)
    assert study.ask("axonal_loss_recent")[0] == state


def test_a_nerve_that_does_not_fall_has_no_recent_loss_to_explain():
    study = Study().say(symptom_onset_date=date(2026, 2, 25))
    assert study.ask("axonal_loss_recent")[0] == "cleared"
    assert fallen(study).ask("axonal_loss_recent")[0] == "raised"


# ------------------------------------------------------------------ shapes


def compare(distal, proximal, onset_d=3.0, onset_p=6.3, noise=0.002):
    def one(samples, onset):
        trace = Trace(samples, RATE, STIMULUS, Site("ulnar", "right", "adm", "wrist"), "r")
        return Measured(trace, onset, 0.0, noise)

    return correlations([(one(distal, onset_d), one(proximal, onset_p))])[0]


def test_the_same_shape_correlates_fully_whatever_its_size_and_delay():
    assert compare(waveform(3.0, 10.0), waveform(6.3, 2.0)) > 0.9995


def test_dispersion_is_no_change_of_shape():
    late = [(1.0, 0.8, 5.0), (2.5, 0.9, 5.0), (7.0, 0.5, 5.0)]
    assert compare(waveform(3.0, 10.0), waveform(6.3, 4.0, extra=late)) > 0.9995


def test_a_narrower_response_is_another_shape():
    # No distribution of delays makes a response narrower.
    assert compare(waveform(3.0, 10.0), waveform(6.3, 10.0, width_ms=4.0)) < 0.998


def test_noise_alone_is_no_change_of_shape():
    rng = np.random.default_rng(1)
    distal, proximal = waveform(3.0, 10.0), waveform(6.3, 5.0)
    noisy = [samples + 0.05 * rng.standard_normal(1000) for samples in (distal, proximal)]
    assert compare(*noisy, noise=0.05) > 0.9995


def test_a_response_lost_in_noise_is_not_compared():
    rng = np.random.default_rng(1)
    noise = 0.05 * rng.standard_normal(1000)
    assert np.isnan(compare(waveform(3.0, 10.0), noise, noise=0.05))


def test_a_sweep_that_ends_too_early_is_not_compared():
    assert np.isnan(compare(waveform(3.0, 10.0), waveform(6.3, 5.0)[:200]))


def test_the_comparison_does_not_depend_on_the_sampling_rate():
    def at(rate, onset, width):
        time_ms = (np.arange(int(48 * rate / 1e3)) - 2e-3 * rate) * 1e3 / rate
        samples = 10.0 * np.sin(np.pi * np.clip((time_ms - onset) / width, 0, 1)) ** 1.5
        trace = Trace(samples, rate, int(2e-3 * rate), Site("a", "left", "b", "c"), "r")
        return Measured(trace, onset, 0.0, 0.0)

    found = [
        correlations([(at(rate, 3.0, 5.0), at(rate, 6.3, 4.0))])[0]
        for rate in (5e3, 20e3, 48e3, 100e3)
    ]
    assert found == pytest.approx([found[1]] * 4, abs=1e-3)


def test_block_of_one_group_of_a_dispersed_response_is_no_change_of_shape():
    study = Study()
    late = [(4.0, 0.9, 5.0)]
    study.reshape("below_elbow", waveform(6.3, 5.0, extra=late))
    study.reshape("above_elbow", waveform(8.0, 5.0))  # the late group is blocked
    assert study.ask("electrode_shift", BE_AE)[0] == "cleared"


# ------------------------------------------------------------------ simulated studies


def simulated(recipe, n=4, seed=3):
    for one in simulate.recipe(recipe, seed=seed, n=n):
        chosen = sweeps.choose_responses(one.study)
        traces = measure.measure_study_traces(chosen.responses).assign(study_id="s")
        pairs = segments.pair_sites(traces)
        yield quality.ask(pairs, traces, {"s": one.study.details}, chosen.responses).table()


def raised_in(recipe, **settings):
    checks = pd.concat(simulated(recipe, **settings))
    return checks[checks["state"] == "raised"]


@pytest.mark.parametrize("recipe", ["healthy_arm", "mmn_ulnar_radial", "als_axon_loss"])
def test_no_mimic_is_seen_where_there_is_none(recipe):
    assert set(raised_in(recipe)["flag"]) <= {"entrapment_site"}


@pytest.mark.parametrize(
    ("recipe", "flag", "segment"),
    [
        ("trap_martin_gruber", "martin_gruber", "wrist-below_elbow"),
        ("trap_submaximal_proximal", "submaximal_proximal", "above_elbow-axilla"),
        ("trap_ulnar_elbow", "focal_slowing", BE_AE),
        ("erb", "erb_without_collision", "axilla-erb"),
    ],
)
def test_each_trap_is_recognized(recipe, flag, segment):
    found = raised_in(recipe)
    found = found[(found["flag"] == flag) & (found["segment"] == segment)]
    assert found["nerve"].value_counts().max() == 4


TRAP = """
id = "trap"
title = "One stimulus goes wrong"
seed = 1
[study]
visit_date = 2026-03-02
[person]
age_years = [25, 60]
sex = "male"
height_cm = [168, 184]
[limb_temperature_c]
right_arm = [33.0, 34.0]
[recording]
artefact_mv = [1.0, 4.0]
artefact_decay_ms = [0.3, 0.8]
hum_uv = 5.0
noise_uv = 8.0
[[nerve]]
nerve = "ulnar"
muscle = "adm"
side = "right"
sites = ["wrist", "below_elbow", "above_elbow", "axilla"]
[[nerve.stimulus]]
"""


@pytest.mark.parametrize(
    ("mistake", "flag", "segment"),
    [
        # The shape hardly tells: what does is that the next response is larger again.
        (
            'site = "below_elbow"\nelectrode_shift_mm = [15.0, 25.0]',
            "proximal_larger",
            "below_elbow-above_elbow",
        ),
        ('site = "wrist"\nexcited = [0.5, 0.7]', "submaximal_distal", "wrist-below_elbow"),
        (
            'site = "axilla"\nco_stimulates = "median"\nco_stimulation = [0.25, 0.4]',
            "co_stimulation",
            "above_elbow-axilla",
        ),
    ],
)
def test_a_stimulus_or_electrode_gone_wrong_is_recognized(tmp_path, mistake, flag, segment):
    recipe = tmp_path / "trap.toml"
    recipe.write_text(TRAP + mistake, encoding="utf-8")
    found = raised_in(recipe, n=6)
    # One of six may pass unseen: a neighbor that adds little looks like the nerve itself.
    assert ((found["flag"] == flag) & (found["segment"] == segment)).sum() >= 5


# ------------------------------------------------------------------ words


def test_every_sentence_takes_its_numbers_in_both_languages():
    class Anything(dict):
        def __missing__(self, key):
            return 1.0

    for cases in sentences().values():
        for texts in cases.values():
            names = [set(re.findall(r"\{(\w+)", text)) for text in texts.values()]
            assert names[0] == names[1], texts
            assert all(text.format_map(Anything()) for text in texts.values())


def test_a_finding_reads_in_chinese_too():
    checks = Study().say(limb_temperature_c={"right_arm": 31.0}).checks()
    cold = checks[checks["flag"] == "cold_limb"].iloc[0]
    text = say("cold_limb", cold["case"], cold["numbers"], lang="zh")
    assert text == "31.0 °C（右上肢）；限值 32 °C"
