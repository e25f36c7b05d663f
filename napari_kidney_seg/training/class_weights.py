"""Weights of the classes in a loss, measured on a training split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.core.method import Stage
from napari_kidney_seg.training.dataset import Case, Dataset
from napari_kidney_seg.training.grid_sampling import GridWindows

CAP = 10.0  # so that a rare class cannot drown the others


def root_inverse_frequency(dataset: Dataset, stage: Stage, cap: float = CAP) -> tuple[float, ...]:
    """Return one weight per class of `stage`: the square root of how much rarer it is than class 0, at most `cap`.

    Voxels are counted in the region that the stage's rule finds around the reference kidneys of each case.
    """
    counts = np.zeros(len(stage.classes), np.int64)
    for index in range(len(dataset)):
        counts += class_counts(dataset.load(index), stage)
    return weights_from(counts, cap)


def class_counts(case: Case, stage: Stage) -> NDArray[np.int64]:
    """Return the voxels of each class of `stage` in its region of `case`, shape (C,)."""
    whole = Box.whole(case.scan.geometry.shape)
    targets = [
        stage.recipe.target(np.asarray(case.labels[box.clipped(whole).slices])).ravel()
        for box in GridWindows().regions(case, stage)
    ]
    classes = len(stage.classes)
    return np.bincount(np.concatenate(targets), minlength=classes)[:classes].astype(np.int64)  # without `IGNORE`


def weights_from(counts: NDArray[np.int64], cap: float = CAP) -> tuple[float, ...]:
    """Return the weights for `counts` of voxels per class, shape (C,); `cap` for a class that never occurs."""
    rarer = counts[0] / np.maximum(counts, 1)
    return tuple(float(weight) for weight in np.minimum(np.sqrt(rarer), cap))
