"""What pip and the napari hub see: metadata, dependencies, manifest and the content of the wheel."""

from __future__ import annotations

import ast
import configparser
import importlib
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from zipfile import ZipFile

import pytest
from npe2 import PluginManifest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import napari_kidney_seg

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "napari_kidney_seg"
QT_BINDINGS = {"pyqt5", "pyqt6", "pyside2", "pyside6"}


@pytest.fixture(scope="module")
def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(PACKAGE / "napari.yaml")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> ZipFile:
    """Build the wheel from a copy, so that the build leaves nothing in the tree."""
    copy, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for folder in ("napari_kidney_seg", "tests"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", target, copy]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return ZipFile(next(target.glob("*.whl")))


def requirements(text: str) -> list[Requirement]:
    return [Requirement(line) for line in text.strip().splitlines() if not line.startswith("#")]


def base_requirements(setup: configparser.ConfigParser) -> list[Requirement]:
    return requirements(setup["options"]["install_requires"])


def declared_names(setup: configparser.ConfigParser) -> set[str]:
    """Return the distributions named in the base or in an extra for users."""
    extras = [text for name, text in setup["options.extras_require"].items() if name != "testing"]
    declared = base_requirements(setup) + [one for text in extras for one in requirements(text)]
    return {canonicalize_name(one.name) for one in declared}


def imported_packages() -> set[str]:
    """Return the top-level names of what any file of the package imports from elsewhere, standard library left out."""
    names: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - {"napari_kidney_seg"}


def wheel_metadata(wheel: ZipFile) -> str:
    return wheel.read(next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))).decode()


def test_all_metadata_stands_in_setup_cfg():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert "project" not in pyproject


def test_base_dependencies_have_no_upper_bound_and_no_pin(setup):
    operators = {spec.operator for one in base_requirements(setup) for spec in one.specifier}

    assert operators <= {">="}


def test_base_dependencies_choose_no_qt_binding_and_no_library_that_ships_one(setup):
    base = base_requirements(setup)

    assert {canonicalize_name(one.name) for one in base} & (QT_BINDINGS | {"opencv-python"}) == set()
    assert next(one for one in base if one.name == "napari").extras == set()


def test_the_extra_all_brings_a_qt_binding_through_napari(setup):
    names = {str(one) for one in requirements(setup["options.extras_require"]["all"])}

    assert "napari[all]" in names


def test_everything_the_package_imports_is_declared(setup):
    distributions, declared = packages_distributions(), declared_names(setup)
    undeclared = {
        name
        for name in imported_packages()
        if not {canonicalize_name(one) for one in distributions.get(name, [name])} & declared
    }

    assert undeclared == set()


def test_changelog_and_citation_name_the_version_of_the_package():
    version = napari_kidney_seg.__version__

    assert re.search(rf"^## {re.escape(version)}\b", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_manifest_speaks_for_this_plugin(manifest):
    assert manifest.name == "napari-kidney-seg"
    assert 3 <= len(manifest.display_name) <= 90
    assert all(command.id.startswith("napari-kidney-seg.") for command in manifest.contributions.commands)


def test_every_command_of_the_manifest_can_be_called(manifest):
    for command in manifest.contributions.commands:
        module, _, name = command.python_name.partition(":")

        assert callable(getattr(importlib.import_module(module), name))


def test_pictures_of_the_readme_have_absolute_addresses():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    pictures = re.findall(r"!\[[^]]*\]\(([^)]+)\)", readme)

    assert pictures
    assert [address for address in pictures if not address.startswith("https://")] == []


@pytest.mark.slow
def test_the_wheel_holds_every_module_manifest_weights_and_the_type_marker(wheel):
    modules = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py")}
    data = {path.relative_to(ROOT).as_posix() for path in PACKAGE.glob("models/*.safetensors")}
    content = set(wheel.namelist())

    assert modules | data | {"napari_kidney_seg/napari.yaml", "napari_kidney_seg/py.typed"} <= content


@pytest.mark.slow
def test_the_wheel_holds_nothing_but_the_package(wheel):
    tops = {name.split("/")[0].split("-")[0] for name in wheel.namelist()}

    assert tops == {"napari_kidney_seg"}


@pytest.mark.slow
def test_the_wheel_says_what_the_hub_and_pip_look_for(wheel):
    metadata = wheel_metadata(wheel)

    assert f"\nVersion: {napari_kidney_seg.__version__}\n" in metadata
    assert "\nLicense-Expression: BSD-3-Clause\n" in metadata
    assert "\nRequires-Python: >=3.11\n" in metadata
    assert "\nClassifier: Framework :: napari\n" in metadata
    assert "\nDescription-Content-Type: text/markdown\n" in metadata


@pytest.mark.slow
def test_the_wheel_registers_the_manifest_and_the_command(wheel):
    points = wheel.read(next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))).decode()

    assert "[napari.manifest]\nnapari-kidney-seg = napari_kidney_seg:napari.yaml" in points
    assert "[console_scripts]\nnapari-kidney-seg = napari_kidney_seg.cli:main" in points
