"""A CT-like scan painted from a whole-body label map: real positions and surfaces of all organs.

The trunk around the labelled organs follows from their convex hull in each slice: muscular wall, subcutaneous fat,
skin. Kidneys come from the label map itself, with grown tumors and cysts, or from another label map around which the
body is bent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.phantom.body import Torso, paint_skin_and_fat
from napari_kidney_seg.phantom.contrast import draw_contrast
from napari_kidney_seg.phantom.hull import hull_distance
from napari_kidney_seg.phantom.kidneys import paint_kidneys, paint_perirenal, paint_renal_vessels, paint_sinus
from napari_kidney_seg.phantom.landmarks import find_landmarks
from napari_kidney_seg.phantom.lesions import LesionCounts, add_lesions, draw_subtype
from napari_kidney_seg.phantom.organ_textures import paint_organ_textures
from napari_kidney_seg.phantom.render import ALL_DRAWN, PhantomOptions, Recipe, draw_recipe, finish_scan
from napari_kidney_seg.phantom.sampling import CYST, KIDNEY, kidney_fields
from napari_kidney_seg.phantom.scene import EVERYWHERE, Grid, Point, Scene, Slices, smooth_noise
from napari_kidney_seg.phantom.tissues import (
    BONE_PREFIXES,
    KIDNEY_CYST_PREFIX,
    KIDNEY_PREFIXES,
    LIMB_PREFIXES,
    MUSCLE_PREFIXES,
    organ_hu,
)

_PAINT_STEP_MM = 2.6
_BEND_MM = 5.0  # amplitude of the random deformation
_BEND_SIGMA_MM = 45.0
_WALL_MM = 9.0
_REAL_SURROUNDINGS = 0.12  # share of the usual perirenal fat where the label map already holds the neighbors


@dataclass(frozen=True, kw_only=True, eq=False)
class OrganMap:
    """A whole-body label map, canonical (I-P-L).

    Attributes
    ----------
    array : shape (Z, Y, X)
        Organ ids, 0 where nothing is labelled.
    geometry : Geometry
    names : mapping
        Organ id to its name, as TotalSegmentator calls it.
    """

    array: NDArray[np.uint8] = field(repr=False)
    geometry: Geometry
    names: Mapping[int, str]

    @classmethod
    def from_masks(cls, masks: Mapping[str, NDArray[np.generic]], geometry: Geometry) -> OrganMap:
        """Return one map from a mask (Z, Y, X) per organ name; later masks win."""
        array = np.zeros(geometry.shape, np.uint8)
        for number, mask in enumerate(masks.values(), 1):
            array[np.asarray(mask) != 0] = number
        return cls(array=array, geometry=geometry, names=dict(enumerate(masks, 1)))

    def ids(self, prefixes: tuple[str, ...]) -> list[int]:
        """Return the ids of the organs whose names start with one of `prefixes`."""
        return [number for number, name in self.names.items() if name.startswith(prefixes)]

    def kidney_labels(self) -> LabelVolume:
        """Return kidneys and their cysts as a label volume on the same grid.

        Raises
        ------
        KidneySegError
            If the map holds no kidney.
        """
        array = np.where(np.isin(self.array, self.ids(KIDNEY_PREFIXES)), KIDNEY, 0).astype(np.uint8)
        array[np.isin(self.array, self.ids((KIDNEY_CYST_PREFIX,)))] = CYST
        if not array.any():
            raise KidneySegError(
                f"Found no kidney among {sorted(self.names.values())!r}; needed kidney_left or kidney_right. "
                "Choose a label map that covers the upper abdomen."
            )
        return LabelVolume(array=array, geometry=self.geometry, name="organ map")


def render_anatomy(
    organs: OrganMap, seed: int, options: PhantomOptions = ALL_DRAWN, kidneys: LabelVolume | None = None
) -> tuple[Volume, LabelVolume]:
    """Return a CT-like scan of the body in `organs`, randomly bent, and kidney labels on its grid.

    Parameters
    ----------
    organs : OrganMap
    seed : int
        The same arguments give the same voxels.
    options : PhantomOptions
        A field of view is cut to what the label map covers.
    kidneys : LabelVolume or None
        Kidneys to put, undistorted, where those of the map are; None uses the map's own, with grown lesions.

    Raises
    ------
    KidneySegError
        If the map holds no kidney, or the contrast phase is unknown.
    """
    rng = np.random.default_rng(seed)
    recipe = draw_recipe(options, rng)
    own = organs.kidney_labels()
    placed = own if kidneys is None else kidneys
    shifts = _kidney_shifts(own, placed, rng)
    grid = _scan_grid(organs, shifts, recipe, rng)
    painted = grid.refined(int(np.ceil(grid.spacing[0] / _PAINT_STEP_MM)))
    bent = _bent(organs, painted, shifts, rng)
    labels = placed if kidneys is not None else _own_labels(bent, options, rng)
    if not options.with_lesions:
        labels = replace(labels, array=np.where(labels.array > 0, KIDNEY, 0).astype(np.uint8))
    torso = _paint(Scene(grid=painted, rng=rng), bent, labels, recipe)
    return finish_scan(torso, labels, grid, recipe, f"anatomy phantom {seed}")


@dataclass(frozen=True, kw_only=True)
class _Shift:
    """How far the body moves so that its kidneys lie where the placed ones are: at `x` mm by `by` (z, y, x) mm."""

    x: float
    by: Point


def _kidney_shifts(own: LabelVolume, placed: LabelVolume, rng: np.random.Generator) -> list[_Shift]:
    """Return one shift per kidney that both maps have, patient's right first; at least one."""
    mine, theirs = find_landmarks(own, 0.5, rng), find_landmarks(placed, 0.5, rng)
    targets = {kidney.side: kidney.center for kidney in theirs.kidneys}
    shifts = []
    for kidney in mine.kidneys:
        if kidney.side in targets:
            to = targets[kidney.side]
            by = (to[0] - kidney.center[0], to[1] - kidney.center[1], to[2] - kidney.center[2])
            shifts.append(_Shift(x=to[2], by=by))
    return _evened(shifts) or [_Shift(x=0.0, by=(0.0, 0.0, 0.0))]


def _evened(shifts: list[_Shift]) -> list[_Shift]:
    """Return the shifts with half of their difference in height and depth, so that the body is not sheared."""
    if len(shifts) < 2:
        return shifts
    mean = [(shifts[0].by[axis] + shifts[1].by[axis]) / 2 for axis in range(2)]
    return [replace(s, by=((s.by[0] + mean[0]) / 2, (s.by[1] + 2 * mean[1]) / 3, s.by[2])) for s in shifts]


def _scan_grid(organs: OrganMap, shifts: list[_Shift], recipe: Recipe, rng: np.random.Generator) -> Grid:
    """Return the grid of the scan: around the kidneys, not beyond the top and bottom of the label map."""
    marks = find_landmarks(organs.kidney_labels(), 0.5, rng)
    source = Grid.of(organs.geometry)
    up = np.mean([shift.by for shift in shifts], axis=0).tolist()
    lowest, highest = float(source.axis(0)[-1]), float(source.axis(0)[0])
    wide = rng.uniform() < 0.35
    bottom = max(lowest, marks.bottom - (rng.uniform(80, 280) if wide else rng.uniform(-10, 70)))
    top = min(highest, marks.top + (rng.uniform(80, 280) if wide else rng.uniform(5, 80)))
    back, front, right, left = _plane_box(organs, source.box((bottom, -1e5, -1e5), (top, 1e5, 1e5)))
    margin = 2 * (_WALL_MM + 30 * recipe.fat + rng.uniform(5, 35))
    extent = (top - bottom, abs(front - back) + margin, abs(left - right) + margin)
    if recipe.field_of_view_mm is not None:
        extent = recipe.field_of_view_mm
    center = ((top + bottom) / 2 + up[0], (back + front) / 2 + up[1], (right + left) / 2 + up[2])
    return Grid.around(center, extent, recipe.spacing)


def _plane_box(organs: OrganMap, box: Slices) -> tuple[float, float, float, float]:
    """Return the first and last y, then x, of the trunk's organs within `box`, mm."""
    source = Grid.of(organs.geometry)
    trunk = np.isin(organs.array[box], [0, *organs.ids(LIMB_PREFIXES)], invert=True)
    flat = np.any(trunk, axis=0)
    rows, columns = np.flatnonzero(flat.any(1)), np.flatnonzero(flat.any(0))
    y, x = source.axis(1), source.axis(2)
    return float(y[rows[0]]), float(y[rows[-1]]), float(x[columns[0]]), float(x[columns[-1]])


def _bent(organs: OrganMap, grid: Grid, shifts: list[_Shift], rng: np.random.Generator) -> OrganMap:
    """Return the organs on `grid`, moved by the shifts (blended from side to side) and a smooth random field."""
    source = Grid.of(organs.geometry)
    mesh = grid.mesh()
    index = np.empty((3, *grid.shape), np.float32)
    for axis in range(3):
        moved = np.interp(mesh[2], [shift.x for shift in shifts], [shift.by[axis] for shift in shifts])
        bend = _BEND_MM * smooth_noise(grid, _BEND_SIGMA_MM, rng)
        index[axis] = (mesh[axis] - moved.astype(np.float32) + bend - source.first[axis]) / source.steps[axis]
    array = ndimage.map_coordinates(organs.array, index, order=0, mode="constant", cval=0)
    return replace(organs, array=array, geometry=grid.geometry)


def _own_labels(bent: OrganMap, options: PhantomOptions, rng: np.random.Generator) -> LabelVolume:
    """Return the kidneys of a bent map with some tumors and cysts grown in them."""
    labels = bent.kidney_labels() if np.isin(bent.array, bent.ids(KIDNEY_PREFIXES)).any() else _empty(bent)
    counts = LesionCounts(tumors=int(rng.choice([0, 1, 2], p=[0.45, 0.45, 0.1])), cysts=int(rng.poisson(0.8)))
    if options.with_lesions:
        add_lesions(labels.array, Grid.of(labels.geometry), counts, rng)
    return labels


def _empty(bent: OrganMap) -> LabelVolume:
    return LabelVolume(array=np.zeros(bent.array.shape, np.uint8), geometry=bent.geometry)


def _paint(scene: Scene, organs: OrganMap, labels: LabelVolume, recipe: Recipe) -> Torso:
    """Paint trunk, organs and kidneys."""
    hu = draw_contrast(recipe.phase, scene.rng, recipe.neighbors_spread_hu)
    kidneys = kidney_fields(labels, scene.grid)
    marks = find_landmarks(labels, recipe.fat * _REAL_SURROUNDINGS, scene.rng)
    trunk = (organs.array > 0) & ~np.isin(organs.array, organs.ids(LIMB_PREFIXES))
    hull = hull_distance(trunk, scene.grid) + 1.5 * scene.noise(22.0)
    skin_fat = np.float32(3 + 30 * recipe.fat * scene.rng.uniform(0.7, 1.2))
    fat_hu = paint_skin_and_fat(scene, _WALL_MM + skin_fat - hull)
    muscle = hu["muscle"] + 5 * scene.noise(3.5) - 45 * (scene.noise(4.6) > 1.4)
    scene.mix(EVERYWHERE, scene.coverage(np.maximum(hull - _WALL_MM, -4 - hull)), muscle)
    _paint_organs(scene, organs, hu)
    hard = np.isin(organs.array, organs.ids(BONE_PREFIXES + MUSCLE_PREFIXES + ("spinal_cord",)))
    torso = Torso(
        scene=scene,
        hu=hu,
        marks=marks,
        kidneys=kidneys,
        skin_depth=_WALL_MM + skin_fat - hull,
        azimuth=np.zeros((1, 1, 1), np.float32),
        cavity=scene.coverage(hull) * ~hard,
        fat_hu=fat_hu,
    )
    paint_perirenal(torso, torso.cavity)
    paint_renal_vessels(torso, *_great_vessels(organs, torso))
    paint_sinus(torso, dilated=recipe.hydronephrosis)
    paint_kidneys(torso, draw_subtype(scene.rng))
    return torso


def _paint_organs(scene: Scene, organs: OrganMap, hu: Mapping[str, float]) -> None:
    """Paint every organ with its mean attenuation and grain, then what bones, bowel, lungs and vessels have inside."""
    means = np.zeros(256, np.float32)
    for number, name in organs.names.items():
        means[number] = organ_hu(name, hu) + (0 if name.startswith("kidney") else scene.rng.normal(0, 3))
    picture = means[organs.array] + 5 * scene.noise(3.5) + 4 * scene.noise(1.6)
    np.copyto(scene.canvas, picture, where=organs.array > 0)
    paint_organ_textures(scene, organs.array, organs.names, hu)


def _great_vessels(organs: OrganMap, torso: Torso) -> tuple[Point, Point]:
    """Return the centers of aorta and vena cava at the height of the kidneys (z, y, x), mm."""
    grid, marks = torso.scene.grid, torso.marks
    level = (marks.top + marks.bottom) / 2
    box = grid.box((level - 8, -1e4, -1e4), (level + 8, 1e4, 1e4))
    centers: list[Point] = []
    for names, sideward in ((("aorta",), 9.0), (("inferior_vena", "postcava"), -19.0)):
        found = np.argwhere(np.isin(organs.array[box], organs.ids(names)))
        centers.append((level, marks.spine - 30, marks.midline + sideward))
        if len(found):
            _, y, x = found.mean(0)
            at = (box[1].start + y, box[2].start + x)
            centers[-1] = (level, grid.first[1] + at[0] * grid.spacing[1], grid.first[2] + at[1] * grid.spacing[2])
    return centers[0], centers[1]
