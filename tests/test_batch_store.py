"""What stands in the output folder is whole, whatever happens while it is written."""

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ncs_cb.batch import overview, parquet
from ncs_cb.batch.store import TABLES, Entry, Failure, Record, Store, staged_part, staged_reports
from ncs_cb.errors import NcsError


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it, nothing cleans up after it."""


def rows(study_id: str, word: str) -> pa.Table:
    made = {name: [None] for name in parquet.arrow_schema("traces").names}
    made |= {"study_id": [study_id], "recording": [word]}
    return pa.table(made, schema=parquet.arrow_schema("traces"))


def stage(store: Store, slot: int, word: str, study_id: str = "p1") -> tuple[Path, Record]:
    staged = store.staging / f"{slot:05d}-{word}"
    staged_part(staged, "").parent.mkdir(parents=True)
    for table in TABLES:
        content = rows(study_id, word) if table == "traces" else parquet.empty(table)
        parquet.write(content, staged_part(staged, table))
    page = staged_reports(staged) / study_id / "report.html"
    page.parent.mkdir(parents=True)
    page.write_text(word)
    return staged, Record(slot, (Entry(study_id, word, study_id, study_id, study_id),))


def words(out: Path) -> list[str]:
    """What a reader of the data set sees, at any moment."""
    return sorted(
        word
        for path in (out / "traces").glob("part-*.parquet")
        for word in pq.ParquetFile(path).read()["recording"].to_pylist()
    )


def put(out: Path, slot: int, word: str) -> None:
    with Store(out) as store:
        store.recover()
        store.commit(*stage(store, slot, word))


STEPS = ("replace", "rename", "rmtree", "fsync", "unlink", "mkdir")


def dying_after(monkeypatch, moves: int) -> list[int]:
    """Let the process "die" at the n-th change of the file system."""
    left = [moves]

    def mortal(function):
        def step(*args, **kwargs):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return function(*args, **kwargs)

        return step

    monkeypatch.setattr(os, "replace", mortal(os.replace))
    monkeypatch.setattr(os, "fsync", mortal(os.fsync))
    monkeypatch.setattr(Path, "rename", mortal(Path.rename))
    monkeypatch.setattr("shutil.rmtree", mortal(__import__("shutil").rmtree))
    return left


@pytest.mark.parametrize("moment", range(23))
def test_a_commit_killed_at_any_moment_is_wholly_done_or_not_begun(tmp_path, monkeypatch, moment):
    put(tmp_path, 0, "old")
    with Store(tmp_path) as store, monkeypatch.context() as patch:
        staged, record = stage(store, 0, "new")
        dying_after(patch, moment)
        try:
            store.commit(staged, record)
            survived = True
        except Killed:
            survived = False
    assert words(tmp_path) in (["old"], ["new"]), "a reader sees the old row or the new one"
    with Store(tmp_path) as store:
        store.recover()
        (known,) = store.records()
    state = words(tmp_path)
    assert state == [known.entries[0].fingerprint], "the record says what the tables hold"
    assert (tmp_path / "reports/p1/report.html").read_text() == state[0]
    assert state == ["new"] if survived else state in (["old"], ["new"])
    assert list((tmp_path / "_batch/staging").iterdir()) == []
    assert list((tmp_path / "_batch/ready").iterdir()) == []


def test_the_moments_of_the_test_above_cover_the_whole_commit(tmp_path, monkeypatch):
    put(tmp_path, 0, "old")
    with Store(tmp_path) as store, monkeypatch.context() as patch:
        staged, record = stage(store, 0, "new")
        left = dying_after(patch, 23)
        store.commit(staged, record)
    assert 0 < left[0] < 8, f"{23 - left[0]} steps were counted; raise the range of moments"


@pytest.mark.parametrize("moment", range(12))
def test_a_recovery_killed_at_any_moment_can_be_begun_again(tmp_path, monkeypatch, moment):
    put(tmp_path, 0, "old")
    with Store(tmp_path) as store, monkeypatch.context() as patch:
        staged, record = stage(store, 0, "new")
        dying_after(patch, 11)  # after the rename that makes it done
        with pytest.raises(Killed):
            store.commit(staged, record)
    assert list((tmp_path / "_batch/ready").iterdir())
    with Store(tmp_path) as store, monkeypatch.context() as patch:
        dying_after(patch, moment)
        try:
            store.recover()
        except Killed:
            assert words(tmp_path) in (["old"], ["new"])
    with Store(tmp_path) as store:
        store.recover()
        (known,) = store.records()
    assert words(tmp_path) == ["new"] == [known.entries[0].fingerprint]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_a_slot_as_it_was(tmp_path, monkeypatch, code):
    put(tmp_path, 0, "old")
    with Store(tmp_path) as store:
        staged, record = stage(store, 0, "new")

        def full(handle):
            raise OSError(code, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            store.commit(staged, record)
        assert words(tmp_path) == ["old"]
        monkeypatch.undo()
        store.recover()
        assert [r.entries[0].fingerprint for r in store.records()] == ["old"]
        assert list(store.staging.iterdir()) == []


def test_a_page_that_cannot_be_written_whole_stays_as_it_was(tmp_path):
    def pieces():
        yield "half of "
        raise OSError(errno.ENOSPC, "No space left on device")

    with Store(tmp_path) as store:
        store.publish("index.html", ["whole"])
        with pytest.raises(OSError, match="No space left"):
            store.publish("index.html", pieces())
    assert (tmp_path / "index.html").read_text() == "whole"


def test_a_second_run_into_the_same_folder_refuses(tmp_path):
    with Store(tmp_path), pytest.raises(NcsError, match="another batch is writing") as caught:
        Store(tmp_path)
    assert str(tmp_path) in str(caught.value)
    with Store(tmp_path):
        pass  # the lock is free again


def test_a_killed_run_leaves_no_lock_behind(tmp_path):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom ncs_cb.batch.store import Store\n"
        f"store = Store(Path({str(tmp_path)!r}))\nprint('locked', flush=True)\ntime.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "locked\n"
    with pytest.raises(NcsError, match="another batch"):
        Store(tmp_path)
    holder.kill()
    holder.communicate()
    with Store(tmp_path):
        pass


@pytest.mark.parametrize("damage", ["removed", "cut", "record"])
def test_a_slot_with_a_damaged_file_counts_as_not_done(tmp_path, damage):
    put(tmp_path, 0, "good")
    path = tmp_path / "verdicts/part-00000.parquet"
    if damage == "removed":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-5])
    else:
        (tmp_path / "_batch/slots/00000.json").write_text('{"layout": "ncs_cb/batch/1", "slot"')
    with Store(tmp_path) as store:
        store.recover()
        assert list(store.records()) == []
    assert words(tmp_path) == [], "its other files go too, or the study would stand there twice"


def test_a_part_without_a_record_is_removed_and_other_files_are_not(tmp_path):
    put(tmp_path, 0, "good")
    orphan = tmp_path / "traces/part-00007.parquet"
    orphan.write_bytes((tmp_path / "traces/part-00000.parquet").read_bytes())
    notes = tmp_path / "traces/notes.txt"
    notes.write_text("mine")
    with Store(tmp_path) as store:
        store.recover()
    assert words(tmp_path) == ["good"]
    assert notes.read_text() == "mine"


def test_a_folder_of_another_layout_is_refused_and_left_alone(tmp_path):
    put(tmp_path, 0, "good")
    record = tmp_path / "_batch/slots/00000.json"
    record.write_text(record.read_text().replace("ncs_cb/batch/1", "ncs_cb/batch/99"))
    with Store(tmp_path) as store:
        store.recover()
        with pytest.raises(NcsError, match="another version"):
            list(store.records())
    assert words(tmp_path) == ["good"]


def test_a_record_reads_back_as_it_was_also_with_a_name_that_is_no_text():
    failure = Failure("p1", "a\udcff/b", "read", "ReadError", 'a "message"', "a hint")
    entry = Entry("a\udcff/b", "f", "p1", "a/b", "p1", "en", "60 s", failure, {"traces": 3})
    record = Record(3, (entry, Entry("c", "g", "p2", "c")), {"onset_latency_ms": [1, 2]}, {"t": 5})
    assert Record.from_json(record.to_json()) == record


def test_reports_of_studies_that_are_gone_are_removed_and_other_folders_are_not(tmp_path):
    put(tmp_path, 0, "good")
    mine = tmp_path / "reports/mine"
    mine.mkdir()
    with Store(tmp_path) as store:
        store.keep_reports({"p1"})
        assert store.has_report("p1", "en")
        store.keep_reports(set())
        assert not store.has_report("p1", "en")
    assert mine.is_dir()


def test_the_overviews_list_studies_in_their_order_however_the_slots_are_numbered(tmp_path):
    # In an archive that grew, later studies may have the lower number.
    with Store(tmp_path) as store:
        store.recover()
        for slot, study_id in enumerate(("p2", "p1")):
            staged, record = stage(store, slot, "good", study_id)
            failure = Failure(study_id, study_id, "read", "ReadError", "cut", "")
            entries = tuple(replace(entry, failure=failure) for entry in record.entries)
            store.commit(staged, replace(record, entries=entries))
        assert overview.write(store) == 2
    page, table = ((tmp_path / name).read_text() for name in ("index.html", "failures.csv"))
    assert page.index("<td>p1</td>") < page.index("<td>p2</td>")
    assert [line.split(",")[0] for line in table.splitlines()[1:]] == ["p1", "p2"]
