from __future__ import annotations

import re

import nibabel as nib
import numpy as np
import pytest

from napari_kidney_seg.core.errors import DatasetError
from napari_kidney_seg.core.events import Progress
from napari_kidney_seg.training.data_check import check_data
from tests.training.conftest import KITS_AFFINE, labelled_arrays

MOVED = KITS_AFFINE + np.array([[0, 0, 0, 7.0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
IMAGE, LABELS = labelled_arrays(0)


@pytest.fixture
def put(tmp_path):
    """Return a function that writes a pair, and what it is to be checked as."""

    def write(name, image=IMAGE, labels=LABELS, affine=KITS_AFFINE):
        nib.Nifti1Image(image, KITS_AFFINE).to_filename(tmp_path / f"{name}.nii.gz")
        if labels is not None:
            nib.Nifti1Image(labels, affine).to_filename(tmp_path / f"{name}_seg.nii.gz")
        return str(tmp_path)

    return write


def report_of(data):
    check = check_data(data)
    events = []
    while True:
        try:
            events.append(next(check))
        except StopIteration as end:
            return end.value, events


def test_a_good_case_is_described_and_has_no_problem(kits_folder):
    report, _ = report_of(str(kits_folder))

    first = report.cases[0]
    counts = np.bincount(labelled_arrays(0)[1].ravel())
    assert (first.shape, first.spacing) == ((24, 40, 48), (4.0, 2.0, 2.0))
    assert first.hu == (IMAGE.min(), IMAGE.max())
    assert first.labels == {"kidney": counts[1], "tumor": counts[2], "cyst": counts[3]}
    assert report.faulty == ()


def test_what_a_stage_found_on_another_grid_is_a_problem(kits_folder):
    path = kits_folder / "dataset" / "case_00001" / "found_kidney.nii.gz"
    nib.Nifti1Image((LABELS[:-1] > 0).astype(np.uint8), KITS_AFFINE).to_filename(path)

    report, _ = report_of(str(kits_folder))

    (faulty,) = report.faulty
    assert (faulty.name, faulty.is_usable) == ("case_00001", False)
    assert faulty.problems[0].startswith("found_kidney.nii.gz: The scan has (24, 40, 48) voxels")


def test_the_summary_says_how_the_cases_are_split_and_what_they_hold(kits_folder):
    report, _ = report_of(str(kits_folder))

    assert (report.training, report.validation) == (2, 1)
    assert report.summary()[:3] == (
        "3 cases, all fine: 2 to train on, 1 to validate on",
        "Labels: kidney in 3, tumor in 3, cyst in 3",
        "Slices every 4 mm, pixels of 2 mm",
    )


def test_progress_comes_after_each_case_so_that_a_check_can_be_cancelled(kits_folder):
    _, events = report_of(str(kits_folder))

    assert events == [Progress(stage="check", done=done, total=3, fraction=done / 3) for done in range(4)]


@pytest.mark.parametrize(
    ("case", "problem", "usable"),
    [
        ({"affine": MOVED}, "lie apart: their affines differ", False),
        ({"labels": LABELS[:, :20]}, r"The scan has \(24, 40, 48\) voxels .* the mask \(24, 20, 48\)", False),
        ({"labels": LABELS * 4}, "holds values from 0 to 12", False),
        ({"labels": LABELS * 0}, "The mask is empty", True),
        ({"labels": np.where(LABELS == 1, 0, LABELS)}, "holds tumor and cyst, but no kidney", True),
        ({"image": (IMAGE.astype(np.int32) + 1024).astype(np.uint16) * 2}, "without the usual -1024|Hounsfield", True),
        ({"image": np.where(IMAGE < -70, np.nan, IMAGE.astype(np.float32))}, "voxels are not numbers", True),
    ],
    ids=["moved", "smaller", "numbers", "empty", "no kidney", "no hounsfield", "no numbers"],
)
def test_what_is_wrong_with_a_case_is_said(put, case, problem, usable):
    report, _ = report_of(put("case", **case))

    (said,) = report.cases[0].problems
    assert re.search(problem, said), said
    assert (report.unusable == ()) == usable


def test_a_file_that_cannot_be_read_does_not_end_the_check(put, tmp_path):
    put("good")
    (tmp_path / "bad.nii.gz").write_bytes(b"no image")
    nib.Nifti1Image(LABELS, KITS_AFFINE).to_filename(tmp_path / "bad_seg.nii.gz")

    report, _ = report_of(str(tmp_path))

    bad, good = report.cases
    assert bad.shape is None
    assert bad.labels is not None
    assert bad.cells()[1] == "?"
    assert "'bad.nii.gz'" in bad.problems[0]
    assert good.problems == ()
    assert report.unusable == (bad,)


def test_scans_without_a_mask_and_a_lack_of_patients_are_remarked(put):
    put("case")
    data = put("unlabeled", labels=None)

    report, _ = report_of(data)

    assert "only one patient" in report.remarks[0]
    assert "no mask: unlabeled.nii.gz (1 in all)" in report.remarks[1]


def test_a_kits_case_without_a_segmentation_is_remarked(kits_folder):
    (kits_folder / "dataset" / "case_00002" / "segmentation.nii.gz").unlink()

    report, _ = report_of(str(kits_folder))

    assert "dataset/case_00002/imaging.nii.gz" in report.remarks[0]


def test_a_folder_without_cases_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="Found no labelled case"):
        report_of(str(tmp_path))
