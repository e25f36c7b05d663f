"""The evaluate command prints, writes and tells what has no partner."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.io.images import write_labels


def save(array, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_labels(LabelVolume(array=array, geometry=Geometry.from_spacing(array.shape, (2.0, 1.0, 1.0))), path)
    return path


@pytest.fixture
def masks(tmp_path, labels):
    """A prediction without its cyst, one without a reference, and a reference."""
    save(np.where(labels == 3, 1, labels).astype(np.uint8), tmp_path / "mine" / "case_00000_seg.nii.gz")
    save(labels, tmp_path / "mine" / "case_00009_seg.nii.gz")
    save(labels, tmp_path / "theirs" / "case_00000" / "segmentation.nii.gz")
    return tmp_path / "mine", tmp_path / "theirs"


def test_scores_are_printed_as_json(masks, call):
    outcome = call("evaluate", *masks, "--json")

    (record,) = outcome.records
    tumor, cyst = 4 * 4 * 5, 4 * 4 * 5
    assert outcome.code == 0
    assert record["mean"]["Dice_kidney"] == 1.0
    assert record["mean"]["Dice_masses"] == pytest.approx(2 * tumor / (2 * tumor + cyst))
    assert record["kits19_composite"] == 1.0
    assert [path.rsplit("/", 1)[1] for path in record["unpaired"]] == ["case_00009_seg.nii.gz"]


def test_scores_are_printed_as_a_table_with_the_unpaired_files(masks, call):
    outcome = call("evaluate", *masks)

    assert outcome.out.split().count("masses") == 3  # below Dice, below SD, in the sentence on the composite
    assert "0.6667" in outcome.out
    assert "No partner, not scored" in outcome.out


def test_a_class_that_the_reference_lacks_is_named_with_the_rule_for_it(tmp_path, labels, call):
    kidneys = (labels > 0).astype(np.uint8)
    mine, theirs = save(labels, tmp_path / "a_seg.nii.gz"), save(kidneys, tmp_path / "ref" / "a.nii.gz")

    outcome = call("evaluate", mine, theirs)

    for name in ("masses", "tumor"):
        assert f"No {name} in the reference of a: it scores 1 where none was found, else 0, as in KiTS." in outcome.out
    assert "No kidney" not in outcome.out


def test_scores_are_written_with_the_official_columns(masks, tmp_path, call):
    call("evaluate", *masks, "--csv", tmp_path / "scores.csv")

    with (tmp_path / "scores.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["caseID", "Dice_kidney", "Dice_masses", "Dice_tumor", "SD_kidney", "SD_masses", "SD_tumor"]
    assert [row["caseID"] for row in rows] == ["case_00000", "mean"]


def test_masks_on_different_grids_end_with_the_message_of_the_error(masks, tmp_path, call):
    other = save(np.zeros((3, 4, 5), np.uint8), tmp_path / "other.nii.gz")

    outcome = call("evaluate", other, masks[1] / "case_00000" / "segmentation.nii.gz")

    assert outcome.code == 1
    assert outcome.err.startswith("Error: The prediction 'other' lies on a grid of shape (3, 4, 5)")
