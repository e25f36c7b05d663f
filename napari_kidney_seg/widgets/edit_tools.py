"""What the edit tools do to Labels layers; each is one step of napari's Undo in every layer it changes. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Box, Geometry, Spacing
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.imaging.cropping import foreground_box
from napari_kidney_seg.imaging.interpolation import interpolate_slices
from napari_kidney_seg.imaging.morphology import component_at, fill_holes, remove_islands, smooth
from napari_kidney_seg.widgets.history import Change, replace_labels, replace_mask
from napari_kidney_seg.widgets.sides import side_numbers

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Labels

Rule = Callable[[NDArray[np.bool_], Spacing], NDArray[np.bool_]]  # mask (Z, Y, X), spacing in mm -> mask
LESIONS = {"tumor": "cyst", "cyst": "tumor"}  # what a lesion can be, and what else; the upper layer first


@dataclass(frozen=True, kw_only=True)
class Plane:
    """One slice of a layer: the array axis it lies across, and its index there."""

    axis: int
    index: int


@dataclass(frozen=True, kw_only=True)
class Move:
    """A lesion of so many `voxels`, one of them `voxel` (z, y, x), went from the layer `source` to `target`."""

    source: str
    target: str
    voxels: int
    voxel: tuple[int, int, int]

    def is_done(self, layers: Mapping[str, Labels]) -> bool:
        """Return whether `layers` are as the move left them, and it was not taken back."""
        return bool(layers[self.target].data[self.voxel]) and not layers[self.source].data[self.voxel]


def shown_plane(dims: Dims, layer: Labels) -> Plane | None:
    """Return the slice of `layer` (three axes) that the canvas shows; None in 3D."""
    offset = dims.ndim - layer.ndim
    hidden = [axis - offset for axis in dims.not_displayed if axis >= offset]
    if len(hidden) != 1:
        return None
    where = layer.world_to_data(dims.point[offset:])
    return Plane(axis=hidden[0], index=round(float(where[hidden[0]])))


def smooth_layer(layer: Labels, sigma_mm: float, plane: Plane | None = None) -> Change:
    """Smooth the outline of what is labeled by a Gaussian of `sigma_mm`, in space or in `plane` alone."""
    return _apply(layer, lambda mask, spacing: smooth(mask, spacing, sigma_mm), plane)


def fill_layer(layer: Labels, plane: Plane | None = None) -> Change:
    """Fill what is enclosed by labeled voxels, in space or in `plane` alone."""
    return _apply(layer, lambda mask, _: fill_holes(mask, plane.axis if plane else None), plane)


def remove_layer_islands(layer: Labels, min_ml: float, plane: Plane | None = None) -> Change:
    """Remove connected pieces of less than `min_ml`, in space or in `plane` alone."""
    return _apply(layer, lambda mask, spacing: remove_islands(mask, spacing, min_ml), plane)


def interpolate_layer(layer: Labels, axis: int) -> Change:
    """Fill the empty slices across `axis` between drawn ones."""
    return _apply(layer, lambda mask, spacing: interpolate_slices(mask, spacing, axis), None)


def split_kidneys(layer: Labels, geometry: Geometry) -> Change:
    """Give the left kidney of a kidney layer on `geometry` a number and color of its own."""
    mask = np.asarray(layer.data) != 0
    box = foreground_box(mask)
    if box is None:
        return Change()
    return replace_labels(layer, side_numbers(mask, geometry)[box.slices], box)


def move_lesion(layers: Mapping[str, Labels], voxel: tuple[int, int, int]) -> Move | None:
    """Move the lesion at `voxel` (z, y, x) from tumor to cyst or back; None when there is none.

    Where a tumor lies on a cyst, the tumor is moved.
    """
    for source, target in LESIONS.items():
        found = component_at(np.asarray(layers[source].data) != 0, voxel)
        if found is not None:
            box, lesion = found
            for name, number in ((source, 0), (target, KITS[target].id)):
                before = np.asarray(layers[name].data[box.slices])
                replace_labels(layers[name], np.where(lesion, number, before).astype(before.dtype), box)
            return Move(source=source, target=target, voxels=int(np.count_nonzero(lesion)), voxel=voxel)
    return None


def _apply(layer: Labels, rule: Rule, plane: Plane | None) -> Change:
    """Replace what is labeled by what `rule` makes of it; no rule here reaches outside the box around it."""
    region = _region(layer, plane)
    mask = np.asarray(layer.data[region.slices]) != 0
    inside = foreground_box(mask)
    if inside is None:
        return Change()
    spacing = tuple(abs(float(step)) for step in layer.scale)
    start = tuple(a + b for a, b in zip(region.start, inside.start, strict=True))
    stop = tuple(a + b for a, b in zip(region.start, inside.stop, strict=True))
    result = rule(mask, spacing)[inside.slices]  # type: ignore[arg-type]
    return replace_mask(layer, result, Box(start=start, stop=stop), layer.selected_label or 1)  # type: ignore[arg-type]


def _region(layer: Labels, plane: Plane | None) -> Box:
    whole = Box.whole(layer.data.shape)
    if plane is None:
        return whole
    start, stop = list(whole.start), list(whole.stop)
    start[plane.axis], stop[plane.axis] = plane.index, plane.index + 1
    return Box(start=tuple(start), stop=tuple(stop))  # type: ignore[arg-type]
