"""NIfTI-1 and NIfTI-2 in one file, plain or compressed, with sform and qform kept bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from isal import igzip, isal_zlib
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from napari_kidney_seg.core.errors import UnreadableImageError
from napari_kidney_seg.core.geometry import Geometry, Shape
from napari_kidney_seg.io.stored import SHEAR_DEG, StoredImage, check_shape, compact, place, shear_deg

LPS_OF_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_MM_PER_UNIT = {1: 1000.0, 2: 1.0, 3: 0.001}  # the spatial part of xyzt_units: meter, mm, micrometer
_Header = Any  # nibabel's header classes, which have no type annotations
_HEADER_CLASS: dict[int, _Header] = {348: Nifti1Header, 540: Nifti2Header}
_PLACE_FIELDS = (
    "pixdim", "xyzt_units", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d",
    "qoffset_x", "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z",
)  # fmt: skip
_NUMBER_KINDS = "iuf"
_MAX_DEFLATE_RATIO = 1100  # deflate cannot shrink anything further than 1032 to 1
_DISAGREEMENT_MM = 1.0
_GZIP_LEVEL = 2  # of 0 to 3; for masks, which are mostly zeros, higher ones are slower and no smaller
_READ_ERRORS: tuple[type[Exception], ...] = (OSError, EOFError, isal_zlib.error, HeaderDataError)  # type: ignore[assignment]


def read_nifti(path: Path) -> StoredImage:
    """Return the image in a NIfTI file, slope and intercept applied.

    The sform places it when its code is set, else the qform, else the spacing alone; units other than mm are converted.

    Raises
    ------
    UnreadableImageError
        When the file is damaged or holds no single 3D image of real numbers.
    """
    try:
        with _opened(path) as file:
            header = _read_header(file, path)
            shape = check_shape(_spatial_shape(header, path), path)
            raw = _read_voxels(file, header, shape, path)
    except _READ_ERRORS as error:
        raise UnreadableImageError(
            f"{path.name!r} is not a readable NIfTI file: {error}. Copy or export it again."
        ) from error
    affine, name, notes = _choose_affine(header, path)
    geometry, place_notes = place(shape, affine, path)
    array, value_notes = compact(_rescaled(raw, header))
    kept: dict[str, Any] = {
        field: np.array(header[field]).astype(header[field].dtype.newbyteorder("=")) for field in _PLACE_FIELDS
    }
    kept |= {"header_size": int(header["sizeof_hdr"]), "affine_from": name}
    return StoredImage(array=array, geometry=geometry, header=kept, notes=notes + place_notes + value_notes)


def write_nifti(path: Path, array: NDArray[np.uint8], geometry: Geometry, kept: Mapping[str, Any]) -> None:
    """Write a mask (i, j, k) as NIfTI.

    Parameters
    ----------
    path : ending in ``.nii`` or ``.nii.gz``
    array : shape (i, j, k)
    geometry : Geometry
        Of `array`; used when `kept` is empty.
    kept : mapping
        `Source.header` of a NIfTI file: its sform, qform and codes are written as they were. Empty for other sources.
    """
    header = _HEADER_CLASS[kept.get("header_size", 348)]()
    header.set_data_dtype(np.uint8)
    header.set_data_shape(array.shape)
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["descrip"] = b"napari-kidney-seg"
    header["vox_offset"] = int(header["sizeof_hdr"]) + 4
    if kept:
        for field in _PLACE_FIELDS:
            header[field] = kept[field]
    else:
        _set_place(header, geometry)
    content = header.binaryblock + bytes(4) + array.tobytes(order="F")
    with path.open("wb") as file:
        if path.name.lower().endswith(".gz"):
            content = igzip.compress(content, compresslevel=_GZIP_LEVEL, mtime=0)
        file.write(content)


def _set_place(header: _Header, geometry: Geometry) -> None:
    ras = LPS_OF_RAS @ geometry.affine
    header.set_xyzt_units("mm")
    header["pixdim"][1:4] = geometry.spacing
    header.set_sform(ras, code="scanner")
    if shear_deg(geometry.affine) <= SHEAR_DEG:  # a qform cannot hold shear
        header.set_qform(ras, code="scanner")


def _opened(path: Path) -> IO[bytes]:
    """Return a stream of the uncompressed file, whatever its suffix says."""
    with path.open("rb") as file:
        is_compressed = file.read(2) == b"\x1f\x8b"
    return igzip.open(path, "rb") if is_compressed else path.open("rb")  # type: ignore[no-untyped-call]


def _read_header(file: IO[bytes], path: Path) -> _Header:
    start = file.read(4)
    sizes = {int.from_bytes(start, "little"), int.from_bytes(start, "big")} & set(_HEADER_CLASS)
    if not sizes:
        raise UnreadableImageError(f"{path.name!r} does not begin like a NIfTI file. Export it again as .nii.gz.")
    size = sizes.pop()
    block = start + file.read(size - 4)
    if len(block) < size:
        raise UnreadableImageError(f"{path.name!r} ends after {len(block)} bytes, inside its header. Copy it again.")
    endianness = "<" if int.from_bytes(start, "little") == size else ">"
    return _HEADER_CLASS[size](block, endianness=endianness, check=False)


def _spatial_shape(header: _Header, path: Path) -> tuple[int, ...]:
    """Return the voxels per axis without trailing axes of length 1."""
    count = int(header["dim"][0])
    sizes = [int(n) for n in header["dim"][1 : count + 1]] if 0 < count <= 7 else []
    if not sizes or min(sizes) < 1:
        raise UnreadableImageError(
            f"The header of {path.name!r} gives the dimensions {header['dim'].tolist()!r}; needed three positive "
            "sizes. The file is damaged: export it again."
        )
    if any(n > 1 for n in sizes[3:]):
        kind = f"a time series of {sizes[3]} volumes" if sizes[3] > 1 else "several values per voxel"
        raise UnreadableImageError(
            f"{path.name!r} holds {kind} ({sizes!r}); needed one 3D scan. Split it and open one volume."
        )
    return tuple(sizes[:3])


def _read_voxels(file: IO[bytes], header: _Header, shape: Shape, path: Path) -> NDArray[Any]:
    """Return the raw voxels (i, j, k)."""
    dtype = _voxel_type(header)
    if dtype.kind not in _NUMBER_KINDS or dtype.itemsize > 8:
        raise UnreadableImageError(
            f"{path.name!r} stores {_pixel_kind(dtype)}; needed one real number per voxel. "
            "Convert it to 16-bit integers."
        )
    offset, size = float(header["vox_offset"]), int(np.prod(shape, dtype=object)) * dtype.itemsize
    available = path.stat().st_size * _MAX_DEFLATE_RATIO if isinstance(file, igzip.IGzipFile) else path.stat().st_size
    if not file.tell() <= offset <= available - size:
        raise _truncated(path, size, available - offset)
    file.seek(int(offset))
    content = file.read(size)
    if len(content) < size:
        raise _truncated(path, size, len(content))
    return np.frombuffer(content, dtype).reshape(shape, order="F")


def _truncated(path: Path, needed: int, found: float) -> UnreadableImageError:
    return UnreadableImageError(
        f"{path.name!r} has {max(0.0, found):.0f} bytes of voxels; its header announces {needed}. "
        "The file is cut off or its header is damaged: copy or export it again."
    )


def _voxel_type(header: _Header) -> np.dtype[Any]:
    """Return the type of the raw voxels; an empty type for codes NIfTI does not define."""
    try:
        dtype: np.dtype[Any] = header.get_data_dtype()
        return dtype
    except (KeyError, HeaderDataError):
        return np.dtype("V0")


def _pixel_kind(dtype: np.dtype[Any]) -> str:
    if dtype.names:
        return "colors (RGB)"
    return {"c": "complex numbers", "V": "an unknown type of voxel"}.get(dtype.kind, f"values of type {dtype}")


def _rescaled(raw: NDArray[Any], header: _Header) -> NDArray[Any]:
    """Return slope x raw + intercept; a slope of 0 or NaN means that nothing is to be scaled."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if not np.isfinite(slope) or slope == 0 or (slope, intercept) == (1, 0):
        return raw
    intercept = intercept if np.isfinite(intercept) else 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        return raw.astype(np.float32) * np.float32(slope) + np.float32(intercept)


def _choose_affine(header: _Header, path: Path) -> tuple[NDArray[np.float64], str, tuple[str, ...]]:
    """Return the LPS affine in mm, which part of the header it came from, and notes."""
    scale = np.diag([_MM_PER_UNIT.get(int(header["xyzt_units"]) & 7, 1.0)] * 3 + [1.0])
    forms = {
        name: form
        for name, form in (("sform", _sform(header)), ("qform", _qform(header)))
        if form is not None and _is_invertible(form)
    }
    if not forms:
        return LPS_OF_RAS @ scale @ _spacing_affine(header, path), "pixdim", (_NO_ORIENTATION,)
    name = next(iter(forms))
    notes: tuple[str, ...] = ()
    if len(forms) == 2:
        corner = np.array([*header["dim"][1:4], 1.0], dtype=float)
        distance = float(np.abs((forms["sform"] - forms["qform"]) @ corner).max() * scale[0, 0])
        if distance > _DISAGREEMENT_MM:
            notes = (f"The sform and qform of the header differ by up to {distance:.0f} mm; the sform was used.",)
    return LPS_OF_RAS @ scale @ forms[name], name, notes


_NO_ORIENTATION = (
    "The header does not say how the patient lies (sform and qform codes are 0). The order left, anterior, superior "
    "was assumed: check that the liver is on the left of the axial picture and that the head is up."
)


def _sform(header: _Header) -> NDArray[np.float64] | None:
    """Return the RAS affine of the sform; None when its code is not set."""
    return np.asarray(header.get_sform(), np.float64) if int(header["sform_code"]) > 0 else None


def _qform(header: _Header) -> NDArray[np.float64] | None:
    """Return the RAS affine of the qform; None when its code is not set or it holds no rotation."""
    if int(header["qform_code"]) <= 0:
        return None
    try:
        with np.errstate(all="ignore"):
            return np.asarray(header.get_qform(), np.float64)
    except (HeaderDataError, ValueError, FloatingPointError):  # a quaternion longer than 1, negative spacing
        return None


def _is_invertible(affine: NDArray[np.float64]) -> bool:
    with np.errstate(all="ignore"):
        return bool(np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 0)


def _spacing_affine(header: _Header, path: Path) -> NDArray[np.float64]:
    """Return nibabel's RAS affine for a header that has a spacing and nothing else."""
    spacing = np.asarray(header["pixdim"][1:4], np.float64)
    if not (np.isfinite(spacing).all() and (spacing > 0).all()):
        raise UnreadableImageError(
            f"{path.name!r} has the spacing {spacing.tolist()!r} mm and no orientation; needed three positive numbers. "
            "Its spacing is missing: convert the original DICOM series again."
        )
    return np.asarray(header.get_base_affine(), np.float64)
