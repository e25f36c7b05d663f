"""From a scan to what a network sees: canonical orientation, crop, intensity, working grid, padding."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.events import result_of
from napari_kidney_seg.core.geometry import Box, Shape, Spacing
from napari_kidney_seg.core.intensity import NeighborhoodStep
from napari_kidney_seg.core.method import Stage
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.imaging.cropping import Crop, padded_to
from napari_kidney_seg.imaging.orientation import Reorient
from napari_kidney_seg.imaging.region_steps import region_steps
from napari_kidney_seg.imaging.steps import SpatialStack, SpatialStep, VoxelSource, slabs, whole
from napari_kidney_seg.inference.background import ahead

AIR = -1024.0  # HU
SLAB = 16  # slices that a thread normalizes and resizes at once: no float32 copy of a long scan is in memory


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedRegion:
    """A region of the scan as the network of a stage sees it.

    Attributes
    ----------
    box : Box
        The region on the scan's grid.
    array : float32, shape (I, z, y, x)
        Normalized CT and then the guides, on the working grid, padded to at least `window`.
    window : (z, y, x) voxels
        What the network sees at once.
    padding : Crop
        The last step to `array`; its inverse cuts the region out of what the network answers.
    spacing : (sz, sy, sx), mm
        Of the working grid.
    """

    box: Box
    array: NDArray[np.float32] = field(repr=False)
    window: Shape
    padding: Crop
    spacing: Spacing

    @property
    def inner(self) -> Box:
        """The region itself within `array`."""
        return self.padding.inverse().box


def canonical(volume: Volume) -> tuple[Volume, Reorient]:
    """Return `volume` in the canonical orientation, and the step that brings masks back to its own."""
    turn = Reorient.to_codes(volume.geometry)
    scan = Volume(array=whole(turn, volume.array), geometry=turn.geometry(volume.geometry), name=volume.name)
    return scan, turn.inverse()


def prepare(volume: Volume, stage: Stage, box: Box, guides: tuple[VoxelSource, ...] = ()) -> PreparedRegion:
    """Return the region `box` of a canonical `volume` as the network of `stage` sees it.

    Intensity steps run on the scan's own grid, before resizing; padding comes last, with the value that air becomes, so
    that neither invents tissue. A box may reach outside the scan.

    Parameters
    ----------
    volume : Volume
    stage : Stage
    box : Box
    guides : one source for each guide of the stage
        Probabilities (z, y, x) on the scan's grid.
    """
    return result_of(prepare_in_slabs(volume, stage, box, guides))


def prepare_in_slabs(
    volume: Volume, stage: Stage, box: Box, guides: tuple[VoxelSource, ...] = ()
) -> Generator[int, None, PreparedRegion]:
    """Do what `prepare` does; yield the slices done after each slab, so that a run can be cancelled in between."""
    working, shape = _working(volume, stage, box), volume.geometry.shape
    window = stage.window_for(working)
    steps = region_steps(shape, box, working, stage.pad_value)
    padding = Crop(before=working, box=padded_to(working, window), fill=stage.pad_value)
    channels = [(yield from _brought(SpatialStack((*steps.steps, padding)), partial(normalized, volume, stage)))]
    for guide in guides:
        there = SpatialStack((*region_steps(shape, box, working).steps, replace(padding, fill=0.0)))
        channels.append((yield from _brought(there, guide)))
    return PreparedRegion(
        box=box,
        array=np.stack(channels) if guides else channels[0][None],
        window=window,
        padding=padding,
        spacing=steps.geometry(volume.geometry).spacing,
    )


def planned_shapes(volume: Volume, stage: Stage, box: Box) -> tuple[Shape, Shape]:
    """Return the shape (z, y, x) of the region that `prepare` would make, and its window."""
    working = _working(volume, stage, box)
    window = stage.window_for(working)
    return padded_to(working, window).shape, window


def _working(volume: Volume, stage: Stage, box: Box) -> Shape:
    return stage.grid.shape_for(volume.geometry.cropped(box))


def _brought(stack: SpatialStack, source: VoxelSource) -> Generator[int, None, NDArray[np.float32]]:
    """Return the whole array after crop, resize in-plane, resize along z and padding, shape (z, y, x)."""
    crop, in_plane, *others = stack.steps
    slices = yield from _in_slabs(SpatialStack((crop, in_plane)), source)
    return np.ascontiguousarray(whole(SpatialStack(tuple(others)), slices))


def _in_slabs(step: SpatialStep, source: VoxelSource) -> Generator[int, None, NDArray[np.float32]]:
    """Return the whole array after a step that keeps slices apart, made a few slices at a time; yield those done."""
    result = np.empty(step.after, np.float32)

    def make(slab: Box) -> int:
        result[slab.slices] = step.part(source, slab)
        return slab.stop[0]

    yield from ahead(make, slabs(Box.whole(step.after), SLAB))
    return result


def normalized(volume: Volume, stage: Stage, box: Box) -> NDArray[np.float32]:
    """Return the voxels of `box`, which lies in the scan, after the intensity steps, on the scan's grid.

    The steps see as much around the box as they look at, so that a crop is what the same crop of the whole scan is.
    """
    seen = box.grown(_reach(stage, volume.spacing), volume.geometry.shape)
    return stage.normalize(finite(volume.array[seen.slices]), volume.spacing)[box.seen_from(seen.start).slices]


def _reach(stage: Stage, spacing: Spacing) -> tuple[int, int, int]:
    """Return how many voxels (z, y, x) around one the intensity steps look at."""
    reach_mm = sum(step.reach_mm for step in stage.intensity if isinstance(step, NeighborhoodStep))
    return tuple(math.ceil(reach_mm / step) for step in spacing)  # type: ignore[return-value]


def finite(array: NDArray[Any]) -> NDArray[Any]:
    """Return `array` with air where it holds no number."""
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return array
    return np.where(np.isfinite(array), array, array.dtype.type(AIR))
