"""The place of a CT that another reader opened: from its file where that can be read, else from scale and translate.

Other readers hand napari an array in an order of their own, often with the direction matrix dropped. The file knows:
it is read again, and the one permutation and flip under which its voxels equal the layer's is the layer's geometry.
"""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_kidney_seg.core.errors import GeometryMismatchError, KidneySegError
from napari_kidney_seg.core.geometry import AxisMap, Geometry
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.widgets.layer_data import ScanRecord

if TYPE_CHECKING:
    from napari.layers import Image

AXIS_MAPS = tuple(
    AxisMap(order=order, flips=flips)  # type: ignore[arg-type]
    for order in permutations(range(3))
    for flips in product((False, True), repeat=3)
)
SAMPLES_PER_AXIS = 24  # voxels compared along each axis; enough to tell 48 orientations of a CT apart


def adopt(layer: Image) -> ScanRecord:
    """Return the record of a CT layer that this package did not open.

    Raises
    ------
    GeometryMismatchError
        When neither its file nor its scale says where the voxels lie in millimeters.
    """
    return _from_file(layer) or _from_scale(layer)


def is_elsewhere(layer: Image, record: ScanRecord) -> bool:
    """Return whether scale, translate or units of `layer` were set since its place was assumed from them.

    Raises
    ------
    GeometryMismatchError
        When they no longer say where the voxels lie in millimeters.
    """
    return record.is_assumed and not _from_scale(layer).geometry.is_close(record.geometry)


def find_axis_map(array: NDArray[Any], target: NDArray[Any]) -> AxisMap | None:
    """Return the permutation and flips that turn `array` into `target`, both of three axes; None when there is none."""
    for axis_map in AXIS_MAPS:
        candidate = axis_map.apply(array)
        if candidate.shape == target.shape and np.array_equal(_sample(candidate), _sample(target)):
            return axis_map
    return None


def _from_file(layer: Image) -> ScanRecord | None:
    volume = _read_again(layer.source.path)
    axis_map = find_axis_map(volume.array, np.asarray(layer.data)) if volume else None
    if volume is None or axis_map is None:
        return None
    note = (
        f"{layer.name!r} was opened by {layer.source.reader_plugin or 'another reader'}. Its place in the patient was "
        f"read from {Path(layer.source.path).name!r}, where its voxels are stored."
    )
    return ScanRecord(
        scan=volume.name,
        geometry=volume.geometry.mapped(axis_map),
        source=volume.source,
        notes=(*volume.notes, note),
    )


def _read_again(path: str | None) -> Volume | None:
    if path is None or not Path(path).exists():
        return None
    from napari_kidney_seg.io.images import read_volume

    try:
        return read_volume(Path(path))
    except KidneySegError:
        return None  # a format of the other reader alone: what the layer itself says must do


def _from_scale(layer: Image) -> ScanRecord:
    factors = _millimeters(layer)
    scale = np.asarray(layer.scale, float) * factors
    translate = np.asarray(layer.translate, float) * factors
    to_patient = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], float)  # napari z, y, x are inferior, posterior, left
    affine = np.eye(4)
    affine[:3, :3] = to_patient * scale
    affine[:3, 3] = to_patient @ translate
    note = (
        f"The direction of {layer.name!r} is not known. Its axes were taken as shown: inferior, posterior, left, with "
        f"a spacing of {' x '.join(f'{abs(s):.3g}' for s in scale)} mm. If head, back or left lie elsewhere on the "
        "screen, open the file itself with this plugin."
    )
    geometry = Geometry(shape=layer.data.shape, affine=affine)
    return ScanRecord(scan=layer.name, geometry=geometry, notes=(note,), is_assumed=True)


def _millimeters(layer: Image) -> NDArray[np.float64]:
    """Return what one unit of each axis of `layer` is in mm; a scale in pixels other than 1 is taken as mm."""
    from pint import DimensionalityError

    try:
        return np.array([float((1.0 * unit).to("millimeter").magnitude) for unit in layer.units])
    except DimensionalityError:
        if not np.allclose(np.abs(layer.scale), 1):
            return np.ones(3)
    raise GeometryMismatchError(
        f"Layer {layer.name!r} has no spacing: its scale is {tuple(layer.scale.tolist())!r} and its unit is pixel. "
        "Volumes and networks need millimeters. Open the file itself with napari-kidney-seg (File > Open), or set "
        "scale and units of the layer (spacing in mm, as z, y, x)."
    )


def _sample(array: NDArray[Any]) -> NDArray[Any]:
    """Return about `SAMPLES_PER_AXIS` voxels per axis, taken symmetrically, so that a flip shows."""
    picks = [np.unique(np.linspace(0, n - 1, SAMPLES_PER_AXIS).round().astype(int)) for n in array.shape]
    sample: NDArray[Any] = array[np.ix_(*picks)]
    return sample
