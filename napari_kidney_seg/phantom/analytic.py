"""Kidneys from formulas: beans with a hilum, joined or missing if wanted, with tumors and cysts. No data needed."""

from __future__ import annotations

from typing import Literal

import numpy as np

from napari_kidney_seg.core.errors import check_choice
from napari_kidney_seg.core.geometry import Spacing
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.phantom.lesions import LesionCounts, add_lesions
from napari_kidney_seg.phantom.sampling import KIDNEY
from napari_kidney_seg.phantom.scene import Array, Grid, Point, smooth_noise

Arrangement = Literal["both", "left", "right", "horseshoe", "none"]
ARRANGEMENTS: tuple[Arrangement, ...] = ("both", "left", "right", "horseshoe", "none")

_EXTENT_MM: Point = (190.0, 120.0, 250.0)
_RADII_MM: Point = (54.0, 25.0, 29.0)  # half of length, depth and width of an adult kidney
_FROM_MIDLINE_MM = 66.0
_TILT = 0.3  # upper poles lie nearer to the spine, radians
_TURN = 0.5  # the hilum looks forward, radians


def analytic_labels(
    seed: int, kidneys: Arrangement = "both", spacing: Spacing = (1.5, 1.0, 1.0), tumors: int = 0, cysts: int = 0
) -> LabelVolume:
    """Return a label map of procedural kidneys around the world origin.

    Parameters
    ----------
    seed : int
        Sizes, tilt, lumps and the lesions follow from it.
    kidneys : str
        ``"both"``, ``"left"``, ``"right"``, ``"horseshoe"`` or ``"none"``.
    spacing : (sz, sy, sx), mm
    tumors, cysts : int
        How many to grow; a later one may cover an earlier one.

    Raises
    ------
    KidneySegError
        If `kidneys` is none of these words.
    """
    check_choice("kidneys", kidneys, ARRANGEMENTS)
    rng = np.random.default_rng(seed)
    grid = Grid.around((0.0, 0.0, 0.0), _EXTENT_MM, spacing)
    lumps = 1.2 * smooth_noise(grid, 9.0, rng)
    distance = np.full(grid.shape, 99, np.float32)
    for side, present in ((1, kidneys != "right"), (-1, kidneys != "left")):
        bean = _bean(grid, side, rng)
        if present and kidneys != "none":
            distance = np.minimum(distance, bean)
    if kidneys == "horseshoe":
        distance = np.minimum(distance, _isthmus(grid))
    array = ((distance + lumps) < 0).astype(np.uint8) * np.uint8(KIDNEY)
    add_lesions(array, grid, LesionCounts(tumors=tumors, cysts=cysts), rng)
    return LabelVolume(array=array, geometry=grid.geometry, name=f"analytic kidneys {seed} ({kidneys})")


def _bean(grid: Grid, side: int, rng: np.random.Generator) -> Array:
    """Return the signed distance from a kidney on one `side` (+1 left), its sinus cut out, mm."""
    size = rng.uniform(0.9, 1.1)
    z, y, x = _own_axes(grid, side, rng)
    radii = [size * r for r in _RADII_MM]
    body = np.sqrt((z / radii[0]) ** 2 + (y / radii[1]) ** 2 + (x / radii[2]) ** 2)
    sinus = np.sqrt((z / 24) ** 2 + (y / 9) ** 2 + ((x + radii[2]) / 26) ** 2)
    return np.asarray(np.maximum((body - 1) * radii[1], (1 - sinus) * 9), dtype=np.float32)


def _own_axes(grid: Grid, side: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return coordinates along a kidney's length, depth and width, the hilum at negative width."""
    center = (4.0 * side + rng.uniform(-8, 8), rng.uniform(-3, 6), side * (_FROM_MIDLINE_MM + rng.uniform(-6, 6)))
    z, y, x = (axis - np.float32(c) for axis, c in zip(grid.mesh(), center, strict=True))
    x = x * side
    tilt, turn = _TILT * rng.uniform(0.5, 1.3), _TURN * rng.uniform(0.6, 1.3)
    z, x = z * np.cos(tilt) - x * np.sin(tilt), z * np.sin(tilt) + x * np.cos(tilt)
    y, x = y * np.cos(turn) - x * np.sin(turn), y * np.sin(turn) + x * np.cos(turn)
    return z, y, x


def _isthmus(grid: Grid) -> Array:
    """Return the signed distance from the bridge that joins the lower poles of a horseshoe kidney, mm."""
    z, y, x = grid.mesh()
    bend = (x / _FROM_MIDLINE_MM) ** 2
    radius = np.sqrt((z + 48 - 10 * bend) ** 2 + (y + 38 - 40 * bend) ** 2)
    return np.asarray(np.maximum(radius - 11, np.abs(x) - 80), dtype=np.float32)
