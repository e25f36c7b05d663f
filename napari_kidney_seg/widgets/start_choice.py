"""Which weights a training starts from: fresh ones, those of a model, or a trunk that others have trained."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from qtpy.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QWidget

from napari_kidney_seg.core.errors import BundleError
from napari_kidney_seg.core.method import Method
from napari_kidney_seg.io.bundle import read_card
from napari_kidney_seg.io.models import fitting_bundles
from napari_kidney_seg.widgets.background import in_background
from napari_kidney_seg.widgets.choices import choose, find_choice
from napari_kidney_seg.widgets.layout import browse_button

FRESH = "Fresh weights"
MODELS = "Models (*.safetensors)"
TRUNKS = "Models, or COCO or ImageNet weights (*.safetensors *.pth *.pt)"


@dataclass(frozen=True)
class Trunk:
    """A file of a trunk, beside the `Path` of a model and the None of fresh weights."""

    path: Path


class StartChoice(QWidget):
    """Choice among the models that fit a method, and any file.

    Parameters
    ----------
    box : QComboBox
        Empty.
    """

    def __init__(self, box: QComboBox, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.box, self.file_button = box, browse_button("")
        self._method: Method | None = None
        self.file_button.clicked.connect(self._on_choose_file)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.box, stretch=1)
        row.addWidget(self.file_button)

    @property
    def init(self) -> Path | None:
        """The model whose weights are the start."""
        chosen = self.box.currentData()
        return chosen if isinstance(chosen, Path) else None

    @property
    def trunk(self) -> Path | None:
        """The trunk that is the start."""
        chosen = self.box.currentData()
        return chosen.path if isinstance(chosen, Trunk) else None

    def show_method(self, method: Method) -> None:
        """Offer fresh weights, and the models that fit `method` as soon as they are found."""
        self._method = method
        self.box.clear()
        self.box.addItem(FRESH, None)
        what = "model, or COCO or ImageNet weights" if _has_trunk(method) else "model"
        self.file_button.setToolTip(f"Choose a file to start from: a {what}")
        in_background(self, partial(fitting_bundles, method), partial(self._offer_models, method))

    def choose(self, init: Path | None, trunk: Path | None) -> None:
        """Choose a model or a trunk; neither is fresh weights."""
        start = Trunk(trunk) if trunk is not None else init
        if start is not None:
            self._offer(start)
        choose(self.box, start)

    def _offer_models(self, method: Method, paths: list[Path]) -> None:
        if method is self._method:
            for path in paths:
                self._offer(path)

    def _offer(self, start: Path | Trunk) -> None:
        if find_choice(self.box, start) < 0:
            self.box.addItem(f"Trunk {start.path.name}" if isinstance(start, Trunk) else start.stem, start)

    def _on_choose_file(self) -> None:
        has_trunk = self._method is not None and _has_trunk(self._method)
        name, _ = QFileDialog.getOpenFileName(self, "Start from", "", TRUNKS if has_trunk else MODELS)
        if name:
            path = Path(name)
            is_trunk = has_trunk and not _is_bundle(path)  # what fits neither is told when the training starts
            self.choose(None if is_trunk else path, path if is_trunk else None)


def _has_trunk(method: Method) -> bool:
    return any(stage.recipe.pretrained is not None for stage in method.stages)


def _is_bundle(path: Path) -> bool:
    try:
        read_card(path)
    except BundleError:
        return False
    return True
