"""The way into canonical orientation and back, for every orientation a file can have."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from napari_kidney_seg.io import read_labels, read_volume, restore, write_labels

SPACINGS = [(0.5, 0.5, 0.5), (0.8, 0.7, 5.0), (5.0, 0.8, 1.25)]
SHAPE = (5, 6, 7)


def numbered() -> np.ndarray:
    return np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE) - 100


def numbered_labels() -> np.ndarray:
    return np.random.default_rng(7).integers(0, 4, SHAPE).astype(np.uint8)


@pytest.mark.parametrize("spacing", SPACINGS, ids=str)
def test_a_saved_mask_has_the_array_and_the_affine_of_its_scan(
    tmp_path, write_scan, affine_of, orientation, tilt, spacing
):
    path = write_scan(numbered_labels(), affine_of(tilt @ orientation, spacing))
    labels = read_labels(path)

    write_labels(labels, tmp_path / "mask.nii.gz")

    scan, mask = nib.load(path), nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(np.asarray(mask.dataobj), numbered_labels())
    for name in ("srow_x", "srow_y", "srow_z", "sform_code", "qform_code", "quatern_b", "quatern_c", "quatern_d"):
        assert mask.header[name].tobytes() == scan.header[name].tobytes()
    np.testing.assert_array_equal(mask.get_qform(), scan.get_qform())
    np.testing.assert_array_equal(mask.affine, scan.affine)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_an_itk_mask_has_the_array_and_the_place_of_its_scan(
    tmp_path, write_scan, affine_of, orientation, oblique, suffix
):
    path = write_scan(numbered_labels(), affine_of(oblique @ orientation, (0.8, 0.7, 5.0)), "scan" + suffix)

    write_labels(read_labels(path), tmp_path / ("mask" + suffix))

    scan, mask = sitk.ReadImage(str(path)), sitk.ReadImage(str(tmp_path / ("mask" + suffix)))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask).transpose(), numbered_labels())
    np.testing.assert_allclose(mask.GetDirection(), scan.GetDirection(), atol=1e-12)
    np.testing.assert_allclose(mask.GetOrigin(), scan.GetOrigin(), atol=1e-9)
    np.testing.assert_allclose(mask.GetSpacing(), scan.GetSpacing(), rtol=1e-12)


def test_reading_is_canonical_and_restoring_is_exact(write_scan, affine_of, orientation, tilt):
    volume = read_volume(write_scan(numbered(), affine_of(tilt @ orientation, (0.8, 0.7, 5.0))))

    assert volume.geometry.axis_codes == "IPL"
    assert volume.array.flags.c_contiguous
    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(restore(volume.array, volume.source), numbered())


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_a_marked_voxel_lies_where_the_oracle_says(write_scan, affine_of, orientation, oblique, suffix):
    marked = np.zeros(SHAPE, np.int16)
    marked[1, 4, 2] = 1000
    affine = affine_of(oblique @ orientation, (0.8, 0.7, 5.0))

    path = write_scan(marked, affine, "scan" + suffix)
    volume = read_volume(path)

    (index,) = np.argwhere(volume.array == 1000)
    world = volume.geometry.affine @ [*index, 1]
    expected = affine @ [1, 4, 2, 1] * [-1, -1, 1, 1]
    np.testing.assert_allclose(world, expected, atol=1e-3)
    by_itk = sitk.ReadImage(str(path)).TransformIndexToPhysicalPoint((1, 4, 2))
    np.testing.assert_allclose(world[:3], by_itk, atol=1e-3)


def test_one_scan_in_48_orientations_is_one_canonical_array(write_scan, affine_of, orientation):
    upright = read_volume(write_scan(numbered(), affine_of(np.eye(3), (0.8, 0.7, 5.0)), "upright.nii.gz"))
    order = np.abs(orientation).argmax(axis=0)
    flipped = [slice(None, None, int(orientation[world, axis])) for axis, world in enumerate(order)]
    turned = read_volume(
        write_scan(
            numbered().transpose(order)[tuple(flipped)],
            affine_of(orientation, np.array((0.8, 0.7, 5.0))[order]),
        )
    )

    np.testing.assert_array_equal(turned.array, upright.array)
    np.testing.assert_allclose(turned.spacing, upright.spacing, rtol=1e-6)


def test_an_itk_mask_of_a_nifti_scan_covers_the_same_place(tmp_path, write_scan, affine_of, orientation, oblique):
    labels = read_labels(write_scan(numbered_labels(), affine_of(oblique @ orientation, (0.8, 0.7, 5.0)), "scan.nii"))

    write_labels(labels, tmp_path / "mask.nrrd")

    again = read_labels(tmp_path / "mask.nrrd")
    np.testing.assert_array_equal(again.array, labels.array)
    np.testing.assert_allclose(again.geometry.affine, labels.geometry.affine, atol=1e-6)
