"""Stomach, duodenum, small bowel and colon: walled tubes with fluid, stool, gas or contrast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_kidney_seg.phantom.body import Torso
from napari_kidney_seg.phantom.contrast import GAS_HU
from napari_kidney_seg.phantom.scene import Array, Ellipsoid, Paint, Point, Slices, Texture, ball

_FLUID_HU = (0.0, 45.0)
_ORAL_CONTRAST_HU = (150.0, 380.0)
_ORAL_CONTRAST_SHARE = 0.3


@dataclass(frozen=True, kw_only=True)
class Loop:
    """A piece of bowel: centers (z, y, x) and radius along it, mm; its contents in HU."""

    balls: tuple[tuple[Point, float], ...]
    wall_mm: float
    contents: Paint
    gas_level: float | None  # y before which the lumen holds gas, as a share of the radius; None without gas


@dataclass(frozen=True, kw_only=True)
class Stool:
    """Contents of a colon: `paste` with bubbles of `bubble_hu` where the noise field exceeds `bubbles_from`."""

    paste: Texture
    bubbles: Array
    bubbles_from: float
    bubble_hu: float

    def __getitem__(self, box: Slices) -> Array:
        """Return the attenuation on the voxels of `box`, HU."""
        share = np.clip((self.bubbles[box] - self.bubbles_from) / 0.2, 0, 1)
        paste = self.paste[box]
        return np.asarray(paste + share * (self.bubble_hu - paste), dtype=np.float32)


def paint_stomach(torso: Torso, space: Array) -> None:
    """Paint the stomach: wall, fluid or food, and a gas bubble before it."""
    scene, marks, rng = torso.scene, torso.marks, torso.scene.rng
    center = (marks.top + rng.uniform(-5, 45), marks.spine - rng.uniform(50, 75), marks.midline + rng.uniform(30, 65))
    radii = rng.uniform((30, 26, 28), (48, 38, 46))
    food = rng.uniform(5, 70) + rng.uniform(2, 22) * scene.noise(4.6)
    rough, wall = 4 * scene.noise(22.0), rng.uniform(3, 7)
    outer = Ellipsoid(center=center, radii=(radii[0], radii[1], radii[2]), angle=rng.uniform(-0.4, 0.4))
    inner = Ellipsoid(center=center, radii=(radii[0] - wall, radii[1] - wall, radii[2] - wall), angle=outer.angle)
    scene.fill(outer, torso.hu["bowel wall"] + 3 * scene.noise(1.6), within=space, rough=rough)
    scene.fill(inner, food, within=space, rough=rough)
    _fill_gas(torso, inner, center[1] - rng.uniform(-5, 28), space)


def paint_bowel(torso: Torso, space: Array) -> None:
    """Paint duodenum, many loops of small bowel, and the colon along both flanks and across."""
    rng = torso.scene.rng
    oral = rng.uniform(*_ORAL_CONTRAST_HU) if rng.uniform() < _ORAL_CONTRAST_SHARE else None
    count = int(rng.uniform(24, 48) + 22 * (1 - torso.marks.fat))
    loops = [_small_bowel(torso, oral) for _ in range(count)]
    loops += [_duodenum(torso), *(_flank_colon(torso, side) for side in (-1, 1)), _transverse_colon(torso)]
    for loop in loops:
        _paint_loop(torso, loop, space)


def _small_bowel(torso: Torso, oral: float | None) -> Loop:
    marks, rng = torso.marks, torso.scene.rng
    fore = marks.front + marks.skin_fat + 18
    lowest = max(float(torso.scene.grid.axis(0)[-1]), marks.bottom - 190)
    at = np.array(
        [
            rng.uniform(lowest, marks.top - 5),
            rng.uniform(min(fore, marks.spine - 42), marks.spine - 40),
            marks.midline + rng.uniform(-0.75, 0.75) * marks.cavity_half_width,
        ]
    )
    heading, radius = rng.normal(0, 1, 3) * [0.6, 0.6, 1], rng.uniform(8, 15)
    balls = []
    for _ in range(rng.integers(4, 10)):
        heading = 0.65 * heading + rng.normal(0, 0.8, 3) * [0.6, 0.7, 1]
        at = at + 9 * heading / (np.linalg.norm(heading) + 0.3)
        balls.append(((at[0], at[1], at[2]), radius * rng.uniform(0.85, 1.15)))
    contents = oral * rng.uniform(0.6, 1.2) if oral is not None and rng.uniform() < 0.6 else rng.uniform(*_FLUID_HU)
    gas = rng.uniform(-0.6, 0.2) if rng.uniform() < 0.18 else None
    return Loop(balls=tuple(balls), wall_mm=rng.uniform(1.3, 3.2), contents=_mottled(torso, contents), gas_level=gas)


def _duodenum(torso: Torso) -> Loop:
    """Return the descending and horizontal duodenum, beside the right kidney and before the spine."""
    marks, rng = torso.marks, torso.scene.rng
    z, y, x = marks.top - rng.uniform(15, 35), marks.spine - rng.uniform(26, 36), marks.midline - rng.uniform(38, 52)
    path = [(z - 14 * i, y - 0.4 * i, x + 0.5 * i) for i in range(6)] + [
        (z - 78, y - 6, x + 12 * i) for i in range(1, 6)
    ]
    balls = tuple((point, rng.uniform(9, 13)) for point in path)
    return Loop(balls=balls, wall_mm=2.2, contents=_mottled(torso, rng.uniform(*_FLUID_HU)), gas_level=None)


def _flank_colon(torso: Torso, side: int) -> Loop:
    marks, rng = torso.marks, torso.scene.rng
    radius = rng.uniform(12, 24)
    high = marks.top + (15 if side > 0 else -35)
    y, x = marks.spine - rng.uniform(-10, 35), marks.midline + side * (marks.cavity_half_width - radius - 2)
    heights = np.arange(max(float(torso.scene.grid.axis(0)[-1]), marks.bottom - 120), high, 14)
    balls = [((z, y + rng.uniform(-5, 5), x + rng.uniform(-4, 4)), radius * rng.uniform(0.75, 1.15)) for z in heights]
    return _colon(torso, balls)


def _transverse_colon(torso: Torso) -> Loop:
    marks, rng = torso.marks, torso.scene.rng
    radius, height = rng.uniform(12, 22), marks.top - rng.uniform(15, 70)
    fore = marks.front + marks.skin_fat + marks.wall + radius + 3
    balls = [
        (
            (
                height - 22 * np.cos(3 * u) + rng.uniform(-4, 4),
                fore + 40 * u * u,
                marks.midline + 0.9 * u * marks.cavity_half_width,
            ),
            radius * rng.uniform(0.8, 1.15),
        )
        for u in np.arange(-0.8, 0.81, 0.12)
    ]
    return _colon(torso, balls)


def _colon(torso: Torso, balls: list[tuple[Point, float]]) -> Loop:
    """Return a colon with haustra, full of stool, fluid or gas."""
    scene, rng = torso.scene, torso.scene.rng
    contents: Paint = _mottled(torso, rng.uniform(5, 60))
    if rng.uniform() < 0.7:
        contents = Stool(
            paste=_mottled(torso, rng.uniform(5, 60)),
            bubbles=scene.noise(3.5),
            bubbles_from=rng.uniform(0.2, 2.2),
            bubble_hu=rng.uniform(-900, -200),
        )
    gas = rng.uniform(-0.6, 0.6) if rng.uniform() < 0.5 else None
    return Loop(balls=tuple(balls), wall_mm=rng.uniform(1.5, 3), contents=contents, gas_level=gas)


def _mottled(torso: Torso, hu: float) -> Texture:
    return Texture(mean=hu, amplitude=5.0, field=torso.scene.noise(4.6))


def _paint_loop(torso: Torso, loop: Loop, space: Array) -> None:
    """Paint the wall of the whole loop first, then its lumen, so that the lumen is continuous."""
    scene, rough = torso.scene, 1.2 * torso.scene.noise(7.0)
    for center, radius in loop.balls:
        scene.fill(ball(center, radius), torso.hu["bowel wall"], within=space, rough=rough)
    for center, radius in loop.balls:
        lumen = ball(center, radius - loop.wall_mm)
        scene.fill(lumen, loop.contents, within=space, rough=rough)
        if loop.gas_level is not None:
            _fill_gas(torso, lumen, center[1] + loop.gas_level * radius, space)


def _fill_gas(torso: Torso, lumen: Ellipsoid, level: float, space: Array) -> None:
    """Paint gas into the part of a lumen that lies before the fluid level (y, mm): the patient is supine."""
    scene = torso.scene
    box = scene.grid.box(*lumen.corners())
    mesh = scene.grid.mesh(box)
    if scene.canvas[box].size:
        distance = np.maximum(lumen.distance(mesh), mesh[1] - np.float32(level))
        scene.mix(box, scene.coverage(distance) * space[box], GAS_HU)
