"""A picture of a scan with its mask: axial, coronal and sagittal, in radiological convention and true proportions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from napari_kidney_seg.core.errors import GeometryMismatchError
from napari_kidney_seg.core.labels import LabelSchema
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.io.atomic import replacing

ABDOMEN_WINDOW = (-160.0, 240.0)  # HU
OPACITY = 0.45
PANEL_PIXELS = 480  # longest side of the largest view
_GAP = 8  # pixels around each view
_TEXT = (255, 230, 120)
# Per view: the axis it cuts, its title, and what lies at its left and right (arrays are I-P-L).
_VIEWS = ((0, "axial", "R", "L"), (1, "coronal", "R", "L"), (2, "sagittal", "A", "P"))

Picture = NDArray[np.uint8]


def render_views(ct: Volume, labels: LabelVolume) -> Picture:
    """Return three views through the middle of the labeled voxels, side by side.

    Parameters
    ----------
    ct : Volume
        Canonical, HU.
    labels : LabelVolume
        On the grid of `ct`. Where it is empty, the views go through the middle of the scan.

    Returns
    -------
    shape (height, width, 3), uint8
        Anterior up, head up, the patient's right on the left; one scale (mm per pixel) for all views.

    Raises
    ------
    GeometryMismatchError
        When the mask does not have the shape of the scan.
    """
    if ct.array.shape != labels.array.shape:
        raise GeometryMismatchError(
            f"The mask {labels.name!r} has shape {labels.array.shape!r}; the scan {ct.name!r} has {ct.array.shape!r}. "
            "Give the mask that was made from this scan."
        )
    center = _center(labels.array)
    mm_per_pixel = max(n * s for n, s in zip(ct.array.shape, ct.spacing, strict=True)) / PANEL_PIXELS
    panels = []
    for axis, title, left, right in _VIEWS:
        view = _overlaid(
            np.take(ct.array, center[axis], axis), np.take(labels.array, center[axis], axis), labels.schema
        )
        height, width = (step for other, step in enumerate(ct.spacing) if other != axis)
        panels.append(_captioned(_stretched(view, height / mm_per_pixel, width / mm_per_pixel), title, left, right))
    return _side_by_side(panels)


def write_picture(path: Path, ct: Volume, labels: LabelVolume) -> None:
    """Write the picture of `render_views` to `path` (.png).

    Raises
    ------
    GeometryMismatchError
        When the mask does not have the shape of the scan.
    UnwritableImageError
        When the file cannot be written.
    """
    picture = Image.fromarray(render_views(ct, labels))
    with replacing(path) as temporary:
        picture.save(temporary)


def _center(mask: NDArray[np.generic]) -> tuple[int, int, int]:
    """Return, per axis, the plane with the most labeled voxels; lesions count as kidney."""
    planes = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        counts = np.count_nonzero(mask, axis=others)
        planes.append(int(counts.argmax()) if counts.any() else mask.shape[axis] // 2)
    return tuple(planes)  # type: ignore[return-value]


def _overlaid(image: NDArray[np.generic], labels: NDArray[np.generic], schema: LabelSchema) -> Picture:
    """Return a windowed slice (rows, columns) with its labels on it, (rows, columns, 3)."""
    low, high = ABDOMEN_WINDOW
    gray = np.clip((image.astype(np.float32) - low) / (high - low), 0, 1)
    picture = np.repeat(gray[..., np.newaxis], 3, axis=-1)
    for label in schema.labels:
        inside = labels == label.id
        picture[inside] = (1 - OPACITY) * picture[inside] + OPACITY * np.array(label.color, np.float32)
    shades: Picture = np.rint(picture * 255).astype(np.uint8)
    return shades


def _stretched(view: Picture, height: float, width: float) -> Picture:
    """Return `view` with each of its pixels `height` x `width` pixels large."""
    rows, columns, _ = view.shape
    size = (max(1, round(columns * width)), max(1, round(rows * height)))
    return np.asarray(Image.fromarray(view).resize(size, Image.Resampling.BILINEAR))


def _captioned(view: Picture, title: str, left: str, right: str) -> Picture:
    picture = Image.fromarray(view)
    draw = ImageDraw.Draw(picture)
    rows, columns, _ = view.shape
    draw.text((4, 2), title, fill=_TEXT)
    draw.text((4, rows / 2), left, fill=_TEXT)
    draw.text((columns - 10, rows / 2), right, fill=_TEXT)
    return np.asarray(picture)


def _side_by_side(panels: list[Picture]) -> Picture:
    height = max(panel.shape[0] for panel in panels) + 2 * _GAP
    width = sum(panel.shape[1] + _GAP for panel in panels) + _GAP
    sheet = np.zeros((height, width, 3), np.uint8)
    column = _GAP
    for panel in panels:
        rows, columns, _ = panel.shape
        top = (height - rows) // 2
        sheet[top : top + rows, column : column + columns] = panel
        column += columns + _GAP
    return sheet
