"""The house stays the house: imports point one way, heavy libraries at home, files small."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import ncs_cb

PACKAGE = Path(ncs_cb.__file__).parent
REPOSITORY = Path(__file__).parents[1]
MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in MODULES]

# One home per library; the part of the package named here may import it, nobody else.
HOMES = {
    "scipy": {"dispersion", "simulate", "readers/sweep_table/matlab.py"},
    "edfio": {"readers/edf"},
    "mne": {"readers/via_mne.py"},
    "matplotlib": {"figures", "model", "display.py"},
    "jinja2": {"reports/html.py", "batch"},
    "typst": {"reports/pdf.py"},
    "pyarrow": {"reports/tables.py", "batch"},
    "dask": {"batch"},
    "distributed": {"batch"},
    "pydantic": set(),
    "typer": {"cli"},
    "rich": {"cli"},
}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_each_heavy_library_has_one_home(path):
    name = path.relative_to(PACKAGE).as_posix()
    strangers = [
        library
        for library in imports(path) & set(HOMES)
        if not any(name.startswith(home.removesuffix(".py")) for home in HOMES[library])
    ]
    assert not strangers, f"{name} imports {strangers}"


def test_imports_point_one_way():
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_toml_file_enters_through_one_door():
    readers = [path for path in MODULES if "tomllib" in imports(path)]
    assert readers == [PACKAGE / "knowledge/datafile.py"]


def layers() -> list[set[str]]:
    """The rooms as the linter knows them, the highest first."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    (layered,) = (c for c in settings["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    return [{room.strip() for room in line.split("|")} for line in layered["layers"]]


def rooms_named_in_strings(path: Path) -> set[str]:
    """Rooms of modules that a file names in a string, which ``import_module`` may be handed."""
    strings = (
        node.value
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    found = (re.fullmatch(r"ncs_cb\.(\w+)(?:\.\w*)*", text) for text in strings)
    return {match[1] for match in found if match}


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_module_named_in_a_string_lies_below_too(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room in ("__init__", "__main__"):
        return  # the front door opens every room
    height = {name: number for number, line in enumerate(layers()) for name in line}
    named = rooms_named_in_strings(path) - {room}
    upward = {one for one in named & set(height) if height[one] <= height[room]}
    assert not upward, f"{path.name} reaches up to {upward}"
    if room in ("view", "figures", "reports"):
        assert not named & {"measuring", "judging", "quality", "dispersion"}


def test_a_result_shows_itself_without_the_model_knowing_how():
    code = (
        "import ncs_cb, sys\nncs_cb.Result\nassert hasattr(ncs_cb.Result, '_repr_html_')\n"
        "assert ncs_cb.Result.plot.__doc__"
    )
    assert not loaded_after(code) & {"numpy", "pandas", *HOMES}
    assert not rooms_named_in_strings(PACKAGE / "model/__init__.py")


def loaded_after(code: str) -> set[str]:
    report = "import sys, json; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return {name.split(".")[0] for name in json.loads(run.stdout.splitlines()[-1])}


# typer loads pydantic by itself to read its options.
LIGHT = {"numpy", "pandas", *HOMES} - {"typer", "rich", "pydantic"}


def test_importing_the_package_loads_no_heavy_library():
    assert not loaded_after("import ncs_cb") & {"numpy", "pandas", *HOMES}


@pytest.mark.parametrize("arguments", ["--help", "nerves", "flags", "formats", "analyze --help"])
def test_light_commands_load_no_heavy_library(arguments):
    code = (
        "import contextlib, io\nfrom ncs_cb.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    main({arguments.split()!r})"
    )
    # The formats command lists the readers, and the anatomy needs no numbers.
    assert not loaded_after(code) & LIGHT


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_modules_and_functions_stay_small(path):
    text = path.read_text("utf-8")
    assert text.count("\n") <= 500, "split the module"
    assert not re.search(r"fmt: *(skip|off)", text), "let the formatter lay it out"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= 40, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("name", [n for n in ncs_cb.__all__ if n != "__version__"])
def test_every_public_name_resolves_and_is_documented(name):
    assert getattr(ncs_cb, name).__doc__


@pytest.mark.parametrize("name", NAMES)
def test_every_module_says_what_it_is_for(name):
    assert ast.get_docstring(ast.parse((PACKAGE / name).read_text("utf-8")))


def test_every_public_name_is_listed_once():
    assert sorted(ncs_cb._HOMES.keys() | {"simulate", "__version__"}) == sorted(ncs_cb.__all__)


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        _ = ncs_cb.analyse


def test_every_registered_home_exists():
    for home in set(ncs_cb._HOMES.values()):
        import_module(f"ncs_cb.{home}")


def test_every_public_name_stays_what_it_is_when_its_module_is_loaded():
    code = (
        "import importlib, pkgutil, ncs_cb\n"
        "first = {name: getattr(ncs_cb, name) for name in ncs_cb.__all__}\n"
        "for found in pkgutil.iter_modules(ncs_cb.__path__):\n"
        "    if found.name != '__main__': importlib.import_module('ncs_cb.' + found.name)\n"
        "changed = [name for name in first if getattr(ncs_cb, name) is not first[name]]\n"
        "assert not changed, changed\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def _imported(path, modules):
    """Name the modules of the package that a module imports anywhere, in its functions too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in modules else node.module for name in names)


def test_no_modules_import_each_other_in_a_circle():
    names = (path.relative_to(PACKAGE.parent).with_suffix("") for path in MODULES)
    modules = {
        ".".join(name.parts).removesuffix(".__init__"): path
        for name, path in zip(names, MODULES, strict=True)
    }
    # The front page resolves its names on first use, and only users ask it for them.
    front = modules.pop("ncs_cb")
    assert front.name == "__init__.py"
    arrows = {
        name: {other for other in _imported(path, modules) if other in modules and other != name}
        for name, path in modules.items()
    }
    while ends := [name for name, targets in arrows.items() if not targets & arrows.keys()]:
        for name in ends:
            del arrows[name]
    assert arrows == {}


def _private_names(tree):
    """Name what a test takes from the package although a leading underscore hides it."""
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ncs_cb"):
            for alias in node.names:
                try:
                    import_module(f"{node.module}.{alias.name}")
                except ImportError:
                    if alias.name.startswith("_") and not alias.name.startswith("__"):
                        yield alias.name
                else:
                    modules.add(alias.asname or alias.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            is_private = node.attr.startswith("_") and not node.attr.startswith("__")
            if node.value.id in modules and is_private:
                yield f"{node.value.id}.{node.attr}"


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.rglob("test_*.py")), ids=str)
def test_tests_ask_for_nothing_that_a_user_cannot_see(path):
    assert list(_private_names(ast.parse(path.read_text("utf-8")))) == []
