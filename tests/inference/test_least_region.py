import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.grid import WorkingGrid
from napari_kidney_seg.core.method import StageOutput
from napari_kidney_seg.inference.least_region import AtLeast
from napari_kidney_seg.inference.regions import AroundForeground

NATIVE = WorkingGrid()
SCAN = Geometry.from_spacing((40, 60, 80), (2.0, 1.0, 1.0))


def box_around(start, stop, rule, geometry=SCAN):
    mask = np.zeros(geometry.shape, bool)
    mask[Box(start, stop).slices] = True
    (box,) = rule.boxes({"kidney": StageOutput.from_mask("kidney", ("background", "kidney"), mask)}, geometry)
    return box


def around(size, grid=NATIVE, margin_mm=0.0):
    return AtLeast(region=AroundForeground(sources=("kidney",), margin_mm=margin_mm), size=size, grid=grid)


def test_a_small_box_grows_about_its_center_and_a_large_axis_stays():
    assert box_around((10, 20, 30), (20, 40, 70), around((16, 30, 10))) == Box((7, 15, 30), (23, 45, 70))


def test_the_margin_comes_first():
    # 10 mm are 5 slices of 2 mm and 10 pixels of 1 mm.
    assert box_around((10, 20, 30), (12, 22, 32), around((4, 4, 4), margin_mm=10)) == Box((5, 10, 20), (17, 32, 42))


@pytest.mark.parametrize(
    ("start", "stop", "expected"), [((0, 0, 0), (2, 2, 2), (0, 10)), ((38, 0, 0), (40, 2, 2), (30, 40))]
)
def test_a_box_at_the_border_is_moved_into_the_scan(start, stop, expected):
    box = box_around(start, stop, around((10, 2, 2)))

    assert (box.start[0], box.stop[0]) == expected


def test_no_box_is_larger_than_the_scan():
    assert box_around((10, 20, 30), (12, 22, 32), around((99, 99, 99))) == Box((0, 0, 0), (40, 60, 80))


def test_the_size_is_in_voxels_of_the_working_grid():
    # 8 slices of 4 mm are 16 of 2 mm; 10 pixels of 2 mm are 20 of 1 mm.
    grid = WorkingGrid(spacing=(4.0, 2.0, 2.0))

    assert box_around((20, 20, 20), (22, 24, 24), around((8, 10, 10), grid)).shape == (16, 20, 20)


def test_without_kidney_there_is_no_box_and_the_sources_are_those_of_the_rule_inside():
    rule = around((8, 8, 8))

    assert rule.boxes({"kidney": StageOutput(stage="kidney", classes=("background", "kidney"))}, SCAN) == ()
    assert rule.sources == ("kidney",)
