"""Move lesion: one click on a tumor makes it a cyst, one on a cyst makes it a tumor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.widgets.canvas_click import CanvasClick, Position
from napari_kidney_seg.widgets.class_bar import MOVE
from napari_kidney_seg.widgets.edit_tools import Move
from napari_kidney_seg.widgets.edited_case import EditedCase
from napari_kidney_seg.widgets.tool_panel import ToolPanel

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Labels

CLICK_TEXT = "Click a tumor or a cyst on the canvas."
MISSED_TEXT = "There is no tumor or cyst at that place."
IN_3D_TEXT = "A click in the 3D view has no depth: leave it first."


class LesionMover:
    """Waits for the click while its button in `tools` is pressed, and moves the lesion of `case`."""

    def __init__(self, viewer: napari.viewer.Viewer, tools: ToolPanel, case: Callable[[], EditedCase]) -> None:
        self._viewer, self._tools, self._case = viewer, tools, case
        self._click = CanvasClick(viewer, self.move_at)
        self._moved: tuple[Move, dict[str, Labels]] | None = None

    def toggle(self) -> str:
        """Wait for a click when the button is down, else no longer; return what to do, in words."""
        if not self._tools.buttons["move"].isChecked():
            self.stop()
            return ""
        layer = self._case().active_layer
        if layer is not None:
            layer.mode = MOVE  # the click must not paint
        self._click.start()
        return CLICK_TEXT

    def stop(self) -> None:
        """Wait for no click, and ask for none."""
        if self._tools.buttons["move"].isChecked():
            self._tools.buttons["move"].setChecked(False)
            self._tools.say("")
        self._click.stop()

    def move_at(self, position: Position) -> None:
        """Move the lesion at world `position`, and offer to take that back in both layers."""
        move = self._case().move_lesion(position) if self._viewer.dims.ndisplay == 2 else None
        if move is None:
            self._tools.say(MISSED_TEXT if self._viewer.dims.ndisplay == 2 else IN_3D_TEXT)
            return
        self.stop()
        volume = self._case().milliliters(move.voxels)
        text = f"Moved {volume} from {move.source} to {move.target}: one step of Undo in each of the two layers."
        notice = Notice(code="moved", text=text, level="info")
        self._tools.notices.add(notice, remedies={"Undo both": self._undo})
        self._watch(move)

    def forget(self) -> None:
        """Wait for no click, and offer no longer to take the last move back."""
        self.stop()
        self._watch(None)
        self._tools.notices.clear()

    def _undo(self) -> None:
        moved = self._moved
        self.forget()
        if moved is not None:
            move, layers = moved
            for name in (move.target, move.source):
                layers[name].undo()

    def _watch(self, move: Move | None) -> None:
        """Look whether napari's own Undo takes `move` back; other changes of the layers are announced as paint."""
        if self._moved is not None:
            for layer in self._moved[1].values():
                layer.events.set_data.disconnect(self._on_shown)
            self._moved = None
        if move is not None:
            layers = {name: self._case().layers[name] for name in (move.source, move.target)}
            self._moved = move, layers
            for layer in layers.values():
                layer.events.set_data.connect(self._on_shown)

    def _on_shown(self) -> None:
        """Offer "Undo both" no longer when a layer was undone alone: it would take back what came before."""
        if self._moved is not None:
            move, layers = self._moved
            if not move.is_done(layers):
                self._watch(None)
                self._tools.notices.clear()
