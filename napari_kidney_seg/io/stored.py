"""What every format's reader hands over: voxels as stored, their place, and what was worth noting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import file_digest
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.errors import GeometryMismatchError, UnreadableImageError
from napari_kidney_seg.core.geometry import CANONICAL, Geometry, Shape
from napari_kidney_seg.core.volume import Source, Volume
from napari_kidney_seg.io.naming import image_format, scan_name

SPACING_RANGE_MM = (0.01, 50.0)  # no CT lies outside; a header that does has wrong units or is damaged
MAX_VOXELS = 2**31  # 4 GB as int16, 8 times the largest whole-body CT; more is a damaged header
OBLIQUE_DEG = 5.0  # from here on the networks notice that a scan is rotated
SHEAR_DEG = 0.5  # smaller angles come from rounded direction cosines
MAX_SHEAR_DEG = 35.0  # no gantry tilts further than 30 degrees
_INT16 = np.iinfo(np.int16)
_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)
_AIR_HU = -1024


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredImage:
    """An image as its file stores it.

    Attributes
    ----------
    array : shape (i, j, k), int16 or float32
        The fastest axis of the file first.
    geometry : Geometry
        Of `array`, world LPS mm.
    header : mapping
        What the format's writer needs besides.
    notes : tuple of str
        What reading found worth saying.
    """

    array: NDArray[Any] = field(repr=False)
    geometry: Geometry
    header: Mapping[str, Any] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()


def check_shape(shape: tuple[int, ...], path: Path) -> Shape:
    """Return `shape` as that of one 3D image.

    Raises
    ------
    UnreadableImageError
        When it is flat, or larger than any scan.
    """
    if len(shape) != 3 or min(shape) < 2:
        raise UnreadableImageError(
            f"{path.name!r} holds an image of {_times(shape)} voxels; needed a 3D scan of at least 2 voxels each way. "
            "Open the whole series (its folder, or a NIfTI file made from it) instead of a single slice."
        )
    if int(np.prod(shape, dtype=object)) > MAX_VOXELS:
        raise UnreadableImageError(
            f"The header of {path.name!r} announces {_times(shape)} voxels; needed at most {MAX_VOXELS} in all. "
            "The header is probably damaged: export the scan again."
        )
    return (int(shape[0]), int(shape[1]), int(shape[2]))


def place(shape: Shape, affine: NDArray[np.float64], path: Path) -> tuple[Geometry, tuple[str, ...]]:
    """Return the geometry of stored voxels, and notes on how they lie.

    Parameters
    ----------
    shape : (i, j, k)
    affine : shape (4, 4)
        From voxel index (i, j, k, 1) to world LPS mm.
    path : the file, for messages

    Raises
    ------
    UnreadableImageError
        When spacing or direction are missing, not finite, or impossible for a CT.
    """
    _check_spacing(affine, path)
    shear = shear_deg(affine)
    if shear > MAX_SHEAR_DEG:
        raise UnreadableImageError(
            f"The axes of {path.name!r} are {shear:.0f} degrees away from right angles; needed at most "
            f"{MAX_SHEAR_DEG:.0f}. Its direction matrix is damaged: convert the original DICOM series again."
        )
    try:
        geometry = Geometry(shape=shape, affine=affine)
    except GeometryMismatchError as error:
        raise UnreadableImageError(f"{path.name!r} cannot be placed in the patient. {error}") from error
    return geometry, _place_notes(geometry, shear)


def shear_deg(affine: NDArray[np.float64]) -> float:
    """Return how far the axes of `affine` are from right angles, degrees; 0 for every unsheared grid."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    cosines = np.abs(directions.T @ directions - np.eye(3))
    return float(np.degrees(np.arcsin(np.clip(cosines.max(), 0, 1))))


def compact(array: NDArray[Any]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return `array` as int16 where that loses nothing, else as float32, and a note on values that are no numbers.

    Values that are not finite become air, -1024.
    """
    if array.dtype.kind in "iub":
        return _compact_integers(array), ()
    finite = np.isfinite(array)
    notes: tuple[str, ...] = ()
    if not finite.all():
        count = int(array.size - np.count_nonzero(finite))
        array = np.where(finite, array, _AIR_HU)
        notes = (f"{count} voxels are not numbers (NaN or infinite) and were read as air ({_AIR_HU} HU).",)
    if array.dtype.itemsize > 4:
        array = np.clip(array, -_LARGEST_FLOAT32, _LARGEST_FLOAT32)
    fits = array.min() >= _INT16.min and array.max() <= _INT16.max
    whole = fits and bool(np.array_equal(np.rint(array), array))
    return array.astype(np.int16 if whole else np.float32, copy=False), notes


def to_volume(stored: StoredImage, path: Path) -> Volume:
    """Return an image as a scan in canonical I-P-L orientation, C-contiguous, that knows its file `path`."""
    axis_map = stored.geometry.axis_map_to(CANONICAL)
    source = Source(
        path=path,
        format=image_format(path),
        geometry=stored.geometry,
        header=stored.header,
        sha256="" if image_format(path) == "dicom" else _sha256(path),
    )
    return Volume(
        array=np.ascontiguousarray(axis_map.apply(stored.array)),
        geometry=stored.geometry.mapped(axis_map),
        name=scan_name(path),
        source=source,
        notes=stored.notes,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _compact_integers(array: NDArray[Any]) -> NDArray[Any]:
    fits = array.dtype == np.int16 or (array.min() >= _INT16.min and array.max() <= _INT16.max)
    return array.astype(np.int16 if fits else np.float32)


def _check_spacing(affine: NDArray[np.float64], path: Path) -> None:
    low, high = SPACING_RANGE_MM
    with np.errstate(all="ignore"):  # damaged headers hold numbers that overflow
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or not ((spacing >= low) & (spacing <= high)).all():
        found = ", ".join(f"{value:.4g}" for value in spacing)
        raise UnreadableImageError(
            f"{path.name!r} has a spacing of ({found}) mm; needed {low} to {high} mm along each axis. "
            "Repair the spacing and direction in its header, or convert the original DICOM series again."
        )


def _place_notes(geometry: Geometry, shear: float) -> tuple[str, ...]:
    notes = []
    if geometry.obliqueness_deg > OBLIQUE_DEG + shear:  # a sheared axis is oblique, but the scan is not rotated
        notes.append(
            f"The scan is rotated by {geometry.obliqueness_deg:.0f} degrees against the patient axes; it is segmented "
            "on its own grid, which may cost accuracy."
        )
    if shear > SHEAR_DEG:
        notes.append(
            f"The slices are sheared by {shear:.1f} degrees (gantry tilt). Positions and volumes are right, but the "
            "organs look slanted to the networks; correct the tilt before segmenting if the result is poor."
        )
    return tuple(notes)


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in shape)
