import numpy as np
import pytest

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.grid import WorkingGrid
from napari_kidney_seg.core.method import RegionOutput, StageOutput
from napari_kidney_seg.inference.regions import (
    AroundEachComponent,
    AroundForeground,
    WholeScan,
    foreground,
    to_scan,
)

CLASSES = ("background", "kidney")
GEOMETRY = Geometry.from_spacing((40, 80, 100), (2.0, 1.0, 1.0))


def output(*parts: Box, working: tuple[int, int, int] = (20, 40, 50)) -> StageOutput:
    """A stage over the whole scan, at half its resolution, that saw kidney in `parts` of its working grid."""
    probabilities = np.zeros((2, *working), np.float16)
    for part in parts:
        probabilities[(1, *part.slices)] = 1
    probabilities[0] = 1 - probabilities[1]
    region = RegionOutput(box=Box.whole(GEOMETRY.shape), probabilities=probabilities)
    return StageOutput(stage="coarse", classes=CLASSES, regions=(region,))


RIGHT, LEFT = Box((5, 10, 5), (9, 16, 11)), Box((6, 12, 40), (11, 18, 46))


def test_whole_scan_is_one_box():
    assert WholeScan().boxes({}, GEOMETRY) == (Box.whole((40, 80, 100)),)


def test_one_box_holds_both_kidneys_and_the_margin_in_millimeters():
    boxes = AroundForeground(margin_mm=4.0).boxes({"coarse": output(RIGHT, LEFT)}, GEOMETRY)

    # Twice the working indices, plus 2 slices of 2 mm and 4 pixels of 1 mm.
    assert boxes == (Box((10 - 2, 20 - 4, 10 - 4), (22 + 2, 36 + 4, 92 + 4)),)


def test_margin_is_cut_to_the_scan():
    boxes = AroundForeground(margin_mm=500.0).boxes({"coarse": output(RIGHT)}, GEOMETRY)

    assert boxes == (Box.whole(GEOMETRY.shape),)


def test_later_sources_add_nothing_when_they_were_predicted():
    outputs = {"coarse": output(RIGHT), "kidney": output(LEFT)}

    boxes = AroundForeground(sources=("absent", "coarse", "kidney"), margin_mm=0).boxes(outputs, GEOMETRY)

    assert boxes == (Box((10, 20, 10), (18, 32, 22)),)


def test_what_a_person_gave_is_added_to_the_first_source():
    corrected = np.zeros(GEOMETRY.shape, np.uint8)
    corrected[30:33, 50:60, 70:75] = 1
    outputs = {"coarse": output(RIGHT), "kidney": StageOutput.from_mask("kidney", CLASSES, corrected)}

    boxes = AroundForeground(sources=("coarse", "kidney", "other"), margin_mm=0).boxes(outputs, GEOMETRY)

    assert boxes == (Box((10, 20, 10), (33, 60, 75)),)


def test_no_foreground_gives_no_box():
    assert AroundForeground().boxes({"coarse": output()}, GEOMETRY) == ()
    assert AroundEachComponent().boxes({"coarse": output()}, GEOMETRY) == ()


def test_missing_sources_are_an_error_that_names_them():
    with pytest.raises(KidneySegError, match=r"looks around 'coarse'; found outputs of \['kidney'\]"):
        AroundForeground().boxes({"kidney": output()}, GEOMETRY)


@pytest.mark.parametrize(("max_spacing_mm", "count"), [(None, 1), (1.64, 1), (1.63, 2)])
def test_box_whose_pixels_would_be_too_coarse_is_split_by_component(max_spacing_mm, count):
    grid = WorkingGrid(shape=(None, 50, 50))  # the common box is 82 mm wide: 1.64 mm a pixel
    rule = AroundForeground(margin_mm=0, grid=grid, max_spacing_mm=max_spacing_mm)

    boxes = rule.boxes({"coarse": output(RIGHT, LEFT)}, GEOMETRY)

    apart = (Box((12, 24, 80), (22, 36, 92)), Box((10, 20, 10), (18, 32, 22)))  # the larger first
    assert boxes == (apart if count == 2 else (Box((10, 20, 10), (22, 36, 92)),))


def test_each_component_gets_a_box_and_one_seen_by_two_sources_is_one():
    corrected = np.zeros(GEOMETRY.shape, np.uint8)
    corrected[14:24, 24:36, 78:90] = 1  # the left kidney, drawn a little to the right
    outputs = {"coarse": output(RIGHT, LEFT), "kidney": StageOutput.from_mask("kidney", CLASSES, corrected)}

    boxes = AroundEachComponent(sources=("coarse", "kidney"), margin_mm=0).boxes(outputs, GEOMETRY)

    assert boxes == (Box((12, 24, 78), (24, 36, 92)), Box((10, 20, 10), (18, 32, 22)))


@pytest.mark.parametrize("max_width_mm", [None, 90.0, 89.0])
def test_a_box_too_wide_for_one_kidney_is_halved_with_the_margin_on_both_sides_of_the_cut(max_width_mm):
    horseshoe = Box((5, 10, 5), (9, 16, 46))  # 82 mm wide on the scan, 90 mm with the margin

    boxes = AroundEachComponent(margin_mm=4.0, max_width_mm=max_width_mm).boxes({"coarse": output(horseshoe)}, GEOMETRY)

    whole = (Box((8, 16, 6), (20, 36, 96)),)
    assert boxes == (whole if max_width_mm != 89.0 else (Box((8, 16, 6), (20, 36, 55)), Box((8, 16, 47), (20, 36, 96))))


def test_foreground_is_what_is_not_background_or_any_independent_class():
    values = np.array([[0.4, 0.6, 0.4], [0.45, 0.3, 0.3], [0.15, 0.1, 0.3]]).reshape(3, 1, 1, 3)
    region = RegionOutput(box=Box.whole((1, 1, 3)), probabilities=values)

    np.testing.assert_array_equal(foreground(region, ("background", "kidney", "tumor")).ravel(), [True, False, False])
    np.testing.assert_array_equal(foreground(region, ("kidney", "tumor", "cyst")).ravel(), [False, True, False])


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (Box((0, 0, 0), (3, 3, 3)), Box((5, 5, 5), (15, 15, 15))),
        (Box((1, 1, 1), (2, 2, 2)), Box((8, 8, 8), (12, 12, 12))),
    ],
)
def test_part_of_a_working_grid_becomes_every_scan_voxel_it_touches(part, expected):
    assert to_scan(part, (3, 3, 3), Box((5, 5, 5), (15, 15, 15))) == expected
