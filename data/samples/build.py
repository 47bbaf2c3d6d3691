"""Build the sample visits of this folder from the recipes that ship with the package.

    python data/samples/build.py            # rebuild the visits beside this file
    python data/samples/build.py --out DIR  # build them somewhere else

Every file is synthetic to the last byte: nothing a patient produced.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from ncs_cb import simulate
from ncs_cb.model import Study
from ncs_cb.readers.edf import write_edf
from ncs_cb.readers.sweep_table import write_sweep_table

# One visit per recipe, and the format it is written in.
VISITS = {
    "healthy_arm": "edf+d",
    "mmn_ulnar_radial": "edf+d",
    "dispersion_only": "edf+c",
    "trap_ulnar_elbow": "sweep table",
    "trap_martin_gruber": "edf+d",
    "trap_submaximal_proximal": "sweep table",
}


def write_visit(study: Study, folder: Path, written_as: str) -> None:
    """Write the recordings of one visit and its ``study.toml``."""
    if written_as == "sweep table":
        write_sweep_table(study, folder)
    else:
        write_edf(study, folder, continuous=written_as == "edf+c")
    (folder / "study.toml").write_text(simulate.study_toml(study), "utf-8")


def build(out: Path) -> None:
    """Build every visit below `out`; a folder of that name is replaced."""
    for name, written_as in VISITS.items():
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        write_visit(simulate.recipe(name)[0].study, folder, written_as)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    build(parser.parse_args().out)
