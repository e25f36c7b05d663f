"""Small labelled cases on disk and in memory."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.training.cases import Case
from napari_kidney_seg.training.dataset import Dataset, open_dataset
from napari_kidney_seg.training.request import TrainingRequest
from napari_kidney_seg.training.training_folder import TrainingFolder

KITS_AFFINE = np.array([[0, 0, -2.0, 0], [0, -2.0, 0, 0], [-4.0, 0, 0, 0], [0, 0, 0, 1]])


def ball(shape, center, radius):
    grid = np.ogrid[tuple(slice(n) for n in shape)]
    return sum((g - c) ** 2 for g, c in zip(grid, center, strict=True)) <= radius**2


def labelled_arrays(seed, shape=(24, 40, 48)):
    """Return a CT with two bright balls for kidneys, a tumor and a cyst in them, and its labels."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint8)
    for x in (12, 36):
        labels[ball(shape, (12, 20, x), 9)] = 1
    labels[ball(shape, (12, 18, 12), 4)] = 2
    labels[ball(shape, (12, 20, 36), 4)] = 3
    level = np.array([-60, 180, 60, 5])[labels]
    return (level + rng.normal(0, 8, shape)).astype(np.int16), labels


@pytest.fixture
def case() -> Case:
    image, labels = labelled_arrays(0)
    scan = Volume(array=image, geometry=Geometry.from_spacing(image.shape, (4.0, 2.0, 2.0)), name="case_00000")
    return Case(name="case_00000", scan=scan, labels=labels)


def write_case(folder, seed):
    folder.mkdir(parents=True)
    for name, array in zip(("imaging", "segmentation"), labelled_arrays(seed), strict=True):
        nib.Nifti1Image(array, KITS_AFFINE).to_filename(folder / f"{name}.nii.gz")


@pytest.fixture
def kits_folder(tmp_path):
    root = tmp_path / "kits"
    for number in range(3):
        write_case(root / "dataset" / f"case_{number:05d}", number)
    return root


@pytest.fixture
def dataset(kits_folder, tmp_path) -> Dataset:
    return open_dataset(kits_folder, cache=tmp_path / "cache")


@pytest.fixture
def folder(tmp_path) -> TrainingFolder:
    folder = TrainingFolder(tmp_path / "run")
    folder.make()
    return folder


@pytest.fixture
def request_(folder) -> TrainingRequest:
    return TrainingRequest(method="masses-net", preset="smoke", data="phantoms:4", output=folder.path)
