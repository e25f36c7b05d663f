"""What the headers of a folder's DICOM files say: one record per slice, without its pixels."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.uid import UID, RLELossless

# What pydicom raises on damaged files, found by fuzzing; none of these is a mistake of ours in this module.
DICOM_ERRORS = (
    InvalidDicomError, BytesLengthException, OSError, EOFError, ValueError, TypeError, KeyError, IndexError,
    AttributeError, NotImplementedError, RuntimeError, OverflowError, struct.error, MemoryError,
)  # fmt: skip
_TAGS = [
    "SOPClassUID", "SeriesInstanceUID", "SeriesDescription", "Modality", "ImageType", "Rows", "Columns",
    "SamplesPerPixel", "NumberOfFrames", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing",
    "SliceThickness", "RescaleSlope", "RescaleIntercept", "AcquisitionNumber", "InstanceNumber",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence",
]  # fmt: skip
_MAX_ROWS = 8192


@dataclass(frozen=True, kw_only=True, eq=False)
class Slice:
    """One slice: where its pixels are and where it lies in the patient.

    Attributes
    ----------
    path, frame : the file and the frame in it; 0 in files of one slice
    series, description, modality : str
    is_localizer : bool
    shape : (rows, columns)
    samples : int
        Numbers per pixel; 1 unless in color.
    spacing : (between rows, between columns), mm; () when the header has none
    thickness : float
        mm; 0 when unknown.
    position : world LPS (x, y, z) of the first pixel, mm; () when the header has none
    directions : world LPS direction of a row, then of a column, six numbers; () when the header has none
    slope, intercept : float
        HU = slope x stored + intercept.
    order : (acquisition, instance)
    is_jpeg : bool
        Whether the pixels are stored in a syntax of the JPEG family.
    """

    path: Path
    frame: int
    series: str
    description: str
    modality: str
    is_localizer: bool
    shape: tuple[int, int]
    samples: int
    spacing: tuple[float, ...]
    thickness: float
    position: tuple[float, ...]
    directions: tuple[float, ...]
    slope: float
    intercept: float
    order: tuple[int, int]
    is_jpeg: bool

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector across the slice, LPS."""
        return np.cross(self.directions[:3], self.directions[3:])

    @property
    def is_placed(self) -> bool:
        """Whether the header says where the slice lies, in finite numbers and with directions at right angles."""
        numbers = (*self.spacing, *self.position, *self.directions)
        if len(numbers) != 11 or not np.isfinite(numbers).all() or min(self.spacing) <= 0:
            return False
        row, column = np.array(self.directions[:3]), np.array(self.directions[3:])
        lengths = np.array([row @ row, column @ column])
        return bool(np.allclose(lengths, 1, atol=0.02) and abs(row @ column) < 0.02)


def read_slices(path: Path) -> tuple[Slice, ...]:
    """Return the slices of one file; empty for a file that is no DICOM image."""
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=_TAGS)
        if "Rows" not in header:
            return ()
        return tuple(_slices(header, path))
    except DICOM_ERRORS:
        return ()


def _slices(header: Dataset, path: Path) -> Iterator[Slice]:
    frames = header.get("PerFrameFunctionalGroupsSequence") or [Dataset()]
    shared = (header.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    for index, frame in enumerate(frames):
        yield _slice(header, _Groups(frame, shared, header), path, index)


class _Groups:
    """Attributes of one frame: its own, else those shared by all frames, else those of a plain file."""

    def __init__(self, frame: Dataset, shared: Dataset, header: Dataset) -> None:
        self._frame, self._shared, self._header = frame, shared, header

    def get(self, group: str, keyword: str, otherwise: Any) -> Any:
        for groups in (self._frame, self._shared):
            if groups.get(group):
                return groups[group][0].get(keyword, otherwise)
        value = self._header.get(keyword)
        return otherwise if value is None else value


def _slice(header: Dataset, groups: _Groups, path: Path, index: int) -> Slice:
    rows, columns = int(header.Rows), int(header.Columns)
    syntax = UID(header.file_meta.TransferSyntaxUID)
    if not (0 < rows <= _MAX_ROWS and 0 < columns <= _MAX_ROWS):
        raise ValueError(f"{rows} x {columns} pixels")
    return Slice(
        path=path,
        frame=index,
        series=str(header.get("SeriesInstanceUID", "")),
        description=str(header.get("SeriesDescription", "")),
        modality=str(header.get("Modality", "")),
        is_localizer="LOCALIZER" in [str(word) for word in header.get("ImageType") or []],
        shape=(rows, columns),
        samples=int(header.get("SamplesPerPixel") or 1),
        spacing=_numbers(groups.get("PixelMeasuresSequence", "PixelSpacing", ())),
        thickness=float(groups.get("PixelMeasuresSequence", "SliceThickness", 0) or 0),
        position=_numbers(groups.get("PlanePositionSequence", "ImagePositionPatient", ())),
        directions=_numbers(groups.get("PlaneOrientationSequence", "ImageOrientationPatient", ())),
        slope=float(groups.get("PixelValueTransformationSequence", "RescaleSlope", 1)),
        intercept=float(groups.get("PixelValueTransformationSequence", "RescaleIntercept", 0)),
        order=(int(header.get("AcquisitionNumber") or 0), int(header.get("InstanceNumber") or 0)),
        is_jpeg=syntax.is_compressed and syntax != RLELossless,
    )


def _numbers(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in values)
