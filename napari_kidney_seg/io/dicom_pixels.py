"""Pixels of DICOM slices in Hounsfield units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread

from napari_kidney_seg.core.errors import UnreadableImageError
from napari_kidney_seg.io.dicom_headers import DICOM_ERRORS, Slice


def read_pixels(slices: Sequence[Slice]) -> Iterator[NDArray[np.float32]]:
    """Yield each slice (rows, columns) in HU, in the order given.

    The JPEG family is decoded by GDCM in SimpleITK, which knows every syntax used for CT, all else by pydicom.

    Raises
    ------
    UnreadableImageError
        When a file is cut off or cannot be decoded.
    """
    for path, group in groupby(slices, key=lambda one: one.path):
        members = list(group)
        try:
            frames = _decoded(path, is_jpeg=members[0].is_jpeg)
            yield from (_in_hu(frames, one) for one in members)
        except DICOM_ERRORS as error:
            raise UnreadableImageError(
                f"The pixels of {path.name!r} cannot be decoded: {_reason(error)}. The file is cut off "
                "or compressed in an unusual way: copy it again, or decompress it with 'gdcmconv --raw'."
            ) from error


def _decoded(path: Path, *, is_jpeg: bool) -> NDArray[Any]:
    """Return stored values, shape (frames, rows, columns)."""
    if not is_jpeg:
        pixels = dcmread(path).pixel_array
        return pixels if pixels.ndim == 3 else pixels[np.newaxis]
    import SimpleITK as sitk  # noqa: N813 - its own documentation calls it so

    return sitk.GetArrayFromImage(sitk.ReadImage(str(path), imageIO="GDCMImageIO"))


def _reason(error: Exception) -> str:
    """Return the last line of an error's message: ITK writes where in its source before what."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__


def _in_hu(frames: NDArray[Any], one: Slice) -> NDArray[np.float32]:
    stored = frames[one.frame]
    if stored.shape != one.shape:
        raise ValueError(f"the pixels are {stored.shape}, the header says {one.shape}")
    values: NDArray[np.float32] = stored.astype(np.float32)
    if not one.is_jpeg:  # GDCM rescales by itself
        values = values * np.float32(one.slope) + np.float32(one.intercept)
    return values
