"""Fixtures of the window: a viewer that knows the plugin, a small CT file, installed weights, a run of no networks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import nibabel as nib
import npe2
import numpy as np
import pytest
from napari.components import ViewerModel
from safetensors.numpy import save_file

import napari_kidney_seg
from napari_kidney_seg.core.events import Notice, Progress, StageDone
from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.inference.cascade import CascadeResult
from napari_kidney_seg.io.bundle import Card, describe_stage
from napari_kidney_seg.io.sidecar import RunRecord
from napari_kidney_seg.methods import get_method

PLUGIN = "napari-kidney-seg"
MANIFEST = Path(napari_kidney_seg.__file__).parent / "napari.yaml"
SHAPE, SPACING, ORIGIN = (10, 12, 14), (5.0, 0.8, 0.9), (-60.0, -100.0, 900.0)


@pytest.fixture(scope="session", autouse=True)
def plugin():
    """Make the plugin known where the package lies in the path but is not installed."""
    manager = npe2.PluginManager.instance()
    manager.discover()
    if PLUGIN not in [manifest.name for manifest in manager.iter_manifests()]:
        manager.register(npe2.PluginManifest.from_file(MANIFEST))


@pytest.fixture(autouse=True)
def run_times(tmp_path, monkeypatch) -> Path:
    """Return the folder in which the last runs are remembered: not that of the person who runs the tests."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("napari_kidney_seg.widgets.run_times.times_file", lambda: folder / "run_times.json")
    return folder


@pytest.fixture
def model() -> ViewerModel:
    """A viewer without a window, for what needs no Qt."""
    return ViewerModel()


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer()


@pytest.fixture
def scan() -> Volume:
    """A canonical CT with one bright voxel per corner region, so that no flip of it equals it."""
    array = np.full(SHAPE, -1000, np.int16)
    array[2:8, 2:10, 2:12] = 40
    array[1, 2, 3] = 900  # superior, anterior, right
    return Volume(array=array, geometry=Geometry.from_spacing(SHAPE, SPACING, ORIGIN), name="case")


@pytest.fixture
def mask(scan) -> LabelVolume:
    array = np.zeros(SHAPE, np.uint8)
    array[3:7, 3:8, 3:8] = 1
    array[4, 4:6, 4:6] = 2
    array[5, 6, 6:8] = 3
    return LabelVolume(array=array, geometry=scan.geometry, name=scan.name)


@pytest.fixture
def scan_file(scan, tmp_path) -> Path:
    """The CT as a NIfTI file stored left, anterior, superior (none of the three is canonical)."""
    return write_nifti(tmp_path / "case.nii.gz", scan)


@pytest.fixture
def install(tmp_path, monkeypatch) -> Callable[..., Path]:
    """Return a function that installs weights without tensors for a method at preset compact."""
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setattr("napari_kidney_seg.io.models.user_models_folder", lambda: folder)

    def write(name: str, *, warning: str = "", **members: int) -> Path:
        card = Card(
            method=name,
            preset="compact",
            stages={stage.name: describe_stage(stage) for stage in get_method(name, "compact").stages},
            members=members,
            training_data="none",
            licence="BSD-3-Clause",
            scores={"phantoms": {"kidney": 0.95}, "real scans": {"one": {"kidney": 0.9}}},
            limits="Adults alone.",
            warning=warning,
        )
        path = folder / f"tiny-{name}.safetensors"
        save_file({"a": np.zeros(1, np.float32)}, path, metadata={"card": json.dumps(asdict(card))})
        return path

    return write


@pytest.fixture
def bundle(install) -> Path:
    """Weights without tensors, installed for the default method at preset compact."""
    return install("resunet-2.5d")


def write_nifti(path: Path, volume: Volume) -> Path:
    """Write `volume` with its axes reversed and the first one flipped, the affine following in RAS."""
    axis_map = volume.geometry.axis_map_to("LAS")
    geometry = volume.geometry.mapped(axis_map)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ geometry.affine
    image = nib.Nifti1Image(np.ascontiguousarray(axis_map.apply(volume.array)), affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    return path


@pytest.fixture
def record() -> RunRecord:
    """What may lie beside a mask: a run with one notice."""
    return RunRecord(
        source="case.nii.gz",
        source_sha256="",
        method="resunet-2.5d",
        preset="compact",
        bundle_sha256="",
        engine="torch",
        device="cpu",
        started="",
        finished="",
        volumes_ml={"kidney": 1.0, "tumor": 9.0, "cyst": 0.0},
        notices=(Notice(code="cut_scan", text="The kidney reaches the last slice."),),
    )


@pytest.fixture
def fake_run(mask) -> FakeRun:
    """A quick run that finds `mask`."""
    return FakeRun(mask)


class FakeRun:
    """A run without networks: three stages of `windows` steps, then `labels`."""

    def __init__(self, labels: LabelVolume, windows: int = 2, seconds: float = 0.01) -> None:
        self.labels, self.windows, self.seconds = labels, windows, seconds
        self.jobs = []

    def __call__(self, job):
        self.jobs.append(job)
        stages = ("coarse", "kidney", "lesion")
        total = len(stages) * self.windows
        for number, stage in enumerate(stages):
            for window in range(self.windows):
                self.compute()
                done = number * self.windows + window + 1
                yield Progress(stage=stage, done=window + 1, total=self.windows, fraction=done / total)
            yield StageDone(stage=stage, seconds=self.windows * self.seconds)
        notice = Notice(code="cut_scan", text="The kidney reaches the last slice.")
        yield notice
        return CascadeResult(
            labels=self.labels,
            notices=(notice,),
            seconds={"coarse": 1.0},
            engine="torch",
            device="cpu",
            precision="float32",
            outputs={},
        )

    def compute(self) -> None:
        time.sleep(self.seconds)
