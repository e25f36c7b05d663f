"""Which scan an opened mask belongs to: a file of a mask names its grid, but not its scan."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_kidney_seg.core.errors import GeometryMismatchError
from napari_kidney_seg.widgets.layer_data import METADATA_KEY, ScanRecord, record_of
from napari_kidney_seg.widgets.layers import class_layers, is_ct, scan_record

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Image, Labels

Masks = dict[Path, list["Labels"]]
SAME_GRID_MM = 1e-2  # other programs write the corners of a grid with errors up to this


def link_masks(layers: LayerList) -> list[Image]:
    """Give each scan without a mask the one that was opened and lies on its grid; return the scans that got one.

    Only where that leaves no doubt: no other open scan has that grid, and no other opened mask.
    """
    linked: list[Image] = []
    if not _opened_masks(layers):
        return linked
    scans = [layer for layer in layers if is_ct(layer)]
    for scan in scans:
        masks = masks_on_grid(layers, scan)
        others = [one for one in scans if one is not scan and _lies_on(_record(one), _record(scan))]
        present = {_origin(layer) for layer in class_layers(layers, scan).values()}
        if len(masks) == 1 and not others and present <= set(masks):
            linked.append(scan)
            for mask in masks.values():
                use_mask(mask, scan)
    return linked


def use_mask(mask: Iterable[Labels], scan: Image) -> None:
    """Make the layers of an opened mask those of `scan`, whose grid they lie on."""
    record = scan_record(scan)
    for layer in mask:
        own = record_of(layer.metadata)
        if own is not None and own.source is not None:
            layer.metadata[METADATA_KEY] = record.for_label(own.label, opened_from=own.source.path)


def put_below_masks(layers: LayerList, scan: Image) -> None:
    """Move a scan that was opened after its mask below it: it would hide the mask."""
    places = [layers.index(layer) for layer in class_layers(layers, scan).values()] if scan in layers else []
    if places and layers.index(scan) > min(places):
        layers.move(layers.index(scan), min(places))


def masks_on_grid(layers: LayerList, scan: Image) -> Masks:
    """Return the layers of each opened mask that lies on the grid of `scan` and belongs to no open scan, by file."""
    record, masks = _record(scan), _opened_masks(layers)
    return {path: mask for path, mask in masks.items() if _lies_on(record_of(mask[0].metadata), record)}


def other_grids(layers: LayerList, scan: Image) -> tuple[str, ...]:
    """Return, one sentence each, why the opened masks that belong to no open scan cannot be those of `scan`."""
    record = _record(scan)
    if record is None:
        return ()
    fitting = masks_on_grid(layers, scan)
    strange = {path: mask for path, mask in _opened_masks(layers).items() if path not in fitting}
    return tuple(_why_not(path, record_of(mask[0].metadata), record) for path, mask in strange.items())


def _opened_masks(layers: Iterable[Any]) -> Masks:
    """Return the layers of each mask that was opened from a file and belongs to no open scan, by that file."""
    from napari.layers import Labels

    scans = {record.scan for layer in layers if is_ct(layer) and (record := record_of(layer.metadata)) is not None}
    masks: Masks = {}
    for layer in layers:
        record = record_of(layer.metadata) if isinstance(layer, Labels) and layer.source.path else None
        if record is not None and record.source is not None and record.label and record.scan not in scans:
            masks.setdefault(record.source.path, []).append(layer)
    return masks


def _origin(layer: Labels) -> Path | None:
    record = record_of(layer.metadata)
    return record.opened_from if record is not None else None


def _record(scan: Image) -> ScanRecord | None:
    """Return the record of a CT layer; None when it says nothing about its place."""
    try:
        return scan_record(scan)
    except GeometryMismatchError:
        return None


def _lies_on(record: ScanRecord | None, scan: ScanRecord | None) -> bool:
    return record is not None and scan is not None and record.geometry.is_close(scan.geometry, SAME_GRID_MM)


def _why_not(path: Path, mask: ScanRecord | None, scan: ScanRecord) -> str:
    if mask is None:
        return ""
    found, needed = mask.geometry, scan.geometry
    what = "shape" if found.shape != needed.shape else "spacing, place or direction"
    return (
        f"The mask {path.name!r} ({_in_words(mask)}) cannot be edited on {scan.scan!r} ({_in_words(scan)}): its {what} "
        "differs. Open the scan it was drawn on."
    )


def _in_words(record: ScanRecord) -> str:
    spacing = " x ".join(f"{np.round(one, 3):g}" for one in record.geometry.spacing)
    return f"{' x '.join(map(str, record.geometry.shape))} voxels of {spacing} mm"
