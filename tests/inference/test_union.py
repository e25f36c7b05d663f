import numpy as np
import pytest

from napari_kidney_seg.core.events import result_of
from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.core.method import RegionOutput, StageOutput
from napari_kidney_seg.imaging.components import KeepLargest
from napari_kidney_seg.inference.union import UnionFusion

SHAPE = (6, 20, 40)
GRID = Geometry.from_spacing(SHAPE, (2.0, 1.0, 1.0))
KEEP = KeepLargest(count=2)
UNION = UnionFusion(keep=KEEP)
MASSES = ("background", "tumor", "cyst")
KIDNEY = (slice(1, 5), slice(5, 15), slice(5, 15))


def output(name, classes, index, **changes):
    """Return the output that says class `index` (Z, Y, X) for sure, over the whole grid."""
    certain = np.stack([index == number for number in range(len(classes))]).astype(np.float32)
    region = RegionOutput(box=Box.whole(SHAPE), probabilities=certain)
    return StageOutput(stage=name, classes=classes, regions=(region,), **changes)


def fused(kidney, masses, fusion=UNION, classes=MASSES, **changes):
    outputs = {"kidney": output("kidney", ("background", "kidney"), kidney, **changes)}
    outputs["masses"] = output("masses", classes, masses)
    return result_of(fusion(outputs, GRID))


@pytest.fixture
def kidney():
    mask = np.zeros(SHAPE, np.uint8)
    mask[KIDNEY] = 1
    return mask


@pytest.fixture
def masses():
    """Tumor that reaches out of the kidney at its right border, cyst at its left border."""
    index = np.zeros(SHAPE, np.uint8)
    index[2:4, 8:10, 3:7] = 1
    index[2:4, 8:10, 13:17] = 2
    return index


def test_masses_win_over_kidney_and_keep_their_class_outside_it(kidney, masses):
    labels = fused(kidney, masses)

    assert labels[2, 8, 2:8].tolist() == [0, 2, 2, 2, 2, 1]
    assert labels[2, 8, 12:18].tolist() == [1, 3, 3, 3, 3, 0]
    assert labels.dtype == np.uint8


def test_masses_outside_the_kidney_can_be_dropped(kidney, masses):
    labels = fused(kidney, masses, UnionFusion(keep=KEEP, restrict_to_kidney=True))

    assert labels[2, 8, 2:8].tolist() == [0, 0, 0, 2, 2, 1]
    np.testing.assert_array_equal(labels > 0, kidney)


def test_the_two_largest_components_stay_and_voxels_that_touch_by_a_corner_belong_together(kidney):
    masses = np.zeros(SHAPE, np.uint8)
    masses[1:3, 8:12, 30:34] = 1  # second largest, 32 voxels
    masses[5, 15, 15] = 2  # touches the kidney by a corner
    masses[0, 0, 0] = 1

    labels = fused(kidney, masses)

    assert labels[0, 0, 0] == 0
    assert labels[5, 15, 15] == 3
    assert np.count_nonzero(labels == 2) == 32


def test_a_component_below_the_floor_goes_unless_a_person_gave_it(kidney):
    nothing = np.zeros(SHAPE, np.uint8)
    floor = UnionFusion(keep=KeepLargest(count=2, min_ml=1.0))  # the kidney has 400 voxels of 2 mm3: 0.8 ml

    assert fused(kidney, nothing, floor).max() == 0
    np.testing.assert_array_equal(fused(kidney, nothing, floor, given=True), kidney)


def test_a_masses_stage_that_knows_the_kidney_decides_where_it_looked(kidney):
    classes = ("background", "kidney", "tumor", "cyst")
    index = np.zeros(SHAPE, np.uint8)
    index[1:5, 5:15, 5:10] = 1
    index[2, 8, 6] = 3

    predicted = fused(kidney, index, classes=classes)
    given = fused(kidney, index, classes=classes, given=True)

    assert predicted[2, 8, 4:12].tolist() == [0, 1, 3, 1, 1, 1, 0, 0]
    assert given[2, 8, 4:12].tolist() == [0, 1, 3, 1, 1, 1, 1, 1]


def test_without_kidney_and_masses_the_mask_is_empty():
    found_nothing = {name: StageOutput(stage=name, classes=MASSES) for name in ("kidney", "masses")}

    assert result_of(UNION(found_nothing, GRID)).max() == 0
