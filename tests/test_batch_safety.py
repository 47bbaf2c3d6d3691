"""Nothing that was there is lost: links, empty disks, stray files, folders in each other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import archives
from ncs_cb.batch import run_batch
from ncs_cb.batch.identity import Pseudonyms
from ncs_cb.batch.store import TABLES
from ncs_cb.errors import NcsError


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("archive") / "root"
    archives.write_archive(root, 3, n_files=1)
    return root


def rows(out: Path, table: str = "studies") -> list[str]:
    return [
        name
        for part in sorted((out / table).glob("part-*.parquet"))
        for name in pq.ParquetFile(part).read().column("study_id").to_pylist()
    ]


def program(*arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ncs_cb", "batch", *map(str, arguments), "--workers", "1"]
    env = {**os.environ, **more}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


@pytest.mark.parametrize("place", ["_batch", "_batch/ready", "_batch/slots", "traces", "reports"])
def test_a_link_where_the_batch_keeps_its_own_is_refused_and_not_written_through(
    archive, tmp_path, place
):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    precious = elsewhere / "00001"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    link = tmp_path / "out" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    with pytest.raises(NcsError, match="holds a link"):
        run_batch(archive, tmp_path / "out", workers=1)
    assert [p.name for p in elsewhere.iterdir()] == ["00001"]
    assert (precious / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("place", ["reports/p00000/thesis.txt", "traces/part-00000.parquet"])
def test_files_of_others_where_a_batch_writes_are_refused_and_not_replaced(
    archive, tmp_path, place
):
    mine = tmp_path / "out" / place
    mine.parent.mkdir(parents=True)
    mine.write_text("years of work")
    with pytest.raises(NcsError, match="no batch has written to it"):
        run_batch(archive, tmp_path / "out", workers=1)
    assert mine.read_text() == "years of work"
    assert [p.name for p in (tmp_path / "out").iterdir()] == [place.partition("/")[0]]


def test_a_root_that_became_empty_does_not_erase_the_tables(tmp_path):
    root, out = tmp_path / "root", tmp_path / "out"
    archives.write_archive(root, 2, n_files=1)
    run_batch(root, out, workers=1)
    before = rows(out)
    unmounted = tmp_path / "away"
    root.rename(unmounted)
    root.mkdir()
    run = program(root, "--out", out)
    assert run.returncode == 1
    assert "--allow-empty" in run.stderr
    assert "holds 2 from before" in run.stderr
    assert rows(out) == before
    assert program(root, "--out", out, "--allow-empty").returncode == 0
    assert rows(out) == []


def test_a_root_without_a_study_is_an_error_that_says_so(tmp_path):
    (tmp_path / "root").mkdir()
    run = program(tmp_path / "root", "--out", tmp_path / "out")
    assert run.returncode == 1
    assert "no study was found" in run.stderr


def test_recordings_inside_the_output_folder_are_refused(tmp_path):
    archives.write_archive(tmp_path / "out" / "root", 1, n_files=1)
    with pytest.raises(NcsError, match="lies inside the output folder"):
        run_batch(tmp_path / "out" / "root", tmp_path / "out", workers=1)


def test_an_output_folder_inside_the_root_is_never_read_as_recordings(tmp_path):
    root = tmp_path / "root"
    archives.write_archive(root, 2, n_files=1)
    first = run_batch(root, root / "results", workers=1)
    again = run_batch(root, root / "results", workers=1)
    assert (first.n_studies, again.n_studies, again.n_done) == (2, 2, 0)


STRAY = (".DS_Store", "._00000.json", "00000 (conflicted copy).json", "desktop.ini")


def test_stray_files_in_the_state_folder_stop_no_start(archive, tmp_path):
    out = tmp_path / "out"
    run_batch(archive, out, workers=1)
    for name in STRAY:
        for folder in ("slots", "ready", "staging"):
            (out / "_batch" / folder / name).write_bytes(b"\x00\xff stray")
    again = run_batch(archive, out, workers=1)
    assert (again.n_studies, again.n_done) == (3, 0)
    assert sorted(rows(out)) == ["p00000", "p00001", "p00002"]


@pytest.mark.skipif(os.name == "nt", reason="the lock of POSIX systems")
def test_a_folder_in_use_has_an_exit_status_of_its_own(archive, tmp_path):
    import fcntl

    out = tmp_path / "out"
    run_batch(archive, out, workers=1)
    with (out / "_batch" / "lock").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        run = program(archive, "--out", out)
    assert run.returncode == 3
    assert "another batch is writing" in run.stderr


def test_neither_time_zone_nor_clock_nor_language_of_the_system_changes_a_byte(archive, tmp_path):
    made = []
    for zone, language in (("UTC", "C.UTF-8"), ("Asia/Kathmandu", "C"), ("Pacific/Apia", "POSIX")):
        out = tmp_path / language
        assert program(archive, "--out", out, "--reports", TZ=zone, LC_ALL=language).returncode == 0
        files = (path for path in sorted(out.rglob("*")) if "_batch" not in path.parts)
        made.append({p.relative_to(out): p.read_bytes() for p in files if p.is_file()})
    assert len(made[0]) > 10
    assert made[0] == made[1] == made[2]


def test_a_batch_needs_no_home(archive, tmp_path):
    run = program(archive, "--out", tmp_path / "out", HOME="/nonexistent", XDG_CACHE_HOME="")
    assert run.returncode == 0, run.stderr
    assert len(rows(tmp_path / "out")) == 3


def test_with_a_key_rows_stand_in_the_order_of_pseudonyms_not_of_names(tmp_path):
    root, out, key = tmp_path / "root", tmp_path / "out", tmp_path / "lab.key"
    archives.write_archive(root, 12, n_files=1)
    key.write_bytes(b"0123456789abcdef0123")
    run_batch(root, out, workers=1, key=key)
    lab = Pseudonyms.from_file(key)
    by_name = [lab.of(folder.name) for folder in sorted(root.iterdir())]
    assert by_name != sorted(by_name)
    for table in TABLES:
        shown = list(dict.fromkeys(rows(out, table)))
        assert shown == sorted(shown), table
    page = (out / "index.html").read_text()
    places = [page.index(f">{name}<") for name in sorted(by_name)]
    assert places == sorted(places)


def test_with_a_key_no_plain_digest_of_a_file_is_written(tmp_path):
    from hashlib import sha256

    from ncs_cb.batch import Settings

    root, out, key = tmp_path / "root", tmp_path / "out", tmp_path / "lab.key"
    archives.write_archive(root, 1, n_files=1)
    (root / "p00000" / "study.toml").write_text('[study]\nid = "4711"\n')
    key.write_bytes(b"0123456789abcdef0123")
    run_batch(root, out, workers=1, key=key, settings=Settings(reports=True))
    digests = [sha256(p.read_bytes()).hexdigest() for p in root.rglob("*") if p.is_file()]
    written = [p for p in out.rglob("*") if p.is_file() and "_batch" not in p.parts]
    assert any(p.name == "result.json" for p in written)
    for path in written:
        content = path.read_bytes().decode("latin-1")
        assert not [d for d in digests if d in content or d[:16] in content], path


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX systems")
def test_a_folder_or_a_name_that_cannot_be_read_costs_one_study(tmp_path):
    # The administrator may read everything, unless that right is taken away.
    humble = shutil.which("setpriv")
    drop = [humble, "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"]
    if os.geteuid() == 0 and humble is None:
        pytest.skip("run by the administrator, whose rights nothing here can take away")
    start = drop if os.geteuid() == 0 else []
    root, key = tmp_path / "root", tmp_path / "lab.key"
    archives.write_archive(root, 4, n_files=1)
    key.write_bytes(b"0123456789abcdef0123")
    (root / "p00001" / "study.toml").write_text("[person]\nage_years = 44\n")
    (root / "p00001" / "more").mkdir()
    (root / "p00002" / "deep").mkdir()
    (root / "p00003").rename(root / os.fsdecode(b"M\xfcller"))
    recording = root / os.fsdecode(b"M\xfcller") / "median_right.edf"
    recording.rename(recording.with_name(os.fsdecode(b"m\xe9dian.edf")))
    shutil.copytree(root / "p00000", root / "closed")
    shutil.copy(root / "p00000" / "median_right.edf", root / "sealed.edf")
    closed = [root / "p00001" / "more", root / "p00002" / "deep", root / "closed"]
    (root / "sealed.edf").chmod(0)
    for place in closed:
        place.chmod(0)
    try:
        for more in ([], ["--reports", "--key", key]):
            out = tmp_path / f"out{len(more)}"
            command = [*start, sys.executable, "-m", "ncs_cb", "batch", root, "--out", out, *more]
            run = subprocess.run(
                [*map(str, command), "--workers", "1"],
                capture_output=True,
                check=False,
                env=os.environ | {"HOME": "/nonexistent"},
            )
            said = run.stderr.decode("utf-8", "replace")
            assert run.returncode == 1, said
            assert "7 studies: 7 analyzed now, 0 unchanged, 4 failed" in said
            assert len(rows(out)) == 3
            told = (out / "failures.csv").read_text("utf-8")
            assert told.count("the folder cannot be listed: Permission denied") == 3
            assert told.count("cannot be read: Permission denied") == 1
    finally:
        for place in closed:
            place.chmod(0o755)


def own_disk() -> list[str]:
    """Give how to begin a program that may mount file systems which nobody else sees."""
    begin = [shutil.which("unshare") or "false", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*begin, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system gives nobody a disk of their own")
    return begin


@pytest.mark.slow
def test_a_disk_that_is_full_or_read_only_has_an_exit_status_and_loses_nothing(archive, tmp_path):
    script = """
    set -u; root=$1; out=$2; python=$3
    mount -t tmpfs -o size=150k tmpfs "$out" || exit 77
    batch() {
        "$python" -m ncs_cb batch "$root" --out "$out/o" --workers 1 --reports; echo "status $?"
    }
    batch; mount -o remount,size=40m "$out"; batch
    mount -o remount,ro "$out"; batch
    """
    (tmp_path / "out").mkdir()
    command = [*own_disk(), "sh", "-c", script, "sh", archive, tmp_path / "out", sys.executable]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert [w for w in run.stdout.split("\n") if w] == ["status 3", "status 0", "status 3"], (
        run.stderr
    )
    assert "the disk is full" in run.stderr
    assert "3 studies: 3 analyzed now" in run.stderr
    assert "cannot be written to: Read-only file system" in run.stderr
