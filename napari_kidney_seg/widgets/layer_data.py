"""What a scan or a mask becomes as napari layer data, and the record each layer keeps of where it lies.

Canonical orientation (I-P-L) with positive scale shows every view upright in radiological convention. A layer's
metadata carries a `ScanRecord`, from which a mask finds its way back to the grid of the file. Nothing here needs Qt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_kidney_seg.core.geometry import Geometry, Spacing
from napari_kidney_seg.core.labels import Label, LabelSchema
from napari_kidney_seg.core.volume import LabelVolume, Source, Volume
from napari_kidney_seg.widgets.windows import ABDOMEN

METADATA_KEY = "napari_kidney_seg"
AXIS_LABELS = ("z", "y", "x")
UNITS = ("mm", "mm", "mm")
ORGAN_OPACITY, MASS_OPACITY = 0.45, 0.8  # a mass lies on the organ's layer and must keep its own color there

# Number of the left kidney in a kidney layer that was split into its sides, and its color; files hold ids only.
LEFT_KIDNEY, LEFT_KIDNEY_COLOR = 4, (0.95, 0.55, 0.15)

LayerData = tuple[Any, dict[str, Any], str]


@dataclass(frozen=True, kw_only=True, eq=False)
class ScanRecord:
    """What a layer remembers of its scan, kept in ``layer.metadata["napari_kidney_seg"]``.

    Attributes
    ----------
    scan : str
        Name of the scan.
    geometry : Geometry
        Of the layer's own array, in whatever orientation that array has.
    source : Source or None
        The file of the scan; None for a scan made in memory.
    notes : tuple of str
        What reading the scan found worth saying.
    label : str
        The class a Labels layer holds, e.g. ``"tumor"``; empty for the CT and for a mask of several ids.
    opened_from : Path or None
        File of the mask that a Labels layer was opened from; None for one that was made here.
    is_of_run : bool
        Whether a run made the Labels layer, or filled it last.
    is_assumed : bool
        Whether the directions of the axes were taken as shown, because nothing says where they point.
    """

    scan: str
    geometry: Geometry
    source: Source | None = None
    notes: tuple[str, ...] = ()
    label: str = ""
    opened_from: Path | None = None
    is_of_run: bool = False
    is_assumed: bool = False

    def for_label(self, label: str, *, opened_from: Path | None = None) -> ScanRecord:
        """Return the record of a Labels layer of class `label` on the same grid, not of a run."""
        return replace(self, label=label, opened_from=opened_from, is_of_run=False, notes=())


def record_of(metadata: Mapping[str, Any]) -> ScanRecord | None:
    """Return the record in a layer's `metadata`; None when another reader or a person made the layer."""
    record = metadata.get(METADATA_KEY)
    return record if isinstance(record, ScanRecord) else None


def record_for(volume: Volume) -> ScanRecord:
    """Return the record of a layer that shows the array of `volume` as it is."""
    return ScanRecord(scan=volume.name, geometry=volume.geometry, source=volume.source, notes=volume.notes)


def placement(geometry: Geometry) -> tuple[Spacing, tuple[float, float, float]]:
    """Return napari's scale and translate of a canonical array, both (z, y, x) in mm.

    Napari's axes then grow to inferior, posterior and left, so that scans of one patient lie right relative to each
    other. napari cannot slice a rotated array: an oblique scan is shown on its own axes, about its own center.
    """
    half = (np.asarray(geometry.shape, float) - 1) / 2
    x, y, z = geometry.affine[:3, :3] @ half + geometry.affine[:3, 3]
    scale = np.asarray(geometry.spacing)
    translate = np.array([-z, y, x]) - scale * half
    return geometry.spacing, tuple(float(t) for t in translate)  # type: ignore[return-value]


def ct_layer_data(volume: Volume) -> LayerData:
    """Return the Image layer of a CT `volume`: gray, abdomen window, upright, in mm."""
    limits = (float(volume.array.min()), float(volume.array.max()))
    options = {
        "name": volume.name,
        "colormap": "gray",
        "interpolation2d": "linear",
        "contrast_limits": ABDOMEN.limits_within(limits),
        **_placed(volume.geometry, record_for(volume)),
    }
    return volume.array, options, "image"


def label_layer_data(labels: LabelVolume) -> list[LayerData]:
    """Return one Labels layer per class of a mask, nested: the kidney layer holds its masses too."""
    record = record_for(labels)
    nested = labels.schema.decompose(labels.array)
    return [
        (
            nested[label.name] * np.uint8(label.id),
            label_appearance(label, labels.schema) | _placed(labels.geometry, record.for_label(label.name)),
            "labels",
        )
        for label in labels.schema.labels
    ]


def label_appearance(label: Label, schema: LabelSchema) -> dict[str, Any]:
    """Return name, color, opacity and features of the Labels layer of one class of `schema`.

    Whatever number a person paints with takes the color of the class: a layer holds one class only.
    """
    names, colors = {label.id: label.name}, {label.id: label.color}
    if label.name == schema.organ:
        names[LEFT_KIDNEY], colors[LEFT_KIDNEY] = f"left {label.name}", LEFT_KIDNEY_COLOR
    return {
        "name": label.name,
        "opacity": ORGAN_OPACITY if label.name == schema.organ else MASS_OPACITY,
        "colormap": {None: (*label.color, 1.0), 0: (0.0, 0.0, 0.0, 0.0)}
        | {number: (*color, 1.0) for number, color in colors.items()},
        "features": {"index": [0, *names], "class": ["background", *names.values()]},
    }


def _placed(geometry: Geometry, record: ScanRecord) -> dict[str, Any]:
    scale, translate = placement(geometry)
    return {
        "scale": scale,
        "translate": translate,
        "units": UNITS,
        "axis_labels": AXIS_LABELS,
        "metadata": {METADATA_KEY: record},
    }
