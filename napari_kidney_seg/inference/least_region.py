"""Regions of at least a certain size: a window laid over a smaller one would mostly see padding."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from napari_kidney_seg.core.geometry import Box, Geometry, Shape
from napari_kidney_seg.core.grid import WorkingGrid
from napari_kidney_seg.core.method import RegionRule, StageOutput


@dataclass(frozen=True, kw_only=True)
class AtLeast:
    """The boxes of another rule, each grown about its center to `size` where the scan allows.

    Attributes
    ----------
    region : RegionRule
        Whose boxes are grown.
    size : (z, y, x)
        Voxels of the working grid.
    grid : WorkingGrid
        That of the stage.
    """

    region: RegionRule
    size: Shape
    grid: WorkingGrid

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the stage outputs the rule reads."""
        return self.region.sources

    def boxes(self, outputs: Mapping[str, StageOutput], geometry: Geometry) -> tuple[Box, ...]:
        """Return the boxes on the scan's grid `geometry`; none when nothing was found."""
        return tuple(self._grown(box, geometry) for box in self.region.boxes(outputs, geometry))

    def _grown(self, box: Box, geometry: Geometry) -> Box:
        working = self.grid.shape_for(geometry.cropped(box))
        spans = [
            _span(start, stop, math.ceil(least * (stop - start) / voxels), limit)
            for start, stop, least, voxels, limit in zip(
                box.start, box.stop, self.size, working, geometry.shape, strict=True
            )
        ]
        start, stop = zip(*spans, strict=True)
        return Box(start=start, stop=stop)


def _span(start: int, stop: int, least: int, limit: int) -> tuple[int, int]:
    """Return the range [start, stop) with at least `least` voxels, moved into [0, limit) and cut to it."""
    missing = max(0, least - (stop - start))
    first = max(0, min(start - missing // 2, limit - (stop - start) - missing))
    return first, min(limit, first + (stop - start) + missing)
