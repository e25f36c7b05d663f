"""Classes inside a kidney: the kidney stage draws the outline, the lesion stage says what lies in it.

A lesion stage that knows a background also adds the masses at a kidney that the kidney stage took for something else.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.labels import KITS, LabelSchema
from napari_kidney_seg.core.method import Cleaning, FusionSteps, StageOutput
from napari_kidney_seg.imaging.components import KeepLargerThanMl, components, touching
from napari_kidney_seg.imaging.cropping import foreground_box
from napari_kidney_seg.inference.background import in_background
from napari_kidney_seg.inference.fusion import class_ids, completed_argmax, mask_of, masked_argmax
from napari_kidney_seg.inference.reach import Reach

KIDNEY_SEEDS = KeepLargerThanMl(ml=1.0)  # of what the kidney stage found; our choice. Smaller is noise, no kidney
DRAW_IT = "draw it in the kidney layer and press “Re-run from here” in “Edit kidneys”"
REMARKABLE_ML = 10.0  # of removed foreground: noise has less, a real kidney more (METHODS.md section 0)


@dataclass(frozen=True, kw_only=True)
class MaskedFusion:
    """Fuses the stages ``"kidney"`` (background, kidney) and ``"lesion"``: inside the kidneys the likeliest class.

    Where the lesion stage has a background, its lesions that touch a kidney count outside the outline too, unless a
    person drew that.

    Attributes
    ----------
    keep : Cleaning
        Which components stay. It acts on the foreground as a whole: per class it would erase every tumor of 185 of 489
        KiTS23 cases. Kidneys that a person gave all stay.
    reach : Reach or None
        Farther from what an earlier stage found nothing counts; None believes the kidney stage everywhere. What a
        person marked in place of that stage only says where to look.
    schema : LabelSchema

    Notes
    -----
    In the paper (METHODS.md section 4) the lesion stage, without a background, is asked inside the kidneys alone.
    """

    keep: Cleaning
    reach: Reach | None = None
    schema: LabelSchema = KITS

    def __call__(self, outputs: Mapping[str, StageOutput], geometry: Geometry) -> FusionSteps:
        """Return the labels, uint8 (Z, Y, X), on the scan's grid `geometry`; yield as `inference.fusion` does."""
        kidney, lesion = outputs["kidney"], outputs["lesion"]
        ids = class_ids(lesion.classes, self.schema)
        is_kidney = None
        if kidney.given or ids[0]:  # a person's outline, or no background
            labels = yield from masked_argmax(kidney, lesion, geometry, ids)
        else:
            labels, is_kidney = yield from completed_argmax(kidney, lesion, geometry, ids)
        box = foreground_box(labels)
        if kidney.given or box is None:
            return labels
        found = labels[box.slices]  # what changes here changes in `labels`
        if self.reach is not None:
            yield from self._limit(found, box, outputs, self.reach, geometry)
        if is_kidney is not None:
            yield from _drop_detached(found, is_kidney[box.slices], box.start[0], geometry)
        is_found = found > 0
        is_kept = yield from in_background(partial(self.keep, is_found, geometry.spacing), geometry.shape[0])
        is_removed = is_found & ~is_kept
        yield from _removal_notices(is_removed, box.start[0], geometry)
        found[is_removed] = 0
        return labels

    def _limit(
        self,
        found: NDArray[np.uint8],
        box: Box,
        outputs: Mapping[str, StageOutput],
        reach: Reach,
        geometry: Geometry,
    ) -> Generator[int | Notice, None, None]:
        """Take from `found`, the labels in `box`, what is out of `reach`, unless a person marked where to look."""
        located = outputs.get(reach.source)
        if located is None or located.given:
            return
        is_near = yield from mask_of(reach.of(located, geometry), geometry, box)
        is_far = ~is_near[box.slices]
        yield from _reach_notices(np.count_nonzero(found[is_far]) * geometry.voxel_ml, reach)
        found[is_far] = 0


def _drop_detached(
    found: NDArray[np.uint8], is_kidney: NDArray[np.bool_], first_slice: int, geometry: Geometry
) -> Generator[int | Notice, None, None]:
    """Take from `found`, labels that begin in `first_slice` of the scan, the masses that touch no kidney."""

    def detached() -> NDArray[np.bool_]:
        seeds = KIDNEY_SEEDS(is_kidney, geometry.spacing)
        return (found > 0) & ~is_kidney & ~touching(found > 0, seeds)

    is_detached = yield from in_background(detached, geometry.shape[0])
    found[is_detached] = 0
    ml = np.count_nonzero(is_detached) * geometry.voxel_ml
    if ml < REMARKABLE_ML:
        return
    parts = yield from in_background(partial(components, is_detached), geometry.shape[0])
    first, last = first_slice + parts[0].box.start[0], first_slice + parts[0].box.stop[0] - 1
    yield Notice(
        code="masses_detached",
        level="info",
        text=(
            f"{ml:.0f} ml that looked like a mass touched no kidney and were left out, the largest part in slices "
            f"{first} to {last}. If it is a mass of a kidney, {DRAW_IT}."
        ),
    )


def _reach_notices(ml: float, reach: Reach) -> Iterator[Notice]:
    """Yield a notice when what was out of reach may have been a mass."""
    if ml >= REMARKABLE_ML:
        yield Notice(
            code="out_of_reach",
            level="info",
            text=(
                f"{ml:.0f} ml that looked like kidney or a mass lay more than {reach.mm:.0f} mm from the kidneys of "
                f"stage {reach.source!r} and were left out. If a mass is cut off, {DRAW_IT}."
            ),
        )


def _removal_notices(
    is_removed: NDArray[np.bool_], first_slice: int, geometry: Geometry
) -> Generator[int | Notice, None, None]:
    """Yield a notice when what was removed, from `first_slice` of the scan on, may have been a kidney."""
    ml = np.count_nonzero(is_removed) * geometry.voxel_ml
    if ml < REMARKABLE_ML:
        return
    found = yield from in_background(partial(components, is_removed), geometry.shape[0])
    first, last = first_slice + found[0].box.start[0], first_slice + found[0].box.stop[0] - 1
    parts = "1 component was" if len(found) == 1 else f"{len(found)} components were"
    yield Notice(
        code="components_removed",
        text=(
            f"{parts} found and removed as too small for a kidney, {ml:.0f} ml in all; the largest, "
            f"{found[0].voxels * geometry.voxel_ml:.0f} ml, lay in slices {first} to {last}. If it is a kidney, "
            f"{DRAW_IT}."
        ),
    )
