"""The torso: outline, skin, fat and muscular wall, and the space inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from napari_kidney_seg.phantom.contrast import FAT_HU
from napari_kidney_seg.phantom.landmarks import Landmarks
from napari_kidney_seg.phantom.sampling import KidneyFields
from napari_kidney_seg.phantom.scene import EVERYWHERE, Array, Scene, ramp

_SKIN_HU = 15.0
_SKIN_MM = 2.0


@dataclass(frozen=True, kw_only=True)
class Torso:
    """What every painter of organs needs.

    Attributes
    ----------
    scene : Scene
    hu : mapping
        HU by tissue, as `draw_contrast` gives.
    marks : Landmarks
    kidneys : KidneyFields
    skin_depth : shape (Z, Y, X)
        Distance under the skin, mm; negative outside the body.
    azimuth : shape (1, Y, X)
        Direction from the middle of the body, radians: 0 to the left, pi/2 to the back.
    cavity : shape (Z, Y, X)
        1 inside the muscular wall, 0 outside, soft.
    fat_hu : shape (Z, Y, X)
        Attenuation of fat with its septa and vessels.
    """

    scene: Scene
    hu: Mapping[str, float]
    marks: Landmarks
    kidneys: KidneyFields
    skin_depth: Array
    azimuth: Array
    cavity: Array
    fat_hu: Array


def paint_torso(scene: Scene, hu: Mapping[str, float], marks: Landmarks, kidneys: KidneyFields) -> Torso:
    """Paint fat, skin and the wall of the trunk; return the torso for the painters of its contents."""
    _, y, x = scene.grid.mesh()
    azimuth = np.arctan2(y - marks.middle, x - marks.midline)
    depth = _skin_depth(scene, marks)
    fat_hu = paint_skin_and_fat(scene, depth)
    inner = _paint_wall(scene, hu, marks, depth, azimuth)
    cavity = scene.coverage(inner)
    return Torso(
        scene=scene,
        hu=hu,
        marks=marks,
        kidneys=kidneys,
        skin_depth=depth,
        azimuth=azimuth,
        cavity=cavity,
        fat_hu=fat_hu,
    )


def paint_skin_and_fat(scene: Scene, depth: Array) -> Array:
    """Fill the body with fat under a skin; return the attenuation of the fat, HU.

    Parameters
    ----------
    depth : shape (Z, Y, X)
        Distance under the skin, mm.
    """
    fat_hu = _fat(scene)
    scene.mix(EVERYWHERE, scene.coverage(-depth), fat_hu)
    scene.mix(EVERYWHERE, scene.coverage(np.abs(depth - _SKIN_MM / 2) - _SKIN_MM / 2), _SKIN_HU)
    return fat_hu


def free_space(torso: Torso, gap_mm: float) -> Array:
    """Return weights 0..1 of where organs may lie: inside the wall, before the spine, `gap_mm` off the kidneys."""
    _, y, x = torso.scene.grid.mesh()
    marks = torso.marks
    lateral = np.clip(np.abs(x - marks.midline) - 19, 0, 40)
    floor = marks.spine - 19 + 1.9 * lateral  # the psoas muscles slope backward from the spine
    space = torso.cavity * torso.scene.coverage(y - floor)
    around = space[torso.kidneys.box]
    around *= torso.scene.coverage(gap_mm - torso.kidneys.outside_mm)
    return space


def _skin_depth(scene: Scene, marks: Landmarks) -> Array:
    """Return the depth under the skin of an outline between ellipse and rectangle, with a furrow along the back, mm."""
    z, y, x = scene.grid.mesh()
    width, height = marks.half_width, (marks.back - marks.front) / 2
    across, along = (x - marks.midline) / width, (y - marks.middle) / height
    level = 0.65 * np.sqrt(across**2 + along**2) + 0.35 * (across**4 + along**4) ** 0.25 + 1e-6
    steepness = np.sqrt((across / width) ** 2 + (along / height) ** 2) / level + 1e-6
    furrow = scene.rng.uniform(4, 12) * np.exp(-(((x - marks.midline) / scene.rng.uniform(10, 18)) ** 2))
    plane = -(level - 1) / steepness - furrow * ramp(along, 0.7, 0.08)
    depth = plane + 3.0 * scene.noise(22.0)
    depth -= (4.0 * np.tanh(np.abs(z - (marks.top + marks.bottom) / 2) / 150)).astype(np.float32)
    return np.asarray(depth, dtype=np.float32)


def _fat(scene: Scene) -> Array:
    """Return the attenuation of fat: nearly even, crossed by thin septa and small vessels, HU."""
    coarse, fine = scene.noise(4.6), scene.noise(1.6)
    septa = np.abs(coarse + 0.4 * fine) < 0.045
    strength = scene.rng.uniform(8, 55)
    return np.asarray(FAT_HU + 4 * scene.noise(7.0) + 4 * fine + strength * septa, dtype=np.float32)


def _paint_wall(scene: Scene, hu: Mapping[str, float], marks: Landmarks, depth: Array, azimuth: Array) -> Array:
    """Paint the muscles of the wall in layers; return the signed distance from its inner face (negative inside), mm."""
    anterior = np.clip(-np.sin(azimuth), 0, 1)
    start = marks.skin_fat * (1.05 + 0.25 * np.sin(2 * azimuth + 1) ** 2 - 0.2 * (1 - anterior) ** 2)
    thickness = marks.wall * (1 + 0.6 * np.cos(azimuth) ** 2 - 0.35 * anterior)
    below = depth - start
    layer = np.exp(-(((np.mod(below, thickness / 2.6) - 2) / 0.8) ** 2)) * (scene.noise(7.0) > 0.3)
    muscle = hu["muscle"] + 4 * scene.noise(7.0) + 5 * scene.noise(1.6) - 70 * layer
    linea_alba = ramp(-np.abs(azimuth + np.pi / 2), -0.12, 0.05)
    weight = scene.coverage(np.maximum(-below, below - thickness)) * (1 - linea_alba)
    scene.mix(EVERYWHERE, weight, muscle)
    return np.asarray(thickness - below + 0.5, dtype=np.float32)
