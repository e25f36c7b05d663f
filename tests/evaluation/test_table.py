"""A folder of masks becomes a table with means and the official columns."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from napari_kidney_seg.core.errors import GeometryMismatchError
from napari_kidney_seg.evaluation.pairing import pair
from napari_kidney_seg.evaluation.table import COLUMNS, evaluate_folder, evaluate_pairing, write_csv
from napari_kidney_seg.io.images import write_labels

OFFICIAL_COLUMNS = "caseID,Dice_kidney,Dice_masses,Dice_tumor,SD_kidney,SD_masses,SD_tumor"


@pytest.fixture
def folders(tmp_path, make_labels):
    """Two predictions, one perfect and one without its tumor, and their references."""
    array = np.zeros((6, 8, 10), np.uint8)
    array[1:5, 2:6, 2:6] = 1
    array[2:4, 3:5, 3:5] = 2
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.mkdir()
    for case in ("case_00000", "case_00001"):
        (theirs / case).mkdir(parents=True)
        write_labels(make_labels(array), theirs / case / "segmentation.nii.gz")
    write_labels(make_labels(array), mine / "case_00000_seg.nii.gz")
    write_labels(make_labels((array > 0).astype(np.uint8)), mine / "case_00001_seg.nii.gz")
    return mine, theirs


def test_the_columns_are_the_official_ones():
    assert ",".join(COLUMNS) == OFFICIAL_COLUMNS


def test_a_folder_gives_one_row_per_case_and_their_means(folders):
    table = evaluate_folder(*folders)

    assert table.rows == (
        ("case_00000", 1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
        ("case_00001", 1.0, 0.0, 0.0, 1.0, 0.0, 0.0),
        ("mean", 1.0, 0.5, 0.5, 1.0, 0.5, 0.5),
    )
    assert table.unpaired == ()


def test_progress_is_told_after_each_case(folders):
    events = list(evaluate_pairing(pair(*folders)))

    assert [(one.stage, one.done, one.total, one.fraction) for one in events] == [
        ("case_00000", 1, 2, 0.5),
        ("case_00001", 2, 2, 1.0),
    ]


def test_the_csv_reads_back_with_the_official_header(folders, tmp_path):
    table = evaluate_folder(*folders)

    write_csv(table, tmp_path / "scores.csv")

    with (tmp_path / "scores.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert ",".join(rows[0]) == OFFICIAL_COLUMNS
    assert [row["caseID"] for row in rows] == ["case_00000", "case_00001", "mean"]
    assert float(rows[2]["SD_tumor"]) == pytest.approx(0.5)


def test_when_no_pair_can_be_scored_the_reason_is_told(folders, make_labels):
    mine, theirs = folders
    for case in ("case_00000", "case_00001"):
        write_labels(make_labels(np.zeros((6, 8, 9), np.uint8)), mine / f"{case}_seg.nii.gz")

    with pytest.raises(GeometryMismatchError, match="case_00000_seg"):
        evaluate_folder(mine, theirs)


def test_a_pair_that_cannot_be_scored_stops_no_other(folders, make_labels):
    mine, theirs = folders
    write_labels(make_labels(np.ones((2, 3, 4), np.uint8)), mine / "case_00001_seg.nii.gz")

    table = evaluate_folder(mine, theirs)

    assert [case.name for case in table.cases] == ["case_00000"]
    assert "(2, 3, 4)" in table.failed["case_00001"]
