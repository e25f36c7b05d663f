"""The script that writes what a stage finds in training cases."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.dataset import open_dataset
from tests.inference.fakes import TORCH, FakeBundle
from tests.loading import load_file
from tests.methods.fakes import dice, kidneys, marked_scan, with_oracles

STORED = np.array([[0, 0, -2.0, 0], [0, -2.0, 0, 0], [-3.0, 0, 0, 0], [0, 0, 0, 1]])


@pytest.fixture(scope="module")
def script():
    return load_file("scripts/find_organs.py")


@pytest.fixture
def method():
    return with_oracles(get_method("resunet-2.5d", "smoke"))


def test_the_mask_of_a_stage_is_found_without_running_those_after_it(script, method):
    labels, geometry = kidneys()
    bundle = FakeBundle(method)

    mask = script.find_organ(marked_scan(labels, geometry), method, bundle, "kidney", TORCH)

    assert dice(mask > 0, labels > 0) > 0.95
    assert "lesion" not in bundle.asked


def test_it_lies_beside_the_scan_where_training_takes_it_from(script, method, tmp_path, monkeypatch):
    labels, geometry = kidneys()
    folder = tmp_path / "data" / "case_00000"
    folder.mkdir(parents=True)
    for name, array in (("imaging", marked_scan(labels, geometry).array), ("segmentation", labels)):
        nib.Nifti1Image(array, STORED).to_filename(folder / f"{name}.nii.gz")
    monkeypatch.setattr(script, "get_method", lambda *_: method)
    monkeypatch.setattr(script, "find_bundle", lambda _: Path("none"))
    monkeypatch.setattr(script, "load_bundle", lambda *_: FakeBundle(method))
    command = ["find_organs.py", "resunet-2.5d", "kidney", "--data", str(tmp_path / "data"), "--threads", "1"]
    monkeypatch.setattr("sys.argv", command)

    script.main()

    case = open_dataset(tmp_path / "data").load(0)
    assert dice(case.found["kidney"] > 0, case.labels > 0) > 0.95
    written = (folder / "found_kidney.nii.gz").stat().st_mtime_ns
    script.main()
    assert (folder / "found_kidney.nii.gz").stat().st_mtime_ns == written
