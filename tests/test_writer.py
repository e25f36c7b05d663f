from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from napari_kidney_seg._reader import read_layers
from napari_kidney_seg._writer import write_labels_layers
from napari_kidney_seg.core.errors import GeometryMismatchError, UnwritableImageError

SIN, COS = np.sin(0.3), np.cos(0.3)  # turned in plane by 17 degrees, first axis mostly anterior, second right
AFFINE_RAS = np.array([[0.8 * SIN, -0.9 * COS, 0, 60], [0.8 * COS, 0.9 * SIN, 0, 100], [0, 0, 3.0, -300], [0, 0, 0, 1]])


@pytest.fixture
def stored() -> np.ndarray:
    """A mask as its file stores it."""
    array = np.zeros((9, 8, 7), np.uint8)
    array[2:7, 2:7, 2:6] = 1
    array[3, 3, 3:5] = 2
    array[5, 4, 3] = 3
    return array


@pytest.fixture
def mask_layers(tmp_path, stored):
    path = tmp_path / "case_seg.nii.gz"
    nib.save(nib.Nifti1Image(stored, AFFINE_RAS), path)
    return read_layers(str(path))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii"])
def test_layers_are_saved_as_one_mask_on_the_grid_of_the_file(tmp_path, mask_layers, stored, suffix):
    path = tmp_path / f"saved{suffix}"

    written = write_labels_layers(str(path), mask_layers)

    image = nib.load(path)
    assert written == [str(path)]
    np.testing.assert_array_equal(np.asarray(image.dataobj), stored)
    np.testing.assert_allclose(image.affine, AFFINE_RAS, atol=1e-5)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_other_formats_open_again_at_the_same_place(tmp_path, mask_layers, suffix):
    path = tmp_path / f"saved{suffix}"

    write_labels_layers(str(path), mask_layers)

    for (data, options, _), (again, options_again, _) in zip(mask_layers, read_layers(str(path)), strict=True):
        np.testing.assert_array_equal(again, data)
        np.testing.assert_allclose(options_again["translate"], options["translate"], atol=1e-4)


def test_a_single_layer_is_saved_alone(tmp_path, mask_layers, stored):
    tumor = [layer for layer in mask_layers if layer[1]["name"] == "tumor"]

    write_labels_layers(str(tmp_path / "tumor.nii.gz"), tumor)

    saved = np.asarray(nib.load(tmp_path / "tumor.nii.gz").dataobj)
    np.testing.assert_array_equal(saved, np.where(stored == 2, 2, 0))


def test_a_layer_without_geometry_is_refused_and_no_file_is_made(tmp_path, stored):
    path = tmp_path / "saved.nii.gz"

    with pytest.raises(GeometryMismatchError, match="'Labels' does not say on which scan it lies"):
        write_labels_layers(str(path), [(stored, {"name": "Labels", "metadata": {}}, "labels")])

    assert not path.exists()


def test_an_unknown_ending_is_refused(tmp_path, mask_layers):
    with pytest.raises(UnwritableImageError, match=r"ending in one of \.nii\.gz"):
        write_labels_layers(str(tmp_path / "saved.png"), mask_layers)
