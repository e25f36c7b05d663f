"""Weights of the classes in a loss, measured on a training split."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.events import Event, Notice, Progress
from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.core.method import Stage
from napari_kidney_seg.training.cases import Case
from napari_kidney_seg.training.dataset import Dataset
from napari_kidney_seg.training.grid_sampling import GridWindows

CAP = 10.0  # so that a rare class cannot drown the others


def measure_class_weights(dataset: Dataset, stage: Stage) -> Generator[Event, None, tuple[float, ...]]:
    """Return one weight per class of `stage`: the square root of how much rarer it is than class 0, at most `CAP`.

    Voxels are counted in the region that the stage's rule finds around the reference kidneys of each case. Yields
    progress after each case, and at the end what was found.
    """
    counts = np.zeros(len(stage.classes), np.int64)
    for index in range(len(dataset)):
        counts += class_counts(dataset.load(index), stage)
        yield Progress(stage=stage.name, done=index + 1, total=len(dataset), fraction=0.0)
    weights = weights_from(counts)
    found = ", ".join(f"{name} {weight:.1f}" for name, weight in zip(stage.classes, weights, strict=True))
    text = f"Weights of the classes, measured on {len(dataset)} training cases: {found}."
    yield Notice(code="class_weights", text=text, level="info")
    return weights


def class_counts(case: Case, stage: Stage) -> NDArray[np.int64]:
    """Return the voxels of each class of `stage` in its region of `case`, shape (C,)."""
    whole = Box.whole(case.scan.geometry.shape)
    targets = [
        stage.recipe.target(np.asarray(case.labels[box.clipped(whole).slices])).ravel()
        for box in GridWindows().regions(case, stage)
    ]
    classes = len(stage.classes)
    return np.bincount(np.concatenate(targets), minlength=classes)[:classes].astype(np.int64)  # without `IGNORE`


def weights_from(counts: NDArray[np.int64]) -> tuple[float, ...]:
    """Return the weights for `counts` of voxels per class, shape (C,); `CAP` for a class that never occurs."""
    rarer = counts[0] / np.maximum(counts, 1)
    return tuple(float(weight) for weight in np.minimum(np.sqrt(rarer), CAP))
