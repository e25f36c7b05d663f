"""A scan or a mask in memory: voxels, place, name, and the way back to its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.errors import GeometryMismatchError
from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.labels import KITS, LabelSchema


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """The file a volume came from, with all that is needed to write a mask onto the same grid.

    Attributes
    ----------
    path : file, or folder of a DICOM series
    format : str
        ``"nifti"``, ``"nrrd"``, ``"metaimage"``, ``"dicom"`` or ``"memory"``.
    geometry : Geometry
        Of the array as stored, indexed (i, j, k) with the fastest axis of the file first.
    header : mapping
        What the format's writer needs besides (e.g. sform and qform with their codes).
    sha256 : str
        Of the file; empty when not a single file.
    """

    path: Path
    format: str
    geometry: Geometry
    header: Mapping[str, Any] = field(default_factory=dict, repr=False)
    sha256: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Volume:
    """A CT scan, array (Z, Y, X) in Hounsfield units.

    Attributes
    ----------
    array : shape (Z, Y, X)
    geometry : Geometry
        Of `array`.
    name : str
    source : Source or None
        None for a volume that was made in memory.
    notes : tuple of str
        What reading found worth saying, one sentence each (oblique scan, missing slices, ...).
    """

    array: NDArray[Any] = field(repr=False)
    geometry: Geometry
    name: str = "scan"
    source: Source | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.array.shape != self.geometry.shape:
            raise GeometryMismatchError(
                f"The array of {self.name!r} has shape {self.array.shape!r}; its geometry says "
                f"{self.geometry.shape!r}. Build the Geometry from the array's own shape."
            )

    @property
    def spacing(self) -> tuple[float, float, float]:
        """(sz, sy, sx), mm."""
        return self.geometry.spacing

    def with_array(self, array: NDArray[Any]) -> Volume:
        """Return the same volume with other voxels on the same grid."""
        return replace(self, array=array)


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelVolume(Volume):
    """A mask, array (Z, Y, X) of the ids in `schema`."""

    schema: LabelSchema = KITS

    def volume_ml(self, name: str) -> float:
        """Return the volume of the label `name` as composed, ml (kidney: without its masses)."""
        return float(np.count_nonzero(self.array == self.schema[name].id)) * self.geometry.voxel_ml
