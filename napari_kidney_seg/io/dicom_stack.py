"""Put slices in order along their normal and find out what is wrong with the order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.errors import UnreadableImageError
from napari_kidney_seg.io.dicom_headers import Slice

SAME_POSITION_MM = 0.01
IRREGULAR = 0.15  # of the slice distance; scanners round positions, and breathing-triggered tables vary a little
MAX_MISSING = 0.1  # share of the slices that may be interpolated before the scan counts as incomplete
STRAIGHT_MM = 1.0  # how far slices may lie off the line through the first and the last


@dataclass(frozen=True, kw_only=True, eq=False)
class Stack:
    """Slices on an even grid.

    Attributes
    ----------
    slices : tuple of Slice
        Along their normal, each position once.
    index : one int per slice
        Its place on the grid, from 0; numbers left out are missing slices.
    step : world LPS vector from one grid place to the next, mm
    notes : tuple of str
    """

    slices: tuple[Slice, ...]
    index: tuple[int, ...]
    step: NDArray[np.float64] = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def affine(self) -> NDArray[np.float64]:
        """Matrix from index (column, row, slice, 1) to world LPS mm."""
        first = self.slices[0]
        affine = np.eye(4)
        affine[:3, 0] = np.array(first.directions[:3]) * first.spacing[1]
        affine[:3, 1] = np.array(first.directions[3:]) * first.spacing[0]
        affine[:3, 2] = self.step
        affine[:3, 3] = first.position
        return affine


def stacked(slices: Sequence[Slice], name: str) -> Stack:
    """Return the slices of one series as an even stack.

    Slices of another orientation or size (localizers), without a position, or at a position that is taken are left out;
    a few missing ones leave their place empty. Each of these is noted.

    Parameters
    ----------
    slices : of one series, in any order
    name : of the series, for messages

    Raises
    ------
    UnreadableImageError
        When fewer than two slices remain, or they do not lie evenly on a straight line.
    """
    alike, notes = _alike(slices, name)
    kept, twice = _once_each(alike)
    if len(kept) < 2:
        raise UnreadableImageError(
            f"The series {name!r} has {len(kept)} slice; needed at least 2 at different positions. "
            "Open the folder that holds the whole series."
        )
    index, uneven = _grid_index(kept, name)
    positions = np.array([one.position for one in kept])
    step = (positions[-1] - positions[0]) / index[-1]
    _check_straight(positions, index, step, name)
    return Stack(slices=kept, index=index, step=step, notes=notes + twice + uneven)


def _alike(slices: Sequence[Slice], name: str) -> tuple[list[Slice], tuple[str, ...]]:
    """Return the largest group of slices of one orientation, size and spacing."""
    placed = [one for one in slices if one.is_placed]
    if not placed:
        raise UnreadableImageError(
            f"No slice of {name!r} says where it lies (position, orientation, pixel spacing). "
            "Export the series again as original axial images, not as screenshots."
        )
    (largest, _), *_ = Counter(map(_grid_key, placed)).most_common(1)
    alike = [one for one in placed if _grid_key(one) == largest]
    if len(alike) == len(slices):
        return alike, ()
    return alike, (
        f"{len(slices) - len(alike)} of {len(slices)} images of the series have another orientation or size "
        "(localizers, for example) and were left out.",
    )


def _grid_key(one: Slice) -> tuple[object, ...]:
    return (one.shape, tuple(np.round(one.directions, 2) + 0.0), tuple(np.round(one.spacing, 3)))


def _heights(slices: Sequence[Slice]) -> NDArray[np.float64]:
    """Return how far along the normal each slice lies, mm."""
    return np.array([one.position for one in slices]) @ slices[0].normal


def _once_each(slices: list[Slice]) -> tuple[tuple[Slice, ...], tuple[str, ...]]:
    """Return the slices along their normal, the first acquired at each position."""
    heights = np.round(_heights(slices) / SAME_POSITION_MM).astype(np.int64)
    first: dict[int, Slice] = {}
    for number in sorted(range(len(slices)), key=lambda i: (heights[i], slices[i].order, str(slices[i].path))):
        first.setdefault(int(heights[number]), slices[number])
    if len(first) == len(slices):
        return tuple(first.values()), ()
    return tuple(first.values()), (
        f"{len(slices) - len(first)} slices lie where another one does (copies, or two phases in one series); "
        "the first acquired of each position was read.",
    )


def _grid_index(slices: tuple[Slice, ...], name: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return each slice's place on an even grid, and a note on places that stay empty."""
    heights = _heights(slices)
    gaps = np.diff(heights)
    distance = float(np.median(gaps))
    steps = np.rint(gaps / distance)
    off = float(np.abs(gaps / distance - steps).max())
    missing = int(steps.sum()) - len(gaps)
    if off > IRREGULAR or missing > MAX_MISSING * len(slices):
        worst = int(np.abs(gaps - distance).argmax())
        raise UnreadableImageError(
            f"The slices of {name!r} are unevenly spaced: mostly {distance:.2f} mm apart, but {gaps[worst]:.2f} mm "
            f"between {heights[worst]:.1f} and {heights[worst + 1]:.1f} mm; needed one distance throughout. "
            "Slices are missing or two reconstructions are mixed: export the series again."
        )
    index = tuple(int(place) for place in np.concatenate([[0], np.cumsum(steps)]))
    if not missing:
        return index, ()
    places = ", ".join(f"{heights[i]:.1f}" for i in np.flatnonzero(steps > 1))
    return index, (
        f"{missing} slices are missing (after {places} mm) and were interpolated from their neighbors; "
        "export the series again if they matter.",
    )


def _check_straight(
    positions: NDArray[np.float64], index: tuple[int, ...], step: NDArray[np.float64], name: str
) -> None:
    expected = positions[0] + np.outer(index, step)
    off = float(np.linalg.norm(positions - expected, axis=1).max())
    if off > max(STRAIGHT_MM, IRREGULAR * 2 * float(np.linalg.norm(step))):
        raise UnreadableImageError(
            f"The slices of {name!r} lie up to {off:.1f} mm off a straight line; needed an even stack. "
            "Several scans are probably mixed in one series: export them separately."
        )
