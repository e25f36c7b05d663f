"""What to train: method, stage or whole, preset, epochs, device, and the folder of the training."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from qtpy.QtCore import QSignalBlocker, Signal  # type: ignore[attr-defined]
from qtpy.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QPushButton, QSpinBox, QWidget

from napari_kidney_seg.core.device import offered_devices
from napari_kidney_seg.core.method import Method
from napari_kidney_seg.methods import DEFAULT, REGISTRY, get_method
from napari_kidney_seg.training.request import TrainingRequest, training_name
from napari_kidney_seg.training.user_runs import user_runs_folder
from napari_kidney_seg.widgets.choices import choose, find_choice, offer_presets
from napari_kidney_seg.widgets.folder_field import FolderField
from napari_kidney_seg.widgets.method_panel import PRESET, WORDS
from napari_kidney_seg.widgets.start_choice import StartChoice

WHOLE = "Whole method"
MOST_EPOCHS = 100_000
SPACING = 5  # pixels between a title and its field
FEWEST_LETTERS = 12  # of a choice that are shown however narrow the window is


class TrainingForm(QWidget):
    """Choice of what is trained; without a choice of its folder, a new one is proposed."""

    kind_changed = Signal()  # method, stage or preset
    folder_changed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.method, self.stage, self.preset, self.start = _choice(), _choice(), _choice(), StartChoice(_choice())
        self.epochs, self.device = QSpinBox(), _choice()
        self.is_folder_chosen = False  # by hand
        self.folder = FolderField("Choose the folder of the training: a new one, or one to go on with")
        self.new_button = QPushButton("New")
        self.new_button.setToolTip("Choose a new run folder; the training in this one stays where it is")
        for name in REGISTRY:
            self.method.addItem(get_method(name, PRESET).title, name)
        for name in offered_devices():
            self.device.addItem(WORDS[name], name)
        self.epochs.setMaximum(MOST_EPOCHS)
        self._lay_out()
        self.method.setCurrentIndex(self.method.findData(DEFAULT))
        self.method.currentIndexChanged.connect(self._on_method_changed)
        self.preset.currentIndexChanged.connect(self._on_preset_changed)
        self.stage.currentIndexChanged.connect(self._on_stage_changed)
        self.folder.changed.connect(self.folder_changed)
        self.folder.chosen.connect(self._on_folder_chosen)
        self.new_button.clicked.connect(self.propose_folder)
        self._on_method_changed()

    def chosen_method(self) -> Method:
        """Return the method with the sizes of the chosen preset."""
        return get_method(self.method.currentData(), self.preset.currentData() or PRESET)

    def request(self, data: str) -> TrainingRequest:
        """Return what is chosen, to be trained on `data`."""
        return TrainingRequest(
            method=self.method.currentData(),
            preset=self.preset.currentData(),
            stage=self.stage.currentData(),
            data=data,
            output=Path(self.folder.text),
            epochs=self.epochs.value() or None,
            device=self.device.currentData(),
            init=self.start.init,
            trunk=self.start.trunk,
        )

    def show_request(self, request: TrainingRequest) -> None:
        """Choose what `request` asks for, the folder excepted."""
        with QSignalBlocker(self):
            choose(self.method, request.method)
            choose(self.preset, request.preset)
            choose(self.stage, request.stage)
            self.start.choose(request.init, request.trunk)
            self._offer_device(request.device)
            choose(self.device, request.device)
            self.epochs.setValue(request.epochs or 0)

    def _offer_device(self, name: str) -> None:
        """Offer also a device that this machine seems not to have, when a training was asked for on it."""
        if find_choice(self.device, name) < 0:
            self.device.addItem(WORDS.get(name, name), name)

    def propose_folder(self) -> None:
        """Choose a new folder among the user's own trainings."""
        self.is_folder_chosen = False
        choice = (self.method.currentData(), self.preset.currentData(), self.stage.currentData())
        self.folder.set_text(str(user_runs_folder() / training_name(*choice, datetime.now().astimezone())))

    def set_fixed(self, *, is_fixed: bool) -> None:
        """Keep what is trained as it is, or let it be changed; another training can always be looked at."""
        for field in (self.method, self.stage, self.preset, self.start, self.epochs, self.device):
            field.setEnabled(not is_fixed)

    def _lay_out(self) -> None:
        folder = QHBoxLayout()
        folder.addWidget(self.folder, stretch=1)
        folder.addWidget(self.new_button)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setHorizontalSpacing(SPACING)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for title, field in (
            ("Method", self.method),
            ("Train", self.stage),
            ("Preset", self.preset),
            ("From", self.start),
            ("Epochs", self.epochs),
            ("Device", self.device),
            ("Folder", folder),
        ):
            form.addRow(title, field)

    def _on_method_changed(self) -> None:
        with QSignalBlocker(self.preset), QSignalBlocker(self.stage):
            method = get_method(self.method.currentData(), PRESET)
            offer_presets(self.preset, method.presets, PRESET)
            self.stage.clear()
            self.stage.addItem(WHOLE, None)
            for stage in method.stages if len(method.stages) > 1 else ():
                self.stage.addItem(stage.title.split(":")[0], stage.name)
        self._on_preset_changed()

    def _on_preset_changed(self) -> None:
        self.start.show_method(self.chosen_method())
        self._on_stage_changed()

    def _on_stage_changed(self) -> None:
        method, chosen = self.chosen_method(), self.stage.currentData()
        epochs = {stage.recipe.epochs for stage in method.stages if chosen in (None, stage.name)}
        self.epochs.setSpecialValueText(f"as in the recipe ({', '.join(str(n) for n in sorted(epochs))})")
        self.kind_changed.emit()

    def _on_folder_chosen(self) -> None:
        self.is_folder_chosen = True


def _choice() -> QComboBox:
    """Return a box that is not as wide as its longest choice."""
    box = QComboBox()
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(FEWEST_LETTERS)
    return box
