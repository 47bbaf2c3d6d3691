"""An archive in one command: restartable, order-free, and one bad file never stops the rest."""

import contextlib
import csv
import html
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import archives
from ncs_cb import readers
from ncs_cb.batch import Settings, overview, run_batch
from ncs_cb.batch.inputs import Content, Found, content, find_inputs, look_here
from ncs_cb.batch.store import TABLES, Store
from ncs_cb.errors import NcsError


def table(out: Path, name: str) -> list[dict]:
    """All rows of a data set, sorted: what must not depend on workers or order."""
    rows = [
        row
        for part in sorted((out / name).glob("part-*.parquet"))
        for row in pq.ParquetFile(part).read().to_pylist()
    ]
    return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


def tables(out: Path) -> dict[str, str]:
    """The data sets and the overviews as text, for comparing two output folders."""
    made = {name: json.dumps(table(out, name), sort_keys=True) for name in TABLES}
    return made | {name: (out / name).read_text() for name in ("failures.csv", "index.html")}


def study_ids(out: Path, name: str = "traces") -> list[str]:
    return sorted({row["study_id"] for row in table(out, name)})


def failures(out: Path) -> list[dict]:
    with (out / "failures.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def stamps(out: Path) -> dict[str, tuple[int, int]]:
    """Every file of the data sets and reports with the moment and place it was written."""
    return {
        str(p.relative_to(out)): (p.stat().st_mtime_ns, p.stat().st_ino)
        for folder in (*TABLES, "reports")
        for p in (out / folder).rglob("*")
        if p.is_file()
    }


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """Ten sound studies of two files, a truncated file, a folder of noise, a lone recording."""
    root = tmp_path_factory.mktemp("archive")
    archives.write_archive(root, 10, n_files=2)
    broken = root / "p00004/median_right.edf"
    broken.write_bytes(broken.read_bytes()[:1500])
    lone = root / "lone.edf"
    lone.write_bytes((root / "p00001/median_left.edf").read_bytes())
    (root / "readme.txt").write_text("not a recording")
    return root


@pytest.fixture(scope="module")
def done(archive, tmp_path_factory) -> Path:
    """The archive analyzed with two workers."""
    out = tmp_path_factory.mktemp("out") / "two"
    run_batch(archive, out, workers=2)
    return out


# --------------------------------------------------------------------------- what comes out


def test_every_sound_study_has_its_rows_and_every_other_one_a_failure(done):
    sound = ["lone", *(f"p{n:05d}" for n in range(10) if n != 4)]
    for name in ("traces", "diagnosis"):
        assert study_ids(done, name) == sound
    (row,) = failures(done)
    assert row["study_id"] == "p00004"
    assert row["input"] == "p00004/median_right.edf"
    assert (row["stage"], row["error"]) == ("read", "ReadError")
    assert row["message"]


def test_the_list_of_studies_says_when_and_how_old(copy):
    root, out = copy
    (root / "p00001/study.toml").write_text(
        '[study]\nvisit_date = 2026-03-02\n[person]\nage_years = 44\nsex = "male"\n'
    )
    run_batch(root, out, workers=1)
    rows = {row["study_id"]: row for row in table(out, "studies")}
    assert sorted(rows) == study_ids(out)
    assert rows["p00001"] == {
        "study_id": "p00001",
        "visit_date": "2026-03-02",
        "age_years": 44.0,
        "sex": "male",
        "height_cm": None,
        "n_responses": 6,
        "impression": "Normal study of left median and right median.",
        "impression_zh": "左侧正中神经和右侧正中神经检查正常。",
    }


def test_the_columns_of_failures_csv_are_those_of_the_contract(done):
    header = (done / "failures.csv").read_text().splitlines()[0]
    assert header == "study_id,input,stage,error,message,hint"


def test_the_rows_of_a_batch_are_those_of_a_lone_analysis(archive, done):
    from ncs_cb.analysis import analyze

    result = analyze(readers.read_study(archive / "p00003"))
    mine = [r for r in table(done, "segments") if r["study_id"] == "p00003"]
    alone = result.segments.to_dict("records")
    key = ("nerve", "side", "segment")
    assert len(mine) == len(alone) > 0
    for one, other in zip(
        sorted(mine, key=lambda r: [r[k] for k in key]),
        sorted(alone, key=lambda r: [r[k] for k in key]),
        strict=True,
    ):
        for name in ("amplitude_reduction_pct", "total_area_reduction_pct", "length_mm"):
            assert one[name] == other[name]


def test_one_worker_and_two_give_the_same_files_byte_for_byte(archive, done, tmp_path):
    run_batch(archive, tmp_path, workers=1)
    assert tables(tmp_path) == tables(done)
    for part in sorted(done.glob("*/part-*.parquet")):
        assert (tmp_path / part.relative_to(done)).read_bytes() == part.read_bytes()


def test_the_schema_of_every_file_carries_its_version(done):
    for name in TABLES:
        for part in (done / name).glob("part-*.parquet"):
            metadata = pq.ParquetFile(part).schema_arrow.metadata
            assert metadata[b"ncs_cb.table"] == name.encode()
            assert metadata[b"ncs_cb.schema_version"] == b"1"


def test_an_archive_without_a_sound_study_still_has_tables_with_columns(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "bad.edf").write_bytes(b"nothing")
    out = tmp_path / "out"
    summary = run_batch(root, out, workers=1)
    assert (summary.n_studies, summary.n_failed) == (1, 1)
    for name in TABLES:
        assert table(out, name) == []
        (part,) = (out / name).glob("part-*.parquet")
        assert "study_id" in pq.ParquetFile(part).schema_arrow.names


def test_the_index_page_lists_every_study_and_counts_every_set(archive, done):
    page = (done / "index.html").read_text()
    for name in ("p00000", "p00009", "lone", "p00004", "efns_pns_2010", "ean_pns_cidp_2021"):
        assert name in page
    assert "11 studies: 10 analyzed, 1 failed" in page
    assert "http://" not in page.replace("http-equiv", "")
    assert "https://" not in page


def test_the_index_page_tells_each_studys_impression_as_the_report_does(archive, done):
    from ncs_cb import analyze, read_study, view

    page = (done / "index.html").read_text()
    said = view.build(analyze(read_study(archive / "p00000"))).impression
    assert " ".join(line.text for line in said[:2]) in html.unescape(page)


def test_the_index_page_words_grades_as_the_reports_do_in_both_languages(tmp_path):
    (tmp_path / "in").mkdir()
    head = (
        "nerve,side,muscle,stimulation_site,distance_mm,onset_latency_ms,"
        "negative_peak_amplitude_mv,negative_peak_area_mv_ms,negative_peak_duration_ms,supramaximal"
    )
    rows = (
        "ulnar,left,adm,wrist,65,2.9,9.9,30.7,5.5,true",
        "ulnar,left,adm,below_elbow,270,6.2,9.6,29.8,5.7,true",
        "ulnar,left,adm,above_elbow,370,7.9,9.5,29.5,5.8,true",
        "ulnar,left,adm,axilla,465,9.4,3.1,9.6,5.9,true",
    )
    (tmp_path / "in" / "one.csv").write_text("\n".join([head, *rows]) + "\n")
    run_batch(tmp_path / "in", tmp_path / "out", workers=1)
    page = html.unescape((tmp_path / "out" / "index.html").read_text("utf-8"))
    # The normal elbow between them is no segment of which a report says anything.
    assert '<span lang="en">1 definite block, 1 no block</span>' in page
    assert '<span lang="zh">1 肯定阻滞，1 未见阻滞</span>' in page
    assert "excluded" not in page
    assert "肯定的运动传导阻滞：左侧尺神经" in page
    # A category in its set's own words: "possible" alone would be read as possible CIDP.
    for weak in ("motor conduction weakly supportive of demyelination", "运动传导弱支持脱髓鞘"):
        assert page.count(weak) >= 3, "in the count, in the filter and in the row of the study"
    (place,) = re.findall(r'<td data-v="possible"><span class="g possible">(.*?)</span>', page)
    assert place.startswith('<span lang="en">motor conduction weakly supportive')
    (row,) = table(tmp_path / "out", "studies")
    assert row["impression"].splitlines()[0].startswith("Definite motor conduction block")
    assert row["impression_zh"].splitlines()[0].startswith("肯定的运动传导阻滞")


def test_an_index_page_of_many_studies_lays_out_the_first_when_it_opens(
    monkeypatch, done, tmp_path
):
    monkeypatch.setattr("ncs_cb.batch.overview.SHOWN_FIRST", 3)
    shutil.copytree(done, tmp_path / "out")
    with Store(tmp_path / "out") as store:
        overview.write(store)
    page = (tmp_path / "out" / "index.html").read_text()
    assert page.count('<tr class=" later">') + page.count('<tr class="failed later">') == 8


def test_the_bars_of_a_distribution_add_up_to_the_measured_values(done):
    page = (done / "index.html").read_text()
    measured = [r for r in table(done, "traces") if r["onset_latency_ms"] is not None]
    assert f'aria-label="onset_latency_ms: {len(measured)} values"' in page


def test_what_a_batch_says_of_its_progress_adds_up(archive, tmp_path):
    said = []
    run_batch(archive, tmp_path, workers=1, progress=lambda *numbers: said.append(numbers))
    assert said[0] == (0, 11, 0)
    assert said[-1] == (11, 11, 1)
    assert said == sorted(said)


# --------------------------------------------------------------------------- again, over the same


def test_a_second_start_does_no_work_and_changes_no_file(archive, done, monkeypatch):
    before, text = stamps(done), tables(done)
    monkeypatch.setattr("ncs_cb.batch.engine.LocalTeam", None)  # it would need workers
    summary = run_batch(archive, done, workers=2)
    assert summary.n_done == 0
    assert summary.n_failed == 1
    assert stamps(done) == before
    assert tables(done) == text


@pytest.fixture
def copy(archive, done, tmp_path) -> tuple[Path, Path]:
    root, out = tmp_path / "root", tmp_path / "out"
    shutil.copytree(archive, root)
    shutil.copytree(done, out)
    return root, out


def fresh(root: Path, out: Path) -> dict[str, str]:
    """What a first run over the same inputs gives."""
    run_batch(root, out, workers=1)
    return tables(out)


def test_only_what_is_new_or_changed_is_done_and_what_is_gone_is_dropped(copy, tmp_path):
    root, out = copy
    shutil.rmtree(root / "p00002")
    (root / "p00006/median_left.edf").unlink()
    archives.write_archive(root, 1, n_files=1, first=77)
    summary = run_batch(root, out, workers=1)
    assert summary.n_done == 2  # p00006 and p00077
    assert "p00002" not in study_ids(out)
    assert "p00077" in study_ids(out)
    assert tables(out)["traces"] == fresh(root, tmp_path / "fresh")["traces"]
    assert tables(out)["verdicts"] == tables(tmp_path / "fresh")["verdicts"]
    assert run_batch(root, out, workers=1).n_done == 0


def test_a_new_time_stamp_is_no_change_and_a_new_content_with_the_old_one_is(copy):
    root, out = copy
    path = root / "p00001/median_left.edf"
    stat = path.stat()
    os.utime(path, ns=(1, 1))
    assert run_batch(root, out, workers=1).n_done == 0
    other = (root / "p00002/median_left.edf").read_bytes()
    assert len(other) == stat.st_size
    path.write_bytes(other)
    os.utime(path, ns=(1, 1))
    assert run_batch(root, out, workers=1).n_done == 1


def test_a_mended_file_loses_its_failure_row(copy):
    root, out = copy
    (root / "p00004/median_right.edf").write_bytes((root / "p00003/median_right.edf").read_bytes())
    summary = run_batch(root, out, workers=1)
    assert (summary.n_done, summary.n_failed) == (1, 0)
    assert failures(out) == []
    assert "p00004" in study_ids(out)


def test_other_criteria_are_other_settings_and_everything_is_done_again(copy):
    root, out = copy
    summary = run_batch(root, out, workers=1, settings=Settings(criteria=("efns_pns_2010",)))
    assert summary.n_done == 11
    assert {row["criteria"] for row in table(out, "verdicts")} == {"efns_pns_2010"}


def test_the_index_leads_to_the_report_in_its_language(tmp_path, archive):
    shutil.copytree(archive / "p00003", tmp_path / "in" / "p00003")
    settings = Settings(reports=True, lang="zh")
    run_batch(tmp_path / "in", tmp_path / "out", workers=1, settings=settings)
    assert (tmp_path / "out/reports/p00003/report.zh.html").is_file()
    assert 'href="reports/p00003/report.zh.html"' in (tmp_path / "out/index.html").read_text()
    again = run_batch(tmp_path / "in", tmp_path / "out", workers=1, settings=settings)
    assert again.n_done == 0


def test_reports_are_added_to_finished_tables_and_follow_their_studies(copy):
    root, out = copy
    shutil.rmtree(root / "p00005")
    for name in ("lone.edf", *(f"p{n:05d}" for n in (0, 1, 2, 6, 7, 8, 9))):
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    summary = run_batch(root, out, workers=1, settings=Settings(reports=True))
    assert summary.n_done == 1  # p00003; p00004 cannot be read, with or without reports
    assert (out / "reports/p00003/report.html").is_file()
    assert 'href="reports/p00003/report.html"' in (out / "index.html").read_text()
    record = json.loads((out / "reports/p00003/result.json").read_text())
    assert record["study"]["id" if "id" in record["study"] else "study_id"] == "p00003"
    assert run_batch(root, out, workers=1, settings=Settings(reports=True)).n_done == 0
    shutil.rmtree(root / "p00003")
    run_batch(root, out, workers=1, settings=Settings(reports=True))
    assert not (out / "reports/p00003").exists()


# --------------------------------------------------------------------------- killed


def start(root: Path, out: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "-c", "from ncs_cb.cli import main; main()", "batch"]
    return subprocess.Popen(
        [*command, str(root), "--out", str(out), *options],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.slow
def test_a_batch_killed_again_and_again_ends_with_the_same_tables(tmp_path):
    root = tmp_path / "root"
    archives.write_archive(root, 40, n_files=2)
    whole = fresh(root, tmp_path / "fresh")
    out = tmp_path / "out"
    kills = 0
    for delay in (0.5, 1.0, 1.4, 2.0):
        run = start(root, out, "--workers", "2")
        time.sleep(delay)
        kills += run.poll() is None
        run.send_signal(signal.SIGKILL)
        run.communicate()
        ids = [row["study_id"] for row in table(out, "diagnosis")]
        assert len(ids) == len(set(ids)) * len({r["criteria"] for r in table(out, "diagnosis")})
    assert kills >= 2, "the machine is too fast for these delays"
    summary = run_batch(root, out, workers=2)
    assert summary.n_studies == 40
    assert tables(out) == whole
    assert list((out / "_batch/staging").iterdir()) == []


@pytest.mark.slow
def test_a_second_batch_into_the_same_folder_refuses_while_the_first_runs(tmp_path):
    root, out = tmp_path / "root", tmp_path / "out"
    archives.write_archive(root, 4, n_files=1)
    with Store(out):
        second = start(root, out, "--workers", "1")
        _, said = second.communicate(timeout=60)
    assert second.returncode == 3
    assert "another batch is writing to this folder" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("moment", [3, 9, 15])
def test_a_disk_that_fills_up_stops_the_run_and_the_next_start_completes_it(
    archive, done, tmp_path, monkeypatch, moment
):
    sync = os.fsync
    left = [moment]

    def full(handle):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NcsError, match="the disk is full"):
        run_batch(archive, tmp_path, workers=1)
    monkeypatch.undo()
    for name in TABLES:
        table(tmp_path, name)  # every file there is can be read
    run_batch(archive, tmp_path, workers=1)
    assert tables(tmp_path) == tables(done)


# --------------------------------------------------------------------------- bad company

EVIL = """
import os, re, signal, time
from ncs_cb.readers import Reader, Recording

def read(source):
    deed = source.data.decode().strip()
    if deed == "sleep":
        time.sleep(3600)
    if deed == "spin":  # in C, without ever letting go of the interpreter
        re.match("(a+)+$", "a" * 60 + "b")
    if deed == "eat":
        hoard = []
        while True:
            hoard.append(bytearray(50_000_000))
    if deed == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    raise RuntimeError("Jane Doe, born 1950")

READER = Reader("evil", (".evil",), lambda s: s.path.suffix == ".evil", read)
"""


@pytest.fixture
def evil_reader(tmp_path, monkeypatch) -> None:
    """A reader of another package, found by its entry point, that does what its file says."""
    package = tmp_path / "plugin"
    info = package / "evil_reader-1.0.dist-info"
    info.mkdir(parents=True)
    (package / "evil_reader.py").write_text(textwrap.dedent(EVIL))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil-reader\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ncs_cb.readers]\nevil = evil_reader:READER\n")
    monkeypatch.syspath_prepend(package)
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(package), before])))
    readers.available.cache_clear()
    yield
    readers.available.cache_clear()


@pytest.mark.slow
def test_a_reader_that_hangs_eats_or_dies_costs_only_its_own_study(tmp_path, evil_reader):
    root, out = tmp_path / "root", tmp_path / "out"
    archives.write_archive(root, 6, n_files=1)
    for deed in ("sleep", "spin", "eat", "die", "raise"):
        (root / f"evil_{deed}").mkdir()
        (root / f"evil_{deed}" / "x.evil").write_text(deed)
    settings = Settings(time_limit_s=3.0, memory_limit_mb=400)
    summary = run_batch(root, out, workers=2, settings=settings)
    assert study_ids(out) == [f"p{n:05d}" for n in range(6)]
    assert summary.n_failed == 5
    found = {row["study_id"]: row for row in failures(out)}
    assert found["evil_sleep"]["error"] == found["evil_spin"]["error"] == "TimeoutError"
    assert "longer than 3 s" in found["evil_sleep"]["message"]
    assert found["evil_eat"]["error"] == "MemoryError"
    assert "400 MB" in found["evil_eat"]["message"]
    assert found["evil_die"]["error"] == "ProcessDied"
    assert "SIGKILL" in found["evil_die"]["message"]
    assert found["evil_raise"]["error"] == "RuntimeError"
    assert "Jane" not in (out / "failures.csv").read_text()
    assert {row["stage"] for row in found.values()} == {"read"}
    again = run_batch(root, out, workers=2, settings=settings)
    assert again.n_done == 0
    patient = Settings(time_limit_s=4.0, memory_limit_mb=400)
    (root / "evil_spin/x.evil").unlink()
    (root / "evil_spin").rmdir()
    more = run_batch(root, out, workers=2, settings=patient)
    assert more.n_done == 3  # other limits: sleep, eat and die are given another chance


def wait_for_a_chunk(run: subprocess.Popen, out: Path) -> None:
    staging = out / "_batch/staging"
    until = time.monotonic() + 30
    while run.poll() is None and time.monotonic() < until:
        if staging.is_dir() and any(staging.iterdir()):
            return
        time.sleep(0.002)


@pytest.mark.slow
def test_ctrl_c_ends_a_batch_without_a_word_from_its_workers(archive, tmp_path):
    run = start(archive, tmp_path, "--workers", "2")
    wait_for_a_chunk(run, tmp_path)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to every process
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Traceback" not in said


@pytest.mark.slow
def test_a_worker_that_is_lost_for_another_reason_costs_nothing(archive, done, tmp_path):
    import psutil

    run = start(archive, tmp_path, "--workers", "2")
    killed = 0
    wait_for_a_chunk(run, tmp_path)
    until = time.monotonic() + 10
    while run.poll() is None and killed == 0 and time.monotonic() < until:
        for child in psutil.Process(run.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                # Workers are forked from a process that has loaded everything and does nothing.
                if child.ppid() != run.pid or "spawn_main" in " ".join(child.cmdline()):
                    child.kill()
                    killed += 1
                    break
    _, said = run.communicate(timeout=120)
    assert killed == 1
    assert run.returncode == 1, said  # p00004 is still broken
    assert tables(tmp_path) == tables(done)


@pytest.mark.slow
def test_a_script_without_a_guard_is_not_run_again_by_the_workers(archive, done, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from ncs_cb.batch import run_batch\nprint('once')\n"
        f"run_batch({str(archive)!r}, {str(tmp_path / 'out')!r}, workers=1)\n"
    )
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "once\n"), run.stderr
    assert tables(tmp_path / "out") == tables(done)


@pytest.mark.slow
def test_workers_started_one_by_one_as_outside_linux_give_the_same_files(
    archive, done, tmp_path, monkeypatch
):
    monkeypatch.setattr("ncs_cb.batch.local.FORKS", False)
    run_batch(archive, tmp_path, workers=2)
    assert tables(tmp_path) == tables(done)


def test_nothing_of_a_batch_goes_on_after_its_end(archive, tmp_path):
    import psutil

    before = set(psutil.Process().children(recursive=True))
    run_batch(archive, tmp_path, workers=1)
    left = set(psutil.Process().children(recursive=True)) - before
    assert not [c for c in left if "resource_tracker" not in " ".join(c.cmdline())]


# --------------------------------------------------------------------------- a real scheduler


def test_an_address_without_a_scheduler_is_named(archive, tmp_path, monkeypatch):
    monkeypatch.setattr("ncs_cb.batch.engine._SECONDS_TO_CONNECT", 1)
    with pytest.raises(NcsError, match=r"no Dask scheduler answers at 'tcp://127.0.0.1:1'"):
        run_batch(archive, tmp_path, scheduler="tcp://127.0.0.1:1")


def test_a_worker_with_another_program_refuses(tmp_path):
    from ncs_cb.batch.work import Chunk, process

    chunk = Chunk(0, (), (), str(tmp_path), Settings(), "another digest")
    with pytest.raises(NcsError, match="another version of ncs_cb"):
        process(chunk)


# --------------------------------------------------------------------------- old samples


def test_an_old_batch_is_still_readable_with_the_columns_it_has(tmp_path):
    """Written by the first release; a column may be added since, none may have gone."""
    from ncs_cb.reports.tables import arrow_schema

    old = Path(__file__).parent / "golden" / "batch_1"
    for name in TABLES:
        if not (old / name).is_dir():
            continue  # a data set that was added since
        (part,) = (old / name).glob("part-*.parquet")
        stored = pq.ParquetFile(part).schema_arrow
        now = arrow_schema(name)
        assert stored.metadata[b"ncs_cb.schema_version"] == b"1"
        for field in stored:
            assert now.field(field.name).type == field.type, f"{name}.{field.name}"
        assert pq.ParquetFile(part).read().num_rows > 0
    out = tmp_path / "old"
    shutil.copytree(old, out)
    with Store(out) as store:
        store.recover()
        (record,) = store.records()
    assert [entry.study_id for entry in record.entries] == ["p00000"]


# --------------------------------------------------------------------------- ids and inputs


def found(root: Path, out: Path | None = None) -> dict[str, str]:
    tasks = find_inputs(root, out or root / "none", "", None, look_here)
    return {task.key: task.refused or task.study_id for task in tasks}


def recording(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"0       an EDF header would follow")


def test_folders_and_lone_recordings_are_studies_named_after_themselves(tmp_path):
    recording(tmp_path / "a/x.edf")
    recording(tmp_path / "b/c/y.edf")
    recording(tmp_path / "lone.edf")
    assert found(tmp_path) == {"a": "a", "b/c": "c", "lone.edf": "lone"}


def test_visits_that_share_a_name_take_their_path(tmp_path):
    recording(tmp_path / "jones/visit1/x.edf")
    recording(tmp_path / "smith/visit1/x.edf")
    recording(tmp_path / "smith/visit2/x.edf")
    assert found(tmp_path) == {
        "jones/visit1": "jones_visit1",
        "smith/visit1": "smith_visit1",
        "smith/visit2": "visit2",
    }


def test_two_studies_that_claim_one_id_are_told_apart_by_refusing_the_second(tmp_path):
    for name in ("a", "b"):
        recording(tmp_path / name / "x.edf")
        (tmp_path / name / "study.toml").write_text('[study]\nid = "p1"\n')
    assert found(tmp_path) == {"a": "p1", "b": "the study id 'p1' is already used by a."}


def test_the_output_folder_is_never_taken_for_recordings(archive, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(archive / "p00003", root / "p00003")
    for _ in range(2):
        run_batch(root, root / "out", workers=1, settings=Settings(reports=True))
    assert study_ids(root / "out") == ["p00003"]
    with pytest.raises(NcsError, match="the output folder is the folder of the recordings"):
        run_batch(root, root)


def test_a_pipe_posing_as_a_recording_does_not_block(tmp_path):
    recording(tmp_path / "a/x.edf")
    os.mkfifo(tmp_path / "a/y.edf")
    os.mkfifo(tmp_path / "z.edf")
    assert "a" in found(tmp_path)


def test_the_hash_of_a_study_sees_every_file_of_it(tmp_path):
    def look() -> Content:
        (study,) = readers.find_studies(tmp_path)
        return content(Found.of(study, tmp_path))

    recording(tmp_path / "a/x.edf")
    first = look()
    (tmp_path / "a/x.json").write_text("{}")
    second = look()
    (tmp_path / "a/x.json").rename(tmp_path / "a/y.json")
    third = look()
    (tmp_path / "a/study.toml").write_text('[study]\nid = "p7"\n')
    fourth = look()
    assert len({c.sha256 for c in (first, second, third, fourth)}) == 4
    assert (first.own_id, fourth.own_id) == (None, "p7")


def test_what_was_found_survives_being_made_small(tmp_path):
    recording(tmp_path / "a/x.edf")
    recording(tmp_path / "a/sub/y.edf")
    (tmp_path / "a/study.toml").write_text("")
    (study,) = readers.find_studies(tmp_path)
    assert Found.of(study, tmp_path).to_read() == study
