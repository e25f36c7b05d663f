"""Layers of the viewer <-> volumes: adopting a CT, showing a mask as three nested layers, composing them back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.errors import GeometryMismatchError
from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.labels import KITS, Label, LabelSchema
from napari_kidney_seg.core.volume import LabelVolume, Volume
from napari_kidney_seg.widgets.adoption import adopt, is_elsewhere
from napari_kidney_seg.widgets.history import replace_labels
from napari_kidney_seg.widgets.layer_data import METADATA_KEY, ScanRecord, label_appearance, record_of
from napari_kidney_seg.widgets.sides import is_split, side_numbers

if TYPE_CHECKING:
    from napari.components import LayerList, ViewerModel
    from napari.layers import Image, Labels


def is_ct(layer: object) -> bool:
    """Return whether `layer` could be a CT: one gray, three-dimensional, single-scale Image layer."""
    from napari.layers import Image

    return isinstance(layer, Image) and layer.ndim == 3 and not layer.rgb and not layer.multiscale


def volume_from_layer(layer: Image) -> Volume:
    """Return the canonical CT volume that `layer` shows.

    A layer of another reader is adopted once: what was learned of its geometry is kept in its metadata, and
    `Volume.notes` says where it came from or what was assumed.

    Raises
    ------
    GeometryMismatchError
        When the layer says nothing about its place in millimeters.
    """
    record = scan_record(layer)
    axis_map = record.geometry.axis_map_to()
    return Volume(
        array=axis_map.apply(np.asarray(layer.data)),
        geometry=record.geometry.mapped(axis_map),
        name=record.scan,
        source=record.source,
        notes=record.notes,
    )


def scan_record(layer: Image) -> ScanRecord:
    """Return the record of a CT layer, adopting the layer when it has none yet, or lies elsewhere than was assumed.

    Raises
    ------
    GeometryMismatchError
        When the layer says nothing about its place in millimeters.
    """
    record = record_of(layer.metadata)
    if record is None or record.geometry.shape != layer.data.shape or is_elsewhere(layer, record):
        record = adopt(layer)
        layer.metadata[METADATA_KEY] = record
    return record


def add_label_layers(viewer: ViewerModel, labels: LabelVolume, ct_layer: Image) -> list[Labels]:
    """Show a canonical mask as one Labels layer per class on the CT, kidney lowest.

    Layers that an earlier run made for the same CT are updated, and that update can be undone in each. A kidney layer
    that was split into left and right is split again.

    Raises
    ------
    GeometryMismatchError
        When the mask does not lie on the grid of the CT.
    """
    _require_same_grid(volume_from_layer(ct_layer), labels)
    nested, present, layers = _nested(labels, ct_layer), class_layers(viewer.layers, ct_layer), []
    for label in labels.schema.labels:
        array = np.ascontiguousarray(nested[label.name] * np.uint8(label.id))
        layer = present.get(label.name)
        if layer is None:
            layer = _label_layer(array, label, labels.schema, ct_layer)
            _append(viewer, layer, ct_layer)
        else:
            if label.name == labels.schema.organ and is_split(layer.data):
                array = side_numbers(array != 0, scan_record(ct_layer).geometry)
            replace_labels(layer, array)
            layer.metadata[METADATA_KEY] = scan_record(ct_layer).for_label(label.name)
        layers.append(layer)
    return layers


def mark_as_run(layers: Iterable[Labels]) -> None:
    """Note that a run made what `layers` hold."""
    for layer in layers:
        record = record_of(layer.metadata)
        if record is not None:
            layer.metadata[METADATA_KEY] = replace(record, is_of_run=True)


def layers_to_replace(layers: LayerList, labels: LabelVolume, ct_layer: Image) -> tuple[str, ...]:
    """Return the names of the layers with something in them that `add_label_layers` would change."""
    filled = {name: layer for name, layer in class_layers(layers, ct_layer).items() if layer.data.any()}
    nested = _nested(labels, ct_layer) if filled else {}
    return tuple(layer.name for name, layer in filled.items() if not np.array_equal(layer.data != 0, nested[name] != 0))


def _nested(labels: LabelVolume, ct_layer: Image) -> dict[str, NDArray[np.uint8]]:
    """Return the 0/1 mask of each class of a canonical mask on the axes of the CT layer."""
    back = scan_record(ct_layer).geometry.axis_map_to().inverse()
    return {name: back.apply(mask) for name, mask in labels.schema.decompose(labels.array).items()}


def label_layers(layers: LayerList | Iterable[Any], ct_layer: Image) -> list[Labels]:
    """Return the Labels layers that hold a class of the scan in `ct_layer`, in the order of the list."""
    from napari.layers import Labels

    scan = record_of(ct_layer.metadata)
    found = [layer for layer in layers if isinstance(layer, Labels) and record_of(layer.metadata)]
    return [layer for layer in found if scan and _is_of(record_of(layer.metadata), scan)]


def class_layers(layers: LayerList | Iterable[Any], ct_layer: Image) -> dict[str, Labels]:
    """Return the Labels layer of each class of the scan in `ct_layer`, by name: what is edited, measured and saved.

    Where there are several of a class it is the last, which lies on top.
    """
    records = [(record_of(layer.metadata), layer) for layer in label_layers(layers, ct_layer)]
    return {
        record.label: layer
        for record, layer in records
        if record and record.label and layer.data.shape == ct_layer.data.shape
    }


def add_missing_layers(viewer: ViewerModel, ct_layer: Image, schema: LabelSchema = KITS) -> dict[str, Labels]:
    """Return the layer of each class of `schema` on the scan in `ct_layer`, having added an empty one where none was.

    Raises
    ------
    GeometryMismatchError
        When the CT says nothing about its place in millimeters.
    """
    scan_record(ct_layer)
    for label in schema.labels:
        if label.name not in class_layers(viewer.layers, ct_layer):
            array = np.zeros(ct_layer.data.shape, np.uint8)
            _append(viewer, _label_layer(array, label, schema, ct_layer), ct_layer)
    return class_layers(viewer.layers, ct_layer)


def compose_layers(layers: Sequence[Labels]) -> LabelVolume:
    """Return one canonical mask from the Labels layers of a scan, by KiTS precedence.

    Raises
    ------
    GeometryMismatchError
        As `compose`.
    """
    return compose([(layer.name, np.asarray(layer.data), record_of(layer.metadata)) for layer in layers])


def compose(parts: Sequence[tuple[str, NDArray[Any], ScanRecord | None]], schema: LabelSchema = KITS) -> LabelVolume:
    """Return one canonical mask from named arrays and the records of their layers.

    Parameters
    ----------
    parts : sequence of (layer name, array, record)
        Each array is one class of `schema`, or a mask of several ids where its record names no class.

    Raises
    ------
    GeometryMismatchError
        When a layer has no record, does not fit it, or lies on another grid than the first one.
    """
    records = [_checked(name, array, record) for name, array, record in parts]
    _require_one_grid([name for name, _, _ in parts], [record.geometry for record in records])
    nested: dict[str, NDArray[Any]] = {}
    for (name, array, _), record in zip(parts, records, strict=True):
        for label, mask in _by_class(name, array, record, schema).items():
            nested[label] = np.maximum(nested[label], mask) if label in nested else mask
    first = records[0]
    axis_map = first.geometry.axis_map_to()
    return LabelVolume(
        array=np.ascontiguousarray(axis_map.apply(schema.compose(nested))),
        geometry=first.geometry.mapped(axis_map),
        name=first.scan,
        source=first.source,
        schema=schema,
    )


def _require_same_grid(scan: Volume, labels: LabelVolume) -> None:
    if not scan.geometry.is_close(labels.geometry):
        raise GeometryMismatchError(
            f"The mask {labels.name!r} has shape {labels.geometry.shape!r} and spacing {labels.spacing!r} mm; the CT "
            f"{scan.name!r} has {scan.geometry.shape!r} and {scan.spacing!r} mm. Choose the CT it was made from."
        )


def _append(viewer: ViewerModel, layer: Labels, ct_layer: Image) -> None:
    """Show `layer`, under a name that tells its scan where another layer is called as it is."""
    if layer.name in viewer.layers:
        layer.name = f"{layer.name} {scan_record(ct_layer).scan}"
    viewer.layers.append(layer)


def _label_layer(array: NDArray[np.uint8], label: Label, schema: LabelSchema, ct_layer: Image) -> Labels:
    from napari.layers import Labels

    layer = Labels(
        array,
        **label_appearance(label, schema),
        scale=ct_layer.scale,
        translate=ct_layer.translate,
        units=ct_layer.units,
        axis_labels=ct_layer.axis_labels,
        metadata={METADATA_KEY: scan_record(ct_layer).for_label(label.name)},
    )
    layer.selected_label = label.id
    return layer


def _is_of(record: ScanRecord | None, scan: ScanRecord) -> bool:
    if record is None or record.scan != scan.scan or not record.geometry.is_close(scan.geometry):
        return False
    return _path_of(record) == _path_of(scan)


def _path_of(record: ScanRecord) -> Path | None:
    return record.source.path if record.source is not None else None


def _checked(name: str, array: NDArray[Any], record: ScanRecord | None) -> ScanRecord:
    if record is None:
        raise GeometryMismatchError(
            f"Layer {name!r} does not say on which scan it lies, so no file could place its mask in the patient. "
            "Draw in the layers 'kidney', 'tumor' and 'cyst' of the Segment widget."
        )
    if record.geometry.shape != array.shape:
        raise GeometryMismatchError(
            f"Layer {name!r} has shape {array.shape!r}; its scan {record.scan!r} has {record.geometry.shape!r}. "
            "Save a layer that covers the whole scan."
        )
    return record


def _require_one_grid(names: Sequence[str], geometries: Sequence[Geometry]) -> None:
    for name, geometry in zip(names, geometries, strict=True):
        if not geometry.is_close(geometries[0]):
            raise GeometryMismatchError(
                f"Layer {name!r} lies on another grid ({geometry.shape!r}, {geometry.spacing!r} mm) than "
                f"{names[0]!r} ({geometries[0].shape!r}, {geometries[0].spacing!r} mm). Save the layers of one scan."
            )


def _by_class(name: str, array: NDArray[Any], record: ScanRecord, schema: LabelSchema) -> dict[str, NDArray[Any]]:
    if record.label:
        return {record.label: array != 0}
    unknown = sorted(set(np.unique(array).tolist()) - {0, *schema.names})
    if unknown:
        raise GeometryMismatchError(
            f"Layer {name!r} holds the ids {unknown!r}; a mask has {dict(schema.names)!r}. Give it these ids only."
        )
    return {label: array == number for number, label in schema.names.items()}
