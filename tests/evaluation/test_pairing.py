"""Masks are paired by the case they are about, and files without a partner are told."""

from __future__ import annotations

import pytest

from napari_kidney_seg.core.errors import DatasetError
from napari_kidney_seg.evaluation.pairing import case_name, pair


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def pairs_of(pairing):
    return [(one.name, one.prediction.name, one.reference.name) for one in pairing.pairs]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("case_00003.nii.gz", "case_00003"),
        ("case_00003_seg.nii.gz", "case_00003"),
        ("case_00003/segmentation.nii.gz", "case_00003"),
        ("case_00003/aggregated_MAJ_seg.nii.gz", "case_00003"),
        ("patient.1.segmentation_seg.mha", "patient.1.segmentation"),
    ],
)
def test_the_case_is_named_by_file_or_case_folder(tmp_path, path, expected):
    assert case_name(touch(tmp_path, path) / path) == expected


def test_two_files_pair_whatever_their_names(tmp_path):
    touch(tmp_path, "mine.nii.gz", "case_00001/segmentation.nii.gz")

    pairing = pair(tmp_path / "mine.nii.gz", tmp_path / "case_00001" / "segmentation.nii.gz")

    assert pairs_of(pairing) == [("case_00001", "mine.nii.gz", "segmentation.nii.gz")]


def test_predictions_pair_with_kits_case_folders_and_the_rest_is_told(tmp_path):
    mine = touch(tmp_path / "mine", "case_00000_seg.nii.gz", "case_00002_seg.nii.gz")
    theirs = touch(
        tmp_path / "kits", "dataset/case_00000/segmentation.nii.gz", "dataset/case_00001/segmentation.nii.gz"
    )

    pairing = pair(mine, theirs)

    assert pairs_of(pairing) == [("case_00000", "case_00000_seg.nii.gz", "segmentation.nii.gz")]
    assert [path.parent.name + "/" + path.name for path in pairing.unpaired] == [
        "mine/case_00002_seg.nii.gz",
        "case_00001/segmentation.nii.gz",
    ]


def test_scans_beside_their_masks_are_not_taken_for_masks(tmp_path):
    mine = touch(tmp_path / "mine", "a.nii.gz")
    theirs = touch(tmp_path / "theirs", "a.nii.gz", "a_seg.nii.gz", "notes.txt")

    assert pairs_of(pair(mine, theirs)) == [("a", "a.nii.gz", "a_seg.nii.gz")]


def test_two_masks_of_one_case_are_refused(tmp_path):
    mine = touch(tmp_path / "mine", "a_seg.nii.gz", "a_seg.mha")

    with pytest.raises(DatasetError, match=r"two masks for case 'a'.*Move one away"):
        pair(mine, mine)


def test_folders_without_a_common_case_are_refused(tmp_path):
    mine, theirs = touch(tmp_path / "mine", "a.nii.gz"), touch(tmp_path / "theirs", "b.nii.gz")

    with pytest.raises(DatasetError, match=r"Found 1 masks.*needed equal file names"):
        pair(mine, theirs)


def test_a_file_beside_a_folder_is_refused(tmp_path):
    mine = touch(tmp_path, "a.nii.gz") / "a.nii.gz"

    with pytest.raises(DatasetError, match="Give the mask inside the folder"):
        pair(mine, tmp_path)


def test_a_missing_path_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"Found nothing at .*gone"):
        pair(tmp_path / "gone", tmp_path)
