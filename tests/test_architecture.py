"""The house stays the house: imports point one way, heavy libraries at home, files small."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
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
    "mne": {"readers/via_mne"},
    "neo": {"readers/via_neo"},
    "python_calamine": {"readers/_shared/grid.py"},
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


def texts_of(tree: ast.Module) -> Iterator[str]:
    """Give the texts of a module that may be handed to ``import_module`` or to an interpreter."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    spoken = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and ast.get_docstring(node) is not None
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in spoken:
            yield node.value


def rooms_named_in_strings(path: Path) -> set[str]:
    """Rooms that a file names in a string, which ``import_module`` or a child may be handed."""
    texts = texts_of(ast.parse(path.read_text("utf-8")))
    return {room for text in texts for room in re.findall(r"\bncs_cb\.(\w+)", text)}


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


def modules_after(code: str) -> set[str]:
    report = "import sys, json; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    return set(json.loads(run.stdout.splitlines()[-1]))


def loaded_after(code: str) -> set[str]:
    return {name.split(".")[0] for name in modules_after(code)}


def test_the_command_line_knows_its_options_without_model_or_metadata():
    loaded = modules_after("import ncs_cb.cli")
    assert not loaded & {"ncs_cb.model", "ncs_cb.readers", "importlib.metadata"}


def test_help_needs_no_library_but_that_of_the_command_line():
    code = (
        "import contextlib, io\nfrom ncs_cb.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main(['--help'])"
    )
    assert not modules_after(code) & {"rich.console", "tomllib"}


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
    assert text.count("\n") < 500, "split the module"
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
    assert len(set(ncs_cb.__all__)) == len(ncs_cb.__all__)
    assert dir(ncs_cb) == sorted(ncs_cb.__all__)


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        _ = ncs_cb.analyse


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
    """Name the modules of the package that a module imports, in its functions and strings too."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name if name in modules else node.module for name in names)
    # The rooms that a module stands in are loaded before it; to name their folder is no arrow.
    around = {".".join(("ncs_cb", *path.relative_to(PACKAGE).parts[:n])) for n in range(4)}
    for text in texts_of(tree):
        for name in re.findall(r"\bncs_cb(?:\.\w+)+", text):
            whole = name if name in modules else name.rpartition(".")[0]
            yield from [whole] if whole in modules and whole not in around else []
    for pattern in _asked_by_pattern(tree, _module_name(path)):
        yield from (name for name in modules if re.fullmatch(pattern, name))


def _module_name(path):
    name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    return name.removesuffix(".__init__")


def _asked_by_pattern(tree, own):
    """Give, for each ``import_module(f"{_ROOM}.{name}")``, a pattern of what it may load."""
    constants = {"__name__": own} | {
        node.targets[0].id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        called = _dotted(node.func) if isinstance(node, ast.Call) else ""
        if called.rpartition(".")[2] == "import_module" and isinstance(node.args[0], ast.JoinedStr):
            yield "".join(_pattern_of(part, constants) for part in node.args[0].values)


def _pattern_of(part, constants):
    if isinstance(part, ast.Constant):
        return re.escape(part.value)
    known = constants.get(getattr(part.value, "id", None))
    # A name that is only known when it runs: any module of that room that is not private.
    return re.escape(known) if isinstance(known, str) else r"(?!_)\w+"


def test_a_module_loaded_by_a_made_up_name_is_an_arrow():
    made = "_ROOM = 'ncs_cb.readers'\nimport_module(f'{_ROOM}.{name}').READER"
    (pattern,) = _asked_by_pattern(ast.parse(made), "ncs_cb.readers._shared.claims")
    assert re.fullmatch(pattern, "ncs_cb.readers.edf")
    assert not re.fullmatch(pattern, "ncs_cb.readers._shared")
    assert not re.fullmatch(pattern, "ncs_cb.readers.edf.tal")
    own = ast.parse("importlib.import_module(f'{__name__}.write').go")
    assert list(_asked_by_pattern(own, "ncs_cb.edf")) == [re.escape("ncs_cb.edf.write")]


def test_no_modules_import_each_other_in_a_circle():
    modules = {_module_name(path): path for path in MODULES}
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


# Rooms whose name begins with an underscore but which have a contract of their own: the kernel,
# and what a reader is made of (CONTRIBUTING.md).
OPEN_ROOMS = {"_kernels", "_shared"}


def _is_private(name):
    return name.startswith("_") and not name.endswith("__") and name not in OPEN_ROOMS


def _modules_of(tree):
    """Tell which names of a test stand for which modules of the package."""
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            ours = [alias for alias in node.names if alias.name.split(".")[0] == "ncs_cb"]
            # "import a.b" binds a, "import a.b as c" binds c to a.b.
            modules |= {alias.asname or "ncs_cb": alias.name for alias in ours if alias.asname}
            modules |= {"ncs_cb": "ncs_cb"} if any(not alias.asname for alias in ours) else {}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ncs_cb":
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if not _is_private(alias.name) and find_spec(node.module) and _is_module(name):
                    modules[alias.asname or alias.name] = name
    return modules


def _is_module(name):
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # what stands before the last dot is no package
        return False


def _dotted(node):
    """Give ``a.b.c`` for an attribute of an attribute of a name, or nothing."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _private_names(tree):
    """Name what a test takes from the package although a leading underscore hides it."""
    modules = _modules_of(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Attribute):
            first, _, rest = _dotted(node).partition(".")
            # Private parts of an object are its own affair; those of a module are ours.
            names = [f"{modules[first]}.{rest}"] if first in modules else []
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "ncs_cb" and any(map(_is_private, parts)):
                yield name


@pytest.mark.parametrize(
    "line",
    [
        "from ncs_cb.flags import _rows",
        "from ncs_cb import _homes",
        "import ncs_cb.cli._tables",
        "from ncs_cb.cli import _progress",
        "from ncs_cb.cli._console import plain",
        "import ncs_cb.flags as f\nf._rows",
        "from ncs_cb import flags as f\nf._rows()",
        "import ncs_cb.batch.engine\nncs_cb.batch.engine._process",
        "from ncs_cb import batch\nbatch.engine._process(1)",
    ],
)
def test_the_guard_sees_every_way_to_a_private_name(line):
    assert list(_private_names(ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    [
        "from ncs_cb._kernels import facts\nfacts.N_DECAYS",
        "from ncs_cb.readers._shared.text import decode",
        "import ncs_cb\nncs_cb.__version__\nncs_cb.batch.__file__",
        "import other\nother._private",
    ],
)
def test_the_guard_lets_open_rooms_pass(line):
    assert not list(_private_names(ast.parse(line)))


@pytest.mark.parametrize("path", sorted(Path(__file__).parent.rglob("test_*.py")), ids=str)
def test_tests_ask_for_nothing_that_a_user_cannot_see(path):
    assert list(_private_names(ast.parse(path.read_text("utf-8")))) == []


def _named_at_the_top(path):
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            # A decorator may hand it to a registry.
            yield from [node.name] if not node.decorator_list else []
        elif isinstance(node, ast.Assign):
            yield from (one.id for one in node.targets if isinstance(one, ast.Name))


def test_no_name_of_a_module_is_used_by_nobody():
    files = [one for one in PACKAGE.rglob("*.*") if one.suffix in (".py", ".c", ".h", ".toml")]
    words = Counter(
        word for one in files for word in re.findall(r"\w+", one.read_text("utf-8", "replace"))
    )
    unused = {
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in MODULES
        for name in _named_at_the_top(path)
        if words[name] == 1 and not name.startswith("__")
    }
    assert unused == set()
