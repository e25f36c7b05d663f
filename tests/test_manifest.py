from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path

import npe2
import pytest

import napari_kidney_seg

PATH = Path(napari_kidney_seg.__file__).parent / "napari.yaml"


@pytest.fixture(scope="module")
def manifest() -> npe2.PluginManifest:
    return npe2.PluginManifest.from_file(PATH)


def test_every_command_points_to_a_callable(manifest):
    for command in manifest.contributions.commands:
        module, name = command.python_name.split(":")
        assert callable(getattr(import_module(module), name)), command.id


def test_the_plugin_is_listed_publicly_as_segmentation(manifest):
    assert manifest.name == "napari-kidney-seg"
    assert manifest.is_visible
    assert "Segmentation" in manifest.categories


def test_readers_take_scans_and_dicom_folders_but_not_every_gz(manifest):
    (reader,) = manifest.contributions.readers

    assert set(reader.filename_patterns) == {"*.nii", "*.nii.gz", "*.nrrd", "*.nhdr", "*.mha", "*.mhd", "*.dcm"}
    assert reader.accepts_directories


def test_one_to_three_labels_layers_make_one_mask(manifest):
    (writer,) = manifest.contributions.writers
    (labels,) = [one for one in writer.layer_type_constraints() if one.layer_type == "labels"]

    assert labels.bounds == (1, 4)  # the upper bound is exclusive
    assert writer.filename_extensions == [".nii.gz", ".nii", ".nrrd", ".mha"]


def test_menus_name_commands_that_exist(manifest):
    commands = {command.id for command in manifest.contributions.commands}
    items = [item for menu in manifest.contributions.menus.values() for item in menu]
    named = {item.command for item in items if hasattr(item, "command")}

    assert named <= commands


def test_modules_of_the_manifest_are_imported_without_torch(manifest):
    modules = sorted({command.python_name.split(":")[0] for command in manifest.contributions.commands})
    code = f"import sys, {', '.join(modules)}; print(*sorted({{'torch', 'monai'}} & set(sys.modules)))"

    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert finished.stdout.split() == []


def test_an_installed_package_announces_its_manifest():
    found = [entry.value for entry in entry_points(group="napari.manifest") if entry.name == "napari-kidney-seg"]
    if not found:
        pytest.skip("the package lies in the path but is not installed")

    assert found == ["napari_kidney_seg:napari.yaml"]
