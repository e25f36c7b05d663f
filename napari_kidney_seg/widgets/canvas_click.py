"""One click on the canvas, told from a drag."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import napari.viewer

Position = tuple[float, ...]  # world, mm


class CanvasClick:
    """Listens from `start` to `stop` for clicks on the canvas, and tells `when_clicked` their world position."""

    def __init__(self, viewer: napari.viewer.Viewer, when_clicked: Callable[[Position], None]) -> None:
        self._callbacks = viewer.mouse_drag_callbacks
        self._when_clicked = when_clicked

    def start(self) -> None:
        """Listen."""
        if self._on_press not in self._callbacks:
            self._callbacks.append(self._on_press)

    def stop(self) -> None:
        """Listen no longer."""
        if self._on_press in self._callbacks:
            self._callbacks.remove(self._on_press)

    def _on_press(self, _viewer: object, event: Any) -> Generator[None, None, None]:
        yield
        moved = False
        while event.type == "mouse_move":
            moved = True
            yield
        if not moved:
            self._when_clicked(tuple(event.position))
