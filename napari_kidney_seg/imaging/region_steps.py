"""The way from a scan's grid to the grid that a network works on, and back by its inverse."""

from __future__ import annotations

from napari_kidney_seg.core.geometry import Box, Shape
from napari_kidney_seg.imaging.cropping import Crop
from napari_kidney_seg.imaging.resampling import Resize
from napari_kidney_seg.imaging.steps import SpatialStack


def region_steps(scan: Shape, box: Box, working: Shape, fill: float = 0.0) -> SpatialStack:
    """Return the steps from a scan to the working grid of one of its regions: crop, resize in-plane, resize along z.

    In-plane comes first on the way there, and so last on the way back: slices on the scan's grid, which are the many
    and large ones, are then worked on a few at a time.

    Parameters
    ----------
    scan : (Z, Y, X)
        Voxels of the scan.
    box : Box
        The region on the scan's grid; may reach outside.
    working : (z, y, x)
        Voxels of the working grid, which divides the box evenly.
    fill : float
        Value outside the scan.
    """
    in_plane = (box.shape[0], *working[1:])
    return SpatialStack(
        (
            Crop(before=scan, box=box, fill=fill),
            Resize(before=box.shape, after=in_plane),
            Resize(before=in_plane, after=working),
        )
    )
