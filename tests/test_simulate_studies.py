"""Recipes and the studies made from them."""

from __future__ import annotations

import dataclasses
import itertools
import tomllib

import numpy as np
import pytest

from ncs_cb import simulate, study_file
from ncs_cb.errors import StudyError, TableError
from ncs_cb.knowledge.anatomy import anatomy, entrapment_between
from ncs_cb.model import RecordingOverride
from ncs_cb.simulate.geometry import known_paths, path

RECIPES = simulate.available()


def segment(made, nerve, distal, proximal, kind="motor"):
    found = [
        s
        for s in made.truth.segments
        if (s.nerve, s.distal_site, s.proximal_site, s.kind) == (nerve, distal, proximal, kind)
    ]
    assert len(found) == 1
    return found[0]


def write(tmp_path, text):
    file = tmp_path / "mine.toml"
    file.write_text(text, "utf-8")
    return file


SMALL = """
id = "mine"
title = "one nerve"
[[nerve]]
nerve = "ulnar"
muscle = "adm"
side = "right"
sites = ["wrist", "below_elbow"]
"""


def test_the_promised_recipes_are_there():
    promised = {
        "healthy_arm",
        "mmn_ulnar_radial",
        "dispersion_only",
        "trap_ulnar_elbow",
        "trap_martin_gruber",
        "trap_submaximal_proximal",
        "als_axon_loss",
        "cidp_like",
        "erb",
        "inching",
        "recruitment",
        "f_waves",
    }
    assert promised <= set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_gives_a_study_with_a_truth_for_every_trace(name):
    made = simulate.recipe(name)[0]
    assert made.study.study_id == name
    n = len(made.study.traces)
    assert n == len(made.truth.noise_free_mv) == len(made.truth.f_latency_ms)
    assert made.truth.markers.onset_latency_ms.shape == (n,)
    for trace, clean in zip(made.study.traces, made.truth.noise_free_mv, strict=True):
        assert not trace.samples_mv.flags.writeable
        assert trace.samples_mv.shape == clean.shape
        assert np.abs(trace.samples_mv).max() < trace.range_mv[1]
        assert trace.site.stimulation_site in anatomy().nerves[trace.site.nerve].sites


@pytest.mark.parametrize("name", RECIPES)
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(name):
    first, again = (simulate.recipe(name)[0].study.traces for _ in range(2))
    for one, two in zip(first, again, strict=True):
        assert np.array_equal(one.samples_mv, two.samples_mv)
        assert one.stimulus == two.stimulus
    other = simulate.recipe(name, seed=999)[0].study.traces
    assert not np.array_equal(first[0].samples_mv, other[0].samples_mv)


def test_several_studies_differ_and_the_first_does_not_depend_on_how_many():
    three = simulate.recipe("healthy_arm", n=3)
    assert [m.study.study_id for m in three] == [f"healthy_arm-{i:04d}" for i in (1, 2, 3)]
    alone = simulate.recipe("healthy_arm")[0]
    assert np.array_equal(alone.study.traces[0].samples_mv, three[0].study.traces[0].samples_mv)
    amplitudes = {round(float(m.truth.markers.negative_peak_amplitude_mv[0]), 3) for m in three}
    assert len(amplitudes) == 3


def test_a_healthy_arm_has_no_block_and_the_published_latencies():
    made = simulate.recipe("healthy_arm", n=30)
    assert all(s.blocked_fraction == 0.0 for m in made for s in m.truth.segments)
    first = [m.truth.markers.onset_latency_ms[:3] for m in made]
    # Design reference, section 12: median 3.7, 7.6 and 9.5 ms.
    np.testing.assert_allclose(np.mean(first, axis=0), [3.7, 7.6, 9.5], atol=0.35)


def test_the_machine_prints_latency_amplitude_and_velocity():
    made = simulate.recipe("healthy_arm")[0]
    wrist, elbow = (t.machine for t in made.study.traces[:2])
    truth = made.truth.markers
    assert wrist.onset_latency_ms == pytest.approx(truth.onset_latency_ms[0], abs=0.05)
    assert wrist.amplitude_mv == pytest.approx(truth.negative_peak_amplitude_mv[0], abs=0.05)
    assert wrist.conduction_velocity_m_per_s is None
    assert 50.0 < elbow.conduction_velocity_m_per_s < 65.0


def test_the_mmn_visit_is_blocked_off_entrapment_sites_with_normal_sensation():
    made = simulate.recipe("mmn_ulnar_radial")[0]
    assert segment(made, "ulnar", "wrist", "below_elbow").blocked_fraction > 0.5
    assert segment(made, "radial", "spiral_groove", "axilla").blocked_fraction > 0.5
    for one in made.truth.segments:
        if one.blocked_fraction > 0.0:
            assert entrapment_between(one.nerve, one.distal_site, one.proximal_site) is None
            assert one.kind == "motor"
    details = made.study.details
    assert details.findings["laboratory.anti_gm1_igm_raised"] is True
    assert all(value.is_normal for value in details.sensory)
    assert details.courses[0].drug == "ivig"


def test_dispersion_only_spreads_and_blocks_nothing():
    made = simulate.recipe("dispersion_only")[0]
    assert all(s.blocked_fraction == 0.0 for s in made.truth.segments)
    assert segment(made, "median", "wrist", "elbow").added_dispersion_ms > 1.0


def test_the_trap_at_the_elbow_lies_across_the_entrapment_site():
    made = simulate.recipe("trap_ulnar_elbow")[0]
    trap = segment(made, "ulnar", "below_elbow", "above_elbow")
    assert trap.blocked_fraction > 0.3
    velocity = trap.length_mm / trap.delay_ms
    assert velocity < 40.0
    assert entrapment_between("ulnar", trap.distal_site, trap.proximal_site) is not None


def test_martin_gruber_moves_the_forearm_drop_to_the_median_nerve_at_the_elbow():
    made = simulate.recipe("trap_martin_gruber")[0]
    forearm = segment(made, "ulnar", "wrist", "below_elbow")
    assert forearm.blocked_fraction == 0.0
    assert forearm.crossing_fraction > 0.3
    area = {
        (t.site.nerve, t.site.stimulation_site): a
        for t, a in zip(made.study.traces, made.truth.markers.negative_peak_area_mv_ms, strict=True)
        if t.site.muscle == "adm"
    }
    assert np.isnan(area["median", "wrist"])
    together = area["ulnar", "below_elbow"] + area["median", "elbow"]
    assert together == pytest.approx(area["ulnar", "wrist"], rel=0.05)


def test_reverse_martin_gruber_takes_from_the_median_forearm(tmp_path):
    text = SMALL.replace("ulnar", "median").replace("adm", "apb").replace("below_elbow", "elbow")
    text += '[[anastomosis]]\nkind = "reverse_martin_gruber"\nside = "right"\nmuscle = "apb"\n'
    made = simulate.recipe(write(tmp_path, text + "share = 0.5\n"))[0]
    assert made.truth.segments[0].crossing_fraction == pytest.approx(0.5, abs=0.03)


def test_a_weak_proximal_stimulus_misses_fibers_and_is_not_attested():
    made = simulate.recipe("trap_submaximal_proximal")[0]
    weak = segment(made, "median", "elbow", "axilla")
    assert weak.blocked_fraction == 0.0
    assert weak.not_excited_fraction > 0.4
    attested = {
        (t.site.nerve, t.site.stimulation_site): t.stimulus.is_supramaximal
        for t in made.study.traces
        if t.recording.endswith(("apb", "adm"))
    }
    assert attested["median", "wrist"] is True
    assert attested["median", "axilla"] is False
    assert attested["ulnar", "axilla"] is None


def test_axon_loss_leaves_few_units_and_blocks_none():
    made = simulate.recipe("als_axon_loss")[0]
    assert made.truth.markers.negative_peak_amplitude_mv[0] < 5.0
    assert all(s.blocked_fraction == 0.0 for s in made.truth.segments)


def test_erb_adds_the_neighbor_and_collision_leaves_only_its_early_response():
    made = simulate.recipe("erb")[0]
    at_erb = {
        t.site.nerve: (t, clean)
        for t, clean in zip(made.study.traces, made.truth.noise_free_mv, strict=True)
        if t.site.stimulation_site == "erb"
    }
    assert at_erb["ulnar"][0].stimulus.collision_used is True
    assert at_erb["median"][0].stimulus.collision_used is None
    assert segment(made, "median", "axilla", "erb").co_stimulation
    trace, clean = at_erb["ulnar"]
    early = clean[trace.stimulus_index + 40 : trace.stimulus_index + 200]
    assert early.max() > 0.2


def test_inching_falls_at_the_lesion_and_nowhere_else():
    made = simulate.recipe("inching")[0]
    steps = [
        (t.stimulus.distance_mm, a)
        for t, a in zip(
            made.study.traces, made.truth.markers.negative_peak_amplitude_mv, strict=True
        )
        if t.recording.endswith("_inching")
    ]
    assert np.all(np.diff([mm for mm, _ in steps]) == 20.0)
    drops = [1.0 - b / a for (_, a), (_, b) in itertools.pairwise(steps)]
    assert sorted(drops)[-1] > 0.4
    assert sorted(drops)[-2] < 0.05


def test_an_intensity_series_rises_to_a_plateau_and_attests_nothing_itself():
    made = simulate.recipe("recruitment")[0]
    rows = [
        (t.stimulus.intensity_ma, a, t.stimulus.is_supramaximal, t.repeat_group)
        for t, a in zip(
            made.study.traces, made.truth.markers.negative_peak_amplitude_mv, strict=True
        )
        if t.recording.endswith("_intensity")
    ]
    currents = sorted({row[0] for row in rows})
    assert len(rows) == 36
    assert len(currents) == 12
    assert {row[2] for row in rows} == {None}
    assert len({row[3] for row in rows}) == 12
    height = [np.nanmax([0.0, *(r[1] for r in rows if r[0] == c)]) for c in currents]
    assert height[0] < 0.1 * height[-1]
    assert height[-3] == pytest.approx(height[-1], rel=0.02)


def test_f_waves_come_late_small_and_not_every_time():
    made = simulate.recipe("f_waves")[0]
    late = np.array(
        [
            f
            for t, f in zip(made.study.traces, made.truth.f_latency_ms, strict=True)
            if t.kind == "f_wave" and t.site.nerve == "ulnar"
        ]
    )
    assert len(late) == 20
    seen = late[np.isfinite(late)]
    assert 12 <= len(seen) <= 20
    # Design reference, 8.3: minimum 26.5 +- 2.1 ms, mean 28.1 +- 2.2 ms.
    assert 22.0 < seen.min() < 31.0
    assert 1.0 < np.ptp(seen) < 8.0


def test_a_cold_limb_conducts_slowly_and_answers_longer(tmp_path):
    def first(celsius):
        text = SMALL + f"[limb_temperature_c]\nright_arm = {celsius}\n"
        made = simulate.recipe(write(tmp_path, text))[0]
        m = made.truth.markers
        velocity = 200.0 / float(m.onset_latency_ms[1] - m.onset_latency_ms[0])
        return m.onset_latency_ms[0], velocity, m.negative_peak_duration_ms[0]

    warm, cold = first(33.5), first(27.5)
    # Design reference, section 9: 0.2 ms and 1.5 to 2.5 m/s per degree.
    assert cold[0] - warm[0] == pytest.approx(1.2, abs=0.1)
    assert 1.5 < (warm[1] - cold[1]) / 6.0 < 2.5
    assert cold[2] / warm[2] > 1.1


def test_conduction_failure_changes_from_sweep_to_sweep(tmp_path):
    text = SMALL + 'repeats = 3\n[[nerve.lesion]]\nsegment = "wrist-below_elbow"\nfailure = 0.5\n'
    made = simulate.recipe(write(tmp_path, text))[0]
    amplitude = made.truth.markers.negative_peak_amplitude_mv
    assert len(set(amplitude[:3])) == 1
    assert len(set(amplitude[3:])) == 3
    assert made.truth.segments[0].failing_fraction == 0.5
    assert made.truth.segments[0].blocked_fraction == 0.0


def test_other_filters_at_one_site_stand_in_its_trace(tmp_path):
    text = SMALL + '[[nerve.stimulus]]\nsite = "below_elbow"\nhigh_pass_hz = 20\n'
    made = simulate.recipe(write(tmp_path, text))[0]
    assert [t.high_pass_hz for t in made.study.traces] == [2.0, 20.0]


def test_sensory_responses_have_the_size_and_speed_of_sensory_responses():
    made = simulate.recipe("healthy_arm", n=20)
    rows = [
        (t.site.nerve, a, lat)
        for m in made
        for t, a, lat in zip(
            m.study.traces,
            m.truth.markers.negative_peak_amplitude_mv,
            m.truth.markers.onset_latency_ms,
            strict=True,
        )
        if t.kind == "sensory" and t.site.stimulation_site == "wrist"
    ]
    # Limits of Chen 2016: at least 11 and 10 uV, at most 3.3 and 3.1 ms.
    for nerve, low, latest in (("median", 0.011, 3.3), ("ulnar", 0.010, 3.1)):
        amplitude = [a for n, a, _ in rows if n == nerve]
        latency = [lat for n, _, lat in rows if n == nerve]
        assert min(amplitude) > low
        assert max(latency) < latest


@pytest.mark.parametrize(("kind", "nerve", "target"), known_paths())
def test_every_path_belongs_to_the_anatomy_and_rises(kind, nerve, target):
    made = path(nerve, target, kind=kind)
    sites = list(made.positions_mm)
    known = list(anatomy().nerves[nerve].sites)
    assert sites == sorted(sites, key=known.index)
    assert np.all(np.diff(list(made.positions_mm.values())) > 0.0)
    assert np.all(np.diff(made.breaks_mm) > 0.0)
    assert len(made.velocity_m_per_s) == len(made.breaks_mm) - 1


def test_limbs_grow_with_height():
    small, tall = (path("ulnar", "adm", height_cm=h) for h in (155, 195))
    assert small.position_mm("wrist") == tall.position_mm("wrist") == 80.0
    assert tall.position_mm("erb") - small.position_mm("erb") == pytest.approx(140.0, abs=5.0)
    with pytest.raises(StudyError, match="Did you mean 'below_elbow'"):
        small.position_mm("below_elbw")
    with pytest.raises(StudyError, match="no path 'motor/ulnar/apb'"):
        path("ulnar", "apb")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SMALL.replace("muscle", "muscel"), r"nerve\[1\].muscel: unknown key .* 'muscle'"),
        (SMALL.replace('"ulnar"', '"ulner"'), r"nerve\[1\].nerve: unknown .* 'ulnar'"),
        (SMALL.replace('"wrist"', '"wrst"'), r"nerve\[1\].sites: .* Did you mean 'wrist'"),
        (SMALL + "axon_loss = 1.5\n", r"nerve\[1\].axon_loss: must lie between 0 and 1"),
        (SMALL + "axon_loss = [0.5, 0.2]\n", "rising"),
        (SMALL + 'axon_loss = "much"\n', r"must be a number or a pair \[low, high\]"),
        (SMALL + "repeats = 0\n", "whole number of at least 1"),
        (SMALL + '[[nerve.lesion]]\nsegment = "wrist"\n', "two sites, distal first"),
        (SMALL + '[[nerve.lesion]]\nsegment = "below_elbow-wrist"\n', "is not distal to"),
        (
            SMALL + '[[nerve.lesion]]\nsegment = "wrist-below_elbow"\nchoice = "largst"\n',
            "Did you mean 'largest'",
        ),
        (SMALL + "[clinical]\nupper_motor_neuron_sign = true\n", "upper_motor_neuron_signs"),
        (SMALL + "[clinical]\nobjective_sensory_loss = 3\n", "must be a boolean"),
        (SMALL + '[[sensory]]\nnerv = "ulnar"\nside = "left"\n', "unknown key 'nerv'"),
        (SMALL + "[study]\nvisit_date = 2026-03-02T10:00:00\n", "must be a date"),
        ('id = "x"\ntitle = "y"\n', r"at least one \[\[nerve\]\]"),
        (SMALL.replace('id = "mine"', ""), "missing key 'id'"),
        ("id = \n", "not valid TOML"),
    ],
)
def test_a_malformed_recipe_names_file_key_and_nearest_name(tmp_path, text, message):
    with pytest.raises(TableError, match=message) as caught:
        simulate.recipe(write(tmp_path, text))
    assert "mine.toml" in str(caught.value)


def test_an_unknown_recipe_is_refused_with_the_nearest_name():
    with pytest.raises(TableError, match="Did you mean 'healthy_arm'"):
        simulate.recipe("healthy_arms")


@pytest.mark.parametrize("name", RECIPES)
def test_study_toml_reads_back_as_the_same_details(name):
    study = simulate.recipe(name)[0].study
    read = study_file.parse_study_toml(simulate.study_toml(study))
    assert read.study_id == study.study_id
    assert read.details == study.details


def test_study_toml_keeps_what_is_told_of_a_recording():
    study = simulate.recipe("healthy_arm")[0].study
    told = {"ulnar right.edf": RecordingOverride(side="right", supramaximal=True)}
    details = dataclasses.replace(study.details, recordings=told)
    raw = tomllib.loads(simulate.study_toml(dataclasses.replace(study, details=details)))
    assert raw["recordings"] == {"ulnar right.edf": {"side": "right", "supramaximal": True}}


def test_study_toml_quotes_any_text():
    study = simulate.recipe("healthy_arm")[0].study
    odd = 'a "b" \\ c\nd \x7f 神经'
    raw = tomllib.loads(simulate.study_toml(dataclasses.replace(study, study_id=odd)))
    assert raw["study"]["id"] == odd
