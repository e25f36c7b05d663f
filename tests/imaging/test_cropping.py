import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.imaging.cropping import Crop, crop_pad, foreground_box, padded_to, paste
from napari_kidney_seg.imaging.steps import whole


def test_a_box_inside_gives_its_voxels():
    array = np.arange(24).reshape(2, 3, 4)

    assert crop_pad(array, Box((0, 1, 1), (1, 3, 3))).tolist() == [[[5, 6], [9, 10]]]


def test_a_box_that_reaches_outside_is_filled():
    array = np.ones((1, 1, 2))

    assert crop_pad(array, Box((0, -1, 1), (1, 1, 4)), fill=-7).tolist() == [[[-7, -7, -7], [1, -7, -7]]]


def test_a_box_wholly_outside_is_only_fill():
    assert (crop_pad(np.ones((2, 2, 2)), Box((5, 5, 5), (6, 7, 8)), fill=3) == 3).all()


@pytest.mark.parametrize("box", [Box((1, 1, 1), (3, 4, 5)), Box((-2, 0, 3), (2, 9, 5)), Box((0, 0, 0), (4, 5, 6))])
def test_pasting_puts_cropped_voxels_back_in_place(box):
    array = np.random.default_rng(0).integers(1, 9, (2, 4, 5, 6))

    restored = paste(crop_pad(array, box), box, (4, 5, 6))

    inside = np.zeros((4, 5, 6), bool)
    inside[tuple(slice(max(0, a), max(0, b)) for a, b in zip(box.start, box.stop, strict=True))] = True
    np.testing.assert_array_equal(restored, np.where(inside, array, 0))


def test_padding_to_a_minimum_is_split_evenly_and_never_crops():
    assert padded_to((3, 10, 4), (6, 8, 4)) == Box((-1, 0, 0), (5, 10, 4))


def test_the_foreground_box_is_tight():
    mask = np.zeros((5, 6, 7), bool)
    mask[1, 2, 3] = mask[3, 2, 5] = True

    assert foreground_box(mask) == Box((1, 2, 3), (4, 3, 6))
    assert foreground_box(np.zeros((2, 2, 2))) is None


def test_a_crop_step_moves_the_origin_and_fills_what_lies_outside():
    geometry = Geometry.from_spacing((4, 4, 4), (2.0, 1.0, 1.0))
    step = Crop(before=(4, 4, 4), box=Box((-1, 0, 2), (3, 4, 4)), fill=-5)

    cropped = whole(step, np.ones((4, 4, 4)))

    assert step.geometry(geometry).origin == (2.0, 0.0, 2.0)
    assert cropped.shape == step.after == (4, 4, 2)
    assert (cropped[0] == -5).all()
    assert (cropped[1:] == 1).all()


@pytest.mark.parametrize("box", [Box((1, 1, 1), (3, 4, 5)), Box((-2, 0, 3), (2, 9, 5)), Box((0, 0, 0), (4, 5, 6))])
def test_a_crop_step_back_is_pasting_whatever_it_was_filled_with(box):
    array = np.random.default_rng(0).integers(1, 9, (2, 4, 5, 6))
    step = Crop(before=(4, 5, 6), box=box, fill=7)

    restored = whole(step.inverse(), whole(step, array))

    np.testing.assert_array_equal(restored, paste(crop_pad(array, box), box, (4, 5, 6)))


def test_a_part_of_a_crop_reads_only_that_part():
    array, asked = np.arange(4 * 5 * 6).reshape(4, 5, 6), []

    def source(box):
        asked.append(box)
        return array[box.slices]

    part = Crop(before=(4, 5, 6), box=Box((1, -1, 2), (4, 5, 8)), fill=-1).part(source, Box((1, 0, 1), (2, 2, 5)))

    assert asked == [Box((2, 0, 3), (3, 1, 6))]
    assert part.tolist() == [[[-1, -1, -1, -1], [63, 64, 65, -1]]]
