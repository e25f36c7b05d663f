"""Turning a volume to another orientation and back, exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import CANONICAL, AxisMap, Geometry
from napari_kidney_seg.core.volume import Volume


@dataclass(frozen=True, kw_only=True)
class Reorient:
    """The step to another axis order and other directions: permutes and flips only (see `imaging.steps`)."""

    axis_map: AxisMap

    @classmethod
    def to_codes(cls, geometry: Geometry, codes: str = CANONICAL) -> Reorient:
        """Return the step that brings arrays of `geometry` to orientation `codes`."""
        return cls(axis_map=geometry.axis_map_to(codes))

    def geometry(self, before: Geometry) -> Geometry:
        """Return the geometry after the step."""
        return before.mapped(self.axis_map)

    def image(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an image (Z, Y, X) after the step."""
        return np.ascontiguousarray(self.axis_map.apply(array))

    def labels(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return labels (Z, Y, X) after the step."""
        return self.image(array)

    def image_back(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an image (Z, Y, X) before the step."""
        return np.ascontiguousarray(self.axis_map.inverse().apply(array))

    def labels_back(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return labels (Z, Y, X) before the step."""
        return self.image_back(array)


def reorient(volume: Volume, codes: str = CANONICAL) -> Volume:
    """Return `volume` with its array axes in orientation `codes`; every voxel stays at its place in the patient."""
    step = Reorient.to_codes(volume.geometry, codes)
    return replace(volume, array=step.image(volume.array), geometry=step.geometry(volume.geometry))
