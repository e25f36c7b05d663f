import numpy as np
import pytest

from napari_kidney_seg.phantom.hull import hull_distance
from napari_kidney_seg.phantom.scene import Grid

GRID = Grid.around((0.0, 0.0, 0.0), (120.0, 200.0, 200.0), (4.0, 2.0, 2.0))


def test_distance_is_negative_inside_and_positive_outside_in_millimeters():
    _, y, x = GRID.mesh()
    mask = np.broadcast_to((np.abs(y) < 50) & (np.abs(x) < 70), GRID.shape)

    distance = hull_distance(mask, GRID)

    assert distance[15, 60, 50] == pytest.approx(21 - 50, abs=2)
    assert distance[15, 50, 96] == pytest.approx(93 - 70, abs=2)


def test_a_hollow_between_organs_belongs_to_the_trunk():
    _, y, x = GRID.mesh()
    mask = np.broadcast_to((np.abs(y) < 50) & (np.abs(x) > 40) & (np.abs(x) < 70), GRID.shape)

    assert hull_distance(mask, GRID)[15, 50, 50] < -40


def test_slices_without_organs_lie_outside():
    distance = hull_distance(np.zeros(GRID.shape, bool), GRID)

    assert distance == pytest.approx(60)
