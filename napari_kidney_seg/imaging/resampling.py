"""Resizing with aligned voxel edges: linear with antialiasing for images and probabilities, nearest for labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_kidney_seg.core.geometry import Box, Geometry, Shape
from napari_kidney_seg.imaging.steps import VoxelSource, whole


@lru_cache(maxsize=64)
def _linear_weights(size: int, new_size: int) -> sparse.csr_array:
    """Return the (new_size, size) matrix of a triangle filter as wide as the coarser of the two grids."""
    scale = size / new_size
    width = max(1.0, scale)
    centers = (np.arange(new_size) + 0.5) * scale - 0.5
    # Clamped like border replication: a sample outside takes the weight of the voxel at the edge.
    centers = np.clip(centers, 0, size - 1) if width == 1 else centers
    weights = np.clip(1 - np.abs(np.arange(size)[None] - centers[:, None]) / width, 0, None)
    weights /= weights.sum(axis=1, keepdims=True)
    return sparse.csr_array(weights.astype(np.float32))


def resize(array: NDArray[Any], shape: Shape) -> NDArray[np.float32]:
    """Return `array` on `shape` voxels over the same physical box, by linear interpolation.

    Axes that get coarser are averaged with a triangle filter as wide as two new voxels, so that fine structure and
    noise do not alias; axes that get finer are interpolated linearly, with the edge voxel continued outwards.

    Parameters
    ----------
    array : shape (..., Z, Y, X)
        Image or probabilities.
    shape : (Z, Y, X) wanted

    Returns
    -------
    float32 array, shape (..., *shape)

    Notes
    -----
    Equal to ``torch.nn.functional.interpolate(..., align_corners=False, antialias=True)`` along each axis.
    """
    return whole(Resize(before=array.shape[-3:], after=shape), array)


def resize_labels(labels: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """Return `labels` (..., Z, Y, X) on `shape` voxels over the same physical box, each taking its nearest voxel."""
    result = labels
    for axis in range(-3, 0):
        size, new_size = labels.shape[axis], shape[axis]
        if size != new_size:
            nearest = np.floor((np.arange(new_size) + 0.5) * size / new_size).astype(int)
            result = np.take(result, np.clip(nearest, 0, size - 1), axis=axis)
    return np.ascontiguousarray(result)


@dataclass(frozen=True, kw_only=True)
class Resize:
    """The step to a grid of `after` (z, y, x) voxels over the same physical box (see `resize`, `imaging.steps`)."""

    before: Shape
    after: Shape

    def geometry(self, before: Geometry) -> Geometry:
        """Return the geometry after the step."""
        return before.resized(self.after)

    def part(self, source: VoxelSource, box: Box) -> NDArray[np.float32]:
        """Return the voxels of `box` after the step, float32; `source` gives those before it."""
        needed = [self._needed(axis, box) for axis in range(3)]
        start, stop = zip(*((first, last) for first, last, _ in needed), strict=True)
        result = np.asarray(source(Box(start=start, stop=stop)), np.float32)
        for axis in sorted(range(3), key=self._order):
            weights = needed[axis][2]
            result = result if weights is None else _weighted(result, axis - 3, weights)
        return np.ascontiguousarray(result)

    def inverse(self) -> Resize:
        """Return the step back."""
        return Resize(before=self.after, after=self.before)

    def _order(self, axis: int) -> tuple[float, int]:
        """Return when an axis has its turn: the most shrinking first, it leaves the least to do for the others.

        Of equal ones columns are shrunk last and grown first: rows are combined without moving voxels about.
        """
        growth = self.after[axis] / self.before[axis]
        return growth, axis if growth < 1 else -axis

    def _needed(self, axis: int, box: Box) -> tuple[int, int, sparse.csr_array | None]:
        """Return the voxels [first, last) before the step that `box` is made of, and their weights; None for ones."""
        start, stop = box.start[axis], box.stop[axis]
        if self.before[axis] == self.after[axis]:
            return start, stop, None
        rows = _linear_weights(self.before[axis], self.after[axis])[start:stop]
        first, last = (int(rows.indices.min()), int(rows.indices.max()) + 1) if start < stop else (0, 0)
        return first, last, rows[:, first:last]


def _weighted(array: NDArray[np.float32], axis: int, weights: sparse.csr_array) -> NDArray[np.float32]:
    """Return `array` with `axis` replaced by its sums under each row of `weights`."""
    if axis == -2:
        slices = array.reshape(prod(array.shape[:-2]), *array.shape[-2:])
        summed = np.empty((len(slices), weights.shape[0], array.shape[-1]), np.float32)
        for number, one in enumerate(slices):
            summed[number] = weights @ one
        return summed.reshape(*array.shape[:-2], *summed.shape[1:])
    front = np.moveaxis(array, axis, 0)
    columns = front.reshape(front.shape[0], prod(front.shape[1:]))  # -1 is not known for an empty box
    return np.moveaxis((weights @ columns).reshape(weights.shape[0], *front.shape[1:]), 0, axis)
