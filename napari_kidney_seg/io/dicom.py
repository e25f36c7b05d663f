"""DICOM: which series a folder holds, and one of them as a volume."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.errors import UnreadableImageError
from napari_kidney_seg.core.geometry import Spacing
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.io.checks import with_check_notes
from napari_kidney_seg.io.dicom_headers import Slice, read_slices
from napari_kidney_seg.io.dicom_pixels import read_pixels
from napari_kidney_seg.io.dicom_stack import stacked
from napari_kidney_seg.io.stored import StoredImage, check_shape, compact, place, to_volume

CT = "CT"
_AXIAL_COSINE = 0.8  # of the angle between the slices' normal and the body axis: 37 degrees, more than any gantry tilt


@dataclass(frozen=True, kw_only=True)
class SeriesInfo:
    """One series of a folder.

    Attributes
    ----------
    uid, description, modality : str
    files : int
        Files of the series.
    shape : (slices, rows, columns)
    spacing : (between slices, between rows, between columns), mm; 0 where unknown
    thickness : float
        Of a slice, mm; 0 when unknown.
    is_axial : bool
        Whether its slices lie across the body and are no localizers.
    """

    uid: str
    description: str
    modality: str
    files: int
    shape: tuple[int, int, int]
    spacing: Spacing
    thickness: float
    is_axial: bool
    slices: tuple[Slice, ...] = field(repr=False, compare=False)

    @property
    def title(self) -> str:
        """Description and size for people, e.g. ``"Venous 1.0 (CT, 512 x 512 x 300)"``."""
        count, rows, columns = self.shape
        return f"{self.description or self.uid} ({self.modality}, {columns} x {rows} x {count})"


def list_series(folder: str | Path) -> tuple[SeriesInfo, ...]:
    """Return the image series in a folder and the folders below it, the one to segment first.

    Axial CT comes before other CT, CT before anything else, and more slices before fewer. Files that are no DICOM
    images are passed over.
    """
    return _series_in(Path(folder).rglob("*"))


def read_series(folder: str | Path, series: str | None = None) -> Volume:
    """Return one series of a folder as a CT scan in canonical orientation; parameters as of `read_stored_series`.

    Raises
    ------
    UnreadableImageError
        When there is no such series, no CT, or the series is damaged, incomplete or not one even stack.
    """
    path = Path(folder)
    return with_check_notes(to_volume(read_stored_series(path, series), path))


def read_stored_series(path: Path, series: str | None = None) -> StoredImage:
    """Return one series, its voxels indexed (column, row, slice) in HU.

    Parameters
    ----------
    path : folder, or one file of a series, which stands for the whole series beside it
    series : SeriesInstanceUID; None takes the axial CT series with the most slices

    Raises
    ------
    UnreadableImageError
        When there is no such series, no CT, or the series is damaged, incomplete or not one even stack.
    """
    chosen, notes = _choose(path, series)
    if any(one.samples != 1 for one in chosen.slices):
        raise UnreadableImageError(
            f"The series {chosen.title!r} is in color (RGB); needed CT slices with one number per pixel. "
            "Open the original series instead of screenshots of it."
        )
    stack = stacked(chosen.slices, chosen.title)
    rows, columns = stack.slices[0].shape
    shape = check_shape((columns, rows, stack.index[-1] + 1), path)
    geometry, place_notes = place(shape, stack.affine, path)
    pixels = np.empty((shape[2], rows, columns), np.float32)
    for number, values in zip(stack.index, read_pixels(stack.slices), strict=True):
        pixels[number] = values
    _fill_missing(pixels, stack.index)
    array, value_notes = compact(pixels.transpose())
    return StoredImage(
        array=array,
        geometry=geometry,
        header={"series": chosen.uid, "description": chosen.description},
        notes=notes + stack.notes + place_notes + value_notes,
    )


def _series_in(paths: Iterable[Path]) -> tuple[SeriesInfo, ...]:
    groups: dict[str, list[Slice]] = {}
    for path in sorted(paths):
        if path.is_file() and not path.name.startswith("."):
            for one in read_slices(path):
                groups.setdefault(one.series, []).append(one)
    infos = [_info(uid, slices) for uid, slices in groups.items()]
    return tuple(sorted(infos, key=lambda info: (info.modality != CT, not info.is_axial, -info.shape[0], info.uid)))


def _info(uid: str, slices: Sequence[Slice]) -> SeriesInfo:
    first = next((one for one in slices if one.is_placed), slices[0])
    placed = [one for one in slices if one.is_placed]
    heights = np.unique([np.dot(one.position, first.normal) for one in placed])
    between = float(np.median(np.diff(heights))) if heights.size > 1 else 0.0
    within = first.spacing if first.is_placed else (0.0, 0.0)
    return SeriesInfo(
        uid=uid,
        description=first.description,
        modality=first.modality,
        files=len({one.path for one in slices}),
        shape=(len(slices), *first.shape),
        spacing=(between, within[0], within[1]),
        thickness=first.thickness,
        is_axial=first.is_placed and not first.is_localizer and abs(first.normal[2]) > _AXIAL_COSINE,
        slices=tuple(slices),
    )


def _choose(path: Path, series: str | None) -> tuple[SeriesInfo, tuple[str, ...]]:
    """Return the series to read, and a note on the others."""
    if path.is_file():
        series = _series_of_file(path)
    found = _series_in(path.parent.iterdir()) if path.is_file() else list_series(path)
    if not found:
        raise UnreadableImageError(
            f"{str(path)!r} holds no DICOM images that can be read; needed the files of a CT series. "
            "Choose the folder with the series, or open a NIfTI, NRRD or MHA file directly."
        )
    names = "; ".join(info.title for info in found)
    if series is not None:
        matching = [info for info in found if info.uid == series]
        if not matching:
            raise UnreadableImageError(f"{str(path)!r} has no series {series!r}. It holds {names}.")
        return _ct_only(matching[0]), ()
    note = f"The folder holds {len(found)} series: {names}. The first was read."
    return _ct_only(found[0]), (note,) if len(found) > 1 else ()


def _series_of_file(path: Path) -> str:
    slices = read_slices(path)
    if not slices:
        raise UnreadableImageError(
            f"{path.name!r} is damaged or no DICOM image. Copy the series again and open its folder."
        )
    return slices[0].series


def _ct_only(info: SeriesInfo) -> SeriesInfo:
    if info.modality != CT:
        raise UnreadableImageError(
            f"The series {info.title!r} is of modality {info.modality!r}; needed CT. Choose the folder of a CT series."
        )
    return info


def _fill_missing(pixels: NDArray[Any], index: tuple[int, ...]) -> None:
    """Interpolate the slices (first axis) whose numbers are not in `index`, in place."""
    for before, after in pairwise(index):
        for number in range(before + 1, after):
            weight = (number - before) / (after - before)
            pixels[number] = np.rint((1 - weight) * pixels[before] + weight * pixels[after])
