"""A CT-like abdomen rendered around a label map: the front door of this room.

Everything but the labels is procedural and follows from one seed; the attenuation of tissues are textbook values per
contrast phase. Nothing is scaled to fit: kidneys keep their size in millimeters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from napari_kidney_seg.core.geometry import Spacing
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.phantom.analytic import analytic_labels
from napari_kidney_seg.phantom.body import Torso, free_space, paint_torso
from napari_kidney_seg.phantom.bowel import paint_bowel, paint_stomach
from napari_kidney_seg.phantom.contrast import PHASES, draw_contrast
from napari_kidney_seg.phantom.kidneys import paint_kidneys, paint_perirenal, paint_renal_vessels, paint_sinus
from napari_kidney_seg.phantom.landmarks import Landmarks, find_landmarks
from napari_kidney_seg.phantom.lesions import draw_subtype
from napari_kidney_seg.phantom.organs import (
    diaphragm,
    paint_bladder,
    paint_chest,
    paint_liver,
    paint_pancreas,
    paint_spleen,
)
from napari_kidney_seg.phantom.sampling import KIDNEY, kidney_fields, resampled_labels
from napari_kidney_seg.phantom.scanner import Scanner, acquire
from napari_kidney_seg.phantom.scene import EVERYWHERE, Grid, Point, Scene, ramp
from napari_kidney_seg.phantom.skeleton import paint_pelvis, paint_ribs, paint_spine
from napari_kidney_seg.phantom.vessels import paint_great_vessels, paint_visceral_vessels

PHASE_SHARES = (0.28, 0.18, 0.18, 0.18, 0.18)  # without contrast more often: it is the harder one
THICKNESSES_MM = (1.0, 1.5, 2.5, 3.0, 5.0)
THICKNESS_SHARES = (0.1, 0.15, 0.25, 0.25, 0.25)
SAMPLE_SEED = 25
_PAINT_STEP_MM = 2.6  # slices thicker than this are painted as several and averaged
_TABLE_HU = (-160.0, 450.0)


@dataclass(frozen=True, kw_only=True)
class PhantomOptions:
    """What to fix of a phantom; whatever is None is drawn from the seed.

    Attributes
    ----------
    phase : str or None
        One of `PHASES`.
    spacing : (sz, sy, sx) or None
        Of the rendered grid, mm.
    field_of_view_mm : (z, y, x) or None
        Extent of the scan, centered on the kidneys. None: from a cropped abdomen to chest and pelvis.
    slice_thickness_mm : float or None
        Of the slice profile.
    fat : float or None
        0 thin to 1 obese.
    noise_hu : float or None
        Standard deviation of the noise in the middle of the body.
    metal : bool or None
        Whether an implant throws streaks.
    hydronephrosis : bool or None
        Whether the renal pelvis is dilated.
    offset_hu : float or None
        Error of the scanner's calibration.
    with_lesions : bool
        If False, tumors and cysts are painted and labelled as kidney.
    neighbors_spread_hu : float
        Above 0 the organs around the kidneys get unnatural attenuations, see `contrast.draw_contrast`; never drawn.
    """

    phase: str | None = None
    spacing: Spacing | None = None
    field_of_view_mm: Point | None = None
    slice_thickness_mm: float | None = None
    fat: float | None = None
    noise_hu: float | None = None
    metal: bool | None = None
    hydronephrosis: bool | None = None
    offset_hu: float | None = None
    with_lesions: bool = True
    neighbors_spread_hu: float = 0.0


ALL_DRAWN = PhantomOptions()


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """`PhantomOptions` with every choice made; the fields mean the same."""

    phase: str
    spacing: Spacing
    field_of_view_mm: Point | None
    slice_thickness_mm: float
    fat: float
    noise_hu: float
    metal: bool
    hydronephrosis: bool
    offset_hu: float
    neighbors_spread_hu: float = 0.0


def render_phantom(labels: LabelVolume, seed: int, options: PhantomOptions = ALL_DRAWN) -> tuple[Volume, LabelVolume]:
    """Return a CT-like scan of a body around the labelled kidneys, and the labels on its grid.

    Parameters
    ----------
    labels : LabelVolume
        Kidney, tumor and cyst, canonical (I-P-L); may be empty: then nothing is labelled and no kidney is painted.
    seed : int
        The same labels, seed and options give the same voxels.
    options : PhantomOptions

    Returns
    -------
    volume : Volume
        int16 HU.
    labels : LabelVolume
        uint8, on the same grid.

    Raises
    ------
    KidneySegError
        If the contrast phase is unknown.
    """
    rng = np.random.default_rng(seed)
    recipe = draw_recipe(options, rng)
    labels = labels if options.with_lesions else _without_lesions(labels)
    marks = find_landmarks(labels, recipe.fat, rng)
    grid = _grid(marks, recipe, rng)
    painted = grid.refined(int(np.ceil(grid.spacing[0] / _PAINT_STEP_MM)))
    scene = Scene(grid=painted, rng=rng)
    torso = _paint_body(scene, labels, marks, recipe)
    return finish_scan(torso, labels, grid, recipe, f"phantom {seed}")


def finish_scan(torso: Torso, labels: LabelVolume, grid: Grid, recipe: Recipe, name: str) -> tuple[Volume, LabelVolume]:
    """Lay the painted `torso` on the table, scan it on `grid`, and return the scan with the labels on its grid."""
    _paint_table(torso)
    scene, rng = torso.scene, torso.scene.rng
    scanner = _scanner(recipe, grid, torso.marks, rng)
    scan = acquire(scene.canvas, scene.grid, grid, torso.skin_depth.mean(0), scanner, rng)
    name = f"{name} ({recipe.phase})"
    mask = LabelVolume(array=resampled_labels(labels, grid), geometry=grid.geometry, name=f"{name} labels")
    return Volume(array=scan, geometry=grid.geometry, name=name), mask


def sample_scan() -> tuple[Volume, LabelVolume]:
    """Return the plugin's sample: a portal venous abdomen with one tumor and one cyst, and its labels."""
    labels = analytic_labels(SAMPLE_SEED, "both", tumors=1, cysts=1)
    options = PhantomOptions(
        phase="portal venous",
        spacing=(3.0, 1.5, 1.5),
        field_of_view_mm=(210.0, 300.0, 390.0),
        slice_thickness_mm=3.0,
        fat=0.45,
        noise_hu=9.0,
        metal=False,
        hydronephrosis=False,
        offset_hu=0.0,
    )
    volume, mask = render_phantom(labels, SAMPLE_SEED, options)
    return replace(volume, name="sample abdomen"), replace(mask, name="sample abdomen labels")


def draw_recipe(options: PhantomOptions, rng: np.random.Generator) -> Recipe:
    """Return `options` with everything that was left open drawn from `rng`."""
    thickness = float(rng.choice(THICKNESSES_MM, p=THICKNESS_SHARES))
    plane = rng.uniform(1.3, 1.8)
    drawn = Recipe(
        phase=str(rng.choice(PHASES, p=PHASE_SHARES)),
        spacing=(max(1.2, float(thickness * rng.choice([0.8, 1.0]))), plane, plane),
        field_of_view_mm=None,
        slice_thickness_mm=thickness,
        fat=float(rng.uniform()),
        noise_hu=float(rng.uniform(6, 28) if rng.uniform() < 0.82 else rng.uniform(28, 55)),
        metal=bool(rng.uniform() < 0.04),
        hydronephrosis=bool(rng.uniform() < 0.08),
        offset_hu=float(rng.normal(0, 12) if rng.uniform() < 0.2 else rng.normal(0, 2)),
    )
    chosen = {key: value for key in vars(drawn) if (value := getattr(options, key)) is not None}
    return replace(drawn, **chosen)


def _without_lesions(labels: LabelVolume) -> LabelVolume:
    return replace(labels, array=np.where(labels.array > 0, KIDNEY, 0).astype(np.uint8))


def _grid(marks: Landmarks, recipe: Recipe, rng: np.random.Generator) -> Grid:
    """Return the grid of the scan: the field of view asked for around the kidneys, or a drawn one."""
    up, down, margin = _drawn_reach(marks, rng), _drawn_reach(marks, rng), rng.uniform(4, 40)
    bottom, top = marks.bottom - down - 10, marks.top + up
    extent = (top - bottom, marks.back - marks.front + 2 * margin, 2 * (marks.half_width + margin))
    center: Point = ((top + bottom) / 2, marks.middle, marks.midline)
    if recipe.field_of_view_mm is not None:
        extent = recipe.field_of_view_mm
        center = ((marks.top + marks.bottom) / 2, (marks.middle + marks.spine) / 2, marks.midline)
    elif rng.uniform() < 0.2:  # a reconstruction zoomed into the body
        extent = (extent[0], 0.85 * extent[1], 0.85 * extent[2])
    return Grid.around(center, extent, recipe.spacing)


def _drawn_reach(marks: Landmarks, rng: np.random.Generator) -> float:
    """Return how far the scan goes beyond a pole of the kidneys, mm: usually a little, sometimes to chest or pelvis."""
    kind = rng.uniform()
    if kind < 0.1:
        return float(-rng.uniform(0, 0.4) * (marks.top - marks.bottom))  # ends inside the kidneys
    return float(rng.uniform(8, 90) if kind < 0.75 else rng.uniform(90, 260))


def _paint_body(scene: Scene, labels: LabelVolume, marks: Landmarks, recipe: Recipe) -> Torso:
    """Paint everything, from the skin inward and the kidneys last."""
    rng = scene.rng
    hu = draw_contrast(recipe.phase, rng, recipe.neighbors_spread_hu)
    torso = paint_torso(scene, hu, marks, kidney_fields(labels, scene.grid))
    paint_spine(torso)
    paint_ribs(torso)
    crest = marks.bottom - rng.uniform(15, 45)
    paint_pelvis(torso, crest)
    dome = diaphragm(torso)
    space = free_space(torso, gap_mm=rng.uniform(0.3, 2.0) + 1.5 * recipe.fat)
    below = space * scene.coverage(scene.grid.mesh()[0] - dome + 3)
    for paint in (paint_liver, paint_spleen, paint_stomach, paint_pancreas, paint_bowel):
        paint(torso, below)
    paint_bladder(torso, crest)
    aorta, cava = paint_great_vessels(torso)
    paint_visceral_vessels(torso, aorta, below)
    paint_chest(torso, dome)
    paint_perirenal(torso, space)
    paint_renal_vessels(torso, aorta, cava)
    paint_sinus(torso, dilated=recipe.hydronephrosis)
    paint_kidneys(torso, draw_subtype(rng))
    return torso


def _paint_table(torso: Torso) -> None:
    """Paint the curved top of the patient table behind the back."""
    scene, marks = torso.scene, torso.marks
    _, y, x = scene.grid.mesh()
    sag = ((x - marks.midline) / 330) ** 2 * 60
    distance = np.asarray(np.abs(y - (marks.back + 9 - sag)) - 1.5, dtype=np.float32)
    weight = scene.coverage(distance) * ramp(215 - np.abs(x - marks.midline), 0, 2) * (torso.skin_depth < 0)
    scene.mix(EVERYWHERE, weight, scene.rng.uniform(*_TABLE_HU))


def _scanner(recipe: Recipe, grid: Grid, marks: Landmarks, rng: np.random.Generator) -> Scanner:
    at: Point = (
        rng.uniform(marks.bottom, marks.top),
        marks.spine - rng.uniform(-20, 60),
        marks.midline + rng.uniform(-60, 60),
    )
    circle = 0.5 * min(grid.shape[1] * grid.spacing[1], grid.shape[2] * grid.spacing[2])
    wide = rng.uniform() < 0.3 and circle > marks.half_width
    return Scanner(
        slice_thickness_mm=recipe.slice_thickness_mm,
        blur_mm=float(rng.uniform(0.3, 0.7)),
        noise_hu=float(recipe.noise_hu * np.sqrt(2.5 / max(recipe.slice_thickness_mm, 1.0)) ** 0.6),
        noise_cutoff=float(rng.uniform(0.2, 0.42)),
        offset_hu=recipe.offset_hu,
        metal=at if recipe.metal else None,
        circle_radius_mm=circle if wide else None,
    )
