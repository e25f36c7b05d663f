"""Which scan an opened mask belongs to: a mask names its grid, but not always its scan."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_kidney_seg.core.errors import GeometryMismatchError, UnreadableImageError
from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.io.naming import FORMAT_OF_SUFFIX, MASK_ENDING, scan_name
from napari_kidney_seg.io.sidecar import read_sidecar
from napari_kidney_seg.widgets.layer_data import METADATA_KEY, ScanRecord, record_of
from napari_kidney_seg.widgets.layers import class_layers, is_ct, label_layers, scan_record

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Image, Labels

Masks = dict[Path, list["Labels"]]
SAME_GRID_MM = 1e-2  # other programs write the corners of a grid with errors up to this


def link_masks(layers: LayerList) -> list[Image]:
    """Give each scan without a mask the one that was opened and lies on its grid; return the scans that got one.

    Only where that leaves no doubt: no other open scan has that grid, no other opened mask, and neither the name nor
    the record of the mask speaks of another scan. A mask that was linked before stays with its scan, also when that is
    closed.
    """
    linked: list[Image] = []
    fresh = {path for path, mask in _loose_masks(layers).items() if not any(map(_opened_from, mask))}
    if not fresh:
        return linked
    scans = [layer for layer in layers if is_ct(layer)]
    for scan in scans:
        masks, record = masks_on_grid(layers, scan), _record(scan)
        others = [one for one in scans if one is not scan and _lies_on(_record(one), record)]
        if len(masks) == 1 and not others and record is not None and _has_room(layers, scan, masks):
            ((path, mask),) = masks.items()
            if path in fresh and not _speaks_of_another(path, record):
                use_mask(mask, scan)
                linked.append(scan)
    return linked


def use_mask(mask: Iterable[Labels], scan: Image) -> None:
    """Make the layers of an opened mask those of `scan`, whose grid they lie on."""
    record = scan_record(scan)
    for layer in mask:
        own = record_of(layer.metadata)
        if own is not None:
            layer.metadata[METADATA_KEY] = record.for_label(own.label, opened_from=_file_of(layer))


def put_on_top(layers: LayerList, mask: Iterable[Labels]) -> None:
    """Move the layers of a mask above all others, where they count."""
    for layer in list(mask):
        layers.move(layers.index(layer), len(layers))


def put_below_masks(layers: LayerList, scan: Image) -> None:
    """Move a scan that was opened after its mask below it: it would hide the mask."""
    places = [layers.index(layer) for layer in class_layers(layers, scan).values()] if scan in layers else []
    if places and layers.index(scan) > min(places):
        layers.move(layers.index(scan), min(places))


def masks_on_grid(layers: LayerList, scan: Image) -> Masks:
    """Return the layers of each opened mask that lies on the grid of `scan` and belongs to no open scan, by file."""
    loose = _loose_masks(layers)
    record = _record(scan) if loose else None  # to find it may mean to read the scan's file
    return {path: mask for path, mask in loose.items() if _lies_on(record_of(mask[0].metadata), record)}


def other_grids(layers: LayerList, scan: Image) -> tuple[str, ...]:
    """Return, one sentence each, why the opened masks that belong to no open scan cannot be those of `scan`."""
    loose, fitting = _loose_masks(layers), masks_on_grid(layers, scan)
    record = _record(scan) if loose else None
    if record is None:
        return ()
    strange = {path: record_of(mask[0].metadata) for path, mask in loose.items() if path not in fitting}
    return tuple(_why_not(path, mask, record) for path, mask in strange.items() if mask is not None)


def _loose_masks(layers: LayerList) -> Masks:
    """Return the layers of each mask that was opened from a file and belongs to no open scan, by that file."""
    from napari.layers import Labels

    taken = {id(layer) for scan in layers if is_ct(scan) for layer in label_layers(layers, scan)}
    masks: Masks = {}
    for layer in layers:
        path = _file_of(layer) if isinstance(layer, Labels) and id(layer) not in taken else None
        if path is not None:
            masks.setdefault(path, []).append(layer)
    return masks


def _file_of(layer: Labels) -> Path | None:
    """Return the file of the mask that a layer was opened from, whether it was linked or not; None for another."""
    record = record_of(layer.metadata)
    if record is None or not record.label:
        return None
    is_own = layer.source.path and record.source is not None and Path(layer.source.path) == record.source.path
    return record.opened_from or (record.source.path if is_own and record.source is not None else None)


def _opened_from(layer: Labels) -> Path | None:
    record = record_of(layer.metadata)
    return record.opened_from if record is not None else None


def _has_room(layers: LayerList, scan: Image, masks: Masks) -> bool:
    """Return whether `scan` has no layer but those of the one mask that is being opened, which come one by one."""
    present = class_layers(layers, scan)
    new = {record.label for mask in masks.values() for one in mask if (record := record_of(one.metadata)) is not None}
    return {_opened_from(layer) for layer in present.values()} <= set(masks) and not new & set(present)


def _speaks_of_another(path: Path, scan: ScanRecord) -> bool:
    """Return whether the record beside the mask at `path`, or its name, belongs to another scan than `scan`."""
    source = scan.source
    try:
        made_from = read_sidecar(path).source_sha256
    except UnreadableImageError:
        made_from = ""
    if made_from and source is not None and source.sha256:
        return made_from != source.sha256
    named = _scans_named_by(path)
    return bool(named) and (source is None or source.path not in named)


def _scans_named_by(mask: Path) -> list[Path]:
    """Return the files and folders beside `mask` whose mask would be called as it is."""
    name = scan_name(mask)
    if not name.endswith(MASK_ENDING):
        return []
    scans = [mask.with_name(name.removesuffix(MASK_ENDING) + suffix) for suffix in ("", *FORMAT_OF_SUFFIX)]
    return [scan for scan in scans if scan.exists()]


def _record(scan: Image) -> ScanRecord | None:
    """Return the record of a CT layer; None when it says nothing about its place."""
    try:
        return scan_record(scan)
    except GeometryMismatchError:
        return None


def _lies_on(record: ScanRecord | None, scan: ScanRecord | None) -> bool:
    return record is not None and scan is not None and record.geometry.is_close(scan.geometry, SAME_GRID_MM)


def _why_not(path: Path, mask: ScanRecord, scan: ScanRecord) -> str:
    found, needed = mask.geometry, scan.geometry
    if _canonical(found).is_close(_canonical(needed), SAME_GRID_MM):
        return (
            f"The mask {path.name!r} lies on the grid of {scan.scan!r}, whose axes another reader has swapped or "
            "turned. Close the scan and open it with this plugin."
        )
    what = "shape" if found.shape != needed.shape else "spacing, place or direction"
    return (
        f"The mask {path.name!r} ({_in_words(found)}) cannot be edited on {scan.scan!r} ({_in_words(needed)}): its "
        f"{what} differs. Open the scan it was drawn on."
    )


def _canonical(geometry: Geometry) -> Geometry:
    return geometry.mapped(geometry.axis_map_to())


def _in_words(geometry: Geometry) -> str:
    spacing = " x ".join(f"{np.round(one, 3):g}" for one in geometry.spacing)
    return f"{' x '.join(map(str, geometry.shape))} voxels of {spacing} mm"
