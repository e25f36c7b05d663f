"""Cases for training: KiTS folders, folders of image and mask pairs, or a stream of phantoms; kept ready on disk."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_kidney_seg.core.errors import DatasetError
from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.io.atomic import filling
from napari_kidney_seg.io.naming import kits_mask
from napari_kidney_seg.training.cases import FOUND_PREFIX, Case, CaseFiles, CaseSource, PhantomCase

KITS_FOLDERS = (".", "data", "dataset", "kits21/data")
KITS_IMAGE = "imaging.nii.gz"
PHANTOMS = "phantoms"
LOWEST_HU, HIGHEST_HU = -1024, 3071  # what a scan is kept as; every method's window lies within


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Cases on disk.

    Attributes
    ----------
    cases : tuple of CaseSource
    cache : folder or None
        Where cases are kept canonical and uncompressed, to be memory-mapped; None reads the files each time.
    """

    cases: tuple[CaseSource, ...]
    cache: Path | None = None

    def __len__(self) -> int:
        return len(self.cases)

    def subset(self, indices: list[int]) -> Dataset:
        """Return the cases at `indices`."""
        return replace(self, cases=tuple(self.cases[index] for index in indices))

    def without(self, names: tuple[str, ...]) -> Dataset:
        """Return the cases that are not called one of `names`."""
        return replace(self, cases=tuple(case for case in self.cases if case.name not in names))

    def split(self, validation_share: float, seed: int) -> tuple[Dataset, Dataset]:
        """Return (training, validation) cases: a share of the groups, the same for every method and stage.

        Groups are ranked by a hash of seed and name, so that adding cases moves at most a few of the others.
        """
        groups = sorted({case.group for case in self.cases}, key=lambda group: _digest(f"{seed} {group}"))
        count = max(1, round(len(groups) * validation_share)) if len(groups) > 1 else 0
        held_out = set(groups[:count])
        is_held_out = [case.group in held_out for case in self.cases]
        return (
            self.subset([index for index, out in enumerate(is_held_out) if not out]),
            self.subset([index for index, out in enumerate(is_held_out) if out]),
        )

    def load(self, index: int) -> Case:
        """Return case number `index`.

        Raises
        ------
        DatasetError
            When its image and mask do not share a grid.
        """
        case = self.cases[index]
        if self.cache is None:
            return case.read()
        folder = self.cache / f"{case.name}-{_digest(case.key)[:12]}"
        if not (folder / "geometry.json").is_file():
            _keep(case.read(), folder)
        return _recall(case.name, folder)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _keep(case: Case, folder: Path) -> None:
    air_for_nothing = np.nan_to_num(case.scan.array, nan=LOWEST_HU, posinf=HIGHEST_HU, neginf=LOWEST_HU)
    with filling(folder) as part:
        np.save(part / "image.npy", np.clip(air_for_nothing, LOWEST_HU, HIGHEST_HU).astype(np.int16))
        np.save(part / "labels.npy", case.labels)
        for stage, mask in case.found.items():
            np.save(part / f"{FOUND_PREFIX}{stage}.npy", mask)
        (part / "geometry.json").write_text(json.dumps({"affine": case.scan.geometry.affine.tolist()}))


def _recall(name: str, folder: Path) -> Case:
    image = np.load(folder / "image.npy", mmap_mode="r")
    affine = np.array(json.loads((folder / "geometry.json").read_text())["affine"])
    scan = Volume(array=image, geometry=Geometry(shape=image.shape, affine=affine), name=name)
    found = {path.stem.removeprefix(FOUND_PREFIX): np.load(path, mmap_mode="r") for path in _found_in(folder, ".npy")}
    return Case(name=name, scan=scan, labels=np.load(folder / "labels.npy", mmap_mode="r"), found=found)


def _found_in(folder: Path, suffix: str) -> tuple[Path, ...]:
    return tuple(sorted(folder.glob(f"{FOUND_PREFIX}*{suffix}")))


def phantom_stream(count: int, seed: int = 0, label_maps: tuple[Path, ...] = (), cache: Path | None = None) -> Dataset:
    """Return `count` phantoms with seeds from `seed` on, around `label_maps` in turn, or analytic without any.

    Each is rendered when it is first asked for.
    """
    around = [label_maps[number % len(label_maps)] if label_maps else None for number in range(count)]
    cases = tuple(PhantomCase(seed=seed + number, label_map=path) for number, path in enumerate(around))
    return Dataset(cases=cases, cache=cache)


def open_dataset(folder: str | Path, cache: Path | None = None) -> Dataset:
    """Return the cases found in `folder`; ``phantoms:200`` instead of a folder is a stream of 200 analytic phantoms.

    Known layouts: KiTS19/21/23 (``[data|dataset]/case_00000/imaging.nii.gz`` beside its segmentation, and masks
    ``found_STAGE.nii.gz`` of what a stage finds in it, where there are any), nnU-Net
    (``imagesTr`` and ``labelsTr``), and pairs ``NAME.nii.gz`` and ``NAME_seg.nii.gz`` in one folder.

    Raises
    ------
    DatasetError
        When no case is found.
    """
    kind, _, count = str(folder).partition(":")
    if kind == PHANTOMS and count.isdecimal():
        if int(count) < 1:
            raise DatasetError(f"Found {str(folder)!r}; needed at least one phantom. Write {PHANTOMS}:20, say.")
        return phantom_stream(int(count), cache=cache)
    root = Path(folder)
    if not root.is_dir():
        raise DatasetError(f"There is no folder {str(root)!r}; needed one of labelled cases, or {PHANTOMS}:20.")
    for layout in (_kits_cases, _nnunet_cases, _paired_cases):
        cases = layout(root)
        if cases:
            return Dataset(cases=tuple(cases), cache=cache)
    raise DatasetError(
        f"Found no labelled case in {str(root)!r}; needed case_*/imaging.nii.gz with a segmentation, imagesTr and "
        "labelsTr, or NAME.nii.gz with NAME_seg.nii.gz. Give the folder that holds them."
    )


def _kits_cases(root: Path) -> list[CaseFiles]:
    cases = {}
    for base in KITS_FOLDERS:
        for image in sorted((root / base).glob(f"case_*/{KITS_IMAGE}")):
            mask, folder = kits_mask(image.parent), image.parent
            if mask is not None:
                found = _found_in(folder, ".nii.gz")
                cases[folder.name] = CaseFiles(name=folder.name, image=image, mask=mask, found=found)
    return list(cases.values())


def _nnunet_cases(root: Path) -> list[CaseFiles]:
    masks = sorted((root / "labelsTr").glob("*.nii.gz"))
    pairs = [(mask.name.removesuffix(".nii.gz"), mask) for mask in masks]
    images = [(name, root / "imagesTr" / f"{name}_0000.nii.gz", mask) for name, mask in pairs]
    return [CaseFiles(name=name, image=image, mask=mask) for name, image, mask in images if image.is_file()]


def _paired_cases(root: Path) -> list[CaseFiles]:
    masks = sorted(root.glob("*_seg.nii.gz"))
    pairs = [(mask.name.removesuffix("_seg.nii.gz"), mask) for mask in masks]
    images = [(name, root / f"{name}.nii.gz", mask) for name, mask in pairs]
    return [CaseFiles(name=name, image=image, mask=mask) for name, image, mask in images if image.is_file()]
