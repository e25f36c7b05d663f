"""From a scan to what a network sees: canonical orientation, crop, intensity, working grid, padding."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import AxisMap, Box, Shape, Spacing
from napari_kidney_seg.core.intensity import NeighborhoodStep
from napari_kidney_seg.core.method import Stage
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.imaging.cropping import crop_pad, padded_to
from napari_kidney_seg.imaging.resampling import resize

AIR = -1024.0  # HU
SLAB = 32  # slices normalized and resized at once: keeps the float32 copy of a long scan out of memory


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedRegion:
    """A region of the scan as the network of a stage sees it.

    Attributes
    ----------
    box : Box
        The region on the scan's grid.
    array : float32, shape (z, y, x)
        Normalized, on the working grid, padded to at least `window`.
    window : (z, y, x) voxels
        What the network sees at once.
    inner : Box
        The region itself within `array`.
    spacing : (sz, sy, sx), mm
        Of the working grid.
    """

    box: Box
    array: NDArray[np.float32] = field(repr=False)
    window: Shape
    inner: Box
    spacing: Spacing


def canonical(volume: Volume) -> tuple[Volume, AxisMap]:
    """Return `volume` in the canonical orientation, and the map that brings masks back to its own."""
    axis_map = volume.geometry.axis_map_to()
    scan = Volume(array=axis_map.apply(volume.array), geometry=volume.geometry.mapped(axis_map), name=volume.name)
    return scan, axis_map.inverse()


def prepare(volume: Volume, stage: Stage, box: Box) -> PreparedRegion:
    """Return the region `box` of a canonical `volume` as the network of `stage` sees it.

    Intensity steps run on the scan's own grid, before resizing; padding comes last, with the value that air becomes, so
    that neither invents tissue. A box may reach outside the scan.
    """
    steps = prepare_in_slabs(volume, stage, box)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            region: PreparedRegion = finished.value
            return region


def prepare_in_slabs(volume: Volume, stage: Stage, box: Box) -> Generator[int, None, PreparedRegion]:
    """Do what `prepare` does; yield the slices done after each slab, so that a run can be cancelled in between."""
    region = volume.geometry.cropped(box)
    working = stage.grid.shape_for(region)
    resized = yield from _resized(volume, stage, box, working)
    window = stage.window_for(working)
    padded = padded_to(working, window)
    start = tuple(-first for first in padded.start)
    stop = tuple(first + n for first, n in zip(start, working, strict=True))
    return PreparedRegion(
        box=box,
        array=np.ascontiguousarray(crop_pad(resized, padded, stage.pad_value)),
        window=window,
        inner=Box(start=start, stop=stop),  # type: ignore[arg-type]
        spacing=region.resized(working).spacing,
    )


def _resized(volume: Volume, stage: Stage, box: Box, working: Shape) -> Generator[int, None, NDArray[np.float32]]:
    """Return the normalized region on the working grid: resized in-plane slab by slab, and then along z."""
    in_plane = np.empty((box.shape[0], *working[1:]), np.float32)
    for slab in slabs(box):
        slices = slab.seen_from(box.start).slices[0]
        in_plane[slices] = resize(normalized(volume, stage, slab), (slab.shape[0], *working[1:]))
        yield slices.stop
    return resize(in_plane, working)


def slabs(box: Box) -> Iterator[Box]:
    """Yield the parts of `box`, a few slices each, from its first slice on."""
    for first in range(box.start[0], box.stop[0], SLAB):
        last = min(first + SLAB, box.stop[0])
        yield Box(start=(first, *box.start[1:]), stop=(last, *box.stop[1:]))


def normalized(volume: Volume, stage: Stage, box: Box) -> NDArray[np.float32]:
    """Return the voxels of `box` after the intensity steps, on the scan's grid, padded where the scan ends.

    The steps see as much around the box as they look at, so that a crop is what the same crop of the whole scan is.
    """
    inside = box.clipped(Box.whole(volume.geometry.shape))
    seen = inside.grown(_reach(stage, volume.spacing), volume.geometry.shape)
    result = stage.normalize(finite(volume.array[seen.slices]), volume.spacing)[inside.seen_from(seen.start).slices]
    return crop_pad(result, box.seen_from(inside.start), stage.pad_value)


def _reach(stage: Stage, spacing: Spacing) -> tuple[int, int, int]:
    """Return how many voxels (z, y, x) around one the intensity steps look at."""
    reach_mm = sum(step.reach_mm for step in stage.intensity if isinstance(step, NeighborhoodStep))
    return tuple(math.ceil(reach_mm / step) for step in spacing)  # type: ignore[return-value]


def finite(array: NDArray[Any]) -> NDArray[Any]:
    """Return `array` with air where it holds no number."""
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return array
    return np.where(np.isfinite(array), array, array.dtype.type(AIR))
