"""Ways to open a scan from the widget, and the repair of one whose values lack the usual -1024."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.qt.threading import create_worker
from qtpy.QtWidgets import QInputDialog, QWidget

from napari_kidney_seg._sample_data import sample_ct
from napari_kidney_seg.io.checks import subtract_1024
from napari_kidney_seg.widgets.layer_data import METADATA_KEY, LayerData, ct_layer_data
from napari_kidney_seg.widgets.layers import scan_record, volume_from_layer
from napari_kidney_seg.widgets.windows import ABDOMEN, apply_window

if TYPE_CHECKING:
    from napari.layers import Image
    from napari.viewer import Viewer

PLUGIN = "napari-kidney-seg"


def open_scan(viewer: Viewer, path: Path) -> None:
    """Open a scan or mask file with this plugin's reader, whatever others are installed."""
    viewer.open(str(path), plugin=PLUGIN)


def open_sample(viewer: Viewer, when_open: Callable[[], None] = lambda: None) -> None:
    """Render the phantom CT without holding up the window, add it, and call `when_open`."""

    def add(layers: list[LayerData]) -> None:
        for data, options, _ in layers:
            viewer.add_image(data, **options)
        when_open()

    create_worker(sample_ct, _connect={"returned": add}, _progress={"desc": "Rendering the sample CT"})


def open_dicom_folder(viewer: Viewer, folder: Path, parent: QWidget) -> None:
    """Open the series of a DICOM folder that the person picks; a single one is opened at once.

    Raises
    ------
    UnreadableImageError
        When the folder holds no readable series.
    """
    from napari_kidney_seg.io.dicom import list_series
    from napari_kidney_seg.io.images import read_volume

    found = list_series(folder)
    texts = [series.title for series in found]
    chosen, accepted = (
        QInputDialog.getItem(parent, "DICOM series", f"{len(found)} series in {folder.name}", texts, 0, False)  # noqa: FBT003  Qt's signature
        if len(found) > 1
        else ("", True)
    )
    if not accepted:
        return
    uid = found[texts.index(chosen)].uid if chosen else None
    data, options, _ = ct_layer_data(read_volume(folder, series=uid))
    viewer.add_image(data, **options)


def repair_rescale(layer: Image) -> None:
    """Take 1024 from every value of a CT layer, so that it shows Hounsfield units."""
    volume = volume_from_layer(layer)
    repaired = subtract_1024(volume)
    back = volume.geometry.axis_map_to().inverse()
    layer.data = np.ascontiguousarray(back.apply(repaired.array))
    layer.metadata[METADATA_KEY] = replace(scan_record(layer), notes=repaired.notes)
    apply_window(layer, ABDOMEN)
