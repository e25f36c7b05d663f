"""What to run: method, preset, trained weights, device and engine."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Qt, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QComboBox, QFileDialog, QFormLayout, QHBoxLayout, QLabel, QWidget

from napari_kidney_seg.core.device import ENGINES, offered_devices
from napari_kidney_seg.core.errors import BundleError
from napari_kidney_seg.core.events import Notice
from napari_kidney_seg.core.method import Method
from napari_kidney_seg.io.bundle import read_card
from napari_kidney_seg.io.models import find_bundle, fitting_bundles
from napari_kidney_seg.methods import DEFAULT, REGISTRY, get_method
from napari_kidney_seg.widgets.averaging_choice import AveragingChoice
from napari_kidney_seg.widgets.choices import find_choice, offer_presets
from napari_kidney_seg.widgets.cost_label import CostLabel
from napari_kidney_seg.widgets.job import MethodChoice
from napari_kidney_seg.widgets.layout import Collapsible, browse_button, flush_column, wrapped_label
from napari_kidney_seg.widgets.method_text import measured_text, method_text, weights_warning
from napari_kidney_seg.widgets.notice_list import NoticeList
from napari_kidney_seg.widgets.stage_diagram import StageDiagram

PRESET = "compact"  # the preset of the bundled weights
WORDS = {
    "auto": "Automatic",
    "cpu": "CPU",
    "cuda": "NVIDIA GPU (CUDA)",
    "mps": "Apple GPU (MPS)",
    "torch": "PyTorch",
    "openvino": "OpenVINO",
}


class MethodPanel(QWidget):
    """Choice of the method and of what it runs on; `problem` says why nothing can run."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.method, self.preset, self.bundle = QComboBox(), QComboBox(), QComboBox()
        self.device, self.engine, self.averaging = _choices(offered_devices()), _choices(ENGINES), AveragingChoice()
        self._averaging_title = QLabel("Averaging")
        self._details, self.notices = wrapped_label(text_format=Qt.TextFormat.RichText), NoticeList()
        self.measured = wrapped_label()
        self.diagram, self.cost = StageDiagram(), CostLabel()
        self._about = Collapsible("Paper, stages, cost, training, limits")
        self._problem = ""
        self.bundle.setPlaceholderText("none installed")
        for name in REGISTRY:
            self.method.addItem(get_method(name, PRESET).title, name)
        self.method.setCurrentIndex(self.method.findData(DEFAULT))
        self._lay_out()
        self.method.currentIndexChanged.connect(self._on_method_changed)
        self.preset.currentIndexChanged.connect(self._on_preset_changed)
        self.bundle.currentIndexChanged.connect(self._on_bundle_changed)
        self._on_method_changed()

    @property
    def problem(self) -> str:
        """Why nothing can be run, and what to do; empty when all is chosen."""
        return self._problem

    @property
    def choice(self) -> MethodChoice | None:
        """What is chosen; None while there are no weights for it."""
        if self.bundle.currentData() is None:
            return None
        return MethodChoice(
            method=self.method.currentData(),
            preset=self.preset.currentData(),
            bundle=self.bundle.currentData(),
            device=self.device.currentData(),
            engine=self.engine.currentData(),
            averaging=self.averaging.name,
        )

    def chosen_method(self) -> Method:
        """Return the method with the sizes of the chosen preset."""
        return get_method(self.method.currentData(), self.preset.currentData() or PRESET)

    def add_bundle(self, path: Path) -> None:
        """Offer the weights in `path` and choose them, with the method and preset their card names.

        Raises
        ------
        BundleError
            When the file is no bundle, or of a method that is not registered.
        """
        card = read_card(path)
        if self.method.findData(card.method) < 0:
            raise BundleError(
                f"{path.name!r} is of the method {card.method!r}; known are {', '.join(REGISTRY)}. Choose another file."
            )
        self.method.setCurrentIndex(self.method.findData(card.method))
        self.preset.setCurrentIndex(self.preset.findData(card.preset))
        self._choose_bundle(path)

    def refresh(self) -> None:
        """List the weights anew, as after a training; those that were chosen stay chosen."""
        chosen = self.bundle.currentData()
        self._on_preset_changed()
        if chosen is not None:
            self._choose_bundle(chosen)

    def _choose_bundle(self, path: Path) -> None:
        if find_choice(self.bundle, path) < 0:
            self.bundle.addItem(path.stem, path)
        self.bundle.setCurrentIndex(find_choice(self.bundle, path))

    def _lay_out(self) -> None:
        choose = browse_button("Choose a file with trained weights (.safetensors)")
        choose.clicked.connect(self._on_choose_bundle)
        model = QHBoxLayout()
        model.addWidget(self.bundle, stretch=1)
        model.addWidget(choose)
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for title, field in (
            ("Method", self.method),
            ("Preset", self.preset),
            ("Model", model),
            ("Device", self.device),
            ("Engine", self.engine),
        ):
            form.addRow(title, field)
        form.addRow(self._averaging_title, self.averaging)
        for part in (self.diagram, self.cost, self._details):
            self._about.addWidget(part)
        self._about.toggled.connect(self._show_cost)
        column = flush_column(self)
        column.addLayout(form)
        for shown in (self.measured, self.notices):
            column.addWidget(shown)
        column.addWidget(self._about)

    def _on_method_changed(self) -> None:
        with QSignalBlocker(self.preset):
            offer_presets(self.preset, get_method(self.method.currentData(), PRESET).presets, PRESET)
        self._on_preset_changed()

    def _on_preset_changed(self) -> None:
        with QSignalBlocker(self.bundle):
            self.bundle.clear()
            for path in fitting_bundles(self.chosen_method()):
                self.bundle.addItem(path.stem, path)
            self.bundle.setCurrentIndex(0)
        self._on_bundle_changed()

    def _on_bundle_changed(self) -> None:
        self._problem = "" if self.bundle.count() else _why_no_bundle(self.chosen_method())
        self.notices.clear()
        if self._problem:
            self.notices.add(Notice(code="no_model", text=self._problem))
        warning = weights_warning(self.bundle.currentData())
        if warning:
            self.notices.add(Notice(code="weights", text=warning))
        self._details.setText(method_text(self.chosen_method(), self.bundle.currentData()))
        self._show_measured()
        self.diagram.show_method(self.chosen_method())
        self._show_averagings()
        self._show_cost()
        self.changed.emit()

    def _show_measured(self) -> None:
        text = measured_text(self.bundle.currentData())
        self.measured.setText(text)
        self.measured.setVisible(bool(text))

    def _show_averagings(self) -> None:
        is_choice = self.averaging.show_method(self.chosen_method(), self.bundle.currentData())
        for widget in (self.averaging, self._averaging_title):
            widget.setVisible(is_choice)

    def _show_cost(self) -> None:
        if self._about.isExpanded():  # a guess costs a second of one core
            self.cost.show_method(self.chosen_method())

    def _on_choose_bundle(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Choose trained weights", "", "Model bundles (*.safetensors)")
        if path:
            self.add_bundle(Path(path))


def _choices(names: tuple[str, ...]) -> QComboBox:
    box = QComboBox()
    for name in names:
        box.addItem(WORDS[name], name)
    return box


def _why_no_bundle(method: Method) -> str:
    try:
        find_bundle(method)
    except BundleError as error:
        return str(error)
    return ""
