"""Files made to harm: each ends in one of our own errors, and in nothing else."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import archives
import ncs_cb
from ncs_cb import read_study
from ncs_cb.apart import apart, in_time
from ncs_cb.batch.identity import Pseudonyms
from ncs_cb.errors import NcsError, ReadError, StudyError
from ncs_cb.knowledge.anatomy import anatomy, normalize
from ncs_cb.readers import mapped_table, read_studies
from ncs_cb.readers._shared.files import read_regular
from ncs_cb.readers._shared.stimuli import resembles_site
from ncs_cb.readers._shared.typed import MOST_ROWS
from readers.test_mapped_table import GERMAN, GERMAN_LAYOUT
from readers.test_natus_text import export, row, wave
from review_visits import ulnar_visit

pytestmark = pytest.mark.filterwarnings("ignore")

RATE_HZ = 10_000


def brainvision(folder: Path, data: str = "x.eeg", markers: str = "x.vmrk") -> Path:
    """A sound BrainVision triple of one median nerve, whose header names the other two files."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = np.zeros(4000, dtype="<i2")
    for start, height in ((500, 3000), (2500, 2800)):
        samples[start + 40 : start + 90] = -height
    (folder / "x.eeg").write_bytes(samples.tobytes())
    (folder / "x.vhdr").write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={data}\nMarkerFile={markers}\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
        f"NumberOfChannels=1\nSamplingInterval={1e6 / RATE_HZ:g}\n\n[Binary Infos]\n"
        "BinaryFormat=INT_16\n\n[Channel Infos]\nCh1=R APB,,1,µV\n",
        encoding="utf-8",
    )
    (folder / "x.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={data}\n\n[Marker Infos]\nMk1=New Segment,,1,1,0,20260101000000000000\n"
        "Mk2=Comment,Stimulus right wrist,500,1,0\nMk3=Comment,Stimulus right elbow,2500,1,0\n",
        encoding="utf-8",
    )
    return folder / "x.vhdr"


def test_a_sound_triple_is_read(tmp_path):
    assert len(ncs_cb.read_study(brainvision(tmp_path / "visit")).traces) == 2


@pytest.mark.parametrize("way", ["../other/data.eeg", "{absolute}", "..\\other\\data.eeg"])
def test_a_header_that_names_another_patients_data_is_refused(tmp_path, way):
    other = tmp_path / "other" / "data.eeg"
    brainvision(other.parent)
    (other.parent / "x.eeg").rename(other)
    header = brainvision(tmp_path / "visit", data=way.format(absolute=other))
    with pytest.raises(ReadError) as told:
        ncs_cb.read_study(header)
    assert "outside of this visit's folder" in str(told.value)
    assert "other" not in str(told.value)


def test_a_companion_that_is_a_link_out_of_the_folder_is_refused(tmp_path):
    other = brainvision(tmp_path / "other").with_suffix(".eeg")
    header = brainvision(tmp_path / "visit")
    (tmp_path / "visit" / "x.eeg").unlink()
    (tmp_path / "visit" / "x.eeg").symlink_to(other)
    with pytest.raises(ReadError):
        ncs_cb.read_study(header)


@pytest.mark.skipif(os.name == "nt", reason="named pipes of POSIX systems")
@pytest.mark.parametrize("suffix", [".vmrk", ".eeg"])
def test_a_companion_that_is_a_pipe_does_not_wait_for_ever(tmp_path, suffix):
    header = brainvision(tmp_path / "visit")
    header.with_suffix(suffix).unlink()
    os.mkfifo(header.with_suffix(suffix))
    with pytest.raises(ReadError, match="not a regular file"):
        ncs_cb.read_study(header)


@pytest.mark.skipif(os.name == "nt", reason="named pipes of POSIX systems")
def test_a_sidecar_that_is_a_pipe_does_not_wait_for_ever(tmp_path):
    (tmp_path / "a.csv").write_text("time_ms,wrist\n0,0\n1,1\n")
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(ReadError, match="not a regular file"):
        ncs_cb.read_study(tmp_path / "a.csv")


def test_a_device_is_never_read():
    if not Path("/dev/zero").exists():
        pytest.skip("this system has no /dev/zero")
    with pytest.raises(ReadError, match="not a regular file"):
        read_regular(Path("/dev/zero"))


# ------------------------------------------------------------------ FIF


def fif(path: Path) -> Path:
    import mne

    data = np.zeros((1, 4000))
    for start in (500, 2500):
        data[0, start + 40 : start + 90] = -3e-3
    raw = mne.io.RawArray(data, mne.create_info(["R APB"], RATE_HZ, "emg"), verbose="error")
    texts = ["Stimulus right wrist", "Stimulus right elbow"]
    raw.set_annotations(mne.Annotations([0.05, 0.25], [0.0, 0.0], texts))
    path.parent.mkdir(parents=True, exist_ok=True)
    raw.save(path, verbose="error", overwrite=True)
    return path


def with_next_part(path: Path, name: str) -> Path:
    """Have a FIF file say that it goes on in another file, as MNE writes it."""
    tag = struct.Struct(">iIii")
    data = path.read_bytes()
    at, end_of_raw = 0, None
    while at + tag.size <= len(data):
        kind, _, size, following = tag.unpack_from(data, at)
        if kind == 105 and struct.unpack_from(">i", data, at + tag.size)[0] == 102:
            end_of_raw = at
        if following == -1:
            break
        at = following or at + tag.size + size
    assert end_of_raw is not None
    pieces = []
    for kind, type_, body in (
        (104, 3, struct.pack(">i", 116)),  # a block that refers to another file
        (118, 10, name.encode()),
        (117, 3, struct.pack(">i", 1)),
        (115, 3, struct.pack(">i", 1)),
        (105, 3, struct.pack(">i", 116)),
    ):
        pieces.append(tag.pack(kind, type_, len(body), 0) + body)
    path.write_bytes(data[:end_of_raw] + b"".join(pieces) + data[end_of_raw:])
    return path


@pytest.mark.parametrize("name", ["x_raw.fif", "../other/y_raw.fif", "gone_raw.fif"])
def test_a_split_that_leads_to_itself_or_elsewhere_is_refused(tmp_path, name):
    fif(tmp_path / "other" / "y_raw.fif")
    path = with_next_part(fif(tmp_path / "visit" / "x_raw.fif"), name)
    with pytest.raises(ReadError, match=r"lead back|outside|not there"):
        ncs_cb.read_study(path)


# ------------------------------------------------------------------ native parsers


def die() -> None:
    os.abort()


def swell() -> int:
    return len(bytearray(8 * 2**30))


def hello(name: str) -> str:
    sys.stdout.write("what a library prints\n")
    return f"hello {name}"


def refuse() -> None:
    raise StudyError("no.", source="a file", hint="try")


def test_work_done_apart_gives_what_it_gives_and_raises_what_it_raises(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
    sys.modules["test_hostile_files"] = sys.modules[__name__]
    for function in (die, swell, hello, refuse):
        function.__module__ = "test_hostile_files"
    assert apart(hello, "wörld") == "hello wörld"
    with pytest.raises(StudyError, match=r"no\.") as told:
        apart(refuse)
    assert (told.value.source, told.value.hint) == ("a file", "try")
    with pytest.raises(ReadError, match="broke on it"):
        apart(die)
    with pytest.raises(ReadError, match=r"memory|broke on it"):
        apart(swell)


def matlab_element(kind: int, body: bytes) -> bytes:
    return struct.pack("<II", kind, len(body)) + body + b"\0" * (-len(body) % 8)


@pytest.mark.parametrize("seed", range(2))
def test_a_damaged_eeglab_file_ends_no_other_input(tmp_path, seed):
    rng = np.random.default_rng(seed)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H2s", 0x0100, b"IM")
    inner = b"".join(
        matlab_element(int(rng.choice([1, 5, 6, 9, 14])), rng.bytes(int(rng.integers(0, 64))))
        for _ in range(4)
    )
    (tmp_path / "x.set").write_bytes(head + matlab_element(14, inner))
    sound = brainvision(tmp_path / "sound")
    command = [sys.executable, "-m", "ncs_cb", "validate", tmp_path / "x.set", sound]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert "good" in run.stdout


# ------------------------------------------------------------------ numbers and texts


@pytest.fixture(scope="module")
def record(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("record")
    archives.write_archive(folder / "root", 1, n_files=1)
    result = ncs_cb.analyze(ncs_cb.read_study(folder / "root" / "p00000"))
    (path,) = ncs_cb.write_report(result, folder / "out", formats=["json"])
    return path.read_text("utf-8")


@pytest.mark.parametrize("huge", ["1" + "0" * 400, "1e999", "-1" + "0" * 400, "1" + "0" * 9000])
def test_a_number_beyond_all_numbers_is_an_error_of_ours(record, tmp_path, huge):
    loaded = json.loads(record)
    first = loaded["traces"][0]["onset_latency_ms"]
    path = tmp_path / "result.json"
    path.write_text(record.replace(repr(first), huge, 1), "utf-8")
    with pytest.raises(NcsError) as told:
        ncs_cb.read_study(path)
    assert "number" in str(told.value) or "JSON" in str(told.value)
    assert len(str(told.value)) < 400


@pytest.mark.parametrize(
    "line", ["age_years = 1" + "0" * 400, "height_cm = 1e999", "age_years = 1" + "0" * 9000]
)
def test_a_huge_number_in_study_toml_is_an_error_of_ours(tmp_path, line):
    (tmp_path / "study.toml").write_text(f"[person]\n{line}\n")
    with pytest.raises(NcsError):
        ncs_cb.read_study(tmp_path)


def test_half_a_letter_is_an_error_of_ours(record, tmp_path):
    path = tmp_path / "result.json"
    recording = json.loads(record)["traces"][0]["recording"]
    path.write_text(record.replace(f'"{recording}"', '"\\ud83d"'), "utf-8")
    with pytest.raises(ReadError, match="surrogate"):
        ncs_cb.read_study(path)


def test_a_whole_letter_of_two_halves_is_read(record, tmp_path):
    path = tmp_path / "result.json"
    recording = json.loads(record)["traces"][0]["recording"]
    path.write_text(record.replace(f'"{recording}"', '"\\ud83d\\ude00"'), "utf-8")
    assert ncs_cb.read_study(path).typed_responses[0].recording == "\U0001f600"


def test_stimuli_that_share_all_their_samples_ask_for_no_memory(tmp_path, monkeypatch):
    """Each of three hundred short records says that the stimulus came at the very beginning."""
    monkeypatch.setattr(archives, "N_SAMPLES", 50)
    length_s = 50 / archives.RATE_HZ
    records = [(n * length_s, "x\x14\x00+0\x14wrist", np.zeros(50)) for n in range(300)]
    field = "Startdate 02-MAR-2026 X X X MNC R Median Nerve"
    data = archives.edf_plus_d("R APB", records, recording=field)
    path = tmp_path / "bomb.edf"
    path.write_bytes(data.replace(b"EDF+D", b"EDF+C", 1))
    try:
        made = ncs_cb.read_study(path)
    except NcsError:
        return
    assert sum(trace.samples_mv.nbytes for trace in made.traces) < 20 * len(data)


@pytest.fixture
def compared(monkeypatch) -> list[int]:
    """How many names each text was held against, letter by letter."""
    counts: list[int] = []
    plain = difflib.get_close_matches

    def counting(word, possibilities, *more, **limits):
        listed = list(possibilities)
        counts.append(len(listed))
        return plain(word, listed, *more, **limits)

    monkeypatch.setattr(difflib, "get_close_matches", counting)
    return counts


def test_thousands_of_remarks_are_held_against_few_names(tmp_path, compared):
    rng = np.random.default_rng(4)
    letters = np.array(list("abcdeghiklmnoprstuvwz"))
    remarks = ["".join(rng.choice(letters, 9)) for _ in range(1000)]
    pause = "".join(f"+10\x14{remark}\x14\x00" for remark in remarks)
    nothing = np.zeros(archives.N_SAMPLES)
    shocks = [
        (20.0 * i, f"Stimulus right {site} 0.2ms x 12mA at {cm}cm from recording site", cmap)
        for i, (site, cm, cmap) in enumerate(
            [("wrist", 7, -archives.cmap(3.0, 8.0, 5.5)), ("elbow", 27, -archives.cmap(6, 8, 5.5))]
        )
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archives, "N_NOTES", 20_000)
        data = archives.edf_plus_d(
            "R APB", [shocks[0], (10.0, "x", nothing), shocks[1]], recording="X X X MNC R Median"
        )
    data = data.replace(b"+10.002\x14x\x14\x00".ljust(len(pause), b"\0"), pause.encode())
    (tmp_path / "m.edf").write_bytes(data)
    study = read_study(tmp_path / "m.edf")
    assert [t.site.stimulation_site for t in study.traces] == ["wrist", "elbow"]
    assert len(compared) >= 1000
    assert sum(compared) < 2 * len(compared)


def test_a_misspelt_site_is_found_as_if_it_were_held_against_every_name():
    rng = np.random.default_rng(5)
    names = sorted(
        name
        for site in anatomy().sites.values()
        for text in (site.id, *site.aliases)
        if len(name := normalize(text)) > 3
    )
    letters = "abcdefghiklmnorstuwx \u8098"
    for name in names:
        at = int(rng.integers(len(name)))
        changed = name[:at] + letters[int(rng.integers(len(letters)))] + name[at + 1 :]
        plain = normalize(changed)
        best = difflib.get_close_matches(plain, names, n=1, cutoff=0.8)
        assert bool(resembles_site(changed)) == bool(best and len(plain) > 2), changed


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA, pd.NaT, np.ma.masked])
def test_a_distance_that_says_nothing_is_unknown_and_never_zero(nothing):
    samples = np.stack([archives.cmap(3.0, 8.0, 5.5), archives.cmap(6.5, 7.5, 5.5)])
    labels = pd.DataFrame({"stimulation_site": ["wrist", "elbow"]})
    labels = labels.assign(nerve="median", side="right", muscle="apb")
    for name in ("distance_mm", "stimulus_ma", "supramaximal"):
        labels[name] = pd.Series([nothing, 1], dtype=object)
    study = ncs_cb.study_from_arrays(samples, labels, sampling_rate_hz=20_000, stimulus_index=40)
    here, other = (trace.stimulus for trace in study.traces)
    assert (here.distance_mm, here.intensity_ma, here.is_supramaximal) == (None, None, None)
    assert (other.distance_mm, other.intensity_ma, other.is_supramaximal) == (1.0, 1.0, True)


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NA, pd.NaT, np.ma.masked])
def test_a_cell_of_a_frame_that_says_nothing_is_unknown_and_never_zero(nothing):
    sites = {"stimulation_site": ["wrist", "elbow"], "negative_peak_amplitude_mv": [9.0, 8.0]}
    frame = pd.DataFrame(sites).assign(nerve="median", side="right", muscle="apb")
    frame["distance_mm"] = pd.Series([nothing, 290.0], dtype=object)
    (study,) = ncs_cb.studies_from_table(frame)
    assert [r.stimulus.distance_mm for r in study.typed_responses] == [None, 290.0]


@pytest.mark.parametrize("text", ["7.0.1cm", "7,0,1cm", "0.7.0cm"])
def test_the_end_of_what_is_no_number_is_no_distance(tmp_path, text):
    data = archives.nerve_file(archives.NERVES[0], np.random.default_rng(1))
    old = b"12mA at 7.0cm from recording site"
    assert old in data
    data = data.replace(old, f"12mA at {text} from".encode().ljust(len(old)), 1)
    (tmp_path / "m.edf").write_bytes(data)
    study = read_study(tmp_path / "m.edf")
    assert [trace.site.stimulation_site for trace in study.traces] == ["elbow", "axilla"]
    assert len(study.unassigned) == 1


@pytest.mark.parametrize("header", ["side,muscle,stimulation_site", "Side,Muscle,Stimulated at"])
def test_more_rows_than_a_visit_has_are_refused_and_other_visits_are_read(tmp_path, header):
    lines = [f"study_id,nerve,{header},negative_peak_amplitude_mv"]
    lines += ["1,median,right,apb,wrist,9.1"] * (MOST_ROWS + 5)
    lines += ["2,median,right,apb,wrist,9.1"]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    layout = None
    if header[0] == "S":
        keys = "study_id = 'study_id'\nnerve = 'nerve'\nside = 'Side'\nmuscle = 'Muscle'\n"
        columns = "negative_peak_amplitude_mv = { from = 'negative_peak_amplitude_mv' }\n"
        layout = tmp_path / "l.toml"
        text = f"[keys]\n{keys}stimulation_site = 'Stimulated at'\n[columns]\n{columns}"
        layout.write_text(f"title = 'x'\n{text}")
    first, second = read_studies(tmp_path / "t.csv", layout=layout).values()
    assert isinstance(first, StudyError)
    assert f"more than {MOST_ROWS} rows of one visit" in str(first)
    assert len(second.typed_responses) == 1


@pytest.mark.parametrize("depth", [60, 495, 20_000])
@pytest.mark.parametrize("name", ["study.toml", "lab.toml", "ulnar_right.json", "review.jsonl"])
def test_keys_within_keys_without_end_are_an_error_of_ours(tmp_path, name, depth):
    """Keys with points nest tables as deep as one likes; whoever walks them must not fail."""
    folder = ulnar_visit(tmp_path / "visit")
    text = f"{'.'.join('a' * depth)} = 1\n"
    if name.endswith("toml"):
        (folder / name).write_text(f"layouts.{text}" if name == "lab.toml" else text)
    elif name == "review.jsonl":
        ncs_cb.review.append(
            folder,
            who="mt",
            action="exclude",
            trace={"recording": "ulnar_right.csv", "sweep": 0},
            why="a test",
        )
        log = (folder / name).read_text().rstrip().removesuffix("}")
        (folder / name).write_text(f'{log},"a":{"[" * depth}{"]" * depth}}}\n')
    else:
        sidecar = (folder / name).read_text().rstrip().removesuffix("}")
        (folder / name).write_text(f'{sidecar},"patient":{"[" * depth}{"]" * depth}}}')
    with pytest.raises(NcsError, match=r"too deeply|not an event in JSON"):
        ncs_cb.read_study(folder)


@pytest.mark.parametrize(("part", "count"), [("a.", 500_000), ('"b" . ', 160_000)])
def test_a_key_of_many_parts_is_refused_before_it_is_parsed(tmp_path, part, count):
    """The parser needs the square of its length: a megabyte would ask for a terabyte."""
    (tmp_path / "s.csv").write_text("nerve,side,muscle,stimulation_site\nulnar,right,adm,wrist\n")
    (tmp_path / "study.toml").write_text(f"{part * count}c = 1\n")
    with pytest.raises(StudyError, match="nested too deeply"):
        ncs_cb.read_study(tmp_path)


@pytest.mark.parametrize("ends", [[10**400, 1], [-(10**400), 10**400], [True, 5], ["a", 1]])
def test_a_range_beyond_all_numbers_is_an_error_of_ours(tmp_path, ends):
    folder = ulnar_visit(tmp_path / "visit")
    told = json.loads((folder / "ulnar_right.json").read_text())
    (folder / "ulnar_right.json").write_text(json.dumps(told | {"range_mv": ends}))
    with pytest.raises(StudyError, match="range_mv"):
        ncs_cb.read_study(folder)


def test_a_count_of_thousands_of_digits_is_an_error_of_ours(tmp_path):
    text = export([row(wave(8.0, 3.0), count="9" * 5000)])
    (tmp_path / "e.txt").write_bytes(text.encode("utf-16"))
    (tmp_path / "study.toml").write_text('[recordings."e.txt"]\nsites = { "1.1.1" = "wrist" }\n')
    with pytest.raises(ReadError, match="too many"):
        ncs_cb.read_study(tmp_path)


def test_a_key_that_never_ends_is_refused_and_one_from_a_pipe_is_taken(tmp_path):
    with pytest.raises(NcsError, match="larger than"):
        Pseudonyms.from_file(Path("/dev/zero"))
    os.mkfifo(tmp_path / "key")
    secret = b"an invented secret of this laboratory"
    giver = threading.Thread(target=(tmp_path / "key").write_bytes, args=(secret,))
    giver.start()
    assert Pseudonyms.from_file(tmp_path / "key").of("a") == Pseudonyms(secret).of("a")
    giver.join()


@pytest.mark.parametrize("count", ["999999999", "9" * 5000])
def test_channels_without_end_are_refused_before_room_is_made_for_them(tmp_path, count):
    header = brainvision(tmp_path / "visit")
    text = header.read_text("utf-8").replace("NumberOfChannels=1", f"NumberOfChannels={count}")
    header.write_text(text, "utf-8")
    with pytest.raises(ReadError, match="more channels"):
        ncs_cb.read_study(header)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer on this system")
def test_the_end_of_the_time_is_no_error_that_a_handler_within_may_keep():
    def matching():
        with in_time(0.1, "matching"):
            while True:
                with contextlib.suppress(NcsError):
                    sum(range(100_000))

    with pytest.raises(ReadError, match=r"matching takes longer than 0\.1 s"):
        matching()


@pytest.mark.parametrize("way", ["wide", "group_row"])
def test_a_pattern_that_is_never_done_is_ended(tmp_path, monkeypatch, way):
    monkeypatch.setattr(mapped_table, "_SECONDS", 0.5)
    layout = {
        "wide": "wide = { pattern = '(?P<side>(a|a)*)b(?P<measure>x)', "
        f'measures = {{ x = "onset_latency_ms" }} }}\n{GERMAN_LAYOUT.partition("[columns")[0]}',
        "group_row": f"group_row = '(?P<side>(a+)+)$'\n{GERMAN_LAYOUT}",
    }
    (tmp_path / "layout.toml").write_text(layout[way])
    lines = GERMAN.splitlines()
    lines[0] += ";" + "a" * 50
    lines[2:2] = ["a" * 50 + "!"]
    (tmp_path / "g.csv").write_text("\n".join(lines))
    with pytest.raises(ReadError, match="takes longer than"):
        read_studies(tmp_path / "g.csv", layout=tmp_path / "layout.toml")
