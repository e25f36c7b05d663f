"""Moving the viewer to what there is to see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.widgets.edit_tools import shown_plane
from napari_kidney_seg.widgets.layers import class_layers, is_ct, label_layers

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image, Labels


def show_labels(viewer: ViewerModel, layer: Labels) -> None:
    """Go to the slice with the most of `layer` where the slice shown has none of it; leave a 3D view alone."""
    plane = shown_plane(viewer.dims, layer)
    if plane is None:
        return
    is_inside = 0 <= plane.index < layer.data.shape[plane.axis]
    if not is_inside or not layer.data.take(plane.index, axis=plane.axis).any():
        show_most(viewer, layer)


def show_most(viewer: ViewerModel, layer: Labels) -> None:
    """Go to the slice with the most of `layer`, across the axis looked along; leave a 3D view alone."""
    plane = shown_plane(viewer.dims, layer)
    if plane is None:
        return
    areas = np.count_nonzero(layer.data, axis=tuple(axis for axis in range(layer.ndim) if axis != plane.axis))
    if areas.any():
        voxel = np.zeros(layer.ndim)
        voxel[plane.axis] = np.argmax(areas)
        place = float(layer.data_to_world(voxel)[plane.axis])
        viewer.dims.set_point(plane.axis + viewer.dims.ndim - layer.ndim, place)


def show_scan(viewer: ViewerModel, scan: Image) -> None:
    """Show `scan` with its mask in place of other scans, and go to its middle where the view is beside it.

    Another patient's picture on the canvas would be taken for that of the scan whose volumes are told.
    """
    for other in [layer for layer in viewer.layers if is_ct(layer) and layer is not scan]:
        for layer in (other, *label_layers(viewer.layers, other)):
            layer.visible = False
    mask = class_layers(viewer.layers, scan)
    for layer in (scan, *mask.values()):
        layer.visible = True
    if _is_beside(viewer, scan):
        middle = np.mean(scan.extent.world, axis=0)
        for axis, place in enumerate(middle):
            viewer.dims.set_point(axis + viewer.dims.ndim - scan.ndim, float(place))
        camera, shown = _camera(viewer), [axis - viewer.dims.ndim for axis in viewer.dims.displayed]
        camera.center = (*camera.center[: -len(shown)], *(float(middle[axis]) for axis in shown))
        if KITS.organ in mask:
            show_labels(viewer, mask[KITS.organ])


def _camera(viewer: ViewerModel) -> Any:
    return viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera  # napari 0.9, and before


def _is_beside(viewer: ViewerModel, scan: Image) -> bool:
    """Return whether the slice lies outside `scan`, or the middle of the canvas outside the middle half of it."""
    low, high = scan.extent.world
    looked_at, shown = np.array(viewer.dims.point, float), list(viewer.dims.displayed)
    looked_at[shown] = _camera(viewer).center[-len(shown) :]
    allowed = (high - low) / 2
    allowed[[axis - viewer.dims.ndim for axis in shown]] /= 2
    return bool((np.abs(looked_at[-scan.ndim :] - (low + high) / 2) > allowed).any())
