"""Resizing with aligned voxel edges: linear with antialiasing for images and probabilities, nearest for labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from napari_kidney_seg.core.geometry import Geometry, Shape, Spacing


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
    result = np.asarray(array, np.float32)
    axes = sorted(range(-3, 0), key=lambda axis: shape[axis] / result.shape[axis])  # the most shrinking axis first
    for axis in axes:
        if result.shape[axis] != shape[axis]:
            result = _resize_axis(result, axis, shape[axis])
    return np.ascontiguousarray(result)


def _resize_axis(array: NDArray[np.float32], axis: int, new_size: int) -> NDArray[np.float32]:
    front = np.moveaxis(array, axis, 0)
    columns = front.reshape(front.shape[0], -1)
    resized = _linear_weights(front.shape[0], new_size) @ columns
    return np.moveaxis(resized.reshape(new_size, *front.shape[1:]), 0, axis)


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
    """The step to a grid of `after` voxels over the physical box of `before` voxels (see `imaging.steps`)."""

    before: Shape
    after: Shape

    @classmethod
    def to_spacing(cls, geometry: Geometry, spacing: Spacing) -> Resize:
        """Return the step that brings arrays of `geometry` closest to `spacing` (sz, sy, sx), mm."""
        after = tuple(
            max(1, round(n * here / there))
            for n, here, there in zip(geometry.shape, geometry.spacing, spacing, strict=True)
        )
        return cls(before=geometry.shape, after=after)  # type: ignore[arg-type]

    def geometry(self, before: Geometry) -> Geometry:
        """Return the geometry after the step."""
        return before.resized(self.after)

    def image(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an image (..., Z, Y, X) after the step."""
        return resize(array, self.after)

    def labels(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return labels (..., Z, Y, X) after the step."""
        return resize_labels(array, self.after)

    def image_back(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an image or probabilities (..., Z, Y, X) before the step."""
        return resize(array, self.before)

    def labels_back(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return labels (..., Z, Y, X) before the step."""
        return resize_labels(array, self.before)
