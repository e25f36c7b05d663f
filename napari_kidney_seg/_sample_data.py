"""Sample data: an analytic phantom of a contrast-enhanced abdomen, free of any patient's data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_kidney_seg.widgets.layer_data import LayerData


def sample_ct() -> list[LayerData]:
    """Return the CT of the phantom as one Image layer."""
    from napari_kidney_seg.phantom.render import sample_scan
    from napari_kidney_seg.widgets.layer_data import ct_layer_data

    scan, _ = sample_scan()
    return [ct_layer_data(scan)]


def sample_ct_with_reference() -> list[LayerData]:
    """Return the CT of the phantom and the mask it was rendered from, as one Image and three Labels layers."""
    from napari_kidney_seg.phantom.render import sample_scan
    from napari_kidney_seg.widgets.layer_data import ct_layer_data, label_layer_data

    scan, reference = sample_scan()
    return [ct_layer_data(scan), *label_layer_data(reference)]
