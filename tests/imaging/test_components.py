import numpy as np
import pytest
from scipy import ndimage

from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.imaging.components import (
    KeepLargerByGrid,
    KeepLargerThan,
    KeepLargerThanMl,
    KeepLargest,
    components,
    largest_components,
    numbered,
    remove_small,
    touching,
)

SPACING = (2.0, 1.0, 1.0)


def blocks(*lengths: int) -> np.ndarray:
    """One row of voxels for each length, two rows apart."""
    mask = np.zeros((3, 3 * len(lengths), max(lengths)), bool)
    for row, length in enumerate(lengths):
        mask[1, 3 * row, :length] = True
    return mask


def test_component_of_10000_voxels_is_removed_and_one_of_10001_kept():
    mask = np.zeros((30, 30, 60), bool)
    mask[:25, :20, :20] = True
    mask[:25, :20, 30:50] = True
    mask[25, 0, 30] = True

    kept = KeepLargerThan(voxels=10_000)(mask, SPACING)

    expected = mask.copy()
    expected[:, :, :25] = False
    np.testing.assert_array_equal(kept, expected)
    assert kept.sum() == 10_001


def test_small_tumor_inside_a_kept_kidney_survives_as_the_rule_sees_the_union():
    labels = np.ones((25, 25, 25), np.uint8)
    labels[10:12, 10:15, 10:15] = 2

    kept = KeepLargerThan(voxels=10_000)(labels > 0, SPACING)

    assert kept[labels == 2].sum() == 50


def test_voxels_that_touch_by_a_corner_are_one_component():
    mask = np.zeros((2, 2, 2), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True

    assert [one.voxels for one in components(mask)] == [2]


def test_largest_components_keeps_the_two_largest():
    mask = blocks(5, 9, 7)

    kept = largest_components(mask, 2)

    np.testing.assert_array_equal(kept.sum(axis=(0, 2)), [0, 0, 0, 9, 0, 0, 7, 0, 0])


def test_volume_floor_drops_the_second_component_but_keeps_one_of_exactly_that_volume():
    mask = blocks(9, 4)  # 0.018 and 0.008 ml

    assert KeepLargest(count=2, min_ml=0.008)(mask, SPACING).sum() == 13
    assert KeepLargest(count=2, min_ml=0.0081)(mask, SPACING).sum() == 9


def test_rule_in_milliliters_depends_on_the_spacing():
    mask = blocks(10)  # 0.01 ml at 1 mm

    rule = KeepLargerThanMl(ml=0.015)

    assert rule(mask, (1.0, 1.0, 1.0)).sum() == 0
    assert rule(mask, SPACING).sum() == 10


def test_components_are_listed_largest_first_with_their_boxes():
    found = components(blocks(2, 5))

    assert [one.voxels for one in found] == [5, 2]
    assert [one.box for one in found] == [Box((1, 3, 0), (2, 4, 5)), Box((1, 0, 0), (2, 1, 2))]


@pytest.mark.parametrize("rule", [KeepLargest(), KeepLargerThan(voxels=1), KeepLargerThanMl(ml=1)])
def test_empty_mask_stays_empty(rule):
    mask = np.zeros((3, 4, 5), bool)

    kept = rule(mask, SPACING)

    assert kept.shape == mask.shape
    assert not kept.any()
    assert components(mask) == []


def test_the_mask_given_is_not_changed():
    mask = blocks(2, 5)

    remove_small(mask, more_than_voxels=3)

    assert mask.sum() == 7


@pytest.mark.parametrize(
    ("spacing", "kept"),
    [
        ((1.0, 1.0, 1.0), [0, 4, 5]),
        ((1.0, 2.0, 2.0), [0, 4, 5]),
        ((1.0, 1.0, 0.5), [0, 0, 0]),
        ((9.0, 1.0, 1.0), [3, 4, 5]),
    ],
)
def test_a_rule_in_voxels_gives_way_to_milliliters_on_unusual_grids(spacing, kept):
    rule = KeepLargerByGrid(voxels=3, ml=0.02, usual_ml=(0.003, 0.012))

    remaining = rule(blocks(3, 4, 5), spacing)

    assert remaining[1, ::3].sum(axis=1).tolist() == kept


def test_of_components_those_that_hold_a_seed_are_kept():
    mask = np.array([1, 1, 0, 1, 1, 0, 1], bool).reshape(1, 1, -1)
    seeds = np.array([0, 1, 1, 0, 0, 0, 1], bool).reshape(1, 1, -1)

    assert touching(mask, seeds).ravel().tolist() == [True, True, False, False, False, False, True]
    assert not touching(mask, np.zeros_like(seeds)).any()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_voxels_that_alternate_in_one_row_are_numbered_in_turn(axis):
    shape = tuple(7 if n == axis else 1 for n in range(3))

    numbers = numbered(np.array([1, 0, 1, 1, 0, 0, 1], bool).reshape(shape))

    assert numbers.shape == shape
    assert numbers.ravel().tolist() == [1, 0, 2, 2, 0, 0, 3]


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 6), (1, 4, 5), (5, 1, 4), (4, 5, 6)])
def test_components_are_those_of_scipy(shape):
    mask = np.random.default_rng(4).uniform(size=shape) < 0.3
    expected, count = ndimage.label(mask, np.ones((3, 3, 3)))

    numbers = numbered(mask)

    assert numbers.max() == count
    assert len(np.unique(np.stack([numbers[mask], expected[mask]]), axis=1).T) == count  # one for one
