"""Open CT scans and masks: NIfTI, NRRD, MetaImage, and DICOM series by folder or by one of their files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_kidney_seg.core.volume import LabelVolume, Volume
    from napari_kidney_seg.widgets.layer_data import LayerData

EXTENSIONS = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm")
DICOM_MAGIC = b"DICM"  # bytes 128 to 131 of a DICOM file
FILES_LOOKED_AT = 8  # of a folder, before it is said not to be DICOM


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return the function that reads `path`, or None when this plugin has no reader for it."""
    paths = _as_paths(path)
    if not paths or not all(_is_ours(one) for one in paths):
        return None
    return read_layers


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Return the layers of a scan or mask: a CT as one Image layer, a mask as nested Labels layers.

    Of a folder with several DICOM series the one fittest for an abdominal CT is opened, and napari says which.

    Raises
    ------
    UnreadableImageError
        When the file is damaged or no 3D image.
    """
    return [data for one in _as_paths(path) for data in _read_one(one)]


def _as_paths(path: str | Sequence[str]) -> list[Path]:
    return [Path(path)] if isinstance(path, str) else [Path(one) for one in path]


def _is_ours(path: Path) -> bool:
    try:
        return _holds_dicom(path) if path.is_dir() else path.name.lower().endswith(EXTENSIONS)
    except OSError:
        return False


def _holds_dicom(folder: Path) -> bool:
    files = (path for path in folder.rglob("*") if path.is_file())
    return any(_is_dicom(path) for path in islice(files, FILES_LOOKED_AT))


def _is_dicom(path: Path) -> bool:
    if path.suffix.lower() == ".dcm":
        return True
    with path.open("rb") as file:
        return file.read(132)[128:] == DICOM_MAGIC


def _read_one(path: Path) -> list[LayerData]:
    from napari_kidney_seg.io.images import read_volume
    from napari_kidney_seg.widgets.layer_data import ct_layer_data, label_layer_data

    volume = read_volume(path)
    if is_mask(volume):
        return label_layer_data(_as_labels(volume))
    _tell(volume)
    return [ct_layer_data(volume)]


def is_mask(volume: Volume) -> bool:
    """Return whether `volume` is a mask rather than a CT: whole numbers, none but the ids 0 to 3 of KiTS."""
    import numpy as np

    from napari_kidney_seg.core.labels import KITS

    array = volume.array
    return bool(np.issubdtype(array.dtype, np.integer) and array.min() >= 0 and array.max() <= max(KITS.names))


def _as_labels(volume: Volume) -> LabelVolume:
    import numpy as np

    from napari_kidney_seg.core.volume import LabelVolume

    array = volume.array.astype(np.uint8)
    return LabelVolume(array=array, geometry=volume.geometry, name=volume.name, source=volume.source)


def _tell(volume: Volume) -> None:
    """Show what reading found worth saying; the Segment widget keeps showing it."""
    from napari.utils.notifications import show_info

    for note in volume.notes:
        show_info(f"{volume.name}: {note}")
