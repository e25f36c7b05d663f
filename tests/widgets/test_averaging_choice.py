"""How many predictions are averaged can be chosen where the method leaves it open, and is run and recorded so."""

from __future__ import annotations

import json

import pytest

from napari_kidney_seg.core.averaging import AS_PRESET
from napari_kidney_seg.core.events import result_of
from napari_kidney_seg.methods.boundary_aware import AVERAGINGS
from napari_kidney_seg.widgets.job import MethodChoice, SegmentJob, segment
from napari_kidney_seg.widgets.method_panel import MethodPanel
from napari_kidney_seg.widgets.segment import SegmentWidget

RUN_MS = 60_000  # only a hang takes longer, on however busy a machine


@pytest.fixture
def panel(qtbot, bundle, install) -> MethodPanel:
    install("boundary-aware", kidney=5)
    panel = MethodPanel()
    qtbot.addWidget(panel)
    return panel


def choose(box, data):
    box.setCurrentIndex(box.findData(data))


def test_a_method_without_a_choice_shows_none(panel):
    assert not panel.averaging.isVisibleTo(panel)
    assert panel.choice.averaging == ""


def test_a_method_with_a_choice_shows_what_each_computes_and_keeps_what_its_preset_does(panel):
    choose(panel.method, "boundary-aware")

    titles = [panel.averaging.itemText(index) for index in range(panel.averaging.count())]
    assert panel.averaging.isVisibleTo(panel)
    assert titles == [
        "As the preset · 5 predictions",
        "single · 1 prediction",
        "single+TTA · 8 predictions",
        "paper · 40 predictions",
    ]
    assert panel.choice.averaging == ""


def test_what_was_chosen_stays_when_the_models_are_listed_anew_and_goes_with_the_method(panel):
    choose(panel.method, "boundary-aware")
    choose(panel.averaging, "single+TTA")

    panel.refresh()
    after_refresh = panel.choice.averaging
    choose(panel.method, "resunet-2.5d")

    assert after_refresh == "single+TTA"
    assert panel.choice.averaging == ""
    assert not panel.averaging.isVisibleTo(panel)


@pytest.mark.parametrize(("name", "averaging"), [("", AS_PRESET), ("single+TTA", AVERAGINGS[1])])
def test_a_run_averages_what_was_chosen(scan, install, monkeypatch, name, averaging):
    asked = []

    def run(*_, options, **__):
        asked.append(options.averaging)
        yield

    monkeypatch.setattr("napari_kidney_seg.inference.cascade.run_cascade", run)
    choice = MethodChoice(
        method="boundary-aware", preset="compact", bundle=install("boundary-aware", kidney=1), averaging=name
    )

    result_of(segment(SegmentJob(volume=scan, choice=choice)))

    assert asked == [averaging]


def test_the_sidecar_says_what_was_averaged(qtbot, viewer, bundle, install, fake_run, scan_file):
    install("boundary-aware", kidney=1)
    widget = SegmentWidget(viewer, run=fake_run)
    viewer.window.add_dock_widget(widget, name="Segment")
    viewer.open(str(scan_file), plugin="napari-kidney-seg")
    choose(widget.method.method, "boundary-aware")
    choose(widget.method.averaging, "single+TTA")
    widget.runner.run_button.click()
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=RUN_MS)

    widget.save.save.click()
    qtbot.waitUntil(lambda: "read back" in widget.save.saved.text(), timeout=RUN_MS)

    assert json.loads(scan_file.with_name("case_seg.json").read_text())["averaging"] == "single+TTA"
