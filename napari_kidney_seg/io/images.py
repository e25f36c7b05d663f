"""Read any scan or mask into canonical orientation, and write a mask back onto the grid of its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.errors import GeometryMismatchError, UnreadableImageError, UnwritableImageError
from napari_kidney_seg.core.geometry import CANONICAL
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.core.volume import LabelVolume, Source, Volume
from napari_kidney_seg.io.atomic import replacing
from napari_kidney_seg.io.checks import with_check_notes
from napari_kidney_seg.io.naming import FORMAT_OF_SUFFIX, WRITABLE_SUFFIXES, image_format, image_suffix
from napari_kidney_seg.io.nifti import read_nifti, write_nifti
from napari_kidney_seg.io.stored import StoredImage, to_volume

LABEL_TOLERANCE = 1e-3  # masks stored as scaled floats come back as 1.9999999
_SAME_GRID_MM = 1e-2  # float32 in a NIfTI header rounds positions to about 1e-4 mm


def read_volume(path: str | Path, *, series: str | None = None) -> Volume:
    """Return a CT scan in canonical I-P-L orientation.

    Parameters
    ----------
    path : NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr), MetaImage (.mha, .mhd), DICOM file, or folder of DICOM files
    series : SeriesInstanceUID to read from a folder; None takes the axial CT series with the most slices

    Returns
    -------
    Volume
        int16 where the values are whole numbers, else float32; C-contiguous. Its notes say what was unusual.

    Raises
    ------
    UnreadableImageError
        When the file is damaged, or is no single 3D scan.
    """
    path = Path(path)
    return with_check_notes(to_volume(_read_stored(path, series), path))


def read_labels(path: str | Path) -> LabelVolume:
    """Return a mask, uint8 ids 0 to 3 (`KITS`), in canonical I-P-L orientation.

    Parameters
    ----------
    path : NIfTI, NRRD or MetaImage file
        Whole numbers stored as floats are accepted.

    Raises
    ------
    UnreadableImageError
        When the file is damaged, or holds other values than the ids.
    """
    path = Path(path)
    volume = to_volume(_read_stored(path, None), path)
    array = _whole(volume.array)
    if array.min() < 0 or array.max() > max(KITS.names):
        needed = ", ".join(f"{number} {name}" for number, name in KITS.names.items())
        raise UnreadableImageError(
            f"{path.name!r} holds values from {volume.array.min():g} to {volume.array.max():g}, of which some are no "
            f"label; needed 0 background, {needed}. Renumber the labels, or open the file as a scan."
        )
    return LabelVolume(
        array=array.astype(np.uint8),
        geometry=volume.geometry,
        name=volume.name,
        source=volume.source,
        notes=volume.notes,
    )


def restore(array: NDArray[Any], source: Source) -> NDArray[Any]:
    """Return a canonical array (Z, Y, X) in the axis order (i, j, k) of the file it belongs to."""
    return source.geometry.axis_map_to(CANONICAL).inverse().apply(array)


def write_labels(labels: LabelVolume, path: str | Path, *, like: Source | None = None) -> None:
    """Write a mask onto the grid of its scan's file, and read it back before it replaces anything.

    Parameters
    ----------
    labels : LabelVolume
        On the canonical grid of `like`.
    path : ending in .nii.gz, .nii, .nrrd or .mha
        A NIfTI mask of a NIfTI scan gets the scan's sform, qform and their codes bit for bit.
    like : Source
        The file whose grid the mask takes; None takes ``labels.source``, and a mask without one is written as it lies.

    Raises
    ------
    GeometryMismatchError
        When `labels` is not on the grid of `like`.
    UnwritableImageError
        When the file cannot be written, or does not read back the same; an earlier file is unchanged.
    """
    path = Path(path)
    source = like or labels.source or Source(path=path, format="memory", geometry=labels.geometry)
    _check_same_grid(labels, source)
    array = np.asfortranarray(restore(_label_ids(labels), source))
    target = _writable_format(path)
    with replacing(path) as temporary:
        if target == "nifti":
            write_nifti(temporary, array, source.geometry, source.header if source.format == "nifti" else {})
        else:
            from napari_kidney_seg.io.itk import write_itk

            write_itk(temporary, array, source.geometry)
        _check_reads_back(temporary, array, source, path)


def _read_stored(path: Path, series: str | None) -> StoredImage:
    """Return the image in `path` as stored; SimpleITK and pydicom are loaded only when a file needs them."""
    if not path.exists():
        raise UnreadableImageError(f"There is no file or folder {str(path)!r}. Check its name.")
    kind = image_format(path)
    if kind == "nifti":
        return read_nifti(path)
    if kind == "dicom":
        from napari_kidney_seg.io.dicom import read_stored_series

        return read_stored_series(path, series)
    if kind:
        from napari_kidney_seg.io.itk import read_itk

        return read_itk(path, kind)
    raise UnreadableImageError(
        f"{path.name!r} is of no format that can be read; needed {', '.join(FORMAT_OF_SUFFIX)}, or a folder of DICOM "
        "files. Convert it, best to .nii.gz."
    )


def _whole(array: NDArray[Any]) -> NDArray[Any]:
    """Return `array` with values within `LABEL_TOLERANCE` of a whole number rounded; -1 for any other."""
    if array.dtype.kind == "i":
        return array
    rounded = np.rint(array)
    return np.where(np.abs(array - rounded) < LABEL_TOLERANCE, rounded, -1)


def _check_same_grid(labels: LabelVolume, source: Source) -> None:
    needed = source.geometry.mapped(source.geometry.axis_map_to(CANONICAL))
    if not labels.geometry.is_close(needed, tolerance_mm=_SAME_GRID_MM):
        raise GeometryMismatchError(
            f"The mask {labels.name!r} has the shape {labels.geometry.shape!r} and spacing {labels.spacing!r} mm; the "
            f"scan {source.path.name!r} has {needed.shape!r} and {needed.spacing!r} mm, or lies elsewhere. "
            "Resample the mask onto the scan's grid before saving it."
        )


def _label_ids(labels: LabelVolume) -> NDArray[np.uint8]:
    ids = labels.array.astype(np.uint8)
    if not np.array_equal(ids, labels.array) or ids.max(initial=0) > max(labels.schema.names):
        raise UnwritableImageError(
            f"The mask {labels.name!r} holds values from {labels.array.min()} to {labels.array.max()}; needed whole "
            f"numbers from 0 to {max(labels.schema.names)}. Renumber its labels before saving."
        )
    return ids


def _writable_format(path: Path) -> str:
    suffix = image_suffix(path)
    if suffix not in WRITABLE_SUFFIXES:
        raise UnwritableImageError(
            f"A mask cannot be saved as {path.name!r}; needed a name ending in one of {', '.join(WRITABLE_SUFFIXES)}."
        )
    return FORMAT_OF_SUFFIX[suffix]


def _check_reads_back(written: Path, array: NDArray[np.uint8], source: Source, path: Path) -> None:
    """Refuse a file whose voxels or place differ from what was to be written."""
    try:
        found = _read_stored(written, None)
    except UnreadableImageError as error:
        raise UnwritableImageError(
            f"The mask was written but cannot be read back from {path.name!r}: {error} Any earlier file was kept."
        ) from error
    is_same_place = found.geometry.is_close(source.geometry, tolerance_mm=_SAME_GRID_MM)
    if not is_same_place or not np.array_equal(found.array, array) or not _is_same_header(found, source):
        raise UnwritableImageError(
            f"The mask was written but did not read back the same from {path.name!r}, so any earlier file of that name "
            "was kept. Save it as .nii.gz, or to another disk."
        )


def _is_same_header(found: StoredImage, source: Source) -> bool:
    """Return whether a NIfTI mask of a NIfTI scan has the scan's sform, qform and codes, bit for bit."""
    if source.format != "nifti" or not found.header:
        return True
    return all(
        np.asarray(found.header[name]).tobytes() == np.asarray(value).tobytes() for name, value in source.header.items()
    )
