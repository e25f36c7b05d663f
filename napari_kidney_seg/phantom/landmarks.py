"""Where the body must lie so that given kidneys sit in it as kidneys do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.phantom.sampling import cropped_to_labels
from napari_kidney_seg.phantom.scene import Grid, Point

_SMALLEST_KIDNEY_ML = 25.0
_HALF_KIDNEY_DISTANCE_MM = 62.0  # from the midline to the center of a kidney
_LOOK_STEP_MM = 3.0  # resolution that is enough for landmarks


@dataclass(frozen=True, kw_only=True)
class Kidney:
    """One kidney with its masses: its center (z, y, x) mm, and +1 on the patient's left, -1 on the right."""

    center: Point
    side: int


@dataclass(frozen=True, kw_only=True)
class Landmarks:
    """The kidneys and the frame of the body, world LPS mm.

    Attributes
    ----------
    kidneys : tuple of Kidney
        Patient's right first; none, one (also a horseshoe kidney) or two.
    low, high : (z, y, x)
        Corners of the box around all labels.
    midline : float
        x of the spine.
    spine : float
        y of the middle of the vertebral bodies.
    front, back : float
        y of the skin before and behind.
    half_width : float
        From the midline to the skin at the side.
    skin_fat : float
        Thickness of the subcutaneous fat.
    wall : float
        Thickness of the muscular wall.
    fat : float
        How much fat the patient has, 0..1.
    """

    kidneys: tuple[Kidney, ...]
    low: Point
    high: Point
    midline: float
    spine: float
    front: float
    back: float
    half_width: float
    skin_fat: float
    wall: float
    fat: float

    @property
    def top(self) -> float:
        """Z of the upper poles."""
        return self.high[0]

    @property
    def bottom(self) -> float:
        """Z of the lower poles."""
        return self.low[0]

    @property
    def middle(self) -> float:
        """Y halfway between skin before and behind."""
        return (self.front + self.back) / 2

    @property
    def cavity_half_width(self) -> float:
        """From the midline to the inside of the wall at the side."""
        return self.half_width - self.skin_fat - self.wall


def find_landmarks(labels: LabelVolume, fat: float, rng: np.random.Generator) -> Landmarks:
    """Return a body of `fat` (0 thin to 1 obese) that holds the labelled kidneys."""
    cropped = cropped_to_labels(labels)
    array, source = cropped if cropped is not None else _placeholder(Grid.of(labels.geometry))
    strides = [max(1, round(_LOOK_STEP_MM / step)) for step in source.spacing]
    mask = array[:: strides[0], :: strides[1], :: strides[2]] > 0
    look = Grid(shape=mask.shape, spacing=_times(source.spacing, strides), first=source.first)
    points = np.stack([look.axis(axis)[index] for axis, index in enumerate(np.nonzero(mask))], axis=1)
    low, high = points.min(0), points.max(0)
    centers = _kidney_centers(mask, look)
    midline = _midline(centers, mask, look, (float(low[2]), float(high[2])))
    kidneys = tuple(Kidney(center=c, side=1 if c[2] > midline else -1) for c in sorted(centers, key=lambda c: c[2]))
    spine = _spine(points, midline, float(np.mean([c[1] for c in centers])), rng)
    return Landmarks(
        kidneys=kidneys if cropped is not None else (),
        low=(float(low[0]), float(low[1]), float(low[2])),
        high=(float(high[0]), float(high[1]), float(high[2])),
        midline=midline,
        spine=spine,
        fat=fat,
        **_torso(low, high, midline, spine, fat, rng),
    )


def _placeholder(grid: Grid) -> tuple[NDArray[np.uint8], Grid]:
    """Return the box two kidneys would fill in the middle of `grid`."""
    array = np.zeros((12, 7, 24), np.uint8)
    array[:, :, :6] = array[:, :, -6:] = 1
    return array, Grid.around(grid.center, (120.0, 70.0, 240.0), (10.0, 10.0, 10.0))


def _times(spacing: Point, strides: list[int]) -> Point:
    return (spacing[0] * strides[0], spacing[1] * strides[1], spacing[2] * strides[2])


def _kidney_centers(mask: NDArray[np.bool_], grid: Grid) -> list[Point]:
    """Return the centers of the one or two largest components that can be kidneys."""
    components, count = ndimage.label(mask)
    sizes_ml = np.bincount(components.ravel(), minlength=count + 1)[1:] * float(np.prod(grid.spacing)) / 1000
    order = np.argsort(sizes_ml)[::-1][:2]
    chosen = [i for i in order if sizes_ml[i] > max(_SMALLEST_KIDNEY_ML, 0.2 * sizes_ml.max())] or [order[0]]
    found = ndimage.center_of_mass(mask, components, [i + 1 for i in chosen])
    return [tuple(float(f + s * c) for f, s, c in zip(grid.first, grid.steps, index, strict=True)) for index in found]  # type: ignore[misc]


def _midline(centers: list[Point], mask: NDArray[np.bool_], grid: Grid, extent: tuple[float, float]) -> float:
    """Return x of the spine: between two kidneys, in a horseshoe, or on the side a single kidney's hilum opens to."""
    if len(centers) == 2 and abs(centers[0][2] - centers[1][2]) > 50:
        return (centers[0][2] + centers[1][2]) / 2
    if extent[1] - extent[0] > 150:
        return (extent[0] + extent[1]) / 2
    hilum = ndimage.binary_closing(np.pad(mask, 4), iterations=3)[4:-4, 4:-4, 4:-4] & ~mask
    if not hilum.any():
        return centers[0][2] - _HALF_KIDNEY_DISTANCE_MM
    hilum_x = float(grid.axis(2)[np.nonzero(hilum)[2]].mean())
    return centers[0][2] + float(np.copysign(_HALF_KIDNEY_DISTANCE_MM, hilum_x - centers[0][2]))


def _spine(points: NDArray[np.float32], midline: float, kidney_y: float, rng: np.random.Generator) -> float:
    """Return y of the vertebral bodies: before the kidneys' middle, but behind anything that crosses the midline."""
    spine = kidney_y - rng.uniform(6, 17)
    crossing = points[np.abs(points[:, 2] - midline) < 12, 1]
    if len(crossing):
        spine = max(spine, min(float(crossing.max()) + 20, spine + 32))
    return float(spine)


def _torso(
    low: NDArray[np.float32], high: NDArray[np.float32], midline: float, spine: float, fat: float,
    rng: np.random.Generator,
) -> dict[str, float]:  # fmt: skip
    """Return the outline of a torso around the box of the kidneys."""
    skin_fat = 4 + 32 * fat * rng.uniform(0.7, 1.2)
    wall = rng.uniform(8, 15)
    back = max(float(high[1]), spine + 60) + rng.uniform(9, 20) + 0.7 * skin_fat
    front = min(float(low[1]) - 12 - wall, spine - rng.uniform(75, 118) - 28 * fat) - skin_fat
    reach = max(float(high[2]) - midline, midline - float(low[2])) + 12 + wall + skin_fat
    half_width = max(reach, (back - front) / 2 * rng.uniform(1.2, 1.45))
    return {"front": front, "back": back, "half_width": half_width, "skin_fat": skin_fat, "wall": wall}
