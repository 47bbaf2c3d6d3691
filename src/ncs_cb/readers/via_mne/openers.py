"""Which file is opened by which function of MNE, and which files belong to it."""

from __future__ import annotations

from pathlib import Path

# Suffix to the function of mne.io that reads it. BDF and EDF have a reader of their own.
OPENERS = {
    ".vhdr": "read_raw_brainvision",
    ".set": "read_raw_eeglab",
    ".gdf": "read_raw_gdf",
    ".cnt": "read_raw_cnt",
    ".nxe": "read_raw_eximia",
}


def companions_of(path: Path) -> tuple[Path, ...]:
    """Name the files that belong to one, whether they are there or not."""
    if path.suffix.lower() == ".vhdr":
        return tuple(path.with_suffix(s) for s in (".vmrk", ".eeg", ".dat", ".avg"))
    return (path.with_suffix(".fdt"),) if path.suffix.lower() == ".set" else ()
