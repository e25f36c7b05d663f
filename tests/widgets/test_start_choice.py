"""What a training can start from, and what its request then says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from qtpy.QtWidgets import QFileDialog

from napari_kidney_seg.widgets.start_choice import FRESH
from napari_kidney_seg.widgets.training_form import TrainingForm

WAIT_MS = 10_000


@pytest.fixture
def form(qtbot, install):
    install("rcnn-vnet")
    form = TrainingForm()
    qtbot.addWidget(form)
    form.method.setCurrentIndex(form.method.findData("rcnn-vnet"))
    qtbot.waitUntil(lambda: form.start.box.count() > 1, timeout=WAIT_MS)
    return form


def choose_file(monkeypatch, form, path) -> str:
    """Choose `path` in the dialog, and return what files that offered."""
    offered = []
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *args: offered.append(args[3]) or (str(path), ""))
    form.start.file_button.click()
    return offered[0]


def starts(form) -> list[str]:
    return [form.start.box.itemText(index) for index in range(form.start.box.count())]


def test_models_that_fit_the_method_are_offered_after_fresh_weights(form):
    assert starts(form) == [FRESH, "tiny-rcnn-vnet", "rcnn-vnet"]  # the last is bundled
    assert (form.request("data").init, form.request("data").trunk) == (None, None)

    form.start.box.setCurrentIndex(1)

    assert form.request("data").init.name == "tiny-rcnn-vnet.safetensors"


def test_weights_of_others_become_the_trunk_of_a_method_that_has_one(form, tmp_path, monkeypatch):
    trunk = tmp_path / "fasterrcnn_resnet50_fpn.pth"
    trunk.touch()

    assert "*.pth" in choose_file(monkeypatch, form, trunk)

    assert form.start.box.currentText() == "Trunk fasterrcnn_resnet50_fpn.pth"
    request = form.request("data")
    assert (request.init, request.trunk) == (None, trunk)


def test_a_model_from_a_file_is_the_start_and_no_trunk(form, install, tmp_path, monkeypatch):
    model = install("rcnn-vnet").rename(tmp_path / "mine.safetensors")

    choose_file(monkeypatch, form, model)

    assert (form.request("data").init, form.request("data").trunk) == (model, None)


def test_a_method_without_a_trunk_is_offered_models_alone(form, tmp_path, monkeypatch):
    form.method.setCurrentIndex(form.method.findData("bisc-unet"))

    assert "*.pth" not in choose_file(monkeypatch, form, tmp_path / "model.safetensors")

    assert form.request("data").trunk is None
    assert form.start.file_button.toolTip() == "Choose a file to start from: a model"


def test_a_training_that_began_from_a_trunk_shows_it_again(form, tmp_path, monkeypatch):
    choose_file(monkeypatch, form, tmp_path / "trunk.pth")
    request = form.request("data")
    form.start.choose(None, None)
    assert form.start.box.currentText() == FRESH

    form.show_request(request)

    assert form.request("data").trunk == tmp_path / "trunk.pth"


def test_a_training_asked_for_on_a_device_that_this_machine_lacks_shows_it(form, tmp_path):
    request = replace(form.request("data"), device="cuda:7")

    form.show_request(request)

    assert form.device.currentText() == "cuda:7"
    assert form.request("data").device == "cuda:7"
