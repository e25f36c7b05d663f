from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Labels

from napari_kidney_seg.core.geometry import Box
from napari_kidney_seg.widgets.history import Change, replace_labels, replace_mask


@pytest.fixture
def layer() -> Labels:
    array = np.zeros((4, 6, 6), np.uint8)
    array[1, 1:3, 1:3] = 1
    return Labels(array)


def test_a_replacement_in_a_box_is_one_step_of_undo_and_counts_what_changed(layer):
    before = layer.data.copy()
    box = Box(start=(1, 1, 1), stop=(3, 4, 4))
    new = np.zeros(box.shape, np.uint8)
    new[0, 1:3, 0] = 1

    change = replace_labels(layer, new, box)

    assert change == Change(added=1, removed=3)
    assert np.argwhere(layer.data).tolist() == [[1, 2, 1], [1, 3, 1]]
    layer.undo()
    np.testing.assert_array_equal(layer.data, before)
    layer.redo()
    assert layer.data.sum() == 2


def test_what_changes_nothing_is_no_step(layer):
    replace_labels(layer, np.zeros_like(layer.data))
    replace_labels(layer, np.zeros_like(layer.data))

    layer.undo()

    assert layer.data.sum() == 4


def test_new_voxels_get_the_number_of_the_closest_side(layer):
    layer.data[2, 4, 4] = 4
    mask = np.ones(layer.data.shape, bool)

    replace_mask(layer, mask, Box.whole(layer.data.shape), number=1)

    assert layer.data[0, 0, 0] == layer.data[1, 2, 2] == 1
    assert layer.data[3, 5, 5] == layer.data[2, 4, 4] == 4


def test_new_voxels_of_an_empty_layer_get_the_number_of_the_class(layer):
    layer.data[:] = 0
    mask = np.zeros(layer.data.shape, bool)
    mask[0, 0, :2] = True

    change = replace_mask(layer, mask, Box.whole(layer.data.shape), number=3)

    assert change == Change(added=2)
    assert layer.data[0, 0].tolist() == [3, 3, 0, 0, 0, 0]
