"""Letters at the sides of the canvas: where the patient's right and left, front and back, head and feet are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np

from napari_kidney_seg.widgets.layer_data import ScanRecord, record_of

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

OPPOSITE = {"L": "R", "R": "L", "A": "P", "P": "A", "I": "S", "S": "I"}
POSITIONS = {"top": "top_center", "left": "middle_left", "right": "middle_right", "bottom": "bottom_center"}
FONT_SIZE = 14.0  # points
# Events of the list of layers, and of the layers in it, after which the letters may be others.
CHANGES = {"inserted", "removed", "reordered", "visible", "opacity", "scale", "rotate", "shear", "affine"}
_of_viewers: WeakValueDictionary[int, DirectionLetters] = WeakValueDictionary()


def show_directions(viewer: ViewerModel) -> None:
    """Keep the letters of `viewer` right from now on, as long as it lives, or look again.

    The topmost visible image decides. Where its place in the patient is not known or only assumed, where it is turned
    in its space, in 3D, and in napari before 0.9, there are none. Each letter is the nearest where a scan is oblique.
    """
    model = getattr(viewer, "__wrapped__", viewer)  # napari lends plugins a proxy, each time another
    if _overlays(model) is None:
        return
    letters = _of_viewers.get(id(model))
    if letters is None:
        letters = _of_viewers[id(model)] = DirectionLetters(model)
        _follow(letters, model)
    letters.show()


class DirectionLetters:
    """The letters of one viewer.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        Of napari 0.9 or later.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer

    def show(self) -> None:
        """Write the letters of the view that is shown."""
        overlays, letters = _overlays(self._viewer), self._letters()
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
        record = _deciding_record(self._viewer)
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


def _follow(letters: DirectionLetters, viewer: ViewerModel) -> None:
    """Show `letters` again whenever the view changes. napari keeps these functions, and so the letters, alive."""

    def look_again(event: object = None) -> None:
        letters.show()

    def look_again_at_layers(event: Any) -> None:
        if event.type in CHANGES:
            letters.show()

    for event in (viewer.dims.events.order, viewer.dims.events.ndisplay, viewer.scene.camera.events.orientation):
        event.connect(look_again)
    viewer.layers.events.connect(look_again_at_layers)


def _deciding_record(viewer: ViewerModel) -> ScanRecord | None:
    """Return the record of the layer whose axes are seen; None where it has none that is sure."""
    from napari.layers import Image

    seen = [layer for layer in reversed(viewer.layers) if layer.visible and layer.opacity]
    images = [layer for layer in seen if isinstance(layer, Image)]
    masks = [layer for layer in seen if record_of(layer.metadata) is not None]
    layer = next(iter(images or masks), None)
    record = record_of(layer.metadata) if layer is not None else None
    return record if record is not None and not record.is_assumed and _is_upright(layer) else None


def _is_upright(layer: Layer) -> bool:
    """Return whether napari shows the axes of a layer of three as they are."""
    if layer.ndim != 3 or np.any(layer.scale <= 0) or np.any(layer.shear):
        return False
    return np.allclose(layer.rotate, np.eye(3)) and np.allclose(layer.affine.affine_matrix, np.eye(4))


def _overlays(viewer: ViewerModel) -> Any:
    """Return the overlays of the canvas; None in a napari that takes no others."""
    return getattr(getattr(viewer, "canvas", None), "overlays", None)


def _overlay(position: str) -> Any:
    from napari.components.overlays import TextOverlay

    return TextOverlay(position=position, font_size=FONT_SIZE, box=True)  # on the picture too it can be read
