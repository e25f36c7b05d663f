from __future__ import annotations

import gzip
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest

from napari_kidney_seg.core.errors import UnreadableImageError
from napari_kidney_seg.io import read_labels, read_volume, restore, write_labels

RAS = np.diag([0.7, 0.8, 2.5, 1.0])
CODES_OFF = {"sform_code": 0, "qform_code": 0}


def ct(shape: tuple[int, ...] = (4, 5, 6)) -> np.ndarray:
    return (np.arange(np.prod(shape)).reshape(shape) * 20 - 1000).astype(np.int16)


@pytest.fixture
def save(tmp_path):
    """Write an array with header fields changed after nibabel has filled them in."""

    def write(array=None, affine=RAS, kind=nib.Nifti1Image, name="scan.nii", **fields):
        image = kind(ct() if array is None else array, affine)
        path = tmp_path / name
        nib.save(image, path)
        content = bytearray(path.read_bytes())
        header = type(image.header)(bytes(content[: image.header.template_dtype.itemsize]), check=False)
        for field, value in fields.items():
            header[field] = value
        content[: len(header.binaryblock)] = header.binaryblock
        path.write_bytes(content)
        return path

    return write


def test_slope_and_intercept_give_hounsfield_units_as_whole_numbers(save):
    stored = np.arange(120, dtype=np.uint8).reshape(4, 5, 6)
    path = save(stored, scl_slope=2, scl_inter=-1024)

    volume = read_volume(path)

    assert volume.array.dtype == np.int16
    np.testing.assert_array_equal(restore(volume.array, volume.source), stored * 2.0 - 1024)


def test_fractions_stay_fractions(save):
    volume = read_volume(save(ct().astype(np.float32) + 0.25))

    assert volume.array.dtype == np.float32
    assert volume.array.min() == -999.75


@pytest.mark.parametrize("slope", [0.0, np.nan])
def test_a_slope_of_zero_or_nan_scales_nothing(save, slope):
    assert read_volume(save(scl_slope=slope, scl_inter=5)).array.min() == -1000


def test_values_that_are_no_numbers_become_air_with_a_note(save):
    array = ct().astype(np.float32)
    array[0, 0, 0] = np.nan
    array[1, 0, 0] = np.inf

    volume = read_volume(save(array))

    assert np.count_nonzero(volume.array == -1024) == 2
    assert volume.array.dtype == np.int16
    assert "2 voxels are not numbers" in volume.notes[0]


@pytest.mark.parametrize(("unit", "factor"), [(1, 1000.0), (2, 1.0), (3, 0.001), (0, 1.0)])
def test_units_other_than_mm_are_converted_and_kept_on_saving(save, tmp_path, unit, factor):
    affine = RAS.copy()
    affine[:3, :] /= factor
    path = save(np.ones((4, 5, 6), np.uint8), affine, xyzt_units=unit)
    labels = read_labels(path)

    write_labels(labels, tmp_path / "mask.nii")

    np.testing.assert_allclose(labels.spacing, (2.5, 0.8, 0.7), rtol=1e-6)
    assert nib.load(tmp_path / "mask.nii").header["xyzt_units"] == unit
    np.testing.assert_array_equal(nib.load(tmp_path / "mask.nii").affine, nib.load(path).affine)


def test_one_volume_in_four_dimensions_is_a_scan(save):
    volume = read_volume(save(ct((4, 5, 6, 1))))

    assert volume.array.shape == (6, 5, 4)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (ct((4, 5, 6, 3)), "time series of 3 volumes"),
        (ct((4, 5, 6, 1, 3)), "several values per voxel"),
        (ct((4, 5)), "4 x 5 voxels; needed a 3D scan"),
        (ct((4, 5, 1)), "4 x 5 x 1 voxels; needed a 3D scan"),
        (ct().astype(np.complex64), "complex numbers"),
        (np.zeros((4, 5, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")]), "colors"),
    ],
)
def test_what_is_no_single_scan_is_named(save, array, words):
    with pytest.raises(UnreadableImageError, match=words):
        read_volume(save(array))


@pytest.mark.parametrize("pixdim", [0.0, np.nan, -1.0, np.inf])
def test_a_missing_spacing_is_refused(save, pixdim):
    with pytest.raises(UnreadableImageError, match="spacing"):
        read_volume(save(pixdim=[1, 0.7, 0.8, pixdim, 0, 0, 0, 0], **CODES_OFF))


def test_a_file_without_orientation_is_read_as_nibabel_does_with_a_note(save):
    path = save(**CODES_OFF)

    volume = read_volume(path)

    world = np.diag([-1, -1, 1, 1]) @ nib.load(path).affine @ [0, 0, 0, 1]
    index = np.argwhere(volume.array == -1000)[0]
    np.testing.assert_allclose(volume.geometry.affine @ [*index, 1], world, atol=1e-4)
    assert "does not say how the patient lies" in volume.notes[0]


def test_sform_and_qform_that_disagree_are_noted_and_the_sform_wins(save):
    volume = read_volume(save(sform_code=1, qform_code=1, srow_x=[0.7, 0, 0, 30.0]))

    assert volume.geometry.affine[0, 3] == pytest.approx(-30.0 - 3 * 0.7)
    assert "differ by up to 30 mm; the sform was used" in volume.notes[0]


def test_a_broken_sform_gives_way_to_the_qform(save):
    path = save(sform_code=1, qform_code=1, srow_x=[0, 0, 0, 0])

    volume = read_volume(path)

    assert volume.source.header["affine_from"] == "qform"
    np.testing.assert_allclose(volume.spacing, (2.5, 0.8, 0.7), rtol=1e-6)


def test_only_one_form_set_stays_so_on_saving(save, tmp_path):
    path = save(np.ones((4, 5, 6), np.uint8), sform_code=0, qform_code=4)

    write_labels(read_labels(path), tmp_path / "mask.nii.gz")

    header = nib.load(tmp_path / "mask.nii.gz").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (0, 4)


def test_a_small_shear_is_noted_and_kept_and_a_large_one_refused(save, tmp_path):
    sheared, broken = RAS.copy(), RAS.copy()
    sheared[1, 2] = 2.5 * np.tan(np.radians(12))
    broken[1, 2] = 2.5 * np.tan(np.radians(50))
    path = save(np.ones((4, 5, 6), np.uint8), sheared, qform_code=0, sform_code=1)

    labels = read_labels(path)
    write_labels(labels, tmp_path / "mask.nii.gz")

    assert "sheared by 12.0 degrees" in labels.notes[0]
    np.testing.assert_array_equal(nib.load(tmp_path / "mask.nii.gz").affine, nib.load(path).affine)
    with pytest.raises(UnreadableImageError, match="50 degrees away from right angles"):
        read_volume(save(affine=broken, qform_code=0, sform_code=1))


def test_an_oblique_scan_is_noted(save, affine_of, oblique):
    assert "rotated by" in read_volume(save(affine=affine_of(oblique, (1, 1, 2)))).notes[0]


@pytest.mark.parametrize("endianness", ["<", ">"])
@pytest.mark.parametrize("header_class", [nib.Nifti1Header, nib.Nifti2Header])
def test_both_versions_and_byte_orders_are_read_and_saved_alike(tmp_path, header_class, endianness):
    kind = nib.Nifti1Image if header_class is nib.Nifti1Header else nib.Nifti2Image
    affine = RAS.copy()
    affine[:3, 3] = (1 / 3, -2 / 3, 1000 / 7)
    image = kind(np.ones((4, 5, 6), np.uint8), affine, header_class(endianness=endianness))
    image.to_filename(tmp_path / "scan.nii.gz")

    labels = read_labels(tmp_path / "scan.nii.gz")
    write_labels(labels, tmp_path / "mask.nii.gz")

    mask = nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(mask.affine, nib.load(tmp_path / "scan.nii.gz").affine)
    assert isinstance(mask, kind)
    assert labels.array.sum() == 4 * 5 * 6


def test_a_header_that_announces_terabytes_is_refused_at_once(save):
    with pytest.raises(UnreadableImageError, match="needed at most"):
        read_volume(save(dim=[3, 30000, 30000, 30000, 1, 1, 1, 1]))


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_cut_off_is_named_so(save, tmp_path, compressed):
    content = save(np.random.default_rng(0).integers(0, 9, (40, 40, 40)).astype(np.int16)).read_bytes()
    content = gzip.compress(content) if compressed else content
    path = tmp_path / ("cut.nii.gz" if compressed else "cut.nii")
    path.write_bytes(content[: len(content) * 2 // 3])

    with pytest.raises(UnreadableImageError, match=r"Copy|copy"):
        read_volume(path)


def test_a_spacing_no_ct_can_have_is_refused(save):
    with pytest.raises(UnreadableImageError, match=r"needed 0.01 to 50.0 mm"):
        read_volume(save(affine=np.diag([700.0, 800.0, 2500.0, 1.0])))


def test_nifti_needs_no_simpleitk_or_pydicom(save):
    code = (
        "import sys; sys.modules['SimpleITK'] = sys.modules['pydicom'] = None\n"
        f"from napari_kidney_seg.io import read_volume; print(read_volume({str(save())!r}).array.shape)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "(6, 5, 4)"
