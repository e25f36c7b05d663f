"""Cutting boxes out of arrays, padding where a box reaches outside, and putting them back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Box, Geometry, Shape


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
    start, stop = [], []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        where = np.flatnonzero(mask.any(axis=others))
        if not len(where):
            return None
        start.append(int(where[0]))
        stop.append(int(where[-1]) + 1)
    return Box(start=tuple(start), stop=tuple(stop))  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Crop:
    """The step to `box` of an array of shape `before`; outside it, images become `fill` (see `imaging.steps`)."""

    before: Shape
    box: Box
    fill: float = 0.0

    def geometry(self, before: Geometry) -> Geometry:
        """Return the geometry after the step."""
        return before.cropped(self.box)

    def image(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an image (..., Z, Y, X) after the step."""
        return crop_pad(array, self.box, self.fill)

    def labels(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return labels (..., Z, Y, X) after the step; 0 outside."""
        return crop_pad(array, self.box)

    def image_back(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an image or probabilities (..., Z, Y, X) before the step; 0 outside the box."""
        return paste(array, self.box, self.before)

    def labels_back(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return labels (..., Z, Y, X) before the step; 0 outside the box."""
        return paste(array, self.box, self.before)
