"""The one mechanism by which arrays go to a network's grid and come back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.volume import LabelVolume, Volume


class SpatialStep(Protocol):
    """A spatial operation that knows its inverse: `Reorient`, `Resize` or `Crop`."""

    def geometry(self, before: Geometry) -> Geometry:
        """Return the geometry after the step."""

    def image(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an image after the step (linear)."""

    def labels(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return labels after the step (nearest)."""

    def image_back(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an image or probabilities before the step (linear)."""

    def labels_back(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return labels before the step (nearest)."""


@dataclass(frozen=True)
class SpatialStack:
    """Steps in order of application, undone in reverse."""

    steps: tuple[SpatialStep, ...]

    def apply(self, volume: Volume) -> Volume:
        """Return `volume` after every step; label volumes by nearest voxel, others linearly."""
        array, geometry = volume.array, volume.geometry
        for step in self.steps:
            array = step.labels(array) if isinstance(volume, LabelVolume) else step.image(array)
            geometry = step.geometry(geometry)
        return replace(volume, array=array, geometry=geometry)

    def restore_probabilities(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return probabilities (..., Z, Y, X) on the grid before the first step, linearly; 0 outside a crop."""
        for step in reversed(self.steps):
            array = step.image_back(array)
        return array

    def restore_labels(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return labels (..., Z, Y, X) on the grid before the first step, by nearest voxel; 0 outside a crop."""
        for step in reversed(self.steps):
            array = step.labels_back(array)
        return array
