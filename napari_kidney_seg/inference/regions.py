"""Where in the scan a stage looks: rules that turn earlier outputs into boxes on the scan's grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.geometry import Box, Geometry, Shape, Spacing
from napari_kidney_seg.core.grid import WorkingGrid, is_same_spacing
from napari_kidney_seg.core.method import RegionOutput, StageOutput
from napari_kidney_seg.imaging.components import components

BACKGROUND = "background"


@dataclass(frozen=True, kw_only=True)
class WholeScan:
    """The whole scan, for stages that locate the kidneys."""

    sources: tuple[str, ...] = ()

    def boxes(self, outputs: Mapping[str, StageOutput], geometry: Geometry) -> tuple[Box, ...]:
        """Return one box: all of `geometry`."""
        return (Box.whole(geometry.shape),)


@dataclass(frozen=True, kw_only=True)
class AroundForeground:
    """One box around everything the sources call foreground.

    Attributes
    ----------
    sources : names of stages
        The first that has an output locates; of the others only what a person gave is added. (A predicted outline may
        hold stray voxels at the edge of its own region, around which every later region would grow.)
    margin_mm : float
        Added on both sides of each axis, cut to the scan.
    grid : WorkingGrid or None
        The stage's own grid, needed for `max_spacing_mm`.
    max_spacing_mm : float or None
        Where the box, brought to `grid`, would get in-plane voxels larger than this, each component gets a box of its
        own (at most `max_boxes`): a pelvic kidney makes the common box very tall or wide. None never splits.
    """

    sources: tuple[str, ...] = ("coarse",)
    margin_mm: float = 20.0
    grid: WorkingGrid | None = None
    max_spacing_mm: float | None = None
    max_boxes: int = 2

    def boxes(self, outputs: Mapping[str, StageOutput], geometry: Geometry) -> tuple[Box, ...]:
        """Return the box on the scan's grid `geometry`, two where one would be too coarse, none without foreground."""
        found = _component_boxes(outputs, self.sources)
        if not found:
            return ()
        united = _with_margin(reduce(Box.union, found), self.margin_mm, geometry)
        if not self._is_too_coarse(united, geometry):
            return (united,)
        apart = _apart(found)[: self.max_boxes]
        return tuple(_with_margin(box, self.margin_mm, geometry) for box in apart)

    def _is_too_coarse(self, box: Box, geometry: Geometry) -> bool:
        if self.grid is None or self.max_spacing_mm is None:
            return False
        region = geometry.cropped(box)
        spacing = region.resized(self.grid.shape_for(region)).spacing
        return max(spacing[1:]) > self.max_spacing_mm


@dataclass(frozen=True, kw_only=True)
class AroundEachComponent:
    """A box around each component of the foreground, the largest first.

    Attributes
    ----------
    sources : names of stages
        As in `AroundForeground`.
    margin_mm : float
        Added on both sides of each axis, cut to the scan.
    count : int
        Components at most.
    max_width_mm : float or None
        A wider box, from left to right, holds more than one kidney (a horseshoe kidney, or two that the sources
        joined) and is halved, the margin on both sides of the cut. None never halves.
    """

    sources: tuple[str, ...] = ("coarse",)
    margin_mm: float = 20.0
    count: int = 2
    max_width_mm: float | None = 200.0

    def boxes(self, outputs: Mapping[str, StageOutput], geometry: Geometry) -> tuple[Box, ...]:
        """Return the boxes on the scan's grid `geometry`; none without foreground."""
        found = _apart(_component_boxes(outputs, self.sources))[: self.count]
        grown = (_with_margin(box, self.margin_mm, geometry) for box in found)
        return tuple(chain.from_iterable(self._halves(box, geometry.spacing[2]) for box in grown))

    def _halves(self, box: Box, voxel_mm: float) -> tuple[Box, ...]:
        """Return `box`, or its left and right half where it is too wide."""
        (*start, first), (*stop, last) = box.start, box.stop
        if self.max_width_mm is None or (last - first) * voxel_mm <= self.max_width_mm:
            return (box,)
        middle, margin = (first + last) // 2, int(np.ceil(self.margin_mm / voxel_mm))
        columns = ((first, min(middle + margin, last)), (max(first, middle - margin), last))
        return tuple(Box(start=(*start, a), stop=(*stop, b)) for a, b in columns)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class SizedAroundEachComponent:
    """A box of a standard size around the center of each of the largest components, shifted to lie inside the scan.

    Attributes
    ----------
    sources : names of stages
        As in `AroundForeground`.
    spacing : (sz, sy, sx), mm
        Of the working grid, whose voxels the sizes count.
    sizes : voxels
        In-plane edge of the square box: the first that holds the component, else the next multiple of `multiple`.
    multiple : voxels
        The box has the smallest multiple of it that exceeds the component's slices.
    count : int
        Boxes at most.

    References
    ----------
    .. [1] Wang et al., "BiSC-UNet", KiTS19, section 3.2.
    """

    sources: tuple[str, ...]
    spacing: Spacing
    sizes: tuple[int, ...]
    multiple: int = 16
    count: int = 2

    def boxes(self, outputs: Mapping[str, StageOutput], geometry: Geometry) -> tuple[Box, ...]:
        """Return the boxes on the scan's grid `geometry`, the largest component first; none without foreground."""
        found = _component_boxes(outputs, self.sources)[: self.count]
        return tuple(self.around(box, geometry) for box in found)

    def around(self, component: Box, geometry: Geometry) -> Box:
        """Return the box on the scan's grid `geometry` for a component with the tight box `component`."""
        factors = [
            1.0 if is_same_spacing(mine, wanted) else mine / wanted
            for mine, wanted in zip(geometry.spacing, self.spacing, strict=True)
        ]
        wanted = self.size_for(tuple(n * f for n, f in zip(component.shape, factors, strict=True)))  # type: ignore[arg-type]
        # Rounded down: the working grid then has at most the wanted voxels, and is padded to exactly them.
        shape = tuple(min(n, int(w / f + 1e-6)) for n, w, f in zip(geometry.shape, wanted, factors, strict=True))
        return _centered(component, shape, geometry.shape)  # type: ignore[arg-type]

    def size_for(self, extent: tuple[float, float, float]) -> Shape:
        """Return the (z, y, x) voxels of the box for a component of `extent` (z, y, x) voxels of the working grid."""
        depth, width = extent[0], max(extent[1:])
        edge = next((size for size in self.sizes if width <= size), _next_multiple(width, self.multiple))
        slices = (int(depth) // self.multiple + 1) * self.multiple
        return (slices, edge, edge)


def foreground(region: RegionOutput, classes: tuple[str, ...]) -> NDArray[np.bool_]:
    """Return where a stage saw anything but background, shape (z, y, x) on the working grid.

    With a background channel (softmax) that is where another class is more probable; without one (sigmoid) where any
    channel exceeds 0.5.
    """
    if classes[0] == BACKGROUND:
        return np.asarray(region.probabilities[0] < region.probabilities[1:].max(axis=0))
    return np.asarray(region.probabilities.max(axis=0) > 0.5)


def to_scan(part: Box, working: Shape, box: Box) -> Box:
    """Return the voxels of the scan that `part` of a region touches.

    Parameters
    ----------
    part : Box
        In voxels of the working grid.
    working : (z, y, x)
        Voxels of the working grid, which divides `box` evenly.
    box : Box
        The region on the scan's grid.
    """
    scale = [n / w for n, w in zip(box.shape, working, strict=True)]
    # The rounding keeps a product such as 3 * (1 / 3) from reaching into the next voxel.
    start = (a + int(np.floor(round(p * s, 6))) for a, p, s in zip(box.start, part.start, scale, strict=True))
    stop = (a + int(np.ceil(round(p * s, 6))) for a, p, s in zip(box.start, part.stop, scale, strict=True))
    return Box(start=tuple(start), stop=tuple(stop))  # type: ignore[arg-type]


def _component_boxes(outputs: Mapping[str, StageOutput], sources: tuple[str, ...]) -> list[Box]:
    """Return the boxes of all foreground components of the sources on the scan's grid, the largest component first."""
    present = [outputs[name] for name in sources if name in outputs]
    if not present:
        raise KidneySegError(
            f"A region looks around {', '.join(map(repr, sources))}; found outputs of {sorted(outputs)!r}. "
            "Name one of the sources in the `requires` of the stage."
        )
    used = [present[0], *(output for output in present[1:] if output.given)]
    sized = chain.from_iterable(_sized_boxes(region, output.classes) for output in used for region in output.regions)
    return [box for _, box in sorted(sized, key=lambda pair: -pair[0])]


def _sized_boxes(region: RegionOutput, classes: tuple[str, ...]) -> list[tuple[float, Box]]:
    """Return (voxels of the scan, box on the scan's grid) of each foreground component of a region."""
    working = region.probabilities.shape[1:]
    voxels = np.prod(region.box.shape) / np.prod(working)
    found = components(foreground(region, classes))
    return [(float(one.voxels * voxels), to_scan(one.box, working, region.box)) for one in found]


def _apart(boxes: list[Box]) -> list[Box]:
    """Return `boxes` with those that overlap an earlier one united with it: one kidney seen by two sources is one."""
    result: list[Box] = []
    for box in boxes:
        touching = [other for other in result if _overlaps(box, other)]
        merged = reduce(Box.union, touching, box)
        first = result.index(touching[0]) if touching else len(result)
        result = [other for other in result if other not in touching]
        result.insert(first, merged)
    return result


def _overlaps(one: Box, other: Box) -> bool:
    return all(a < d and c < b for a, b, c, d in zip(one.start, one.stop, other.start, other.stop, strict=True))


def _next_multiple(size: float, of: int) -> int:
    return int(np.ceil(size / of)) * of


def _centered(inner: Box, shape: Shape, within: Shape) -> Box:
    """Return the box of `shape` around the center of `inner`, shifted into an array of shape `within`."""
    starts = ((a + b - n) // 2 for a, b, n in zip(inner.start, inner.stop, shape, strict=True))
    start = tuple(min(max(0, first), whole - n) for first, n, whole in zip(starts, shape, within, strict=True))
    return Box(start=start, stop=tuple(a + n for a, n in zip(start, shape, strict=True)))  # type: ignore[arg-type]


def _with_margin(box: Box, margin_mm: float, geometry: Geometry) -> Box:
    voxels = tuple(int(np.ceil(margin_mm / step)) for step in geometry.spacing)
    return box.grown(voxels, geometry.shape)  # type: ignore[arg-type]
