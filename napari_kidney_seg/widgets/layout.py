"""Small pieces every panel is laid out with."""

from __future__ import annotations

from collections.abc import Iterable

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QGroupBox, QLabel, QLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_kidney_seg.widgets.docking import TabTogether

SWATCH, BROWSE_MARGIN = 12, 9  # pixels
DISCLAIMER = "For research and annotation. Not a medical device; not for diagnosis."


def wrapped_label(text: str = "", text_format: Qt.TextFormat = Qt.TextFormat.PlainText) -> QLabel:
    """Return a label that wraps, can be copied from, opens its links, and never widens the widget."""
    label = QLabel(text)
    label.setTextFormat(text_format)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
    label.setOpenExternalLinks(True)
    label.setMinimumWidth(1)
    return label


def swatch(color: tuple[float, float, float]) -> QLabel:
    """Return a small square of `color`, RGB in 0..1."""
    square = QLabel()
    square.setFixedSize(SWATCH, SWATCH)
    fill_swatch(square, color)
    return square


def fill_swatch(square: QLabel, color: tuple[float, float, float]) -> None:
    """Give a swatch another `color`, RGB in 0..1."""
    square.setStyleSheet(f"background-color: {css_color(color)}; border-radius: 2px;")


def css_color(color: tuple[float, float, float]) -> str:
    """Return `color`, RGB in 0..1, as a style sheet writes it."""
    return f"rgb{tuple(round(255 * value) for value in color)}"


def text_color_on(color: tuple[float, float, float]) -> str:
    """Return black or white, whichever stands out more from `color`, RGB in 0..1 (relative luminance of WCAG 2)."""
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in color]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "white"


def browse_button(tool_tip: str) -> QPushButton:
    """Return the small button beside a field that opens a file dialog; of the kind that napari's themes frame."""
    button = QPushButton("…")
    button.setToolTip(tool_tip)
    button.setFixedWidth(button.fontMetrics().horizontalAdvance(button.text()) + 2 * BROWSE_MARGIN)
    return button


def group(title: str, parts: Iterable[QWidget]) -> QGroupBox:
    """Return a titled box with `parts` below each other."""
    box = QGroupBox(title)
    column = QVBoxLayout(box)
    for part in parts:
        column.addWidget(part)
    return box


def flush_column(parent: QWidget) -> QVBoxLayout:
    """Give `parent` a column without margins and return it."""
    column = QVBoxLayout(parent)
    column.setContentsMargins(0, 0, 0, 0)
    return column


class Collapsible(QCollapsible):
    """Parts below a title that a click opens and closes, flush with what is around.

    The triangle is part of the title: superqt paints its own in a color that napari's themes do not reach.
    """

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(title, parent, QIcon(), QIcon())
        self._title = title
        flush = self.layout()
        if flush is not None:
            flush.setContentsMargins(0, 0, 0, 0)
        self.toggled.connect(self._show_title)
        self._show_title(is_open=False)

    def _show_title(self, is_open: bool) -> None:  # noqa: FBT001  Qt's signature
        self.setText(f"{'▾' if is_open else '▸'} {self._title}")


def fill_page(parent: QWidget, groups: Iterable[QWidget]) -> None:
    """Fill `parent` with `groups` below each other, scrolling where they do not fit, and the disclaimer at the end.

    Its dock becomes a tab beside the others of this plugin.
    """
    page = QWidget()
    column = QVBoxLayout(page)
    for part in (*groups, wrapped_label(DISCLAIMER)):
        column.addWidget(part)
    column.addStretch()
    area = VerticalScroll()
    area.setWidgetResizable(True)
    area.setFrameShape(QScrollArea.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(page)
    flush_column(parent).addWidget(area)
    TabTogether(parent)


class VerticalScroll(QScrollArea):
    """Scrolls up and down only: it is never narrower than what it holds, also when that changes."""

    def minimumSizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """Return Qt's hint, wide enough for the page and the bar."""
        hint, page, bar = super().minimumSizeHint(), self.widget(), self.verticalScrollBar()
        if page is not None and bar is not None:
            hint.setWidth(page.minimumSizeHint().width() + bar.sizeHint().width())
        return hint

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:  # noqa: N802  Qt's name
        """Ask for another width when the page has been laid out anew."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return bool(super().eventFilter(watched, event))


def clear(layout: QLayout) -> None:
    """Remove and delete every widget of `layout`."""
    while (item := layout.takeAt(0)) is not None:
        widget = item.widget()
        if widget is not None:
            widget.hide()
            widget.deleteLater()
