"""The grid that a region of a scan is brought to before a network sees it."""

from __future__ import annotations

from dataclasses import dataclass

from napari_kidney_seg.core.geometry import Geometry, Shape


@dataclass(frozen=True, kw_only=True)
class WorkingGrid:
    """A grid of fixed shape or spacing, axis by axis.

    Attributes
    ----------
    shape : per axis (z, y, x), voxels; None leaves the axis to `spacing`
    spacing : per axis (sz, sy, sx), mm; None (in both) leaves the axis as it is stored
    """

    shape: tuple[int | None, int | None, int | None] = (None, None, None)
    spacing: tuple[float | None, float | None, float | None] = (None, None, None)

    def shape_for(self, geometry: Geometry) -> Shape:
        """Return the voxels per axis that a region of `geometry` gets."""
        return tuple(  # type: ignore[return-value]
            fixed if fixed is not None else stored if wanted is None else max(1, round(stored * here / wanted))
            for fixed, wanted, stored, here in zip(
                self.shape, self.spacing, geometry.shape, geometry.spacing, strict=True
            )
        )


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
