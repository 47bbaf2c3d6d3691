"""Copies without identity: nothing of the person stays, every sample does."""

from __future__ import annotations

import os

import numpy as np
import pytest

from ncs_cb import ReadError, read_study
from ncs_cb.readers.edf import anonymize
from readers.handmade import ELBOW, WRIST, Signal, median_mnc, tal

SECRETS = [
    b"TEST-0001",
    b"01-JAN-1950",
    b"Fictional",
    b"ADM-77",
    b"Technician",
    b"Secretary",
    b"Zweig",
    b"Anna",
    b"Mueller",
    b"B-12345",
    b"Roomthree",
    b"reserved words",
    b"11.25.00",
    b"Heinz",
]
NOTE = (
    '<EDF_XMLnote><StimB><distance unit="cm">28.5</distance><position>right elbow</position>'
    "</StimB></EDF_XMLnote>"
)


def full_of_names():
    edf = median_mnc(
        patient="TEST-0001 F 01-JAN-1950 Fictional_Person",
        recording="Startdate 02-MAR-2002 ADM-77 Technician Secretary MNC R Median Nerve. Zweig",
        start_date="02.03.02",
        transducer="bought by Roomthree",
        prefilter="HP:3Hz Heinz LP:20kHz",
        reserved="EDF+D reserved words",
        annotation_samples=400,
        tals=[
            tal("+0", "", WRIST, "Anna Mueller called", "Supramaximal")
            + tal("+0.01", "patient B-12345"),
            tal("+10", "", "StimB", NOTE, "Response 7.2mV at 7.8ms", "Stimulus right Anna 3mA"),
        ],
    )
    edf.signals.append(
        Signal(np.zeros((2, 4)), label="Temp of Anna", dimension="degC", limits=(0, 50))
    )
    return edf


def test_nothing_of_the_person_stays_and_every_sample_does(tmp_path):
    edf = full_of_names()
    edf.tals[1] = tal("+10", "", "StimB", NOTE, "Response 7.2mV at 7.8ms", "Anna")
    source = edf.write(tmp_path / "in.edf")
    before = source.read_bytes()
    target = anonymize(source, tmp_path / "new" / "out.edf")
    after = target.read_bytes()
    assert source.read_bytes() == before
    assert len(after) == len(before)
    assert all(any(secret in before for secret in [s]) for s in SECRETS)
    assert not [s for s in SECRETS if s in after]
    n_bytes, step = 1024, (len(before) - 1024) // 2
    for record in range(2):
        start = n_bytes + record * step
        assert after[start : start + 2008] == before[start : start + 2008]
    assert os.listdir(tmp_path / "new") == ["out.edf"]


def test_what_a_copy_says_of_the_nerve_is_what_the_source_said(tmp_path):
    edf = full_of_names()
    edf.tals[1] = tal("+10", "", "StimB", NOTE, "Response 7.2mV at 7.8ms")
    source = edf.write(tmp_path / "in.edf")
    one, other = read_study(source), read_study(anonymize(source, tmp_path / "out.edf"))
    for a, b in zip(one.traces, other.traces, strict=True):
        assert (a.site, a.stimulus, a.machine) == (b.site, b.stimulus, b.machine)
        assert (a.high_pass_hz, a.low_pass_hz) == (b.high_pass_hz, b.low_pass_hz)
        np.testing.assert_array_equal(a.samples_mv, b.samples_mv)
    assert one.details.age_years == 52.0
    assert other.details.age_years is None
    assert other.details.visit_date is None


def test_a_stimulus_text_with_a_name_in_it_is_dropped_too(tmp_path):
    source = full_of_names().write(tmp_path / "in.edf")
    after = anonymize(source, tmp_path / "out.edf").read_bytes()
    assert b"Anna" not in after


def test_the_date_is_kept_only_when_asked_for(tmp_path):
    source = median_mnc(start_date="02.03.02").write(tmp_path / "in.edf")
    kept = read_study(anonymize(source, tmp_path / "out.edf", keep_dates=True))
    assert kept.details.visit_date.isoformat() == "2002-03-02"
    assert b"11.25" not in (tmp_path / "out.edf").read_bytes()


@pytest.mark.parametrize("link", [False, True])
def test_the_source_is_never_overwritten(tmp_path, link):
    source = median_mnc().write(tmp_path / "in.edf")
    target = source
    if link:
        target = tmp_path / "same.edf"
        target.symlink_to(source)
    before = source.read_bytes()
    with pytest.raises(ReadError, match="source itself"):
        anonymize(source, target)
    assert source.read_bytes() == before


def test_a_damaged_source_leaves_no_target(tmp_path):
    source = tmp_path / "cut.edf"
    source.write_bytes(median_mnc().to_bytes()[:2000])
    with pytest.raises(ReadError, match="truncated"):
        anonymize(source, tmp_path / "out.edf")
    assert not (tmp_path / "out.edf").exists()


def test_plain_edf_and_bdf_plus_are_cleaned_too(tmp_path):
    plain = median_mnc(
        reserved="",
        patient="Fictional Person 1950",
        recording="Zweig room",
        tals=[tal("+0", "", WRIST), tal("+0.05", "", ELBOW)],
    )
    out = anonymize(plain.write(tmp_path / "p.edf"), tmp_path / "p2.edf").read_bytes()
    assert b"Fictional" not in out
    assert b"Zweig" not in out
    bdf = median_mnc(sample_bytes=3, reserved="BDF+D", patient="A F 01-JAN-1950 Fictional")
    out = anonymize(bdf.write(tmp_path / "b.bdf"), tmp_path / "b2.bdf")
    assert b"Fictional" not in out.read_bytes()
    assert len(read_study(out).traces) == 2


NUMBER = "719450213"  # of a patient, and of no latency, current or filter


@pytest.mark.parametrize(
    "hidden",
    [
        {"prefilter": f"HP:{NUMBER}Hz LP:20kHz"},
        {"tals": [tal("+0", "", f"Response {NUMBER}mV at 7.8ms", WRIST), tal("+10", "", ELBOW)]},
        {"tals": [tal("+0", "", f"Stimulus right wrist {NUMBER}", WRIST), tal("+10", "", ELBOW)]},
        {"tals": [tal("+0", "", WRIST), tal("+10", "", "StimB", NOTE.replace("28.5", NUMBER))]},
        {"tals": [tal("+0", "", WRIST), tal("+10", "", NOTE.replace('"cm"', f'"{NUMBER}"'))]},
        {"tals": [tal(f"+0\x15{NUMBER}", "", WRIST), tal("+10", "", ELBOW)]},
        {"second": ("EDF Annotations2", f"+0\x14{NUMBER}\x14\x00")},
        {"second": ("Trigger", f"+0\x15{NUMBER}\x14a\x14\x00")},
    ],
    ids=["filter", "response", "stimulus", "note", "attribute", "duration", "list", "trigger"],
)
def test_a_number_that_is_no_measurement_does_not_stay(tmp_path, hidden):
    second = hidden.pop("second", None)
    edf = median_mnc(**({"annotation_samples": 400} | hidden))
    if second:
        label, text = second
        raw = np.frombuffer(text.encode().ljust(80, b"\x00"), "<i2").astype(float)
        raws = {"limits": (-32768, 32767), "digital": (-32768, 32767), "dimension": ""}
        edf.signals.append(Signal(np.stack([raw, raw]), label=label, **raws))
    source = edf.write(tmp_path / "in.edf")
    assert NUMBER.encode() in source.read_bytes()
    after = anonymize(source, tmp_path / "out.edf").read_bytes()
    assert NUMBER.encode() not in after
    assert len(read_study(tmp_path / "out.edf").traces) >= 1


def test_limits_of_a_signal_that_is_no_response_say_nothing(tmp_path):
    edf = median_mnc()
    edf.signals.append(Signal(np.zeros((2, 4)), label="Ward", dimension="%", limits=(0, 719450)))
    after = anonymize(edf.write(tmp_path / "in.edf"), tmp_path / "out.edf").read_bytes()
    assert b"719450" not in after


@pytest.mark.parametrize(
    ("name", "is_told"),
    [
        ("Fictional_Person_1950.edf", True),
        ("ulnarFICTIONAL.edf", True),
        ("Fictional/median.edf", True),
        ("90417/median.edf", True),
        ("median.edf", False),
        # Of the date of birth and the sex nothing is looked for.
        ("visit-1950/jan.edf", False),
    ],
)
@pytest.mark.parametrize("is_lone", [False, True])
def test_a_copy_whose_name_tells_what_its_header_told_is_warned_of(
    tmp_path, run, name, is_told, is_lone
):
    root, out = tmp_path / "in", tmp_path / "out"
    median_mnc(patient="90417 F 01-JAN-1950 Fictional_Person").write(root / name)
    if is_lone and "/" in name:
        pytest.skip("the folder of a single copy is the caller's choice")
    if is_lone:
        status, _, said = run("anonymize", root / name, out / name)
    else:
        status, _, said = run("anonymize", root, out)
    assert status == 0
    assert (out / name).exists()
    assert ("warning: the name of this copy" in said) is is_told
    if not is_lone:
        (tmp_path / "key").write_text("an invented secret of this laboratory")
        _, _, said = run("anonymize", root, tmp_path / "hashed", "--key", tmp_path / "key")
        assert "warning" not in said
