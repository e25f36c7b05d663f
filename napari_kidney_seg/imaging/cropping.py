"""Cutting boxes out of arrays, padding where a box reaches outside, and putting them back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Box, Geometry, Shape
from napari_kidney_seg.imaging.steps import VoxelSource


def crop_pad(array: NDArray[Any], box: Box, fill: float = 0) -> NDArray[Any]:
    """Return the voxels of `box` from `array` (..., Z, Y, X), `fill` where the box reaches outside."""
    inside, target = _overlap(box, array.shape[-3:])
    if inside == box:
        return array[(..., *box.slices)]
    result = np.full((*array.shape[:-3], *box.shape), fill, array.dtype)
    result[(..., *target.slices)] = array[(..., *inside.slices)]
    return result


def paste(array: NDArray[Any], box: Box, into: Shape, fill: float = 0) -> NDArray[Any]:
    """Return `array` (..., z, y, x) of `box` laid into an array of shape `into`, `fill` elsewhere."""
    inside, source = _overlap(box, into)
    result = np.full((*array.shape[:-3], *into), fill, array.dtype)
    result[(..., *inside.slices)] = array[(..., *source.slices)]
    return result


def _overlap(box: Box, shape: tuple[int, ...]) -> tuple[Box, Box]:
    """Return the part of `box` inside an array of `shape`, in that array's indices and in the box's own."""
    inside = box.clipped(Box.whole(shape))  # type: ignore[arg-type]
    return inside, inside.seen_from(box.start)


def padded_to(shape: Shape, minimum: Shape) -> Box:
    """Return the box around an array of `shape` with at least `minimum` voxels per axis, the addition split evenly."""
    extra = [max(0, m - n) for n, m in zip(shape, minimum, strict=True)]
    start = tuple(-(e // 2) for e in extra)
    stop = tuple(n + e - e // 2 for n, e in zip(shape, extra, strict=True))
    return Box(start=start, stop=stop)  # type: ignore[arg-type]


def foreground_box(mask: NDArray[Any]) -> Box | None:
    """Return the smallest box that holds every nonzero voxel of `mask` (Z, Y, X), or None when there is none."""
    slices = np.flatnonzero(mask.any(axis=(1, 2)))
    if not len(slices):
        return None
    # Once through the slices with foreground, not once per axis: the mask of a whole scan is large.
    plane = np.asarray(mask[slices[0] : slices[-1] + 1].any(axis=0))
    where = (slices, np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0)))
    return Box(start=tuple(int(w[0]) for w in where), stop=tuple(int(w[-1]) + 1 for w in where))  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Crop:
    """The step to `box` of an array of shape `before`, `fill` where the box reaches outside (see `imaging.steps`).

    So it pads too. Its inverse puts the box back into zeros.
    """

    before: Shape
    box: Box
    fill: float = 0.0

    @property
    def after(self) -> Shape:
        """Voxels per axis of the box."""
        return self.box.shape

    def geometry(self, before: Geometry) -> Geometry:
        """Return the geometry after the step."""
        return before.cropped(self.box)

    def part(self, source: VoxelSource, box: Box) -> NDArray[Any]:
        """Return the voxels of `box` after the step; `source` gives those before it."""
        wanted = box.moved_by(self.box.start)
        inside = wanted.clipped(Box.whole(self.before))
        return crop_pad(source(inside), wanted.seen_from(inside.start), self.fill)

    def inverse(self) -> Crop:
        """Return the step back; 0 outside the box."""
        return Crop(before=self.after, box=Box.whole(self.before).seen_from(self.box.start))
