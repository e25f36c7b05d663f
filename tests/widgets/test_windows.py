from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_kidney_seg.widgets import windows
from napari_kidney_seg.widgets.windows import ABDOMEN, BONE, LUNG, WINDOWS, apply_window, widen_slider

COMMANDS = {
    "Abdomen": windows.show_abdomen_window,
    "Kidney": windows.show_kidney_window,
    "Bone": windows.show_bone_window,
    "Lung": windows.show_lung_window,
    "Arterial": windows.show_arterial_window,
}


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("Abdomen", (-160, 240)),
        ("Kidney", (-50, 250)),
        ("Bone", (-500, 1300)),
        ("Lung", (-1350, 150)),
        ("Arterial", (-100, 500)),
    ],
)
def test_each_window_shows_its_hounsfield_units(name, limits):
    layer = Image(np.zeros((2, 2, 2), np.int16), contrast_limits=(0, 1))

    apply_window(layer, next(window for window in WINDOWS if window.name == name))

    assert tuple(layer.contrast_limits) == limits


def test_the_slider_reaches_all_hounsfield_units_and_keeps_the_window():
    layer = Image(np.zeros((2, 2, 2), np.int16), contrast_limits=ABDOMEN.limits)

    widen_slider(layer)

    assert tuple(layer.contrast_limits_range) == (-1024, 3071)
    assert tuple(layer.contrast_limits) == (-160, 240)


def test_a_window_beyond_the_slider_stretches_it():
    layer = Image(np.zeros((2, 2, 2), np.int16), contrast_limits=(0, 100))

    apply_window(layer, LUNG)

    assert tuple(layer.contrast_limits_range) == (-1350, 150)


def test_every_window_has_a_menu_command(model, monkeypatch):
    layer = model.add_image(np.zeros((2, 2, 2), np.int16))
    monkeypatch.setattr("napari.current_viewer", lambda: model)

    shown = {}
    for name, command in COMMANDS.items():
        command()
        shown[name] = tuple(layer.contrast_limits)

    assert shown == {window.name: window.limits for window in WINDOWS}


def test_a_menu_command_leaves_scans_alone_that_are_not_selected(model, monkeypatch):
    first = model.add_image(np.zeros((2, 2, 2), np.int16), contrast_limits=(0, 100))
    second = model.add_image(np.zeros((2, 2, 2), np.int16), contrast_limits=(0, 100))
    model.layers.selection = {second}
    monkeypatch.setattr("napari.current_viewer", lambda: model)

    windows.show_bone_window()

    assert tuple(first.contrast_limits) == (0, 100)
    assert tuple(second.contrast_limits) == BONE.limits


def test_a_menu_command_without_a_window_does_nothing(monkeypatch):
    monkeypatch.setattr("napari.current_viewer", lambda: None)

    windows.show_lung_window()
