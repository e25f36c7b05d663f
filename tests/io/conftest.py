"""Small scans in every format, made with the libraries that serve as oracles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import permutations, product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
import torch
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.bundling import write_bundle

AXIAL = (1, 0, 0, 0, 1, 0)
LPS_OF_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, kw_only=True)
class CtSeries:
    """A CT series whose stored value at (column, row, slice) is its running number; HU = slope x stored + intercept."""

    shape: tuple[int, int, int] = (8, 7, 6)  # columns, rows, slices
    pixel_spacing: tuple[float, float] = (0.7, 0.8)  # between rows, between columns
    heights: Sequence[float] | None = None
    step: Sequence[float] = (0.0, 0.0, 2.5)
    directions: Sequence[float] = AXIAL
    origin: Sequence[float] = (-100.0, -80.0, 40.0)
    modality: str = "CT"
    description: str = "Venous"
    slope: float = 1
    intercept: float = -1024
    uid: str = field(default_factory=generate_uid)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def hu(self) -> np.ndarray:
        return self.stored.astype(np.int32) * self.slope + self.intercept

    @property
    def stored(self) -> np.ndarray:
        return np.arange(np.prod(self.shape), dtype=np.uint16).reshape(self.shape)

    def positions(self) -> np.ndarray:
        places = range(self.shape[2]) if self.heights is None else np.array(self.heights) / np.linalg.norm(self.step)
        return np.array([np.array(self.origin) + place * np.array(self.step) for place in places])

    def datasets(self) -> list[pydicom.Dataset]:
        return [self._dataset(number, position) for number, position in enumerate(self.positions())]

    def write(self, folder: Path) -> list[Path]:
        """Write one file per slice, in an order of names that is not the order of positions."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for number, dataset in enumerate(self.datasets()):
            paths.append(folder / f"slice{self.uid[-6:]}_{(number * 5) % 97:03d}.dcm")
            dataset.save_as(paths[-1], enforce_file_format=True)
        return paths

    def _dataset(self, number: int, position: np.ndarray) -> pydicom.Dataset:
        dataset = pydicom.Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid(
            entropy_srcs=[self.uid, str(number)]
        )
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = self.uid, generate_uid(entropy_srcs=[self.uid])
        dataset.SeriesDescription, dataset.Modality = self.description, self.modality
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        dataset.Columns, dataset.Rows = self.shape[:2]
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
        dataset.ImagePositionPatient = [float(value) for value in position]
        dataset.ImageOrientationPatient = [float(value) for value in self.directions]
        dataset.PixelSpacing, dataset.SliceThickness = list(self.pixel_spacing), 2.5
        dataset.RescaleSlope, dataset.RescaleIntercept = self.slope, self.intercept
        dataset.AcquisitionNumber, dataset.InstanceNumber = 1, number + 1
        for keyword, value in self.extra.items():
            setattr(dataset, keyword, value)
        dataset.PixelData = self.stored[:, :, number % self.shape[2]].tobytes(order="F")
        return dataset


def enhanced(series: CtSeries) -> pydicom.Dataset:
    """Return the series as one multi-frame file."""
    dataset, positions = series.datasets()[0], series.positions()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = EnhancedCTImageStorage
    measures, orientation, rescale = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    measures.PixelSpacing, measures.SliceThickness = dataset.PixelSpacing, 2.5
    orientation.ImageOrientationPatient = dataset.ImageOrientationPatient
    rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = series.slope, series.intercept, "HU"
    shared = pydicom.Dataset()
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    shared.PixelValueTransformationSequence = [rescale]
    dataset.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for position in positions:
        frame, plane = pydicom.Dataset(), pydicom.Dataset()
        plane.ImagePositionPatient = [float(value) for value in position]
        frame.PlanePositionSequence = [plane]
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = frames
    dataset.NumberOfFrames = len(frames)
    for keyword in (
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "RescaleSlope",
        "RescaleIntercept",
    ):
        delattr(dataset, keyword)
    dataset.PixelData = series.stored.tobytes(order="F")
    return dataset


def signed_permutations() -> dict[str, np.ndarray]:
    """Return the 48 matrices that send array axes to patient axes, named by nibabel's codes (RAS)."""
    matrices = {}
    for order, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        matrix = np.zeros((3, 3))
        matrix[order, range(3)] = signs
        matrices["".join(nib.orientations.aff2axcodes(np.vstack([np.c_[matrix, [0, 0, 0]], [0, 0, 0, 1]])))] = matrix
    return matrices


ORIENTATIONS = signed_permutations()


def rotation(degrees: float) -> np.ndarray:
    """Return a rotation about an axis that is none of the patient's."""
    axis = np.array([1.0, 2.0, 3.0]) / np.sqrt(14)
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    angle = np.radians(degrees)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


@pytest.fixture(params=list(ORIENTATIONS))
def orientation(request: pytest.FixtureRequest) -> np.ndarray:
    """Each of the 48 signed permutations, half of them left-handed."""
    return ORIENTATIONS[request.param]


@pytest.fixture(params=[0.0, 14.0], ids=["straight", "oblique"])
def tilt(request: pytest.FixtureRequest) -> np.ndarray:
    return rotation(request.param)


@pytest.fixture(scope="session")
def oblique() -> np.ndarray:
    return rotation(14.0)


@pytest.fixture
def affine_of() -> Callable[..., np.ndarray]:
    """Build a RAS affine from directions (columns) and spacing."""

    def build(directions: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
        affine = np.eye(4)
        affine[:3, :3] = directions * spacing
        affine[:3, 3] = (-171.25, 93.5, -1021.75)
        return affine

    return build


@pytest.fixture
def write_scan(tmp_path: Path) -> Callable[..., Path]:
    """Write an array (i, j, k) with a RAS affine by nibabel or SimpleITK, according to the suffix."""

    def write(array: np.ndarray, affine: np.ndarray, name: str = "scan.nii.gz") -> Path:
        path = tmp_path / name
        if ".nii" in name:
            nib.save(nib.Nifti1Image(array, affine), path)
            return path
        lps = LPS_OF_RAS @ affine
        spacing = np.linalg.norm(lps[:3, :3], axis=0)
        image = sitk.GetImageFromArray(array.transpose())
        image.SetSpacing(spacing.tolist())
        image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
        image.SetOrigin(lps[:3, 3].tolist())
        sitk.WriteImage(image, str(path), useCompression=True)
        return path

    return write


@pytest.fixture
def ct_series() -> type[CtSeries]:
    return CtSeries


@pytest.fixture
def as_enhanced() -> Callable[[CtSeries], pydicom.Dataset]:
    return enhanced


def compress_jpeg_2000(path: Path) -> None:
    """Rewrite a DICOM slice with its pixels as lossless JPEG 2000, encoded by GDCM."""
    dataset = pydicom.dcmread(path)
    image = sitk.GetImageFromArray(dataset.pixel_array[np.newaxis])
    encoded = path.with_suffix(".tmp.dcm")
    writer = sitk.ImageFileWriter()
    writer.SetFileName(str(encoded))
    writer.SetImageIO("GDCMImageIO")
    writer.UseCompressionOn()
    writer.SetCompressor("JPEG2000")
    writer.Execute(image)
    written = pydicom.dcmread(encoded)
    dataset.PixelData = written.PixelData
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = written.file_meta.TransferSyntaxUID
    dataset.save_as(path)
    encoded.unlink()


@pytest.fixture
def jpeg_2000() -> Callable[[Path], None]:
    return compress_jpeg_2000


@pytest.fixture
def method():
    """The default method at the sizes of tests."""
    return get_method("resunet-2.5d", "smoke")


@pytest.fixture
def weights(method):
    """Random weights for `method`, two models of its kidney stage."""
    torch.manual_seed(0)
    return {
        stage.name: [stage.network(**stage.network_args).state_dict() for _ in range(1 + (stage.name == "kidney"))]
        for stage in method.stages
    }


@pytest.fixture
def saved(method, weights, tmp_path):
    """The bundle of `weights`, with a figure on its card."""
    facts = {"training_data": "two balls", "licence": "CC0", "scores": {"phantoms": {"kidney": 0.5}}}
    return write_bundle(method, weights, tmp_path / "model.safetensors", facts)
