"""Rectangles of kidneys on axial slices, and the volume that such rectangles make when stacked along z.

A rectangle is (y1, x1, y2, x2) in voxels: first row and column, and those one past the last.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.imaging.components import components, largest_components
from napari_kidney_seg.imaging.cropping import foreground_box

Rectangles = NDArray[np.int64]
KIDNEYS = 2  # at most; a horseshoe kidney is one component


def kidney_rectangles(foreground: NDArray[np.bool_], count: int = KIDNEYS) -> Rectangles:
    """Return the tight rectangle of each kidney on each slice.

    A kidney is one of the `count` largest 26-connected components of the kidneys with their masses.

    Parameters
    ----------
    foreground : shape (Z, Y, X)
    count : int

    Returns
    -------
    rectangles, shape (kidneys, Z, 4)
        The largest kidney first; all zero where a slice does not show it.
    """
    found = components(foreground)[:count]
    rectangles = np.zeros((len(found), foreground.shape[0], 4), np.int64)
    for kidney, component in enumerate(found):
        box = component.box
        # Within its own box a component is the largest one: no smaller box can hold a larger component.
        mask = largest_components(foreground[box.slices], 1)
        rectangles[kidney, box.start[0] : box.stop[0]] = _slice_extents(mask) + _offset(box)
    return rectangles


def cuboid_rectangles(foreground: NDArray[np.bool_], count: int = KIDNEYS) -> Rectangles:
    """Return the cross-section of each kidney's bounding cuboid on each slice, as `kidney_rectangles` does."""
    found = components(foreground)[:count]
    rectangles = np.zeros((len(found), foreground.shape[0], 4), np.int64)
    for kidney, component in enumerate(found):
        box = component.box
        rectangles[kidney, box.start[0] : box.stop[0]] = (*box.start[1:], *box.stop[1:])
    return rectangles


def close_gaps_along_z(mask: NDArray[np.bool_], slices: int) -> NDArray[np.bool_]:
    """Return `mask` (Z, Y, X) with every gap of at most `slices` voxels between two set voxels of a column filled."""
    box = foreground_box(mask)
    if box is None or slices < 1:
        return mask
    inside = np.pad(mask[box.slices], ((slices, slices), (0, 0), (0, 0))).astype(np.uint8)
    grown = ndimage.maximum_filter1d(inside, slices + 1, axis=0)
    # An even filter leans to one side; leaning the second one the other way puts the result back in place.
    closed = ndimage.minimum_filter1d(grown, slices + 1, axis=0, origin=-1 if slices % 2 else 0)
    result = mask.copy()
    result[box.slices] |= closed[slices:-slices].astype(bool)
    return result


def _slice_extents(mask: NDArray[np.bool_]) -> Rectangles:
    """Return (y1, x1, y2, x2) of each slice of `mask` (z, y, x), none of which is empty; shape (z, 4)."""
    rows, columns = (np.asarray(mask.any(axis=axis)) for axis in (2, 1))
    first = [one.argmax(axis=1) for one in (rows, columns)]
    stop = [one.shape[1] - one[:, ::-1].argmax(axis=1) for one in (rows, columns)]
    return np.stack([*first, *stop], axis=1)


def _offset(box: Box) -> Rectangles:
    return np.array([*box.start[1:], *box.start[1:]])
