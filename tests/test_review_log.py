"""The log of corrections: appended, chained, shared by two writers, and never quietly wrong."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest

from ncs_cb import NcsError, StudyError, analyze, read_study, review_file
from ncs_cb.review import append, events
from review_visits import ulnar_visit

ELBOW = {"recording": "ulnar_right.csv", "site": "below_elbow"}


@pytest.fixture
def visit(tmp_path):
    return ulnar_visit(tmp_path / "visit")


def move(visit, to_ms=7.4, **more):
    return append(visit, who="mt", action="move", trace=ELBOW, marker="onset", to_ms=to_ms, **more)


def test_an_event_is_filled_in_written_and_listed(visit):
    event = move(visit, why="artefact")
    assert event["v"] == 1
    assert event["trace"]["sweep"] == 1
    assert event["trace"]["samples"].startswith("sha256:")
    assert event["from_ms"] == pytest.approx(7.0, abs=0.2)
    assert event["from_by"] == "auto"
    assert event["to_ms"] == 7.4
    assert events(visit) == [event]
    assert json.loads((visit / "review.jsonl").read_text("utf-8")) == event


def test_each_line_carries_the_hash_of_the_line_before(visit):
    move(visit)
    move(visit, 7.6)
    first, second = (visit / "review.jsonl").read_bytes().splitlines()
    assert json.loads(second)["prev"] == hashlib.sha256(first).hexdigest()
    assert json.loads(second)["from_by"] == "mt"


def test_the_log_of_a_single_file_lies_beside_it(visit):
    recording = visit / "ulnar_right.csv"
    append(recording, who="mt", action="exclude", trace={"site": "axilla"}, why="a test")
    assert (visit / "ulnar_right.review.jsonl").is_file()
    assert len(read_study(recording).corrections) == 1
    folder = read_study(visit)
    assert folder.corrections == ()
    assert "not applied" in [d.choice for d in folder.decisions if d.topic == "review"]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_line_changed_by_hand_is_an_error_that_names_it(visit, number):
    for to_ms in (7.3, 7.4, 7.5):
        move(visit, to_ms)
    log = visit / "review.jsonl"
    lines = log.read_text("utf-8").splitlines()
    lines[number - 1] = lines[number - 1].replace('"who":"mt"', '"who":"xy"')
    log.write_text("\n".join(lines) + "\n", "utf-8")
    for attempt in (events, read_study, move):
        with pytest.raises(StudyError, match=rf"review.jsonl: line {number}: .*changed"):
            attempt(visit)


def test_a_line_that_was_removed_is_noticed(visit):
    for to_ms in (7.3, 7.4, 7.5):
        move(visit, to_ms)
    log = visit / "review.jsonl"
    first, _, third = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(first + third)
    with pytest.raises(StudyError, match="line 2: does not follow"):
        events(visit)


def test_a_torn_last_line_is_dropped_with_a_warning_and_the_next_event_follows(visit):
    first = move(visit)
    move(visit, 7.6)
    log = visit / "review.jsonl"
    log.write_bytes(log.read_bytes()[:-40])
    with pytest.warns(UserWarning, match="torn"):
        assert events(visit) == [first]
    with pytest.warns(UserWarning, match="torn"):
        study = read_study(visit)
    assert [c.to_value for c in study.corrections] == [7.4]
    assert any(d.choice == "last line dropped" for d in study.decisions)
    with pytest.warns(UserWarning, match="torn"):
        second = move(visit, 7.7)
    assert events(visit) == [first, second]


def test_a_torn_line_that_is_not_the_last_is_an_error(visit):
    move(visit)
    move(visit, 7.6)
    log = visit / "review.jsonl"
    first, second = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(first[:-30] + b"\n" + second)
    with pytest.raises(StudyError, match="line 1: is damaged"):
        events(visit)


def test_two_writers_at_once_lose_nothing(visit):
    code = (
        "import sys; from ncs_cb.review import append\n"
        "for n in range(8): append(sys.argv[1], who=sys.argv[2], action='accept',"
        " trace={'site': 'wrist'})"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, visit, who]) for who in ("a", "b")]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    found = events(visit)
    assert len(found) == 16
    assert sorted(e["who"] for e in found) == ["a"] * 8 + ["b"] * 8
    assert len({e["id"] for e in found}) == 16


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"action": "mvoe"}, "Did you mean 'move'"),
        ({"action": "move", "marker": "onest", "to_ms": 7.0}, "Did you mean 'onset'"),
        ({"action": "move", "marker": "onset", "to_ms": float("nan")}, "finite"),
        ({"action": "move", "marker": "onset", "to_ms": 400.0}, "the sweep allows"),
        ({"action": "move", "marker": "onset", "to_ms": 10**400}, "finite"),
        ({"action": "move", "marker": "onset", "to_ms": np.float32("nan")}, "finite"),
        ({"action": "set", "key": "distance_mm", "to": 10**400}, "finite"),
        ({"action": "set", "key": "side", "to": "upper"}, "allowed: left, right"),
        ({"action": "exclude", "trace": 5}, "must say recording, site and sweep"),
        ({"action": "move", "marker": "onset", "to_ms": 20.0}, "would not follow each other"),
        ({"action": "set", "key": "sight", "to": "axilla"}, "known: site, side"),
        ({"action": "set", "key": "site", "to": "below_elbwo"}, "Did you mean 'below_elbow'"),
        ({"action": "set", "key": "site", "to": "popliteal_fossa"}, "ulnar"),
        ({"action": "set", "key": "distance_mm", "to": 29_000}, "plausible"),
        ({"action": "set", "key": "supramaximal", "to": "no"}, "allowed: true, false, none"),
        ({"action": "exclude", "trace": {"site": "erb"}}, "names no response"),
        ({"action": "exclude", "trace": {"place": "erb"}}, "unknown key 'place'"),
        ({"action": "exclude", "trace": {}}, "names 3 responses"),
        ({"action": "undo", "undoes": "01NOTHING"}, "no event before it"),
        ({"action": "accept", "who": " "}, "who is missing"),
        ({"action": "accept", "why": "x" * 3000}, "at most 2000"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(visit, event, message):
    with pytest.raises(StudyError, match=message):
        append(visit, **({"who": "mt", "trace": ELBOW} | event))
    assert not (visit / "review.jsonl").exists() or events(visit) == []


def test_text_of_any_kind_stays_on_its_line_as_text(visit):
    why = '<script>alert("1")</script>\n{"v":1} \u2028 \x1b[31m'
    event = move(visit, why=why)
    assert event["why"] == why
    assert events(visit)[0]["why"] == why
    assert len((visit / "review.jsonl").read_bytes().splitlines()) == 1


def test_a_log_that_is_a_link_is_not_written_through(visit, tmp_path):
    elsewhere = tmp_path / "elsewhere.txt"
    elsewhere.write_text("mine\n", "utf-8")
    (visit / "review.jsonl").symlink_to(elsewhere)
    with pytest.raises(NcsError, match=r"review\.jsonl"):
        move(visit)
    assert elsewhere.read_text("utf-8") == "mine\n"


def test_numbers_of_an_array_and_every_spelling_of_a_side_are_taken(visit):
    moved = move(visit, to_ms=np.float32(7.25))
    assert (moved["to_ms"], type(moved["to_ms"])) == (7.25, float)
    far = append(
        visit,
        who="mt",
        action="set",
        trace=ELBOW,
        key="distance_mm",
        to=np.int64(300),
        why="a test",
    )
    assert (far["to"], type(far["to"])) == (300.0, float)
    told = append(
        visit,
        who="mt",
        action="set",
        trace=ELBOW,
        key="supramaximal",
        to=np.bool_(True),
        why="a test",
    )
    assert told["to"] is True
    for spelled in ("L", "Links", "\u5de6"):
        side = append(
            visit, who="mt", action="set", trace=ELBOW, key="side", to=spelled, why="a test"
        )
        assert side["to"] == "left"


@pytest.mark.parametrize("to_ms", [-4.0, 1e6])
def test_a_time_outside_the_sweep_in_the_log_of_another_program_is_refused(visit, to_ms):
    told = move(visit)
    (visit / "review.jsonl").unlink()
    foreign = {name: value for name, value in told.items() if name not in ("prev", "sha256")}
    review_file.append(visit / "review.jsonl", foreign | {"to_ms": to_ms})
    result = analyze(read_study(visit))
    refused = [d for d in result.provenance.decisions if d.choice.startswith("refused")]
    assert ["the sweep allows" in d.reason for d in refused] == [True]
    onset = result.traces.set_index("stimulation_site").loc["below_elbow", "onset_latency_ms"]
    assert onset == pytest.approx(7.0, abs=0.1)


def without_sum(line):
    event = json.loads(line)
    del event["sha256"]
    return json.dumps(event, separators=(",", ":"))


def test_the_last_line_cannot_be_changed_by_taking_its_sum_away(visit):
    for to_ms in (7.3, 7.4, 7.5):
        move(visit, to_ms)
    log = visit / "review.jsonl"
    *first, last = log.read_text("utf-8").splitlines()
    changed = without_sum(last).replace('"to_ms":7.5', '"to_ms":9.0')
    assert changed != without_sum(last)
    log.write_text("\n".join([*first, changed]) + "\n", "utf-8")
    for attempt in (events, read_study, move):
        with pytest.raises(StudyError, match=r"review.jsonl: line 3: was changed"):
            attempt(visit)


def test_a_log_without_any_sums_is_read_and_carried_on(visit):
    move(visit, 7.3)
    log = visit / "review.jsonl"
    log.write_text(without_sum(log.read_text("utf-8")) + "\n", "utf-8")
    assert len(events(visit)) == 1
    move(visit, 7.4)
    assert [("sha256" in event) for event in events(visit)] == [False, True]


def test_what_changes_a_grade_needs_a_reason_in_python_as_on_the_page(visit):
    asked = {"who": "mt", "action": "exclude", "trace": ELBOW}
    for why in ("", "  "):
        with pytest.raises(StudyError, match=r"a grade changes; give the reason\. right, ulnar"):
            append(visit, **asked, why=why)
    assert not (visit / "review.jsonl").exists()
    event = append(visit, **asked, why="electrode came off")
    with pytest.raises(StudyError, match="a grade changes"):
        append(visit, who="mt", action="undo", undoes=event["id"])
    append(visit, who="mt", action="undo", undoes=event["id"], why="it had not")
    # Where no grade changes none is asked for.
    append(visit, who="mt", action="accept", trace=ELBOW)
    move(visit, to_ms=7.15)
    assert [one["action"] for one in events(visit)] == ["exclude", "undo", "accept", "move"]
