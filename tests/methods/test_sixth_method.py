"""A method is one file and one line in the registry: it trains, bundles, segments and is listed like the others."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from napari_kidney_seg.cli import app
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.io.images import read_labels, write_labels
from napari_kidney_seg.methods import REGISTRY
from tests.inference.fakes import scan_of

RAS_OF_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.fixture
def registered(monkeypatch, tmp_path):
    """The one line in the registry; the folder of a person's own models is empty."""
    monkeypatch.setitem(REGISTRY, "threshold", "tests.methods.sixth_method")
    monkeypatch.setattr("napari_kidney_seg.io.models.user_models_folder", lambda: tmp_path / "models")


@pytest.fixture
def data(tmp_path):
    """Two scans with two kidneys, and their masks."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        labels = np.zeros((20, 40, 48), np.uint8)
        z, y = rng.integers(2, 6, 2)
        labels[z : z + 12, y + 6 : y + 18, 6:18] = labels[z : z + 12, y + 6 : y + 18, 28:40] = 1
        scan = scan_of(labels)
        noisy = np.where(scan.array > -500, scan.array + rng.normal(0, 15, scan.array.shape), -1000).astype(np.int16)
        (tmp_path / "data").mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(noisy, RAS_OF_LPS @ scan.geometry.affine), tmp_path / "data" / f"{name}.nii.gz")
        write_labels(LabelVolume(array=labels, geometry=scan.geometry), tmp_path / "data" / f"{name}_seg.nii.gz")
    return tmp_path / "data"


@pytest.mark.filterwarnings("ignore")  # lightning warns about workers and precision of this machine
def test_a_sixth_method_learns_and_segments_without_any_other_edit(registered, data, tmp_path):
    def run(*arguments):
        result = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    card = tmp_path / "card.json"
    card.write_text(json.dumps({"training_data": "two made scans", "licence": "CC0-1.0"}))

    assert "Threshold" in run("methods")
    run("train", "threshold", "kidney", "--data", data, "--output", tmp_path / "run", "--device", "cpu")
    run("bundle", tmp_path / "run", "--output", tmp_path / "models" / "threshold.safetensors", "--card", card)
    run("segment", data / "a.nii.gz", "--output", tmp_path / "masks", "--method", "threshold", "--device", "cpu")

    found, wanted = (
        read_labels(path).array > 0 for path in (tmp_path / "masks" / "a_seg.nii.gz", data / "a_seg.nii.gz")
    )
    assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.98
