from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom import dcmread
from pydicom.uid import RLELossless

from napari_kidney_seg.core.errors import UnreadableImageError
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.io import read_volume, restore, write_labels
from napari_kidney_seg.io.dicom import list_series, read_series

CORONAL = (1, 0, 0, 0, 0, -1)


def test_a_series_is_read_in_hounsfield_units_in_order_of_position(tmp_path, ct_series):
    series = ct_series()
    series.write(tmp_path)

    volume = read_series(tmp_path)

    assert volume.geometry.axis_codes == "IPL"
    assert volume.spacing == pytest.approx((2.5, 0.7, 0.8))
    assert volume.array.dtype == np.int16
    assert volume.notes == ()
    np.testing.assert_array_equal(restore(volume.array, volume.source), series.hu)


@pytest.mark.parametrize("directions", [(1, 0, 0, 0, 1, 0), CORONAL, (0, 1, 0, 0, 0, -1), (-1, 0, 0, 0, -1, 0)])
def test_a_series_lies_where_simpleitk_says(tmp_path, ct_series, directions):
    step = 2.5 * np.cross(directions[:3], directions[3:])
    ct_series(directions=directions, step=step).write(tmp_path)
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path))
    oracle = sitk.ReadImage(files)

    volume = read_series(tmp_path)

    for index in [(0, 0, 0), (7, 0, 0), (3, 5, 2)]:
        value = oracle[index]
        (found,) = np.argwhere(volume.array == value)
        np.testing.assert_allclose(
            (volume.geometry.affine @ [*found, 1])[:3], oracle.TransformIndexToPhysicalPoint(index), atol=1e-4
        )


def test_a_mask_of_a_series_is_saved_on_its_grid(tmp_path, ct_series):
    series = ct_series()
    series.write(tmp_path / "scan")
    scan = read_volume(tmp_path / "scan")
    labels = LabelVolume(
        array=(scan.array % 4).astype(np.uint8), geometry=scan.geometry, source=scan.source, name="mask"
    )

    write_labels(labels, tmp_path / "mask.nii.gz")

    mask = nib.load(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(np.asarray(mask.dataobj), series.hu % 4)
    expected = np.array([[-0.8, 0, 0, 100], [0, -0.7, 0, 80], [0, 0, 2.5, 40], [0, 0, 0, 1]])
    np.testing.assert_allclose(mask.affine, expected, atol=1e-5)


def test_slope_and_intercept_of_each_slice_are_applied(tmp_path, ct_series):
    series = ct_series(slope=2, intercept=-500)
    paths = series.write(tmp_path)
    odd = dcmread(paths[1])
    odd.RescaleSlope, odd.RescaleIntercept = 1, 0
    odd.save_as(paths[1])

    volume = read_series(tmp_path)

    expected = series.hu.copy()
    expected[:, :, 1] = series.stored[:, :, 1]
    np.testing.assert_array_equal(restore(volume.array, volume.source), expected)


def test_every_series_is_listed_and_the_largest_axial_ct_comes_first(tmp_path, ct_series):
    ct_series(description="Coronal", directions=CORONAL, step=(0, 2.5, 0), shape=(8, 7, 9)).write(tmp_path / "a")
    ct_series(description="Thick", shape=(8, 7, 4)).write(tmp_path / "b")
    thin = ct_series(description="Thin")
    thin.write(tmp_path / "c")
    ct_series(description="T2", modality="MR", shape=(8, 7, 12)).write(tmp_path / "d")
    (tmp_path / "report.txt").write_text("no image")

    found = list_series(tmp_path)
    volume = read_series(tmp_path)

    assert [one.description for one in found] == ["Thin", "Thick", "Coronal", "T2"]
    first = found[0]
    assert (first.files, first.shape, first.thickness, first.is_axial) == (6, (6, 7, 8), 2.5, True)
    assert first.spacing == pytest.approx((2.5, 0.7, 0.8))
    assert "holds 4 series: Thin (CT, 8 x 7 x 6); Thick" in volume.notes[0]
    np.testing.assert_array_equal(restore(volume.array, volume.source), thin.hu)


def test_a_series_can_be_chosen(tmp_path, ct_series):
    thick = ct_series(shape=(8, 7, 4))
    thick.write(tmp_path)
    ct_series().write(tmp_path)

    assert read_volume(tmp_path, series=thick.uid).array.shape == (4, 7, 8)
    with pytest.raises(UnreadableImageError, match=r"has no series '1\.2\.3'"):
        read_volume(tmp_path, series="1.2.3")


def test_one_file_stands_for_its_series(tmp_path, ct_series):
    paths = ct_series().write(tmp_path)
    ct_series(shape=(8, 7, 9)).write(tmp_path)

    assert read_volume(paths[2]).array.shape == (6, 7, 8)


def test_missing_slices_are_interpolated_in_place_with_a_note(tmp_path, ct_series):
    series = ct_series(shape=(8, 7, 24))
    paths = series.write(tmp_path)
    paths[10].unlink()

    volume = read_series(tmp_path)

    assert "1 slices are missing (after 62.5 mm)" in volume.notes[0]
    np.testing.assert_array_equal(restore(volume.array, volume.source), series.hu)  # its values are linear in the slice


def test_an_incomplete_series_is_refused(tmp_path, ct_series):
    for path in ct_series(shape=(8, 7, 24)).write(tmp_path)[5:12]:
        path.unlink()

    with pytest.raises(UnreadableImageError, match=r"mostly 2.50 mm apart, but 20.00 mm between 50.0 and 70.0 mm"):
        read_series(tmp_path)


def test_slices_at_uneven_distances_are_refused(tmp_path, ct_series):
    ct_series(heights=(0, 2.5, 5, 6.2, 8.7, 11.2)).write(tmp_path)

    with pytest.raises(UnreadableImageError, match="unevenly spaced"):
        read_series(tmp_path)


def test_of_slices_at_one_position_the_first_acquired_is_read(tmp_path, ct_series):
    first = ct_series()
    first.write(tmp_path / "a")
    replace(first, intercept=0, extra={"AcquisitionNumber": 2}).write(tmp_path / "b")

    volume = read_series(tmp_path)

    assert "6 slices lie where another one does" in volume.notes[0]
    np.testing.assert_array_equal(restore(volume.array, volume.source), first.hu)


def test_localizers_in_a_series_are_left_out_with_a_note(tmp_path, ct_series):
    series = ct_series()
    series.write(tmp_path / "a")
    replace(series, directions=CORONAL, shape=(8, 7, 2)).write(tmp_path / "b")

    volume = read_series(tmp_path)

    assert "2 of 8 images of the series have another orientation or size" in volume.notes[0]
    np.testing.assert_array_equal(restore(volume.array, volume.source), series.hu)


def test_a_gantry_tilt_is_noted_and_every_voxel_stays_in_its_place(tmp_path, ct_series):
    series = ct_series(step=(0, 0.6, 2.5))
    series.write(tmp_path)

    volume = read_series(tmp_path)

    assert f"sheared by {np.degrees(np.arctan(0.6 / 2.5)):.1f} degrees (gantry tilt)" in volume.notes[0]
    (index,) = np.argwhere(volume.array == series.hu[3, 4, 5])
    expected = np.array([-100 + 3 * 0.8, -80 + 4 * 0.7 + 5 * 0.6, 40 + 5 * 2.5])
    np.testing.assert_allclose((volume.geometry.affine @ [*index, 1])[:3], expected, atol=1e-9)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"modality": "MR"}, "is of modality 'MR'; needed CT"),
        ({"shape": (8, 7, 1)}, "has 1 slice; needed at least 2"),
        ({"extra": {"ImagePositionPatient": None}}, "says where it lies"),
        ({"extra": {"PixelSpacing": [0, 0]}}, "says where it lies"),
        ({"extra": {"SamplesPerPixel": 3}}, "in color"),
    ],
)
def test_what_is_no_ct_stack_is_named(tmp_path, ct_series, changed, words):
    ct_series(**changed).write(tmp_path)

    with pytest.raises(UnreadableImageError, match=words):
        read_series(tmp_path)


def test_a_folder_without_dicom_is_named(tmp_path):
    (tmp_path / "scan.dcm").write_bytes(b"text")

    with pytest.raises(UnreadableImageError, match="holds no DICOM images"):
        read_volume(tmp_path)
    with pytest.raises(UnreadableImageError, match="is damaged or no DICOM image"):
        read_volume(tmp_path / "scan.dcm")


def test_a_file_cut_off_in_its_pixels_is_named(tmp_path, ct_series):
    path = ct_series().write(tmp_path)[3]
    path.write_bytes(path.read_bytes()[:-40])

    with pytest.raises(UnreadableImageError, match=f"The pixels of '{path.name}' cannot be decoded"):
        read_series(tmp_path)


def test_run_length_compressed_slices_are_read(tmp_path, ct_series):
    series = ct_series()
    for path in series.write(tmp_path):
        dataset = dcmread(path)
        dataset.compress(RLELossless)
        dataset.save_as(path)

    volume = read_series(tmp_path)

    np.testing.assert_array_equal(restore(volume.array, volume.source), series.hu)


def test_jpeg_2000_compressed_slices_are_read(tmp_path, ct_series, jpeg_2000):
    series = ct_series(shape=(32, 32, 4))
    for path in series.write(tmp_path):
        jpeg_2000(path)

    volume = read_series(tmp_path)

    np.testing.assert_array_equal(restore(volume.array, volume.source), series.hu)


def test_a_multi_frame_file_is_read_as_its_slices_are(tmp_path, ct_series, as_enhanced):
    series = ct_series()
    as_enhanced(series).save_as(tmp_path / "enhanced.dcm", enforce_file_format=True)

    volume = read_volume(tmp_path / "enhanced.dcm")

    assert volume.spacing == pytest.approx((2.5, 0.7, 0.8))
    np.testing.assert_array_equal(restore(volume.array, volume.source), series.hu)
