"""A registered method with a bundle, scans on disk, and a way to call the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from napari_kidney_seg.cli import app
from napari_kidney_seg.core.volume import Volume
from tests.inference.fakes import scan_of, two_kidneys

RAS_OF_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Outcome:
    """What one call of the command line gave."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[dict]:
        """The JSON lines on standard output."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def call() -> Callable[..., Outcome]:
    """Return a function that runs a command with its arguments."""

    def run(*arguments: object) -> Outcome:
        result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(one) for one in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def labels() -> NDArray[np.uint8]:
    """The labels of `two_kidneys`."""
    return two_kidneys()


@pytest.fixture
def scan(labels) -> Volume:
    """The scan that shows `labels`, 2 x 1.5 x 1.5 mm."""
    return scan_of(labels)


@pytest.fixture
def write_scan() -> Callable[[Volume, Path], Path]:
    """Return a function that writes a scan as NIfTI, stored as it lies, and returns the path."""

    def write(volume: Volume, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(volume.array, RAS_OF_LPS @ volume.geometry.affine), path)
        return path

    return write


@pytest.fixture
def models(tmp_path, monkeypatch) -> Path:
    """The folder of the user's models, empty; no other models are known."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setattr("napari_kidney_seg.io.models.user_models_folder", lambda: folder)
    monkeypatch.setattr("napari_kidney_seg.io.models.MODELS_FOLDER", tmp_path / "no_models")
    return folder


@pytest.fixture
def registered(monkeypatch) -> str:
    """The name under which the method of oracles is registered."""
    monkeypatch.setattr("napari_kidney_seg.methods.REGISTRY", {"oracle": "tests.cli.oracle_method"})
    return "oracle"


@pytest.fixture
def bundle(models, registered) -> Path:
    """Weights for the method of oracles, in the user's folder."""
    from napari_kidney_seg.training.bundling import write_bundle
    from tests.cli.oracle_method import METHOD

    weights = {stage.name: [stage.network(**stage.network_args).state_dict()] for stage in METHOD.stages}
    facts = {
        "training_data": "none",
        "licence": "CC0-1.0",
        "scores": {"phantoms": {"kidney": 0.95}},
        "training": {"kidney": {"epochs": 7}, "lesion": {"epochs": 9}},
        "limits": "Adults alone.",
    }
    return write_bundle(METHOD.with_preset("compact"), weights, models / "oracle.safetensors", facts).path
