from __future__ import annotations

import numpy as np
import pytest

from napari_kidney_seg.core.events import EpochDone
from napari_kidney_seg.training.training_view import RunView
from napari_kidney_seg.widgets.curves_panel import CurvesPanel


def run_of(losses, stage="kidney", scores=lambda _epoch: {}) -> RunView:
    epochs = [
        EpochDone(stage=stage, epoch=number, epochs=len(losses), loss=loss, scores=scores(number))
        for number, loss in enumerate(losses, start=1)
    ]
    return RunView(stage=stage, epochs=tuple(epochs))


@pytest.fixture
def panel(qtbot) -> CurvesPanel:
    panel = CurvesPanel()
    qtbot.addWidget(panel)
    return panel


def drawn(panel, name) -> list[tuple[list, list]]:
    return [(item.xData.tolist(), item.yData.tolist()) for item in panel.plots[name].listDataItems() if item.xData.size]


def test_losses_are_drawn_over_their_epochs(panel):
    panel.show_runs((run_of([1.0, 0.5, 0.25]),), {})

    assert drawn(panel, "loss") == [([1, 2, 3], [1.0, 0.5, 0.25])]


def test_a_loss_that_is_no_number_leaves_a_gap(panel):
    panel.show_runs((run_of([1.0, float("inf"), 0.25]),), {})

    ((_, losses),) = drawn(panel, "loss")
    assert np.isnan(losses).tolist() == [False, True, False]


def test_dice_is_drawn_where_it_was_measured(panel):
    every_second = run_of(
        [1.0] * 4, scores=lambda epoch: {} if epoch % 2 else {"dice_kidney": 0.2 * epoch, "dice": 0.2 * epoch}
    )

    panel.show_runs((every_second,), {})

    assert drawn(panel, "dice") == [([2, 4], [0.4, 0.8])]
    assert "kidney 0.8" in panel.texts["dice"].text()


def test_a_new_stage_is_shown_unless_a_person_looks_at_another_one(panel):
    first, second, third = (run_of([1.0], stage) for stage in "abc")
    panel.show_runs((first,), {"a": "A net"})
    panel.show_runs((first, second), {"a": "A net"})
    assert [panel.stage.itemText(row) for row in range(2)] == ["A net", "b"]
    assert panel.stage.currentIndex() == 1

    panel.stage.setCurrentIndex(0)
    panel.show_runs((first, second, third), {})

    assert panel.stage.currentIndex() == 0


def test_nothing_is_shown_before_a_stage_has_begun(panel):
    panel.show_runs((run_of([1.0]),), {})

    panel.show_runs((), {})

    assert panel.isHidden()
    assert panel.stage.count() == 0
