from dataclasses import replace

import numpy as np
import pytest

from napari_kidney_seg.core.geometry import Geometry
from napari_kidney_seg.widgets.layer_data import ct_layer_data
from napari_kidney_seg.widgets.layers import add_label_layers
from napari_kidney_seg.widgets.showing import show_labels, show_most, show_scan


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


class TestTwoScans:
    """The scan of the other tests with its mask, and another patient's 500 mm beside it."""

    @pytest.fixture
    def other(self, model, kidney, scan):
        away = Geometry.from_spacing(scan.array.shape, scan.spacing, (500.0, 500.0, 500.0))
        data, options, _ = ct_layer_data(replace(scan, geometry=away, name="other"))
        return model.add_image(data, **options)

    def test_the_one_that_is_shown_takes_the_place_of_the_other(self, model, kidney, other):
        show_scan(model, other)
        assert {layer.name: layer.visible for layer in model.layers} == {
            "case": False, "kidney": False, "cyst": False, "tumor": False, "other": True,
        }  # fmt: skip

        show_scan(model, model.layers["case"])
        assert [layer.name for layer in model.layers if layer.visible] == ["case", "kidney", "cyst", "tumor"]

    def test_the_view_goes_to_its_middle_or_its_kidneys(self, model, kidney, other):
        model.scene.camera.center = np.mean(kidney.extent.world, axis=0)
        show_scan(model, other)
        low, high = other.extent.world
        assert (low <= model.dims.point).all()
        assert (model.dims.point <= high).all()
        np.testing.assert_allclose(model.scene.camera.center[1:], np.mean(other.extent.world, axis=0)[1:])

        show_scan(model, model.layers["case"])
        place = round(float(kidney.world_to_data(model.dims.point)[0]))
        assert kidney.data[place].any()

    def test_a_view_that_is_on_it_stays(self, model, kidney, other):
        show_scan(model, other)
        model.dims.set_point(0, float(other.extent.world[0][0]) + 5)
        before = model.dims.point, model.scene.camera.center

        show_scan(model, other)

        assert (model.dims.point, model.scene.camera.center) == before
