"""Spine with its muscles, ribs, and the bones of the pelvis."""

from __future__ import annotations

import numpy as np

from napari_kidney_seg.phantom.body import Torso
from napari_kidney_seg.phantom.contrast import CORTICAL_BONE_HU
from napari_kidney_seg.phantom.scene import EVERYWHERE, Array, Ellipsoid, Slices, ball, ramp

_DISC_HU = 85.0
_CANAL_HU = 18.0
_ARCH_HU = 460.0
_RIB_HU = 190.0
_ALWAYS = 400.0  # mm, longer than any scan


def paint_spine(torso: Torso) -> None:
    """Paint vertebral bodies, discs, canal, arches, spinous and transverse processes, and the muscles along them."""
    _paint_back_muscles(torso)
    scene, marks, rng = torso.scene, torso.marks, torso.scene.rng
    box = _spine_box(torso)
    z, y, x = scene.grid.mesh(box)
    y, x = y - marks.spine, np.abs(x - marks.midline)
    period = rng.uniform(32, 38)
    level = np.mod(z - marks.top + rng.uniform(0, period), period) - period / 2
    _paint_bodies(torso, box, level, period, (y, x))
    ring = np.abs(np.sqrt((x / 1.15) ** 2 + (y - 24) ** 2) - 11) - 2.6
    bone = _ARCH_HU + 110 * scene.noise(3.5)[box]
    scene.mix(box, scene.coverage(np.maximum(ring, np.abs(level + 3) - 12)), bone)
    scene.mix(box, scene.coverage(np.sqrt(x**2 + (y - 24) ** 2) - 8.5), _CANAL_HU + 4 * scene.noise(1.6)[box])
    slope = (level + 8) * 0.35  # processes point downward
    spinous = np.maximum(np.maximum(x - 4.5 + 0.05 * y, np.abs(y - 46 + slope) - 15), np.abs(level) - 9)
    transverse = np.maximum(
        np.maximum(np.abs(y - 20 - 0.28 * x) - 4.5 + 0.06 * x, np.abs(x - 24) - 13), np.abs(level - 6) - 5
    )
    processes = np.minimum(spinous, transverse) + 0.9 * scene.noise(4.6)[box]
    scene.mix(box, scene.coverage(processes), 0.65 * bone)


def paint_ribs(torso: Torso) -> None:
    """Paint the ribs: bands in the wall that slope down to the front, ending above the loin."""
    scene, marks, rng = torso.scene, torso.marks, torso.scene.rng
    z, _, x = scene.grid.mesh()
    forward = 1 - np.sin(torso.azimuth)
    band = np.mod(z + forward * rng.uniform(30, 50), 30) - 15
    in_wall = torso.skin_depth - marks.skin_fat - marks.wall + 4.5
    lowest = marks.top - 45 - 25 * np.sin(torso.azimuth) - z
    distance = np.maximum(
        np.sqrt((in_wall / 0.75) ** 2 + (band / 1.15) ** 2) - 5, np.maximum(lowest, 16 - np.abs(x - marks.midline))
    )
    weight = scene.coverage(distance)
    shell = np.where(distance > -2.0, np.float32(CORTICAL_BONE_HU), np.float32(_RIB_HU))
    scene.mix(EVERYWHERE, weight, shell)


def paint_pelvis(torso: Torso, crest: float) -> None:
    """Paint iliac wings below the `crest` (z, mm) with their muscles, sacrum, hips and femoral heads."""
    scene, marks, rng = torso.scene, torso.marks, torso.scene.rng
    if float(scene.grid.axis(0)[-1]) > crest:
        return
    z, y, x = scene.grid.mesh()
    drop = np.clip(crest - z, 0, 140)
    half_width, half_depth = 0.86 * torso.marks.cavity_half_width - 0.22 * drop, 62.0
    shell = np.sqrt(((x - marks.midline) / half_width) ** 2 + ((y - marks.spine - 4) / half_depth) ** 2) - 1
    shell = np.asarray(shell * np.minimum(half_width, half_depth) + 1.5 * scene.noise(22.0), dtype=np.float32)
    behind = np.maximum(marks.spine - 44 + 0.25 * drop - y, 24 - np.abs(x - marks.midline))
    below = np.maximum(z - crest + 12 * ramp(y, marks.spine, 30), crest - 150 - z)
    wing = np.maximum(np.abs(shell) - rng.uniform(3.5, 6), np.maximum(behind, below))
    gluteal = np.maximum(np.maximum(-shell, shell - 42), np.maximum(behind - 12, below + 8))
    scene.mix(
        EVERYWHERE, scene.coverage(np.maximum(gluteal, 6 + 0.8 * marks.skin_fat - torso.skin_depth)), _muscle(torso)
    )
    scene.mix(
        EVERYWHERE,
        scene.coverage(np.maximum(np.maximum(shell, -shell - 12), np.maximum(behind, below + 6))),
        _muscle(torso),
    )
    scene.mix(EVERYWHERE, scene.coverage(wing), torso.hu["marrow"] + 30 * scene.noise(3.5))
    scene.mix(EVERYWHERE, scene.coverage(np.maximum(wing, -wing - 2)), CORTICAL_BONE_HU)
    sacrum = Ellipsoid(center=(crest - 75, marks.spine + 25, marks.midline), radii=(62, 24, 46), power=2.6)
    scene.fill(sacrum, torso.hu["marrow"] + 40 * scene.noise(3.5))
    _paint_femora(torso, crest - 140)


def _paint_femora(torso: Torso, level: float) -> None:
    for side in (-1, 1):
        center = (level, torso.marks.spine - 20, torso.marks.midline + 92 * side)
        torso.scene.fill(ball(center, 33), CORTICAL_BONE_HU - 150)
        torso.scene.fill(ball(center, 29), 60.0)
        torso.scene.fill(ball(center, 24), torso.hu["marrow"] + 120 + 30 * torso.scene.noise(3.5))


def _muscle(torso: Torso) -> Array:
    noise = torso.scene.noise
    strands = -70 * ramp(noise(4.6), 1.6, 0.3)
    return np.asarray(torso.hu["muscle"] + strands + 5 * noise(1.6), dtype=np.float32)


def _paint_back_muscles(torso: Torso) -> None:
    """Paint erector spinae, quadratus lumborum, psoas and the crura of the diaphragm on both sides."""
    scene, marks, rng = torso.scene, torso.marks, torso.scene.rng
    height = torso.scene.grid.center[0]
    muscle = _muscle(torso)
    for side in (-1, 1):
        x = marks.midline
        erector = (height, marks.spine + rng.uniform(42, 46), x + side * rng.uniform(28, 34))
        scene.fill(
            Ellipsoid(center=erector, radii=(_ALWAYS, rng.uniform(19, 26), rng.uniform(23, 30)), power=2.6), muscle
        )
        quadratus = (height, marks.spine + 30, x + side * 60)
        scene.fill(Ellipsoid(center=quadratus, radii=(_ALWAYS, 11, 18), angle=-0.5 * side), muscle)
        psoas = (marks.bottom - 70, marks.spine + 8, x + side * rng.uniform(34, 42))
        scene.fill(Ellipsoid(center=psoas, radii=(170, rng.uniform(15, 23), rng.uniform(12, 19))), muscle)
        crus = [
            (marks.top + up, marks.spine - front, x + side * out)
            for up, front, out in ((50, 14, 14), (-20, 18, 17), (-70, 8, 20))
        ]
        scene.tube(crus, rng.uniform(3.5, 6), torso.hu["muscle"])


def _spine_box(torso: Torso) -> Slices:
    spine, midline = torso.marks.spine, torso.marks.midline
    low, high = torso.scene.grid.axis(0)[[-1, 0]]
    return torso.scene.grid.box((float(low), spine - 24, midline - 42), (float(high), spine + 66, midline + 42))


def _paint_bodies(torso: Torso, box: Slices, level: Array, period: float, plane: tuple[Array, Array]) -> None:
    """Paint vertebral bodies with trabecular marrow, endplates and a thin cortex, and the discs between them."""
    scene, rng = torso.scene, torso.scene.rng
    y, x = plane
    waist = 2 * (1 - np.abs(level) / period * 2)
    outline = (np.sqrt((x / rng.uniform(22, 26)) ** 2 + (y / rng.uniform(15, 18)) ** 2) - 1) * 16
    outline = outline + 0.8 * scene.noise(7.0)[box] + waist
    edge = np.abs(level) - period / 2
    disc = np.clip((edge + 5) / 1.5, 0, 1)
    endplate = np.exp(-(((edge + 6) / 1.6) ** 2))
    marrow = torso.hu["marrow"] + 20 * scene.noise(3.5)[box] + 24 * scene.noise(1.6)[box] + 210 * endplate
    scene.mix(box, scene.coverage(outline), marrow * (1 - disc) + _DISC_HU * disc)
    scene.mix(box, scene.coverage(np.abs(outline + 1) - 0.9) * (1 - disc).astype(np.float32), CORTICAL_BONE_HU)
