"""Great vessels, portal vein, vessels of the mesentery, lymph nodes."""

from __future__ import annotations

from napari_kidney_seg.phantom.body import Torso
from napari_kidney_seg.phantom.scene import Array, Ellipsoid, Point, ball

_PLAQUE_HU = 700.0
_ALWAYS = 400.0  # mm, longer than any scan


def paint_great_vessels(torso: Torso) -> tuple[Point, Point]:
    """Paint aorta and inferior vena cava; return their centers (z, y, x), mm."""
    scene, marks, rng, hu = torso.scene, torso.marks, torso.scene.rng, torso.hu
    aorta = (scene.grid.center[0], marks.spine - rng.uniform(28, 34), marks.midline + rng.uniform(4, 14))
    cava = (scene.grid.center[0], marks.spine - rng.uniform(22, 30), marks.midline - rng.uniform(14, 24))
    radius = rng.uniform(8, 12)
    scene.fill(Ellipsoid(center=aorta, radii=(_ALWAYS, radius, radius)), hu["aorta"], rough=0.5 * scene.noise(7.0))
    streaming = 18 if hu["aorta"] > 230 else 3
    blood = hu["vena cava"] + streaming * scene.noise(7.0)
    shape = Ellipsoid(center=cava, radii=(_ALWAYS, rng.uniform(6, 10), rng.uniform(9, 13)))
    scene.fill(shape, blood, rough=0.8 * scene.noise(7.0))
    if rng.uniform() < 0.4:
        low = marks.bottom + rng.uniform(0, 60)
        plaque = [
            (low, aorta[1] - radius + 1, aorta[2] + rng.uniform(-6, 6)),
            (low + 30, aorta[1] - radius + 2, aorta[2]),
        ]
        scene.tube(plaque, 1.6, _PLAQUE_HU)
    return aorta, cava


def paint_visceral_vessels(torso: Torso, aorta: Point, space: Array) -> None:
    """Paint the superior mesenteric artery, the portal vein, mesenteric vessels and a few lymph nodes."""
    scene, marks, rng, hu = torso.scene, torso.marks, torso.scene.rng, torso.hu
    top, bottom, spine, x = marks.top, marks.bottom, marks.spine, marks.midline
    mesenteric = [
        (top - 15, aorta[1] - 8, aorta[2]),
        (top - 25, aorta[1] - 25, aorta[2]),
        (bottom - 10, aorta[1] - 32, aorta[2] - 8),
    ]
    scene.tube(mesenteric, 3.6, hu["aorta"], space)
    scene.tube(
        [(top - 40, spine - 45, x - 5), (top - 5, spine - 48, x - 30), (top + 20, spine - 42, x - 60)],
        6,
        hu["portal vein"],
        space,
    )
    for _ in range(90):
        start = (
            rng.uniform(bottom - 60, top - 20),
            spine - rng.uniform(40, 75),
            x + rng.uniform(-0.5, 0.5) * marks.half_width,
        )
        first, second = rng.normal(0, 14, 3), rng.normal(0, 25, 3)
        bends = [start, *((start[0] + d[0], start[1] + d[1], start[2] + d[2]) for d in (first, second))]
        scene.tube(bends, rng.uniform(0.7, 1.9), 0.85 * hu["portal vein"], space)
    for _ in range(rng.poisson(2)):
        node = (rng.uniform(bottom - 40, top), spine - rng.uniform(12, 34), x + rng.uniform(-32, 32))
        scene.fill(ball(node, rng.uniform(3, 9)), hu["node"], within=torso.cavity)
