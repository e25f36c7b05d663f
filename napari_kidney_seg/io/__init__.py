"""Files to volumes and back: the only room that meets other axis orders than the canonical one.

NIfTI needs nibabel alone; SimpleITK and pydicom are imported when an NRRD, MetaImage or DICOM file is met, so
`napari_kidney_seg.io.dicom` is not imported here.
"""

from napari_kidney_seg.io.checks import RESCALE_MISSING, check_ct, subtract_1024
from napari_kidney_seg.io.images import read_labels, read_volume, restore, write_labels
from napari_kidney_seg.io.naming import image_format, mask_path_for, scan_name
from napari_kidney_seg.io.sidecar import RunRecord, installed_versions, read_sidecar, sidecar_path_for, write_sidecar

__all__ = [
    "RESCALE_MISSING",
    "RunRecord",
    "check_ct",
    "image_format",
    "installed_versions",
    "mask_path_for",
    "read_labels",
    "read_sidecar",
    "read_volume",
    "restore",
    "scan_name",
    "sidecar_path_for",
    "subtract_1024",
    "write_labels",
    "write_sidecar",
]
