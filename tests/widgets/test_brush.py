from __future__ import annotations

import numpy as np
import pytest

from napari_kidney_seg.widgets.brush import CtBrush, HuRange
from napari_kidney_seg.widgets.layer_data import LEFT_KIDNEY, ct_layer_data
from napari_kidney_seg.widgets.layers import add_missing_layers

CENTER = (5, 6, 7)  # voxel, in the soft tissue of the scan


@pytest.fixture
def ct(model, scan):
    data, options, _ = ct_layer_data(scan)
    return model.add_image(data, **options)


@pytest.fixture
def layers(model, ct):
    return add_missing_layers(model, ct)


@pytest.fixture
def brush(qtbot, model, ct, layers) -> CtBrush:
    """A brush of 2 mm; a voxel of the scan is 5 x 0.8 x 0.9 mm."""
    brush = CtBrush(model)
    brush.hold(layers.values(), ct)
    brush.set_radius(2.0)
    yield brush
    brush.release()


def extent(layer) -> list[int]:
    """Return how many voxels are labeled along each axis."""
    return [len(np.unique(where)) for where in np.nonzero(layer.data)]


def test_a_disc_is_two_millimeters_in_radius_and_stays_in_its_slice(brush, layers):
    layers["tumor"].paint(CENTER, 2)

    assert extent(layers["tumor"]) == [1, 5, 5]
    assert set(np.unique(layers["tumor"].data)) == {0, 2}


def test_in_a_coronal_view_the_disc_lies_in_the_coronal_slice(brush, layers, model):
    model.dims.order = (1, 0, 2)
    brush.set_radius(5.0)

    layers["tumor"].paint(CENTER, 2)

    assert extent(layers["tumor"]) == [3, 1, 11]


def test_a_sphere_reaches_through_the_slices(brush, layers):
    brush.set_sphere(is_sphere=True)
    brush.set_radius(5.0)

    layers["tumor"].paint(CENTER, 2)

    assert extent(layers["tumor"])[0] == 3


def test_only_voxels_in_the_range_are_painted_but_all_are_erased(brush, layers, scan):
    brush.set_radius(20.0)
    brush.hu_range = HuRange(name="soft tissue", low=0, high=100)

    layers["kidney"].paint(CENTER, 1)
    np.testing.assert_array_equal(layers["kidney"].data[5], scan.array[5] == 40)

    brush.hu_range = HuRange(name="air", low=-2000, high=-900)
    layers["kidney"].paint(CENTER, 0)
    assert not layers["kidney"].data.any()


def test_a_stroke_is_one_step_of_undo(brush, layers):
    with layers["cyst"].block_history():
        for column in (4, 6, 8):
            layers["cyst"].paint((5, 6, column), 3)

    layers["cyst"].undo()

    assert not layers["cyst"].data.any()


def test_a_stroke_on_a_split_kidney_goes_on_in_its_side(brush, layers):
    kidney = layers["kidney"]
    kidney.data_setitem(tuple(np.array([v]) for v in CENTER), LEFT_KIDNEY)

    with kidney.block_history():
        kidney.paint((5, 6, 8), 1)
        kidney.paint((5, 6, 11), 1)
    kidney.paint((2, 6, 11), 1)

    assert set(np.unique(kidney.data[5])) == {0, LEFT_KIDNEY}
    assert set(np.unique(kidney.data[2])) == {0, 1}


def test_the_cursor_shows_the_radius_and_napari_can_change_it(brush, layers, model):
    model.layers.selection.active = layers["tumor"]
    heard = []
    brush.radius_changed.connect(heard.append)

    brush.set_radius(4.0)
    assert layers["tumor"].brush_size == 10  # 8 mm across, of 0.8 mm each
    assert heard == []

    layers["tumor"].brush_size += 1
    assert heard == [pytest.approx(4.4)]
    assert layers["kidney"].brush_size == 11


def test_released_layers_have_naparis_own_brush(brush, layers):
    brush.release()

    layers["tumor"].brush_size = 1
    layers["tumor"].paint(CENTER, 2)

    assert np.count_nonzero(layers["tumor"].data) == 1
    assert "paint" not in vars(layers["tumor"])
