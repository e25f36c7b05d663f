"""Left and right of the patient: which voxels of a mask belong to which kidney."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.imaging.components import numbered
from napari_kidney_seg.imaging.cropping import foreground_box
from napari_kidney_seg.imaging.measurements import MIDLINE_SHARE, SECOND_KIDNEY_ML

RIGHT: Final = 1
LEFT: Final = 2


def patient_sides(mask: NDArray[np.bool_], geometry: Geometry) -> NDArray[np.uint8]:
    """Return `RIGHT` or `LEFT` for each voxel of `mask`, 0 elsewhere.

    A connected component belongs as a whole to the side that holds most of it, unless more than `MIDLINE_SHARE` of it
    lies on either side: then it is a horseshoe kidney, or two that touch, and is cut at the midline.

    Parameters
    ----------
    mask : shape (Z, Y, X)
        Kidneys with their masses.
    geometry : Geometry
        Of `mask`, in any orientation; the side is the patient's.

    Notes
    -----
    The midline lies where `imaging.measurements` has it: halfway between the two largest components when the second
    has at least `SECOND_KIDNEY_ML`, else in the middle of the scan.
    """
    sides = np.zeros(mask.shape, np.uint8)
    box = foreground_box(mask)
    if box is None:
        return sides
    inside = np.ascontiguousarray(mask[box.slices])
    where = np.nonzero(inside)
    numbers = numbered(inside)[where].astype(np.intp) - 1
    x = _left_mm(where, geometry.cropped(box))
    sides[box.slices][where] = _sides_of(numbers, x, _midline(numbers, x, geometry))
    return sides


def _left_mm(where: tuple[NDArray[np.intp], ...], geometry: Geometry) -> NDArray[np.float64]:
    """Return how far to the patient's left each voxel lies: its world x in LPS, mm."""
    x = np.full(len(where[0]), geometry.affine[0, 3])
    for indices, step in zip(where, geometry.affine[0, :3], strict=True):
        x += indices * step
    return x


def _midline(numbers: NDArray[np.intp], x: NDArray[np.float64], geometry: Geometry) -> float:
    """Return the x that parts left from right, mm, for voxels of component `numbers` at `x`."""
    sizes = np.bincount(numbers)
    largest = np.argsort(-sizes, kind="stable")[:2]
    if len(largest) > 1 and sizes[largest[1]] * geometry.voxel_ml >= SECOND_KIDNEY_ML:
        return float(np.mean([x[numbers == one].mean() for one in largest]))
    middle = (np.asarray(geometry.shape) - 1) / 2
    return float(geometry.affine[0, :3] @ middle + geometry.affine[0, 3])


def _sides_of(numbers: NDArray[np.intp], x: NDArray[np.float64], midline: float) -> NDArray[np.uint8]:
    """Return the side of each voxel: its component's own, or its own where the component lies on both."""
    is_left = x > midline
    share_left = np.bincount(numbers, weights=is_left) / np.bincount(numbers)
    is_on_both = (share_left >= MIDLINE_SHARE) & (share_left <= 1 - MIDLINE_SHARE)
    goes_left = np.where(is_on_both[numbers], is_left, (share_left > 0.5)[numbers])
    return np.where(goes_left, LEFT, RIGHT).astype(np.uint8)
