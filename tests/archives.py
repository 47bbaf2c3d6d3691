"""Archives of synthetic EDF+D recordings, written from the standard, for tests and benchmarks.

Faster than the simulator (no motor units): a half-sine raised to a power, delayed by distance.
Everything is a function of the seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

RATE_HZ = 20_000
N_SAMPLES = 1000
STIMULUS_MS = 2.0
RANGE_MV = 40.0
N_NOTES = 150

NERVES = (
    ("R", "Median", "APB", "right", (("wrist", 70), ("elbow", 290), ("axilla", 420))),
    ("L", "Median", "APB", "left", (("wrist", 70), ("elbow", 285), ("axilla", 410))),
    ("R", "Ulnar", "ADM", "right", (("wrist", 70), ("below elbow", 280), ("above elbow", 380))),
    ("L", "Ulnar", "ADM", "left", (("wrist", 70), ("below elbow", 275), ("above elbow", 375))),
    ("R", "Radial", "EIP", "right", (("forearm", 80), ("elbow", 200), ("upper arm", 320))),
    ("L", "Radial", "EIP", "left", (("forearm", 80), ("elbow", 195), ("upper arm", 315))),
)


def cmap(latency_ms: float, amplitude_mv: float, duration_ms: float) -> np.ndarray:
    """One response, negative up, stimulus at :data:`STIMULUS_MS`."""
    time = np.arange(N_SAMPLES) * 1e3 / RATE_HZ - STIMULUS_MS - latency_ms
    first = np.clip(time / duration_ms, 0.0, 1.0)
    second = np.clip((time - duration_ms) / (1.6 * duration_ms), 0.0, 1.0)
    return amplitude_mv * (np.sin(np.pi * first) ** 1.3 - 0.35 * np.sin(np.pi * second) ** 1.3)


def nerve_file(
    nerve: tuple, rng: np.random.Generator, *, block: float = 0.0, **header: str
) -> bytes:
    """One EDF+D file: one nerve, one stimulus per record; `block` is lost from site to site."""
    letter, name, muscle, side, sites = nerve
    amplitude, velocity = rng.uniform(5.0, 12.0), rng.uniform(52.0, 64.0)
    records = []
    for number, (site, distance) in enumerate(sites):
        latency = 3.0 + (distance - sites[0][1]) / velocity
        height = amplitude * (1.0 - block) ** number * rng.uniform(0.96, 1.0)
        trace = cmap(latency, height, 5.5 + 0.1 * number)
        noisy = trace + rng.normal(0.0, 0.004, N_SAMPLES)
        shock = f"{side} {site} 0.2ms x {12 + number}mA"
        text = f"Stimulus {shock} at {distance / 10}cm from recording site"
        records.append((10.0 * number, text, -noisy))
    field = f"Startdate 02-MAR-2026 X X X MNC {letter} {name} Nerve"
    return edf_plus_d(f"{letter} {muscle}", records, **{"recording": field, **header})


def edf_plus_d(
    label: str,
    records: Sequence[tuple[float, str, np.ndarray]],
    *,
    patient: str = "X X X X",
    recording: str = "Startdate 02-MAR-2026 X X X X",
    notes: Sequence[str] = (),
) -> bytes:
    """An interrupted EDF+ file: ``(onset_s, annotation, samples_mv)`` per record.

    The stimulus stands :data:`STIMULUS_MS` after the start of its record.
    """
    n = N_SAMPLES
    fields = (
        f"{'0':<8}{patient:<80}{recording:<80}02.03.2611.25.00{768:<8}{'EDF+D':<44}"
        f"{len(records):<8}{n / RATE_HZ:<8g}{2:<4}"
        f"{label:<16}{'EDF Annotations':<16}{'AgAgCl electrode':<80}{'':<80}{'mV':<8}{'':<8}"
        f"{-RANGE_MV:<8g}{-1:<8}{RANGE_MV:<8g}{1:<8}{-32768:<8}{-32768:<8}{32767:<8}{32767:<8}"
        f"{'HP:2Hz LP:10kHz':<80}{'':<80}{n:<8}{N_NOTES:<8}{'':<32}{'':<32}"
    )
    data = [fields.encode("ascii")]
    for number, (onset, text, samples) in enumerate(records):
        digital = np.round((samples + RANGE_MV) / (2 * RANGE_MV) * 65535 - 32768)
        data.append(np.clip(digital, -32768, 32767).astype("<i2").tobytes())
        stimulus = f"+{onset + STIMULUS_MS / 1e3:g}\x14{text}\x14\x00"
        tal = f"+{onset:g}\x14\x14\x00{stimulus}"
        if number == 0:
            tal += "".join(f"+{onset:g}\x14{note}\x14\x00" for note in notes)
        data.append(tal.encode().ljust(2 * N_NOTES, b"\x00"))
    return b"".join(data)


def write_archive(
    root: Path, n_studies: int, *, seed: int = 1, n_files: int = 6, first: int = 0
) -> list[Path]:
    """Write `n_studies` folders of `n_files` recordings; every third study has a block."""
    folders = []
    for number in range(first, first + n_studies):
        rng = np.random.default_rng([seed, number])
        folder = root / f"p{number:05d}"
        folder.mkdir(parents=True, exist_ok=True)
        for place, nerve in enumerate(NERVES[:n_files]):
            block = 0.6 if number % 3 == 0 and place in (2, 5) else 0.0
            name = f"{nerve[1].lower()}_{nerve[3]}.edf"
            (folder / name).write_bytes(nerve_file(nerve, rng, block=block))
        folders.append(folder)
    return folders
