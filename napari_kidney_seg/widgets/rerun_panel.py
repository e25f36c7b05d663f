"""Re-run from here: the corrected kidney goes into the cascade, and only what depends on it is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_kidney_seg.core.method import Method
from napari_kidney_seg.inference.regions import BACKGROUND
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.widgets.case_memory import memory_of
from napari_kidney_seg.widgets.case_runner import CaseRunner, Run
from napari_kidney_seg.widgets.ct_check import scan_problem
from napari_kidney_seg.widgets.job import MethodChoice
from napari_kidney_seg.widgets.layers import class_layers, compose_layers
from napari_kidney_seg.widgets.layout import Collapsible, flush_column, wrapped_label
from napari_kidney_seg.widgets.method_panel import MethodPanel
from napari_kidney_seg.widgets.run_panel import RunPanel

if TYPE_CHECKING:
    import napari.viewer
    from napari.layers import Image

RUN_TEXT = "Re-run from here"


def organ_stage(method: Method) -> str | None:
    """Return the last stage that outlines the organ alone and has a stage after it; None when there is none."""
    organ = (BACKGROUND, method.schema.organ)
    return next((stage.name for stage in reversed(method.stages[:-1]) if stage.classes == organ), None)


class RerunPanel(QWidget):
    """Runs the stages after the kidney's, with the method of the last run on the scan, or a chosen one."""

    def __init__(self, viewer: napari.viewer.Viewer, run: Run, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._layer: Image | None = None
        self.about, self.method, self.runner = wrapped_label(), MethodPanel(), RunPanel()
        self.cases = CaseRunner(viewer, self.runner, run)
        self.runner.run_button.setText(RUN_TEXT)
        column = flush_column(self)
        self._choice = Collapsible("Method and device")
        self._choice.addWidget(self.method)
        for widget in (self.about, self._choice, self.runner):
            column.addWidget(widget)
        self.method.changed.connect(self.show_readiness)
        self.runner.running_changed.connect(self.show_readiness)
        self.cases.finished.connect(lambda _layer: self.cases.forget_unless(self._layer))
        self.runner.run_clicked.connect(self._on_run_clicked)
        self.cases.finished.connect(self.show_readiness)

    def set_scan(self, layer: Image | None) -> None:
        """Work on the scan in `layer`; of a run on another one nothing is shown any more."""
        self._layer = layer
        self.cases.forget_unless(layer)
        self.show_readiness()

    def show_readiness(self) -> None:
        """Show what would be run, and allow it when all is there."""
        has_run = self._last_choice() is not None
        self._choice.setVisible(not has_run)
        self.method.setEnabled(not self.runner.is_running)
        method = self._method()
        stage = organ_stage(method)
        again = "as in the last run" if has_run else "no run since this scan was opened"
        problem = self._problem(stage)
        self.about.setText(
            f"{method.title}, {method.preset} ({again}). {_what_is_run(method, stage)} {problem}".strip()
        )
        self.runner.set_ready(problem)

    def _problem(self, stage: str | None) -> str:
        problem = scan_problem(self._layer)
        if self._layer is None or problem:
            return problem
        if stage is None:
            return "Choose another method."
        kidney = class_layers(self._viewer.layers, self._layer).get("kidney")
        if kidney is None or not kidney.data.any():
            return "Draw the kidney first."
        return "" if self._last_choice() is not None else self.method.problem

    def _last_choice(self) -> MethodChoice | None:
        finished = memory_of(self._layer).finished if self._layer is not None else None
        return finished.choice if finished is not None else None

    def _method(self) -> Method:
        choice = self._last_choice()
        return get_method(choice.method, choice.preset) if choice else self.method.chosen_method()

    def _on_run_clicked(self) -> None:
        method, choice = self._method(), self._last_choice() or self.method.choice
        stage = organ_stage(method)
        if self._layer is None or choice is None or stage is None:
            return
        kidney = class_layers(self._viewer.layers, self._layer)["kidney"]
        self.cases.start(self._layer, method, choice, given={stage: compose_layers([kidney])})


def _what_is_run(method: Method, stage: str | None) -> str:
    if stage is None:
        return "It outlines kidney and masses in one stage, so nothing can be run from a corrected kidney."
    names = [one.name for one in method.stages]
    later = ", ".join(names[names.index(stage) + 1 :])
    return f"Your kidney layer takes the place of the stage '{stage}'; then runs: {later}."
