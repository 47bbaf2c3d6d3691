"""One response per site: averages, intensity series, and which of several responses is used."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ncs_cb import flags, simulate
from ncs_cb.columns import conform
from ncs_cb.errors import TableError
from ncs_cb.knowledge import thresholds
from ncs_cb.measuring import sweeps
from ncs_cb.measuring import traces as measure
from ncs_cb.model import Site, Stimulus, Study, Trace

RATE = 20_000.0
STIMULUS = 40
MONSTIM = Path(__file__).parents[2] / "shared/realdata/monstim/Example_Data_3.csv"


def response(scale=10.0, *, noise=0.0, seed=0, latency_ms=4.0, offset=0.0):
    time_ms = (np.arange(800) - STIMULUS) / 20.0
    phase = np.clip((time_ms - latency_ms) / 5.0, 0.0, 1.0)
    rng = np.random.default_rng(seed)
    return scale * np.sin(np.pi * phase) ** 1.3 + noise * rng.standard_normal(800) + offset


def trace(samples, *, sweep=0, group=None, site="wrist", recording="ulnar.edf", **other):
    stimulus = {
        key: other.pop(key)
        for key in ("intensity_ma", "is_supramaximal", "distance_mm")
        if key in other
    }
    place = Site("ulnar", "right", "adm", site)
    return Trace(
        np.asarray(samples),
        RATE,
        STIMULUS,
        place,
        recording,
        sweep=sweep,
        repeat_group=group,
        stimulus=Stimulus(**stimulus),
        **other,
    )


def choose(*traces):
    return sweeps.choose_responses(Study("s", tuple(traces)))


def test_single_responses_pass_unchanged():
    one, two = trace(response()), trace(response(), site="below_elbow", sweep=1)
    chosen = choose(one, two)
    assert chosen.responses == (one, two)
    assert chosen.flags == ((), ())
    assert chosen.decisions == ()
    assert chosen.sweep_counts == (1, 1)


def test_marked_repeats_are_averaged():
    repeats = [trace(response(noise=0.05, seed=n), sweep=n, group="a") for n in range(16)]
    chosen = choose(*repeats)
    assert len(chosen.responses) == 1
    assert chosen.sweep_counts == (16,)
    error = chosen.responses[0].samples_mv - response()
    # 16 sweeps leave a quarter of the noise.
    assert np.std(error) == pytest.approx(0.05 / 4.0, rel=0.1)
    assert chosen.flags == ((),)
    assert "mean of 16 of 16 sweeps" in chosen.decisions[0].choice


def test_unmarked_repeats_are_not_averaged():
    chosen = choose(*(trace(response(), sweep=n) for n in range(3)))
    assert len(chosen.responses) == 3
    assert chosen.sweep_counts == (1, 1, 1)


def spiked():
    samples = response(noise=0.02, seed=90)
    samples[400:420] += 6.0
    return samples


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("movement spike", spiked()),
        ("half the size", response(5.0)),
        ("late by 1 ms", response(latency_ms=5.0)),
        ("artefact tail", response() + 8.0 * np.exp(-np.maximum(np.arange(800) - 40, 0) / 40.0)),
        ("not finite", np.where(np.arange(800) == 300, np.nan, response())),
        ("flat", np.zeros(800)),
    ],
)
def test_a_bad_repeat_is_left_out_and_counted(name, bad):
    good = [trace(response(noise=0.02, seed=n), sweep=n, group="a") for n in range(6)]
    chosen = choose(*good[:3], trace(bad, sweep=9, group="a"), *good[3:])
    assert chosen.sweep_counts == (6,), name
    assert chosen.flags == (("sweeps_rejected",),)
    assert chosen.responses[0].flags == ("sweeps_rejected",)
    assert "mean of 6 of 7 sweeps" in chosen.decisions[0].choice
    assert "left out: 1 " in chosen.decisions[0].reason
    clean = choose(*good).responses[0]
    assert np.array_equal(chosen.responses[0].samples_mv, clean.samples_mv)


def test_a_clipped_repeat_is_left_out_unless_all_are():
    def repeats(clipped):
        return [
            trace(
                np.clip(response(noise=0.01, seed=n), -9.0, 9.0 if n in clipped else 12.0),
                sweep=n,
                group="a",
                range_mv=(-9.0, 9.0 if n in clipped else 12.0),
            )
            for n in range(4)
        ]

    assert choose(*repeats({2})).sweep_counts == (3,)
    assert choose(*repeats({0, 1, 2, 3})).sweep_counts == (4,)


def test_differing_stimulus_artefacts_and_offsets_reject_nothing():
    rng = np.random.default_rng(5)
    repeats = []
    for n in range(6):
        samples = response(noise=0.02, seed=n, offset=rng.normal())
        samples[STIMULUS : STIMULUS + 12] += rng.normal(0.0, 20.0)
        repeats.append(trace(samples, sweep=n, group="a"))
    assert choose(*repeats).sweep_counts == (6,)


def test_healthy_repeats_are_never_rejected():
    rejected = 0
    for seed in range(60):
        noise = np.random.default_rng(seed).uniform(0.001, 0.3)
        repeats = [
            trace(response(noise=noise, seed=100 * seed + n), sweep=n, group="a") for n in range(8)
        ]
        rejected += 8 - choose(*repeats).sweep_counts[0]
    assert rejected == 0


def test_repeats_that_differ_are_not_averaged_and_the_largest_counts():
    chosen = choose(trace(response(), group="a"), trace(response(5.0), sweep=1, group="a"))
    assert chosen.sweep_counts == (1, 1)
    assert all("repeats_differ" in names for names in chosen.flags)
    used = [i for i, names in enumerate(chosen.flags) if "not_used" not in names]
    assert used == [0]
    assert any("not averaged" in d.choice for d in chosen.decisions)


def test_currents_rising_under_one_text_count_by_the_top_and_not_by_the_mean():
    rising = [trace(response(a), sweep=n, group="a") for n, a in enumerate((1.5, 3.0, 6.0, 7.0))]
    chosen = choose(*rising)
    (used,) = [
        r for r, f in zip(chosen.responses, chosen.flags, strict=True) if "not_used" not in f
    ]
    assert used.sweep == 3


def test_one_outlier_among_many_repeats_is_left_out_and_the_others_averaged():
    sizes = (7.0, 7.1, 6.9, 7.0, 3.0, 7.05)
    chosen = choose(*(trace(response(a), sweep=n, group="a") for n, a in enumerate(sizes)))
    assert chosen.sweep_counts == (5,)


def test_the_order_of_sweeps_changes_no_bit():
    repeats = [trace(response(noise=0.3, seed=n), sweep=n, group="a") for n in range(9)]
    straight = choose(*repeats).responses[0]
    shuffled = choose(*(repeats[n] for n in np.random.default_rng(1).permutation(9))).responses[0]
    assert np.array_equal(straight.samples_mv, shuffled.samples_mv)
    assert straight.sweep == shuffled.sweep == 0


def test_repeats_are_aligned_at_the_stimulus():
    early = trace(response(), group="a")
    late = Trace(
        np.concatenate([np.zeros(7), response()[:-20]]),
        RATE,
        STIMULUS + 7,
        early.site,
        early.recording,
        sweep=1,
        repeat_group="a",
    )
    averaged = choose(early, late).responses[0]
    assert averaged.stimulus_index == STIMULUS
    assert averaged.samples_mv == pytest.approx(response()[: averaged.samples_mv.size])
    assert averaged.samples_mv.size == 780


def test_averaging_changes_no_input():
    repeats = [trace(response(noise=0.1, seed=n), sweep=n, group="a") for n in range(3)]
    before = [t.samples_mv.copy() for t in repeats]
    for t in repeats:
        t.samples_mv.flags.writeable = False
    choose(*repeats)
    assert all(np.array_equal(a, t.samples_mv) for a, t in zip(before, repeats, strict=True))


def test_different_currents_are_no_repeats():
    first = trace(response(), group="a", intensity_ma=10.0)
    second = trace(response(), group="a", intensity_ma=20.0, sweep=1)
    assert choose(first, second).sweep_counts == (1, 1)


def used(chosen):
    return [n for n, names in enumerate(chosen.flags) if "not_used" not in names]


def test_of_two_unmarked_responses_the_attested_supramaximal_one_is_used():
    chosen = choose(
        trace(response(12.0), intensity_ma=40.0),
        trace(response(9.0), intensity_ma=20.0, is_supramaximal=True, sweep=1),
    )
    assert used(chosen) == [1]
    assert chosen.responses[0].flags == ("not_used",)
    assert "attested" in chosen.decisions[0].reason


def test_a_response_attested_submaximal_is_not_used_when_there_is_another():
    chosen = choose(
        trace(response(12.0), intensity_ma=40.0, is_supramaximal=False),
        trace(response(9.0), intensity_ma=20.0, sweep=1),
    )
    assert used(chosen) == [1]


def test_without_attestation_the_highest_current_is_used_and_said_so():
    chosen = choose(
        trace(response(12.0), intensity_ma=20.0), trace(response(9.0), intensity_ma=40.0, sweep=1)
    )
    assert used(chosen) == [1]
    assert "current is the highest" in chosen.decisions[0].reason
    assert "sweep 1 of ulnar.edf at 40 mA is used" in chosen.decisions[0].choice


def test_without_currents_the_largest_response_is_used():
    small = response(9.0)
    small[STIMULUS : STIMULUS + 10] += 500.0  # the artefact is not the response
    chosen = choose(trace(small), trace(response(12.0), sweep=1))
    assert used(chosen) == [1]
    assert "largest" in chosen.decisions[0].reason


def test_an_invalid_response_is_never_preferred():
    broken = np.full(800, np.nan)
    chosen = choose(
        trace(broken, intensity_ma=40.0, is_supramaximal=True), trace(response(), sweep=1)
    )
    assert used(chosen) == [1]


def test_a_series_of_short_steps_at_one_site_is_represented_by_its_middle():
    steps = [trace(response(), sweep=n, distance_mm=200.0 + 20 * n) for n in range(5)]
    assert used(choose(*steps)) == [2]


def steps_along(sites, start=200.0):
    return [
        trace(response(), sweep=n, site=site, recording="inching.edf", distance_mm=start + 20 * n)
        for n, site in enumerate(sites)
    ]


def test_the_ends_of_a_series_of_short_steps_stand_for_their_sites():
    chosen = choose(*steps_along(["wrist", "forearm", "forearm", "below_elbow", "below_elbow"]))
    assert used(chosen) == [0, 4]
    assert "none of 2 responses is used" in chosen.decisions[0].choice


def test_the_routine_response_of_a_site_comes_before_a_short_step():
    routine = [
        trace(response(9.0), site=site, recording="routine.edf", distance_mm=distance)
        for site, distance in (("wrist", 80.0), ("below_elbow", 285.0))
    ]
    chosen = choose(*steps_along(["wrist", "wrist", "forearm", "below_elbow"], 220.0), *routine)
    assert used(chosen) == [4, 5]
    assert "short steps" in chosen.decisions[0].reason


def test_three_close_stimuli_are_no_series_of_steps():
    chosen = choose(*steps_along(["wrist", "forearm", "below_elbow"]))
    assert used(chosen) == [0, 1, 2]


def test_short_steps_with_rising_currents_are_no_intensity_series():
    steps = [
        trace(response(), sweep=n, distance_mm=200.0 + 20 * n, intensity_ma=20.0 + n)
        for n in range(5)
    ]
    assert choose(*steps).recruitment_groups == (None,) * 5


def test_the_top_of_an_intensity_series_represents_the_site():
    currents = [8.0, 14.0, 11.0, 20.0, 17.0]
    chosen = choose(
        *(trace(response(c / 2), intensity_ma=c, sweep=n) for n, c in enumerate(currents))
    )
    assert used(chosen) == [3]
    assert chosen.recruitment_groups == (0,) * 5
    assert "intensity series" in chosen.decisions[0].reason


def test_sites_sides_and_kinds_are_kept_apart():
    chosen = choose(
        trace(response()), trace(response(), site="axilla"), trace(response(), kind="sensory")
    )
    assert used(chosen) == [0, 1, 2]


def test_f_wave_sweeps_take_no_part():
    assert choose(trace(response(), kind="f_wave")).responses == ()


# ------------------------------------------------------------------ recruitment


def series(currents, amplitudes, **other):
    frame = pd.DataFrame(
        {
            "study_id": "s",
            "recording": "a.edf",
            "nerve": "ulnar",
            "side": "right",
            "muscle": "adm",
            "kind": "motor",
            "stimulation_site": "wrist",
            "stimulus_ma": currents,
            "negative_peak_amplitude_mv": amplitudes,
            **other,
        }
    )
    return conform(frame, "traces")


@pytest.mark.parametrize(
    ("currents", "amplitudes", "expected"),
    [
        # 80 % of 20 mA is 16 mA: growth from there is 0, 5 and 5.2 %.
        ([8, 12, 16, 20], [2.0, 8.0, 10.0, 10.0], True),
        ([8, 12, 16, 20], [2.0, 8.0, 10.0, 10.5], True),
        ([8, 12, 16, 20], [2.0, 8.0, 10.0, 10.52], False),
        # interpolated between steps: 9.75 mV at 16 mA
        ([8, 12, 15, 19, 20], [2.0, 8.0, 9.5, 10.5, 10.6], False),
        # one odd sweep on a plateau
        ([5, 10, 14, 16, 17, 18, 19, 20], [1, 6, 10, 10, 10, 10, 10, 10.9], True),
        # absent below threshold, still absent at 80 %
        ([5, 10, 15, 20], [np.nan, np.nan, np.nan, 4.0], False),
        # the top itself is not measurable
        ([5, 10, 15, 20], [1.0, 2.0, 3.0, np.nan], None),
        # no step at or below 80 % of the top
        ([17, 18, 19, 20], [10.0, 10.0, 10.0, 10.0], None),
    ],
)
def test_the_plateau_rule(currents, amplitudes, expected):
    absent = ["response_absent" if np.isnan(a) else "" for a in amplitudes]
    if expected is None:
        absent = ["clipped" if name else "" for name in absent]
    table = sweeps.recruitment_table(series(currents, amplitudes, quality_flags=absent))
    answers = table["is_supramaximal"].unique().tolist()
    assert answers == [expected] if expected is not None else answers == [pd.NA]


def test_the_recruitment_table_holds_each_current_once():
    frame = series([20.0, 10.0, 15.0, 5.0, 20.0], [10.0, 5.0, 8.0, 1.0, 9.0])
    table = sweeps.recruitment_table(frame, [3, 1, 1, 1, 2])
    assert table["stimulus_ma"].tolist() == [5.0, 10.0, 15.0, 20.0]
    assert table["n_sweeps"].tolist() == [1, 1, 1, 5]
    assert table["negative_peak_amplitude_mv"].tolist() == [1.0, 5.0, 8.0, 9.5]
    assert table["relative_amplitude_pct"].iloc[-1] == 100.0


def test_fewer_than_four_currents_are_no_series():
    assert sweeps.recruitment_table(series([5, 10, 15, 15], [1, 2, 3, 3])).empty


def test_the_plateau_rule_ignores_gain_and_row_order():
    frame = series([8, 12, 15, 19, 20], [2.0, 8.0, 9.5, 10.5, 10.6])
    larger = frame.assign(negative_peak_amplitude_mv=frame["negative_peak_amplitude_mv"] * 7)
    shuffled = frame.sample(frac=1, random_state=3)
    tables = [sweeps.recruitment_table(f) for f in (frame, larger, shuffled)]
    assert tables[0].equals(tables[2])
    assert tables[0]["is_supramaximal"].equals(tables[1]["is_supramaximal"])


def test_a_denied_plateau_is_flagged_on_the_top_of_the_series_alone():
    frame = series([8, 12, 16, 20], [2.0, 8.0, 10.0, 12.0], quality_flags=["", "", "", "sweep_cut"])
    table = sweeps.attest(frame, sweeps.recruitment_table(frame))
    assert table["quality_flags"].tolist() == ["", "", "", "sweep_cut;supramaximality_denied"]
    assert frame["quality_flags"].tolist()[3] == "sweep_cut"


def test_an_attested_plateau_adds_no_flag():
    frame = series([8, 12, 16, 20], [2.0, 8.0, 10.0, 10.0])
    assert sweeps.attest(frame, sweeps.recruitment_table(frame)).equals(frame)


def monstim_sweeps():
    if not MONSTIM.exists():
        pytest.skip("the real recruitment series (shared real data, not part of the project)")
    volts: dict[int, float] = {}
    rows = defaultdict(list)
    with MONSTIM.open(encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            number = int(row["recording_index"])
            volts[number] = float(row["stimulus_V"])
            rows[number].append(-float(row["amplitude_mV"]))  # its first phase goes down
    return [(volts[n], np.array(rows[n])) for n in sorted(rows)]


def test_a_real_recruitment_series_is_recognized_and_its_top_is_used():
    recorded = monstim_sweeps()
    site = Site("tibial", "right", "ah", "ankle")
    # The rule is relative, so that volts serve as well as milliamperes.
    traces = [
        Trace(samples, 30_000.0, 30, site, "series.csv", sweep=n, stimulus=Stimulus(None, volt))
        for n, (volt, samples) in enumerate(recorded)
    ]
    chosen = choose(*traces)
    (best,) = used(chosen)
    assert recorded[best][0] == max(volt for volt, _ in recorded)
    assert set(chosen.recruitment_groups) == {0}


def test_a_real_series_whose_last_fifth_still_adds_a_unit_is_denied():
    """A rodent's M-wave: 4.0 mV at 80 % of the top, 4.3 mV on a plateau, 4.56 mV at the top."""
    recorded = monstim_sweeps()
    amplitudes = [samples[45:105].max() for _, samples in recorded]  # 0.5 to 2.5 ms
    volts = [volt for volt, _ in recorded]
    table = sweeps.recruitment_table(series(volts, amplitudes))
    assert len(table) == len(set(volts))
    assert table["n_sweeps"].sum() == 84
    assert not table["is_supramaximal"].any()


def recruitment_of(study, most_ma=np.inf):
    kept = tuple(t for t in study.traces if (t.stimulus.intensity_ma or 0.0) <= most_ma)
    chosen = sweeps.choose_responses(Study(study.study_id, kept))
    traces = measure.measure_study_traces(chosen.responses).assign(study_id="s")
    return traces, sweeps.recruitment_table(traces, chosen.sweep_counts)


def test_simulated_series_attest_their_plateau_and_deny_when_cut_short():
    for one in simulate.recipe("recruitment", seed=5, n=3):
        traces, table = recruitment_of(one.study)
        assert table["is_supramaximal"].all()
        # Interference may leave one sweep of a current out of its average.
        assert table["n_sweeps"].isin([2, 3]).all()
        assert (table["n_sweeps"] == 3).mean() > 0.8
        assert sweeps.attest(traces, table).equals(traces)
        half = table.loc[table["relative_amplitude_pct"] < 93.0, "stimulus_ma"].max()
        traces, table = recruitment_of(one.study, half)
        assert len(table) >= 4
        assert not table["is_supramaximal"].any()
        denied = sweeps.attest(traces, table)["quality_flags"].str.contains("denied")
        assert traces.loc[denied, "stimulus_ma"].tolist() == [half]


# ------------------------------------------------------------------ the table of limits


def test_every_limit_has_a_meaning_and_a_source():
    for limit in thresholds.table().values():
        assert limit.meaning, limit.id
        assert limit.source, limit.id
        assert limit.verified != "doubtful", "a doubtful limit must not be in use"


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"value": 1.0, "meaning": "m", "source": "s"}, "needs exactly"),
        ({"value": "1", "meaning": "m", "source": "s", "verified": "project"}, "not a number"),
        ({"value": True, "meaning": "m", "source": "s", "verified": "project"}, "not a number"),
        (
            {"value": 1, "meaning": "m", "source": "s", "verified": "primry"},
            "Did you mean 'primary'",
        ),
    ],
)
def test_a_malformed_limit_is_a_table_error(entry, message):
    with pytest.raises(TableError, match=message):
        thresholds.build({"revision": 1, "check": {"limit": entry}})


def test_an_unknown_limit_is_a_table_error():
    with pytest.raises(TableError, match=r"Did you mean 'sweeps\.plateau_growth_pct'"):
        thresholds.value("sweeps.plateau_growth")


def test_the_registry_knows_the_flags_raised_here():
    assert {"sweeps_rejected", "not_used", "supramaximality_denied"} <= set(flags.FLAGS)
