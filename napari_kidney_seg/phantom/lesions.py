"""Attenuation of renal tumors and cysts, and the look-alikes in other organs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_kidney_seg.phantom.contrast import TUMOR_SUBTYPES
from napari_kidney_seg.phantom.sampling import CYST, KIDNEY, TUMOR, KidneyFields
from napari_kidney_seg.phantom.scene import Array, Grid, Point, Scene, ball, ramp, smooth_noise


@dataclass(frozen=True, kw_only=True)
class LesionCounts:
    """How many lesions to grow."""

    tumors: int = 0
    cysts: int = 0


SUBTYPE_SHARES = (0.48, 0.16, 0.14, 0.12, 0.10)  # of TUMOR_SUBTYPES
_HETEROGENEITY_HU = {
    "clear cell": 34.0,
    "papillary": 10.0,
    "chromophobe": 12.0,
    "oncocytoma": 14.0,
    "angiomyolipoma": 14.0,
}
_NECROSIS_HU = (12.0, 32.0)
_NECROTIC = ("clear cell", "papillary", "oncocytoma")
_NECROSIS_FROM_ML = 6.0
_FAT_IN_MASS_HU = -70.0
_CALCIFICATION_HU = 350.0
_CALCIFIED_SHARE = 0.1
_CYST_RADII_MM = (5.0, 24.0)
_TUMOR_RADII_MM = (7.0, 38.0)
_SIMPLE_CYST_HU = (-2.0, 18.0)
_DENSE_CYST_HU = (35.0, 80.0)  # hemorrhagic or proteinaceous
_DENSE_CYST_SHARE = 0.1


def draw_subtype(rng: np.random.Generator) -> str:
    """Return one of `TUMOR_SUBTYPES` as often as surgery meets it."""
    return str(rng.choice(TUMOR_SUBTYPES, p=SUBTYPE_SHARES))


def tumor_hu(scene: Scene, hu: Mapping[str, float], kidneys: KidneyFields, subtype: str) -> Array:
    """Return the attenuation of tumor over the box of the kidneys: mottled, its core necrotic or fatty, HU."""
    box, rng = kidneys.box, scene.rng
    coarse, middle, fine = scene.noise(7.0)[box], scene.noise(3.5)[box], scene.noise(1.6)[box]
    enhanced = abs(hu["aorta"] - 42) > 30
    spread = _HETEROGENEITY_HU[subtype] * (1.0 if enhanced else 0.2) * rng.uniform(0.6, 1.2)
    picture = hu[subtype] + rng.normal(0, 8) + spread * (0.7 * coarse + 0.5 * middle) + 4 * fine
    if (
        subtype in _NECROTIC
        and float(kidneys.tumor.sum()) * float(np.prod(scene.grid.spacing)) > 1000 * _NECROSIS_FROM_ML
    ):
        picture += _necrosis(scene, kidneys) * (rng.uniform(*_NECROSIS_HU) - picture)
    if subtype == "angiomyolipoma":
        picture += ramp(coarse, rng.uniform(-0.8, 0.6), 0.3) * (_FAT_IN_MASS_HU - picture)
    if rng.uniform() < _CALCIFIED_SHARE:
        picture = np.where(middle > 2.3, _CALCIFICATION_HU, picture)
    return np.asarray(picture, dtype=np.float32)


def cyst_hu(scene: Scene, kidneys: KidneyFields) -> Array:
    """Return the attenuation of cyst fluid over the box of the kidneys, HU: water, seldom dense."""
    rng = scene.rng
    limits = _DENSE_CYST_HU if rng.uniform() < _DENSE_CYST_SHARE else _SIMPLE_CYST_HU
    return np.asarray(rng.uniform(*limits) + 2 * scene.noise(1.6)[kidneys.box], dtype=np.float32)


def add_lesions(labels: NDArray[np.uint8], grid: Grid, counts: LesionCounts, rng: np.random.Generator) -> None:
    """Grow tumors and cysts in and on labelled kidneys, in place: lumpy balls whose centers lie near the surface.

    Parameters
    ----------
    labels : shape (Z, Y, X)
        1 where kidney is; lesions are written as 2 (tumor) and 3 (cyst).
    counts : LesionCounts
    """
    if not (labels == KIDNEY).any():
        return
    lumps = smooth_noise(grid, 6.0, rng)
    taken: list[Point] = []
    for label, number, radii in ((CYST, counts.cysts, _CYST_RADII_MM), (TUMOR, counts.tumors, _TUMOR_RADII_MM)):
        for _ in range(number):
            radius = float(np.exp(rng.uniform(*np.log(radii))))
            center = _free_place(labels, grid, taken, rng)
            outward = rng.normal(0, 0.3 * radius, 3)
            shape = ball((center[0] + outward[0], center[1] + outward[1], center[2] + outward[2]), radius)
            box = grid.box(*shape.corners())
            rough = (0.4 if label == CYST else 0.12 * radius) * lumps[box]
            labels[box][shape.distance(grid.mesh(box)) + np.clip(rough, -0.4 * radius, 0.4 * radius) < 0] = label
            taken.append(center)


def paint_foreign_lesions(scene: Scene, center: Point, spread: Point, organ_hu: float, within: Array) -> None:
    """Paint a few cysts and tumors into another organ: round and dark or bright, but not renal.

    Parameters
    ----------
    center, spread : (z, y, x), mm
        Where they lie, and how far they scatter.
    organ_hu : float
        Attenuation of the organ.
    within : shape (Z, Y, X)
        Weights of the organ itself, 0..1.
    """
    rng = scene.rng
    for _ in range(rng.poisson(1.2)):
        at = [c + s * rng.uniform(-1, 1) for c, s in zip(center, spread, strict=True)]
        cyst = rng.uniform() < 0.5
        hu = rng.uniform(0, 20) if cyst else organ_hu + rng.normal(0, 30)
        texture = hu + (2 if cyst else 12) * scene.noise(3.5)
        shape = ball((at[0], at[1], at[2]), min(rng.exponential(9) + 3, 40))
        scene.fill(shape, texture, within=within, rough=None if cyst else scene.noise(7.0))


def _necrosis(scene: Scene, kidneys: KidneyFields) -> Array:
    """Return weights 0..1 of the dead core of large tumors."""
    blur = [5 / step for step in scene.grid.spacing]
    depth = ndimage.gaussian_filter(kidneys.tumor, blur, truncate=2.5)
    uneven = 0.16 * scene.noise(7.0)[kidneys.box] + 0.1 * scene.noise(22.0)[kidneys.box]
    return ramp(depth + uneven, scene.rng.uniform(0.6, 1.05), 0.06)


def _free_place(labels: NDArray[np.uint8], grid: Grid, taken: list[Point], rng: np.random.Generator) -> Point:
    """Return a random kidney voxel (z, y, x) mm, of a few candidates the one farthest from the places `taken`."""
    kidney = np.argwhere(labels > 0)
    index = kidney[rng.integers(len(kidney), size=12)]
    points = np.asarray(grid.first) + index * np.asarray(grid.steps)
    best = 0
    if taken:
        best = int(np.linalg.norm(points[:, None] - np.asarray(taken)[None], axis=2).min(1).argmax())
    z, y, x = points[best].tolist()
    return (z, y, x)
