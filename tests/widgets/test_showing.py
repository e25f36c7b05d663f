import numpy as np
import pytest

from napari_kidney_seg.widgets.layer_data import ct_layer_data
from napari_kidney_seg.widgets.layers import add_label_layers
from napari_kidney_seg.widgets.showing import show_labels, show_most


@pytest.fixture
def kidney(model, scan, mask):
    """The kidney layer of a mask in slices 3 to 6 of 10, rows 3 to 7 of 12; the most of it in all of these."""
    data, options, _ = ct_layer_data(scan)
    kidney, *_ = add_label_layers(model, mask, model.add_image(data, **options))
    return kidney


@pytest.mark.parametrize(("order", "axis", "first"), [((0, 1, 2), 0, 3), ((1, 0, 2), 1, 3), ((2, 0, 1), 2, 3)])
def test_a_slice_without_kidney_is_left_for_the_first_with_the_most_of_it(model, kidney, order, axis, first):
    model.dims.order = order
    model.dims.set_current_step(axis, 0)

    show_labels(model, kidney)

    assert model.dims.current_step[axis] == first


def test_the_most_is_shown_though_the_slice_shown_has_some(model, kidney):
    kidney.data[5, 0, 0] = 1
    kidney.refresh()
    model.dims.set_current_step(0, 3)

    show_most(model, kidney)

    assert model.dims.current_step[0] == 5


def test_where_the_slider_is_outside_the_layer_its_fullest_slice_is_shown(model, kidney):
    kidney.data[0, 0, 0] = 1
    kidney.refresh()
    model.add_image(np.zeros((40, 5, 5)), translate=(-100, 0, 0))
    model.dims.set_point(0, -90)

    show_labels(model, kidney)

    assert round(float(kidney.world_to_data(model.dims.point)[0])) == int(np.argmax((kidney.data != 0).sum((1, 2))))


def test_a_slice_with_kidney_stays(model, kidney):
    model.dims.set_current_step(0, 6)

    show_labels(model, kidney)

    assert model.dims.current_step[0] == 6


def test_without_a_kidney_nothing_moves(model, kidney):
    kidney.data = np.zeros_like(kidney.data)
    model.dims.set_current_step(0, 1)

    show_labels(model, kidney)

    assert model.dims.current_step[0] == 1


def test_a_3d_view_is_left_alone(model, kidney):
    model.dims.ndisplay = 3
    before = model.dims.point

    show_labels(model, kidney)

    assert model.dims.point == before
