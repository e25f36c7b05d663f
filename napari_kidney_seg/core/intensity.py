"""Intensity steps that look at more than one voxel: what they must tell, so that crops come out as the whole scan does.

A step that is neither of these looks at each voxel alone (`core.method.IntensityStep`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_kidney_seg.core.method import IntensityStep


@runtime_checkable
class NeighborhoodStep(Protocol):
    """A step that looks at the neighborhood of each voxel."""

    @property
    def reach_mm(self) -> float:
        """How far around a voxel the step looks, mm."""


@runtime_checkable
class ScanStep(Protocol):
    """A step whose numbers come from the whole scan: measured in parts, then fitted."""

    def measure(self, array: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return figures of a part of the scan (Z, Y, X), shape (n,); those of all parts are added up."""

    def fitted(self, figures: NDArray[np.float64]) -> IntensityStep:
        """Return the step with the numbers that follow from the `figures` of the whole scan."""
