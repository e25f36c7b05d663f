"""Volumes, diameters and places of the kidneys and of each lesion."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.volume import LabelVolume
from napari_kidney_seg.imaging.components import numbered
from napari_kidney_seg.imaging.cropping import foreground_box

# No real second kidney of 489 KiTS23 cases is smaller (smallest 45 ml) and no false one larger than 5 ml.
SECOND_KIDNEY_ML = 10.0
# A component with more than this share on either side of the midline lies on both: a horseshoe kidney.
MIDLINE_SHARE = 0.25
# From a pixel's center to the middles of its four sides, (row, column), pixels.
_SIDE_MIDDLES = np.array([(-0.5, 0.0), (0.5, 0.0), (0.0, -0.5), (0.0, 0.5)])


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One measured structure.

    Attributes
    ----------
    kind : ``"class"``, ``"organ"`` or ``"lesion"``
        All voxels of one label; one kidney with its masses; one connected lesion.
    name : str
        Of the label, e.g. ``"tumor"``.
    side : ``"left"``, ``"right"``, ``"midline"`` or ``""``
        Of the patient; empty for a class.
    index : int
        Number of a lesion within its label, 1 for the largest; 0 for the other kinds.
    volume_ml : float
    longest_axial_mm : float or None
        Longest distance inside one axial slice, from pixel side to pixel side; None for a class.
    centroid : world LPS (x, y, z), mm, or None
        None for a class.
    """

    kind: str
    name: str
    side: str = ""
    index: int = 0
    volume_ml: float
    longest_axial_mm: float | None = None
    centroid: tuple[float, float, float] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """Some voxels of a mask: (z, y, x) indices, shape (N, 3), with their world positions, shape (N, 3), LPS mm."""

    voxels: NDArray[np.intp]
    world: NDArray[np.float64]


def measure(labels: LabelVolume) -> tuple[Measurement, ...]:
    """Return the classes, then the kidneys, then each lesion, largest first.

    Parameters
    ----------
    labels : LabelVolume
        Canonical, composed ids.

    Notes
    -----
    The midline lies halfway between the two largest components of the foreground when the second has at least
    `SECOND_KIDNEY_ML`; with a single kidney it is the middle of the scan.
    """
    classes = tuple(
        Measurement(kind="class", name=name, volume_ml=labels.volume_ml(name)) for name in labels.schema.names.values()
    )
    kidneys = list(_parts(labels.array != 0, labels.geometry))
    midline = _midline(kidneys, labels.geometry)
    return (*classes, *_organs(kidneys, midline, labels), *_lesions(midline, labels))


def write_measurements_csv(measurements: tuple[Measurement, ...], path: Path) -> None:
    """Write one row per measurement to `path`; the centroid takes three columns, unknown values are empty."""
    names = [field.name for field in fields(Measurement) if field.name != "centroid"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*names, "centroid_x_mm", "centroid_y_mm", "centroid_z_mm"])
        for one in measurements:
            writer.writerow([getattr(one, name) for name in names] + list(one.centroid or ("", "", "")))


def longest_axial_diameter(voxels: NDArray[np.intp], geometry: Geometry) -> float:
    """Return the longest distance inside one axial slice, from pixel side to pixel side, mm.

    Parameters
    ----------
    voxels : shape (N, 3)
        Indices (z, y, x) of the structure.
    geometry : Geometry
    """
    in_plane = geometry.affine[:3, 1:3]
    order = np.argsort(voxels[:, 0], kind="stable")
    rows = voxels[order]
    starts = np.flatnonzero(np.diff(rows[:, 0], prepend=rows[0, 0] - 1))
    return max(_diameter(pixels[:, 1:], in_plane) for pixels in np.split(rows, starts[1:]))


def _organs(kidneys: list[_Part], midline: float, labels: LabelVolume) -> Iterator[Measurement]:
    """Yield one kidney per side; fragments count to the side they lie on."""
    sides = [_side(part, midline) for part in kidneys]
    for side in ("left", "right", "midline"):
        parts = [part for part, its_side in zip(kidneys, sides, strict=True) if its_side == side]
        if parts:
            whole = _Part(
                voxels=np.concatenate([part.voxels for part in parts]),
                world=np.concatenate([part.world for part in parts]),
            )
            yield _measured(whole, labels.geometry, kind="organ", name=labels.schema.organ, side=side)


def _lesions(midline: float, labels: LabelVolume) -> Iterator[Measurement]:
    for identity, name in labels.schema.names.items():
        if name == labels.schema.organ:
            continue
        for index, part in enumerate(_parts(labels.array == identity, labels.geometry), start=1):
            side = _side(part, midline)
            yield _measured(part, labels.geometry, kind="lesion", name=name, side=side, index=index)


def _measured(part: _Part, geometry: Geometry, *, kind: str, name: str, side: str, index: int = 0) -> Measurement:
    x, y, z = (float(value) for value in part.world.mean(axis=0))
    return Measurement(
        kind=kind,
        name=name,
        side=side,
        index=index,
        volume_ml=len(part.voxels) * geometry.voxel_ml,
        longest_axial_mm=longest_axial_diameter(part.voxels, geometry),
        centroid=(x, y, z),
    )


def _parts(mask: NDArray[np.bool_], geometry: Geometry) -> Iterator[_Part]:
    """Yield the connected components of `mask` (Z, Y, X), largest first."""
    box = foreground_box(mask)
    if box is None:
        return
    numbers = numbered(mask[box.slices])
    statistics = cc3d.statistics(numbers)
    sizes = statistics["voxel_counts"][1:].astype(np.int64)
    for index in 1 + np.argsort(-sizes, kind="stable"):
        where = statistics["bounding_boxes"][index]
        first = [start + part.start for start, part in zip(box.start, where, strict=True)]
        voxels = np.argwhere(numbers[where] == index) + np.array(first)
        yield _Part(voxels=voxels, world=voxels @ geometry.affine[:3, :3].T + geometry.affine[:3, 3])


def _midline(kidneys: list[_Part], geometry: Geometry) -> float:
    """Return the world x (LPS) that parts the patient's left from the right, mm."""
    if len(kidneys) > 1 and len(kidneys[1].voxels) * geometry.voxel_ml >= SECOND_KIDNEY_ML:
        return float(np.mean([part.world[:, 0].mean() for part in kidneys[:2]]))
    middle = (np.array(Box.whole(geometry.shape).shape) - 1) / 2
    return float(geometry.affine[0, :3] @ middle + geometry.affine[0, 3])


def _side(part: _Part, midline: float) -> str:
    """Return where a component lies; LPS x grows to the patient's left."""
    share_left = float(np.mean(part.world[:, 0] > midline))
    if share_left > 1 - MIDLINE_SHARE:
        return "left"
    return "right" if share_left < MIDLINE_SHARE else "midline"


def _diameter(pixels: NDArray[np.intp], in_plane: NDArray[np.float64]) -> float:
    """Return the longest distance between side middles of `pixels`, shape (N, 2), mm."""
    corners = (_outline(pixels)[:, np.newaxis] + _SIDE_MIDDLES).reshape(-1, 2)
    hull = corners[ConvexHull(corners).vertices]
    return float(pdist(hull @ in_plane.T).max())


def _outline(pixels: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the first and last pixel of every row: the hull has no other corners."""
    order = np.lexsort((pixels[:, 1], pixels[:, 0]))
    rows: NDArray[np.intp] = pixels[order]
    is_first = np.diff(rows[:, 0], prepend=rows[0, 0] - 1) != 0
    is_last = np.append(is_first[1:], [True])
    ends: NDArray[np.intp] = rows[is_first | is_last]
    return ends
