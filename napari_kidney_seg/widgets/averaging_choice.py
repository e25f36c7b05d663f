"""Choice of how many predictions of a window are averaged, for the methods that leave it to a person."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qtpy.QtWidgets import QComboBox, QWidget

from napari_kidney_seg.core.averaging import AS_PRESET, Averaging
from napari_kidney_seg.core.errors import BundleError
from napari_kidney_seg.core.method import Method
from napari_kidney_seg.io.bundle import read_card
from napari_kidney_seg.widgets.choices import choose

TIP = (
    "How many predictions of each window are averaged: mirrored ones, and those of several models. Each takes its time."
)


class AveragingChoice(QComboBox):
    """The averagings of a method, and first what its preset does by itself."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setToolTip(TIP)

    @property
    def name(self) -> str:
        """What is chosen; empty for what the preset does by itself."""
        return str(self.currentData() or AS_PRESET.name)

    def show_method(self, method: Method, bundle: Path | None) -> bool:
        """Offer the averagings of `method` with the models in `bundle`, and return whether there is a choice.

        What was chosen stays chosen where it is offered.
        """
        chosen, models = self.name, _models(bundle)
        self.clear()
        for averaging in (AS_PRESET, *method.averagings):
            self.addItem(_title(averaging, method, models), averaging.name)
        choose(self, chosen)
        return bool(method.averagings)


def _title(averaging: Averaging, method: Method, models: Mapping[str, int]) -> str:
    count = max(averaging.predictions(stage, models.get(stage.name, 1)) for stage in method.stages)
    return f"{averaging.name or 'As the preset'} · {count} prediction{'s' if count > 1 else ''}"


def _models(bundle: Path | None) -> Mapping[str, int]:
    """Return how many models of each stage `bundle` holds; nothing where that is not known."""
    try:
        return read_card(bundle).members if bundle is not None else {}
    except BundleError:  # told where the weights are chosen
        return {}
