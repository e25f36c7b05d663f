"""Letters at the sides of the canvas: where the patient's right and left, front and back, head and feet are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_kidney_seg.widgets.layer_data import record_of
from napari_kidney_seg.widgets.scan_panel import list_events

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

OPPOSITE = {"L": "R", "R": "L", "A": "P", "P": "A", "I": "S", "S": "I"}
POSITIONS = {"top": "top_center", "left": "middle_left", "right": "middle_right", "bottom": "bottom_center"}
FONT_SIZE = 14.0  # points


class DirectionLetters:
    """Keeps the letters right for the topmost visible layer whose place in the patient is known.

    In 3D, over layers that are turned in their space, and in napari before 0.9, there are none. Two of these on one
    viewer write the same letters.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        if _overlays(viewer) is None:
            return
        dims, camera = viewer.dims.events, viewer.scene.camera.events
        for event in (dims.order, dims.ndisplay, camera.orientation, *list_events(viewer)):
            event.connect(self.show)
        self.show()

    def show(self) -> None:
        """Write the letters of the view that is shown."""
        overlays = _overlays(self._viewer)
        if overlays is None:
            return
        letters = self._letters()
        for side, position in POSITIONS.items():
            key = f"patient_{side}"
            if letters and key not in overlays:
                overlays[key] = _overlay(position)
            if key in overlays:
                overlays[key].text = letters.get(side, "")
                overlays[key].visible = bool(letters)

    def _letters(self) -> Mapping[str, str]:
        """Return the letter of each side of the canvas; none where it is not known."""
        dims, camera = self._viewer.dims, self._viewer.scene.camera
        layer = next((one for one in reversed(self._viewer.layers) if one.visible and _is_placed(one)), None)
        record = record_of(layer.metadata) if layer is not None else None
        shown = [axis - (dims.ndim - 3) for axis in dims.displayed]
        if record is None or len(shown) != 2 or min(shown) < 0:
            return {}
        return side_letters(record.geometry.axis_codes, shown, [str(one) for one in camera.orientation2d])


def side_letters(axis_codes: str, shown: Sequence[int], orientation: Sequence[str]) -> dict[str, str]:
    """Return the letter of each side of a picture.

    Parameters
    ----------
    axis_codes : three letters
        Towards what the index of each axis of the array grows, e.g. ``"IPL"``.
    shown : (rows, columns)
        The axes of the array that the picture shows.
    orientation : (``"down"`` or ``"up"``, ``"right"`` or ``"left"``)
        Where the picture's rows and columns grow to.
    """
    down, right = (axis_codes[axis] for axis in shown)
    if orientation[0] == "up":
        down = OPPOSITE[down]
    if orientation[1] == "left":
        right = OPPOSITE[right]
    return {"top": OPPOSITE[down], "left": OPPOSITE[right], "right": right, "bottom": down}


def _is_placed(layer: Layer) -> bool:
    """Return whether the record of a layer says where it lies, and napari shows its axes as they are."""
    if record_of(layer.metadata) is None or layer.ndim != 3:
        return False
    is_turned = not np.allclose(layer.rotate, np.eye(3)) or np.any(layer.shear)
    return not is_turned and bool(np.all(layer.scale > 0)) and np.allclose(layer.affine.affine_matrix, np.eye(4))


def _overlays(viewer: Viewer) -> Any:
    """Return the overlays of the canvas; None in a napari that takes no others."""
    return getattr(getattr(viewer, "canvas", None), "overlays", None)


def _overlay(position: str) -> Any:
    from napari.components.overlays import TextOverlay

    return TextOverlay(position=position, font_size=FONT_SIZE, box=True)  # on the picture too it can be read
