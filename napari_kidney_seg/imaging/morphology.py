"""Rules that tidy a drawn mask: smooth it, close its holes, drop its islands, find the piece under a voxel.

All of them work on the box around the foreground, so that they stay quick on a whole scan, and on a mask one slice
thick as they would in the plane.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_kidney_seg.core.geometry import Box, Spacing
from napari_kidney_seg.imaging.components import numbered, voxel_ml
from napari_kidney_seg.imaging.cropping import foreground_box, paste

_GAUSSIAN_REACH = 3.0  # sigmas; beyond it a Gaussian adds less than 0.3 %


def smooth(mask: NDArray[np.bool_], spacing: Spacing, sigma_mm: float) -> NDArray[np.bool_]:
    """Return `mask` (Z, Y, X) with an outline free of detail finer than about `sigma_mm`.

    The mask is blurred by a Gaussian and cut at one half, which keeps straight borders where they are. At the edge of
    the array the mask is taken to go on as it is, so that an organ cut by the scan keeps its cut.

    Parameters
    ----------
    mask : shape (Z, Y, X)
    spacing : (sz, sy, sx), mm
    sigma_mm : float
        Standard deviation of the Gaussian, the same in all directions of the patient.
    """
    sigmas = [sigma_mm / step for step in spacing]
    z, y, x = (int(np.ceil(_GAUSSIAN_REACH * s)) for s in sigmas)
    box = _box_around(mask, (z, y, x))
    if box is None or sigma_mm <= 0:
        return mask.copy()
    blurred = ndimage.gaussian_filter(
        mask[box.slices].astype(np.float32), sigmas, mode="nearest", truncate=_GAUSSIAN_REACH
    )
    return np.asarray(paste(blurred > 0.5, box, mask.shape), bool)


def fill_holes(mask: NDArray[np.bool_], axis: int | None = None) -> NDArray[np.bool_]:
    """Return `mask` (Z, Y, X) with the background that it encloses filled.

    Parameters
    ----------
    mask : shape (Z, Y, X)
    axis : int or None
        None fills what is enclosed in space; an axis fills what is enclosed in each slice across it.
    """
    box = foreground_box(mask)
    if box is None:
        return mask.copy()
    neighbors = ndimage.generate_binary_structure(3, 1)
    if axis is not None:
        neighbors[tuple([0, 2] if other == axis else slice(None) for other in range(3))] = False
    filled = ndimage.binary_fill_holes(mask[box.slices], neighbors)
    return np.asarray(paste(filled, box, mask.shape), bool)


def remove_islands(mask: NDArray[np.bool_], spacing: Spacing, min_ml: float) -> NDArray[np.bool_]:
    """Return `mask` (Z, Y, X) without its 26-connected components of less than `min_ml`; `spacing` in mm."""
    box = foreground_box(mask)
    if box is None:
        return mask.copy()
    numbers = numbered(mask[box.slices])
    # The tolerance lets a component of exactly `min_ml` stay whatever the rounding of the product.
    is_kept = np.bincount(numbers.ravel()) * voxel_ml(spacing) >= min_ml * (1 - 1e-9)
    is_kept[0] = False
    return np.asarray(paste(is_kept[numbers], box, mask.shape), bool)


def component_at(mask: NDArray[np.bool_], voxel: tuple[int, int, int]) -> tuple[Box, NDArray[np.bool_]] | None:
    """Return the 26-connected component of `mask` (Z, Y, X) that holds `voxel` (z, y, x); None on background.

    Returns
    -------
    box : Box
        Around the component.
    component : shape of `box`
    """
    if not mask[voxel]:
        return None
    outer = _box_around(mask)
    if outer is None:
        return None
    numbers = numbered(mask[outer.slices])
    inside = numbers == numbers[tuple(v - a for v, a in zip(voxel, outer.start, strict=True))]
    inner = foreground_box(inside)
    if inner is None:
        return None
    return inner.moved_by(outer.start), inside[inner.slices]


def _box_around(mask: NDArray[np.bool_], margin: tuple[int, int, int] = (0, 0, 0)) -> Box | None:
    box = foreground_box(mask)
    return None if box is None else box.grown(margin, mask.shape)
