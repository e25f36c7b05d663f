"""What NRRD and MetaImage headers have in common: lines of text that are checked before the C++ reader sees them.

ITK fills in what a header leaves out (a missing spacing becomes 1 mm) and believes what it announces (any number of
voxels). So each header is read here first, and refused when something that cannot be guessed is missing or wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from napari_kidney_seg.core.errors import UnreadableImageError
from napari_kidney_seg.core.geometry import Shape

MAX_DEFLATE_RATIO = 1100  # deflate cannot shrink anything further than 1032 to 1
NO_ORIENTATION = (
    "The header does not say how the patient lies. The order left, posterior, superior was assumed: check that the "
    "liver is on the left of the axial picture and that the head is up."
)
_MAX_HEADER_BYTES = 65536
_LARGEST_NUMBER = 1e7  # 10 m in micrometers; every position and spacing in a header is smaller
_MM_PER_UNIT = {
    "m": 1000.0, "meter": 1000.0, "cm": 10.0, "centimeter": 10.0, "mm": 1.0, "millimeter": 1.0,
    "um": 0.001, "µm": 0.001, "micron": 0.001, "micrometer": 0.001, "?": 1.0,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TextHeader:
    """What a sound header says beyond what ITK reads from it.

    Attributes
    ----------
    mm_per_unit : float
        The header's unit of length, mm.
    notes : tuple of str
    """

    mm_per_unit: float = 1.0
    notes: tuple[str, ...] = ()


def header_lines(path: Path, last: str) -> tuple[list[str], int]:
    """Return the lines of a header and where it ends, bytes.

    Parameters
    ----------
    path : the file
    last : beginning of the last line in lower case; ``""`` for a header that ends with an empty line

    Raises
    ------
    UnreadableImageError
        When the file cannot be opened.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_HEADER_BYTES)
    except OSError as error:
        raise UnreadableImageError(f"{str(path)!r} cannot be opened: {error}. Check its name and rights.") from error
    lines: list[str] = []
    end = 0
    for line in content.splitlines(keepends=True):
        text = line.decode("utf-8", errors="replace").strip()
        end += len(line)
        lines.append(text)
        if text.lower().startswith(last) if last else not text:
            break
    return lines, end


def damaged(path: Path, found: str) -> UnreadableImageError:
    """Return the error for a header in which `found` is wrong."""
    return UnreadableImageError(
        f"The header of {path.name!r} is damaged or not one of a CT: {found}. Export the scan again, best as .nii.gz."
    )


def not_scalar(path: Path, found: str) -> UnreadableImageError:
    """Return the error for an image that is a series, a vector field or a color picture."""
    return UnreadableImageError(
        f"{path.name!r} has {found}; needed one 3D scan with one number per voxel. Split it and open one volume."
    )


def integers(text: str | None, path: Path, name: str) -> tuple[int, ...]:
    """Return the blank-separated whole numbers of field `name`.

    Raises
    ------
    UnreadableImageError
        When there are none, or other things than whole numbers.
    """
    try:
        numbers = tuple(int(word) for word in (text or "").split())
    except ValueError:
        numbers = ()
    if not numbers:
        raise damaged(path, f"its {name} is {text!r}")
    return numbers


def check_numbers(text: str | None, count: int, path: Path, name: str) -> None:
    """Refuse a field `name` that is there and does not hold `count` numbers of a size that can be a length in space.

    ITK loops forever over a direction that is infinite or overflows when multiplied.

    Raises
    ------
    UnreadableImageError
        When the numbers are not finite, beyond `_LARGEST_NUMBER`, or not `count`.
    """
    if text is None:
        return
    try:
        numbers = np.array([float(word) for word in text.split()])
    except ValueError:
        numbers = np.zeros(0)
    if numbers.size != count or not (np.abs(numbers) <= _LARGEST_NUMBER).all():
        raise damaged(path, f"its {name} is {text!r}")


def check_spacing(words: Sequence[str], path: Path, name: str) -> None:
    """Refuse a field `name` that does not hold three numbers that can be lengths, in any unit.

    Raises
    ------
    UnreadableImageError
        When the spacing is missing or no spacing.
    """
    try:
        numbers = np.abs([float(word) for word in words])
    except ValueError:
        numbers = np.zeros(0)
    if numbers.size != 3 or not ((numbers > 0) & (numbers <= _LARGEST_NUMBER)).all():
        raise UnreadableImageError(
            f"{path.name!r} has no usable spacing: its {name} is {' '.join(words)!r}; needed three numbers in mm. "
            "Add the spacing to its header, or convert the original DICOM series again."
        )


def check_within(number: int, path: Path, name: str, limit: int) -> None:
    """Refuse a count of bytes or lines that is under -1 (from the end) or over `limit`.

    Raises
    ------
    UnreadableImageError
        When it is.
    """
    if not -1 <= number <= limit:
        raise damaged(path, f"its {name} is {number}, in a file of {limit} bytes")


def voxel_file(name: str, header: Path, header_end: int) -> tuple[Path, int]:
    """Return the file that holds the voxels and where they begin in it.

    Parameters
    ----------
    name : name of a file beside the header, or ``"LOCAL"``
    header : the file that holds the header
    header_end : length of the header, bytes

    Raises
    ------
    UnreadableImageError
        When the file is missing, or the header lists several.
    """
    if name.upper() == "LOCAL":
        return header, header_end
    path = header.parent / name
    if not _is_file(path):
        raise UnreadableImageError(
            f"The voxels of {header.name!r} are said to be in {name!r}; needed one file of that name beside it. "
            "Copy both files into one folder, or export the scan as one file."
        )
    return path, 0


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a zero
        return False


def check_size(path: Path, offset: int, shape: Shape, itemsize: int, ratio: int) -> None:
    """Refuse a file with fewer bytes of voxels than `shape` needs, as far as can be told without decompressing.

    Parameters
    ----------
    path, offset : the file with the voxels and where they begin
    shape : voxels per axis
    itemsize : bytes per voxel before compression
    ratio : how far the encoding can shrink its content

    Raises
    ------
    UnreadableImageError
        When they cannot all be there.
    """
    needed, found = prod(shape) * itemsize, path.stat().st_size - offset
    if found * ratio < needed:
        raise UnreadableImageError(
            f"{path.name!r} has {max(0, found)} bytes of voxels; its header announces {needed}. "
            "The file is cut off or its header is damaged: copy or export it again."
        )


def mm_per_unit(words: Sequence[str], path: Path) -> float:
    """Return the length of the header's unit, mm; 1 when it names none.

    Raises
    ------
    UnreadableImageError
        When the unit is unknown or differs between axes.
    """
    units = {_MM_PER_UNIT.get(word.lower()) for word in words} or {1.0}
    unit = units.pop()
    if units or unit is None:
        raise damaged(path, f"its unit of length is {' '.join(words)!r}")
    return unit
