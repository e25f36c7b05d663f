from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_kidney_seg._reader import get_reader, is_mask, read_layers
from napari_kidney_seg.core.errors import UnreadableImageError
from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.widgets.layer_data import record_of

AFFINE_RAS = np.array(
    [[-0.9, 0, 0, 60], [0, 0, -0.8, 100], [0, 5.0, 0, -300], [0, 0, 0, 1]]
)  # axes left, superior, posterior


def write(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE_RAS) -> Path:
    nib.save(nib.Nifti1Image(array, affine), path)
    return path


@pytest.fixture
def ct_array() -> np.ndarray:
    array = np.full((14, 10, 12), -1000, np.int16)  # (x, z, y) of the file
    array[2:12, 2:8, 2:10] = 40
    array[4, 8, 3] = 1200
    return array


@pytest.mark.parametrize(
    "name", ["a.nii", "a.nii.gz", "a.NII.GZ", "a.nrrd", "a.nhdr", "a.mha", "a.mhd", "a.dcm", "no/such/file.nii"]
)
def test_every_named_format_has_a_reader_without_a_look_at_the_file(name):
    assert get_reader(name) is read_layers


@pytest.mark.parametrize("path", ["a.tif", "a.gz", "", "no/such/folder", []])
def test_other_paths_have_none(path):
    assert get_reader(path) is None


def test_a_folder_of_dicom_files_is_ours_and_any_other_is_not(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing to see")
    assert get_reader(str(tmp_path)) is None

    (tmp_path / "IM0001").write_bytes(bytes(128) + b"DICM")
    assert get_reader(str(tmp_path)) is read_layers


def test_each_voxel_of_a_ct_lies_at_its_millimeters(tmp_path, ct_array):
    path = write(tmp_path / "case.nii.gz", ct_array)

    ((data, options, kind),) = read_layers(str(path))

    assert kind == "image"
    where = np.array(np.unravel_index(np.argmax(data), data.shape))
    x, y, z = (np.diag([-1, -1, 1, 1]) @ AFFINE_RAS @ (4, 8, 3, 1))[:3]  # world LPS
    np.testing.assert_allclose(np.array(options["translate"]) + where * options["scale"], (-z, y, x), atol=1e-4)
    np.testing.assert_allclose(options["scale"], (5, 0.8, 0.9), rtol=1e-6)


def test_a_ct_layer_remembers_its_file(tmp_path, ct_array):
    path = write(tmp_path / "case.nii.gz", ct_array)

    ((_, options, _),) = read_layers(str(path))

    record = record_of(options["metadata"])
    assert record.source.path == path
    assert record.source.geometry.shape == (14, 10, 12)
    assert options["name"] == "case"


def test_a_mask_opens_as_three_labels_layers(tmp_path):
    array = np.zeros((14, 10, 12), np.uint8)
    array[3:8, 3:8, 3:8] = 1
    array[4, 4, 4] = 2

    layers = read_layers(str(write(tmp_path / "case_seg.nii.gz", array)))

    assert [(options["name"], kind) for _, options, kind in layers] == [
        ("kidney", "labels"),
        ("cyst", "labels"),
        ("tumor", "labels"),
    ]
    assert [int(np.count_nonzero(data)) for data, _, _ in layers] == [125, 0, 1]


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[[0, 1], [2, 3]]], np.int16), True),
        (np.array([[[0, 1], [2, 4]]], np.int16), False),
        (np.array([[[-1, 1], [2, 3]]], np.int16), False),
        (np.array([[[0, 0.5], [1, 0]]], np.float32), False),
    ],
)
def test_a_mask_holds_whole_numbers_from_0_to_3(array, expected):
    assert is_mask(Volume(array=array, geometry=Geometry.from_spacing(array.shape, (1, 1, 1)))) is expected


def test_a_damaged_file_says_what_it_is(tmp_path):
    path = tmp_path / "case.nii.gz"
    path.write_bytes(b"this is no image")

    with pytest.raises(UnreadableImageError, match=r"case\.nii\.gz"):
        read_layers(str(path))


def test_notes_on_a_scan_are_told_to_napari(tmp_path, ct_array, monkeypatch):
    told = []
    monkeypatch.setattr("napari.utils.notifications.show_info", told.append)

    read_layers(str(write(tmp_path / "case.nii.gz", (ct_array + 1024).astype(np.uint16))))

    assert len(told) == 1
    assert "Subtract 1024" in told[0]


def test_a_real_scan_opens_upright_with_its_mask_on_it(shared_data):
    ((data, options, _),) = read_layers(str(shared_data / "real" / "cptac_C3L-00189_pv.nii.gz"))
    masks = read_layers(str(shared_data / "real" / "cptac_C3L-00189_pv_seg.nii.gz"))

    kidney, kidney_options, _ = masks[0]
    np.testing.assert_allclose(kidney_options["translate"], options["translate"], atol=1e-3)
    assert 100 < np.median(data[kidney > 0]) < 250  # HU of enhanced kidney
    assert kidney.sum() * np.prod(options["scale"]) / 1000 == pytest.approx(262, abs=3)  # ml with its cysts
