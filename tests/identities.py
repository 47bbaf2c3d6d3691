"""Studies with one invented person planted in one place each: in what is read, and what fails."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

import archives
from readers.test_hostile_files import brainvision, fif
from readers.test_natus_text import export, row, wave
from review_visits import ulnar_visit

Plant = Callable[[Path, str], None]

SITES = (
    "nerve,side,muscle,stimulation_site,distance_mm,negative_peak_amplitude_mv,more\n"
    "median,right,apb,wrist,70,9.1,\nmedian,right,apb,elbow,290,8.7,\n"
)


def edf(folder: Path, **header) -> None:
    texts = header.pop("texts", ())
    label = header.pop("label", None)
    data = archives.nerve_file(archives.NERVES[0], np.random.default_rng(3), **header)
    if label:
        data = data.replace(b"R APB           ", label.encode().ljust(16)[:16], 1)
    for old, new in texts:
        assert old.encode() in data
        data = data.replace(old.encode(), new.encode()[: len(old)].ljust(len(old)), 1)
    (folder / "m.edf").write_bytes(data)


def second_annotations(folder: Path, who: str, *, label: str = "EDF Annotations") -> None:
    """A second signal of annotations, with a name in a text, its label or its transducer."""
    samples = np.zeros(archives.N_SAMPLES)
    edf(folder)
    data = (folder / "m.edf").read_bytes()
    widths = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
    at, header = 256, [data[:184], f"{1024:<8}".encode(), data[192:252], f"{3:<4}".encode()]
    for width in widths:
        header += [data[at : at + 2 * width], data[at + width : at + 2 * width]]
        at += 2 * width
    head = bytearray(b"".join(header))
    head[256 + 32 : 256 + 48] = label.encode().ljust(16)[:16]
    head[256 + 48 + 160 : 256 + 48 + 240] = who.encode().ljust(80)
    step = 2 * (samples.size + archives.N_NOTES)
    records = [data[at + i : at + i + step] for i in range(0, len(data) - at, step)]
    note = f"+0\x14{who}\x14\x00".encode().ljust(2 * archives.N_NOTES, b"\0")
    (folder / "m.edf").write_bytes(bytes(head) + b"".join(record + note for record in records))


def matlab(folder: Path, who: str, *, column: str = "y", **changes) -> None:
    """A MATLAB file with a name in its text header or as a variable, and its sidecar."""
    from scipy.io import savemat

    held = {column: archives.cmap(3.0, 8.0, 5.5)[None], "patient_name": who}
    savemat(folder / "s.mat", held | {"t": np.arange(archives.N_SAMPLES) / 20.0 - 2.0})
    data = (folder / "s.mat").read_bytes()
    (folder / "s.mat").write_bytes(f"MATLAB 5.0 MAT-file, {who}".encode().ljust(116) + data[116:])
    told = {"nerve": "median", "side": "right", "muscle": "apb", "unit": "mV"}
    told |= {"polarity": "negative_up", "layout": "rows", "time_column": "t", "time_unit": "ms"}
    told |= {"variable": "y", "traces": {"1": {"site": "wrist", "distance_mm": 70}}}
    (folder / "s.json").write_text(json.dumps(told | changes))


def sweeps(folder: Path, **changes) -> None:
    """A sweep table; ``traces``, ``column`` and any key of the sidecar may be changed."""
    folder = ulnar_visit(folder)
    told = json.loads((folder / "ulnar_right.json").read_text())
    if column := changes.pop("column", None):
        text = (folder / "ulnar_right.csv").read_text()
        (folder / "ulnar_right.csv").write_text(text.replace("below_elbow", column, 1))
    if renamed := changes.pop("renamed", None):
        told["traces"][renamed] = told["traces"].pop("below_elbow")
    told["traces"]["wrist"] |= changes.pop("wrist", {})
    (folder / "ulnar_right.json").write_text(json.dumps(told | changes))


def sites(folder: Path, old: str = "", new: str = "") -> None:
    assert old in SITES
    (folder / "s.csv").write_text(SITES.replace(old, new, 1) if old else SITES)


def understood(folder: Path) -> None:
    """A table with nothing in it that could fail, beside a file that could."""
    text = SITES.replace(",more\n", "\n", 1).replace(",\n", "\n")
    (folder / "s.csv").write_text(text)


def study(text: str) -> Plant:
    def plant(folder: Path, who: str) -> None:
        understood(folder)
        (folder / "study.toml").write_text(text.replace("WHO", who))

    return plant


def lab(text: str) -> Plant:
    def plant(folder: Path, who: str) -> None:
        understood(folder)
        (folder / "lab.toml").write_text(text.replace("WHO", who))

    return plant


def log(change: Callable[[dict, str], None], break_it: bool = False) -> Plant:
    def plant(folder: Path, who: str) -> None:
        from ncs_cb import review

        ulnar_visit(folder)
        about = {"recording": "ulnar_right.csv", "site": "below_elbow"}
        review.append(folder, who="mt", action="exclude", trace=about, why="tail")
        path = folder / "review.jsonl"
        event = json.loads(path.read_text())
        event.pop("sha256", None)
        change(event, who)
        path.write_text(json.dumps(event) + (f"{who}\n" if break_it else "\n"))

    return plant


def triple(old: str, new: str, file: str = "x.vhdr") -> Plant:
    def plant(folder: Path, who: str) -> None:
        brainvision(folder)
        text = (folder / file).read_text("utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new.replace("WHO", who), 1), "utf-8")

    return plant


def fif_person(folder: Path, who: str) -> None:
    import mne

    path = fif(folder / "x_raw.fif")
    raw = mne.io.read_raw_fif(path, preload=True, verbose="error")
    raw.info["subject_info"] = {"first_name": who, "last_name": who, "his_id": who}
    raw.info["experimenter"] = raw.info["description"] = who
    raw.info["proj_name"] = who
    raw.annotations.append(0.01, 0.0, who)
    raw.save(path, overwrite=True, verbose="error")


def viking(old: str, new: str) -> Plant:
    def plant(folder: Path, who: str) -> None:
        text = export([row(wave(8.0, 3.0)), row(wave(7.5, 7.0))])
        assert old in text
        (folder / "e.txt").write_bytes(text.replace(old, new.replace("WHO", who)).encode("utf-16"))
        (folder / "study.toml").write_text(
            '[recordings."e.txt"]\nnerve = "ulnar"\npolarity = "negative_up"\n'
            'sites = { "1.1.1" = "wrist", "1.1.2" = "below elbow" }\n'
        )

    return plant


def sheet(folder: Path, who: str) -> None:
    from openpyxl import Workbook
    from openpyxl.comments import Comment
    from openpyxl.workbook.defined_name import DefinedName

    book = Workbook()
    book.active.title = who[:30]
    book.properties.creator = book.properties.title = who
    for line in SITES.splitlines():
        book.active.append(line.split(","))
    book.active["G2"] = who
    book.active["A2"].comment = Comment(who, who)
    book.active.oddHeader.center.text = who
    book.defined_names[who] = DefinedName(who, attr_text=f"'{who[:30]}'!$A$1")
    book.properties.lastModifiedBy = book.properties.description = who
    book.create_sheet(f"{who[:20]} 2")["A1"] = who
    book.save(folder / "r.xlsx")


def record(change: Callable[[dict, str], None]) -> Plant:
    def plant(folder: Path, who: str) -> None:
        import ncs_cb

        source = folder / "source"
        ulnar_visit(source)
        result = ncs_cb.analyze(ncs_cb.read_study(source))
        (path,) = ncs_cb.write_report(result, folder / "made", formats=["json"])
        told = json.loads(path.read_text("utf-8"))
        change(told, who)
        shutil.rmtree(source)
        shutil.rmtree(folder / "made")
        (folder / "result.json").write_text(json.dumps(told))

    return plant


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1500])


def sweep_cell(folder: Path, who: str) -> None:
    sweeps(folder)
    path = folder / "ulnar_right.csv"
    lines = path.read_text().splitlines()
    lines[5] = lines[5].replace(lines[5].split(",")[1], who)
    path.write_text("\n".join(lines))


# What is planted, and whether the study can be read all the same.
PLACES: dict[str, Plant] = {
    "edf patient name": lambda f, w: edf(f, patient=f"X F 07-AUG-1951 {w}"),
    "edf patient code": lambda f, w: edf(f, patient=f"{w} F 07-AUG-1951 X"),
    "edf patient free": lambda f, w: edf(f, patient=f"{w}, born 7.8.51"),
    "edf administration": lambda f, w: edf(f, recording=f"Startdate X {w} X X MNC R Median"),
    "edf technician": lambda f, w: edf(f, recording=f"Startdate X X {w} X MNC R Median"),
    "edf equipment": lambda f, w: edf(f, recording=f"Startdate X X X {w} MNC R Median"),
    "edf nerve that is a name": lambda f, w: edf(f, recording=f"Startdate X X X X MNC R {w}"),
    "edf recording field": lambda f, w: edf(f, recording=f"{w} MNC R Median"),
    "edf label": lambda f, w: edf(f, label=f"R {w}"),
    "edf electrode": lambda f, w: edf(f, texts=[("AgAgCl electrode      ", w)]),
    "edf prefilter": lambda f, w: edf(f, texts=[("HP:2Hz LP:10kHz         ", f"HP:{w}")]),
    "edf unit": lambda f, w: edf(f, texts=[("mV      ", w[:8])]),
    "edf reserved": lambda f, w: edf(f, texts=[("EDF+D" + " " * 30, f"EDF+D {w}")]),
    "edf note": lambda f, w: edf(f, notes=(w,)),
    "edf note about a nerve": lambda f, w: edf(f, notes=(f"{w} ulnar nerve at wrist",)),
    "edf note in XML": lambda f, w: edf(f, notes=(f"<EDF_XMLnote><who>{w}</who></EDF_XMLnote>",)),
    "edf site that is a name": lambda f, w: edf(f, texts=[("right wrist 0.2ms", f"right {w}")]),
    "edf stimulus by": lambda f, w: edf(f, texts=[(" from recording site", f" by {w}")]),
    "edf second annotations": second_annotations,
    "edf second annotations, label": lambda f, w: second_annotations(f, w, label=w),
    "matlab header and variable": matlab,
    "matlab column": lambda f, w: matlab(f, w, column=w),
    "matlab key": lambda f, w: matlab(f, w, **{w: w}),
    "edf cut": lambda f, w: (edf(f, patient=f"X F X {w}"), cut(f / "m.edf")),
    "sweep column": lambda f, w: sweeps(f, column=w, renamed=w),
    "sweep column not told of": lambda f, w: sweeps(f, column=w),
    "sweep told of no column": lambda f, w: sweeps(f, renamed=w),
    "sidecar name": lambda f, w: sweeps(f, patient_name=w),
    "sidecar unknown key": lambda f, w: sweeps(f, **{w: 1}),
    "sidecar nerve": lambda f, w: sweeps(f, nerve=w),
    "sidecar side": lambda f, w: sweeps(f, side=w),
    "sidecar muscle": lambda f, w: sweeps(f, muscle=w),
    "sidecar unit": lambda f, w: sweeps(f, unit=w),
    "sidecar polarity": lambda f, w: sweeps(f, polarity=w),
    "sidecar kind": lambda f, w: sweeps(f, kind=w),
    "sidecar filter": lambda f, w: sweeps(f, high_pass_hz=w),
    "sidecar site": lambda f, w: sweeps(f, wrist={"site": w}),
    "sidecar distance": lambda f, w: sweeps(f, wrist={"distance_mm": w}),
    "sidecar supramaximal": lambda f, w: sweeps(f, wrist={"supramaximal": w}),
    "sidecar key of a trace": lambda f, w: sweeps(f, wrist={w: 1}),
    "sidecar that is no JSON": lambda f, w: (sweeps(f), (f / "ulnar_right.json").write_text(w)),
    "sweep columns twice": lambda f, w: (
        sweeps(f),
        (f / "ulnar_right.csv").write_text(f"time_ms,{w},{w}\n-1,0,0\n0,0,0\n1,0,0\n"),
    ),
    "sweep cell": sweep_cell,
    "table nerve": lambda f, w: sites(f, "median", w),
    "table side": lambda f, w: sites(f, "right", w),
    "table muscle": lambda f, w: sites(f, "apb", w),
    "table site": lambda f, w: sites(f, "wrist", w),
    "table distance": lambda f, w: sites(f, "70", w),
    "table amplitude": lambda f, w: sites(f, "9.1", w),
    "table header": lambda f, w: sites(f, "more", w),
    "table name": lambda f, w: sites(
        f,
        "more\nmedian,right,apb,wrist,70,9.1,",
        f"patient_name\nmedian,right,apb,wrist,70,9.1,{w}",
    ),
    "table cell": lambda f, w: sites(f, "9.1,", f"9.1,{w}"),
    "table response": lambda f, w: sites(
        f, "more\nmedian,right,apb,wrist,70,9.1,", f"response\nmedian,right,apb,wrist,70,9.1,{w}"
    ),
    "table title": lambda f, w: sites(f, "nerve,", f"{w}\nnerve,"),
    "study comment": study("# WHO\n[person]\nage_years = 44\n"),
    "study table": study("[WHO]\na = 1\n"),
    "study key": study('[person]\n"WHO" = 1\n'),
    "study name": study('[person]\nname = "WHO"\n'),
    "study sex": study('[person]\nsex = "WHO"\n'),
    "study age": study('[person]\nage_years = "WHO"\n'),
    "study date": study('[study]\nvisit_date = "WHO"\n'),
    "study limb": study("[limb_temperature_c]\nWHO = 33.0\n"),
    "study finding": study("[clinical]\nWHO = true\n"),
    "study finding value": study('[clinical]\nobjective_sensory_loss = "WHO"\n'),
    "study recording": study('[recordings."WHO.edf"]\nside = "right"\n'),
    "study nerve": study('[recordings."s.csv"]\nnerve = "WHO"\n'),
    "study site text": study('[recordings."s.csv"]\nsites = { "WHO" = "wrist" }\n'),
    "study site": study('[recordings."s.csv"]\nsites = { "S 1" = "WHO" }\n'),
    "study segment length": study('[recordings."s.csv"]\nsegment_lengths_mm = { "WHO" = 200 }\n'),
    "study response": study('[recordings."s.csv".responses.WHO]\nexclude = true\n'),
    "study sensory nerve": study('[[sensory]]\nnerve = "WHO"\nside = "left"\n'),
    "study sensory key": study('[[sensory]]\nnerve = "ulnar"\nside = "left"\nWHO = 1\n'),
    "study needle": study('[[needle_emg]]\nmuscle = "fdi"\nmotor_unit_changes = "WHO"\n'),
    "study that is no TOML": study("[person]\nage_years = WHO\n"),
    "review key": log(lambda e, w: e.update({w: 1})),
    "review action": log(lambda e, w: e.update(action=w)),
    "review trace": log(lambda e, w: e.update(trace={"recording": w, "site": "wrist"})),
    "review site": log(lambda e, w: e["trace"].update(site=w)),
    "review time": log(lambda e, w: e.update(at=w)),
    "review version": log(lambda e, w: e.update(ncs_cb=w)),
    "review that is no JSON": log(lambda e, w: None, break_it=True),
    "lab key": lab("[WHO]\na = 1\n"),
    "lab letterhead key": lab('[letterhead]\nWHO = "a"\n'),
    "lab word": lab('[words.nerve]\nWHO = ["a"]\n'),
    "lab language": lab('[defaults]\nlanguage = "WHO"\n'),
    "lab criteria": lab('[defaults]\ncriteria = ["WHO"]\n'),
    "lab layout": lab("[layouts.a]\nWHO = 1\n"),
    "lab that is no TOML": lab("a = WHO\n"),
    "brainvision comment": triple("Stimulus right elbow,2500", "WHO,2500", "x.vmrk"),
    "brainvision site": triple("right elbow,2500", "right WHO,2500", "x.vmrk"),
    "brainvision channel": triple("Ch1=R APB", "Ch1=R WHO"),
    "brainvision unit": triple("µV", "WHO"),
    "brainvision data file": triple("DataFile=x.eeg", "DataFile=WHO.eeg"),
    "brainvision remark": triple("[Channel Infos]", "; WHO\n[Channel Infos]"),
    "fif person": fif_person,
    "viking patient": viking("First Name=Invented", "First Name=WHO"),
    "viking muscle": viking("R Abductor Digiti Minimi", "R WHO"),
    "viking test": viking("Test=Motor", "Test=WHO"),
    "viking rate": viking("Subsampled(kHz)=19,2", "Subsampled(kHz)=WHO"),
    "spreadsheet": sheet,
    "record key": record(lambda t, w: t["study"]["details"].update({w: 1})),
    "record nerve": record(lambda t, w: t["traces"][0].update(nerve=w)),
    "record number": record(lambda t, w: t["traces"][0].update(onset_latency_ms=w)),
    "record schema": record(lambda t, w: t.update(schema=w)),
    "text of no format": lambda f, w: (f / "m.edf").write_text(f"{w}\n" * 200),
}

# Free text that the user types to be shown; only a key hides it.
TYPED: dict[str, Plant] = {
    "clinical question": study('[study]\nclinical_question = "WHO"\n'),
    "drug": study('[treatment]\ncourses = [{ drug = "WHO", start = 2026-01-10 }]\n'),
    "sensory segment": study('[[sensory]]\nnerve = "ulnar"\nside = "left"\nsegment = "WHO"\n'),
    "movement": study('[[strength]]\nmovement = "WHO"\nside = "left"\nmrc = 4\n'),
    "study id": study('[study]\nid = "WHO"\n'),
    "review author": log(lambda e, w: e.update(who=w)),
    "review reason": log(lambda e, w: e.update(why=w)),
    "record id": record(lambda t, w: t["study"].update(study_id=w)),
    "record recording": record(lambda t, w: t["traces"][0].update(recording=w)),
}


def person(number: int) -> str:
    """One invented name and number of six letters and digits that nothing else holds."""
    return f"Zq{number:02d}vyxo"


def plant_all(root: Path, places: dict[str, Plant], first: int = 10) -> dict[str, str]:
    """Plant one person per place; give who stands where."""
    people = {}
    for number, (name, plant) in enumerate(places.items(), start=first):
        folder = root / f"s{number}"
        folder.mkdir(parents=True)
        people[name] = person(number)
        plant(folder, people[name])
    return people
