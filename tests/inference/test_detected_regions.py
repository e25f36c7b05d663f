import numpy as np
import pytest

from napari_kidney_seg.core.errors import KidneySegError
from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.method import RegionOutput, RemarkingRule, StageOutput
from napari_kidney_seg.inference.detected_regions import AroundDetectedKidneys

CLASSES = ("background", "kidney")
RULE = AroundDetectedKidneys(z_gap_mm=0)


def output_of(mask, *, given=False):
    """Return what a detector says that paints `mask`, on the scan's own grid."""
    region = RegionOutput(box=Box.whole(mask.shape), probabilities=np.stack([~mask, mask]).astype(np.float16))
    return {"kidney": StageOutput(stage="kidney", classes=CLASSES, regions=(region,), given=given)}


def two_components(first, second):
    """Return a mask of components of `first` and `second` voxels of 1 ml, and its grid."""
    mask = np.zeros((12, 12, 30), bool)
    for start, voxels in ((0, first), (16, second)):
        part = np.zeros((10, 10, 12), bool)
        part.reshape(10, -1)[:, : voxels // 10] = True  # the same on each of ten slices
        mask[1:11, 1:11, start : start + 12] = part
    return mask, Geometry.from_spacing(mask.shape, (10.0, 10.0, 10.0))


@pytest.mark.parametrize(("second", "regions"), [(90, 1), (100, 2), (110, 2)])
def test_a_second_kidney_of_less_than_a_third_is_dropped_with_a_notice(second, regions):
    mask, geometry = two_components(300, second)

    assert len(RULE.boxes(output_of(mask), geometry)) == regions
    assert len(RULE.notices(output_of(mask), geometry)) == 2 - regions


def test_the_notice_names_volumes_and_slices():
    mask, geometry = two_components(300, 90)

    (notice,) = RULE.notices(output_of(mask), geometry)

    assert isinstance(RULE, RemarkingRule)
    assert notice.code == "second_kidney_dropped"
    assert "second box of 90 ml in slices 1 to 10" in notice.text
    assert "300 ml" in notice.text


@pytest.mark.parametrize(("second", "regions"), [(30, 2), (20, 1)])
def test_a_plausible_second_kidney_can_be_kept(second, regions):
    mask, geometry = two_components(300, second)
    rule = AroundDetectedKidneys(ratio_rule="keep_if_plausible")

    assert len(rule.boxes(output_of(mask), geometry)) == regions


def test_kidneys_that_a_person_drew_are_all_kept():
    mask, geometry = two_components(300, 20)
    mask[1:11, 1:11, 16:] = False
    mask[5, 5, 20] = True

    assert len(RULE.boxes(output_of(mask, given=True), geometry)) == 2
    assert RULE.notices(output_of(mask, given=True), geometry) == ()


def test_less_than_ten_milliliters_and_single_slices_are_no_kidney():
    mask = np.zeros((6, 10, 10), bool)
    mask[1:4, 2:5, 2:3] = True  # 9 ml
    mask[5, 0:4, 4:10] = True  # 24 ml on one slice

    assert RULE.boxes(output_of(mask), Geometry.from_spacing(mask.shape, (10.0, 10.0, 10.0))) == ()


def test_a_missed_slice_does_not_cut_a_kidney_unless_gaps_stay_open():
    mask = np.zeros((12, 10, 10), bool)
    mask[1:10, 2:6, 2:6] = True
    mask[4:6] = False  # 10 mm
    geometry = Geometry.from_spacing(mask.shape, (5.0, 10.0, 10.0))

    closed = AroundDetectedKidneys().boxes(output_of(mask), geometry)
    literal = RULE.boxes(output_of(mask), geometry)

    assert closed == (Box((1, 2, 2), (10, 6, 6)),)
    assert literal == (Box((6, 2, 2), (10, 6, 6)), Box((1, 2, 2), (4, 6, 6)))


def test_a_box_is_the_union_of_its_rectangles_on_the_scans_grid_with_a_margin():
    mask = np.zeros((8, 10, 10), bool)
    mask[2:4, 2:6, 2:6] = mask[4:6, 3:8, 1:5] = True
    region = RegionOutput(box=Box.whole((8, 20, 20)), probabilities=np.stack([~mask, mask]).astype(np.float16))
    outputs = {"kidney": StageOutput(stage="kidney", classes=CLASSES, regions=(region,))}
    rule = AroundDetectedKidneys(margin_mm=5)

    assert rule.boxes(outputs, Geometry.from_spacing((8, 20, 20), (10.0, 5.0, 5.0))) == (Box((1, 3, 1), (7, 17, 13)),)


def test_an_unknown_ratio_rule_is_named():
    with pytest.raises(KidneySegError, match="'twice'; needed one of"):
        AroundDetectedKidneys(ratio_rule="twice")
