"""The kidneys painted from their labels: cortex, pyramids, sinus, perirenal fat, vessels, ureters, adrenals."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from napari_kidney_seg.phantom.body import Torso
from napari_kidney_seg.phantom.landmarks import Kidney
from napari_kidney_seg.phantom.lesions import cyst_hu, tumor_hu
from napari_kidney_seg.phantom.sampling import KidneyFields
from napari_kidney_seg.phantom.scene import Array, Point, Scene, ball, ramp

_PYRAMID_MM = 8.5  # radius of a medullary pyramid
_PYRAMID_PITCH_MM = 15.0  # distance between pyramids; cortical columns fill the rest
_URETER_WALL_HU = 25.0
_GEROTA_HU = 5.0


def paint_perirenal(torso: Torso, space: Array) -> None:
    """Paint the fat that surrounds the kidneys inside Gerota's fascia, more of it behind and below, and the fascia."""
    scene, kidneys, box = torso.scene, torso.kidneys, torso.kidneys.box
    if kidneys.whole.size == 0:
        return
    z, y, _ = scene.grid.mesh(box)
    center = np.mean([kidney.center for kidney in torso.marks.kidneys], axis=0).tolist()
    gradient = 0.035 * (y - center[1]) - 0.015 * (z - center[0])
    uneven = 1.3 * scene.noise(22.0)[box] + scene.rng.uniform(-0.6, 0.6) + gradient
    reach = 0.6 + (1.5 + 17 * torso.marks.fat) * ramp(uneven, 0, 1)
    distance = kidneys.outside_mm - reach
    allowed = space[box]
    scene.mix(box, scene.coverage(distance) * allowed, torso.fat_hu[box])
    fascia = np.exp(-((distance / 0.8) ** 2)) * (scene.noise(7.0)[box] > 0.2) * allowed
    scene.mix(box, 0.5 * torso.marks.fat * fascia, _GEROTA_HU)


def paint_sinus(torso: Torso, *, dilated: bool) -> None:
    """Paint the renal sinus between the parenchyma: fat, or the dilated pelvis of a hydronephrosis."""
    scene, kidneys, box = torso.scene, torso.kidneys, torso.kidneys.box
    if kidneys.whole.size == 0:
        return
    closed = ramp(kidneys.depth_mm, 0.5, 1.0)
    scene.mix(box, closed, torso.fat_hu[box])
    pelvis = ramp(scene.noise(7.0)[box] + 0.1 * kidneys.depth_mm, 0.3 if dilated else 2.2, 0.15)
    hu = torso.hu["urine"] + 2 * scene.noise(1.6)[box]
    scene.mix(box, closed * np.maximum(pelvis, 0.97 * dilated * ramp(kidneys.depth_mm, 2.0, 0.5)), hu)


def paint_kidneys(torso: Torso, subtype: str) -> None:
    """Paint parenchyma, tumors (of one `subtype`) and cysts where the labels are."""
    scene, kidneys, box = torso.scene, torso.kidneys, torso.kidneys.box
    if kidneys.whole.size == 0:
        return
    picture = _parenchyma(torso)
    share = kidneys.whole + np.float32(1e-3)
    picture += np.clip(kidneys.tumor / share, 0, 1) * (tumor_hu(scene, torso.hu, kidneys, subtype) - picture)
    picture += np.clip(kidneys.cyst / share, 0, 1) * (cyst_hu(scene, kidneys) - picture)
    scene.mix(box, kidneys.whole, picture)


def paint_renal_vessels(torso: Torso, aorta: Point, cava: Point) -> None:
    """Paint renal veins and arteries to the great vessels, their branches in the sinus, ureters and adrenals."""
    for kidney in torso.marks.kidneys:
        _paint_hilum(torso, kidney, aorta, cava)
        _paint_ureter(torso, kidney)
        _paint_adrenal(torso, kidney)


def _parenchyma(torso: Torso) -> Array:
    """Return the attenuation of cortex, pyramids and calyces over the box of the kidneys, HU."""
    scene, box, hu = torso.scene, torso.kidneys.box, torso.hu
    cortex_mm = scene.rng.uniform(4.5, 7.5)
    depth = torso.kidneys.depth_mm
    pyramids = _pyramids(scene, torso.kidneys, cortex_mm) * ramp(depth + 0.7 * scene.noise(4.6)[box], cortex_mm, 0.7)
    picture = hu["cortex"] + pyramids * (hu["medulla"] - hu["cortex"])
    calyces = ramp(depth, scene.rng.uniform(15, 19), 1.2) * ramp(scene.noise(7.0)[box], 0.4, 0.2)
    picture += calyces * (hu["urine"] - picture)
    picture += 4 * scene.noise(3.5)[box] + 4 * scene.noise(1.6)[box]
    return np.asarray(picture, dtype=np.float32)


def _pyramids(scene: Scene, kidneys: KidneyFields, cortex_mm: float) -> Array:
    """Return weights 0..1 of the medullary pyramids: balls on a jittered net under the cortex."""
    inside = np.argwhere(
        (kidneys.depth_mm > cortex_mm + 3) & (kidneys.depth_mm < cortex_mm + 9) & (kidneys.whole > 0.5)
    )
    result = np.zeros(kidneys.whole.shape, np.float32)
    if len(inside) == 0:
        return result
    spacing = np.asarray(scene.grid.spacing)
    seeds = spread_points(inside * spacing, _PYRAMID_PITCH_MM, scene.rng)
    deep = np.nonzero((kidneys.depth_mm > cortex_mm - 2) & (kidneys.whole > 0))
    distance, _ = cKDTree(seeds).query(np.stack(deep, axis=1) * spacing, distance_upper_bound=_PYRAMID_MM + 3)
    uneven = 1.3 * scene.noise(3.5)[kidneys.box][deep]
    result[deep] = ramp((_PYRAMID_MM - np.minimum(distance, 50)).astype(np.float32) + uneven, 0, 1.0)
    return result


def spread_points(points: Array, pitch_mm: float, rng: np.random.Generator) -> Array:
    """Return random rows of `points` (n, 3) mm that are at least `pitch_mm` apart."""
    candidates = points[rng.permutation(len(points))[:4000]]
    kept: list[Array] = []
    while len(candidates):
        kept.append(candidates[0])
        candidates = candidates[np.linalg.norm(candidates - candidates[0], axis=1) >= pitch_mm]
    return np.array(kept)


def _paint_hilum(torso: Torso, kidney: Kidney, aorta: Point, cava: Point) -> None:
    scene, rng, hu = torso.scene, torso.scene.rng, torso.hu
    z, y, x = kidney.center
    hilum: Point = (z, y - 8, x - 12 * kidney.side)
    halfway = (x + torso.marks.midline) / 2
    to_cava: list[Point] = [hilum, (z + 4, torso.marks.spine - 18, halfway)]
    if kidney.side > 0:  # the left vein crosses before the aorta
        to_cava.append((z + 6, aorta[1] - 14, aorta[2]))
    scene.tube([*to_cava, (z + 6, cava[1], cava[2])], rng.uniform(4, 5.5), hu["renal vein"], torso.cavity)
    to_aorta: list[Point] = [
        (z, y - 4, hilum[2]),
        (z + 2, torso.marks.spine - 14, halfway),
        (z + 10, aorta[1], aorta[2]),
    ]
    scene.tube(to_aorta, rng.uniform(2.2, 3.0), hu["aorta"], torso.cavity)
    for _ in range(4):
        steps = rng.normal(0, (9, 9, 9), (2, 3))
        inner: Point = (z, y - 8, hilum[2] + 8 * kidney.side)
        points = [inner, *((hilum[0] + a, hilum[1] + b, hilum[2] + c) for a, b, c in steps * [[1], [1.5]])]
        scene.tube(points, rng.uniform(1.2, 2.2), hu["renal vein"], torso.cavity)


def _paint_ureter(torso: Torso, kidney: Kidney) -> None:
    marks = torso.marks
    z, y, x = kidney.center
    hu = torso.hu["urine"] if torso.hu["urine"] > 100 else _URETER_WALL_HU
    points: list[Point] = [
        (z - 5, y - 10, x - 14 * kidney.side),
        (z - 45, marks.spine - 6, marks.midline + 42 * kidney.side),
        (marks.bottom - 60, marks.spine - 14, marks.midline + 36 * kidney.side),
    ]
    torso.scene.tube(points, torso.scene.rng.uniform(1.6, 2.4), hu, torso.cavity)


def _paint_adrenal(torso: Torso, kidney: Kidney) -> None:
    """Paint the two limbs of an adrenal gland above the kidney; sometimes it carries a nodule."""
    scene, rng = torso.scene, torso.scene.rng
    z, y, x = torso.marks.top - rng.uniform(-2, 12), kidney.center[1] - 14, kidney.center[2] - 22 * kidney.side
    limbs: list[Point] = [(z, y + 12, x - 6 * kidney.side), (z + 8, y - 6, x), (z, y + 10, x + 9 * kidney.side)]
    scene.tube(limbs, 2.2, torso.hu["adrenal"], torso.cavity)
    if rng.uniform() < 0.12:
        radius = rng.uniform(6, 18)
        scene.fill(ball((z + 4, y, x), radius), torso.hu["adrenal"] + rng.uniform(-25, 15), within=torso.cavity)
