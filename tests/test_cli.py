"""The command line says what happened, in one line, and leaves with the right status."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import archives
from ncs_cb import __version__, flags, plugins, reports
from ncs_cb.cli import progress
from ncs_cb.cli.console import explain, plain
from ncs_cb.errors import ReadError
from ncs_cb.knowledge import criteria
from ncs_cb.knowledge.anatomy import anatomy


@pytest.fixture
def visit(tmp_path) -> Path:
    """One study folder with two nerves; the ulnar one has a block in the forearm."""
    folder = tmp_path / "visit"
    folder.mkdir()
    for place, block in ((0, 0.0), (2, 0.6)):
        rng = np.random.default_rng(place)
        data = archives.nerve_file(archives.NERVES[place], rng, block=block)
        (folder / f"nerve{place}.edf").write_bytes(data)
    return folder


# --------------------------------------------------------------------------- usage


def test_alone_it_prints_the_help_and_exits_2(run):
    status, out, _ = run()
    assert status == 2
    for command in (
        "analyze",
        "batch",
        "compare",
        "criteria",
        "formats",
        "nerves",
        "flags",
        "simulate",
        "validate",
        "anonymize",
    ):
        assert f"\n  {command} " in out


def test_help_and_version_exit_0(run):
    assert run("--help")[0] == 0
    assert run("--version")[:2] == (0, f"ncs-cb {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "No such command"),
        (["analyze"], "Missing argument"),
        (["analyze", "x"], "--out"),
        (["analyze", "x", "--out", "d", "--format", "docx"], "docx"),
        (["analyze", "x", "--out", "d", "--lang", "fr"], "fr"),
        (["analyze", "x", "--out", "-"], "--format json"),
        (["analyze", "x", "--out", "-", "--format", "html"], "--format json"),
        (["analyze", "x", "y", "--out", "-", "--format", "json"], "one INPUT"),
        (["analyze", "x", "y", "--out", "d", "--clinical", "s.toml"], "one visit"),
        (["analyze", "x", "--out", "d", "--clinical", "missing.toml"], "no such file"),
        (["analyze", "x", "--out", "d", "--criteria", "efns"], "efns_pns_2010"),
        (["analyze", "x", "--out", "d", "--reference", "nobody"], "aanem_2016"),
        (["compare", "x", "--out", "d"], "at least two"),
        (["batch", "missing", "--out", "d"], "not a folder"),
        (["batch", ".", "--out", "d", "--workers", "0"], "--workers"),
        (["batch", ".", "--out", "d", "--workers", "1", "--scheduler", "tcp://x:1"], "one of"),
        (["batch", ".", "--out", "d", "--key", "missing"], "no such file"),
        (["criteria"], ""),
        (["criteria", "show", "efns"], "efns_pns_2010"),
        (["simulate", "healthy", "--out", "d"], "healthy_arm"),
        (["simulate", "healthy_arm", "--out", "d", "--n", "0"], "--n"),
        (["validate"], "INPUT"),
        (["anonymize", "missing", "out"], "no such file"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_is_right(run, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(*arguments)
    assert status == 2
    assert says in err
    assert "Traceback" not in out + err
    assert list(tmp_path.iterdir()) == []


# --------------------------------------------------------------------------- analyze


def test_analyze_writes_what_is_asked_for_and_prints_a_table_per_nerve(run, visit, tmp_path):
    status, out, err = run("analyze", visit, "--out", tmp_path / "o")
    assert status == 0
    names = {p.name for p in (tmp_path / "o/visit").iterdir()}
    assert names >= {"report.html", "result.json", "traces.csv", "segments.csv", "verdicts.csv"}
    assert out.lower().count("median") >= 1
    assert "definite" in out.lower()
    assert "\x1b[" not in out, "no color when piped"
    assert "visit" in err


def test_a_format_that_another_package_adds_is_written_among_several(
    run, visit, tmp_path, monkeypatch
):
    def write(result, *, lang):
        return {"report.md": f"# {result.study.study_id}"}

    point = SimpleNamespace(name="md", load=lambda: reports.Writer("md", "Markdown", write))
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point])
    reports.writers.cache_clear()
    try:
        status, *_ = run("analyze", visit, "--out", tmp_path / "o", "--format", "md,txt")
    finally:
        reports.writers.cache_clear()
    assert status == 0
    written = {path.name for path in (tmp_path / "o").rglob("*") if path.is_file()}
    assert written == {"report.md", "report.txt"}


def test_formats_limit_what_is_written(run, visit, tmp_path):
    run("analyze", visit, "--out", tmp_path / "o", "--format", "json")
    assert [p.name for p in (tmp_path / "o/visit").iterdir()] == ["result.json"]


def test_json_on_standard_output_stands_alone(run, visit):
    status, out, _ = run("analyze", visit, "--out", "-", "--format", "json")
    assert status == 0
    record = json.loads(out)
    assert record["schema"] == "ncs_cb/result/2"
    assert run("analyze", visit, "--out", "-", "--format", "json")[1] == out


def test_one_bad_input_does_not_stop_the_others(run, visit, tmp_path):
    bad = tmp_path / "bad.edf"
    bad.write_bytes(b"no recording")
    status, _, err = run("analyze", bad, visit, tmp_path / "gone", "--out", tmp_path / "o")
    assert status == 1
    assert (tmp_path / "o/visit/report.html").exists()
    lines = [line for line in err.splitlines() if "bad.edf" in line or "gone" in line]
    assert len(lines) == 2
    assert "Traceback" not in err


def test_two_inputs_with_one_id_do_not_overwrite_each_other(run, visit, tmp_path):
    twin = tmp_path / "other" / "visit"
    twin.parent.mkdir()
    twin.mkdir()
    (twin / "a.edf").write_bytes(archives.nerve_file(archives.NERVES[1], np.random.default_rng(9)))
    status, _, err = run("analyze", visit, twin, "--out", tmp_path / "o")
    assert status == 1
    assert f"'visit' is already used by {visit}" in err
    kept = json.loads((tmp_path / "o/visit/result.json").read_text())
    assert {row["nerve"] for row in kept["traces"]} == {"median", "ulnar"}


def test_clinical_findings_may_come_from_a_file_elsewhere(run, visit, tmp_path):
    told = tmp_path / "told.toml"
    told.write_text('[study]\nid = "p7"\n[person]\nage_years = 44\n')
    status, _, _ = run(
        "analyze", visit, "--out", tmp_path / "o", "--clinical", told, "--format", "json"
    )
    assert status == 0
    assert (tmp_path / "o/p7/result.json").exists()


def test_a_faulty_study_toml_names_the_key(run, visit, tmp_path):
    (visit / "study.toml").write_text("[person]\nage_yeers = 44\n")
    status, _, err = run("analyze", visit, "--out", tmp_path / "o")
    assert status == 1
    assert "age_yeers" in err
    assert "age_years" in err


def test_a_laboratorys_own_criteria_file_may_be_named(run, visit, tmp_path):
    shipped = Path(criteria.__file__).parents[1] / "tables/criteria/partial_block_20pct.toml"
    own = tmp_path / "own.toml"
    text = shipped.read_text("utf-8").replace('"partial_block_20pct"', '"our_lab"', 1)
    own.write_text(text, "utf-8")
    status, _, err = run("analyze", visit, "--out", tmp_path / "o", "--criteria", own)
    assert status == 0, err
    record = json.loads((tmp_path / "o/visit/result.json").read_text())
    assert {row["criteria"] for row in record["verdicts"]} == {"our_lab"}


def test_chinese_words_reach_table_and_report(run, visit, tmp_path):
    status, out, _ = run("analyze", visit, "--out", tmp_path / "o", "--lang", "zh")
    assert status == 0
    assert "正中" in out
    assert "正中" in (tmp_path / "o/visit/report.zh.html").read_text("utf-8")


def test_a_chinese_report_stands_beside_the_english_one_in_every_format(run, visit, tmp_path):
    formats = ("--format", "html,txt,pdf,csv,json")
    assert run("analyze", visit, "--out", tmp_path / "o", *formats)[0] == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "o/visit").iterdir()}
    assert run("analyze", visit, "--out", tmp_path / "o", *formats, "--lang", "zh")[0] == 0
    after = {path.name: path.read_bytes() for path in (tmp_path / "o/visit").iterdir()}
    assert after.keys() - before.keys() == {"report.zh.html", "report.zh.txt", "report.zh.pdf"}
    assert all(after[name] == data for name, data in before.items())
    visits = ("compare", visit, visit, "--out", tmp_path / "c")
    assert run(*visits)[0] == 0
    assert run(*visits, "--lang", "zh")[0] == 0
    names = {path.name for path in (tmp_path / "c").iterdir()}
    assert names >= {"comparison.html", "comparison.zh.html"}


@pytest.mark.parametrize("place", [("--quiet",), ("-q",)])
def test_a_quiet_program_says_only_what_went_wrong(run, visit, tmp_path, place):
    for command in (
        ("analyze", visit, "--out", tmp_path / "o"),
        ("compare", visit, visit, "--out", tmp_path / "c"),
        ("validate", visit),
    ):
        assert run(*command)[1], "the usual voice says something"
        assert run(*place, *command) == (0, "", "")
    status, out, err = run(*place, "analyze", tmp_path / "none", "--out", tmp_path / "o")
    assert (status, out) == (1, "")
    assert "none" in err


def test_verdicts_are_in_color_on_a_terminal(visit, tmp_path):
    ours, theirs = pty.openpty()
    code = "from ncs_cb.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "analyze", visit, "--out", tmp_path / "o", "--format", "json"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env=os.environ | {"TERM": "xterm-256color"},
    )
    os.close(theirs)
    seen = b""
    try:
        while chunk := os.read(ours, 4096):
            seen += chunk
    except OSError:
        pass  # the other end is closed
    process.communicate()
    assert b"\x1b[1;31m" in seen


# --------------------------------------------------------------------------- compare


def test_compare_takes_visits_and_writes_the_changes(run, visit, tmp_path):
    later = tmp_path / "later"
    later.mkdir()
    for place in (0, 2):
        data = archives.nerve_file(archives.NERVES[place], np.random.default_rng(place))
        (later / f"nerve{place}.edf").write_bytes(data)
    status, out, err = run("compare", visit, later, "--out", tmp_path / "o")
    assert status == 0, err
    assert any((tmp_path / "o").iterdir())
    assert "Earlier" in out
    assert "no block" in out
    assert not [name for name in ("wrist-", "_elbow", "efns_pns_2010", "_block") if name in out]


# --------------------------------------------------------------------------- lists


def test_the_lists_show_every_entry_of_their_registries(run):
    out = run("nerves")[1]
    for nerve in anatomy().nerves.values():
        assert nerve.id in out
        assert all(site in out for site in nerve.sites)
    out = run("flags")[1]
    assert all(f"\n{name} " in out for name in flags.FLAGS)
    out = run("criteria", "list")[1]
    assert all(f"\n{name} " in out for name in criteria.available())
    out = run("formats")[1]
    assert ".edf" in out
    assert ".csv" in out


@pytest.mark.parametrize("name", criteria.available())
def test_showing_a_criteria_set_shows_every_number_with_its_source(run, name):
    status, out, _ = run("criteria", "show", name)
    assert status == 0
    assert criteria.load(name).sha256 in out
    assert any(word in out for word in ("primary", "secondary", "unchecked", "doubtful"))


# --------------------------------------------------------------------------- simulate, validate


def test_simulated_recordings_are_read_back_and_the_truth_stands_beside_them(run, tmp_path):
    status, _, _ = run("simulate", "healthy_arm", "--out", tmp_path, "--n", 2, "--seed", 5)
    assert status == 0
    folders = sorted(p for p in tmp_path.iterdir() if p.is_dir())
    assert len(folders) == 2
    for folder in folders:
        assert (folder / "study.toml").is_file()
        truth = json.loads((tmp_path / f"{folder.name}.truth.json").read_text())
        assert truth
        assert run("validate", folder)[0] == 0


def test_the_same_seed_gives_the_same_bytes(run, tmp_path):
    for name in ("a", "b"):
        run("simulate", "healthy_arm", "--out", tmp_path / name, "--seed", 5)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*"))
    assert files
    for file in files:
        if (tmp_path / "a" / file).is_file():
            assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_validate_says_what_was_understood_or_what_is_wrong(run, visit, tmp_path):
    status, out, _ = run("validate", visit)
    assert status == 0
    assert "ulnar right, adm, below_elbow, 280 mm" in out
    bad = tmp_path / "study.toml"
    bad.write_text("[clinical]\nupper_motor_neurone_signs = false\n")
    status, _, err = run("validate", visit, bad)
    assert status == 1
    assert "upper_motor_neuron_signs" in err


def test_the_template_is_a_valid_study_toml(run, tmp_path):
    status, out, _ = run("validate", "--template")
    assert status == 0
    (tmp_path / "study.toml").write_text(out)
    assert run("validate", tmp_path / "study.toml")[0] == 0


# --------------------------------------------------------------------------- anonymize


def test_a_tree_is_copied_without_identities_and_names_are_hashed_with_a_key(run, tmp_path):
    source = tmp_path / "in" / "Jane_Doe"
    source.mkdir(parents=True)
    header = {"patient": "TEST-0001 F 01-JAN-1950 Jane_Doe", "notes": ("Jane Doe sneezed",)}
    data = archives.nerve_file(archives.NERVES[0], np.random.default_rng(1), **header)
    (source / "Doe_median.edf").write_bytes(data)
    (source / "letter.txt").write_text("Dear Mrs Doe")
    (source / "broken.edf").write_bytes(data[:300])
    key = tmp_path / "key"
    key.write_bytes(b"a secret of at least sixteen bytes")
    status, _, err = run("anonymize", tmp_path / "in", tmp_path / "out", "--key", key)
    assert status == 1
    assert "broken.edf" in err
    (copy,) = (p for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert "Doe" not in str(copy.relative_to(tmp_path))
    assert b"Doe" not in copy.read_bytes()
    assert b"1950" not in copy.read_bytes()
    assert run("validate", copy)[0] == 0
    assert b"Jane_Doe" in (source / "Doe_median.edf").read_bytes(), "the original stays"


def test_anonymize_never_overwrites_and_never_writes_into_its_input(run, visit, tmp_path):
    taken = tmp_path / "taken.edf"
    taken.write_text("mine")
    status, _, err = run("anonymize", visit / "nerve0.edf", taken)
    assert status == 1
    assert "nothing is overwritten" in err
    assert taken.read_text() == "mine"
    assert run("anonymize", visit, visit / "copies")[0] == 2
    assert not (visit / "copies").exists()


# --------------------------------------------------------------------------- words


def test_an_unforeseen_error_is_one_line_that_asks_to_be_reported(
    run, visit, tmp_path, monkeypatch
):
    def fail(*_, **__):
        raise KeyError("amplitude\nTraceback")

    monkeypatch.setattr("ncs_cb.readers.read_studies", fail)
    status, _, err = run("analyze", visit, "--out", tmp_path / "o")
    assert status == 1
    assert err.count("\n") == 1
    assert "please report it" in err


def test_escape_sequences_in_a_message_do_not_reach_the_terminal():
    assert "\x1b" not in plain("\x1b]0;owned\x07")
    assert "\n" not in explain(ReadError("one\ntwo", source="a\x1b[2Jb"))


def test_a_log_line_says_how_many_how_fast_and_how_long_still():
    said = []
    clock = iter([0.0, 0.0, 5.0, 20.0, 40.0])
    report = progress.lines(said.append, lambda: next(clock), every_s=10.0)
    report(100, 400, 0)  # 100 were there already
    report(150, 400, 1)
    report(200, 400, 2)
    report(400, 400, 3)
    assert said == [
        "200 of 400 studies (50 %), 2 failed, 5.0 per second, 40 s left",
        "400 of 400 studies (100 %), 3 failed, 7.5 per second",
    ]


def test_batch_reports_its_progress_and_its_outcome_on_standard_error(run, tmp_path):
    archives.write_archive(tmp_path / "root", 3, n_files=1)
    (tmp_path / "root/bad.edf").write_bytes(b"")
    arguments = ("batch", tmp_path / "root", "--out", tmp_path / "o", "--workers", 1)
    status, out, err = run(*arguments)
    assert status == 1
    assert out == ""
    assert "4 of 4 studies (100 %), 1 failed" in err
    assert "failures.csv" in err
    (tmp_path / "root/bad.edf").unlink()
    status, _, err = run(*arguments)
    assert status == 0
    assert "3 studies: 0 analyzed now, 3 unchanged, 0 failed" in err


def test_an_interrupt_while_the_program_loads_is_no_traceback():
    code = (
        "import sys\n"
        "from ncs_cb import __main__ as program\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *more):\n"
        "        if name == 'ncs_cb.cli':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "program.main()\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_nerve_with_one_site_prints_what_was_measured_and_no_empty_table(tmp_path, run, lang):
    (tmp_path / "v").mkdir()
    (tmp_path / "v" / "sites.csv").write_text(
        "nerve,side,muscle,stimulation_site,onset_latency_ms,negative_peak_amplitude_mv\n"
        "ulnar,right,adm,wrist,3.0,11.0\n"
    )
    status, out, _ = run("analyze", tmp_path / "v", "--out", tmp_path / "out", "--lang", lang)
    assert status == 0
    heading = {"en": "Segment", "zh": "节段"}[lang]
    said = {"en": "wrist: 11.0 mV, 3.0 ms", "zh": "腕：11.0 mV"}[lang]
    assert said in out
    assert heading not in [line.split()[0] for line in out.splitlines() if line.split()]
