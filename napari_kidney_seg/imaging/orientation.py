"""Turning a volume to another orientation and back, exactly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import CANONICAL, AxisMap, Box, Geometry, Shape
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.imaging.steps import VoxelSource, whole


@dataclass(frozen=True, kw_only=True)
class Reorient:
    """The step to another axis order and other directions: permutes and flips only (see `imaging.steps`).

    It takes arrays (Z, Y, X) without channels, and gives views of them.

    Attributes
    ----------
    before : voxels per axis, in the axis order before the step
    axis_map : AxisMap
    """

    before: Shape
    axis_map: AxisMap

    @classmethod
    def to_codes(cls, geometry: Geometry, codes: str = CANONICAL) -> Reorient:
        """Return the step that brings arrays of `geometry` to orientation `codes`."""
        return cls(before=geometry.shape, axis_map=geometry.axis_map_to(codes))

    @property
    def after(self) -> Shape:
        """Voxels per axis after the step."""
        return tuple(self.before[axis] for axis in self.axis_map.order)  # type: ignore[return-value]

    def geometry(self, before: Geometry) -> Geometry:
        """Return the geometry after the step."""
        return before.mapped(self.axis_map)

    def part(self, source: VoxelSource, box: Box) -> NDArray[Any]:
        """Return the voxels of `box` after the step; `source` gives those before it."""
        return self.axis_map.apply(source(self._before(box)))

    def inverse(self) -> Reorient:
        """Return the step back."""
        return Reorient(before=self.after, axis_map=self.axis_map.inverse())

    def _before(self, box: Box) -> Box:
        spans = {
            axis: (self.before[axis] - stop, self.before[axis] - start) if flip else (start, stop)
            for axis, flip, start, stop in zip(
                self.axis_map.order, self.axis_map.flips, box.start, box.stop, strict=True
            )
        }
        start, stop = zip(*(spans[axis] for axis in range(3)), strict=True)
        return Box(start=start, stop=stop)


def reorient(volume: Volume, codes: str = CANONICAL) -> Volume:
    """Return `volume` with its array axes in orientation `codes`; every voxel stays at its place in the patient."""
    step = Reorient.to_codes(volume.geometry, codes)
    return replace(volume, array=whole(step, volume.array), geometry=step.geometry(volume.geometry))
