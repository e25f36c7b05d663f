"""Check the header of a MetaImage file before the C++ reader opens it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from napari_kidney_seg.io import text_header
from napari_kidney_seg.io.stored import check_shape

_BYTES = {
    "MET_CHAR": 1, "MET_UCHAR": 1, "MET_SHORT": 2, "MET_USHORT": 2, "MET_INT": 4, "MET_UINT": 4,
    "MET_LONG": 4, "MET_ULONG": 4, "MET_LONG_LONG": 8, "MET_ULONG_LONG": 8, "MET_FLOAT": 4, "MET_DOUBLE": 8,
}  # fmt: skip
_DIRECTION_FIELDS = ("transformmatrix", "rotation", "orientation")
_POINT_FIELDS = ("offset", "position", "origin", "centerofrotation", "elementspacing", "elementsize")
_TRUE = ("true", "t", "1")


def check_metaimage_header(path: Path) -> text_header.TextHeader:
    """Return what the header of a MetaImage file (.mha or .mhd) says beyond what ITK reads from it.

    Raises
    ------
    UnreadableImageError
        When it is damaged, has no spacing, or does not describe one 3D image of numbers.
    """
    lines, end = text_header.header_lines(path, last="elementdatafile")
    pairs = [line.split("=", 1) for line in lines if "=" in line]
    fields = {name.strip().lower(): value.strip() for name, value in pairs}
    if "elementdatafile" not in fields:
        raise text_header.damaged(path, "it has no line ElementDataFile")
    _check_voxels(fields, path, end)
    for name in _DIRECTION_FIELDS:
        text_header.check_numbers(fields.get(name), 9, path, name)
    for name in _POINT_FIELDS:
        text_header.check_numbers(fields.get(name), 3, path, name)
    spacing = fields.get("elementspacing") or fields.get("elementsize") or ""
    text_header.check_spacing(spacing.split(), path, "ElementSpacing")
    is_placed = any(name in fields for name in _DIRECTION_FIELDS)
    return text_header.TextHeader(
        mm_per_unit=text_header.mm_per_unit(fields.get("distanceunits", "").split(), path),
        notes=() if is_placed else (text_header.NO_ORIENTATION,),
    )


def _check_voxels(fields: Mapping[str, str], path: Path, header_end: int) -> None:
    sizes = text_header.integers(fields.get("dimsize"), path, "DimSize")
    channels = fields.get("elementnumberofchannels", "1")
    if channels != "1" or len(sizes) > 3:
        raise text_header.not_scalar(path, f"the sizes {sizes!r} and {channels} values per voxel")
    shape = check_shape(sizes, path)
    itemsize = _BYTES.get(fields.get("elementtype", ""))
    if fields.get("ndims") != "3" or itemsize is None or fields.get("binarydata", "True").lower() not in _TRUE:
        found = {name: fields.get(name) for name in ("ndims", "elementtype", "binarydata")}
        raise text_header.damaged(path, f"it says {found!r}")
    voxels, offset = text_header.voxel_file(fields["elementdatafile"], path, header_end)
    for skip in ("headersize", "compresseddatasize"):
        (count, *_) = text_header.integers(fields.get(skip, "0"), path, skip)
        text_header.check_within(count, path, skip, voxels.stat().st_size)
    is_compressed = fields.get("compresseddata", "False").lower() in _TRUE
    text_header.check_size(voxels, offset, shape, itemsize, text_header.MAX_DEFLATE_RATIO if is_compressed else 1)
