"""The outline of a trunk from the organs inside it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from napari_kidney_seg.phantom.scene import Array, Grid

_STEP_MM = 7.0  # the outline is smooth; coarser than this is not seen
_SMOOTHING_MM = 12.0
_OUTSIDE_MM = 60.0  # where a slice holds no organ


def hull_distance(mask: NDArray[np.bool_], grid: Grid) -> Array:
    """Return the signed distance to the convex hull of `mask` in each axial slice, smoothed, negative inside, mm.

    Parameters
    ----------
    mask : shape (Z, Y, X)
        Voxels of `grid` that belong to the trunk.
    """
    strides = [max(1, round(_STEP_MM / step)) for step in grid.spacing]
    _, y, x = grid.mesh()
    coarse = (slice(None), slice(None, None, strides[1]), slice(None, None, strides[2]))
    levels = np.stack([_facet_distance(_facets(part, grid), y[coarse], x[coarse]) for part in mask[:: strides[0]]])
    sigma = [_SMOOTHING_MM / (stride * step) for stride, step in zip(strides, grid.spacing, strict=True)]
    levels = ndimage.gaussian_filter(levels, [sigma[0], 0.5, 0.5])
    return _enlarged(levels, strides, mask.shape)


def _facets(mask: NDArray[np.bool_], grid: Grid) -> Array:
    """Return the edges of the convex hull of a slice, shape (n, 3): outward normal (y, x) and offset, mm."""
    rows = np.flatnonzero(mask.any(axis=1))
    first, last = mask[rows].argmax(axis=1), mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    y, x = grid.axis(1)[np.tile(rows, 2)], grid.axis(2)[np.concatenate([first, last])]
    try:
        return np.asarray(ConvexHull(np.stack([y, x], axis=1)).equations, dtype=np.float32)
    except (QhullError, ValueError):  # fewer than three points, or all on a line
        return np.array([[0, 0, _OUTSIDE_MM]], np.float32)


def _facet_distance(facets: Array, y: Array, x: Array) -> Array:
    """Return the signed distance to a hull given by its edges, at the points of two open arrays, shape (Y, X), mm."""
    distance = np.full((y.shape[1], x.shape[2]), -np.inf, np.float32)
    for normal_y, normal_x, offset in facets:
        np.maximum(distance, normal_y * y[0] + normal_x * x[0] + offset, out=distance)
    return distance


def _enlarged(values: Array, strides: list[int], shape: tuple[int, ...]) -> Array:
    """Return `values`, sampled at every stride, interpolated linearly back to `shape`."""
    for axis, (stride, count) in enumerate(zip(strides, shape, strict=True)):
        position = np.minimum(np.arange(count) / stride, values.shape[axis] - 1)
        low = np.minimum(position.astype(int), max(values.shape[axis] - 2, 0))
        high = np.minimum(low + 1, values.shape[axis] - 1)
        part = (position - low).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(3)])
        values = np.take(values, low, axis) * (1 - part) + np.take(values, high, axis) * part
    return np.asarray(values, dtype=np.float32)
