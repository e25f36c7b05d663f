"""Moving the viewer to what there is to see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Labels


def show_labels(viewer: ViewerModel, layer: Labels) -> None:
    """Go to the slice with the most of `layer` where the slice shown has none of it; leave a 3D view alone."""
    sliders = viewer.dims.not_displayed
    if len(sliders) != 1:
        return
    axis = sliders[0] - (viewer.dims.ndim - layer.ndim)
    areas = np.count_nonzero(layer.data, axis=tuple(other for other in range(layer.ndim) if other != axis))
    shown = round(float(layer.world_to_data(viewer.dims.point[-layer.ndim :])[axis]))
    is_seen = 0 <= shown < len(areas) and areas[shown] > 0
    if areas.any() and not is_seen:
        voxel = np.zeros(layer.ndim)
        voxel[axis] = np.argmax(areas)
        viewer.dims.set_point(sliders[0], float(layer.data_to_world(voxel)[axis]))
