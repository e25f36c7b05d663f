import numpy as np

from napari_kidney_seg.core.geometry import Box, Geometry
from napari_kidney_seg.methods import get_method
from napari_kidney_seg.training.voxels import box_around, random_voxel, window_shape


def test_every_wanted_voxel_is_drawn_equally_often():
    labels = np.zeros((3, 4, 4), np.uint8)
    wanted = [(0, 1, 2), (2, 0, 0), (2, 3, 3), (2, 3, 2)]
    for voxel in wanted:
        labels[voxel] = 2
    rng = np.random.default_rng(0)

    drawn = [random_voxel(labels, lambda part: part == 2, rng) for _ in range(800)]

    counts = [drawn.count(voxel) for voxel in wanted]
    assert sum(counts) == 800
    assert min(counts) > 150


def test_an_absent_class_gives_no_voxel():
    assert random_voxel(np.zeros((2, 2, 2), np.uint8), lambda part: part > 0, np.random.default_rng(0)) is None


def test_a_window_covers_the_same_millimeters_on_the_scans_grid():
    stage = get_method("boundary-aware", "paper").stage("kidney")

    assert window_shape(stage, Geometry.from_spacing((100, 400, 400), (4.0, 0.5, 0.8))) == (44, 352, 220)


def test_boxes_are_centered_shifted_inside_and_centered_on_what_is_too_small():
    whole = Box((0, 0, 0), (10, 20, 4))

    assert box_around((5, 1, 2), (4, 6, 8), whole) == Box((3, 0, -2), (7, 6, 6))
