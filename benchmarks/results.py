"""Write all of RESULTS.md anew: measuring, calls, one study, archives, studies of unusual shape.

    python benchmarks/results.py                    # about half an hour
    python benchmarks/results.py --beside CHECKOUT  # with the times of another state beside

Each part is what its own program writes; every ratio is of one run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PARTS = (
    ("run_measure.py", "results"),
    ("call_sizes.py", "--write"),
    ("everyday.py", "--write"),
    ("batch.py", "--studies", "300", "1000", "10000", "--reports", "200", "--write"),
    ("odd_shapes.py", "--write"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--beside", type=Path, help="another checkout, for everyday.py")
    asked = parser.parse_args()
    for name, *options in PARTS:
        if asked.beside and name == "everyday.py":
            options += ["--beside", str(asked.beside)]
        subprocess.run([sys.executable, str(HERE / name), *options], check=True)


if __name__ == "__main__":
    main()
