"""Save Labels layers as one mask on the grid of the scan's file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_labels_layers(path: str, layers: Sequence[tuple[Any, Mapping[str, Any], str]]) -> list[str]:
    """Write Labels layers, composed by KiTS precedence, as one mask; return the path written.

    The mask gets the shape, affine and axis order of the file its scan was read from, is written to a temporary name,
    read again and compared before it takes its place.

    Parameters
    ----------
    path : str
        Ends with ``.nii.gz``, ``.nii``, ``.nrrd`` or ``.mha``.
    layers : sequence of (array, options, layer type)

    Raises
    ------
    GeometryMismatchError
        When a layer does not say on which scan it lies, or the layers are of several scans.
    UnwritableImageError
        When the file cannot be written or does not read back the same.
    """
    import numpy as np

    from napari_kidney_seg.io.images import write_labels
    from napari_kidney_seg.widgets.layer_data import record_of
    from napari_kidney_seg.widgets.layers import compose

    parts = [
        (str(options.get("name", "labels")), np.asarray(data), record_of(options.get("metadata", {})))
        for data, options, _ in layers
    ]
    write_labels(compose(parts), Path(path))
    return [path]
