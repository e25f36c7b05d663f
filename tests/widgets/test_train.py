from __future__ import annotations

import json
import shutil

import pytest

from napari_kidney_seg.core.events import EpochDone
from napari_kidney_seg.io.bundle import read_card
from napari_kidney_seg.training.request import TrainingRequest
from napari_kidney_seg.training.run_folder import RunFolder, StepDone, StepNotes
from napari_kidney_seg.training.training_folder import Outcome, State, TrainingFolder
from napari_kidney_seg.widgets.case_memory import memory_of
from napari_kidney_seg.widgets.choices import find_choice
from napari_kidney_seg.widgets.demo import dock_segment_widget
from napari_kidney_seg.widgets.train import TrainWidget
from tests.training.conftest import write_case

PLUGIN = "napari-kidney-seg"
METHOD = "boundary-aware"  # one stage
WAIT_MS = 10_000
TRAIN_MS = 200_000  # a process loads torch first; on a quiet core the whole training takes seconds


@pytest.fixture
def data(tmp_path):
    """Three small labeled cases."""
    for number in range(3):
        write_case(tmp_path / "data" / f"case_{number:05d}", number)
    return tmp_path / "data"


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Folders for the user's models and trainings."""
    monkeypatch.setattr("napari_kidney_seg.io.models.user_models_folder", lambda: tmp_path / "models")
    for module in ("train", "training_form"):
        monkeypatch.setattr(f"napari_kidney_seg.widgets.{module}.user_runs_folder", lambda: tmp_path / "runs")
    return tmp_path


@pytest.fixture
def widget(viewer, places) -> TrainWidget:
    return dock(viewer)


@pytest.fixture
def training(places, other) -> TrainingFolder:
    """A training of two stages under way, of which one is over."""
    folder = TrainingFolder(places / "runs" / "one")
    folder.make()
    request = TrainingRequest(
        method="masses-net", preset="smoke", data="phantoms:4", output=folder.path, epochs=4, device="cpu"
    )
    folder.record(request, other.pid)
    for stage, epochs in (("kidney", 4), ("masses", 1)):
        run = RunFolder(folder.path / stage)
        run.path.mkdir()
        run.task.write_text(json.dumps({"stage": stage}))
        run.last.touch()
        for epoch in range(1, epochs + 1):
            run.log(epoch_done(stage, epoch))
    StepNotes(run).note(StepDone(epoch=2, epochs=4, step=1, steps=2, fraction=0.375, seconds_left=75.0))
    return folder


def epoch_done(stage, epoch):
    scores = {"dice_tumor": 0.1 * epoch, "dice_cyst": 0.3, "dice": 0.05 * epoch + 0.15}
    return EpochDone(stage=stage, epoch=epoch, epochs=4, loss=1 / epoch, scores=scores, best=True)


def dock(viewer) -> TrainWidget:
    _, widget = viewer.window.add_plugin_dock_widget(PLUGIN, "Train a method")
    return widget


def open_training(qtbot, widget, folder) -> None:
    widget.open_training(folder.path)
    qtbot.waitUntil(lambda: widget.state is not None, timeout=WAIT_MS)


def choose(widget, data, method=METHOD, epochs=200) -> None:
    form = widget.form
    widget.data.folder.set_text(str(data))
    form.method.setCurrentIndex(form.method.findData(method))
    form.preset.setCurrentIndex(form.preset.findData("smoke"))
    form.device.setCurrentIndex(form.device.findData("cpu"))
    form.epochs.setValue(epochs)


def errors(widget) -> str:
    return " ".join(notice.text for notice in widget.training.notices.notices)


def shown(curves) -> dict[str, dict[int, float]]:
    return {curve.name: dict(curve.values) for curve in curves}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")  # of the libraries that segment at the end
def test_a_training_is_started_stopped_resumed_and_its_model_segments(qtbot, viewer, widget, data):
    segment, panel = dock_segment_widget(viewer), widget.training
    choose(widget, data)
    folder = TrainingFolder(widget.form.request(str(data)).output)
    qtbot.waitUntil(panel.start_button.isEnabled, timeout=WAIT_MS)

    panel.start_button.click()
    qtbot.waitUntil(lambda: len(panel.curves.epochs) >= 1, timeout=TRAIN_MS)
    assert widget.state is State.RUNNING
    panel.stop_button.click()
    qtbot.waitUntil(lambda: widget.state is State.STOPPED, timeout=TRAIN_MS)

    before = panel.curves.epochs
    assert folder.has_checkpoint
    widget.form.epochs.setValue(len(before) + 1)
    panel.resume_button.click()
    qtbot.waitUntil(lambda: widget.state is State.FINISHED, timeout=TRAIN_MS)

    assert panel.curves.epochs[: len(before)] == before
    assert len(panel.curves.epochs) == len(before) + 1
    bundle = folder.outcome().bundle
    assert read_card(bundle).method == METHOD

    (layer,) = viewer.open(str(data / "case_00000" / "imaging.nii.gz"), plugin=PLUGIN)
    panel.use_button.click()
    segment.method.engine.setCurrentIndex(segment.method.engine.findData("torch"))
    segment.runner.run_button.click()
    qtbot.waitUntil(lambda: memory_of(layer).finished is not None, timeout=TRAIN_MS)
    assert memory_of(layer).finished.choice.bundle == bundle
    assert [one.name for one in viewer.layers][1:] == ["kidney", "cyst", "tumor"]


def test_a_model_that_was_trained_is_offered_by_an_open_segment_widget(qtbot, viewer, widget, training, bundle):
    segment = dock_segment_widget(viewer)
    chosen = segment.method.bundle.currentData()
    made = bundle.with_name("trained.safetensors")
    open_training(qtbot, widget, training)
    assert find_choice(segment.method.bundle, made) < 0

    shutil.copy(bundle, made)
    training.begin(training.request())
    training.end(Outcome(state=State.FINISHED, bundle=made))
    qtbot.waitUntil(lambda: find_choice(segment.method.bundle, made) >= 0, timeout=WAIT_MS)

    assert segment.method.bundle.currentData() == chosen
    assert segment.method.bundle.count() == 3  # with the bundled one
    widget.training.use_button.click()
    assert segment.method.bundle.currentData() == made


def test_without_data_nothing_can_be_started(qtbot, widget):
    qtbot.waitUntil(lambda: widget.state is State.NEW, timeout=WAIT_MS)

    assert not widget.training.start_button.isEnabled()
    assert widget.training.start_button.toolTip() == "Choose the data to train on."
    assert not widget.training.resume_button.isEnabled()


def test_data_without_cases_is_refused_at_once(qtbot, widget, tmp_path):
    choose(widget, tmp_path)
    qtbot.waitUntil(widget.training.start_button.isEnabled, timeout=WAIT_MS)

    widget.training.start_button.click()
    qtbot.waitUntil(lambda: errors(widget) != "", timeout=WAIT_MS)

    assert "Found no labelled case" in errors(widget)
    qtbot.waitUntil(widget.training.start_button.isEnabled, timeout=WAIT_MS)


def test_each_choice_of_method_proposes_a_folder_of_its_own(widget, tmp_path):
    choose(widget, "phantoms:4", method="masses-net")
    widget.form.stage.setCurrentIndex(widget.form.stage.findData("masses"))

    request = widget.form.request("phantoms:4")

    assert request.output.parent == tmp_path / "runs"
    assert request.output.name.startswith("masses-net-smoke-masses-")
    assert (request.stage, request.epochs, request.device, request.init) == ("masses", 200, "cpu", None)


def test_a_folder_chosen_by_hand_stays_chosen(qtbot, widget, tmp_path):
    qtbot.waitUntil(lambda: widget.state is State.NEW, timeout=WAIT_MS)
    widget.form.folder.line.clear()
    qtbot.keyClicks(widget.form.folder.line, str(tmp_path / "mine"))

    widget.form.method.setCurrentIndex(widget.form.method.findData("masses-net"))

    assert widget.form.folder.text == str(tmp_path / "mine")


def test_a_training_under_way_is_found_when_the_widget_opens(qtbot, viewer, training):
    widget = dock(viewer)
    qtbot.waitUntil(lambda: widget.state is State.RUNNING, timeout=WAIT_MS)

    panel = widget.training
    assert widget.form.request(widget.data.data) == training.request()
    assert (
        panel.status.text()
        == "Stage 2 of 2 · Masses-Net · epoch 2 of 4 · step 1 of 2 · about 1 min 15 s left in this stage"
    )
    assert panel.bar.value() == round(1000 * (1 + 0.375) / 2)
    assert not widget.form.method.isEnabled()
    assert panel.stop_button.isEnabled()


def test_a_stopped_training_is_found_and_can_be_resumed(qtbot, viewer, training):
    training.end(Outcome(state=State.STOPPED))

    widget = dock(viewer)
    qtbot.waitUntil(lambda: widget.state is State.STOPPED, timeout=WAIT_MS)

    assert widget.form.request(widget.data.data) == training.request()
    qtbot.waitUntil(widget.training.resume_button.isEnabled, timeout=WAIT_MS)


def test_the_curves_are_those_of_the_newest_stage_until_another_is_chosen(qtbot, widget, training):
    open_training(qtbot, widget, training)
    curves = widget.training.curves

    assert curves.stage.currentText() == "Masses-Net"
    assert shown(curves.curves("loss")) == {"training": {1: 1.0}}
    curves.stage.setCurrentIndex(0)
    assert shown(curves.curves("loss")) == {"training": {1: 1.0, 2: 0.5, 3: 1 / 3, 4: 0.25}}
    assert shown(curves.curves("dice"))["tumor"] == pytest.approx({1: 0.1, 2: 0.2, 3: 0.3, 4: 0.4})
    assert set(shown(curves.curves("dice"))) == {"mean", "tumor", "cyst"}


def test_curves_grow_while_the_training_runs(qtbot, widget, training):
    open_training(qtbot, widget, training)

    RunFolder(training.path / "masses").log(epoch_done("masses", 2))

    qtbot.waitUntil(lambda: len(widget.training.curves.epochs) == 2, timeout=WAIT_MS)


def test_stop_asks_the_process_and_ends_none(qtbot, widget, training, other):
    open_training(qtbot, widget, training)

    widget.training.stop_button.click()
    qtbot.waitUntil(lambda: widget.state is State.STOPPING, timeout=WAIT_MS)

    assert training.is_stop_asked
    assert other.poll() is None
    assert not widget.training.stop_button.isEnabled()


def test_closing_the_widget_lets_the_training_go_on(qtbot, viewer, widget, training, other):
    open_training(qtbot, widget, training)

    viewer.window.remove_dock_widget(widget)
    qtbot.wait(100)

    assert other.poll() is None
    assert not training.is_stop_asked


def test_the_last_words_of_a_process_that_died_are_shown_and_it_can_be_resumed(qtbot, widget, training, other):
    training.output.write_text("Traceback\nMemoryError: no room\n")
    open_training(qtbot, widget, training)

    other.kill()
    other.wait()
    qtbot.waitUntil(lambda: widget.state is State.FAILED, timeout=WAIT_MS)

    assert "MemoryError: no room" in errors(widget)
    assert widget.training.resume_button.isEnabled()
    assert not widget.training.start_button.isEnabled()


def test_a_folder_that_meanwhile_holds_another_run_is_refused(qtbot, widget, data):
    choose(widget, data)
    qtbot.waitUntil(widget.training.start_button.isEnabled, timeout=WAIT_MS)
    run = RunFolder(widget.form.request(str(data)).output)
    run.path.mkdir(parents=True)
    run.task.write_text("{}")
    run.last.touch()

    widget.training.start_clicked.emit()  # a click from before the window has looked again
    qtbot.waitUntil(lambda: errors(widget) != "", timeout=WAIT_MS)

    qtbot.waitUntil(lambda: widget.state is State.STOPPED, timeout=WAIT_MS)  # what is found there now
    assert "holds a run already" in errors(widget)
    assert not TrainingFolder(run.path).output.exists()


def test_a_finished_training_is_resumed_only_for_more_epochs(qtbot, widget, training):
    training.begin(training.request())
    training.end(Outcome(state=State.FINISHED))
    open_training(qtbot, widget, training)
    assert "Choose more epochs" in widget.training.resume_button.toolTip()

    widget.form.epochs.setValue(5)

    assert widget.training.resume_button.isEnabled()


def test_new_leaves_the_training_and_proposes_another_folder(qtbot, widget, training):
    open_training(qtbot, widget, training)

    widget.form.new_button.click()
    qtbot.waitUntil(lambda: widget.state is State.NEW, timeout=WAIT_MS)

    assert widget.training.start_button.isEnabled()
    assert not widget.training.curves.isVisibleTo(widget)


def test_a_check_shows_what_is_wrong_with_the_data(qtbot, widget, data):
    (data / "case_00001" / "imaging.nii.gz").write_bytes(b"no image")
    widget.data.folder.set_text(str(data))

    widget.data.check_button.click()
    qtbot.waitSignal(widget.data.checked, timeout=WAIT_MS).wait()

    assert widget.data.summary.text().startswith("3 cases, 1 with problems: 2 to train on, 1 to validate on")
    (notice,) = widget.data.notices.notices
    assert notice.text.startswith("case_00001: ")
    lines = [widget.data.table.topLevelItem(row) for row in range(3)]
    assert [line.text(0) for line in lines] == ["✓", "⚠", "✓"]
    assert lines[0].text(2) == "24 x 40 x 48"
    qtbot.waitUntil(lambda: "A case cannot be trained on" in widget.training.start_button.toolTip(), timeout=WAIT_MS)
    assert not widget.training.start_button.isEnabled()


def test_a_check_can_be_cancelled(qtbot, widget):
    widget.data.folder.set_text("phantoms:50")

    widget.data.check_button.click()
    assert widget.data.is_checking
    assert widget.data.check_button.text() == "Cancel check"
    widget.data.check_button.click()
    qtbot.waitUntil(lambda: not widget.data.is_checking, timeout=TRAIN_MS)

    assert widget.data.summary.isHidden()


def test_a_check_of_nothing_says_what_was_needed(qtbot, widget, tmp_path):
    widget.data.folder.set_text(str(tmp_path))

    widget.data.check_button.click()
    qtbot.waitUntil(lambda: not widget.data.is_checking, timeout=WAIT_MS)

    assert "Found no labelled case" in widget.data.notices.notices[0].text
