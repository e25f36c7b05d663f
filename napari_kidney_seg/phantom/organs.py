"""Solid organs of the abdomen and the contents of the chest and pelvis."""

from __future__ import annotations

import numpy as np

from napari_kidney_seg.phantom.body import Torso
from napari_kidney_seg.phantom.contrast import GAS_HU, LUNG_HU
from napari_kidney_seg.phantom.lesions import paint_foreign_lesions
from napari_kidney_seg.phantom.scene import EVERYWHERE, Array, Ellipsoid, Point, ball

_GALLBLADDER_HU = (0.0, 18.0)
_LUNG_VESSEL_HU = 40.0


def diaphragm(torso: Torso) -> Array:
    """Return the height of the lungs' lower surface over every column, shape (Z, Y, X), z in mm."""
    marks, rng = torso.marks, torso.scene.rng
    _, y, x = torso.scene.grid.mesh()
    across = (x - marks.midline) / (0.75 * marks.half_width)
    along = (y - marks.middle) / (0.4 * (marks.back - marks.front))
    fall = 34 + 26 * np.clip((y - marks.middle + 10) / 60, -1, 1)
    right = rng.uniform(0, 12) * (x < marks.midline)
    dome = marks.top + rng.uniform(38, 72) - fall * (across**2 + along**2) + right
    return np.asarray(dome + 4 * torso.scene.noise(22.0), dtype=np.float32)


def paint_liver(torso: Torso, space: Array) -> None:
    """Paint both lobes of the liver with their vessels, and sometimes lesions that are not renal."""
    scene, marks, rng, hu = torso.scene, torso.marks, torso.scene.rng, torso.hu
    vessels = vessel_tree(scene.noise(7.0), scene.noise(4.6))
    mottle = rng.uniform(3, 9)
    texture = hu["liver"] + mottle * scene.noise(3.5) + 5 * scene.noise(1.6)
    texture += vessels * (0.8 * hu["portal vein"] + 0.2 * hu["liver"] - texture)
    rough = 4 * scene.noise(22.0) + 1.5 * scene.noise(7.0)
    right: Point = (
        marks.top + rng.uniform(0, 25), marks.spine - rng.uniform(25, 45), marks.midline - rng.uniform(58, 80)
    )  # fmt: skip
    left = Ellipsoid(
        center=(right[0] + 10, right[1] - 25, marks.midline - 10), radii=_radii(rng, (40, 45, 70), (60, 60, 95))
    )
    main = Ellipsoid(center=right, radii=_radii(rng, (72, 72, 64), (108, 98, 88)), power=2.4)
    for lobe in (left, main):
        scene.fill(lobe, texture, within=space, rough=rough)
    paint_foreign_lesions(scene, right, (35, 35, 30), hu["liver"], space)
    gallbladder = (
        marks.top + rng.uniform(-20, 10),
        marks.spine - rng.uniform(50, 70),
        marks.midline - rng.uniform(40, 65),
    )
    bile = rng.uniform(*_GALLBLADDER_HU) + 2 * scene.noise(1.6)
    scene.fill(Ellipsoid(center=gallbladder, radii=(rng.uniform(16, 34), 13, 13)), bile, within=space)


def paint_spleen(torso: Torso, space: Array) -> None:
    """Paint the spleen, striped in the arterial phase, sometimes lobed, large or with lesions."""
    scene, marks, rng, hu = torso.scene, torso.marks, torso.scene.rng, torso.hu
    arterial = hu["aorta"] > 230
    texture = hu["spleen"] + (16 if arterial else rng.uniform(2, 7)) * scene.noise(7.0) + 4 * scene.noise(1.6)
    center: Point = (
        marks.top + rng.uniform(-5, 35),
        marks.spine + rng.uniform(-12, 14),
        marks.midline + marks.cavity_half_width * rng.uniform(0.66, 0.84),
    )
    shape = Ellipsoid(center=center, radii=_radii(rng, (42, 38, 22), (72, 58, 38)), angle=0.35)
    rough = 4 * scene.noise(22.0) + rng.uniform(0.5, 3) * scene.noise(7.0)
    scene.fill(shape, texture, within=space, rough=rough)
    if rng.uniform() < 0.4:
        paint_foreign_lesions(scene, center, (25, 20, 12), hu["spleen"], space)
    if rng.uniform() < 0.25:  # accessory spleen
        beside = (center[0] - rng.uniform(10, 50), center[1] - rng.uniform(15, 45), center[2] - rng.uniform(12, 40))
        scene.fill(ball(beside, rng.uniform(4, 10)), texture, within=space)


def paint_pancreas(torso: Torso, space: Array) -> None:
    """Paint the lobulated pancreas from the duodenum to the splenic hilum, sometimes with a cystic or solid mass."""
    scene, marks, rng = torso.scene, torso.marks, torso.scene.rng
    thickness = rng.uniform(7, 14)
    texture = torso.hu["pancreas"] + 11 * scene.noise(3.5)
    base = (marks.top - rng.uniform(10, 40), marks.spine - rng.uniform(36, 48), marks.midline - 45)
    for step in np.linspace(0, 1, 14):
        bend = np.sin(5 * step)
        center = (base[0] + 16 * bend, base[1] - 8 * np.sin(3.1 * step) + 22 * step**2, base[2] + 110 * step)
        shape = Ellipsoid(center=center, radii=(thickness + 2, thickness, 10))
        scene.fill(shape, texture, within=space, rough=1.6 * scene.noise(4.6))
    if rng.uniform() < 0.15:
        paint_foreign_lesions(scene, (base[0], base[1], base[2] + 60), (10, 8, 50), torso.hu["pancreas"], space)


def paint_chest(torso: Torso, dome: Array) -> None:
    """Paint lungs above the diaphragm `dome` (z, mm), the heart and the mediastinum."""
    scene, marks, rng = torso.scene, torso.marks, torso.scene.rng
    z, y, x = scene.grid.mesh()
    if float(z.max()) < float(dome.min()):
        return
    mediastinum = scene.coverage(28 + 2 * scene.noise(22.0) - np.abs(x - marks.midline))
    chest = torso.cavity * scene.coverage(dome - z) * mediastinum * scene.coverage(y - marks.back + marks.skin_fat + 40)
    vessels = vessel_tree(scene.noise(7.0), scene.noise(4.6))
    air = LUNG_HU + rng.uniform(-30, 40) + 22 * scene.noise(7.0) + 12 * scene.noise(1.6)
    scene.mix(EVERYWHERE, chest, air + vessels * (_LUNG_VESSEL_HU - air))
    heart = Ellipsoid(center=(marks.top + 115, marks.middle - 35, marks.midline + 28), radii=(58, 48, 58), angle=0.5)
    blood = 0.6 * torso.hu["aorta"] + 0.4 * torso.hu["muscle"] + 12 * scene.noise(22.0)
    scene.fill(heart, blood, within=torso.cavity * scene.coverage(dome - 2 - z), rough=3 * scene.noise(22.0))
    scene.fill(Ellipsoid(center=(marks.top + 260, marks.spine - 40, marks.midline), radii=(80, 9, 8)), GAS_HU)


def paint_bladder(torso: Torso, crest: float) -> None:
    """Paint the urinary bladder in the pelvis below the iliac `crest` (z, mm)."""
    scene, marks, rng = torso.scene, torso.marks, torso.scene.rng
    center = (crest - rng.uniform(125, 150), marks.spine - rng.uniform(48, 60), marks.midline)
    radii = _radii(rng, (22, 24, 30), (48, 40, 50))
    urine = min(torso.hu["urine"], 250.0) if rng.uniform() < 0.5 else rng.uniform(0, 12)
    scene.fill(Ellipsoid(center=center, radii=radii), torso.hu["muscle"] - 15, within=torso.cavity)
    inner = (radii[0] - 4, radii[1] - 4, radii[2] - 4)
    scene.fill(Ellipsoid(center=center, radii=inner), urine + 2 * scene.noise(1.6), within=torso.cavity)


def vessel_tree(first: Array, second: Array) -> Array:
    """Return weights 0..1 of thin winding vessels: where two noise fields are both near zero."""
    return np.asarray(np.clip((0.17 - np.sqrt(first**2 + second**2)) / 0.06, 0, 1), dtype=np.float32)


def _radii(rng: np.random.Generator, low: Point, high: Point) -> Point:
    z, y, x = rng.uniform(low, high)
    return (float(z), float(y), float(x))
