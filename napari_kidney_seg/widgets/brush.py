"""napari's brush on the layers of a scan: its size in millimeters, and limited to a range of Hounsfield units.

napari draws a stroke by calling ``Labels.paint`` for every point of it. That public method is replaced on the layers
of the scan while the widget is open; cursor, strokes as one Undo step, erasing and shortcuts stay napari's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]

from napari_kidney_seg.imaging.brush import Indices, ball, within_range
from napari_kidney_seg.widgets.edit_tools import shown_plane

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image, Labels
    from napari.utils.events import Event

RADIUS_MM = 5.0  # to begin with
RADII_MM = (0.2, 60.0)  # smallest and largest that can be set


@dataclass(frozen=True, kw_only=True)
class HuRange:
    """A named range of Hounsfield units, both ends included."""

    name: str
    low: float
    high: float


# Unenhanced parenchyma has 30 to 50 HU, enhanced up to about 250 (Radiopaedia, "Renal parenchyma"); a simple cyst has
# -9 to 20 HU in the Bosniak classification of 2019, widened here by the noise of a thin slice; fat lies below -20.
HU_RANGES = (
    HuRange(name="Soft tissue", low=-20, high=300),
    HuRange(name="Enhanced", low=60, high=300),
    HuRange(name="Fluid", low=-25, high=35),
    HuRange(name="Fat", low=-150, high=-20),
)


class CtBrush(QObject):
    """The brush of the layers it holds.

    Attributes
    ----------
    radius_mm : float
    hu_range : HuRange or None
        Only voxels of the CT in this range are painted; None paints all. Erasing is never limited.
    """

    radius_changed = Signal(float)  # mm, when napari's own controls or keys changed the brush

    def __init__(self, viewer: napari.viewer.Viewer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layers: list[Labels] = []
        self._ct: Image | None = None
        self.radius_mm = RADIUS_MM
        self.hu_range: HuRange | None = None
        self._number = 0  # that the stroke under way paints; 0 before its first labeled voxel

    def hold(self, layers: Iterable[Labels], ct_layer: Image | None) -> None:
        """Work on `layers`, which lie on the voxels of `ct_layer`, and on no others."""
        self.release()
        self._ct, self._layers = ct_layer, list(layers)
        for layer in self._layers:
            vars(layer)["paint"] = partial(self._paint, layer)
            layer.events.paint.connect(self._on_stroke_done)
            layer.events.brush_size.connect(self._on_brush_size)
        self._viewer.dims.events.order.connect(self._show_size)
        self._show_size()

    def release(self) -> None:
        """Give every layer napari's own brush back."""
        for layer in self._layers:
            vars(layer).pop("paint", None)
            layer.events.paint.disconnect(self._on_stroke_done)
            layer.events.brush_size.disconnect(self._on_brush_size)
        self._viewer.dims.events.order.disconnect(self._show_size)
        self._layers, self._ct = [], None

    def set_radius(self, radius_mm: float) -> None:
        """Make the brush `radius_mm` wide; the cursor shows the closest size it can."""
        self.radius_mm = radius_mm
        self._show_size()

    def set_sphere(self, *, is_sphere: bool) -> None:
        """Paint a sphere, or a disc in the slice shown."""
        for layer in self._layers:
            layer.n_edit_dimensions = 3 if is_sphere else 2

    def _paint(self, layer: Labels, coord: Sequence[float], new_label: int, refresh: bool = True) -> None:  # noqa: FBT001, FBT002  as in napari
        """Do what ``Labels.paint`` does: set the voxels around `coord`, (z, y, x) of `layer`, to `new_label`."""
        plane = shown_plane(self._viewer.dims, layer) if layer.n_edit_dimensions < layer.ndim else None
        spacing = tuple(abs(float(step)) for step in layer.scale)
        indices = ball(tuple(coord), self.radius_mm, spacing, layer.data.shape, plane.axis if plane else None)  # type: ignore[arg-type]
        if new_label:
            self._number = _number_under(layer, indices) or self._number or new_label
            indices = self._in_range(indices)
        layer.data_setitem(indices, self._number if new_label else 0, refresh)

    def _in_range(self, indices: Indices) -> Indices:
        if self.hu_range is None or self._ct is None:
            return indices
        return within_range(indices, np.asarray(self._ct.data), self.hu_range.low, self.hu_range.high)

    def _on_stroke_done(self) -> None:
        self._number = 0

    def _voxel_mm(self, layer: Labels) -> float:
        """Return the unit of napari's brush size: the smallest voxel side on the canvas, mm."""
        offset = self._viewer.dims.ndim - layer.ndim
        return min(abs(float(layer.scale[axis - offset])) for axis in self._viewer.dims.displayed if axis >= offset)

    def _size(self, layer: Labels) -> int:
        return max(1, round(2 * self.radius_mm / self._voxel_mm(layer)))

    def _show_size(self) -> None:
        for layer in self._layers:
            layer.brush_size = self._size(layer)

    def _on_brush_size(self, event: Event) -> None:
        """Follow napari's slider and its keys [ and ]; a size that was set here is no news."""
        layer = event.source
        if layer.brush_size != self._size(layer):
            self.set_radius(layer.brush_size * self._voxel_mm(layer) / 2)
            self.radius_changed.emit(self.radius_mm)


def _number_under(layer: Labels, indices: Indices) -> int:
    """Return the number most voxels of `indices` have, 0 where all are background.

    So a stroke on a split kidney goes on in the number of the side it is on, and does not mix them.
    """
    values = np.asarray(layer.data[indices])
    labeled = values[values != 0]
    return int(np.bincount(labeled).argmax()) if len(labeled) else 0
