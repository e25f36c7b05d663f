"""Loss and Dice of a training, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QComboBox, QWidget

from napari_kidney_seg.core.events import EpochDone
from napari_kidney_seg.core.labels import KITS
from napari_kidney_seg.training.training_view import RunView
from napari_kidney_seg.widgets.layout import flush_column, wrapped_label

PLOT_HEIGHT = 140  # pixels
AXIS_WIDTH = 36  # pixels, so that the plots begin below each other
AXIS_COLOR = "#909499"  # read on dark and on light
LOSS_COLOR, MEAN_COLOR, OTHER_COLOR = "#3a9bdc", "#e0a526", "#b07cc6"
LABEL_COLORS = {label.name: "#" + "".join(f"{round(255 * part):02x}" for part in label.color) for label in KITS.labels}
MOST_TICKS = 6  # below a plot
FEW_EPOCHS = 30  # up to which each is marked by a dot
MEAN, OF_CLASS = "dice", "dice_"  # names of scores


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A line: its name, its color, and a value for some of the epochs."""

    name: str
    color: str
    values: Mapping[int, float]

    @property
    def text(self) -> str:
        """Its name and newest value, in its color, as rich text."""
        newest = f" {self.values[max(self.values)]:.3g}" if self.values else ""
        return f'<span style="color: {self.color}">{self.name}{newest}</span>'


class CurvesPanel(QWidget):
    """Two plots of one stage of a training; the newest stage unless another one is chosen."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.stage = QComboBox()
        self.stage.setToolTip("The stage whose curves are shown")
        self.texts = {name: wrapped_label(text_format=Qt.TextFormat.RichText) for name in ("loss", "dice")}
        self.plots = {name: _plot() for name in self.texts}
        self.plots["dice"].setYRange(0, 1, padding=0.05)
        self._runs: tuple[RunView, ...] = ()
        column = flush_column(self)
        column.addWidget(self.stage)
        for name, plot in self.plots.items():
            column.addWidget(self.texts[name])
            column.addWidget(plot)
        self.stage.currentIndexChanged.connect(self._draw)
        self.hide()

    @property
    def epochs(self) -> tuple[EpochDone, ...]:
        """Those of the stage that is shown."""
        index = self.stage.currentIndex()
        return self._runs[index].epochs if 0 <= index < len(self._runs) else ()

    def show_runs(self, runs: tuple[RunView, ...], titles: Mapping[str, str]) -> None:
        """Show `runs`, whose stages are called `titles`; nothing when none has begun."""
        if runs == self._runs:
            return
        is_newest_shown = self.stage.currentIndex() == self.stage.count() - 1
        self._runs = runs
        with QSignalBlocker(self.stage):
            for run in runs[self.stage.count() :]:
                self.stage.addItem(titles.get(run.stage, run.stage))
            while self.stage.count() > len(runs):
                self.stage.removeItem(self.stage.count() - 1)
            for number, run in enumerate(runs):
                self.stage.setItemText(number, titles.get(run.stage, run.stage))
            if is_newest_shown:
                self.stage.setCurrentIndex(len(runs) - 1)
        self.stage.setVisible(len(runs) > 1)
        self.setVisible(bool(runs))
        self._draw()

    def curves(self, name: str) -> list[Curve]:
        """Return what plot `name`, ``"loss"`` or ``"dice"``, shows."""
        if name == "loss":
            values = {epoch.epoch: epoch.loss for epoch in self.epochs}
            return [Curve(name="training", color=LOSS_COLOR, values=values)]
        return _dice_curves(self.epochs)

    def _draw(self) -> None:
        for name, plot in self.plots.items():
            curves = self.curves(name)
            plot.clear()
            for curve in curves:
                plot.addItem(_line(curve))
            last = max((max(curve.values, default=1) for curve in curves), default=1)
            plot.setXRange(1, max(last, 2), padding=0.03)
            step = ceil(last / MOST_TICKS)
            plot.getAxis("bottom").setTicks([[(epoch, str(epoch)) for epoch in range(step, last + 1, step)]])
            title = f"<b>{name.capitalize()}</b> per epoch"
            self.texts[name].setText(" · ".join((title, *(curve.text for curve in curves))))


def _dice_curves(epochs: tuple[EpochDone, ...]) -> list[Curve]:
    """Return the mean over the classes, and each class where there are several."""
    names = sorted({score.removeprefix(OF_CLASS) for epoch in epochs for score in epoch.scores if score != MEAN})
    chosen = {f"{OF_CLASS}{name}": (name, LABEL_COLORS.get(name, OTHER_COLOR)) for name in names}
    if len(names) != 1:
        chosen = {MEAN: ("mean", MEAN_COLOR)} | chosen
    return [
        Curve(
            name=title,
            color=color,
            values={epoch.epoch: epoch.scores[score] for epoch in epochs if score in epoch.scores},
        )
        for score, (title, color) in chosen.items()
    ]


def _line(curve: Curve) -> pg.PlotDataItem:
    epochs, values = np.array(list(curve.values), float), np.array(list(curve.values.values()), float)
    values[~np.isfinite(values)] = np.nan
    dots = {"symbol": "o", "symbolSize": 5, "symbolBrush": curve.color, "symbolPen": None}
    return pg.PlotDataItem(
        epochs,
        values,
        pen=pg.mkPen(curve.color, width=2),
        connect="finite",
        **(dots if len(epochs) <= FEW_EPOCHS else {}),
    )


def _plot() -> pg.PlotWidget:
    plot = pg.PlotWidget(background=None)
    plot.setFixedHeight(PLOT_HEIGHT)
    plot.setCacheMode(plot.CacheModeFlag.CacheNone)  # else the old background stays when the theme changes
    plot.setMouseEnabled(x=False, y=False)  # the wheel scrolls the widget
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.showGrid(x=False, y=True, alpha=0.25)
    for name in ("left", "bottom"):
        axis = plot.getAxis(name)
        axis.setPen(AXIS_COLOR)
        axis.setTextPen(AXIS_COLOR)
    plot.getAxis("left").setWidth(AXIS_WIDTH)
    return plot
