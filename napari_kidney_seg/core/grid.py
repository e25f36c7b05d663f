"""The grid that a region of a scan is brought to before a network sees it."""

from __future__ import annotations

from dataclasses import dataclass

from napari_kidney_seg.core.geometry import Geometry, Shape

SAME_SPACING = 0.01  # share; spacing this close to the wanted one is not resampled (METHODS.md section 3)


def is_same_spacing(here: float, wanted: float) -> bool:
    """Return whether voxels of `here` mm may stand for voxels of `wanted` mm: resampling them would only blur."""
    return abs(here - wanted) <= SAME_SPACING * wanted


@dataclass(frozen=True, kw_only=True)
class WorkingGrid:
    """A grid of fixed shape or spacing, axis by axis.

    Attributes
    ----------
    shape : per axis (z, y, x), voxels; None leaves the axis to `spacing`
    spacing : per axis (sz, sy, sx), mm; None (in both) leaves the axis as it is stored
        As does a spacing that the axis has already, to within 1 %.
    """

    shape: tuple[int | None, int | None, int | None] = (None, None, None)
    spacing: tuple[float | None, float | None, float | None] = (None, None, None)

    def shape_for(self, geometry: Geometry) -> Shape:
        """Return the voxels per axis that a region of `geometry` gets."""
        axes = zip(self.shape, self.spacing, geometry.shape, geometry.spacing, strict=True)
        return tuple(_voxels(*axis) for axis in axes)  # type: ignore[return-value]


def _voxels(fixed: int | None, wanted: float | None, stored: int, here: float) -> int:
    """Return the voxels of an axis that has `stored` voxels of `here` mm."""
    if fixed is not None:
        return fixed
    if wanted is None or is_same_spacing(here, wanted):
        return stored
    return max(1, round(stored * here / wanted))


AS_STORED = WorkingGrid()


@dataclass(frozen=True, kw_only=True)
class FittedGrid:
    """A grid whose slices are scaled, with square pixels left square, to fit into a fixed size; z is left as stored.

    Attributes
    ----------
    pixels : (y, x)
        What a slice fits into; the window of the stage pads it to that.
    """

    pixels: tuple[int, int]

    def shape_for(self, geometry: Geometry) -> Shape:
        """Return the voxels per axis that a region of `geometry` gets."""
        slices, height, width = geometry.shape
        scale = min(self.pixels[0] / height, self.pixels[1] / width)
        return slices, max(1, round(height * scale)), max(1, round(width * scale))
