"""Drawing a voxel of a class, and the window around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Box, Geometry, Shape
from napari_kidney_seg.core.method import Stage

Voxel = tuple[int, int, int]
IsWanted = Callable[[NDArray[np.uint8]], NDArray[np.bool_]]


def random_voxel(labels: NDArray[np.uint8], is_wanted: IsWanted, rng: np.random.Generator) -> Voxel | None:
    """Return one of the wanted voxels of `labels` (Z, Y, X), each equally likely; None when there is none.

    Looks at one slice at a time: a list of all voxels of a class would not fit into memory for a scan at 1 mm.
    """
    counts = np.array([np.count_nonzero(is_wanted(part)) for part in labels])
    if not counts.sum():
        return None
    z = int(rng.choice(len(counts), p=counts / counts.sum()))
    y, x = np.unravel_index(rng.choice(np.flatnonzero(is_wanted(labels[z]))), labels.shape[1:])
    return z, int(y), int(x)


def window_shape(stage: Stage, geometry: Geometry) -> Shape:
    """Return the voxels of the scan's grid `geometry` that one window of `stage` covers."""
    working = stage.grid.shape_for(geometry)
    sizes: Any = zip(stage.window, geometry.shape, working, strict=True)
    return tuple(max(1, round(n * stored / new)) for n, stored, new in sizes)


def box_around(center: Voxel, shape: Shape, within: Box) -> Box:
    """Return the box of `shape` around `center`, shifted to lie in `within`; centered on it where it is larger."""
    start = []
    for middle, size, low, high in zip(center, shape, within.start, within.stop, strict=True):
        spare = high - low - size
        start.append(min(max(middle - size // 2, low), high - size) if spare >= 0 else low + spare // 2)
    return Box(start=tuple(start), stop=tuple(a + n for a, n in zip(start, shape, strict=True)))  # type: ignore[arg-type]
