"""study.toml corrects what a person can see is wrong in a recording."""

from __future__ import annotations

import pytest

from ncs_cb import StudyError, read_study
from ncs_cb.knowledge.anatomy import anatomy
from readers.handmade import median_mnc

NAME = "median.edf"


def told(folder, text, edf=None):
    (edf or median_mnc()).write(folder / NAME)
    (folder / "study.toml").write_text(f'[recordings."{NAME}"]\n{text}\n')
    return read_study(folder)


def by_site(study):
    return {t.site.stimulation_site: t for t in study.traces}


@pytest.mark.parametrize("side", ["R", "rt", "Right", "RECHTS", "右侧"])
def test_a_side_is_understood_in_every_spelling(tmp_path, side):
    study = told(tmp_path, f'side = "{side}"')
    assert {t.site.side for t in study.traces} == {"right"}


def test_a_word_that_is_no_side_is_refused_with_what_is_allowed(tmp_path):
    with pytest.raises(StudyError, match=r"side: 'both'; allowed: left, right"):
        told(tmp_path, 'side = "both"')


def test_a_person_in_the_place_of_a_side_is_not_quoted_but_the_place_is_named(tmp_path):
    with pytest.raises(StudyError, match=r"\.side: \(not shown.*allowed: left, right") as said:
        told(tmp_path, 'side = "Maria Muster"')
    assert "Muster" not in str(said.value)


@pytest.mark.parametrize(
    "text",
    [
        "distances_mm = { wrist = 70, elbow = 290 }",
        "distances_cm = { Handgelenk = 7, Ellenbogen = 29.0 }",
        'distances_mm = { wrist = 70 }\nsegment_lengths_mm = { "wrist-elbow" = 220 }',
        'distances_mm = { wrist = 70 }\nsegment_lengths_mm = { "Elbow - Wrist" = 220 }',
    ],
)
def test_distances_are_corrected_in_mm_in_cm_or_by_segment(tmp_path, text):
    found = by_site(told(tmp_path, text))
    assert found["wrist"].stimulus.distance_mm == 70.0
    assert found["elbow"].stimulus.distance_mm == 290.0


def test_a_length_of_a_segment_counts_from_the_distance_in_the_file(tmp_path):
    found = by_site(told(tmp_path, 'segment_lengths_mm = { "wrist-elbow" = 230 }'))
    assert found["elbow"].stimulus.distance_mm == 295.0  # 65 mm in the file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("distances_mm = { wrist = -5 }", "-5; plausible: 0 to 2000"),
        ("distances_mm = { wrist = inf }", "finite number, not inf"),
        ("distances_mm = { wrist = nan }", "finite number, not nan"),
        ("distances_cm = { wrist = 201 }", "201; plausible: 0 to 200"),
        ('distances_mm = { wrist = "7" }', "must be a number"),
        ("distances_mm = { wrist = 70, Handgelenk = 71 }", "'wrist' is said twice"),
        ("distances_mm = { ankle = 70 }", "no stimulus at 'ankle'; it has: elbow, wrist"),
        ("distances_mm = { wirst = 70 }", "unknown stimulation site 'wirst'"),
        ("distances_mm = { wrist = 70 }\ndistances_cm = { wrist = 7 }", "keep one"),
        ('segment_lengths_mm = { "wrist" = 70 }', "is no segment"),
        (
            "responses.wrist.onset_latency_ms = 9\n" * 1 + "responses.wrist.end_latency_ms = 8",
            "ends .8 ms. before it begins",
        ),
        ("responses.wrist.exclud = true", "Did you mean 'exclude'"),
    ],
)
def test_what_cannot_be_true_is_refused_with_its_key(tmp_path, text, message):
    with pytest.raises(StudyError, match=message):
        told(tmp_path, text)


def test_one_site_is_attested_and_who_said_so_is_kept(tmp_path):
    found = by_site(told(tmp_path, "responses.Wrist.supramaximal = true\ncollision_used = false"))
    wrist, elbow = found["wrist"].stimulus, found["elbow"].stimulus
    assert (wrist.is_supramaximal, wrist.supramaximal_by) == (True, "study.toml")
    assert (elbow.is_supramaximal, elbow.supramaximal_by) == (None, None)
    assert (elbow.collision_used, elbow.collision_by) == (False, "study.toml")


def test_one_site_is_denied_where_the_recording_as_a_whole_is_attested(tmp_path):
    found = by_site(told(tmp_path, "supramaximal = true\nresponses.elbow.supramaximal = false"))
    assert found["wrist"].stimulus.is_supramaximal is True
    assert found["elbow"].stimulus.is_supramaximal is False


def test_markers_set_by_hand_are_carried_by_site(tmp_path):
    text = "responses.elbow = { onset_latency_ms = 7.9, end_latency_ms = 13.0, exclude = true }"
    said = told(tmp_path, text).details.recordings[NAME].responses
    assert list(said) == ["elbow"]
    assert (said["elbow"].onset_latency_ms, said["elbow"].end_latency_ms) == (7.9, 13.0)
    assert said["elbow"].exclude is True


def test_a_sensory_row_takes_every_spelling_of_a_side(tmp_path):
    (tmp_path / "study.toml").write_text('[[sensory]]\nnerve = "Uln"\nside = "L"\n')
    (value,) = read_study(tmp_path).details.sensory
    assert (value.nerve, value.side) == ("ulnar", "left")


def test_every_site_of_the_anatomy_may_name_a_distance(tmp_path):
    from ncs_cb.model import Details, RecordingOverride
    from ncs_cb.readers._shared.told import settle

    for site, place in anatomy().sites.items():
        for name in (site, place.label, place.label_zh, *place.aliases):
            details = Details(recordings={"a": RecordingOverride(distances_mm={name: 1.0})})
            assert settle(details).recordings["a"].distances_mm == {site: 1.0}
