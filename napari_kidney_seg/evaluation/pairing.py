"""Which prediction belongs to which reference."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from napari_kidney_seg.core.errors import DatasetError
from napari_kidney_seg.io.naming import KITS_MASKS, image_suffix, kits_mask, scan_name

_ENDINGS = re.compile(r"_(seg|segmentation|labels|mask)$")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A prediction, its reference, and the case they are about."""

    name: str
    prediction: Path
    reference: Path


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """The pairs found, and the files that have no partner."""

    pairs: tuple[Pair, ...]
    unpaired: tuple[Path, ...] = ()


def case_name(path: Path) -> str:
    """Return the case a mask file is about.

    The name of a KiTS case folder (``case_00000/segmentation.nii.gz``), else the file's name without its suffix and
    without ``_seg``, ``_segmentation``, ``_labels`` or ``_mask``.
    """
    return path.parent.name if path.name in KITS_MASKS else _ENDINGS.sub("", scan_name(path))


def is_mask_name(path: Path) -> bool:
    """Return whether a file is a mask by its name: ``*_seg`` and the like, or the mask of a KiTS case."""
    return path.name in KITS_MASKS or _ENDINGS.search(scan_name(path)) is not None


def pair(predictions: Path, references: Path) -> Pairing:
    """Return the predictions beside their references.

    Parameters
    ----------
    predictions, references : both a mask file, or both a folder
        A folder holds mask files (``<case>.nii.gz``, ``<case>_seg.nii.gz``) or case folders as KiTS has them, either
        directly or in ``data/`` or ``dataset/``. Where a folder has ``<case>_seg`` files, its other files are scans.

    Raises
    ------
    DatasetError
        When a path does not exist, a file stands beside a folder, two files claim one case, or nothing pairs.
    """
    for path in (predictions, references):
        if not path.exists():
            raise DatasetError(f"Found nothing at {str(path)!r}; needed a mask or a folder of masks. Check the path.")
    if predictions.is_file() and references.is_file():
        return Pairing(pairs=(Pair(name=case_name(references), prediction=predictions, reference=references),))
    if predictions.is_file() or references.is_file():
        raise DatasetError(
            f"Found a file and a folder: {str(predictions)!r} and {str(references)!r}; needed two files or two "
            "folders. Give the mask inside the folder."
        )
    return _pair_folders(predictions, references)


def _pair_folders(predictions: Path, references: Path) -> Pairing:
    mine, theirs = _masks_by_case(predictions), _masks_by_case(references)
    common = sorted(mine.keys() & theirs.keys())
    if not common:
        raise DatasetError(
            f"Found {len(mine)} masks in {str(predictions)!r} and {len(theirs)} in {str(references)!r}, none about the "
            "same case; needed equal file names, apart from '_seg', or KiTS case folders. Rename one side."
        )
    alone = [files[case] for files, other in ((mine, theirs), (theirs, mine)) for case in sorted(files.keys() - other)]
    return Pairing(
        pairs=tuple(Pair(name=case, prediction=mine[case], reference=theirs[case]) for case in common),
        unpaired=tuple(alone),
    )


def _masks_by_case(folder: Path) -> dict[str, Path]:
    """Return the masks in `folder` by case name."""
    found: dict[str, Path] = {}
    for path in _masks_in(folder):
        name = case_name(path)
        if name in found:
            raise DatasetError(
                f"Found two masks for case {name!r}: {str(found[name])!r} and {str(path)!r}; needed one. Move one away."
            )
        found[name] = path
    return found


def _masks_in(folder: Path) -> list[Path]:
    roots = [root for root in (folder, folder / "data", folder / "dataset") if root.is_dir()]
    cases = [kits_mask(case) for root in roots for case in sorted(root.iterdir()) if case.is_dir()]
    in_folders = [mask for mask in cases if mask is not None]
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and image_suffix(path)]
    marked = [path for path in files if is_mask_name(path)]
    return in_folders + (marked or files)
