"""What the diagram of a cascade shows, and that it is painted."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtGui import QImage

from napari_kidney_seg.methods import REGISTRY, get_method
from napari_kidney_seg.widgets.stage_diagram import Arrow, StageDiagram, arrows_of, boxes_of


def test_the_default_cascade_has_its_stages_between_scan_and_mask():
    method = get_method("resunet-2.5d", "compact")

    assert boxes_of(method) == (
        "CT",
        "Coarse ResUNet\nkidney",
        "Kidney ResUNet\nkidney",
        "Lesion ResUNet\nkidney, cyst, tumor",
        "mask: kidney, tumor, cyst",
    )
    assert set(arrows_of(method)) == {Arrow(0, 1), Arrow(1, 2), Arrow(1, 3), Arrow(2, 3), Arrow(2, 4), Arrow(3, 4)}


@pytest.mark.parametrize("name", REGISTRY)
def test_every_method_is_connected_from_the_scan_to_the_mask(name):
    method = get_method(name, "compact")
    last = len(method.stages) + 1

    reached = {0}
    for arrow in sorted(arrows_of(method), key=lambda arrow: arrow.start):
        assert arrow.start < arrow.end <= last
        if arrow.start in reached:
            reached.add(arrow.end)
    assert reached == set(range(last + 1))


def test_more_stages_make_it_higher_and_it_is_painted(qtbot):
    diagram = StageDiagram()
    qtbot.addWidget(diagram)
    heights = []
    for name in ("boundary-aware", "resunet-2.5d"):
        diagram.show_method(get_method(name, "compact"))
        heights.append(diagram.sizeHint().height())
    diagram.resize(260, heights[1])

    picture = diagram.grab().toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    pixels = np.frombuffer(picture.constBits().asstring(picture.sizeInBytes()), np.uint8)
    assert heights[0] < heights[1]
    assert len(np.unique(pixels)) > 3
