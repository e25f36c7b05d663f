"""What this computer and installation have and lack, with the exact fix."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from napari_kidney_seg.cli.console import print_record
from napari_kidney_seg.cli.demo import has_display
from napari_kidney_seg.core.device import free_memory
from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.method import Method
from napari_kidney_seg.io.models import find_bundle, user_models_folder
from napari_kidney_seg.methods import DEFAULT, get_method

PACKAGES = ("napari-kidney-seg", "napari", "npe2", "torch", "monai", "nibabel", "SimpleITK", "lightning")
QT_BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")
NEEDED_PYTHON = (3, 11)
NEEDED_MEMORY_GIB = 4.0  # peak resident memory the default method is held to
NEEDED_DISK_GIB = 1.0  # masks, caches and a model or two
_GIB = 2**30
_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red"}


@dataclass(frozen=True, kw_only=True)
class Check:
    """One finding.

    Attributes
    ----------
    name, found : str
    status : ``"ok"``, ``"warning"`` (something works less well) or ``"failed"`` (something does not work)
    fix : str
        What to do; empty when all is well.
    """

    name: str
    found: str
    status: str = "ok"
    fix: str = ""


def show_checks(console: Console) -> bool:
    """Print every check, and return whether none failed."""
    checks = list(run_checks())
    is_well = all(check.status != "failed" for check in checks)
    print_record(console, {"ok": is_well, "checks": [asdict(check) for check in checks]})
    table = Table("check", "found", "", "what to do")
    for check in checks:
        table.add_row(check.name, escape(check.found), f"[{_STYLES[check.status]}]{check.status}", escape(check.fix))
    console.print(table)
    console.print(_summary(checks))
    return is_well


def _summary(checks: list[Check]) -> str:
    statuses = {check.status for check in checks}
    if "failed" in statuses:
        return "Something does not work: do what the last column says."
    return "Everything works; the warnings say what could work better." if "warning" in statuses else "All is well."


def run_checks() -> Iterator[Check]:
    """Yield the findings, from the interpreter up to the model."""
    yield python_check()
    yield from (package_check(name) for name in PACKAGES)
    for check in (qt_check, display_check, manifest_check, gpu_check, openvino_check, memory_check):
        yield check()
    yield from (folder_check(folder) for folder in (Path.cwd(), user_models_folder(), Path(tempfile.gettempdir())))
    yield model_check()


def python_check() -> Check:
    """Return whether the interpreter is new enough."""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info >= NEEDED_PYTHON:
        return Check(name="Python", found=found)
    return Check(name="Python", found=found, status="failed", fix="Install Python 3.11 or newer.")


def package_check(name: str) -> Check:
    """Return the version of an installed package."""
    try:
        return Check(name=name, found=version(name))
    except PackageNotFoundError:
        return Check(name=name, found="not installed", status="failed", fix=f"pip install {name}")


def qt_check() -> Check:
    """Return which Qt bindings are there: exactly one is right."""
    found = [name for name in QT_BINDINGS if importlib.util.find_spec(name) is not None]
    if not found:
        fix = "pip install 'napari-kidney-seg[all]'   (the command line works without)"
        return Check(name="Qt binding", found="none", status="warning", fix=fix)
    if len(found) > 1:
        fix = f"Keep one: pip uninstall {' '.join(found[1:])}"
        return Check(name="Qt binding", found=", ".join(found), status="warning", fix=fix)
    return Check(name="Qt binding", found=found[0])


def display_check() -> Check:
    """Return whether a window can be shown."""
    if has_display():
        return Check(name="display", found="yes")
    fix = "For the window: log in at a desktop, or run under xvfb-run. The command line needs none."
    return Check(name="display", found="none", status="warning", fix=fix)


def manifest_check() -> Check:
    """Return whether napari finds the plugin and can read its manifest."""
    fix = "Install the package anew: pip install --force-reinstall --no-deps napari-kidney-seg"
    try:
        from npe2 import PluginManifest

        manifest = PluginManifest.from_distribution("napari-kidney-seg")
    except (ImportError, ValueError, OSError, PackageNotFoundError) as error:
        return Check(name="napari manifest", found=f"not readable: {error}", status="failed", fix=fix)
    widgets = len(manifest.contributions.widgets or ())
    return Check(name="napari manifest", found=f"{manifest.display_name}, {widgets} widgets")


def gpu_check() -> Check:
    """Return what torch was built for, and whether a graphics card lies idle."""
    try:
        import torch
    except (ImportError, OSError) as error:  # a torch whose libraries do not load raises OSError
        fix = "Install torch as https://pytorch.org/get-started says for this system."
        return Check(name="torch", found=f"does not load: {error}", status="failed", fix=fix)
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU only"
    if torch.cuda.is_available():
        return Check(name="GPU", found=f"{torch.cuda.get_device_name(0)}, torch build {build}")
    if torch.backends.mps.is_available():
        return Check(name="GPU", found="Apple MPS")
    if shutil.which("nvidia-smi"):
        return Check(name="GPU", found=f"NVIDIA card, torch build {build}", status="warning", fix=_cuda_fix(build))
    return Check(name="GPU", found=f"none; networks run on the CPU, torch build {build}")


def openvino_check() -> Check:
    """Return whether the fast engine for the CPU is there."""
    if importlib.util.find_spec("openvino") is not None:
        return Check(name="OpenVINO", found=version("openvino"))
    fix = "For two to three times the speed on a CPU: pip install 'napari-kidney-seg[openvino]'"
    return Check(name="OpenVINO", found="not installed", status="warning", fix=fix)


def memory_check() -> Check:
    """Return how much memory is free."""
    free = free_memory("cpu") / _GIB
    found = f"{free:.1f} GiB free"
    if free >= NEEDED_MEMORY_GIB:
        return Check(name="memory", found=found)
    return Check(
        name="memory", found=found, status="warning", fix=f"Close programs: {NEEDED_MEMORY_GIB:g} GiB are needed."
    )


def folder_check(folder: Path) -> Check:
    """Return whether `folder`, or the one it will be made in, can be written and has room."""
    name, place = f"folder {folder}", _existing(folder)
    free = shutil.disk_usage(place).free / _GIB
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return Check(name=name, found=f"cannot be written: {error}", status="failed", fix=f"chmod u+w '{place}'")
    if free < NEEDED_DISK_GIB:
        fix = f"Free some space: {NEEDED_DISK_GIB:g} GiB are needed."
        return Check(name=name, found=f"{free:.1f} GiB free", status="warning", fix=fix)
    return Check(name=name, found=f"writable, {free:.0f} GiB free")


def model_check(find: Callable[[Method], Path] = find_bundle) -> Check:
    """Return whether there are weights for the default method."""
    try:
        return Check(name="model", found=find(get_method(DEFAULT, "compact")).name)
    except KidneySegError as error:
        return Check(name="model", found="none", status="failed", fix=str(error))


def _cuda_fix(build: str) -> str:
    if build == "CPU only":
        return "pip install --force-reinstall torch torchvision --index-url https://download.pytorch.org/whl/cu128"
    return "Update the NVIDIA driver: `nvidia-smi` must list the card and a CUDA version not older than torch's."


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())
