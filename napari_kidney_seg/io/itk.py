"""NRRD and MetaImage through SimpleITK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - its own documentation calls it so
from numpy.typing import NDArray

from napari_kidney_seg.core.errors import UnreadableImageError, UnwritableImageError
from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.io.metaimage_header import check_metaimage_header
from napari_kidney_seg.io.nrrd_header import check_nrrd_header
from napari_kidney_seg.io.stored import SHEAR_DEG, StoredImage, check_shape, compact, place, shear_deg

_FORMATS = {"nrrd": ("NrrdImageIO", check_nrrd_header), "metaimage": ("MetaImageIO", check_metaimage_header)}


def read_itk(path: Path, image_format: str) -> StoredImage:
    """Return the image in an NRRD or MetaImage file.

    Parameters
    ----------
    path : the file, or the header of a file in two parts
    image_format : ``"nrrd"`` or ``"metaimage"``

    Raises
    ------
    UnreadableImageError
        When the file is damaged, lacks a spacing, or holds no single 3D image of real numbers.
    """
    image_io, check_header = _FORMATS[image_format]
    header = check_header(path)
    try:
        image: Any = sitk.ReadImage(str(path), imageIO=image_io)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise UnreadableImageError(
            f"{path.name!r} is not a readable {image_format} file: {reason}. Copy or export it again."
        ) from error
    shape = check_shape(image.GetSize(), path)
    geometry, place_notes = place(shape, _affine(image, header.mm_per_unit), path)
    array, value_notes = compact(sitk.GetArrayViewFromImage(image).transpose())
    return StoredImage(array=array, geometry=geometry, notes=header.notes + place_notes + value_notes)


def write_itk(path: Path, array: NDArray[np.uint8], geometry: Geometry) -> None:
    """Write a mask as NRRD or MetaImage, compressed.

    Parameters
    ----------
    path : ending in ``.nrrd`` or ``.mha``
    array : shape (i, j, k)
    geometry : Geometry
        Of `array`; may be left-handed or oblique, but not sheared.

    Raises
    ------
    UnwritableImageError
        When the grid is sheared, or the file cannot be written.
    """
    if shear_deg(geometry.affine) > SHEAR_DEG:
        raise UnwritableImageError(
            f"The grid of {path.name!r} is sheared by {shear_deg(geometry.affine):.1f} degrees, which this format "
            "cannot store. Save the mask as .nii.gz."
        )
    image: Any = sitk.GetImageFromArray(array.transpose())
    image.SetSpacing(geometry.spacing)
    image.SetDirection((geometry.affine[:3, :3] / geometry.spacing).ravel().tolist())
    image.SetOrigin(geometry.origin)
    try:
        sitk.WriteImage(image, str(path), useCompression=True)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise UnwritableImageError(
            f"Writing {path.name!r} failed: {reason}. Check the free space and the rights of its folder."
        ) from error


def _affine(image: Any, mm_per_unit: float) -> NDArray[np.float64]:
    """Return the matrix from index (i, j, k, 1) to LPS mm."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing() * mm_per_unit
    affine[:3, 3] = np.array(image.GetOrigin()) * mm_per_unit
    return affine
