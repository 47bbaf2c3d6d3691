"""What a message may quote: slips for words of ours, never what may be a name, date or number."""

import unicodedata

import pytest

import identities
from ncs_cb.discreet import is_telling, without_quotes
from ncs_cb.errors import NcsError
from ncs_cb.readers import read_study
from ncs_cb.study_file import json_schema

# Names of one slip from a word of ours, of three letters, or with an accent of its own; dates and
# numbers as they are written.
PEOPLE = [
    *("Weber", "Parker", "Palmer", "Fischer", "Stewart", "Schäfer", "Emil", "Carl", "Bell", "Doe"),
    *("Lee", "Kim", "İkiz", "İlgi", unicodedata.normalize("NFD", "Nguyễn Thị Hồng")),
    *("02 Mar 1951", "02-MAR-1951", "March 2, 1951", "2. Mai 1951", "7 8 51", "707 93 97"),
    *("28.06.1951", "1951/06/28", "٤٧١١٠٠٢"),
]


@pytest.mark.parametrize("person", PEOPLE)
def test_a_name_near_a_word_of_ours_and_any_date_is_telling(person):
    assert is_telling(person)
    assert person not in without_quotes(f"unknown nerve '{person}'; known: median, ulnar.")


@pytest.mark.parametrize("slip", ["tibail", "peronaeal", "medain nerve", "stimulus_mA", "S  12"])
def test_a_slip_in_a_long_word_of_ours_is_told(slip):
    assert not is_telling(slip)


@pytest.mark.parametrize(
    ("message", "number", "size"),
    [
        ("row 2, column 'stimulus_ma': 50069; plausible: 0 to 1000.", "50069", "about 50000"),
        ("to: 471100 mm; plausible: 0 to 2000 mm.", "471100", "about 470000"),
        ("age_years: 4.711e+06; plausible: 0 to 120.", "4.711e+06", "about 4700000"),
        ("a stimulus of 47110 mm at 'wrist' is implausible; 0 to 2000 mm.", "47110", "about 47000"),
        # The microvolts of a column in millivolts.
        ("row 5, column 'amp (mV)': 10000; plausible: 0 to 100.", "10000", "10000"),
        ("row 5, column 'amp (mV)': 11432; plausible: 0 to 100.", "11432", "about 11000"),
    ],
)
def test_a_number_that_cannot_be_true_may_be_one_of_a_hospital(message, number, size):
    assert number in message
    assert without_quotes(message) == message.replace(number, size)
    assert "1500;" in without_quotes("row 2, column 'stimulus_ma': 1500; plausible: 0 to 1000.")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[person]\nsex = 'f'\n", "allowed: 'female' or 'male'."),
        (
            "[[needle_emg]]\nmuscle = 'fdi'\nside = 'left'\nmotor_unit_changes = 'Mustermann'\n",
            "allowed: 'none', 'acute', 'chronic' or 'unknown'.",
        ),
    ],
)
def test_a_message_says_every_word_that_study_toml_allows(tmp_path, text, told):
    identities.understood(tmp_path)
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(NcsError) as caught:
        read_study(tmp_path)
    assert told in str(caught.value)
    assert "Muster" not in str(caught.value)


def test_every_word_and_key_of_study_toml_is_one_of_ours():
    def words(schema):
        if isinstance(schema, dict):
            yield from schema.get("enum", ())
            yield from schema.get("properties", ())
            for below in schema.values():
                yield from words(below)

    found = {word for word in words(json_schema()) if isinstance(word, str)}
    assert len(found) > 60
    assert [word for word in sorted(found) if is_telling(word)] == []


@pytest.mark.parametrize(
    "place",
    [
        *("sidecar nerve", "sidecar unknown key", "sidecar key of a trace", "study limb"),
        *("study finding", "study segment length", "lab key", "lab letterhead key", "lab word"),
        *("table nerve", "table header", "viking muscle", "record nerve"),
    ],
)
@pytest.mark.parametrize(
    "form",
    [
        *("{0}: {1}", "28.06.1951", "707 93 97", "02 Mar 1951", '{0} "{1}": {1}', "{0}.{1}: x"),
        *("x.{1}", "7 8 51"),
    ],
)
def test_no_form_of_a_name_or_date_reaches_a_message(tmp_path, place, form):
    who = form.format("Wkpq", identities.person(10))
    planted = who if place.split()[0] not in ("study", "lab") else who.replace('"', "'")
    folder = tmp_path / "s"
    folder.mkdir()
    _plant(place, folder, planted)
    with pytest.raises(NcsError) as told:
        read_study(folder)
    said = f"{told.value} {told.value.hint}"
    assert [part for part in (identities.person(10), "Wkpq", who) if part in said] == []


def _plant(place, folder, who):
    """Plant a name where TOML wants its keys in quotes."""
    keys = {
        "study limb": '[limb_temperature_c]\n"WHO" = 33.0\n',
        "study finding": '[clinical]\n"WHO" = true\n',
        "lab key": '["WHO"]\na = 1\n',
        "lab letterhead key": '[letterhead]\n"WHO" = "a"\n',
        "lab word": '[words.nerve]\n"WHO" = ["a"]\n',
    }
    if place not in keys:
        identities.PLACES[place](folder, who)
    else:
        make = identities.study if place.startswith("study") else identities.lab
        make(keys[place])(folder, who)


def test_a_unit_in_study_toml_that_nothing_needs_is_refused_all_the_same(tmp_path):
    identities.understood(tmp_path)
    (tmp_path / "study.toml").write_text('[recordings."s.csv"]\nunit = "Mustermann"\n')
    with pytest.raises(NcsError, match="voltage unit") as told:
        read_study(tmp_path)
    assert "Muster" not in str(told.value)
