"""Fill the slices between drawn ones: shape-based interpolation."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_kidney_seg.core.geometry import Spacing

_Plane = NDArray[Any]  # shape (rows, columns)


def interpolate_slices(mask: NDArray[np.bool_], spacing: Spacing, axis: int = 0) -> NDArray[np.bool_]:
    """Return `mask` with the empty slices between drawn ones filled; drawn slices stay as they are.

    Structures that lie apart when seen along `axis` (the two kidneys, say) are filled each between its own slices.

    Parameters
    ----------
    mask : shape (Z, Y, X)
    spacing : (sz, sy, sx), mm
    axis : int
        Across which the slices were drawn.

    Notes
    -----
    The signed distances from the outlines of two neighboring drawn slices are mixed linearly, and cut at zero [1]_.
    Unlike there, both outlines are first moved to where their centers would meet, so that a structure that runs
    obliquely through the slices does not thin out on the way.

    References
    ----------
    .. [1] Raya and Udupa, "Shape-based interpolation of multidimensional objects", IEEE Trans. Med. Imaging 9(1),
       1990, doi:10.1109/42.52980.
    """
    result = mask.copy()
    along = np.moveaxis(result, axis, 0)
    pixel = tuple(step for number, step in enumerate(spacing) if number != axis)
    regions, _ = ndimage.label(along.any(axis=0), np.ones((3, 3)))
    for number, (rows, columns) in enumerate(ndimage.find_objects(regions), start=1):
        own = along[:, rows, columns] & (regions[rows, columns] == number)
        along[:, rows, columns] |= _filled(own, pixel)
    return result


def _filled(slices: NDArray[np.bool_], pixel: tuple[float, ...]) -> NDArray[np.bool_]:
    """Return `slices` (n, rows, columns) of one structure with its gaps filled; `pixel` size in mm."""
    filled = slices.copy()
    drawn = np.flatnonzero(slices.any(axis=(1, 2)))
    for first, last in pairwise(drawn.tolist()):
        for between in range(first + 1, last):
            share = (between - first) / (last - first)
            filled[between] = between_outlines(slices[first], slices[last], share, pixel)
    return filled


def between_outlines(first: _Plane, last: _Plane, share: float, pixel: tuple[float, ...]) -> NDArray[np.bool_]:
    """Return the outline at `share` (0..1) of the way from `first` to `last`.

    Parameters
    ----------
    first, last : shape (rows, columns)
        Neither is empty.
    share : float
    pixel : (rows, columns), mm
    """
    centers = [np.asarray(ndimage.center_of_mass(plane)) for plane in (first, last)]
    meeting = (1 - share) * centers[0] + share * centers[1]
    from_first = _moved_distance(first, meeting - centers[0], pixel)
    from_last = _moved_distance(last, meeting - centers[1], pixel)
    return np.asarray((1 - share) * from_first + share * from_last < 0)


def _moved_distance(plane: _Plane, by: NDArray[np.float64], pixel: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the signed distance from the outline of `plane` moved `by` (rows, columns) pixels, mm."""
    margin = int(np.ceil(np.abs(by).max())) + 1
    padded = np.pad(plane, margin)
    distance = signed_distance(padded, pixel)
    moved: NDArray[np.float64] = ndimage.shift(distance, by, order=1, mode="nearest")
    return moved[margin:-margin, margin:-margin]


def signed_distance(plane: _Plane, pixel: tuple[float, ...]) -> NDArray[np.float64]:
    """Return the distance from the outline of `plane`, negative inside, mm.

    The outline runs between pixels: half a pixel is taken off the distance to the next pixel of the other kind.
    """
    half = min(pixel) / 2
    inside = ndimage.distance_transform_edt(plane, pixel)
    outside = ndimage.distance_transform_edt(~plane.astype(bool), pixel)
    return np.asarray(np.where(plane, half - inside, outside - half), np.float64)
