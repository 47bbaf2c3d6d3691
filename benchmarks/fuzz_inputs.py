"""Sound files of every kind we read, and the ways to change them with intent.

A change knows the structure: a field of a header, a key or a value of a tree, a cell of a table.
Everything is a function of the number of the input.
"""

from __future__ import annotations

import copy
import hashlib
import io
import json
import re
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import archives
from readers.test_fuzz import RECORD, SITES
from readers.test_mapped_table import GERMAN, GERMAN_LAYOUT, LONG_LAYOUT, NATUS, SIERRA, WIDE_LAYOUT
from readers.test_natus_text import export, row, wave
from review_visits import ulnar_visit

Files = dict[str, bytes]
Change = Callable[[bytes, Random], bytes]


@dataclass(frozen=True)
class Kind:
    """Files of one study; which of them is changed, and how; how often it is drawn."""

    files: Files
    changed: str
    change: Change
    weight: float = 1.0


NUMBERS = [
    *(0, -1, 1, 2, 3, 255, 65535, 2**31 - 1, -(2**31), 2**63, 10**18, 10**400),
    *(0.5, -0.0, 1e-320, 1e-12, 1e12, 1e155, 1e308, -1e308, float("nan"), float("inf")),
]
TEXTS = [
    *("", " ", "0", "-1", "1e400", "nan", "inf", "0x10", "1,5", "1.234,5", "true", "NR", "<3.5"),
    *("=1+1", "../../x", "/dev/zero", "a\x00b", "\u202ex", "\x1b[2J", "<b>", "%s{0}", "\ud83d"),
    *("wrist", "Ellenbogen", "右", "ulnar", "x" * 3000, "9" * 5000, "(?P<a>" * 40, "(a+)+$"),
]


def hostile(rng: Random, told: Any = None) -> Any:
    """Give a value that stands where another was."""
    way = rng.randrange(6)
    if way == 0 and isinstance(told, int | float) and not isinstance(told, bool):
        times = rng.choice([-1, 0, 1e-3, 10, 1000, 1e30])
        # A whole number that an earlier change made may lie beyond all floating ones.
        return told * times if abs(told) < 1e200 else -told
    if way <= 2:
        return rng.choice(NUMBERS)
    if way == 3:
        return rng.choice([True, False, None, [], {}, [[]], {"": {}}, date(1, 1, 1), [1, "a"]])
    return rng.choice(TEXTS)


def changed_tree(tree: Any, rng: Random) -> Any:
    """Change a few places of a tree of objects and lists."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.randint(1, 3)):
        places = list(_places(tree))
        if not places:
            return tree
        holder, key = rng.choice(places)
        way = rng.randrange(7)
        if way <= 2:
            holder[key] = hostile(rng, holder[key])
        elif way == 3:
            del holder[key]
        elif way == 4 and isinstance(holder, dict):
            holder[rng.choice([*map(str, TEXTS), str(key).upper(), f"{key} "])] = holder[key]
        elif way == 5:
            other, its = rng.choice(places)
            holder[key] = copy.deepcopy(other[its])
        elif isinstance(holder, list):
            holder.extend(copy.deepcopy(holder[key : key + 1]) * rng.choice([1, 2, 200]))
        else:
            holder[key] = [holder[key]] * rng.choice([1, 2, 500])
    return tree


def _places(tree: Any) -> Any:
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(pairs):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def change_json(data: bytes, rng: Random) -> bytes:
    """Change a JSON file; half letters are written as escapes."""
    changed = changed_tree(json.loads(data), rng)
    return json.dumps(changed, default=str, ensure_ascii=True).encode()


def change_lines(data: bytes, rng: Random) -> bytes:
    """Change events of a log, and chain them anew so that more than the chain is looked at."""
    events = [json.loads(line) for line in data.splitlines()]
    made: list[bytes] = []
    for event in events:
        now = changed_tree(event, rng) if rng.random() < 0.6 else event
        if isinstance(now, dict) and rng.random() < 0.95:
            now["prev"] = hashlib.sha256(made[-1]).hexdigest() if made else ""
            now.pop("sha256", None)
        made.append(json.dumps(now, default=str, separators=(",", ":")).encode())
    if rng.random() < 0.1:
        rng.shuffle(made)
    return b"\n".join(made) + rng.choice([b"\n", b"\n", b""])


def as_toml(value: Any) -> str:
    """Write a value as TOML; tables inline."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, date):
        return f"{value.year:04d}-{value.month:02d}-{value.day:02d}"
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(str(k))} = {as_toml(v)}" for k, v in value.items())
        return "{ " + inner + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(as_toml(v) for v in value) + "]"
    return '""' if value is None else json.dumps(str(value))


def change_toml(data: bytes, rng: Random) -> bytes:
    """Change a TOML file."""
    import tomllib

    tree = changed_tree(tomllib.loads(data.decode()), rng)
    lines = (f"{json.dumps(str(k))} = {as_toml(v)}" for k, v in tree.items())
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def change_cells(data: bytes, rng: Random) -> bytes:
    """Change cells, rows, columns, delimiter or encoding of a text table."""
    text = data.decode("utf-8")
    mark = next((m for m in ";\t" if m in text.partition("\n")[0]), ",")
    rows = [line.split(mark) for line in text.splitlines()]
    for _ in range(rng.randint(1, 4)):
        one = rng.choice([rows[0], rng.choice(rows)])
        if not one:
            continue
        at, way = rng.randrange(len(one)), rng.randrange(8)
        if way <= 2:
            one[at] = str(hostile(rng))[:4000] if rng.random() < 0.9 else "1" * 5000
        elif way == 3:
            del one[at]
        elif way == 4:
            one[at:at] = one[at : at + 1] * rng.choice([1, 2, 3000])
        elif way == 5:
            for line in rows:
                del line[at : at + 1]
        elif way == 6:
            one[at] = rng.choice(rng.choice(rows) or [""])
        else:
            rows += copy.deepcopy(rng.choice([rows[-1:], rows])) * rng.choice([1, 3, 50])
    mark = rng.choice([mark] * 8 + [";", "\t", ",", "|"])
    text = rng.choice(["\n"] * 6 + ["\r\n", "\r"]).join(mark.join(line) for line in rows)
    code = rng.choice(["utf-8"] * 6 + ["utf-16", "cp1252", "utf-8-sig"])
    return text.encode(code, "replace")


def change_words(data: bytes, rng: Random) -> bytes:
    """Change what follows an equal sign or a comma in a text file of sections."""
    code = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    lines = data.decode(code).splitlines()
    for _ in range(rng.randint(1, 4)):
        at, way = rng.randrange(len(lines)), rng.randrange(5)
        if way <= 2:
            parts = re.split(r"([=,<>])", lines[at])
            parts[rng.randrange(len(parts))] = str(rng.choice([*TEXTS, *NUMBERS]))
            lines[at] = "".join(parts)
        elif way == 3:
            del lines[at]
            lines = lines or [""]
        else:
            lines[at:at] = [rng.choice(lines)] * rng.choice([1, 2, 300])
    return "\n".join(lines).encode(code, "replace")


# Where the fields of an EDF header stand that are the same for all signals, and per signal.
_FIELDS = [(0, 8), (8, 80), (88, 80), (168, 8), (176, 8), (184, 8), (192, 44), (236, 8)]
_FIELDS += [(244, 8), (252, 4)]
_WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)


def change_edf(data: bytes, rng: Random) -> bytes:
    """Change fields of the header, texts of annotations, or samples of an EDF file."""
    made = bytearray(data)
    n = int(data[252:256])
    start, fields = 256, list(_FIELDS)
    for width in _WIDTHS:
        fields += [(start + i * width, width) for i in range(n)]
        start += n * width
    for _ in range(rng.randint(1, 3)):
        way = rng.randrange(8)
        if way <= 3:
            at, width = rng.choice(fields)
            new = str(hostile(rng)).encode("utf-8", "replace")[:width].ljust(width)
            made[at : at + width] = new
        elif way == 4:
            at, width = rng.choice(fields)
            other, its = rng.choice(fields)
            made[at : at + width] = bytes(made[other : other + its])[:width].ljust(width)
        elif way == 5:
            _change_annotation(made, start, rng)
        elif way == 6:
            at = rng.randrange(start, len(made) - 4)
            made[at : at + 400] = rng.choice([b"\0\x80", b"\xff\x7f", b"\x14\x00"]) * 200
        else:
            del made[rng.randrange(start, len(made)) :]
    return bytes(made)


def _change_annotation(made: bytearray, start: int, rng: Random) -> None:
    marks = [m.start() for m in re.finditer(rb"[\x14\x15\x00]\+|\x14", bytes(made[start:]))]
    if not marks:
        return
    at = start + rng.choice(marks) + 1
    new = rng.choice(
        [
            *(b"+1e400\x14", b"-5\x14\x14\0", b"+0\x15-1\x14x\x14\0", b"\x14" * 40, b"+nan\x14"),
            str(rng.choice(TEXTS)).encode("utf-8", "replace")[:60],
        ]
    )
    made[at : at + len(new)] = new


def change_binary(data: bytes, rng: Random) -> bytes:
    """Change whole numbers of a binary file, mostly near its beginning."""
    made = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        reach = len(made) if rng.random() < 0.4 else min(len(made), 3000)
        at = rng.randrange(max(reach - 8, 1))
        at -= at % 4
        size = rng.choice([1, 2, 4, 8])
        order = rng.choice(["little", "big"])
        number = rng.choice([0, 1, 2, 3, 16, 255, 65535, 2**31 - 1, 2**31, 2**32 - 1, at, 2**40])
        made[at : at + size] = (number % 256**size).to_bytes(size, order)
        if rng.random() < 0.05:
            del made[rng.randrange(len(made)) :]
    return bytes(made)


def change_sheet(data: bytes, rng: Random) -> bytes:
    """Change the XML inside a spreadsheet."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        victim = rng.choice([n for n in old.namelist() if "sheet" in n or "shared" in n])
        for name in old.namelist():
            text = old.read(name)
            if name == victim:
                values = list(re.finditer(rb'"[^"]*"|>[^<]+<', text))
                for found in rng.sample(values, min(3, len(values))):
                    word = str(hostile(rng)).encode("utf-8", "replace")[:200]
                    inner = found[0][:1] + word + found[0][-1:]
                    text = text.replace(found[0], inner, 1)
            new.writestr(name, text)
    return out.getvalue()


STUDY_TOML = """
[study]
id = "a"
visit_date = 2026-03-02
clinical_question = "weak hand"
[person]
age_years = 44
sex = "male"
height_cm = 176
[limb_temperature_c]
right_arm = 33.5
[recordings."s.csv"]
side = "right"
muscle = "adm"
supramaximal = true
collision_used = false
distances_mm = { wrist = 70, below_elbow = 280 }
[recordings."s.csv".responses.below_elbow]
supramaximal = true
ignore_until_ms = 2.5
onset_latency_ms = 6.56
[clinical]
progressive_asymmetric_limb_weakness = true
weakness_duration_months = 18
[laboratory]
csf_protein_g_per_l = 0.5
[treatment]
courses = [{ drug = "ivig", start = 2026-01-10, dose_g_per_kg = 2.0 }]
[[sensory]]
nerve = "ulnar"
side = "right"
segment = "digit5-wrist"
amplitude_uv = 14.0
velocity_m_per_s = 58.0
is_normal = true
[[f_wave]]
nerve = "ulnar"
side = "right"
minimum_latency_ms = 27.1
persistence_pct = 90
[[strength]]
movement = "finger abduction"
side = "right"
mrc = 3
[[needle_emg]]
muscle = "fdi"
side = "right"
fibrillations = false
motor_unit_changes = "chronic"
"""
LAB_TOML = f"""
[letterhead]
name = "EMG laboratory"
logo = "logo.svg"
[defaults]
criteria = ["efns_pns_2010"]
language = "en"
supramaximal = true
[words.stimulation_site]
below_elbow = ["unterhalb Ellenbogen"]
[words.nerve]
ulnar = ["UM"]
[layouts.german]
{GERMAN_LAYOUT.replace("[keys", "[layouts.german.keys").replace("[col", "[layouts.german.col")}
"""


def kinds(home: Path) -> dict[str, Kind]:
    """Give a sound study of every kind; `home` is a folder to work in."""
    from ncs_cb import analyze, read_study, review, write_report

    visit = ulnar_visit(home / "visit")
    about = {"recording": "ulnar_right.csv", "site": "below_elbow"}
    review.append(visit, who="mt", action="move", trace=about, marker="onset", to_ms=7.4, why="x")
    review.append(visit, who="mt", action="set", trace=about, key="distance_mm", to=280, why="x")
    event = review.append(visit, who="mt", action="exclude", trace=about, why="x")
    review.append(visit, who="mt", action="undo", undoes=event["id"], why="x")
    log = (visit / "review.jsonl").read_bytes()
    sweeps = {n: (visit / n).read_bytes() for n in ("ulnar_right.csv", "ulnar_right.json")}
    (record,) = write_report(analyze(read_study(visit)), home / "out", formats=["json"])
    edf = {"m.edf": archives.nerve_file(archives.NERVES[2], np.random.default_rng(1))}
    sites = {"s.csv": SITES.replace(b"wrist,2.8", b"wrist,2.8\nulnar,right,adm,below elbow,6.6")}
    viking = export([row(wave(8.0, 3.0)), row(wave(7.5, 7.0))]).encode("utf-16")
    told = b'[recordings."e.txt"]\nnerve = "ulnar"\nsites = { "1.1.1" = "wrist" }\n'
    logo = {"logo.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}
    tables = {"g.csv": GERMAN.encode(), "sierra.csv": SIERRA.encode(), "natus.tsv": NATUS.encode()}
    made = {
        "edf": Kind(edf, "m.edf", change_edf, 3),
        "sweep table": Kind(sweeps, "ulnar_right.csv", change_cells),
        "sidecar": Kind(sweeps, "ulnar_right.json", change_json, 2),
        "review log": Kind(sweeps | {"review.jsonl": log}, "review.jsonl", change_lines, 2),
        "study.toml": Kind(
            sites | {"study.toml": STUDY_TOML.encode()}, "study.toml", change_toml, 3
        ),
        "lab.toml": Kind(
            sites | logo | {"lab.toml": LAB_TOML.encode()}, "lab.toml", change_toml, 2
        ),
        "site table": Kind(sites, "s.csv", change_cells, 2),
        "record": Kind({"result.json": RECORD}, "result.json", change_json),
        "result.json": Kind({"result.json": record.read_bytes()}, "result.json", change_json),
        "viking": Kind({"e.txt": viking, "study.toml": told}, "e.txt", change_words),
    }
    for name, data in tables.items():
        made[name] = Kind({name: data}, name, change_cells)
    wide = {"g.csv": b"Subject;R ulnar adm DML (ms);R ulnar adm elbow amp (mV)\n1;2.9;7\n2;3;8\n"}
    long = {
        "g.csv": b"id;nerve;side;muscle;param;value\n1;ulnar;R;adm;CMAP1;8\n1;ulnar;R;adm;CMAP2;.\n"
    }
    for name, layout, table in (
        ("german layout", GERMAN_LAYOUT, {"g.csv": GERMAN.encode()}),
        ("wide layout", WIDE_LAYOUT, wide),
        ("long layout", LONG_LAYOUT, long),
    ):
        files = table | {"layout.toml": layout.encode()}
        made[name] = Kind(files, "layout.toml", change_toml)
        made[f"{name}: table"] = Kind(files, "g.csv", change_cells, 0.5)
    return made | _foreign(home)


def _foreign(home: Path) -> dict[str, Kind]:
    """Files that other libraries open; slower, so drawn less often."""
    from openpyxl import Workbook

    from readers.test_hostile_files import brainvision, fif
    from readers.test_via_neo import put

    book, sheet = Workbook(), io.BytesIO()
    for line in SIERRA.splitlines():
        book.active.append([float(c) if re.fullmatch(r"[\d.]+", c) else c for c in line.split(",")])
    book.save(sheet)
    header = brainvision(home / "bv")
    triple = {p.name: p.read_bytes() for p in header.parent.iterdir()}
    (home / "abf").mkdir()
    put(home / "abf")
    neo = {p.name: p.read_bytes() for p in (home / "abf").iterdir()}
    part = fif(home / "fif" / "x_raw.fif").read_bytes()
    return {
        "spreadsheet": Kind({"r.xlsx": sheet.getvalue()}, "r.xlsx", change_sheet, 0.05),
        "spreadsheet, bytes": Kind({"r.xlsx": sheet.getvalue()}, "r.xlsx", change_binary, 0.03),
        "brainvision": Kind(triple, "x.vhdr", change_words, 0.3),
        "brainvision markers": Kind(triple, "x.vmrk", change_words, 0.3),
        "fif": Kind({"x_raw.fif": part}, "x_raw.fif", change_binary, 0.2),
        "axon": Kind(neo, "nerve.abf", change_binary, 0.03),
        "axon sidecar": Kind(neo, "nerve.json", change_json, 0.03),
    }
