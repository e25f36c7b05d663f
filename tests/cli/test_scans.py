"""The scans a person means are found, and their masks never share a name."""

from __future__ import annotations

import pytest

from napari_kidney_seg.cli.scans import find_scans, mask_names
from napari_kidney_seg.core.errors import UnreadableImageError

DICOM = bytes(128) + b"DICM"


@pytest.fixture
def tree(tmp_path):
    """Return a function that makes files, empty or DICOM, and returns their root."""

    def make(*names, dicom=()):
        for name in (*names, *dicom):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(DICOM if name in dicom else b"")
        return tmp_path

    return make


def found(root, *inputs):
    scans = find_scans([root / one for one in inputs] or [root], root / "out")
    return [scan.relative_to(root).as_posix() for scan in scans]


def test_scans_of_every_format_are_found_in_folders_of_any_depth(tree):
    root = tree("a.nii.gz", "b.nrrd", "deep/er/c.mha", "deep/notes.txt", "deep/er/c.raw")

    assert found(root) == ["a.nii.gz", "b.nrrd", "deep/er/c.mha"]


def test_a_folder_with_dicom_files_is_one_scan_whatever_its_files_are_called(tree):
    root = tree("study/notes.txt", dicom=("study/venous/IM0001", "study/venous/IM0002", "study/plain/1.dcm"))

    assert found(root) == ["study/plain", "study/venous"]


def test_masks_hidden_files_and_the_output_are_passed_over(tree):
    root = tree("a.nii.gz", "a_seg.nii.gz", ".b.nii.gz", "out/c.nii.gz")

    assert found(root) == ["a.nii.gz"]


def test_of_a_kits_case_only_the_image_is_a_scan(tree):
    root = tree(
        "case_00000/imaging.nii.gz",
        "case_00000/segmentation.nii.gz",
        "case_00000/instances/kidney_instance-1_annotation-1.nii.gz",
    )

    assert found(root) == ["case_00000/imaging.nii.gz"]


def test_a_scan_given_twice_is_found_once(tree):
    root = tree("in/a.nii.gz")

    assert found(root, "in", "in/a.nii.gz") == ["in/a.nii.gz"]


def test_a_file_given_by_name_is_taken_whatever_it_is_called(tree):
    assert found(tree("a_seg.nii.gz"), "a_seg.nii.gz") == ["a_seg.nii.gz"]


def test_a_missing_input_is_refused(tree):
    with pytest.raises(UnreadableImageError, match=r"no file or folder .*gone"):
        found(tree("a.nii.gz"), "gone")


def test_an_input_without_scans_is_refused(tree):
    with pytest.raises(UnreadableImageError, match=r"Found no scan in .*needed \.nii"):
        found(tree("notes.txt"))


def test_masks_are_named_by_scan_and_kits_images_by_case(tree):
    root = tree("a.nii.gz", "case_00007/imaging.nii.gz", dicom=("venous/1.dcm",))

    assert mask_names(find_scans([root], root / "out")) == ("a", "case_00007", "venous")


def test_scans_of_one_name_are_told_apart_by_their_folders(tree):
    root = tree("p1/day1/ct.nii.gz", "p1/day2/ct.nii.gz", "p2/day1/ct.nii.gz", "p2/other.nii.gz")

    names = mask_names(find_scans([root], root / "out"))

    assert names == ("p1_day1_ct", "day2_ct", "other", "p2_day1_ct")


def test_scans_of_one_name_in_one_folder_are_told_apart_by_format(tree):
    root = tree("ct.nii.gz", "ct.mha")

    names = mask_names(find_scans([root], root / "out"))

    assert len(set(names)) == 2
    assert [name.rsplit("ct_", 1)[1] for name in names] == ["mha", "nii_gz"]
