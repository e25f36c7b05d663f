from __future__ import annotations

import hashlib

import nibabel as nib
import numpy as np
import pytest

from napari_kidney_seg.core.errors import GeometryMismatchError, UnreadableImageError, UnwritableImageError
from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.io import images, read_labels, read_volume, write_labels

RAS = np.diag([0.7, 0.8, 2.5, 1.0])


@pytest.fixture
def labels() -> LabelVolume:
    array = np.random.default_rng(3).integers(0, 4, (4, 5, 6)).astype(np.uint8)
    return LabelVolume(array=array, geometry=Geometry.from_spacing((4, 5, 6), (3.0, 0.8, 0.7), (12, -30, 55)))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".nrrd", ".mha"])
def test_a_mask_made_in_memory_reads_back_where_it_was(tmp_path, labels, suffix):
    write_labels(labels, tmp_path / f"mask{suffix}")

    again = read_labels(tmp_path / f"mask{suffix}")
    np.testing.assert_array_equal(again.array, labels.array)
    np.testing.assert_allclose(again.geometry.affine, labels.geometry.affine, atol=1e-5)
    assert again.notes == ()


def test_a_mask_made_in_memory_is_stored_as_kits_stores_its_files(tmp_path, labels):
    write_labels(labels, tmp_path / "mask.nii.gz")

    image = nib.load(tmp_path / "mask.nii.gz")
    assert nib.aff2axcodes(image.affine) == ("I", "P", "L")
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(image.dataobj), labels.array)


def test_labels_stored_as_floats_are_accepted(write_scan):
    array = np.array([0, 1, 2, 3] * 6, np.float32).reshape(4, 3, 2) + np.float32(1e-5)

    assert sorted(np.unique(read_labels(write_scan(array, RAS)).array)) == [0, 1, 2, 3]


@pytest.mark.parametrize("wrong", [4.0, -1.0, 1.5])
def test_values_that_are_no_labels_are_refused(write_scan, wrong):
    array = np.ones((4, 3, 2), np.float32)
    array[0, 0, 0] = wrong

    with pytest.raises(UnreadableImageError, match="needed 0 background, 1 kidney, 2 tumor, 3 cyst"):
        read_labels(write_scan(array, RAS))


def test_a_volume_knows_its_file(write_scan):
    path = write_scan(np.arange(24, dtype=np.int16).reshape(2, 3, 4) - 1000, RAS)

    volume = read_volume(path)

    assert (volume.name, volume.source.format, volume.source.path) == ("scan", "nifti", path)
    assert volume.source.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert volume.source.geometry.shape == (2, 3, 4)


def test_a_file_of_no_known_format_is_refused_with_the_formats_that_are(tmp_path):
    (tmp_path / "scan.png").write_bytes(b"PNG")

    with pytest.raises(UnreadableImageError, match=r"needed \.nii\.gz, \.nii, \.nrrd"):
        read_volume(tmp_path / "scan.png")
    with pytest.raises(UnreadableImageError, match="no file or folder"):
        read_volume(tmp_path / "absent.nii.gz")


def test_a_mask_on_another_grid_is_refused(tmp_path, labels, write_scan):
    scan = read_volume(write_scan(np.zeros((4, 5, 6), np.int16), RAS))

    with pytest.raises(GeometryMismatchError, match="Resample the mask"):
        write_labels(labels, tmp_path / "mask.nii.gz", like=scan.source)


def test_values_that_are_no_ids_are_not_written(tmp_path, labels):
    with pytest.raises(UnwritableImageError, match="from 0 to 259"):
        write_labels(labels.with_array(np.full((4, 5, 6), 0) + np.arange(6) // 5 * 259), tmp_path / "m.nii.gz")


def test_a_name_that_cannot_be_written_in_one_step_is_refused(tmp_path, labels):
    with pytest.raises(UnwritableImageError, match=r"ending in one of \.nii\.gz"):
        write_labels(labels, tmp_path / "mask.mhd")


def test_a_sheared_grid_is_only_saved_as_nifti(tmp_path, write_scan):
    sheared = RAS.copy()
    sheared[1, 2] = 0.4
    image = nib.Nifti1Image(np.ones((4, 5, 6), np.uint8), None)
    image.set_sform(sheared, 1)
    nib.save(image, tmp_path / "scan.nii.gz")

    with pytest.raises(UnwritableImageError, match=r"Save the mask as \.nii\.gz"):
        write_labels(read_labels(tmp_path / "scan.nii.gz"), tmp_path / "mask.nrrd")


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_a_mask_that_reads_back_differently_does_not_replace_the_old_one(tmp_path, labels, monkeypatch, suffix):
    path = tmp_path / f"mask{suffix}"
    write_labels(labels, path)
    before = path.read_bytes()
    wrong = images.read_nifti(tmp_path / "mask.nii.gz") if suffix == ".nii.gz" else images._read_stored(path, None)
    monkeypatch.setattr(images, "_read_stored", lambda *_: wrong)

    with pytest.raises(UnwritableImageError, match="did not read back the same"):
        write_labels(labels.with_array(3 - labels.array), path)

    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("name", "low"), [("ircad01_pv", -1024), ("cptac_C3L-00189_pv", -1024), ("deeplesion_000002_03", -185)]
)
def test_real_scans_are_read_upright_in_hounsfield_units(shared_data, name, low):
    path = shared_data / "real" / f"{name}.nii.gz"

    volume = read_volume(path)

    assert volume.geometry.axis_codes == "IPL"
    assert volume.array.dtype == np.int16
    assert volume.array.min() == low
    assert volume.notes == ()
    stored = nib.as_closest_canonical(nib.load(path))  # R-A-S: reversed on every axis, and transposed, it is I-P-L
    np.testing.assert_array_equal(volume.array, np.asarray(stored.dataobj)[::-1, ::-1, ::-1].transpose())


def test_a_real_mask_has_the_volume_its_maker_states(shared_data):
    assert read_labels(shared_data / "real" / "ircad01_pv_seg.nii.gz").volume_ml("kidney") == pytest.approx(240, abs=3)
