"""Names of files: which format a path says it is, and what a mask of a scan is called."""

from __future__ import annotations

from pathlib import Path

# Longest first, so that ".nii.gz" is taken before ".gz" could be.
FORMAT_OF_SUFFIX = {
    ".nii.gz": "nifti",
    ".nii": "nifti",
    ".nrrd": "nrrd",
    ".nhdr": "nrrd",
    ".mha": "metaimage",
    ".mhd": "metaimage",
    ".dcm": "dicom",
    ".dicom": "dicom",
    ".ima": "dicom",
}
# Formats of one file each: a header and its voxels cannot be replaced together in one step.
WRITABLE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
MASK_ENDING = "_seg"  # of the name of a mask, after that of its scan
# Masks in a case folder of KiTS23 and KiTS19, then of KiTS21 (the majority vote is the reference).
KITS_MASKS = ("segmentation.nii.gz", "aggregated_MAJ_seg.nii.gz")
_DICOM_PREAMBLE = 128  # bytes before the word DICM


def image_suffix(path: Path) -> str:
    """Return the image suffix of `path` in lower case, e.g. ``".nii.gz"``; empty when it has none we know."""
    name = path.name.lower()
    return next((suffix for suffix in FORMAT_OF_SUFFIX if name.endswith(suffix)), "")


def image_format(path: Path) -> str:
    """Return ``"nifti"``, ``"nrrd"``, ``"metaimage"``, ``"dicom"`` or, for anything else, ``""``.

    A folder is taken for DICOM; a file without a known suffix is one when it says so after its preamble.
    """
    if path.is_dir():
        return "dicom"
    return FORMAT_OF_SUFFIX.get(image_suffix(path)) or ("dicom" if _is_dicom_file(path) else "")


def scan_name(path: Path) -> str:
    """Return the name of a scan: its file without image suffix, or its folder's name."""
    path = path if path.name not in ("", "..") else path.resolve()
    if path.is_dir():
        return path.name
    suffix = image_suffix(path)
    return path.name[: len(path.name) - len(suffix)] if suffix else path.name


def mask_path_for(scan_path: str | Path, folder: str | Path | None = None) -> Path:
    """Return where the mask of a scan goes: ``<scan>_seg.nii.gz``.

    Parameters
    ----------
    scan_path : file, or folder of a DICOM series
    folder : folder of the mask; None puts it beside the scan
    """
    scan = Path(scan_path)
    scan = scan if scan.name not in ("", "..") else scan.resolve()
    parent = scan.parent if folder is None else Path(folder)
    return parent / f"{scan_name(scan)}{MASK_ENDING}.nii.gz"


def kits_mask(case_folder: Path) -> Path | None:
    """Return the reference mask in the folder of a KiTS case, or None when there is none."""
    return next((case_folder / name for name in KITS_MASKS if (case_folder / name).is_file()), None)


def _is_dicom_file(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(_DICOM_PREAMBLE)
            return file.read(4) == b"DICM"
    except OSError:
        return False
