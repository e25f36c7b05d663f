"""Moving the viewer to what there is to see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_kidney_seg.widgets.edit_tools import shown_plane

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels


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
