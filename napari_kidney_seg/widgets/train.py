"""The Train widget: labeled scans in, a model for the Segment widget out, in a process that outlives the window."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QWidget

from napari_kidney_seg.cli.process import start_training
from napari_kidney_seg.io.models import new_bundle_path
from napari_kidney_seg.training.request import TrainingRequest
from napari_kidney_seg.training.training_folder import State, TrainingFolder
from napari_kidney_seg.training.training_view import TrainingView
from napari_kidney_seg.training.user_runs import unfinished_training, user_runs_folder
from napari_kidney_seg.widgets.background import in_background
from napari_kidney_seg.widgets.data_panel import DataPanel
from napari_kidney_seg.widgets.demo import WIDGET
from napari_kidney_seg.widgets.docking import DockPage
from napari_kidney_seg.widgets.layout import fill_page, group
from napari_kidney_seg.widgets.method_panel import MethodPanel
from napari_kidney_seg.widgets.opening import PLUGIN
from napari_kidney_seg.widgets.training_follower import TrainingFollower
from napari_kidney_seg.widgets.training_form import TrainingForm
from napari_kidney_seg.widgets.training_panel import TrainingPanel
from napari_kidney_seg.widgets.training_text import BUSY, resume_problem, start_problem, stopping_text

if TYPE_CHECKING:
    import napari.viewer


class TrainWidget(DockPage):
    """Choose data and what to train, check, start, watch, stop, resume, use.

    All it knows of a training it reads from the folder, so that it can follow one that was started by another window
    or from a terminal, and one that went on while there was no window.

    Parameters
    ----------
    napari_viewer : napari.viewer.Viewer
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self._viewer = napari_viewer
        self._view: TrainingView | None = None
        self._is_asking = False  # a process to start; its folder does not show it yet
        self.data, self.form, self.training = DataPanel(), TrainingForm(), TrainingPanel()
        self.follower = TrainingFollower(self)
        parts = {"1  Data": self.data, "2  What to train": self.form, "3  Training": self.training}
        fill_page(self, [group(title, (widget,)) for title, widget in parts.items()])
        self._connect()
        self.form.propose_folder()
        in_background(self, partial(unfinished_training, user_runs_folder()), self._on_found)

    def leave(self) -> None:
        """Look away; what trains goes on."""
        self.data.cancel()
        self.follower.follow(None)

    @property
    def state(self) -> State | None:
        """How the training in the chosen folder stands; None before somebody has looked."""
        return self._view.outcome.state if self._view is not None else None

    def open_training(self, folder: Path) -> None:
        """Show the training in `folder`, and follow it while it runs."""
        self.form.folder.set_text(str(folder))

    def _connect(self) -> None:
        self.data.changed.connect(self._show_readiness)
        self.data.checked.connect(self._show_readiness)
        self.form.epochs.valueChanged.connect(self._show_readiness)
        self.form.kind_changed.connect(self._on_kind_changed)
        self.form.folder_changed.connect(self._on_folder_changed)
        self.follower.viewed.connect(self._on_viewed)
        self.follower.failed.connect(self.training.show_error)
        self.training.start_clicked.connect(partial(self._start, resume=False))
        self.training.resume_clicked.connect(partial(self._start, resume=True))
        self.training.stop_clicked.connect(self._stop)
        self.training.use_clicked.connect(self._use)

    def _on_found(self, folder: Path | None) -> None:
        """Open a training that runs or can be resumed, unless the person has begun to set up another one."""
        if folder is not None and not self.data.data:
            self.open_training(folder)

    def _on_folder_changed(self, folder: str) -> None:
        self._view = None
        self.training.forget()
        self._show_readiness()
        self.follower.follow(Path(folder) if folder else None)

    def _on_kind_changed(self) -> None:
        """Propose a folder, unless a person chose one that is still empty."""
        if not self.form.is_folder_chosen or self.state not in (None, State.NEW):
            self.form.propose_folder()

    def _on_viewed(self, view: TrainingView) -> None:
        if self._is_asking:
            return
        before, self._view = self._view, view
        if before is None and view.request is not None:
            self.form.show_request(view.request)
            self.data.folder.set_text(view.request.data)
        self.training.show_view(view)
        if view.outcome.bundle is not None and before is not None and before.outcome != view.outcome:
            self._offer_models()
        self._show_readiness()

    def _show_readiness(self) -> None:
        data, epochs = self.data.data, self.form.epochs.value()
        problems = (start_problem(self._view, data, self.data.unusable), resume_problem(self._view, data, epochs))
        self.training.show_readiness(*((BUSY, BUSY) if self._is_asking else problems))
        is_fixed = self._is_asking or (self.state is not None and self.state.is_alive)
        self.form.set_fixed(is_fixed=is_fixed)
        self.data.folder.setEnabled(not is_fixed)

    def _start(self, *, resume: bool) -> None:
        self._set_asking(is_asking=True)
        self.training.notices.clear()
        self.training.say("Starting…")
        request = self.form.request(self.data.data)
        in_background(self, partial(_launch, request, resume=resume), self._on_started, self._on_refused)

    def _on_started(self, _nothing: None) -> None:
        self._set_asking(is_asking=False)
        self.follower.look()

    def _on_refused(self, text: str) -> None:
        self._on_started(None)
        self.training.show_error(text)

    def _set_asking(self, *, is_asking: bool) -> None:
        self._is_asking = is_asking
        self._show_readiness()

    def _stop(self) -> None:
        if self._view is not None:
            self.training.stop_button.setEnabled(False)
            self.training.say(stopping_text(self._view))
            folder = TrainingFolder(self._view.folder)
            in_background(self, folder.ask_to_stop, self._on_asked, self.training.show_error)

    def _on_asked(self, _nothing: None) -> None:
        self.follower.look()

    def _offer_models(self) -> None:
        """Let every open widget that offers models list them anew."""
        for widget in self._viewer.window.dock_widgets.values():
            for panel in widget.findChildren(MethodPanel) if isinstance(widget, QWidget) else ():
                panel.refresh()

    def _use(self, bundle: Path) -> None:
        """Open the Segment widget on top of this one, with the model chosen."""
        dock, widget = self._viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET, tabify=True)
        widget.method.add_bundle(bundle)
        dock.raise_()


def _launch(request: TrainingRequest, *, resume: bool) -> None:
    """Start the process, with a file among the user's models; a folder without cases is refused at once.

    Raises
    ------
    DatasetError
        When there is no labeled case, or the run folder holds another run.
    UnwritableImageError
        When the run folder cannot be written.
    """
    from napari_kidney_seg.training.dataset import open_dataset

    open_dataset(request.data)
    if not resume:
        request = replace(request, bundle=new_bundle_path(request.output.name))
    start_training(request, resume=resume)
