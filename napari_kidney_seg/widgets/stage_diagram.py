"""A cascade as a small diagram: the scan on top, its stages below each other, the mask at the end."""

from __future__ import annotations

from dataclasses import dataclass

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QPainter, QPainterPath, QPaintEvent, QPalette, QPolygonF
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_kidney_seg.core.method import Method

SCAN, MASK = "CT", "mask"
_GAP = 16  # pixels between boxes; the arrows' length
_PADDING = 5
_SIDE = 18  # room at the right for arrows that pass a stage
_HEAD = 4


@dataclass(frozen=True)
class Arrow:
    """An arrow from one box to a later one, by their numbers from the top."""

    start: int
    end: int


def boxes_of(method: Method) -> tuple[str, ...]:
    """Return what stands in the boxes of the diagram, from the top."""
    stages = (f"{stage.title.split(':')[0]}\n{_found(stage.classes)}" for stage in method.stages)
    return (SCAN, *stages, f"{MASK}: {', '.join(method.classes)}")


def arrows_of(method: Method) -> tuple[Arrow, ...]:
    """Return what is handed on: to each stage from those whose output places or feeds it, to the mask from those fused.

    A stage that reads the whole scan gets an arrow from it.
    """
    numbers = {stage.name: number for number, stage in enumerate(method.stages, start=1)}
    arrows = []
    for stage in method.stages:
        sources = sorted({*stage.requires, *stage.region.sources} & set(numbers), key=numbers.__getitem__)
        arrows += [Arrow(numbers[name], numbers[stage.name]) for name in sources] or [Arrow(0, numbers[stage.name])]
    return (*arrows, *(Arrow(numbers[name], len(numbers) + 1) for name in method.fused))


class StageDiagram(QWidget):
    """Paints the diagram of one method in the colors of the window."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._boxes: tuple[str, ...] = ()
        self._arrows: tuple[Arrow, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_method(self, method: Method) -> None:
        """Show the stages of `method`."""
        self._boxes, self._arrows = boxes_of(method), arrows_of(method)
        self.setAccessibleName("Stages: " + ", then ".join(text.replace("\n", ", ") for text in self._boxes))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """Return the size that shows every box."""
        return QSize(200, sum(self._height(text) for text in self._boxes) + _GAP * max(0, len(self._boxes) - 1) + 2)

    def minimumSizeHint(self) -> QSize:  # noqa: N802  Qt's name
        """Return the height of the diagram; it may be narrow."""
        return QSize(80, self.sizeHint().height())

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802  Qt's name
        """Paint boxes and arrows."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        color = self.palette().color(QPalette.ColorRole.WindowText)
        painter.setPen(color)
        places = self._places()
        for place, text in zip(places, self._boxes, strict=True):
            painter.drawRoundedRect(place, 4, 4)
            painter.drawText(place, int(Qt.AlignmentFlag.AlignCenter), text)
        for arrow in self._arrows:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawPath(_line(places, arrow))
            painter.setBrush(color)
            painter.drawPolygon(_head(places, arrow))
        painter.end()

    def _height(self, text: str) -> int:
        return self.fontMetrics().height() * (1 + text.count("\n")) + 2 * _PADDING

    def _places(self) -> list[QRectF]:
        places, top = [], 1.0
        for text in self._boxes:
            places.append(QRectF(1, top, self.width() - _SIDE, self._height(text)))
            top += self._height(text) + _GAP
        return places


def _found(classes: tuple[str, ...]) -> str:
    return ", ".join(name for name in classes if name != "background")


def _line(places: list[QRectF], arrow: Arrow) -> QPainterPath:
    """Return a straight line to the next box, or one that passes the boxes between at the right."""
    first, last = places[arrow.start], places[arrow.end]
    if arrow.end == arrow.start + 1:
        path = QPainterPath(QPointF(first.center().x(), first.bottom()))
        path.lineTo(last.center().x(), last.top())
        return path
    side = first.right() + _SIDE * (0.45 + 0.45 * (arrow.start % 2))  # two that pass each other lie apart
    path = QPainterPath(QPointF(first.right(), first.center().y()))
    path.lineTo(side, first.center().y())
    path.lineTo(side, last.center().y())
    path.lineTo(last.right(), last.center().y())
    return path


def _head(places: list[QRectF], arrow: Arrow) -> QPolygonF:
    last = places[arrow.end]
    if arrow.end == arrow.start + 1:
        x, y = last.center().x(), last.top()
        return QPolygonF([QPointF(x, y), QPointF(x - _HEAD, y - _HEAD), QPointF(x + _HEAD, y - _HEAD)])
    x, y = last.right(), last.center().y()
    return QPolygonF([QPointF(x, y), QPointF(x + _HEAD, y - _HEAD), QPointF(x + _HEAD, y + _HEAD)])
