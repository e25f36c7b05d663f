"""Size and shape of the brush, and the Hounsfield units it paints on."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QWidget,
)

from napari_kidney_seg.widgets.brush import HU_RANGES, RADII_MM, CtBrush, HuRange
from napari_kidney_seg.widgets.windows import CT_RANGE

CUSTOM = "Custom"
DISC, SPHERE = "Disc", "Sphere"


class BrushPanel(QWidget):
    """Controls of a `CtBrush`."""

    def __init__(self, brush: CtBrush, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._brush = brush
        self.shape, self.radius = QComboBox(), QDoubleSpinBox()
        self.gate, self.ranges = QCheckBox("Only"), QComboBox()
        self.low, self.high = _hu_box(), _hu_box()
        self._lay_out()
        self.shape.currentTextChanged.connect(self.apply)
        self.radius.valueChanged.connect(brush.set_radius)
        self.ranges.currentIndexChanged.connect(self._on_range)
        for box in (self.low, self.high):
            box.valueChanged.connect(self._on_bounds)
        self.gate.toggled.connect(self._set_gate)
        brush.radius_changed.connect(self._show_radius)
        self._on_range()

    def apply(self) -> None:
        """Give the layers of the brush the shape that is chosen here."""
        self._brush.set_sphere(is_sphere=self.shape.currentText() == SPHERE)

    def toggle_shape(self) -> None:
        """Change between disc and sphere."""
        self.shape.setCurrentIndex(1 - self.shape.currentIndex())

    def _lay_out(self) -> None:
        self.shape.addItems([DISC, SPHERE])
        self.radius.setRange(*RADII_MM)
        self.radius.setSingleStep(0.5)
        self.radius.setDecimals(1)
        self.radius.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        self.shape.setToolTip("A disc in the slice shown, or a sphere through the slices")
        self.radius.setSuffix(" mm")
        self.radius.setValue(self._brush.radius_mm)
        self.gate.setToolTip("Paint only voxels of the CT in this range; erasing is never limited")
        for hu_range in HU_RANGES:
            self.ranges.addItem(hu_range.name, hu_range)
        self.ranges.addItem(CUSTOM, None)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("Brush", _row(self.shape, QLabel("radius"), self.radius))
        form.addRow("HU", _row(self.gate, self.ranges, self.low, QLabel("to"), self.high))

    def _show_radius(self, radius_mm: float) -> None:
        with QSignalBlocker(self.radius):
            self.radius.setValue(radius_mm)

    def _on_range(self) -> None:
        chosen = self.ranges.currentData()
        if chosen is not None:
            for box, value in ((self.low, chosen.low), (self.high, chosen.high)):
                with QSignalBlocker(box):
                    box.setValue(round(value))
        self._set_gate()

    def _on_bounds(self) -> None:
        with QSignalBlocker(self.ranges):
            self.ranges.setCurrentIndex(self.ranges.findText(CUSTOM))
        self._set_gate()

    def _set_gate(self) -> None:
        for widget in (self.ranges, self.low, self.high):
            widget.setEnabled(self.gate.isChecked())
        low, high = sorted((self.low.value(), self.high.value()))
        chosen = HuRange(name=self.ranges.currentText(), low=low, high=high)
        self._brush.hu_range = chosen if self.gate.isChecked() else None


def _hu_box() -> QSpinBox:
    box = QSpinBox()
    box.setRange(*(round(bound) for bound in CT_RANGE))
    box.setSingleStep(10)
    box.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)  # there is little room beside the canvas
    return box


def _row(*widgets: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget, stretch=1 if isinstance(widget, QComboBox) else 0)
    return row
