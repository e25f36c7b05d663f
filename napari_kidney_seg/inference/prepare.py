"""From a scan to what a network sees: canonical orientation, crop, intensity, working grid, padding."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import AxisMap, Box, Shape, Spacing
from napari_kidney_seg.core.method import Stage
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.imaging.cropping import crop_pad, padded_to
from napari_kidney_seg.imaging.intensity import Window
from napari_kidney_seg.imaging.resampling import resize

AIR = -1024.0  # HU
POINTWISE = (Window,)  # intensity steps that look at each voxel alone
SLAB = 32  # slices normalized and resized at once: keeps the float32 copy of a long scan out of memory


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedRegion:
    """A region of the scan as the network of a stage sees it.

    Attributes
    ----------
    box : Box
        The region on the scan's grid.
    array : float32, shape (z, y, x)
        Normalized, on the working grid, padded to at least the stage's window.
    inner : Box
        The region itself within `array`.
    spacing : (sz, sy, sx), mm
        Of the working grid.
    """

    box: Box
    array: NDArray[np.float32] = field(repr=False)
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
    padded = padded_to(working, stage.window)
    start = tuple(-first for first in padded.start)
    stop = tuple(first + n for first, n in zip(start, working, strict=True))
    return PreparedRegion(
        box=box,
        array=np.ascontiguousarray(crop_pad(resized, padded, stage.pad_value)),
        inner=Box(start=start, stop=stop),  # type: ignore[arg-type]
        spacing=region.resized(working).spacing,
    )


def _resized(volume: Volume, stage: Stage, box: Box, working: Shape) -> Generator[int, None, NDArray[np.float32]]:
    """Return the normalized region on the working grid: resized in-plane slab by slab, and then along z."""
    is_pointwise = all(isinstance(step, POINTWISE) for step in stage.intensity)
    in_plane = np.empty((box.shape[0], *working[1:]), np.float32)
    for slab in _slabs(box, SLAB if is_pointwise else box.shape[0]):
        slices = _relative(slab, box).slices[0]
        in_plane[slices] = resize(_normalized(volume, stage, slab), (slab.shape[0], *working[1:]))
        yield slices.stop
    return resize(in_plane, working)


def _slabs(box: Box, slices: int) -> Iterator[Box]:
    for first in range(box.start[0], box.stop[0], slices):
        last = min(first + slices, box.stop[0])
        yield Box(start=(first, *box.start[1:]), stop=(last, *box.stop[1:]))


def _normalized(volume: Volume, stage: Stage, box: Box) -> NDArray[np.float32]:
    """Return the voxels of `box` after the intensity steps, on the scan's grid, padded where the scan ends."""
    inside = box.grown((0, 0, 0), volume.geometry.shape)
    normalized = stage.normalize(_finite(volume.array[inside.slices]), volume.spacing)
    return crop_pad(normalized, _relative(box, inside), stage.pad_value)


def _relative(box: Box, to: Box) -> Box:
    start = tuple(a - origin for a, origin in zip(box.start, to.start, strict=True))
    stop = tuple(b - origin for b, origin in zip(box.stop, to.start, strict=True))
    return Box(start=start, stop=stop)  # type: ignore[arg-type]


def _finite(array: NDArray[Any]) -> NDArray[Any]:
    """Return `array` with air where it holds no number."""
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return array
    return np.where(np.isfinite(array), array, array.dtype.type(AIR))
