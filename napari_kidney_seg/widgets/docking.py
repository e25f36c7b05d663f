"""Docks of this plugin share their place as tabs, and let go of what they hold when they close.

Beside each other they would squeeze the canvas and each other.
"""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QCloseEvent
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

PAGE = "napari_kidney_seg_page"  # property of a widget whose dock takes part


class DockPage(QWidget):
    """The widget of a dock, which lets go of what it holds when the dock closes, in whatever way."""

    def leave(self) -> None:
        """Let go of everything; doing it twice does no harm."""
        raise NotImplementedError

    def closeEvent(self, event: QCloseEvent | None) -> None:  # noqa: N802  Qt's name
        """Leave when Qt closes the widget."""
        self.leave()
        super().closeEvent(event)

    def changeEvent(self, event: QEvent | None) -> None:  # noqa: N802  Qt's name
        """Leave when napari closes the dock: it takes the widget out without closing it."""
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.leave()
        super().changeEvent(event)


class TabTogether(QObject):
    """Puts the dock of `page` behind those of this plugin that are open, when it is shown for the first time."""

    def __init__(self, page: QWidget) -> None:
        super().__init__(page)
        page.setProperty(PAGE, True)  # noqa: FBT003  Qt's signature
        page.installEventFilter(self)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802  Qt's name
        """Do it on the first show; nothing is filtered out."""
        if isinstance(watched, QWidget) and event is not None and event.type() == QEvent.Type.Show:
            watched.removeEventFilter(self)
            _tab_with_others(watched)
        return False


def _tab_with_others(page: QWidget) -> None:
    dock = _dock_of(page)
    window = dock.parent() if dock is not None else None
    if dock is None or not isinstance(window, QMainWindow):
        return
    area = window.dockWidgetArea(dock)
    others = [other for other in _docks(window) if other is not dock and window.dockWidgetArea(other) == area]
    if others and area != Qt.DockWidgetArea.NoDockWidgetArea:
        window.tabifyDockWidget(others[-1], dock)
        dock.show()
        dock.raise_()


def _docks(window: QMainWindow) -> list[QDockWidget]:
    """Return the docks of this plugin that are open in `window` and not floating."""
    pages = [widget for widget in window.findChildren(QWidget) if widget.property(PAGE)]
    docks = [dock for page in pages if (dock := _dock_of(page)) is not None]
    return [dock for dock in docks if not dock.isFloating() and not dock.isHidden()]


def _dock_of(widget: QWidget) -> QDockWidget | None:
    parent = widget.parent()
    while parent is not None and not isinstance(parent, QDockWidget):
        parent = parent.parent()
    return parent
