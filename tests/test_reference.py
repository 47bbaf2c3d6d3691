"""Reference limits: the right stratum, the named set first, and nothing invented."""

from __future__ import annotations

import pytest

from ncs_cb import analyze, read_study, write_report
from ncs_cb.errors import TableError
from ncs_cb.knowledge import datafile, reference
from ncs_cb.model import Details
from review_visits import ulnar_visit

OWN = """id = "our_lab"
title = "Our laboratory"
revision = 3
[source]
citation = "Our own volunteers, 2025"
[[limit]]
study = "motor"
nerve = "median"
muscle = "apb"
item = "amplitude_mv"
direction = "lower"
value = 6.0
source = "table 1"
verified = "primary"
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "our_lab.toml"
    path.write_text(OWN, "utf-8")
    return path


@pytest.mark.parametrize("name", reference.available())
def test_every_shipped_set_loads_and_names_its_source(name):
    made = reference.load(name)
    assert made.id == name
    assert made.citation
    assert len(made.sha256) == 64
    assert all(entry.limit.source for entry in made.entries)


def test_the_published_gates_of_both_sets_differ():
    # Design reference, section 8.4: 20 % of the lower limit of the ulnar amplitude.
    twenty_percent = [
        0.2 * reference.load(name).limit("motor", "ulnar", "adm", "amplitude_mv").value
        for name in ("aanem_2016", "preston_shapiro")
    ]
    assert twenty_percent == pytest.approx([1.58, 1.20])


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (None, 4.1),
        (19, 5.9),
        (39.9, 5.9),
        (40, 4.2),
        (59.5, 4.2),
        (60, 3.8),
        (80, 4.1),
    ],
)
def test_age_group_holds_from_its_first_birthday_to_the_day_before_the_next(age, expected):
    limit = reference.load("aanem_2016").limit("motor", "median", "apb", "amplitude_mv", age)
    assert limit.value == expected


@pytest.mark.parametrize(
    ("age", "set_id"),
    [
        (9.0, None),
        (15.9, None),
        (16.0, "preston_shapiro"),
        (18.9, "preston_shapiro"),
        (19.0, "aanem_2016"),
        (None, "aanem_2016"),
    ],
)
def test_a_child_has_no_limit_of_a_set_that_measured_adults(age, set_id):
    found = reference.first_limit(
        reference.chain("aanem_2016"),
        "motor",
        "median",
        "apb",
        "distal_latency_ms",
        Details(age_years=age),
    )
    assert (None if found is None else found.set_id) == set_id


def test_a_laboratory_that_measured_children_says_so(own):
    child = Details(age_years=9.0)
    asked = ("motor", "median", "apb", "amplitude_mv", child)
    assert reference.first_limit(reference.chain(own), *asked).value == 6.0
    own.write_text(OWN.replace("revision = 3", "revision = 3\nage_from = 12"), "utf-8")
    assert reference.first_limit(reference.chain(own), *asked) is None


def test_a_stratum_needs_every_condition_to_be_known():
    made = reference.load("aanem_2016")
    of = ("motor", "median", "apb", "velocity_m_per_s")
    assert made.limit(*of, 50, None).value == 49.0
    assert made.limit(*of, 50, "male").value == 47.0
    assert made.limit(*of, 50, "female").value == 51.0


def test_velocity_across_the_elbow_has_a_limit_of_its_own():
    made = reference.load("aanem_2016")
    of = ("motor", "ulnar", "adm", "velocity_m_per_s")
    assert made.limit(*of, segment="below_elbow-above_elbow").value == 43.0
    assert made.limit(*of, segment="wrist-below_elbow").value == 52.0


def test_an_unset_limit_is_left_out():
    assert (
        reference.load("preston_shapiro").limit(
            "motor", "musculocutaneous", "biceps", "amplitude_mv"
        )
        is None
    )


def test_means_are_never_limits():
    made = reference.load("upper_limb_means")
    assert made.norms
    assert made.limit("motor", "ulnar", "fdi", "amplitude_mv") is None


def test_a_laboratory_set_answers_first_and_says_so(own):
    rows = {"nerve": ["median", "ulnar", "radial"], "muscle": ["apb", "adm", "eip"]}
    table = reference.lower_amplitude_limits(rows, own)
    assert table.high.tolist() == [6.0, 7.9, 2.0]
    assert table.set_id == ["our_lab", "aanem_2016", "preston_shapiro"]


def test_an_unknown_muscle_spans_the_limits_of_the_nerve():
    rows = {"nerve": ["ulnar"]}
    table = reference.lower_amplitude_limits(rows)
    assert (table.low.item(), table.high.item()) == (7.0, 7.9)


def test_an_unknown_muscle_borrows_no_limit_when_one_of_the_nerve_has_none():
    # EIP has a limit, EDC none: nothing is known of "radial" but the bound of all muscles.
    rows = {"nerve": ["radial"]}
    table = reference.lower_amplitude_limits(rows)
    assert (table.low.item(), table.high.item()) == (0.0, 8.1)


def test_a_muscle_without_a_limit_is_bounded_by_the_highest_of_any():
    rows = {"nerve": ["radial"], "muscle": ["edc"]}
    table = reference.lower_amplitude_limits(rows)
    assert (table.low.item(), table.high.item(), *table.set_id) == (0.0, 8.1, "")


def test_limits_follow_the_person_of_each_study():
    rows = {"study_id": ["a", "b", "c"], "nerve": ["median"] * 3, "muscle": ["apb"] * 3}
    people = {"a": Details(age_years=25), "b": Details(age_years=65)}
    table = reference.lower_amplitude_limits(rows, "aanem_2016", people)
    assert table.low.tolist() == [5.9, 3.8, 4.1]


def test_an_unknown_set_names_the_nearest():
    with pytest.raises(TableError, match=r"unknown reference set 'aanem_2015'.*'aanem_2016'"):
        reference.load("aanem_2015")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'nerve = "median"',
            'nerve = "mediam"',
            r"limit\[1\].nerve.*'mediam'.*Did you mean 'median'",
        ),
        ("value = 6.0", 'value = "six"', r"limit\[1\].value: must be a number"),
        ("value = 6.0", "valeu = 6.0", r"limit\[1\].valeu: unknown key.*Did you mean 'value'"),
        ('source = "table 1"\n', "", r"limit\[1\].source: missing key 'source'"),
        ('verified = "primary"', 'verified = "sure"', r"limit\[1\].verified.*'sure'"),
        ("revision = 3", "revision = 0", "revision: must be at least 1"),
        ("[[limit]]", "[[limit]", "not valid TOML"),
    ],
)
def test_a_faulty_set_names_file_key_and_reason(own, old, new, message):
    assert old in OWN
    own.write_text(OWN.replace(old, new), "utf-8")
    with pytest.raises(TableError, match=message) as caught:
        reference.load(own)
    assert "our_lab.toml" in str(caught.value)


def test_leg_amplitudes_are_limited_by_age_and_leg_f_waves_have_a_limit():
    sets = reference.chain("aanem_2016")

    def low(nerve, muscle, age):
        person = Details(age_years=age)
        return reference.first_limit(sets, "motor", nerve, muscle, "amplitude_mv", person).value

    assert [low("tibial", "ah", age) for age in (25, 45, 70)] == [5.8, 5.3, 1.1]
    assert [low("peroneal", "edb", age) for age in (30, 65)] == [2.6, 1.1]
    for nerve, muscle in (("peroneal", "edb"), ("tibial", "ah")):
        limit = reference.first_limit(sets, "f_wave", nerve, muscle, "minimum_latency_ms")
        assert limit.value == 56.0


@pytest.mark.parametrize(
    ("study", "nerve", "muscle", "item", "site", "value"),
    [
        ("motor", "radial", "triceps", "amplitude_mv", "axilla", 8.1),
        ("motor", "radial", "ecrl", "amplitude_mv", "axilla", 6.2),
        ("motor", "axillary", "deltoid", "latency_ms", "erb", 4.9),
        ("motor", "axillary", "deltoid", "latency_ms", "axilla", 3.3),
        ("motor", "musculocutaneous", "biceps", "latency_ms", "erb", 5.7),
        ("motor", "musculocutaneous", "biceps", "latency_ms", "axilla", 3.3),
        ("sensory", "lateral_antebrachial", "lateral_forearm", "amplitude_uv", None, 5.0),
    ],
)
def test_limits_of_more_muscles_belong_to_their_site(study, nerve, muscle, item, site, value):
    sets = reference.chain("aanem_2016")
    limit = reference.first_limit(sets, study, nerve, muscle, item, site=site)
    assert limit.value == value
    assert limit.verified != "primary"
    assert site is None or limit.site == site


@pytest.mark.parametrize(
    ("nerve", "muscle"), [("median", "fcr"), ("peroneal", "ta"), ("radial", "brachioradialis")]
)
def test_where_nothing_was_published_there_is_no_limit(nerve, muscle):
    sets = reference.chain("aanem_2016")
    for item in reference.ITEMS["motor"]:
        assert reference.first_limit(sets, "motor", nerve, muscle, item) is None


def test_a_set_of_ones_own_is_called_by_its_name_and_not_by_its_place(tmp_path):
    made = []
    for folder in (tmp_path / "here", tmp_path / "there"):
        folder.mkdir()
        own = folder / "our_limits.toml"
        own.write_text(datafile.text("reference", reference.DEFAULT), "utf-8")
        study = read_study(ulnar_visit(folder / "visit"))
        result = analyze(study, reference=str(own))
        assert result.provenance.settings["reference"] == "our_limits.toml"
        write_report(result, folder / "out")
        made.append(next((folder / "out").rglob("result.json")).read_bytes())
    assert made[0] == made[1]
    assert str(tmp_path).encode() not in made[0]
