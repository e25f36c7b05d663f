"""The one mechanism by which arrays go to a network's grid and come back.

A step (`orientation.Reorient`, `cropping.Crop`, `resampling.Resize`) says what a box of its grid holds, given what the
grid before it holds. So a few slices can be brought there or back without the rest, and a whole is but the box of all.
The way back is a step too: ``step.inverse()``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Box, Geometry, Shape

VoxelSource = Callable[[Box], NDArray[Any]]  # voxels (..., z, y, x) of a box of a grid


class SpatialStep(Protocol):
    """A spatial operation on images and probabilities that knows its inverse."""

    @property
    def after(self) -> Shape:
        """Voxels per axis of the grid after the step."""

    def geometry(self, before: Geometry) -> Geometry:
        """Return the geometry after the step."""

    def part(self, source: VoxelSource, box: Box) -> NDArray[Any]:
        """Return the voxels of `box` after the step; `source` gives those before it."""

    def inverse(self) -> SpatialStep:
        """Return the step back."""


@dataclass(frozen=True)
class SpatialStack:
    """Steps in order of application, itself a step; its inverse undoes them in reverse."""

    steps: tuple[SpatialStep, ...]

    @property
    def after(self) -> Shape:
        """Voxels per axis of the grid after the last step."""
        return self.steps[-1].after

    def geometry(self, before: Geometry) -> Geometry:
        """Return the geometry after the last step."""
        for step in self.steps:
            before = step.geometry(before)
        return before

    def part(self, source: VoxelSource, box: Box) -> NDArray[Any]:
        """Return the voxels of `box` after the last step; `source` gives those before the first."""
        for step in self.steps:
            source = partial(step.part, source)
        return source(box)

    def inverse(self) -> SpatialStack:
        """Return the steps back."""
        return SpatialStack(tuple(step.inverse() for step in reversed(self.steps)))


def whole(step: SpatialStep, array: NDArray[Any]) -> NDArray[Any]:
    """Return `array` (..., Z, Y, X) after `step`."""
    return step.part(voxels_of(array), Box.whole(step.after))


def voxels_of(array: NDArray[Any]) -> VoxelSource:
    """Return the source that gives the voxels of `array` (..., Z, Y, X), as views."""

    def within(box: Box) -> NDArray[Any]:
        return array[(..., *box.slices)]

    return within


def slabs(box: Box, slices: int) -> Iterator[Box]:
    """Yield the parts of `box`, `slices` slices each, from its first slice on."""
    for first in range(box.start[0], box.stop[0], slices):
        last = min(first + slices, box.stop[0])
        yield Box(start=(first, *box.start[1:]), stop=(last, *box.stop[1:]))
