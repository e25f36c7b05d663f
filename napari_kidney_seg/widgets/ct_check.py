"""Whether a layer may be segmented: what is no CT in Hounsfield units only when a person insists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.io.checks import why_no_ct
from napari_kidney_seg.widgets.case_memory import memory_of
from napari_kidney_seg.widgets.layers import volume_from_layer

if TYPE_CHECKING:
    from napari.layers import Image

NO_SCAN = "Open a CT scan first."
NO_PLACE = "The scan cannot be placed in the patient: see what “Segment kidneys” says about it."
NO_CT_SCAN = "The scan is no CT in Hounsfield units: see “Segment kidneys”, which can also allow it."


def scan_problem(layer: Image | None) -> str:
    """Return why the scan in `layer` cannot be segmented; empty when it can. Voxels are looked at once."""
    if layer is None:
        return NO_SCAN
    memory = memory_of(layer)
    if memory.is_forced:
        return ""
    if memory.checked != id(layer.data):
        try:
            memory.is_ct = why_no_ct(volume_from_layer(layer)) is None
        except KidneySegError:
            return NO_PLACE
        memory.checked = id(layer.data)
    return "" if memory.is_ct else NO_CT_SCAN
