"""What organs of a label map look like inside: cortical bone, bowel loops with gas, lung and liver vessels, lesions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_kidney_seg.phantom.contrast import CORTICAL_BONE_HU, GAS_HU
from napari_kidney_seg.phantom.lesions import paint_foreign_lesions
from napari_kidney_seg.phantom.organs import vessel_tree
from napari_kidney_seg.phantom.scene import Array, Point, Scene, Slices, ramp
from napari_kidney_seg.phantom.tissues import BONE_PREFIXES, BOWEL_PREFIXES, LUNG_PREFIX

_WALL_MM = 2.2  # bowel and cortical bone
_LUNG_VESSEL_HU = 40.0
_ORAL_CONTRAST_SHARE = 0.25


def paint_organ_textures(
    scene: Scene, array: NDArray[np.uint8], names: Mapping[int, str], hu: Mapping[str, float]
) -> None:
    """Paint the inside of the organs in `array` (ids as in `names`) on the grid of `scene`, HU by tissue from `hu`."""
    boxes = ndimage.find_objects(array)
    oral = scene.rng.uniform(120, 360) if scene.rng.uniform() < _ORAL_CONTRAST_SHARE else None
    for number, name in names.items():
        box = boxes[number - 1] if number <= len(boxes) else None
        if box is None:
            continue
        inside = array[box] == number
        if name.startswith(BONE_PREFIXES):
            _paint_bone(scene, box, inside)
        elif name.startswith(BOWEL_PREFIXES):
            _paint_bowel(scene, box, inside, name, oral)
        elif name.startswith((LUNG_PREFIX, "liver")):
            _paint_vessels(scene, box, inside, hu["portal vein"] if name == "liver" else _LUNG_VESSEL_HU)
        if name in ("liver", "spleen", "pancreas"):
            _paint_lesions(scene, box, array == number, hu[name])


def _core(scene: Scene, inside: NDArray[np.bool_]) -> Array:
    """Return weights 0..1 of what lies deeper than the wall."""
    blur = [_WALL_MM / step for step in scene.grid.spacing]
    return ramp(ndimage.gaussian_filter(inside.astype(np.float32), blur, truncate=2.5), 0.78, 0.1)


def _paint_bone(scene: Scene, box: Slices, inside: NDArray[np.bool_]) -> None:
    """Paint the cortical shell, and the trabeculae inside it."""
    scene.mix(box, inside * (1 - _core(scene, inside)), CORTICAL_BONE_HU)
    scene.canvas[box] += inside * (20 * scene.noise(3.5)[box] + 20 * scene.noise(1.6)[box])


def _paint_bowel(scene: Scene, box: Slices, inside: NDArray[np.bool_], name: str, oral: float | None) -> None:
    """Paint contents within the wall: fluid, food or stool that differs from loop to loop, and gas in front."""
    rng = scene.rng
    loops, grain = scene.noise(22.0)[box], scene.noise(7.0)[box]
    fluid = rng.uniform(5, 45) + 14 * loops + rng.uniform(1, 8) * scene.noise(3.5)[box]
    if oral is not None and name != "colon":
        fluid = fluid + oral * ramp(loops, rng.uniform(-0.5, 1), 0.2)
    if name == "colon" and rng.uniform() < 0.7:
        stool_gas = ramp(scene.noise(3.5)[box], rng.uniform(0.3, 2.2), 0.15)
        fluid = fluid + stool_gas * (rng.uniform(-800, -200) - fluid)
    folds = np.abs(grain) > (0.16 if name == "small_bowel" else 0.05)
    lumen = _core(scene, inside) * folds
    scene.mix(box, lumen, fluid.astype(np.float32))
    _, y, _ = scene.grid.mesh(box)
    forward = (float(np.median(y)) - y) / max(float(np.ptp(y)), 1.0)
    likely = {"small_bowel": 2.6, "duodenum": 2.2}.get(name, rng.uniform(0.3, 1.6))
    gas = lumen * ramp(1.2 * loops + 0.3 * grain + 2.5 * forward, likely, 0.08)
    scene.mix(box, gas, GAS_HU)


def _paint_vessels(scene: Scene, box: Slices, inside: NDArray[np.bool_], blood_hu: float) -> None:
    tree = vessel_tree(scene.noise(7.0)[box], scene.noise(4.6)[box])
    scene.mix(box, inside * tree, blood_hu)


def _paint_lesions(scene: Scene, box: Slices, organ: NDArray[np.bool_], organ_mean: float) -> None:
    """Paint cysts and tumors that are not renal into a solid organ."""
    z, y, x = scene.grid.mesh(box)
    center: Point = (float(z.mean()), float(y.mean()), float(x.mean()))
    spread: Point = (float(np.ptp(z)) / 3, float(np.ptp(y)) / 3, float(np.ptp(x)) / 3)
    paint_foreign_lesions(scene, center, spread, organ_mean, organ.astype(np.float32))
