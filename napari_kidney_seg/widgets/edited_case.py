"""The scan that is edited: its class layers, the class that is active, and the tools on it. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.widgets import edit_tools
from napari_kidney_seg.widgets.history import Change
from napari_kidney_seg.widgets.layer_data import record_of
from napari_kidney_seg.widgets.layers import add_missing_layers, class_layers

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image, Labels

CHOOSE_CLASS = "Choose a class first: Kidney, Tumor or Cyst."
NOTHING_CHANGED = "There was nothing to change."


class EditedCase:
    """The layers of the scan in `ct_layer`, and what the tools do to the active one.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    ct_layer : Image or None
        None while no CT is open.
    """

    def __init__(self, viewer: napari.viewer.Viewer, ct_layer: Image | None) -> None:
        self._viewer = viewer
        self.ct_layer = ct_layer
        self.layers: dict[str, Labels] = class_layers(viewer.layers, ct_layer) if ct_layer is not None else {}

    @property
    def geometry(self) -> Geometry | None:
        """Of every layer of the case; None while there is none."""
        record = record_of(self.ct_layer.metadata) if self.ct_layer is not None else None
        return record.geometry if record is not None else None

    @property
    def active(self) -> str:
        """Name of the class whose layer is selected; empty when none is."""
        selected = self._viewer.layers.selection.active
        return next((name for name, layer in self.layers.items() if layer is _bare(selected)), "")

    @property
    def active_layer(self) -> Labels | None:
        """The layer of the active class."""
        return self.layers.get(self.active)

    def add_missing(self) -> None:
        """Add an empty layer for each class that has none.

        Raises
        ------
        GeometryMismatchError
            When the CT says nothing about its place in millimeters.
        """
        if self.ct_layer is not None:
            self.layers = add_missing_layers(self._viewer, self.ct_layer)

    def choose(self, name: str, mode: str) -> None:
        """Select the layer of class `name` and give the mouse `mode` there, ready to draw that class."""
        if name not in self.layers:
            self.add_missing()
        layer = self.layers[name]
        for other in self.layers.values():
            other.mode = "pan_zoom"
        layer.visible = True
        layer.selected_label = KITS[name].id
        self._viewer.layers.selection.active = layer
        layer.mode = mode

    def interpolate(self) -> str:
        """Fill the slices between those drawn in the active layer, across the axis looked along."""
        layer = self.active_layer
        if layer is None:
            return CHOOSE_CLASS
        plane = edit_tools.shown_plane(self._viewer.dims, layer)
        if plane is None:
            return "Slices are drawn in 2D: leave the 3D view first."
        return self._told(edit_tools.interpolate_layer(layer, plane.axis))

    def smooth(self, sigma_mm: float, *, in_slice: bool) -> str:
        """Smooth the active layer by `sigma_mm`."""
        layer = self.active_layer
        if layer is None:
            return CHOOSE_CLASS
        return self._told(edit_tools.smooth_layer(layer, sigma_mm, self._plane(layer) if in_slice else None))

    def fill(self, *, in_slice: bool) -> str:
        """Fill the holes of the active layer."""
        layer = self.active_layer
        if layer is None:
            return CHOOSE_CLASS
        return self._told(edit_tools.fill_layer(layer, self._plane(layer) if in_slice else None))

    def remove_islands(self, min_ml: float, *, in_slice: bool) -> str:
        """Remove the pieces of the active layer of less than `min_ml`."""
        layer = self.active_layer
        if layer is None:
            return CHOOSE_CLASS
        return self._told(edit_tools.remove_layer_islands(layer, min_ml, self._plane(layer) if in_slice else None))

    def split(self) -> str:
        """Give the left kidney a number of its own."""
        kidney, geometry = self.layers.get("kidney"), self.geometry
        if kidney is None or geometry is None or not kidney.data.any():
            return "Draw the kidney first."
        edit_tools.split_kidneys(kidney, geometry)
        return "The patient's left kidney has a color of its own now; files keep one kidney class."

    def move_lesion(self, position: tuple[float, ...]) -> edit_tools.Move | None:
        """Move the lesion at world `position` (z, y, x last) between tumor and cyst; None when there is none."""
        self.add_missing()
        layer = self.layers["tumor"]
        voxel = tuple(round(float(v)) for v in layer.world_to_data(position[-layer.ndim :]))
        if not all(0 <= v < size for v, size in zip(voxel, layer.data.shape, strict=True)):
            return None
        return edit_tools.move_lesion(self.layers, voxel)  # type: ignore[arg-type]

    def milliliters(self, voxels: int) -> str:
        """Return the volume of `voxels` in words."""
        return f"{voxels * self.geometry.voxel_ml:.2f} ml" if self.geometry is not None else f"{voxels} voxels"

    def _plane(self, layer: Labels) -> edit_tools.Plane | None:
        return edit_tools.shown_plane(self._viewer.dims, layer)

    def _told(self, change: Change) -> str:
        if change == Change():
            return NOTHING_CHANGED
        added, removed = self.milliliters(change.added), self.milliliters(change.removed)
        return f"{self.active.capitalize()}: {added} added, {removed} removed."


def _bare(layer: object) -> object:
    """Return `layer` without the proxy that napari hands to plugins."""
    return getattr(layer, "__wrapped__", layer)
