from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from qtpy.QtCore import Qt
from superqt import QCollapsible

from napari_kidney_seg.core.errors import BundleError
from napari_kidney_seg.core.events import Notice, Progress, StageDone
from napari_kidney_seg.io.bundle import read_card
from napari_kidney_seg.methods import PRESETS, get_method
from napari_kidney_seg.widgets.method_panel import MethodPanel
from napari_kidney_seg.widgets.method_text import method_text
from napari_kidney_seg.widgets.notice_list import NoticeList
from napari_kidney_seg.widgets.progress_panel import ProgressPanel
from napari_kidney_seg.widgets.run_times import RunTime, remember

TITLES = {"coarse": "Coarse ResUNet", "kidney": "Kidney ResUNet"}


@pytest.fixture
def progress(qtbot) -> ProgressPanel:
    panel = ProgressPanel()
    qtbot.addWidget(panel)
    panel.begin(TITLES)
    return panel


@pytest.fixture
def notices(qtbot) -> NoticeList:
    panel = NoticeList()
    qtbot.addWidget(panel)
    return panel


def test_progress_shows_the_whole_the_stage_and_the_time_left(progress):
    progress.show_event(Progress(stage="kidney", done=3, total=9, fraction=0.5))

    assert progress.bar.value() == 500
    assert progress.stage_text("coarse") == "waiting"
    assert progress.stage_text("kidney") == "3 of 9"
    assert progress.status.text().startswith("Kidney ResUNet · about ")


def test_a_done_stage_shows_its_seconds_and_a_kept_one_says_so(progress):
    progress.show_event(StageDone(stage="coarse", seconds=75.0))
    progress.show_event(StageDone(stage="kidney", seconds=0.0, cached=True))

    assert progress.stage_text("coarse") == "1 min 15 s"
    assert progress.stage_text("kidney") == "kept"


def test_steps_that_are_no_stage_are_named_in_the_status(progress):
    progress.show_event(Progress(stage="fuse", done=0, total=1, fraction=0.97))

    assert progress.status.text().startswith("Fuse · ")


def test_a_new_run_starts_from_nothing(progress):
    progress.finish("Done")
    assert progress.is_done

    progress.begin({"lesion": "Lesion ResUNet"})

    assert progress.bar.value() == 0
    assert progress.stage_text("lesion") == "waiting"


def test_a_notice_is_shown_once_until_cleared(notices):
    notice = Notice(code="cut_scan", text="The scan ends in the kidney.")

    notices.add(notice)
    notices.add(replace(notice, level="info"))
    assert notices.notices == (notice,)

    notices.clear()
    assert notices.notices == ()
    assert notices.isHidden()


def test_an_error_is_shown_as_one(notices):
    notices.add_error("not_saved", "The disk is full.")

    assert notices.notices == (Notice(code="not_saved", text="The disk is full.", level="error"),)


def test_a_remedy_is_one_click(notices, qtbot):
    clicks = []

    notices.add(Notice(code="x", text="Values are shifted."), remedies={"Subtract 1024": lambda: clicks.append(1)})
    (button,) = [child for child in notices.findChildren(object) if getattr(child, "text", str)() == "Subtract 1024"]
    button.click()

    assert clicks == [1]


def test_a_method_is_told_with_paper_classes_cost_and_training_data(bundle):
    method = get_method("resunet-2.5d", "compact")

    text = method_text(method, bundle)

    assert method.paper.title.replace("&", "&amp;")[:20] in text
    assert method.paper.url in text
    assert "kidney, tumor, cyst" in text
    assert read_card(bundle).training_data in text
    assert "phantoms: kidney 0.95" in text
    assert read_card(bundle).limits in text
    assert "nothing yet" in method_text(method, None)
    assert "it knows no cyst" in method_text(get_method("bisc-unet", "compact"), None)
    assert "3 networks, 1 + 2 + 2 passes per window; weights 0.0 MB" in text


def test_the_time_on_this_machine_is_guessed_until_there_was_a_run(qtbot, bundle):
    panel = MethodPanel()
    qtbot.addWidget(panel)
    panel.findChild(QCollapsible).expand(animate=False)
    qtbot.waitUntil(lambda: "Roughly" in panel.cost.label.text(), timeout=60_000)

    remember(panel.chosen_method(), RunTime(seconds=65, engine="openvino", device="cpu", shape=(99, 512, 512)))
    panel.cost.show_method(panel.chosen_method())

    assert panel.cost.label.text() == "Took 1 min 05 s here last time (openvino on cpu, 99 x 512 x 512 voxels)."


def test_the_panel_chooses_the_default_method_and_its_installed_weights(qtbot, bundle):
    panel = MethodPanel()
    qtbot.addWidget(panel)

    choice = panel.choice

    assert (choice.method, choice.preset, choice.device, choice.engine) == ("resunet-2.5d", "compact", "auto", "auto")
    assert choice.bundle == bundle
    assert panel.problem == ""
    assert panel.measured.text() == "Measured Dice, phantoms: kidney 0.95"


def test_a_preset_without_weights_says_what_to_do(qtbot, bundle):
    panel = MethodPanel()
    qtbot.addWidget(panel)

    panel.preset.setCurrentIndex(panel.preset.findData("paper"))

    assert panel.choice is None
    assert "No bundle for method 'resunet-2.5d' at preset 'paper'" in panel.problem
    assert [notice.code for notice in panel.notices.notices] == ["no_model"]
    assert panel.measured.isHidden()


def test_a_chosen_file_of_weights_sets_the_method_and_preset_of_its_card(qtbot, bundle, tmp_path):
    panel = MethodPanel()
    qtbot.addWidget(panel)
    panel.preset.setCurrentIndex(panel.preset.findData("paper"))
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(bundle.read_bytes())

    panel.add_bundle(copy)

    assert panel.choice.bundle == copy
    assert panel.choice.preset == "compact"


def test_a_file_that_is_no_bundle_is_refused(qtbot, bundle, tmp_path):
    panel = MethodPanel()
    qtbot.addWidget(panel)
    path = Path(tmp_path / "no.safetensors")
    path.write_bytes(b"nothing")

    with pytest.raises(BundleError, match="no model bundle or is damaged"):
        panel.add_bundle(path)


def test_every_preset_says_what_it_is_for(qtbot):
    panel = MethodPanel()
    qtbot.addWidget(panel)

    for preset in ("paper", "compact", "smoke"):
        number = panel.preset.findData(preset)
        assert panel.preset.itemData(number, Qt.ItemDataRole.ToolTipRole) == PRESETS[preset]
        assert f"{preset}: {PRESETS[preset]}" in panel.preset.toolTip()


def test_what_has_to_be_known_of_weights_stands_below_them(qtbot, install):
    install("masses-net", warning="These weights find no tumor.")
    panel = MethodPanel()
    qtbot.addWidget(panel)
    assert "weights" not in [notice.code for notice in panel.notices.notices]

    panel.method.setCurrentIndex(panel.method.findData("masses-net"))

    assert [notice.text for notice in panel.notices.notices] == ["These weights find no tumor."]
