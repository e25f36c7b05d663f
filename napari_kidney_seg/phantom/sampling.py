"""A label map on another grid: how much of each voxel every label fills, and the kidneys' distances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.phantom.scene import Array, Grid, Slices, apply_separable

KIDNEY, TUMOR, CYST = (KITS[name].id for name in ("kidney", "tumor", "cyst"))

MARGIN_MM = 26.0  # around the labels; the perirenal fat must fit
FAR_MM = 99.0
_BRIDGE_MM = 9.0  # half the width of a renal hilum
_EDGE_GAIN = 1.8  # takes back the blur of resampling


@dataclass(frozen=True, kw_only=True)
class KidneyFields:
    """What the painters must know of the kidneys, on the voxels of `box` of the painted grid.

    Attributes
    ----------
    box : slices
    whole, tumor, cyst : shape of the box
        Share of each voxel filled by any label, by tumor, by cyst, 0..1.
    outside_mm : shape of the box
        Distance to the nearest labelled voxel, mm.
    depth_mm : shape of the box
        Depth under the outline of the kidney with its hilum closed, mm; negative outside.
    """

    box: Slices
    whole: Array
    tumor: Array
    cyst: Array
    outside_mm: Array
    depth_mm: Array

    def on_grid(self, values: Array, grid: Grid, fill: float) -> Array:
        """Return `values` of the box on the whole `grid`, `fill` elsewhere."""
        full = np.full(grid.shape, fill, np.float32)
        full[self.box] = values
        return full


def cropped_to_labels(labels: LabelVolume) -> tuple[NDArray[np.uint8], Grid] | None:
    """Return the voxels of the smallest box that holds every label, and their grid; None without labels."""
    grid = Grid.of(labels.geometry)
    found = ndimage.find_objects((labels.array > 0).view(np.uint8))
    if not found or found[0] is None:
        return None
    box = found[0]
    return np.ascontiguousarray(labels.array[box]), _local_grid(grid, box)


def fill_shares(
    array: NDArray[np.uint8], source: Grid, target: Grid, label_test: Callable[[NDArray[np.uint8]], NDArray[np.bool_]]
) -> Array:
    """Return how much of each `target` voxel is filled by the voxels of `array` that pass `label_test`, 0..1."""
    chosen = label_test(array)
    if not chosen.any():
        return np.zeros(target.shape, np.float32)
    matrices = [_interpolation(source, target, axis) for axis in range(3)]
    return apply_separable(matrices, chosen.astype(np.float32))


def kidney_fields(labels: LabelVolume, grid: Grid) -> KidneyFields:
    """Return the occupancy and the distances of the labelled organs on `grid`."""
    cropped = cropped_to_labels(labels)
    if cropped is None:
        return _no_kidneys()
    array, source = cropped
    ends = np.array([source.first, source.last])
    low, high = ends.min(0) - MARGIN_MM, ends.max(0) + MARGIN_MM
    box = grid.box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    local = _local_grid(grid, box)
    if 0 in local.shape:
        return _no_kidneys()
    whole = _sharpened(fill_shares(array, source, local, lambda values: values > 0))
    tumor = _sharpened(fill_shares(array, source, local, lambda values: values == TUMOR))
    cyst = _sharpened(fill_shares(array, source, local, lambda values: values == CYST))
    outside, depth = _distances(whole > 0.5, local)
    return KidneyFields(box=box, whole=whole, tumor=tumor, cyst=cyst, outside_mm=outside, depth_mm=depth)


def resampled_labels(labels: LabelVolume, grid: Grid) -> NDArray[np.uint8]:
    """Return the label map on `grid`: organ where more than half filled, lesion where it fills most of that."""
    result = np.zeros(grid.shape, np.uint8)
    cropped = cropped_to_labels(labels)
    if cropped is None:
        return result
    array, source = cropped
    box = grid.box(source.first, source.last)
    local = _local_grid(grid, box)
    if 0 in local.shape:
        return result
    whole = fill_shares(array, source, local, lambda values: values > 0)
    tumor = fill_shares(array, source, local, lambda values: values == TUMOR)
    cyst = fill_shares(array, source, local, lambda values: values == CYST)
    kidney = whole - tumor - cyst
    lesion = np.where(tumor >= cyst, TUMOR, CYST)
    result[box] = np.where(whole < 0.5, 0, np.where(np.maximum(tumor, cyst) > kidney, lesion, KIDNEY))
    return result


def _local_grid(grid: Grid, box: Slices) -> Grid:
    down, back, left = (part.stop - part.start for part in box)
    z, y, x = (grid.first[axis] + grid.steps[axis] * part.start for axis, part in enumerate(box))
    return Grid(shape=(down, back, left), spacing=grid.spacing, first=(z, y, x))


def _no_kidneys() -> KidneyFields:
    nothing = np.zeros((0, 0, 0), np.float32)
    box = (slice(0, 0), slice(0, 0), slice(0, 0))
    return KidneyFields(box=box, whole=nothing, tumor=nothing, cyst=nothing, outside_mm=nothing, depth_mm=nothing)


def _interpolation(source: Grid, target: Grid, axis: int) -> Array:
    """Return (target, source) weights: a Gaussian as wide as the coarser of the two steps, zero beyond the labels."""
    step = source.spacing[axis]
    sigma = 0.42 * max(step, target.spacing[axis])
    distance = target.axis(axis)[:, None] - source.axis(axis)[None, :]
    weights = np.exp(-0.5 * (distance / sigma) ** 2)
    reach = int(np.ceil(4 * sigma / step))
    pad = np.arange(-reach, reach + 1) * step
    phase = np.remainder(target.axis(axis) - source.first[axis] + step / 2, step) - step / 2
    total = np.exp(-0.5 * ((phase[:, None] - pad) / sigma) ** 2).sum(1, keepdims=True)
    return np.asarray(weights / total, dtype=np.float32)


def _sharpened(share: Array) -> Array:
    return np.asarray(np.clip((share - 0.5) * _EDGE_GAIN + 0.5, 0, 1), dtype=np.float32)


def _distances(mask: NDArray[np.bool_], grid: Grid) -> tuple[Array, Array]:
    """Return the distance to the mask and the depth under its closed outline, mm."""
    if not mask.any():
        return np.full(mask.shape, FAR_MM, np.float32), np.full(mask.shape, -FAR_MM, np.float32)
    outside = ndimage.distance_transform_edt(~mask, sampling=grid.spacing).astype(np.float32)
    inside = ndimage.distance_transform_edt(outside < _BRIDGE_MM, sampling=grid.spacing).astype(np.float32)
    return outside, inside - np.float32(_BRIDGE_MM)
