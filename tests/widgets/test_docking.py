"""Docks of the plugin in a real window."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from napari_kidney_seg.widgets.layout import fill_page


@pytest.fixture
def window(make_napari_viewer):
    return make_napari_viewer(show=True).window


def add_page(window, name, area="right"):
    page = QWidget()
    fill_page(page, [])
    return window.add_dock_widget(page, name=name, area=area)


def test_a_second_widget_becomes_a_tab_in_front_of_the_first(qtbot, window):
    first, second = add_page(window, "Segment"), add_page(window, "Edit")

    qtbot.waitUntil(lambda: window._qt_window.tabifiedDockWidgets(second) == [first], timeout=5000)
    assert not second.visibleRegion().isEmpty()
    assert first.visibleRegion().isEmpty()


def test_widgets_of_others_and_on_another_side_keep_their_place(qtbot, window):
    other = window.add_dock_widget(QWidget(), name="Histogram", area="right")
    left, right = add_page(window, "Segment", "left"), add_page(window, "Edit")
    qtbot.waitUntil(right.isVisible, timeout=5000)

    assert left not in window._qt_window.tabifiedDockWidgets(right)
    assert other not in window._qt_window.tabifiedDockWidgets(right)


def test_a_widget_that_a_person_moved_apart_stays_there_when_shown_again(qtbot, window):
    first, second = add_page(window, "Segment"), add_page(window, "Edit")
    qtbot.waitUntil(lambda: window._qt_window.tabifiedDockWidgets(second) == [first], timeout=5000)
    window._qt_window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, second)

    second.hide()
    second.show()

    assert window._qt_window.tabifiedDockWidgets(second) == []
