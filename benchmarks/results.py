"""Write all of RESULTS.md anew: measuring, calls, one study, archives, studies of unusual shape.

    python benchmarks/results.py                    # about half an hour
    python benchmarks/results.py --small            # smaller archives: on a busy machine
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
    ("batch_steps.py", "--write"),
    ("batch.py", "--studies", "300", "1000", "10000", "--reports", "200", "--write"),
    ("odd_shapes.py", "--write"),
)


# What takes less, in place of the above.
SMALL = {
    "call_sizes.py": ("--rounds", "4", "--write"),
    "everyday.py": ("--repeats", "3", "--write"),
    "batch_steps.py": ("--studies", "64", "--reports", "8", "--write"),
    "batch.py": ("--studies", "300", "1000", "--reports", "48", "--repeats", "1", "--write"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--beside", type=Path, help="another checkout, for everyday.py")
    parser.add_argument("--small", action="store_true", help="smaller archives, fewer runs")
    asked = parser.parse_args()
    for name, *usual in PARTS:
        options = list(SMALL.get(name, usual) if asked.small else usual)
        if asked.beside and name == "everyday.py":
            options += ["--beside", str(asked.beside)]
        subprocess.run([sys.executable, str(HERE / name), *options], check=True)


if __name__ == "__main__":
    main()
