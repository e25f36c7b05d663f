"""Which scans a person means, and what their masks are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from napari_kidney_seg.core.errors import UnreadableImageError
from napari_kidney_seg.evaluation.pairing import is_mask_name
from napari_kidney_seg.io.naming import image_format, image_suffix, scan_name

KITS_IMAGE = "imaging.nii.gz"


def find_scans(inputs: Sequence[Path], output: Path) -> tuple[Path, ...]:
    """Return the scans in `inputs`, each once: image files, and folders that hold DICOM files.

    Folders are searched to any depth. Passed over are masks (``*_seg`` and the like), hidden files, what lies beside
    ``imaging.nii.gz`` in a KiTS case folder, and the folder `output`.

    Raises
    ------
    UnreadableImageError
        When a path does not exist or none holds a scan.
    """
    found: dict[Path, Path] = {}
    for path in inputs:
        if not path.exists():
            raise UnreadableImageError(
                f"There is no file or folder {str(path)!r}. Nothing was segmented; check its name."
            )
        scans = [path] if path.is_file() else _scans_in(path, output.resolve())
        found.update((scan.resolve(), scan) for scan in scans)
    if not found:
        names = ", ".join(repr(str(path)) for path in inputs)
        raise UnreadableImageError(
            f"Found no scan in {names}; needed .nii, .nii.gz, .nrrd, .mha, .mhd or DICOM files. Give their folder."
        )
    return tuple(found.values())


def mask_names(scans: Sequence[Path]) -> tuple[str, ...]:
    """Return a different name for the mask of each scan: the scan's own, with folders before it where two agree.

    A KiTS image, ``case_00000/imaging.nii.gz``, goes by its case.
    """
    parents = [scan.resolve().parent.parts[1:] for scan in scans]
    names = [_title(scan) for scan in scans]
    for depth in range(1, 1 + max(map(len, parents), default=0)):
        counts = Counter(names)
        if max(counts.values()) == 1:
            break
        names = [
            "_".join((*folders[-depth:], _title(scan))) if counts[name] > 1 else name
            for scan, name, folders in zip(scans, names, parents, strict=True)
        ]
    counts = Counter(names)
    return tuple(
        name if counts[name] == 1 else f"{name}_{_kind(scan)}" for scan, name in zip(scans, names, strict=True)
    )


def _scans_in(folder: Path, output: Path) -> Iterator[Path]:
    if folder.resolve() == output:
        return
    if (folder / KITS_IMAGE).is_file():
        yield folder / KITS_IMAGE
        return
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    kinds = {entry: image_format(entry) for entry in entries if entry.is_file()}
    if "dicom" in kinds.values():
        yield folder
    yield from (entry for entry, kind in kinds.items() if kind not in ("", "dicom") and not is_mask_name(entry))
    for entry in entries:
        if entry.is_dir():
            yield from _scans_in(entry, output)


def _title(scan: Path) -> str:
    return scan.resolve().parent.name if scan.name == KITS_IMAGE else scan_name(scan)


def _kind(scan: Path) -> str:
    """Return what tells a scan from one of the same name in the same folder."""
    return image_suffix(scan).strip(".").replace(".", "_") or "dicom"
