"""Fitting the intensity steps of a stage to a scan, the same for a run and for training."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.events import result_of
from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.core.intensity import ScanStep
from napari_kidney_seg.core.method import IntensityStep, Stage
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.imaging.steps import slabs
from napari_kidney_seg.inference.prepare import SLAB, normalized


def is_fitted(stage: Stage) -> bool:
    """Return whether no intensity step of `stage` waits for the numbers of a scan."""
    return not any(isinstance(step, ScanStep) for step in stage.intensity)


def fit(stage: Stage, volume: Volume) -> Stage:
    """Return `stage` with the steps that look at the whole scan fitted to the canonical `volume`."""
    return result_of(fit_in_slabs(stage, volume))


def fit_in_slabs(stage: Stage, volume: Volume) -> Generator[int, None, Stage]:
    """Do what `fit` does; yield the slices read after each slab, so that a run can be cancelled in between."""
    fitted: tuple[IntensityStep, ...] = ()
    for step in stage.intensity:
        if isinstance(step, ScanStep):
            figures = yield from _measured(step, replace(stage, intensity=fitted), volume)
            fitted = (*fitted, step.fitted(figures))
        else:
            fitted = (*fitted, step)
    return replace(stage, intensity=fitted)


def _measured(step: ScanStep, before: Stage, volume: Volume) -> Generator[int, None, NDArray[np.float64]]:
    """Return the figures of the whole scan, as it is when the steps of `before` are done."""
    parts = []
    for slab in slabs(Box.whole(volume.geometry.shape), SLAB):
        parts.append(step.measure(normalized(volume, before, slab)))
        yield slab.stop[0]
    total: NDArray[np.float64] = np.sum(parts, axis=0)
    return total
