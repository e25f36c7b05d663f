"""Look at every case before it is trained on: grids, labels, Hounsfield units. No torch."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.events import Progress
from napari_kidney_seg.core.geometry import Shape, Spacing
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.io.images import read_labels, read_volume
from napari_kidney_seg.training.cases import GEOMETRY_TOLERANCE_MM, CaseFiles, CaseSource
from napari_kidney_seg.training.dataset import Dataset, open_dataset
from napari_kidney_seg.training.request import SPLIT_SEED, VALIDATION_SHARE

CHECK = "check"  # the name of this work in its events
KITS_IMAGE = "imaging.nii.gz"  # of each case of KiTS, in a folder of its own
MASK_ENDING = "_seg.nii.gz"  # of a mask beside its scan
FEWEST_PATIENTS = 2  # with fewer none is held out
COLUMNS = ("case", "shape", "spacing mm", "values HU", "labeled voxels")
UNKNOWN = "?"
NAMED = 3  # scans without a mask that are named


@dataclass(frozen=True, kw_only=True)
class CaseReport:
    """What was found in a case.

    Attributes
    ----------
    name : str
    shape : (z, y, x) voxels of the scan, or None when it cannot be read
    spacing : (z, y, x) mm of the scan, or None
    hu : (lowest, highest) value of the scan, or None
    labels : mapping of label name to voxels, of the labels that occur; None when the mask cannot be read
    is_usable : bool
        False when scan or mask cannot be read, or they do not lie on one grid: that would stop a training.
    problems : tuple of str
        Why it should be looked at before it is trained on, one sentence or two each.
    """

    name: str
    shape: Shape | None = None
    spacing: Spacing | None = None
    hu: tuple[float, float] | None = None
    labels: Mapping[str, int] | None = None
    is_usable: bool = True
    problems: tuple[str, ...] = ()

    def cells(self) -> tuple[str, ...]:
        """Return a line of a table with the columns `COLUMNS`."""
        return (
            self.name,
            " x ".join(str(size) for size in self.shape) if self.shape is not None else UNKNOWN,
            _rounded(self.spacing) if self.spacing is not None else UNKNOWN,
            f"{self.hu[0]:g} to {self.hu[1]:g}" if self.hu is not None else UNKNOWN,
            ", ".join(f"{name} {voxels}" for name, voxels in (self.labels or {}).items()) or UNKNOWN,
        )


@dataclass(frozen=True, kw_only=True)
class DataReport:
    """What was found in a folder of cases.

    Attributes
    ----------
    cases : tuple of CaseReport
    training, validation : int
        Cases of each part when they are split as training does.
    remarks : tuple of str
        What concerns the folder as a whole: too few cases, images without a mask.
    """

    cases: tuple[CaseReport, ...]
    training: int
    validation: int
    remarks: tuple[str, ...] = ()

    @property
    def faulty(self) -> tuple[CaseReport, ...]:
        """The cases with problems."""
        return tuple(case for case in self.cases if case.problems)

    @property
    def unusable(self) -> tuple[CaseReport, ...]:
        """The cases that would stop a training: they cannot be read, or scan and mask do not lie on one grid."""
        return tuple(case for case in self.cases if not case.is_usable)

    def summary(self) -> tuple[str, ...]:
        """Return the whole in a few lines."""
        spacings = np.array([case.spacing for case in self.cases if case.spacing is not None])
        values = np.array([case.hu for case in self.cases if case.hu is not None])
        with_label = {
            name: sum(name in case.labels for case in self.cases if case.labels is not None)
            for name in KITS.names.values()
        }
        cases = "1 case" if len(self.cases) == 1 else f"{len(self.cases)} cases"
        faulty = f"{len(self.faulty)} with problems" if self.faulty else "all fine"
        lines = [
            f"{cases}, {faulty}: {self.training} to train on, {self.validation} to validate on",
            "Labels: " + ", ".join(f"{name} in {count}" for name, count in with_label.items()),
        ]
        if len(spacings):
            slices, pixels = _range(spacings[:, 0]), _range(spacings[:, 1:])
            lines.append(f"Slices every {slices} mm, pixels of {pixels} mm")
            lines.append(f"Values from {values.min():g} to {values.max():g} HU")
        return tuple(lines)


def check_data(data: str) -> Generator[Progress, None, DataReport]:
    """Read every case of `data`, yielding after each, and return what was found.

    Parameters
    ----------
    data : folder of labeled cases, or ``phantoms:20``

    Raises
    ------
    DatasetError
        When no case is found.
    """
    dataset = open_dataset(data)
    training, validation = dataset.split(VALIDATION_SHARE, SPLIT_SEED)
    reports = []
    yield Progress(stage=CHECK, done=0, total=len(dataset), fraction=0.0)
    for number, case in enumerate(dataset.cases):
        reports.append(check_case(case))
        yield Progress(stage=CHECK, done=number + 1, total=len(dataset), fraction=(number + 1) / len(dataset))
    return DataReport(
        cases=tuple(reports), training=len(training), validation=len(validation), remarks=_remarks(data, dataset)
    )


def check_case(case: CaseSource) -> CaseReport:
    """Return what is found in `case`; what cannot be read is a problem, not an error."""
    scan, mask, unreadable = _read(case)
    unfitting = (*_grid_problems(scan, mask), *_found_problems(case, scan))
    return CaseReport(
        name=case.name,
        shape=scan.geometry.shape if scan is not None else None,
        spacing=scan.spacing if scan is not None else None,
        hu=(float(scan.array.min()), float(scan.array.max())) if scan is not None else None,
        labels=_voxels(mask) if mask is not None else None,
        is_usable=not unreadable and not unfitting,
        problems=(*unreadable, *unfitting, *(scan.notes if scan else ()), *_label_problems(mask)),
    )


def _read(case: CaseSource) -> tuple[Volume | None, LabelVolume | None, list[str]]:
    """Return scan and mask of `case`, None for one that cannot be read, and why not."""
    if not isinstance(case, CaseFiles):
        read = case.read()
        return read.scan, LabelVolume(array=read.labels, geometry=read.scan.geometry, name=case.name), []
    scan, mask, problems = None, None, []
    try:
        scan = read_volume(case.image)
    except KidneySegError as error:
        problems.append(str(error))
    try:
        mask = read_labels(case.mask)
    except KidneySegError as error:
        problems.append(str(error))
    return scan, mask, problems


def _voxels(mask: LabelVolume) -> dict[str, int]:
    counts = np.bincount(mask.array.ravel(), minlength=1 + max(KITS.names))
    return {name: int(counts[number]) for number, name in KITS.names.items() if counts[number]}


def _grid_problems(scan: Volume | None, mask: LabelVolume | None) -> tuple[str, ...]:
    if scan is None or mask is None or scan.geometry.is_close(mask.geometry, GEOMETRY_TOLERANCE_MM):
        return ()
    grids = [f"{one.geometry.shape} voxels of {_rounded(one.spacing)} mm" for one in (scan, mask)]
    if grids[0] == grids[1]:
        return (f"Scan and mask have {grids[0]}, but lie apart: their affines differ. Save the mask with the scan's.",)
    return (f"The scan has {grids[0]}, the mask {grids[1]}. Resample one onto the grid of the other.",)


def _found_problems(case: CaseSource, scan: Volume | None) -> Iterator[str]:
    """Yield what is wrong with the masks of what stages found in `case`."""
    for path in case.found if isinstance(case, CaseFiles) else ():
        try:
            problems = _grid_problems(scan, read_labels(path))
        except KidneySegError as error:
            problems = (str(error),)
        yield from (f"{path.name}: {problem}" for problem in problems)


def _label_problems(mask: LabelVolume | None) -> tuple[str, ...]:
    if mask is None:
        return ()
    found = _voxels(mask)
    if not found:
        return ("The mask is empty: no voxel is labeled kidney, tumor or cyst.",)
    if KITS.organ not in found:
        return (f"The mask holds {' and '.join(found)}, but no kidney.",)
    return ()


def _remarks(data: str, dataset: Dataset) -> tuple[str, ...]:
    """Return what concerns the cases of the folder `data` together."""
    remarks = []
    patients = len({case.group for case in dataset.cases})
    if patients < FEWEST_PATIENTS:
        remarks.append("There is only one patient: none is held out, so no Dice is measured. Add cases of others.")
    unlabeled = _unlabeled(Path(data), dataset)
    if unlabeled:
        names = ", ".join(unlabeled[:NAMED]) + (", …" if len(unlabeled) > NAMED else "")
        remarks.append(f"Left out, because they have no mask: {names} ({len(unlabeled)} in all).")
    return tuple(remarks)


def _unlabeled(root: Path, dataset: Dataset) -> list[str]:
    """Return the scans below `root` that lie where those of the cases do, but have no mask."""
    cases = [case for case in dataset.cases if isinstance(case, CaseFiles)]
    used = {path for case in cases for path in (case.image, case.mask)}
    found = {path for case in cases for path in _neighbors(case.image) if not path.name.endswith(MASK_ENDING)}
    return [str(path.relative_to(root)) for path in sorted(found - used)]


def _neighbors(image: Path) -> Iterable[Path]:
    """Return the images that lie as `image` does, itself among them."""
    if image.name == KITS_IMAGE:
        return image.parent.parent.glob(f"case_*/{KITS_IMAGE}")
    return image.parent.glob("*.nii.gz")


def _range(values: NDArray[np.float64]) -> str:
    low, high = round(float(values.min()), 2), round(float(values.max()), 2)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _rounded(spacing: Spacing) -> str:
    return " x ".join(f"{value:.3g}" for value in spacing)
