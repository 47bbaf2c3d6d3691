"""Build hook: compiles the kernel into the wheel, or beside its sources for ``pip install -e``."""

from __future__ import annotations

import runpy
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

KERNELS = Path("src/ncs_cb/_kernels")


class CustomBuildHook(BuildHookInterface):
    """Compiles with the system's compiler, else with the one in the package ``ziglang``."""

    def dependencies(self) -> list[str]:
        """Ask for ``ziglang`` where the system has no compiler."""
        return [] if self._build_file()["find_compiler"]() else ["ziglang>=0.13"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the library and say where it goes."""
        build = self._build_file()["build"]
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"
        if version == "editable":
            build(Path(self.root) / KERNELS)
            return
        self._folder = tempfile.TemporaryDirectory()
        library = build(Path(self._folder.name))
        build_data["force_include"][str(library)] = f"ncs_cb/_kernels/{library.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Throw away what was only made for the wheel."""
        if version != "editable":
            self._folder.cleanup()

    def _build_file(self) -> dict[str, Any]:
        return runpy.run_path(str(Path(self.root) / KERNELS / "build.py"))
