"""Check the header of an NRRD file before the C++ reader opens it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from napari_kidney_seg.core.errors import UnreadableImageError
from napari_kidney_seg.io import text_header
from napari_kidney_seg.io.stored import check_shape

_BYTES = {
    "signed char": 1, "int8": 1, "int8_t": 1, "uchar": 1, "unsigned char": 1, "uint8": 1, "uint8_t": 1,
    "short": 2, "short int": 2, "signed short": 2, "signed short int": 2, "int16": 2, "int16_t": 2,
    "ushort": 2, "unsigned short": 2, "unsigned short int": 2, "uint16": 2, "uint16_t": 2,
    "int": 4, "signed int": 4, "int32": 4, "int32_t": 4, "uint": 4, "unsigned int": 4, "uint32": 4, "uint32_t": 4,
    "longlong": 8, "long long": 8, "int64": 8, "int64_t": 8, "ulonglong": 8, "unsigned long long": 8,
    "uint64": 8, "uint64_t": 8, "float": 4, "double": 8,
}  # fmt: skip
_TEXT = ("ascii", "text", "txt")
# How far each encoding can shrink its content; bzip2 measured on zeros.
_RATIO = {"raw": 1, "gzip": text_header.MAX_DEFLATE_RATIO, "gz": text_header.MAX_DEFLATE_RATIO}
_RATIO |= {"bzip2": 50_000, "bz2": 50_000} | dict.fromkeys(_TEXT, 1)


def check_nrrd_header(path: Path) -> text_header.TextHeader:
    """Return what the header of an NRRD file (.nrrd or .nhdr) says beyond what ITK reads from it.

    Raises
    ------
    UnreadableImageError
        When it is damaged, has no spacing, or does not describe one 3D image of numbers.
    """
    lines, end = text_header.header_lines(path, last="")
    if not lines[:1] or not lines[0].startswith("NRRD000"):
        raise text_header.damaged(path, "its first line is not NRRD000 and a digit")
    fields = _fields(lines[1:])
    _check_voxels(fields, path, end)
    _check_spacing(fields, path)
    origin = fields.get("space origin")
    text_header.check_numbers(origin and origin.strip("()").replace(",", " "), 3, path, "space origin")
    is_placed = "space directions" in fields and "space" in fields
    return text_header.TextHeader(
        mm_per_unit=text_header.mm_per_unit(fields.get("space units", "").replace('"', " ").split(), path),
        notes=() if is_placed else (text_header.NO_ORIENTATION,),
    )


def _fields(lines: list[str]) -> dict[str, str]:
    pairs = [line.split(":", 1) for line in lines if ":" in line and not line.startswith("#")]
    return {name.strip().lower(): value.strip() for name, value in pairs}


def _check_voxels(fields: Mapping[str, str], path: Path, header_end: int) -> None:
    sizes = text_header.integers(fields.get("sizes"), path, "sizes")
    if len(sizes) > 3:
        raise text_header.not_scalar(path, f"the sizes {sizes!r} of the kinds {fields.get('kinds', 'unknown')!r}")
    shape = check_shape(sizes, path)
    itemsize = _BYTES.get(fields.get("type", "").lower())
    encoding = fields.get("encoding", "").lower()
    if fields.get("dimension") != "3" or itemsize is None or encoding not in _RATIO:
        found = {name: fields.get(name) for name in ("dimension", "type", "encoding")}
        raise text_header.damaged(path, f"it says {found!r}")
    name = fields.get("data file") or fields.get("datafile") or "LOCAL"
    voxels, offset = text_header.voxel_file(name, path, header_end)
    for skip in ("line skip", "byte skip"):
        (count, *_) = text_header.integers(fields.get(skip, "0"), path, skip)
        text_header.check_within(count, path, skip, voxels.stat().st_size)
    # As text each voxel takes a digit at least, and a blank.
    text_header.check_size(voxels, offset, shape, 1 if encoding in _TEXT else itemsize, _RATIO[encoding])


def _check_spacing(fields: Mapping[str, str], path: Path) -> None:
    """Refuse a header that has neither ``spacings`` nor ``space directions``, or in which they are not numbers."""
    directions = fields.get("space directions")
    if directions is None:
        text_header.check_spacing(fields.get("spacings", "").split(), path, "spacings")
        return
    vectors = [vector.strip(" ()").split(",") for vector in directions.split(")") if vector.strip()]
    try:
        lengths = [sum(float(number) ** 2 for number in vector) ** 0.5 for vector in vectors if len(vector) == 3]
    except (ValueError, OverflowError) as error:
        raise UnreadableImageError(
            f"The space directions of {path.name!r} are {directions!r}; needed three vectors of three numbers. "
            "Repair its header, or convert the original DICOM series again."
        ) from error
    text_header.check_spacing([str(length) for length in lengths], path, "space directions")
