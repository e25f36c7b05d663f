import numpy as np
import pytest
from scipy import ndimage

from napari_kidney_seg.training.targets import ClassesAndEdges, canny_edges, inner_outline, kits19_classes


def square():
    mask = np.zeros((3, 24, 24), bool)
    mask[1, 6:18, 6:18] = True
    return mask


def test_a_cyst_is_kidney_in_kits19():
    assert kits19_classes(np.array([0, 1, 2, 3], np.uint8)).tolist() == [0, 1, 2, 1]


def test_canny_marks_a_closed_line_within_a_pixel_of_the_outline_and_nothing_in_other_slices():
    mask = square()

    edges = canny_edges(mask)

    near = ndimage.binary_dilation(mask[1]) & ~ndimage.binary_erosion(mask[1], iterations=2)
    assert edges[1].sum() >= 4 * 10
    assert not (edges[1] & ~near).any()
    assert not edges[[0, 2]].any()
    assert ndimage.label(~edges[1])[1] == 2


def test_the_inner_outline_is_the_ring_of_the_masks_own_pixels():
    edges = inner_outline(square())

    assert edges.sum() == 4 * 11
    assert edges[1, 6, 6:18].all()
    assert not edges[1, 7:17, 7:17].any()


@pytest.mark.parametrize("find", [canny_edges, inner_outline])
def test_a_mask_cut_by_the_border_has_no_edge_there(find):
    mask = np.zeros((1, 24, 24), bool)
    mask[:, :, :12] = True

    columns = np.flatnonzero(find(mask).any(axis=(0, 1)))

    assert set(columns) <= {11, 12}
    assert len(columns)


def test_targets_are_class_kidney_edge_and_tumor_edge():
    labels = np.zeros((2, 24, 24), np.uint8)
    labels[:, 4:20, 4:20] = 1
    labels[:, 8:14, 8:14] = 2
    labels[:, 16:18, 16:18] = 3

    target = ClassesAndEdges(edge=inner_outline)(labels)

    assert target.shape == (3, 2, 24, 24)
    np.testing.assert_array_equal(target[0], kits19_classes(labels))
    assert target[1, 0].sum() == 4 * 15 + 4 * 6  # around the kidney, and around the hole that the tumor is in it
    assert target[2, 0].sum() == 4 * 5
