"""Connected components of a mask, 26-connected: which to keep, and how large they are.

Reference labels hold hundreds of stray fragments around a mass but only two foreground components, so every rule here
is meant for the foreground as a whole (kidney with its masses), never for one lesion class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import cc3d
import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Box, Spacing
from napari_kidney_seg.imaging.cropping import foreground_box

CONNECTIVITY: Final = 26
_Choice = Callable[[NDArray[np.int64]], NDArray[np.intp]]  # component sizes -> indices of those to keep


@dataclass(frozen=True, kw_only=True)
class Component:
    """One connected component: its size and the smallest box that holds it."""

    voxels: int
    box: Box


@dataclass(frozen=True, kw_only=True)
class KeepLargest:
    """Keeps the `count` largest components, and of those only the ones of at least `min_ml` ml."""

    count: int = 2
    min_ml: float = 0.0

    def __call__(self, mask: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.bool_]:
        """Return `mask` (Z, Y, X) with the components kept; `spacing` in mm."""
        return largest_components(mask, self.count, min_ml=self.min_ml, spacing=spacing)


@dataclass(frozen=True, kw_only=True)
class KeepLargerThan:
    """Keeps the components of more than `voxels` voxels."""

    voxels: int

    def __call__(self, mask: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.bool_]:
        """Return `mask` (Z, Y, X) with the components kept; `spacing` in mm."""
        return remove_small(mask, more_than_voxels=self.voxels)


@dataclass(frozen=True, kw_only=True)
class KeepLargerThanMl:
    """Keeps the components of more than `ml` milliliters, whatever the grid."""

    ml: float

    def __call__(self, mask: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.bool_]:
        """Return `mask` (Z, Y, X) with the components kept; `spacing` in mm."""
        return remove_small(mask, more_than_voxels=self.ml / voxel_ml(spacing))


@dataclass(frozen=True, kw_only=True)
class KeepLargerByGrid:
    """Keeps the components of more than `voxels` voxels where these are within `usual_ml`, else of more than `ml`.

    A rule in voxels means very different volumes on grids far from those it was made for.
    """

    voxels: int
    ml: float
    usual_ml: tuple[float, float]

    def __call__(self, mask: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.bool_]:
        """Return `mask` (Z, Y, X) with the components kept; `spacing` in mm."""
        return self.rule(spacing)(mask, spacing)

    def rule(self, spacing: Spacing) -> KeepLargerThan | KeepLargerThanMl:
        """Return the rule that holds on a grid of `spacing` (sz, sy, sx) mm."""
        low, high = self.usual_ml
        is_usual = low <= self.voxels * voxel_ml(spacing) <= high
        return KeepLargerThan(voxels=self.voxels) if is_usual else KeepLargerThanMl(ml=self.ml)


def voxel_ml(spacing: Spacing) -> float:
    """Return the volume of a voxel of `spacing` (sz, sy, sx) mm, ml."""
    return float(np.prod(spacing)) / 1000


def largest_components(
    mask: NDArray[np.bool_], k: int, *, min_ml: float = 0.0, spacing: Spacing = (1.0, 1.0, 1.0)
) -> NDArray[np.bool_]:
    """Return `mask` (Z, Y, X) with its `k` largest components of at least `min_ml`; `spacing` in mm.

    Of components equal in size the one met first in array order is kept.
    """

    def chosen(sizes: NDArray[np.int64]) -> NDArray[np.intp]:
        order = np.argsort(-sizes, kind="stable")[:k]
        # The tolerance lets a component of exactly `min_ml` pass whatever the rounding of the product.
        return order[sizes[order] * voxel_ml(spacing) >= min_ml * (1 - 1e-9)]

    return _keep(mask, chosen)


def remove_small(mask: NDArray[np.bool_], *, more_than_voxels: float) -> NDArray[np.bool_]:
    """Return `mask` (Z, Y, X) with only its components of more than `more_than_voxels` voxels."""
    return _keep(mask, lambda sizes: np.flatnonzero(sizes > more_than_voxels))


def touching(mask: NDArray[np.bool_], seeds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the components of `mask` (Z, Y, X) that hold a voxel of `seeds`."""
    box = foreground_box(mask)
    if box is None:
        return np.zeros(mask.shape, bool)
    inside = mask[box.slices]
    labels, sizes = _label(inside)
    is_kept = np.zeros(len(sizes) + 1, bool)
    is_kept[labels[seeds[box.slices] & inside]] = True
    return _in_place(mask.shape, box.slices, is_kept[labels])


def components(mask: NDArray[np.bool_]) -> list[Component]:
    """Return the components of `mask` (Z, Y, X), largest first."""
    box = foreground_box(mask)
    if box is None:
        return []
    statistics = cc3d.statistics(_label(mask[box.slices])[0])
    sizes, slices = statistics["voxel_counts"][1:], statistics["bounding_boxes"][1:]
    order = np.argsort(-sizes.astype(np.int64), kind="stable")
    return [Component(voxels=int(sizes[i]), box=_box_of(slices[i]).moved_by(box.start)) for i in order]


def numbered(mask: NDArray[np.bool_]) -> NDArray[np.unsignedinteger[Any]]:
    """Return the component number 1..n of each voxel of `mask` (Z, Y, X), 0 outside it.

    cc3d 4.1.1 reserves one number too few for voxels that alternate in a single row, and raises.
    """
    row = np.ravel(mask)
    if max(mask.shape, default=0) == row.size:
        starts = row & ~np.concatenate(([False], row[:-1]))
        return np.where(row, np.cumsum(starts), 0).astype(np.uint32).reshape(mask.shape)
    result: NDArray[np.unsignedinteger[Any]] = cc3d.connected_components(
        np.ascontiguousarray(mask), connectivity=CONNECTIVITY
    )
    return result


def _label(mask: NDArray[np.bool_]) -> tuple[NDArray[np.unsignedinteger[Any]], NDArray[np.int64]]:
    """Return component numbers 1..n for `mask`, and the n sizes in voxels."""
    labels = numbered(mask)
    return labels, np.bincount(labels.ravel())[1:].astype(np.int64)


def _keep(mask: NDArray[np.bool_], chosen: _Choice) -> NDArray[np.bool_]:
    # Labeling only the box around the foreground saves most of the time and memory on a whole scan.
    box = foreground_box(mask)
    if box is None:
        return np.zeros(mask.shape, bool)
    labels, sizes = _label(mask[box.slices])
    is_kept = np.zeros(len(sizes) + 1, bool)
    is_kept[chosen(sizes) + 1] = True
    return _in_place(mask.shape, box.slices, is_kept[labels])


def _in_place(shape: tuple[int, ...], where: tuple[slice, ...], inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    result = np.zeros(shape, bool)
    result[where] = inside
    return result


def _box_of(slices: tuple[slice, slice, slice]) -> Box:
    start, stop = (tuple(int(one) for one in ends) for ends in zip(*((s.start, s.stop) for s in slices), strict=True))
    return Box(start=start, stop=stop)  # type: ignore[arg-type]
