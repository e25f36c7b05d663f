from __future__ import annotations

from pathlib import Path

import pytest

from napari_kidney_seg.io.naming import image_format, kits_mask, mask_path_for, scan_name


@pytest.mark.parametrize(
    ("scan", "mask"),
    [
        ("/a/case.nii.gz", "/a/case_seg.nii.gz"),
        ("/a/Case.NII.GZ", "/a/Case_seg.nii.gz"),
        ("/a/case.v2.nrrd", "/a/case.v2_seg.nii.gz"),
        ("/a/case.mha", "/a/case_seg.nii.gz"),
        ("/a/series.1.2", "/a/series.1.2_seg.nii.gz"),
        ("/a/IM001.dcm", "/a/IM001_seg.nii.gz"),
    ],
)
def test_a_mask_is_named_after_its_scan(scan, mask):
    assert mask_path_for(scan) == Path(mask)


def test_a_mask_can_go_to_another_folder():
    assert mask_path_for("/a/case.nii.gz", "/out") == Path("/out/case_seg.nii.gz")


def test_the_mask_of_a_folder_lies_beside_the_folder(tmp_path, monkeypatch):
    folder = tmp_path / "patient.nii"  # a folder keeps its whole name
    folder.mkdir()
    monkeypatch.chdir(folder)

    assert mask_path_for(folder) == tmp_path / "patient.nii_seg.nii.gz"
    assert mask_path_for(".") == tmp_path / "patient.nii_seg.nii.gz"
    assert scan_name(folder) == "patient.nii"


def test_a_dicom_file_without_suffix_is_known_by_its_preamble(tmp_path):
    (tmp_path / "IM0001").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "notes").write_bytes(b"text")

    assert image_format(tmp_path / "IM0001") == "dicom"
    assert image_format(tmp_path / "notes") == ""
    assert image_format(tmp_path) == "dicom"


def test_the_mask_of_a_kits_case_is_that_of_kits23_before_the_vote_of_kits21(tmp_path):
    assert kits_mask(tmp_path) is None

    (tmp_path / "aggregated_MAJ_seg.nii.gz").touch()
    assert kits_mask(tmp_path) == tmp_path / "aggregated_MAJ_seg.nii.gz"

    (tmp_path / "segmentation.nii.gz").touch()
    assert kits_mask(tmp_path) == tmp_path / "segmentation.nii.gz"
