"""Who was examined stays in the recordings: nothing that is written or said names the person."""

import ast
import base64
import hashlib
import hmac
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import archives
import identities
import ncs_cb
from ncs_cb import discreet, review_file
from ncs_cb.batch.identity import Pseudonyms, scrub
from ncs_cb.cli import main
from ncs_cb.discreet import without_quotes
from ncs_cb.errors import NcsError
from ncs_cb.readers import read_study
from ncs_cb.review import append
from review_visits import response, ulnar_visit, write_table

_ELBOW = {"recording": "ulnar_right.csv", "site": "below_elbow"}

# Invented. Each stands in one place of the inputs, so that a leak names its source.
PLANTED = {
    "header name": "Header_Nameperson",
    "header code": "HOSP-7741902",
    "header birth date": "07-AUG-1951",
    "technician": "Cianova",
    "admin code": "ADM-5550",
    "equipment": "SN99887",
    "annotation": "Annotated_Nameperson",
    "xml": "Xmlina_Nameperson",
    "sidecar": "Sidecar_Nameperson",
    "sidecar id": "CSVID-6612",
    "csv column": "Columna_Nameperson",
    "study.toml unknown key": "Tomlina_Nameperson",
    "study.toml comment": "Commenta_Nameperson",
    "site table": "Sitetable_Nameperson",
}
NAMES_ON_DISK = {
    "folder": "Folder_Nameperson",
    "file": "Filename_Nameperson",
    "lone file": "Lonely_Nameperson",
    "broken file": "Broken_Nameperson",
}


def recording() -> bytes:
    p = PLANTED
    xml = f"<EDF_XMLnote><patient><name>{p['xml']}</name></patient></EDF_XMLnote>"
    field = f"{p['admin code']} {p['technician']} {p['equipment']} MNC R Median"
    return archives.nerve_file(
        archives.NERVES[0],
        np.random.default_rng(3),
        patient=f"{p['header code']} F {p['header birth date']} {p['header name']}",
        recording=f"Startdate 02-MAR-2026 {field}"[:80],
        notes=(p["annotation"], xml),
    )


def plant(root: Path) -> None:
    """An archive with an identity in every place that could hold one."""
    p = PLANTED
    sound = root / "p1"
    sound.mkdir(parents=True)
    (sound / "median.edf").write_bytes(recording())
    time = np.arange(1000) / 20.0 - 2.0
    traces = {"wrist": archives.cmap(3.0, 9.0, 5.5), p["csv column"]: archives.cmap(7.0, 8.5, 5.6)}
    lines = [",".join(["time_ms", *traces])]
    lines += [",".join(f"{v:.5f}" for v in row) for row in zip(time, *traces.values(), strict=True)]
    (sound / "ulnar.csv").write_text("\n".join(lines))
    sidecar = {
        "nerve": "ulnar",
        "side": "right",
        "muscle": "adm",
        "unit": "mV",
        "polarity": "negative_up",
        "high_pass_hz": 2,
        "low_pass_hz": 10000,
        "traces": {
            "wrist": {"site": "wrist", "distance_mm": 70},
            p["csv column"]: {"site": "below_elbow", "distance_mm": 280},
        },
    }
    (sound / "ulnar.json").write_text(json.dumps(sidecar))
    (sound / "study.toml").write_text(f"# {p['study.toml comment']}\n[person]\nage_years = 44\n")
    named = root / "p2"
    named.mkdir()
    (named / "median.edf").write_bytes(recording())
    (named / "ulnar.csv").write_text("\n".join(lines))
    leaky = sidecar | {"patient_name": p["sidecar"], "patient_id": p["sidecar id"]}
    (named / "ulnar.json").write_text(json.dumps(leaky))
    faulty = root / "p3"
    faulty.mkdir()
    (faulty / "median.edf").write_bytes(recording())
    (faulty / "study.toml").write_text(f'[person]\nname = "{p["study.toml unknown key"]}"\n')
    typed = root / "p4"
    typed.mkdir()
    (typed / "sites.csv").write_text(
        "nerve,side,muscle,stimulation_site,distance_mm,onset_latency_ms,"
        "negative_peak_amplitude_mv,negative_peak_area_mv_ms,negative_peak_duration_ms,patient\n"
        f"median,right,apb,wrist,70,3.4,9.1,28,5.5,{p['site table']}\n"
        f"median,right,apb,elbow,290,7.3,8.7,27,5.6,{p['site table']}\n"
    )
    cut = root / "p5"
    cut.mkdir()
    (cut / "median.edf").write_bytes(recording()[:2000])


def written(out: Path) -> dict[str, str]:
    """Every file below `out` as text, compressed columns unpacked, with every name on disk."""
    import pyarrow.parquet as pq

    found = {"names on disk": "\n".join(str(p.relative_to(out)) for p in out.rglob("*"))}
    for path in out.rglob("*"):
        if not path.is_file():
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            text += f"{file.schema_arrow.metadata}{file.read().to_pylist()}"
        found[str(path.relative_to(out))] = text
    return found


def leaks(texts: dict[str, str], planted: dict[str, str]) -> list[str]:
    """Which planted words stand where; words are compared without case and separators."""

    def folded(text: str) -> str:
        return re.sub(r"[\s_\-.]+", "", text).casefold()

    return [
        f"{what} ({word}) in {where}"
        for where, text in texts.items()
        for what, word in planted.items()
        if folded(word) in folded(text)
    ]


@pytest.fixture
def archive(tmp_path) -> Path:
    plant(tmp_path / "root")
    return tmp_path / "root"


def run(capfd, *arguments: object) -> dict[str, str]:
    """Run a command; give what it said, also through worker processes."""
    with pytest.raises(SystemExit):
        main([str(a) for a in arguments])
    said = capfd.readouterr()
    return {"standard output": said.out, "standard error": said.err}


def test_the_planted_words_are_really_in_the_inputs(archive):
    texts = {str(p): p.read_bytes().decode("utf-8", "replace") for p in archive.rglob("*.*")}
    for what, word in PLANTED.items():
        assert any(word in text for text in texts.values()), what


def test_a_batch_with_reports_names_nobody(archive, tmp_path, capfd):
    said = run(capfd, "batch", archive, "--out", tmp_path / "out", "--reports", "--workers", 1)
    texts = written(tmp_path / "out") | said
    assert any(name.endswith("report.html") for name in texts)
    assert leaks(texts, PLANTED) == []


def test_an_analysis_names_nobody(archive, tmp_path, capfd):
    inputs = sorted(archive.iterdir())
    said = run(capfd, "analyze", *inputs, "--out", tmp_path / "out")
    assert leaks(written(tmp_path / "out") | said, PLANTED) == []
    said = run(capfd, "validate", *inputs)
    assert leaks(said, PLANTED) == []


def test_with_a_key_names_of_folders_and_files_are_hidden_too(archive, tmp_path, capfd):
    n = NAMES_ON_DISK
    (archive / "p1").rename(archive / n["folder"])
    (archive / n["folder"] / "median.edf").rename(archive / n["folder"] / f"{n['file']}.edf")
    (archive / f"{n['lone file']}.edf").write_bytes(recording())
    (archive / "p5/median.edf").rename(archive / "p5" / f"{n['broken file']}.edf")
    key = tmp_path / "lab.key"
    key.write_bytes(os.urandom(32))
    arguments = ("batch", archive, "--out", tmp_path / "out", "--reports", "--workers", 1)
    said = run(capfd, *arguments, "--key", key)
    texts = written(tmp_path / "out") | said
    # The folder _batch is the lab's own: it must know its inputs to know what is done.
    public = {where: text for where, text in texts.items() if not where.startswith("_batch")}
    assert leaks(public, PLANTED | n) == []
    assert leaks(texts, PLANTED) == []


def test_a_pseudonym_is_stable_for_a_key_and_says_nothing_without_it():
    one, other = Pseudonyms(b"0123456789abcdef"), Pseudonyms(b"fedcba9876543210")
    assert one.of("Jane") == Pseudonyms(b"0123456789abcdef").of("Jane")
    assert len({one.of("Jane"), one.of("Jane "), other.of("Jane")}) == 3
    assert re.fullmatch(r"x[a-z2-7]{16}", one.of("Jane"))
    assert one.of("é") == one.of("e\u0301"), "the same name however it is encoded"
    assert one.of_file("Jane_ulnar.EDF").endswith(".edf")


def test_with_a_key_no_part_of_a_name_behind_a_point_is_shown(tmp_path, capfd):
    """A suffix tells a format; what else stands behind a point may be a name."""
    root, key = tmp_path / "root", tmp_path / "lab.key"
    key.write_text("an invented secret of this laboratory")
    persons = {n: f"{n.capitalize()}person" for n in ("folder", "group", "file", "copy")}
    places = (
        root / f"Dr. {persons['folder']}" / "median.edf",
        root / f"by Dr.{persons['group']}" / "visit" / "median.edf",
        root / "p1" / f"median.edf.{persons['file']}",
        root / "p2" / f"REC001.{persons['copy']}",
    )
    for place in places:
        place.parent.mkdir(parents=True)
        place.write_bytes(recording())
    asked = ("--key", key)
    said = run(capfd, "batch", root, "--out", tmp_path / "out", "--reports", "--workers", 1, *asked)
    public = {w: t for w, t in written(tmp_path / "out").items() if not w.startswith("_batch")}
    assert leaks(public | said, persons) == []
    assert "/failures.csv" not in public
    said = run(capfd, "anonymize", root, tmp_path / "copies", *asked)
    assert leaks(written(tmp_path / "copies") | said, persons) == []
    assert len([p for p in (tmp_path / "copies").rglob("*") if p.is_file()]) == len(places)


def test_a_short_key_is_refused(tmp_path):
    (tmp_path / "key").write_bytes(b"  short  \n")
    with pytest.raises(NcsError, match="5 bytes; at least 16"):
        Pseudonyms.from_file(tmp_path / "key")


def test_a_message_loses_every_known_name_and_nothing_else():
    names = {"Jane_Doe": "xa", "Jane_Doe.edf": "xb.edf", "e": "xc"}
    assert scrub("Jane_Doe.edf: in Jane_Doe the site 'elbow'", names) == (
        "xb.edf: in xa the site 'elbow'"
    )


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("empty.edf: the file is empty.", "xb.edf: the file is empty."),
        ("empty: the file is empty.", "xa: the file is empty."),
        (
            "unit.edf: export it with its unit (mV or uV).",
            "xd.edf: export it with its unit (mV or uV).",
        ),
        (
            "no study 'unit'; it is in empty/unit or \"empty\"",
            "no study 'xc'; it is in xa/xc or \"xa\"",
        ),
        # A name that is no word of ours is one wherever it stands; so is a word with a capital.
        ("the visit of muster, or of Palm, is empty", "the visit of xe, or of xf, is empty"),
    ],
)
def test_a_file_called_like_a_word_of_ours_does_not_garble_our_sentences(message, told):
    names = {"empty": "xa", "empty.edf": "xb.edf", "unit": "xc", "unit.edf": "xd.edf"}
    assert scrub(message, names | {"muster": "xe", "Palm": "xf"}) == told


def test_two_runs_with_one_key_agree_and_another_key_is_another_archive(archive, tmp_path, capfd):
    for name in ("a.key", "b.key"):
        (tmp_path / name).write_bytes(name.encode() * 8)
    arguments = ("batch", archive, "--out", tmp_path / "out", "--workers", 1, "--key")
    run(capfd, *arguments, tmp_path / "a.key")
    again = run(capfd, *arguments, tmp_path / "a.key")["standard error"]
    assert "0 analyzed now" in again
    other = run(capfd, *arguments, tmp_path / "b.key")["standard error"]
    assert "5 analyzed now" in other


def test_identity_is_kept_only_when_asked_for(archive, tmp_path, capfd):
    run(capfd, "analyze", archive / "p1", "--out", tmp_path / "out", "--keep-identity")
    kept = leaks(written(tmp_path / "out"), PLANTED)
    assert any("annotation" in leak for leak in kept)


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> tuple[Path, dict[str, str], dict[str, str]]:
    """Studies with one person in each of more than a hundred places; most of them fail."""
    root = tmp_path_factory.mktemp("planted") / "root"
    found = identities.plant_all(root, identities.PLACES)
    typed = identities.plant_all(root, identities.TYPED, first=10 + len(found))
    return root, found, typed


def test_the_planted_people_are_really_in_their_studies(planted):
    root, found, typed = planted
    assert len(found) >= 60
    for number, (place, who) in enumerate((found | typed).items(), start=10):
        texts = [p.read_bytes() for p in (root / f"s{number}").iterdir()]
        names = [p.name for p in (root / f"s{number}").iterdir()]
        shown = [t.decode(c, "ignore") for t in texts for c in ("utf-8", "utf-16")]
        zipped = place == "spreadsheet"
        assert zipped or any(who[:8] in text for text in (*shown, *names)), place


@pytest.mark.parametrize("place", identities.PLACES)
def test_what_is_said_of_a_file_that_fails_gives_nobody_away(tmp_path, place):
    who = identities.person(10)
    folder = tmp_path / "s"
    folder.mkdir()
    identities.PLACES[place](folder, who)
    said = ""
    try:
        assert read_study(folder).notes == ()
    except NcsError as problem:
        said = f"{problem} {problem.hint}"
    assert leaks({"message": said}, {place: who}) == []


@pytest.mark.slow
@pytest.mark.parametrize("with_key", [False, True])
def test_no_place_of_a_file_gives_a_person_away_in_a_batch(planted, tmp_path, capfd, with_key):
    root, found, typed = planted
    key = tmp_path / "lab.key"
    key.write_bytes(b"0123456789abcdef" * 2)
    more = ("--key", key) if with_key else ()
    said = run(capfd, "batch", root, "--out", tmp_path / "out", *more)
    texts = written(tmp_path / "out") | said
    public = {where: text for where, text in texts.items() if not where.startswith("_batch")}
    assert leaks(public, found | typed if with_key else found) == []
    failed = (tmp_path / "out/failures.csv").read_text("utf-8").count("\n") - 1
    assert 40 < failed < len(found)


@pytest.mark.slow
def test_no_place_of_a_file_gives_a_person_away_in_a_report(planted, tmp_path, capfd):
    root, found, typed = planted
    key = tmp_path / "lab.key"
    key.write_bytes(b"0123456789abcdef" * 2)
    for number in range(10, 10 + len(found) + len(typed)):
        if number < 10 + len(found) and number % 4:
            continue
        (tmp_path / "some" / f"s{number}").parent.mkdir(exist_ok=True)
        shutil.copytree(root / f"s{number}", tmp_path / "some" / f"s{number}")
    arguments = ("batch", tmp_path / "some", "--out", tmp_path / "out", "--reports")
    said = run(capfd, *arguments, "--key", key)
    texts = written(tmp_path / "out") | said
    public = {where: text for where, text in texts.items() if not where.startswith("_batch")}
    assert leaks(public, found | typed) == []
    assert len(list((tmp_path / "out" / "reports").iterdir())) > 8


def test_a_screen_full_of_failures_gives_nobody_away(planted, tmp_path, capfd):
    root, found, _ = planted
    said = run(capfd, "-v", "validate", *(root / f"s{n}" for n in range(10, 10 + len(found), 3)))
    assert leaks(said, found) == []


@pytest.mark.parametrize(
    "text",
    [
        "'ncs-cb validate FILE --sidecar' prints one; 'ncs-cb formats sweep_table' says the rest.",
        "Write 'true' only where stimulation was seen to be so; missing key 'pattern'.",
        "strength.side: 'both'; allowed: left, right.",
    ],
)
def test_our_own_advice_and_keys_are_shown(text):
    assert without_quotes(text) == text


@pytest.mark.parametrize("end", ["'", "", " ..."])
def test_a_name_in_quotes_is_hidden_also_where_the_message_was_cut(end):
    assert "Muster" not in without_quotes(f"unknown nerve 'Maria Muster{end}")


@pytest.mark.parametrize("around", ["{0}' {1}", "elbow' {1} 'wrist", "x'; known: {1}", "{0}: {1}"])
@pytest.mark.parametrize(
    "place",
    [
        *("sidecar nerve", "sidecar unknown key", "sidecar key of a trace", "sidecar site"),
        *("sweep told of no column", "table nerve", "study nerve", "study segment length"),
        *("study recording", "review action"),
    ],
)
def test_marks_and_blanks_inside_a_name_bring_no_part_of_it_out(tmp_path, place, around):
    who = identities.person(10)
    folder = tmp_path / "s"
    folder.mkdir()
    identities.PLACES[place](folder, around.format("Wkpq", who))
    with pytest.raises(NcsError) as told:
        read_study(folder)
    assert leaks({"message": f"{told.value} {told.value.hint}"}, {place: who}) == []


def test_our_own_messages_are_not_taken_for_names():
    """What a text of ours says around its quotation marks is shown, whatever stands in them."""
    home = Path(ncs_cb.__file__).parent
    rooms = [
        path
        for room in ("readers", "study_file", "knowledge")
        for path in (home / room).rglob("*.py")
    ]
    nodes = [node for path in rooms for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    first = [n.body[0] for n in nodes if isinstance(n, documented) and n.body]
    docstrings = {id(one.value) for one in first if isinstance(one, ast.Expr)}
    n_texts = 0
    for node in (node for node in nodes if id(node) not in docstrings):
        text = literal(node) if isinstance(node, ast.Constant | ast.JoinedStr) else ""
        if re.search(r"(?<!\w)'.*'", text) and " " in text and "\n" not in text:
            n_texts += 1
            told = without_quotes(re.sub(r"(?<!\w)'.*?'(?!\w)", "'wrist'", text))
            assert "may name a person" not in told, text
            # Nor is a word of ours that stands in the quotes; a piece of a sentence has no start.
            assert text.startswith("'") or without_quotes(text) == text
    assert n_texts > 80


def literal(node: ast.AST) -> str:
    """Give what a message says whatever its values are: each of them is a word of ours."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(literal(part) for part in node.values)
    if isinstance(node, ast.BinOp):
        return literal(node.left) + literal(node.right)
    return "wrist"


# ---------------------------------------------------------------------------- corrections


def _log_with_names(folder: Path, *names: str) -> None:
    """Write a log, well formed and chained, that holds a name wherever a text may stand."""
    first, second, third, fourth, fifth = names
    append(folder, who=first, action="move", trace=_ELBOW, marker="onset", to_ms=7.2, why=second)
    # Another one moves it on: who had set it before stands in that event too.
    append(folder, who=third, action="move", trace=_ELBOW, marker="onset", to_ms=7.4, why="a test")
    strange = {"id": fourth, "at": "2026-03-02T10:11:12Z", "who": "mt", "action": "accept"}
    strange |= {"ncs_cb": "0.3.0", "from_by": fifth}
    strange["trace"] = {"recording": fourth, "site": fifth, "samples": fifth, "sweep": 0}
    review_file.append(folder / "review.jsonl", strange)


def test_with_a_key_no_text_of_a_correction_gives_its_author_away(tmp_path, capfd):
    people = [identities.person(n) for n in range(10, 15)]
    folder = ulnar_visit(tmp_path / "root" / "a")
    _log_with_names(folder, *people)
    key = tmp_path / "lab.key"
    key.write_bytes(b"0123456789abcdef" * 2)
    arguments = ("batch", tmp_path / "root", "--out", tmp_path / "out", "--reports", "--key", key)
    said = run(capfd, *arguments)
    texts = {w: t for w, t in (written(tmp_path / "out") | said).items() if w[0] != "_"}
    assert any("hidden 1" in text for text in texts.values())
    assert leaks(texts, dict(zip("abcde", people, strict=True))) == []
    rows = pd.read_parquet(tmp_path / "out" / "reviews")
    assert rows["state"].tolist() == ["applied", "applied", "refused"]
    assert rows["from_by"].iloc[0] == "auto"
    # Who had set the value before is still seen to be who made the first correction.
    assert rows["from_by"].iloc[1] == rows["who"].iloc[0] != rows["who"].iloc[1]
    assert rows["event"].str.len().iloc[0] == 26


def test_with_a_key_a_stimulus_that_a_person_assigned_stays_assigned(tmp_path, capfd):
    folder = tmp_path / "root" / "a"
    traces = {"wrist": (response(3.0, 10.0), 70), "Reiz zwei": (response(7.0, 9.0), 290)}
    path = write_table(folder, "ulnar_right", traces).with_suffix(".json")
    sidecar = json.loads(path.read_text("utf-8"))
    del sidecar["traces"]["Reiz zwei"]["site"]
    path.write_text(json.dumps(sidecar), "utf-8")
    place = {"recording": "ulnar_right.csv", "text": "Reiz zwei"}
    event = {"id": "1", "at": "2026-03-02T10:11:12Z", "who": "mt", "action": "set"}
    event |= {"trace": place, "key": "site", "from": None, "to": "below_elbow", "why": "said"}
    review_file.append(folder / "review.jsonl", event)
    key = tmp_path / "lab.key"
    key.write_bytes(b"0123456789abcdef" * 2)
    run(capfd, "batch", tmp_path / "root", "--out", tmp_path / "out", "--key", key)
    rows = pd.read_parquet(tmp_path / "out" / "reviews")
    assert rows["state"].tolist() == ["applied"]
    traces = pd.read_parquet(tmp_path / "out" / "traces")
    assert set(traces["stimulation_site"]) == {"wrist", "below_elbow"}


def _own_hints() -> list[str]:
    """Every hint of what reads inputs that holds nothing from outside."""
    found, home = [], Path(discreet.__file__).parent
    rooms = [home / name for name in ("readers", "knowledge", "study_file", "model")]
    for path in (p for room in rooms for p in room.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            said = node.value if isinstance(node, ast.keyword) and node.arg == "hint" else None
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith("_HINT"):
                said = node.value
            if isinstance(said, ast.Constant) and isinstance(said.value, str):
                found.append(said.value)
    return found


def test_no_hint_of_ours_is_hidden_from_the_reader():
    hints = _own_hints()
    assert len(hints) > 30
    assert [hint for hint in hints if without_quotes(hint) != hint] == []


NUMBERS = {
    "folder": "7741902",
    "folder with a name of birth": "Muster_07.08.1951",
    "folder with a month": "07-AUG-1951",
    "lone file": "MRN0012345",
    "file in a folder": "123-45-6789",
}


def test_names_that_look_like_hospital_numbers_are_no_study_ids(tmp_path, capfd):
    root, n = tmp_path / "root", NUMBERS
    numbered = (n["folder"], n["folder with a name of birth"], n["folder with a month"])
    for name in (*numbered, "visit-02-MAR-2026", "visit-2026-03-02", "p00014"):
        (root / name).mkdir(parents=True)
        (root / name / "median.edf").write_bytes(recording())
    (root / f"{n['lone file']}.edf").write_bytes(recording())
    (root / "p00014" / "median.edf").rename(root / "p00014" / f"{n['file in a folder']}.edf")
    broken = root / "p5" / f"{n['file in a folder']}.edf"
    broken.parent.mkdir()
    broken.write_bytes(recording()[:2000])
    said = run(capfd, "batch", root, "--out", tmp_path / "out", "--reports", "--workers", 1)
    texts = written(tmp_path / "out") | said
    public = {where: text for where, text in texts.items() if not where.startswith("_batch")}
    assert leaks(public, n) == []
    shown = {path.name for path in (tmp_path / "out" / "reports").iterdir()}
    assert {"visit-2026-03-02", "visit-02-MAR-2026", "p00014"} < shown
    assert len(shown) == 7
    record = json.loads(next((tmp_path / "out" / "reports").glob("id-*/result.json")).read_text())
    told = [d for d in record["provenance"]["decisions"] if d["topic"] == "identity"]
    assert any("looks like the number of a patient" in d["reason"] for d in told)


def test_a_lone_analysis_and_a_batch_call_a_numbered_study_the_same(tmp_path, capfd):
    folder = tmp_path / "root" / "7741902"
    folder.mkdir(parents=True)
    (folder / "median.edf").write_bytes(recording())
    run(capfd, "batch", tmp_path / "root", "--out", tmp_path / "b", "--reports", "--workers", 1)
    run(capfd, "analyze", folder, "--out", tmp_path / "a")
    (by_batch,) = (tmp_path / "b" / "reports").iterdir()
    (alone,) = (p for p in (tmp_path / "a").iterdir() if p.is_dir())
    assert by_batch.name == alone.name
    assert leaks(written(tmp_path / "a"), {"folder": "7741902"}) == []


def test_a_pseudonym_is_that_of_the_folders_own_name_also_where_it_is_a_number(tmp_path, capfd):
    (tmp_path / "root" / "7741902").mkdir(parents=True)
    (tmp_path / "root" / "7741902" / "median.edf").write_bytes(recording())
    (tmp_path / "lab.key").write_bytes(b"0123456789abcdef")
    arguments = ("--workers", 1, "--reports", "--key", tmp_path / "lab.key")
    run(capfd, "batch", tmp_path / "root", "--out", tmp_path / "out", *arguments)
    (made,) = (tmp_path / "out" / "reports").iterdir()
    assert made.name == Pseudonyms(b"0123456789abcdef").of("7741902")


def digests(text: bytes) -> list[str]:
    """What somebody without the key would hold against the outputs, in usual notations."""
    plain = hashlib.sha256(text).digest()
    kinds = (hashlib.sha1, hashlib.md5, hashlib.blake2b)
    made = [plain.hex(), *(kind(text).hexdigest() for kind in kinds)]
    made += [base64.b32encode(plain).decode(), base64.b64encode(plain).decode()]
    made += [hmac.new(key, text, "sha256").hexdigest() for key in (b"", b"ncs_cb")]
    return [digest.casefold() for digest in made]


def test_without_the_key_a_list_of_all_hospital_numbers_finds_nobody(tmp_path, capfd):
    beginning, root = 9, tmp_path / "root"
    numbers = [f"MRN{n:06d}" for n in range(20_000)]
    for number in (numbers[713], numbers[4711], numbers[-1]):
        (root / number).mkdir(parents=True)
        name = f"X F 07-AUG-1951 {number}"
        data = archives.nerve_file(archives.NERVES[0], np.random.default_rng(3), patient=name)
        (root / number / f"{number}.edf").write_bytes(data)
        told = f'[study]\nid = "{number}"\nclinical_question = "patient {number}"\n'
        (root / number / "study.toml").write_text(told)
    (root / numbers[4711] / "bad.edf").write_bytes(b"0" * 300)
    (tmp_path / "lab.key").write_bytes(b"0123456789abcdef" * 2)
    arguments = ("--out", tmp_path / "out", "--reports", "--workers", 1)
    said = run(capfd, "batch", root, *arguments, "--key", tmp_path / "lab.key")
    texts = written(tmp_path / "out") | said
    public = [text for where, text in texts.items() if not where.startswith("_batch")]
    words = {word.casefold() for text in public for word in re.findall(r"[\w+/]{9,}", text)}
    held = {word[i : i + beginning] for word in words for i in range(len(word) - beginning + 1)}
    assert Pseudonyms(b"0123456789abcdef" * 2).of(numbers[4711])[:beginning] in held
    found = [n for n in numbers for d in digests(n.encode()) if d[:beginning] in held]
    files = [path for path in root.rglob("*") if path.is_file()]
    found += [f.name for f in files for d in digests(f.read_bytes()) if d[:beginning] in held]
    assert found == []
    text = " ".join(public)
    assert [number for number in numbers if number in text] == []


@pytest.mark.parametrize("place", ["review time", "review version"])
def test_a_log_of_corrections_holds_no_name_where_a_time_or_a_version_belongs(tmp_path, place):
    who = identities.person(10)
    (tmp_path / "s").mkdir()
    identities.PLACES[place](tmp_path / "s", who)
    with pytest.raises(NcsError, match=r"line 1: .*must be a (time|version)") as told:
        read_study(tmp_path / "s")
    assert leaks({"message": str(told.value)}, {place: who}) == []
