"""Volumes of the layers of a scan, as they would be saved. No Qt: computed in a worker's thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.labels import KITS, LabelSchema
from napari_kidney_seg.imaging.cropping import foreground_box, paste
from napari_kidney_seg.imaging.sides import LEFT, RIGHT, patient_sides
from napari_kidney_seg.widgets.layer_data import LEFT_KIDNEY
from napari_kidney_seg.widgets.sides import is_split


@dataclass(frozen=True, kw_only=True)
class Volumes:
    """Milliliters of each class (the kidney without its masses), and of each kidney with its masses.

    `is_split` says whether the kidney layer itself tells left from right.
    """

    classes: Mapping[str, float]
    right: float
    left: float
    is_split: bool = False


def measure_layers(arrays: Mapping[str, NDArray[Any]], geometry: Geometry, schema: LabelSchema = KITS) -> Volumes:
    """Return the volumes of nested masks.

    Parameters
    ----------
    arrays : shape (Z, Y, X), by class name
        A kidney array that was split says itself which voxels are left; else the patient's midline does.
    geometry : Geometry
        Of every array.
    """
    boxes = [box for box in map(foreground_box, arrays.values()) if box is not None]
    if not boxes:
        return Volumes(classes={label.name: 0.0 for label in schema.labels}, right=0.0, left=0.0)
    box = reduce(Box.union, boxes)
    inside = {name: array[box.slices] for name, array in arrays.items()}
    composed = schema.compose(inside)
    sides = patient_sides(paste(composed != 0, box, geometry.shape), geometry)[box.slices]
    organ = inside.get(schema.organ)
    split = organ is not None and is_split(organ)
    if organ is not None and split:
        sides = np.where(organ == 0, sides, np.where(organ == LEFT_KIDNEY, LEFT, RIGHT))
    return Volumes(
        classes={label.name: _ml(composed == label.id, geometry) for label in schema.labels},
        right=_ml(sides == RIGHT, geometry),
        left=_ml(sides == LEFT, geometry),
        is_split=split,
    )


def _ml(mask: NDArray[np.bool_], geometry: Geometry) -> float:
    return float(np.count_nonzero(mask)) * geometry.voxel_ml
