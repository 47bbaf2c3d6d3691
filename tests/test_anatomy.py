"""The anatomy: muscles and nerves beyond the routine, and the spellings that tables use."""

from __future__ import annotations

import pytest

import ncs_cb
from ncs_cb.errors import TableError
from ncs_cb.knowledge.anatomy import anatomy, build, find, nerve_of_muscle, routine_nerves
from ncs_cb.knowledge.datafile import table
from ncs_cb.knowledge.reference import lower_amplitude_limits
from ncs_cb.wording import checks
from ncs_cb.wording.catalog import languages
from ncs_cb.wording.conclusions import where_words, words


@pytest.mark.parametrize(
    ("kind", "text", "meant"),
    [
        ("muscles", "Abd Poll Brev", "apb"),
        ("muscles", "Abd Hall Brev", "ah"),
        ("muscles", "Ext Dig Brev", "edb"),
        ("muscles", "Tib. Ant.", "ta"),
        ("muscles", "Flex Carpi Rad", "fcr"),
        ("muscles", "Triceps", "triceps"),
        ("muscles", "Brachioradialis", "brachioradialis"),
        ("muscles", "ECRL", "ecrl"),
        ("muscles", "Deltoid", "deltoid"),
        ("nerves", "Nervus medianus", "median"),
        ("nerves", "N. tibialis", "tibial"),
        ("nerves", "Axillary", "axillary"),
        ("nerves", "N. suralis", "sural"),
        ("nerves", "Sup Peroneal", "superficial_peroneal"),
        ("nerves", "LACN", "lateral_antebrachial"),
        ("sites", "Cubital", "elbow"),
        ("sites", "Ellenbogen unten", "below_elbow"),
        ("sites", "Poplit", "popliteal_fossa"),
    ],
)
def test_a_table_may_spell_it_so(kind, text, meant):
    assert find(kind, text) == meant


@pytest.mark.parametrize(
    ("muscle", "nerve"),
    [
        ("fcr", "median"),
        ("triceps", "radial"),
        ("brachioradialis", "radial"),
        ("ecrl", "radial"),
        ("deltoid", "axillary"),
        ("ta", "peroneal"),
    ],
)
def test_each_muscle_has_its_nerve(muscle, nerve):
    assert nerve_of_muscle(muscle) == nerve


def test_a_nerve_that_is_not_drawn_is_missed_by_no_report():
    assert "axillary" not in routine_nerves()
    assert "sural" not in routine_nerves()
    assert "ulnar" in routine_nerves()


def test_where_no_muscle_is_named_a_routine_one_is_meant():
    rows = {"nerve": ["median", "median"], "muscle": ["apb", None]}
    named, unnamed = lower_amplitude_limits(rows).low
    assert named == unnamed > 0
    rows["muscle"] = ["fcr", "fcr"]
    assert set(lower_amplitude_limits(rows).set_id) == {""}


def test_no_word_names_a_site_and_a_recording_place():
    words = {
        what: {key for p in getattr(anatomy(), what).values() for key in (p.id, *p.aliases)}
        for what in ("sites", "muscles")
    }
    assert not words["sites"] & words["muscles"]


def test_block_of_the_triceps_is_judged_and_a_sural_study_counts(tmp_path):
    (tmp_path / "sites.csv").write_text(
        "nerve,side,muscle,stimulation_site,distance_mm,onset_latency_ms,"
        "negative_peak_amplitude_mv,negative_peak_area_mv_ms,negative_peak_duration_ms,"
        "supramaximal\n"
        "radial,left,Triceps,axilla,110,3.0,8.4,41.0,9.1,yes\n"
        "radial,left,Triceps,erb,270,5.7,2.6,12.1,9.4,yes\n"
        "axillary,left,deltoid,erb,160,4.1,9.2,70.0,13.0,yes\n",
        "utf-8",
    )
    (tmp_path / "study.toml").write_text(
        '[[sensory]]\nnerve = "sural"\nside = "left"\nis_normal = true\n', "utf-8"
    )
    result = ncs_cb.analyze(ncs_cb.read_study(tmp_path), ["efns_pns_2010"])
    row = result.verdicts.query("muscle == 'triceps'").iloc[0]
    assert row["grade_by_numbers"] in ("definite", "probable")
    assert result.sensory["nerve"].tolist() == ["sural"]
    assert any("sural" in line for line in result.impression)


def test_every_entrapment_site_has_a_chinese_name_in_the_checks():
    for nerve in anatomy().nerves.values():
        for trap in nerve.entrapments:
            assert trap.name_zh != trap.name
            assert checks.named(trap.name, "zh") == trap.name_zh
            assert checks.named(trap.name, "en") == trap.name


@pytest.mark.parametrize(
    ("sites", "en", "zh"),
    [
        (("wrist", "below_elbow"), "across the forearm", "前臂段"),
        (("above_elbow", "axilla"), "across the upper arm", "上臂段"),
        (("wrist", "axilla"), "from wrist to axilla", "腕"),
    ],
)
def test_a_stretch_is_named_as_the_anatomy_says(sites, en, zh):
    assert where_words(*sites, "en") == en
    assert zh in where_words(*sites, "zh")


def test_every_stretch_of_the_anatomy_has_words():
    for lang in languages():
        assert not [one.name for one in anatomy().stretches if one.name not in words(lang)]


def test_a_stretch_of_a_site_that_is_not_known_is_refused():
    raw = table("nerves").raw
    stretches = {"to_moon": {"proximal": ["moon"]}}
    with pytest.raises(TableError, match=r"stretches\.to_moon: unknown name 'moon'"):
        build(raw | {"stretches": stretches})
