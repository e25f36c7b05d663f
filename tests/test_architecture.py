"""The house stands as drawn: who may import whom, and what must not be loaded where (DESIGN.md section 3)."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml

PACKAGE = "napari_kidney_seg"
ROOT = Path(__file__).resolve().parents[1] / PACKAGE

LEVELS = {
    "core": 0,
    "io": 1,
    "imaging": 1,
    "networks": 1,
    "phantom": 1,
    "inference": 2,
    "evaluation": 2,
    "training": 3,
    "methods": 4,
    "models": 4,
    "widgets": 5,
    "cli": 5,
    "_reader": 5,
    "_writer": 5,
    "_sample_data": 5,
}
SIBLINGS = {"io", "imaging", "networks", "phantom"}
TOP_LEVEL = 5

INTERFACE = {"napari", "magicgui", "superqt", "pyqtgraph", "qtpy", "PyQt5", "PyQt6", "PySide2", "PySide6"}
LEARNING = {"torch", "monai", "lightning"}
SERVER_ROOMS = ("inference", "training", "methods", "networks", "imaging", "evaluation", "io.bundle")

# Imports each group of modules in turn and prints, for each, which of the watched modules are loaded after it.
LOADER = """
import importlib, json, sys
groups, watched = json.loads(sys.argv[1])
loaded = {}
for name, modules in groups.items():
    for module in modules:
        importlib.import_module(module)
    loaded[name] = [module for module in watched if module in sys.modules]
print(json.dumps(loaded))
"""


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """Return the room of a dotted module name; the package itself and __main__ have none ('')."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LEVELS else ""


def submodules(*rooms: str) -> list[str]:
    """Return the modules of the rooms (or single modules), as dotted names."""
    names = sorted(module_name(path) for path in ROOT.rglob("*.py"))
    prefixes = [f"{PACKAGE}.{room}" for room in rooms]
    return [name for name in names if any(f"{name}.".startswith(f"{prefix}.") for prefix in prefixes)]


def imported_modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of every import of this package, also those inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name.split(".")[0] == PACKAGE)


def is_forbidden(importer: str, imported: str) -> bool:
    """Return whether one room may not import the other."""
    if not imported or importer == imported:
        return False
    upwards = LEVELS[imported] > LEVELS.get(importer, TOP_LEVEL)
    return upwards or (importer in SIBLINGS and imported in SIBLINGS)


def forbidden_imports(module: str, source: str) -> list[str]:
    return [
        f"{module}:{line} imports {imported}"
        for line, imported in imported_modules(ast.parse(source))
        if is_forbidden(room_of(module), room_of(imported))
    ]


def loaded_after(groups: dict[str, list[str]], watched: Iterable[str]) -> dict[str, set[str]]:
    """Return which watched modules a clean interpreter has loaded after each group, imported in order."""
    arguments = json.dumps([groups, sorted(watched)])
    run = subprocess.run([sys.executable, "-c", LOADER, arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return {group: set(modules) for group, modules in json.loads(run.stdout.splitlines()[-1]).items()}


def manifest_modules() -> list[str]:
    commands = yaml.safe_load((ROOT / "napari.yaml").read_text(encoding="utf-8"))["contributions"]["commands"]
    return sorted({command["python_name"].split(":")[0] for command in commands})


@pytest.fixture(scope="module")
def backend() -> dict[str, set[str]]:
    """What one clean interpreter has loaded after core, after the server path, and after all below the widgets."""
    below_widgets = [room for room, level in LEVELS.items() if level < TOP_LEVEL]
    groups = {
        "core": submodules("core"),
        "server": submodules(*SERVER_ROOMS),
        "below widgets": submodules(*below_widgets),
    }
    return loaded_after(groups, INTERFACE | LEARNING | {"SimpleITK"})


@pytest.fixture(scope="module")
def frontend() -> dict[str, set[str]]:
    """What one clean interpreter has loaded after the package, its command line, and all that the manifest names."""
    groups = {"package": [PACKAGE], "command line": [f"{PACKAGE}.cli"], "manifest": manifest_modules()}
    return loaded_after(groups, INTERFACE | LEARNING)


def test_every_module_of_the_package_stands_in_a_known_room():
    rooms = {path.relative_to(ROOT).parts[0].removesuffix(".py") for path in ROOT.rglob("*.py")}

    assert rooms - set(LEVELS) <= {"__init__", "__main__"}


@pytest.mark.parametrize("module", [module_name(path) for path in sorted(ROOT.rglob("*.py"))])
def test_a_module_imports_only_its_own_level_and_lower_ones(module):
    path = ROOT.parent / Path(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

    assert forbidden_imports(module, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("importer", "source", "expected"),
    [
        ("core.labels", "from napari_kidney_seg.io import images", True),
        ("core.labels", "from napari_kidney_seg import io", True),
        ("imaging.cropping", "import napari_kidney_seg.networks.vnet", True),
        ("training.task", "def late():\n    from napari_kidney_seg.widgets.segment import SegmentWidget", True),
        ("inference.cascade", "from napari_kidney_seg.imaging.cropping import crop", False),
        ("inference.cascade", "from napari_kidney_seg.evaluation import scores", False),
        ("io.images", "from napari_kidney_seg import __version__", False),
        ("io.images", "import numpy", False),
    ],
)
def test_the_check_tells_a_forbidden_import_from_an_allowed_one(importer, source, expected):
    found = forbidden_imports(f"{PACKAGE}.{importer}", source)

    assert bool(found) is expected


def test_the_vocabulary_loads_no_learning_library(backend):
    assert backend["core"] == set()


def test_training_and_inference_load_neither_an_interface_nor_simpleitk(backend):
    assert backend["server"] & (INTERFACE | {"SimpleITK"}) == set()


def test_nothing_below_the_widgets_loads_an_interface(backend):
    assert backend["below widgets"] & INTERFACE == set()


def test_importing_the_package_loads_nothing_heavy(frontend):
    assert frontend["package"] == set()


def test_the_command_line_starts_without_learning_libraries_and_interface(frontend):
    assert frontend["command line"] == set()


def test_what_the_manifest_names_loads_no_learning_library(frontend):
    assert frontend["manifest"] & LEARNING == set()
