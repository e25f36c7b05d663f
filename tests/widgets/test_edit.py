"""The Edit widget in a real viewer."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from napari.utils.shortcuts import default_shortcuts
from qtpy.QtWidgets import QPushButton

from napari_kidney_seg.core.grid import WorkingGrid
from napari_kidney_seg.core.method import Method
from napari_kidney_seg.core.volume import Volume
from napari_kidney_seg.imaging.components import KeepLargest
from napari_kidney_seg.inference.cascade import run_cascade
from napari_kidney_seg.inference.regions import AroundForeground
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.widgets.canvas_click import CanvasClick
from napari_kidney_seg.widgets.case_memory import memory_of
from napari_kidney_seg.widgets.ct_check import NO_CT_SCAN
from napari_kidney_seg.widgets.edit import EditWidget
from napari_kidney_seg.widgets.edited_case import CHOOSE_CLASS
from napari_kidney_seg.widgets.layer_data import ct_layer_data
from napari_kidney_seg.widgets.layers import add_label_layers, compose_layers
from napari_kidney_seg.widgets.rerun_panel import organ_stage
from napari_kidney_seg.widgets.saving import run_record
from napari_kidney_seg.widgets.segment import SegmentWidget
from tests.inference.fakes import LESION, ORGAN, TORCH, FakeBundle, method_of, oracle_stage, scan_of

RUN_MS = 60_000  # only a hang takes longer, on however busy a machine
VOXEL_ML = 5 * 0.8 * 0.9 / 1000


@pytest.fixture
def widget(viewer, bundle, fake_run) -> EditWidget:
    widget = EditWidget(viewer, run=fake_run)
    viewer.window.add_dock_widget(widget, name="Edit")
    yield widget
    widget.close()


@pytest.fixture
def opened(viewer, widget, scan) -> EditWidget:
    """The widget with a CT open."""
    show(viewer, scan)
    return widget


@pytest.fixture
def drawn(viewer, opened, mask) -> EditWidget:
    """The widget with a CT and its mask open."""
    add_label_layers(viewer, mask, opened.case.ct_layer)
    return opened


def show(viewer, scan: Volume):
    data, options, _ = ct_layer_data(scan)
    return viewer.add_image(data, **options)


def press(viewer, key: str) -> None:
    """Do what napari does when `key` is pressed on the canvas of `viewer`."""
    viewer.keymap[next(one for one in viewer.keymap if str(one) == key)](viewer)


def click(viewer, position, *, drag: bool = False) -> None:
    """Press and release the mouse at world `position`, moving in between for a drag."""
    event = SimpleNamespace(type="mouse_press", position=position)
    ours = [one for one in viewer.mouse_drag_callbacks if isinstance(getattr(one, "__self__", None), CanvasClick)]
    for start in ours:
        steps = start(viewer, event)
        next(steps, None)
        if drag:
            event.type = "mouse_move"
            next(steps, None)
        event.type = "mouse_release"
        next(steps, None)
        event.type = "mouse_press"


def test_without_a_scan_it_says_how_to_open_one_and_offers_no_tool(widget):
    buttons = [button.text() for button in widget.scan.findChildren(QPushButton) if not button.isHidden()]

    assert {"Open file…", "Open sample"} <= set(buttons)
    assert widget._empty.isHidden()
    assert not any(box.isEnabled() for box in widget._work)


def test_a_scan_without_a_mask_can_be_started_on_empty_layers(viewer, opened):
    assert not opened._empty.isHidden()

    opened.start_button.click()

    assert [layer.name for layer in viewer.layers] == ["case", "kidney", "cyst", "tumor"]
    assert opened._empty.isHidden()
    assert all(box.isEnabled() for box in opened._work)
    assert opened.case.active == "kidney"
    assert opened.classes.classes["kidney"].isChecked()
    assert opened.classes.modes["paint"].isChecked()


def test_the_buttons_follow_the_layer_list_and_naparis_own_mode_buttons(viewer, drawn):
    viewer.layers.selection.active = viewer.layers["tumor"]
    viewer.layers["tumor"].mode = "erase"

    assert drawn.classes.classes["tumor"].isChecked()
    assert drawn.classes.modes["erase"].isChecked()

    viewer.layers.selection.active = viewer.layers["case"]
    assert not any(button.isChecked() for button in drawn.classes.classes.values())


def test_the_panel_sets_the_brush(drawn, viewer):
    drawn.classes.classes["cyst"].click()
    drawn.brush_panel.toggle_shape()
    drawn.brush_panel.radius.setValue(7.5)
    drawn.brush_panel.gate.setChecked(True)
    drawn.brush_panel.low.setValue(10)

    assert viewer.layers["cyst"].n_edit_dimensions == 3
    assert drawn.brush.radius_mm == 7.5
    assert (drawn.brush.hu_range.low, drawn.brush.hu_range.high) == (10, 300)
    assert drawn.brush_panel.ranges.currentText() == "Custom"
    drawn.brush_panel.gate.setChecked(False)
    assert drawn.brush.hu_range is None


def test_a_tool_without_a_class_says_what_to_do(drawn, viewer):
    viewer.layers.selection.active = viewer.layers["case"]

    drawn.tools.buttons["undo"].click()

    assert drawn.tools.said.text() == CHOOSE_CLASS


def test_a_tool_says_what_it_did_and_undo_takes_it_back(drawn, viewer):
    drawn.classes.classes["kidney"].click()
    before = viewer.layers["kidney"].data.copy()
    drawn.tools.island_ml.setValue(10.0)

    drawn.tools.buttons["islands"].click()
    assert drawn.tools.said.text() == "Kidney: 0.00 ml added, 0.36 ml removed."
    assert not viewer.layers["kidney"].data.any()

    drawn.tools.buttons["undo"].click()
    np.testing.assert_array_equal(viewer.layers["kidney"].data, before)
    drawn.tools.buttons["redo"].click()
    assert not viewer.layers["kidney"].data.any()


def test_a_click_moves_a_lesion_a_drag_does_not_and_both_layers_are_undone_at_once(drawn, viewer):
    before = {name: viewer.layers[name].data.copy() for name in ("tumor", "cyst")}
    position = viewer.layers["tumor"].data_to_world((4, 4, 4))
    drawn.classes.classes["tumor"].click()
    drawn.tools.buttons["move"].click()
    assert str(viewer.layers["tumor"].mode) == "pan_zoom"

    click(viewer, position, drag=True)
    assert viewer.layers["tumor"].data.any()

    click(viewer, position)
    assert not viewer.layers["tumor"].data.any()
    assert not drawn.tools.buttons["move"].isChecked()

    (undo,) = [one for one in drawn.tools.notices.findChildren(QPushButton) if one.text() == "Undo both"]
    undo.click()
    for name, data in before.items():
        np.testing.assert_array_equal(viewer.layers[name].data, data)


@pytest.mark.parametrize("name", ["tumor", "cyst"])
def test_a_move_that_napari_undid_in_one_layer_is_offered_for_undo_no_longer(drawn, viewer, name):
    drawn.classes.classes["tumor"].click()
    drawn.tools.buttons["move"].click()
    click(viewer, viewer.layers["tumor"].data_to_world((4, 4, 4)))
    assert drawn.tools.notices.notices

    viewer.dims.set_point(0, viewer.dims.point[0])  # looking around keeps the offer
    assert drawn.tools.notices.notices
    viewer.layers[name].undo()

    assert not drawn.tools.notices.notices


@pytest.mark.parametrize("press_button", ["mode paint", "mode pan_zoom", "class cyst", "napari erase"])
def test_whoever_goes_on_drawing_or_looking_moves_no_lesion_any_more(drawn, viewer, press_button):
    before = {name: viewer.layers[name].data.copy() for name in ("tumor", "cyst")}
    drawn.classes.classes["tumor"].click()
    drawn.tools.buttons["move"].click()
    kind, name = press_button.split()

    if kind == "napari":
        viewer.layers["tumor"].mode = name
    else:
        (drawn.classes.modes if kind == "mode" else drawn.classes.classes)[name].click()

    assert not drawn.tools.buttons["move"].isChecked()
    assert drawn.tools.said.text() == ""
    click(viewer, viewer.layers["tumor"].data_to_world((4, 4, 4)))
    for name, data in before.items():
        np.testing.assert_array_equal(viewer.layers[name].data, data)


def test_a_click_on_another_scan_moves_no_lesion(drawn, viewer, scan):
    drawn.tools.buttons["move"].click()

    viewer.layers.clear()
    show(viewer, scan)

    assert not drawn.tools.buttons["move"].isChecked()
    click(viewer, (4.0, 4.0, 4.0))
    assert [layer.name for layer in viewer.layers] == ["case"]


def test_a_closed_widget_takes_the_brush_no_more(viewer, drawn, scan):
    drawn.close()

    viewer.layers["case"].translate = (1, 2, 3)
    show(viewer, scan)

    assert all("paint" not in vars(layer) for layer in viewer.layers)


def test_to_paint_without_a_class_says_what_to_do_and_presses_no_button(drawn, viewer):
    viewer.layers.selection.active = viewer.layers["case"]

    drawn.classes.modes["paint"].click()

    assert drawn.tools.said.text() == CHOOSE_CLASS
    assert not any(button.isChecked() for button in drawn.classes.modes.values())


def test_what_was_done_to_a_scan_is_not_told_of_the_next(qtbot, drawn, viewer, scan):
    drawn.classes.classes["kidney"].click()
    drawn.tools.buttons["fill"].click()
    drawn.rerun.runner.run_button.click()
    qtbot.waitUntil(lambda: not drawn.rerun.runner.is_running, timeout=RUN_MS)
    assert drawn.tools.said.text()
    assert not drawn.rerun.runner.progress.isHidden()

    viewer.layers.clear()
    show(viewer, scan)

    assert drawn.tools.said.text() == ""
    assert drawn.rerun.runner.progress.isHidden()
    assert "no run since this scan was opened" in drawn.rerun.about.text()


def test_volumes_follow_strokes_and_undo(qtbot, drawn, viewer):
    def wait() -> dict[str, str]:
        qtbot.waitUntil(lambda: not drawn.volumes.is_waiting, timeout=RUN_MS)
        return {name: text.text() for name, text in drawn.volumes.texts.items()}

    first = wait()
    assert first == {"right": f"{100 * VOXEL_ML:.1f} ml", "left": "0.0 ml", "tumor": "0.0 ml", "cyst": "0.0 ml"}

    everything = tuple(np.indices(viewer.layers["tumor"].data.shape).reshape(3, -1))
    with viewer.layers["tumor"].block_history():
        viewer.layers["tumor"].data_setitem(everything, 2)
    assert drawn.volumes.is_waiting
    assert wait()["tumor"] == f"{10 * 12 * 14 * VOXEL_ML:.1f} ml"

    viewer.layers["tumor"].undo()
    assert wait() == first


def test_keys_choose_classes_and_tools_until_the_widget_is_closed(drawn, viewer):
    press(viewer, "Shift+T")
    assert drawn.case.active == "tumor"
    press(viewer, "Shift+H")
    assert drawn.brush_panel.gate.isChecked()

    viewer.window.remove_dock_widget(drawn)

    assert not [key for key in viewer.keymap if str(key).startswith("Shift+")]
    assert "paint" not in vars(viewer.layers["tumor"])


def test_no_key_is_one_of_naparis_own(drawn):
    taken = {str(key) for keys in default_shortcuts.values() for key in keys}

    assert {key.replace("-", "+") for key in drawn.keys.actions} & taken == set()
    assert all(key.replace("-", "+") in drawn.keys.help_text() for key in drawn.keys.actions)


def test_a_kidney_must_be_drawn_before_its_lesions_are_looked_for(qtbot, opened, viewer):
    opened.start_button.click()
    assert opened.rerun.runner.run_button.toolTip() == "Draw the kidney first."

    viewer.layers["kidney"].paint((5, 5, 5), 1)

    qtbot.waitUntil(opened.rerun.runner.run_button.isEnabled, timeout=RUN_MS)
    assert opened.rerun.runner.run_button.toolTip() == ""


def test_a_method_that_finds_all_in_one_stage_cannot_be_run_from_a_kidney():
    whole = get_method("resunet-2.5d", "compact")

    assert organ_stage(whole) == "kidney"
    assert organ_stage(method_of(*whole.stages[-1:])) is None


class OracleRun:
    """Runs a cascade of oracles as the method resunet-2.5d would be run; remembers which stages each run asked for."""

    def __init__(self, method: Method) -> None:
        self.method = method
        self.asked: list[list[str]] = []

    def __call__(self, job):
        bundle = FakeBundle(self.method)
        self.asked.append(bundle.asked)
        return run_cascade(job.volume, self.method, bundle, given=job.given, cache=job.cache, options=TORCH)


@pytest.fixture
def oracles() -> OracleRun:
    coarse = {"grid": WorkingGrid(shape=(16, 24, 24)), "window": (16, 24, 24), "cleaning": KeepLargest(count=2)}
    around = AroundForeground(sources=("coarse",), margin_mm=6.0)
    lesion_around = AroundForeground(sources=("coarse", "kidney"), margin_mm=6.0)
    return OracleRun(
        method_of(
            oracle_stage("coarse", ORGAN, **coarse),
            oracle_stage("kidney", ORGAN, requires=("coarse",), region=around),
            oracle_stage("lesion", LESION, requires=("kidney",), region=lesion_around),
            fuses=("kidney", "lesion"),
        )
    )


@pytest.fixture
def truth() -> np.ndarray:
    """Two kidneys, one with a tumor, one with a cyst."""
    labels = np.zeros((20, 36, 44), np.uint8)
    labels[4:14, 10:20, 6:15] = labels[6:17, 12:23, 28:36] = 1
    labels[6:10, 12:16, 9:14] = 2
    labels[8:12, 14:18, 30:35] = 3
    return labels


def run_to_end(qtbot, panel) -> None:
    qtbot.waitUntil(panel.run_button.isEnabled, timeout=RUN_MS)
    panel.run_button.click()
    qtbot.waitUntil(lambda: not panel.is_running, timeout=RUN_MS)


def composed(viewer) -> np.ndarray:
    return compose_layers([viewer.layers[name] for name in ("kidney", "cyst", "tumor")]).array


@pytest.fixture
def rerun(viewer, bundle, oracles) -> tuple[SegmentWidget, EditWidget]:
    """Both widgets in one window, on oracles."""
    widgets = SegmentWidget(viewer, run=oracles), EditWidget(viewer, run=oracles)
    for number, widget in enumerate(widgets):
        viewer.window.add_dock_widget(widget, name=str(number))
    yield widgets
    for widget in widgets:
        widget.close()


def test_a_rerun_equals_a_full_run_that_found_that_kidney_and_runs_only_the_later_stage(
    qtbot, viewer, rerun, oracles, truth
):
    segment, edit = rerun
    with_bowel = truth.copy()
    with_bowel[4:14, 20:26, 6:15] = 1  # as bright as kidney, and taken for it
    show(viewer, scan_of(with_bowel))
    run_to_end(qtbot, segment.runner)
    np.testing.assert_array_equal(composed(viewer), with_bowel)

    bowel = tuple(np.argwhere(with_bowel != truth).T)
    viewer.layers["kidney"].data_setitem(bowel, 0)
    run_to_end(qtbot, edit.rerun.runner)
    again = composed(viewer)

    viewer.layers.clear()
    show(viewer, scan_of(truth))
    run_to_end(qtbot, segment.runner)
    assert oracles.asked == [["coarse", "kidney", "lesion"], ["lesion"], ["coarse", "kidney", "lesion"]]
    np.testing.assert_array_equal(again, composed(viewer))
    np.testing.assert_array_equal(again, truth)


def test_a_kidney_drawn_by_hand_needs_no_earlier_run(qtbot, viewer, rerun, oracles, truth):
    _, edit = rerun
    show(viewer, scan_of(truth))
    edit.start_button.click()
    viewer.layers["kidney"].data_setitem(tuple(np.argwhere(truth).T), 1)

    run_to_end(qtbot, edit.rerun.runner)

    assert oracles.asked == [["lesion"]]
    assert edit.rerun.runner.progress.stage_text("coarse") == "not needed"
    np.testing.assert_array_equal(composed(viewer), truth)
    assert edit.rerun.about.text().startswith("Coarse-to-fine 2.5D ResUNet, compact (as in the last run)")


def test_what_is_no_ct_is_not_run_again_either(qtbot, viewer, rerun, truth):
    _, edit = rerun
    show(viewer, replace(scan_of(truth), array=(truth > 0).astype(np.uint8)))
    edit.start_button.click()
    viewer.layers["kidney"].data_setitem(tuple(np.argwhere(truth).T), 1)
    qtbot.waitUntil(lambda: not edit.volumes.is_waiting, timeout=RUN_MS)

    assert not edit.rerun.runner.run_button.isEnabled()
    assert edit.rerun.runner.run_button.toolTip() == NO_CT_SCAN


def test_the_record_of_a_rerun_says_which_stage_a_person_took_the_place_of(qtbot, viewer, rerun, truth, tmp_path):
    _, edit = rerun
    show(viewer, scan_of(truth))
    edit.start_button.click()
    viewer.layers["kidney"].data_setitem(tuple(np.argwhere(truth).T), 1)
    run_to_end(qtbot, edit.rerun.runner)

    labels = compose_layers(list(edit.case.layers.values()))
    record = run_record(labels, memory_of(edit.scan.layer).finished)

    (notice,) = [one for one in record.notices if one.code == "given_mask"]
    assert notice.text == "The stage 'kidney' was not run: the mask of a person took its place."
    assert "edited" not in [one.code for one in record.notices]


def test_a_layer_without_a_place_in_the_patient_is_refused_with_a_reason(viewer, widget):
    viewer.add_image(np.zeros((5, 6, 7), np.int16))

    widget.start_button.click()

    assert "has no spacing" in widget.scan_notices.notices[0].text
    assert len(viewer.layers) == 1
