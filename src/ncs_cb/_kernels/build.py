"""Build the kernel: ``python -m ncs_cb._kernels.build`` puts it beside its sources.

The build hook (``hatch_build.py``) loads this file before anything is installed, so it uses
nothing but the standard library. The compiler is ``$CC``, else the system's, else the one in the
package ``ziglang``. Flags: no contraction and no fast-math, so that every build rounds alike;
on x86-64 the kernel is compiled twice, for every processor and for those with AVX2, and the
choice is made when it is loaded.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import platform
import runpy
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMMAND = "python -m ncs_cb._kernels.build"
KERNEL = HERE / "kernel.c"
FLAGS = [
    "-std=c11",
    "-O3",
    "-fPIC",
    "-fvisibility=hidden",
    "-ffp-contract=off",
    # These two change no value: sqrt sets no errno, and nobody traps exceptions.
    "-fno-math-errno",
    "-fno-trapping-math",
    # Else a function that stands nowhere is built into a library that cannot be loaded.
    "-Werror=implicit-function-declaration",
]


class BuildError(Exception):
    """The kernel cannot be built; the message says what to do."""


def library_name(system: str = sys.platform) -> str:
    """Give the name of the library on a system."""
    suffix = {"win32": "dll", "cygwin": "dll", "darwin": "dylib"}.get(system, "so")
    return f"kernel.{suffix}"


def digest_of_sources() -> str:
    """Give the digest of all that a library is made of."""
    digest = hashlib.sha256(repr(FLAGS).encode())
    for path in sorted([*HERE.glob("*.[ch]"), HERE / "facts.py"]):
        # A checkout may end lines either way.
        digest.update(path.name.encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def find_compiler() -> list[str] | None:
    """Give the command of a compiler, or None where there is none."""
    if os.environ.get("CC"):
        return shlex.split(os.environ["CC"])
    for name in ("cc", "gcc", "clang"):
        found = shutil.which(name)
        if found:
            return [found]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    return None


def write_header(folder: Path) -> None:
    """Write ``facts.h``: the numbers of ``facts.py``, and the digest of the sources."""
    lines = ["/* Made of facts.py by build.py. */", f'#define SOURCES "{digest_of_sources()}"']
    for name, value in runpy.run_path(str(HERE / "facts.py")).items():
        if name.isupper() and isinstance(value, int):
            lines.append(f"enum {{ {name} = {value} }};")
        elif name.isupper() and isinstance(value, float):
            lines.append(f"#define {name} {value!r}")
    (folder / "facts.h").write_text("\n".join(lines) + "\n", "utf-8")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{shlex.join(command)}\n{done.stdout}{done.stderr}")


def build(
    folder: Path,
    *,
    source: Path = KERNEL,
    target: str | None = None,
    extra: Sequence[str] = (),
) -> Path:
    """Build the library into `folder`; give its path.

    Parameters
    ----------
    folder : Path
    source : Path, optional
        What to build instead of the kernel, such as its parts for the tests.
    target : str, optional
        What to build for, as zig names it (``aarch64-macos``); this machine by default.
    extra : sequence of str, optional
        More flags, such as those of sanitizers.
    """
    compiler = find_compiler()
    if compiler is None:
        raise BuildError(
            "The kernel of ncs_cb is written in C, and no compiler was found: neither $CC, cc, "
            "gcc or clang, nor the package ziglang. Install one of them "
            "(`apt install gcc`, or `pip install ziglang`) and try again."
        )
    machine = (target or platform.machine()).split("-")[0].lower()
    wide = machine in ("x86_64", "amd64")
    flags = [*FLAGS, *extra]
    zig = "ziglang" in compiler or Path(compiler[0]).stem == "zig"
    if target:
        flags += ["-target", target]
    if zig:
        # Otherwise it builds for the very processor it runs on.
        flags += ["-mcpu=x86_64" if wide else "-mcpu=baseline"]
    system = sys.platform
    if target:
        system = {"macos": "darwin", "windows": "win32"}.get(target.split("-")[1], "linux")
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        write_header(made)
        flags += [f"-I{made}", f"-I{HERE}"]
        objects = []
        builds: dict[str, list[str]] = {"baseline": []}
        if wide and source == KERNEL:
            builds["avx2"] = ["-mavx2"]
        for which, own in builds.items():
            objects.append(str(made / f"{which}.o"))
            step = [f"-DBUILD={which}", "-c", str(source), "-o", objects[-1]]
            _run([*compiler, *flags, *own, *step])
        library = made / library_name(system)
        _run([*compiler, *flags, "-shared", str(HERE / "cpu.c"), *objects, "-o", str(library)])
        folder.mkdir(parents=True, exist_ok=True)
        # Moved there in one step: a process that has the earlier one loaded keeps it.
        beside = folder / f".{library.name}.{os.getpid()}"
        shutil.copyfile(library, beside)
        return beside.replace(folder / library.name)


def main() -> int:
    """Build, and say where the library is."""
    parser = argparse.ArgumentParser(prog=COMMAND, description="Build the kernel of ncs_cb.")
    parser.add_argument("--out", type=Path, default=HERE, help="folder; beside the sources")
    parser.add_argument("--target", help="such as aarch64-macos; needs CC='... -m ziglang cc'")
    parser.add_argument(
        "--flag", action="append", default=[], help="one more flag for the compiler"
    )
    options = parser.parse_args()
    try:
        print(build(options.out, target=options.target, extra=options.flag))
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
