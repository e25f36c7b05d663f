"""The voxels a round brush covers, in millimeters of the patient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Shape, Spacing

Indices = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]


def ball(
    center: tuple[float, float, float], radius_mm: float, spacing: Spacing, shape: Shape, axis: int | None = None
) -> Indices:
    """Return the indices (z, y, x) of the voxels whose centers lie within `radius_mm` of `center`.

    The voxel that holds `center` is always among them, unless it lies outside the array.

    Parameters
    ----------
    center : (z, y, x), voxels, not necessarily whole
    radius_mm : float
    spacing : (sz, sy, sx), mm
    shape : (Z, Y, X)
        Of the array; voxels outside it are left out.
    axis : int or None
        None gives a ball; an axis gives a disc in the slice across it that holds `center`.
    """
    nearest = [round(c) for c in center]
    reach = [0 if a == axis else int(np.ceil(radius_mm / step)) for a, step in enumerate(spacing)]
    ranges = [
        np.arange(max(0, n - r), max(0, min(size, n + r + 1))) for n, r, size in zip(nearest, reach, shape, strict=True)
    ]
    offsets = [
        np.zeros(len(where)) if a == axis else (where - c) * step
        for a, (where, c, step) in enumerate(zip(ranges, center, spacing, strict=True))
    ]
    z, y, x = np.ix_(*offsets)
    is_covered = z**2 + y**2 + x**2 <= radius_mm**2 * (1 + 1e-9)
    at_center = [where == n for where, n in zip(ranges, nearest, strict=True)]
    is_covered |= at_center[0][:, None, None] & at_center[1][:, None] & at_center[2]
    return tuple(where[found] for where, found in zip(ranges, np.nonzero(is_covered), strict=True))  # type: ignore[return-value]


def within_range(indices: Indices, image: NDArray[Any], low: float, high: float) -> Indices:
    """Return those `indices` where `image` (Z, Y, X) lies in `low`..`high`, both included."""
    values = image[indices]
    is_kept = (values >= low) & (values <= high)
    return tuple(axis[is_kept] for axis in indices)  # type: ignore[return-value]
