from __future__ import annotations

import numpy as np
import pytest

from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.io.images import write_labels


def write_case(folder, name, scan, labels, write_scan):
    write_scan(scan, folder / f"{name}.nii.gz")
    write_labels(LabelVolume(array=labels, geometry=scan.geometry), folder / f"{name}_seg.nii.gz")


def test_cases_that_can_be_trained_on_are_listed(scan, labels, write_scan, tmp_path, call):
    write_case(tmp_path, "a", scan, labels, write_scan)
    write_case(tmp_path, "b", scan, labels, write_scan)

    outcome = call("check-data", tmp_path)

    assert outcome.code == 0
    assert "2 cases, all fine: 1 to train on, 1 to validate on" in outcome.out
    assert "20 x 36 x 44" in outcome.out


def test_a_faulty_case_is_named_and_gives_a_nonzero_exit_code(scan, labels, write_scan, tmp_path, call):
    write_case(tmp_path, "a", scan, labels, write_scan)
    write_case(tmp_path, "b", scan, np.zeros_like(labels), write_scan)

    outcome = call("check-data", tmp_path)

    assert outcome.code == 1
    assert "b: The mask is empty" in outcome.out


def test_a_machine_gets_the_report_as_one_record(scan, labels, write_scan, tmp_path, call):
    write_case(tmp_path, "a", scan, labels, write_scan)

    outcome = call("check-data", tmp_path, "--json")

    (record,) = outcome.records
    voxels = np.bincount(labels.ravel())
    assert record["cases"][0]["labels"] == {"kidney": voxels[1], "tumor": voxels[2], "cyst": voxels[3]}
    assert record["training"] == 1


@pytest.mark.parametrize(
    ("data", "words"), [("phantoms:0", "needed at least one phantom"), ("nowhere", "There is no folder 'nowhere'")]
)
def test_no_phantom_and_no_folder_are_errors(data, words, call):
    outcome = call("check-data", data)

    assert outcome.code == 1
    assert words in outcome.err


def test_a_folder_without_cases_is_an_error(tmp_path, call):
    outcome = call("check-data", tmp_path)

    assert outcome.code == 1
    assert "Found no labelled case" in outcome.err
